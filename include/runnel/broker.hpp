// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/broker_state.hpp>
#include <runnel/detail/handle.hpp>
#include <runnel/detail/mutex.hpp>
#include <runnel/detail/names.hpp>
#include <runnel/detail/type_key.hpp>
#include <runnel/glob.hpp>
#include <runnel/message.hpp>
#include <runnel/options.hpp>
#include <runnel/stream.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace runnel::inline v0 {

struct BrokerOptions {
    /// Of everything that the broker makes, unless its own options name one. Null means the
    /// SystemClock. Must outlive the broker and what it has made.
    Clock* clock = nullptr;
};

/// Names for lists and streams: whoever knows a name gets the same object. Redis: the key space.
///
///     runnel::Broker broker;
///     auto jobs = broker.list<Job>("jobs", {.capacity = 1000});
///     auto orders = broker.stream<Order>("orders");
///     if (auto found = broker.find_list<Job>("jobs")) found->push_back(job);
///
/// A handle: copies share one broker, and const is the handle's. There is no empty one: moving
/// copies. When the last one goes the broker is closed. What it has made lives on with those who
/// hold it, closed.
///
/// A name keeps what it stands for open, whether anybody else holds it or not, until it is removed;
/// unlike in Redis, a list that runs empty keeps its name. Lists and streams share one name space.
/// Names are bytes, the empty one included.
///
/// Who uses something often holds its handle: each call by name takes the broker's lock.
///
/// Thread safety: every member may be called from any thread at any time.
/// Locks: the broker's before those of what its names stand for; no user code runs under it.
/// Guarantee: a call that throws has changed nothing.
/// Complexity: logarithmic in the number of names, except where said.
class Broker {
public:
    Broker() : Broker{BrokerOptions{}} {}
    explicit Broker(const BrokerOptions& options) : state_{new State{options.clock}} {}

    // ------------------------------------------------------------------ lists and streams

    /// The list of that name; made by the options if there is none. The options of one that is
    /// there are not looked at.
    ///
    /// Throws: Error{wrong_type}, which names both, if the name stands for a stream or for a list
    /// of another type; Error{closed} if there is none and the broker is closed; what
    /// BlockingList's constructor throws.
    template <Message T>
    [[nodiscard]] BlockingList<T> list(std::string_view name,
                                       const ListOptions& options = {}) const {
        return state_->find_or_make<BlockingList<T>>(Space::keys, name, kind<T>(Model::list), [&] {
            return BlockingList<T>{on_clock(options)};
        });
    }

    /// The same for a stream. Throws: as list().
    template <Message T>
    [[nodiscard]] Stream<T> stream(std::string_view name, const StreamOptions& options = {}) const {
        return state_->find_or_make<Stream<T>>(Space::keys, name, kind<T>(Model::stream),
                                               [&] { return Stream<T>{on_clock(options)}; });
    }

    /// What is there, also when the broker is closed; nothing is made.
    ///
    /// Throws: Error{wrong_type} as list().
    template <Message T>
    [[nodiscard]] std::optional<BlockingList<T>> find_list(std::string_view name) const {
        return state_->find<BlockingList<T>>(Space::keys, name, kind<T>(Model::list));
    }
    template <Message T>
    [[nodiscard]] std::optional<Stream<T>> find_stream(std::string_view name) const {
        return state_->find<Stream<T>>(Space::keys, name, kind<T>(Model::stream));
    }

    /// Frees the name, and closes the list or stream that it stood for: what waits in it ends with
    /// Ending::closed, as do reads once nothing is left, and who holds a handle can still take what
    /// is in it. The next call by that name makes a new one. False if there was none. Redis: DEL.
    bool remove(std::string_view name) const noexcept { return state_->remove(Space::keys, name); }

    /// The names of lists and streams that match the pattern, in order; see glob_match().
    /// Redis: KEYS, and as there "*" matches the empty name, too.
    ///
    /// Complexity: linear in the number of names.
    [[nodiscard]] std::vector<std::string> names(std::string_view pattern = "*") const {
        std::vector<std::string> matching;
        const detail::Lock lock{state_->mutex};
        state_->names(Space::keys).visit([&](const detail::Named& named) {
            if (pattern == "*" || glob_match(pattern, named.name)) matching.push_back(named.name);
        });
        return matching;
    }

    /// Whether the name stands for a list or for a stream; nothing: for neither. Redis: TYPE.
    [[nodiscard]] std::optional<Model> model(std::string_view name) const noexcept {
        const detail::Lock lock{state_->mutex};
        const detail::Named* const found = state_->names(Space::keys).find(name);
        return found == nullptr ? std::nullopt : std::optional{found->kind.model};
    }

    // ------------------------------------------------------------------ closing

    /// Closes all that the names stand for, which ends every wait in it, and makes nothing any
    /// more. The names stay: what is left can be found, and taken. Closing twice does nothing.
    ///
    /// Complexity: linear in the number of names.
    void close() const noexcept { state_->close(); }

    [[nodiscard]] bool closed() const noexcept {
        const detail::Lock lock{state_->mutex};
        return state_->closed;
    }

    /// Whether both are handles of the same broker.
    friend bool operator==(const Broker& one, const Broker& other) noexcept {
        return &*one.state_ == &*other.state_;
    }

private:
    using State = detail::BrokerState;
    using Space = detail::Space;

    template <Message T>
    [[nodiscard]] static detail::Kind kind(Model model) noexcept {
        return {model, detail::type_key<T>()};
    }

    template <typename Options>
    [[nodiscard]] Options on_clock(Options options) const {
        if (options.clock == nullptr) options.clock = state_->clock;
        return options;
    }

    detail::Handle<State> state_;
};

}  // namespace runnel::inline v0
