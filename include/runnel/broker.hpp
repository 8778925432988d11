// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/type_key.hpp>
#include <runnel/detail/facade/broker_state.hpp>
#include <runnel/detail/facade/named_channel.hpp>
#include <runnel/detail/facade/names.hpp>
#include <runnel/error.hpp>
#include <runnel/glob.hpp>
#include <runnel/inbox.hpp>
#include <runnel/list_options.hpp>
#include <runnel/message.hpp>
#include <runnel/model.hpp>
#include <runnel/outcome.hpp>
#include <runnel/snapshot.hpp>
#include <runnel/stats.hpp>
#include <runnel/stream.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0 {

namespace detail {

template <Message T>
class RUNNEL_VISIBLE NamedHandle<Channel<T>> final : public NamedChannel<T> {
public:
    NamedHandle(std::string_view called, Kind of, Channel<T>&& handed)
        : NamedChannel<T>{called, of, *handed.state_}, handle{std::move(handed)} {}

    void close() const noexcept override { handle.close(); }

    const Channel<T> handle;
};

}  // namespace detail

struct BrokerOptions {
    /// The clock of everything that the broker makes, unless the options of that name another one.
    /// Null means the SystemClock. Must outlive the broker and what it has made.
    Clock* clock = nullptr;
};

/// What Broker::subscribe() subscribes to, and the inbox for it.
struct Topics {
    std::vector<std::string> channels{};  ///< names; channels that are not there are made
    std::vector<std::string> patterns{};  ///< of names, of present and future channels
    /// These are the members of InboxOptions.
    std::size_t bound = 1024;
    Behind when_behind = Behind::drop_newest;
    ByteBound bytes{};
    Clock* clock = nullptr;
};

/// Names for lists, streams and channels: whoever uses a name gets the same object.
///
///     runnel::Broker broker;
///     auto jobs = broker.list<Job>("jobs", {.capacity = 1000});
///     auto orders = broker.stream<Order>("orders");
///     if (auto found = broker.find_list<Job>("jobs")) work_on(*found);
///
///     auto all = broker.subscribe<Tick>({.patterns = {"ticks:*"}, .bound = 4096});
///     broker.channel<Tick>("ticks:kr").publish({"kr", 101});
///
/// A handle: copies refer to the same broker, and a const handle can change the broker. A handle is
/// never empty: moving from it copies it. When the last handle is destroyed, the broker is closed,
/// and so are its lists, streams and channels. Whoever has a handle of one of these can still use
/// the handle, to take what is left.
///
/// A name keeps its object open until the name is removed, even if nobody else has a handle. Unlike
/// in Redis, a list that runs empty keeps its name. There are three name spaces: one for lists and
/// streams, one for channels, and one for sharded channels, which patterns do not match. A name is
/// any sequence of bytes, also an empty one.
///
/// Each call by name takes the broker's lock, so look a name up once and keep the handle. A publish
/// through a handle of a channel costs only what the subscribers of that channel cost, those by
/// patterns included.
///
/// Thread safety: every member may be called from any thread at any time.
/// Locks: the broker's lock is taken before the locks of its objects. No user code runs under it.
/// Guarantee: a call that throws has changed nothing, except where its text says so.
/// Complexity: logarithmic in the number of names, except where said.
class Broker {
public:
    Broker() : Broker{BrokerOptions{}} {}
    explicit Broker(const BrokerOptions& options) : state_{new State{options.clock}} {}

    // ------------------------------------------------------------------ lists and streams

    /// The list of that name. If there is none, makes it as the options say. If there is one, it
    /// must have been made with the same options. Options that are not written count as their
    /// defaults, but a null clock stands for any. Without options any list of that name will do: so
    /// all who may come first give the options, or the others use find_list().
    ///
    /// Throws: Error{wrong_type}, which names both types, if the name stands for a stream or for a
    /// list of another type. Error{invalid_argument}, which names both values, if the list was made
    /// with other options. Error{closed} if there is none and the broker is closed. What the
    /// constructor of BlockingList throws.
    template <Message T>
    [[nodiscard]] BlockingList<T> list(std::string_view name, const ListOptions& options) const {
        auto list = found_or_made<BlockingList<T>>(Model::list, name, options);
        const ListOptions made = list.options();
        refuse_if_other(Model::list, name, "capacity", made.capacity, options.capacity);
        refuse_if_other(Model::list, name, "when_full", made.when_full, options.when_full);
        refuse_if_other_clock(Model::list, name, made.clock, options.clock);
        return list;
    }
    template <Message T>
    [[nodiscard]] BlockingList<T> list(std::string_view name) const {
        return found_or_made<BlockingList<T>>(Model::list, name, ListOptions{});
    }

    /// The same for a stream. Throws: as list().
    template <Message T>
    [[nodiscard]] Stream<T> stream(std::string_view name, const StreamOptions& options) const {
        auto stream = found_or_made<Stream<T>>(Model::stream, name, options);
        const StreamOptions made = stream.options();
        refuse_if_other(Model::stream, name, "keep.count", made.keep.count, options.keep.count);
        refuse_if_other(Model::stream, name, "block_entries", made.block_entries,
                        options.block_entries);
        refuse_if_other_clock(Model::stream, name, made.clock, options.clock);
        return stream;
    }
    template <Message T>
    [[nodiscard]] Stream<T> stream(std::string_view name) const {
        return found_or_made<Stream<T>>(Model::stream, name, StreamOptions{});
    }

    /// The list or stream of that name, if there is one, also when the broker is closed. Makes
    /// none.
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

    /// Frees the name and closes the list or stream that it stood for. Every wait in it ends with
    /// Ending::closed. What is left in it can still be taken through a handle. The next call by
    /// that name makes a new object. Returns false if there was none. Redis: DEL.
    bool remove(std::string_view name) const noexcept { return state_->remove(Space::keys, name); }

    /// The names of lists and streams that match the pattern, in order; see glob_match(). As in
    /// Redis, "*" also matches the empty name. Redis: KEYS.
    ///
    /// Complexity: linear in the number of names.
    [[nodiscard]] std::vector<std::string> names(std::string_view pattern = "*") const {
        std::vector<std::string> matching;
        const detail::Lock lock{state_->mutex};
        state_->names(Space::keys).visit({}, [&](const detail::Named& named) {
            if (pattern == "*" || glob_match(pattern, named.name)) matching.push_back(named.name);
        });
        return matching;
    }

    /// Model::list or Model::stream: what the name stands for, if for one of them. Redis: TYPE.
    [[nodiscard]] std::optional<Model> model(std::string_view name) const noexcept {
        const detail::Lock lock{state_->mutex};
        const detail::Named* const found = state_->names(Space::keys).find(name);
        return found == nullptr ? std::nullopt : std::optional{found->kind.model};
    }

    // ------------------------------------------------------------------ channels

    /// The channel of that name. If there is none, makes it as the options say, and joins it to the
    /// inboxes that have a matching pattern of the same type; see subscribe(). If there is one, it
    /// must have the clock of the options, unless that is null; `weigh` cannot be compared, and is
    /// ignored then.
    ///
    /// Throws: as list().
    /// Complexity: to make a channel, for each byte of the name logarithmic in the number of
    /// patterns, and linear in the number of patterns whose literal prefix (the bytes before the
    /// first wildcard) the name begins with. So all patterns that begin with a wildcard are
    /// checked.
    template <Message T>
    [[nodiscard]] Channel<T> channel(std::string_view name,
                                     const ChannelOptions<T>& options = {}) const {
        return channel(Space::channels, name, options);
    }

    /// The same in the name space of sharded channels. The slot of a channel is key_slot(name).
    /// Redis: SPUBLISH, SSUBSCRIBE.
    template <Message T>
    [[nodiscard]] Channel<T> sharded_channel(std::string_view name,
                                             const ChannelOptions<T>& options = {}) const {
        return channel(Space::sharded_channels, name, options);
    }

    /// The channel of that name, if there is one, also when the broker is closed. Makes none.
    ///
    /// Throws: Error{wrong_type} as list().
    template <Message T>
    [[nodiscard]] std::optional<Channel<T>> find_channel(std::string_view name) const {
        return state_->find<Channel<T>>(Space::channels, name, kind<T>(Model::channel));
    }
    template <Message T>
    [[nodiscard]] std::optional<Channel<T>> find_sharded_channel(std::string_view name) const {
        return state_->find<Channel<T>>(Space::sharded_channels, name, kind<T>(Model::channel));
    }

    /// Frees the name and closes the channel that it stood for. Returns false if there was none.
    /// Inboxes keep their patterns: they join the next channel of that name.
    bool remove_channel(std::string_view name) const noexcept {
        return state_->remove(Space::channels, name);
    }
    bool remove_sharded_channel(std::string_view name) const noexcept {
        return state_->remove(Space::sharded_channels, name);
    }

    /// The names of the channels that have a subscriber other than by a pattern, in order.
    /// Redis: PUBSUB CHANNELS, PUBSUB SHARDCHANNELS.
    ///
    /// Complexity: linear in the number of names.
    [[nodiscard]] std::vector<std::string> channels() const {
        return subscribed(Space::channels, {});
    }
    [[nodiscard]] std::vector<std::string> sharded_channels() const {
        return subscribed(Space::sharded_channels, {});
    }

    /// Those of these names that match the pattern; see glob_match().
    [[nodiscard]] std::vector<std::string> channels(std::string_view pattern) const {
        return subscribed(Space::channels, pattern);
    }
    [[nodiscard]] std::vector<std::string> sharded_channels(std::string_view pattern) const {
        return subscribed(Space::sharded_channels, pattern);
    }

    /// The patterns that inboxes have subscribed to, each once, in order. Redis: PUBSUB NUMPAT,
    /// which counts them.
    ///
    /// Complexity: linear in the number of subscriptions by patterns.
    [[nodiscard]] std::vector<std::string> patterns() const { return state_->patterns(); }

    /// An inbox for what is published from now on to the channels that `topics` names, and to every
    /// present and future channel of this type whose name matches one of the patterns. If a channel
    /// is named and also matches two patterns, the inbox gets each of its messages three times.
    /// Names and patterns that are given twice count once. Redis: SUBSCRIBE, PSUBSCRIBE.
    ///
    /// The inbox does not keep the broker open. Once the broker is closed, what is left can be
    /// read, and then reads end with Ending::closed.
    ///
    /// Throws: Error{invalid_argument} if neither a channel nor a pattern is named.
    /// Error{wrong_type} as list(). Error{closed}. What the constructor of Inbox throws. Channels
    /// that were made before the error stay.
    /// Complexity: for each name as channel(). For each pattern, linear in the number of channels
    /// whose names begin with its literal prefix; the same again when the inbox is destroyed.
    template <Message T>
    [[nodiscard]] Inbox<T> subscribe(const Topics& topics) const;

    /// Publishes `message` to the channel of that name. If there is none, a channel is made only if
    /// a pattern of its type matches, and stays until it is removed. Else the message reaches
    /// nobody. Redis: PUBLISH.
    ///
    /// Returns: as Channel::publish(). If nobody was reached and the ending is not Push::done, the
    /// message is untouched.
    /// Throws: Error{wrong_type} as list(). What Channel::publish() throws.
    template <Message T>
    Published publish(std::string_view name, T&& message,
                      const WaitOptions& options = wait_for_ever) const {
        return publish_by<T>(name, [&](const Channel<T>& channel) {
            return channel.publish(std::forward<T>(message), options);
        });
    }
    template <Message T>
    Published
    publish(std::string_view name, const T& message,
            const WaitOptions& options = wait_for_ever) const requires std::copy_constructible<T> {
        return publish_by<T>(
            name, [&](const Channel<T>& channel) { return channel.publish(message, options); });
    }

    /// A string literal is published as a std::string. For another array of characters, say how
    /// much of it you mean.
    // NOLINTBEGIN(*-avoid-c-arrays)
    template <std::size_t Size>
    Published publish(std::string_view name, const char (&literal)[Size],
                      const WaitOptions& options = wait_for_ever) const {
        return publish(name, std::string(std::data(literal), Size - 1), options);
    }
    template <std::size_t Size>
    Published publish(std::string_view name, char (&no_literal)[Size],
                      const WaitOptions& options = wait_for_ever) const = delete;
    // NOLINTEND(*-avoid-c-arrays)

    // ------------------------------------------------------------------ looking

    /// How all lists, streams and channels stand; for the objects by themselves see
    /// BlockingList::stats(), Stream::stats(), ConsumerGroup::stats() and Channel::stats(). Takes
    /// the lock of each object once, one after the other. So what it tells of one object was true
    /// at one moment, but of two objects perhaps at two. Objects that are made or removed meanwhile
    /// may be missing.
    ///
    /// Throws: std::bad_alloc.
    /// Complexity: for each object as its stats(); nothing is locked but that object, and the
    /// broker for the look at the next name.
    [[nodiscard]] BrokerSnapshot snapshot(const StatsOptions& options = {}) const {
        const Clock& clock = state_->clock != nullptr ? *state_->clock : SystemClock::instance();
        BrokerSnapshot snapshot{.wall = clock.wall(), .at = clock.now()};
        const auto add_all = [&](Space space) {
            state_->visit(space,
                          [&](const detail::Named& named) { named.add_stats(snapshot, options); });
        };
        add_all(Space::keys);
        add_all(Space::sharded_channels);
        snapshot.sharded_channels.swap(snapshot.channels);
        add_all(Space::channels);
        return snapshot;
    }

    // ------------------------------------------------------------------ time and closing

    /// Disconnects the subscribers that have been over their soft limit of bytes for too long; see
    /// ByteBound. Returns how many those are. Every publish does the same for its channel. For
    /// channels to which nothing is published, call this now and then, such as once a second.
    ///
    /// Complexity: linear in the number of channels and of their subscribers.
    std::size_t run_due() const noexcept {
        std::size_t count = 0;
        for (const Space space : State::spaces)
            state_->visit(space,
                          [&](const detail::Named& named) { count += named.do_what_is_due(); });
        return count;
    }

    /// Closes all lists, streams and channels, which ends every wait in them. From now on no object
    /// is made. The names stay, so what is left can be found and taken. Closing twice does nothing.
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

    // A list or a stream.
    template <typename Handle, typename Options>
    [[nodiscard]] Handle found_or_made(Model model, std::string_view name,
                                       const Options& options) const {
        const detail::Kind wanted = kind<typename Handle::value_type>(model);
        return state_->find_or_make<Handle>(Space::keys, name, wanted,
                                            [&] { return Handle{on_clock(options)}; });
    }
    template <Message T>
    [[nodiscard]] Channel<T> channel(Space space, std::string_view name,
                                     const ChannelOptions<T>& options) const {
        auto channel = state_->find_or_make<Channel<T>>(space, name, kind<T>(Model::channel), [&] {
            return Channel<T>{on_clock(options), std::string{name}};
        });
        refuse_if_other_clock(Model::channel, name, &channel.state_->clock, options.clock);
        return channel;
    }

    // Called with an option of an object that was made now or earlier, and with the one that is
    // asked for. Throws: Error{invalid_argument}.
    template <typename Value>
    static void refuse_if_other(Model model, std::string_view name, const char* option, Value made,
                                Value asked) {
        if (made == asked) return;
        refuse_options(model, name,
                       std::string{option} + " is " + shown(made) + ", not " + shown(asked));
    }
    static std::string shown(std::size_t count) {
        const bool is_limit = count != std::numeric_limits<std::size_t>::max();
        return is_limit ? std::to_string(count) : "unlimited";
    }
    static std::string shown(Full when_full) { return std::string{to_string(when_full)}; }
    static void refuse_if_other_clock(Model model, std::string_view name, const Clock* made,
                                      const Clock* asked) {
        if (asked != nullptr && !asked->is_same_as(*made))
            refuse_options(model, name, "it has another clock");
    }
    [[noreturn]] static void refuse_options(Model model, std::string_view name,
                                            const std::string& why) {
        throw Error{ErrorCode::invalid_argument, "Broker: the " + std::string{to_string(model)} +
                                                     " \"" + std::string{name} +
                                                     "\" is there with other options: " + why};
    }

    template <Message T>
    [[nodiscard]] std::optional<Channel<T>> channel_for_publish(std::string_view name) const {
        if (auto found = find_channel<T>(name)) return found;
        if (!state_->is_awaited(name, detail::type_key<T>())) return std::nullopt;
        try {
            return channel<T>(name);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::closed) throw;
            return std::nullopt;  // the broker was closed meanwhile
        }
    }

    // Publishes by publish_to(channel). Again if the channel was removed, and so closed, between
    // the two steps; so does join().
    template <Message T, typename PublishTo>
    Published publish_by(std::string_view name, PublishTo publish_to) const {
        for (;;) {
            const auto channel = channel_for_publish<T>(name);
            if (!channel) return {0, closed() ? Push::closed : Push::done};
            const Published published = publish_to(*channel);
            if (published.ending != Push::closed || find_channel<T>(name) == channel)
                return published;
        }
    }

    template <Message T>
    void join(Inbox<T>& inbox, std::string_view name) const {
        for (;;) {
            const Channel<T> joined = channel<T>(name);
            try {
                return inbox.join(joined);
            } catch (const Error&) {
                if (find_channel<T>(name) == joined) throw;
            }
        }
    }

    [[nodiscard]] std::vector<std::string>
    subscribed(Space space, std::optional<std::string_view> pattern) const {
        std::vector<std::string> names;
        const detail::Lock lock{state_->mutex};
        state_->names(space).visit({}, [&](const detail::Named& named) {
            if (pattern && !glob_match(*pattern, named.name)) return;
            if (named.has_subscribers()) names.push_back(named.name);
        });
        return names;
    }

    template <typename Options>
    [[nodiscard]] Options on_clock(Options options) const {
        if (options.clock == nullptr) options.clock = state_->clock;
        return options;
    }

    detail::Handle<State> state_;
};

template <Message T>
Inbox<T> Broker::subscribe(const Topics& topics) const {
    Inbox<T> inbox{
        on_clock(InboxOptions{topics.bound, topics.when_behind, topics.bytes, topics.clock})};
    auto names = topics.channels;
    std::ranges::sort(names);
    // Not std::ranges::unique: clang 14 does not take what it returns.
    names.erase(std::unique(names.begin(), names.end()), names.end());  // NOLINT(*-use-ranges)
    if (names.empty() && topics.patterns.empty()) {
        throw Error{ErrorCode::invalid_argument,
                    "Broker::subscribe: neither a channel nor a pattern is named"};
    }
    for (const std::string& name : names) join(inbox, name);
    if (topics.patterns.empty()) return inbox;
    const detail::Owner<detail::PatternSubscription> patterns(std::in_place, *state_);
    inbox.patterns_ = detail::Owner<detail::Owned>{*patterns.get()};
    for (const std::string& pattern : topics.patterns) patterns->add(pattern, inbox.state_);
    return inbox;
}

}  // namespace runnel::inline v0
