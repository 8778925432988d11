// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/deduplicator.hpp>
#include <runnel/message.hpp>

#include <functional>
#include <memory>
#include <utility>

namespace runnel::inline v0 {

/// How a Worker finds out that an entry was handled before: a Deduplicator, and what the key of an
/// entry is.
///
///     runnel::Deduplicator<std::string> charged;
///     … {.once = runnel::once_by(charged, [](const Order& order) { return order.number; })} …
template <Message T>
class Once {
public:
    // For the Worker, and once_by(): a Turn of a Deduplicator of any key.
    class Turn {
    public:
        Turn() = default;
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        virtual ~Turn() = default;

        [[nodiscard]] virtual KeyState state() const noexcept = 0;
        virtual void mark() = 0;
    };
    using Begin = std::function<std::unique_ptr<Turn>(const T& value)>;

    Once() = default;
    explicit Once(Begin begin) : begin_{std::move(begin)} {}

    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(begin_); }

    // Throws: what the function that tells the key throws; std::bad_alloc.
    [[nodiscard]] std::unique_ptr<Turn> begin(const T& value) const { return begin_(value); }

private:
    Begin begin_;
};

namespace detail {

template <typename Key, typename Hash, typename Equal, typename KeyOf>
struct OnceBy {
    using Keys = Deduplicator<Key, Hash, Equal>;

    template <Message T>
    operator Once<T>() const {  // NOLINT(*-explicit-*): T is told by the Worker
        class TurnOf final : public Once<T>::Turn {
        public:
            explicit TurnOf(typename Keys::Turn turn) noexcept : turn_{std::move(turn)} {}
            [[nodiscard]] KeyState state() const noexcept override { return turn_.state(); }
            void mark() noexcept override { turn_.mark(); }

        private:
            typename Keys::Turn turn_;
        };
        return Once<T>{[keys = keys, key_of = key_of](const T& value) {
            return std::make_unique<TurnOf>(keys->begin(key_of(value)));
        }};
    }

    Keys* keys;
    KeyOf key_of;
};

}  // namespace detail

/// An entry counts as handled before if `keys` has a mark of its key, which is key_of(value).
/// `keys` must outlive the Worker. Several Workers may share it.
///
/// The key is marked when the handler is done, before the entry is acknowledged. So what is
/// delivered once more since its acknowledgement was lost is not handled again. (Job::forward()
/// acknowledges before that.) What a Deduplicator cannot do, it cannot do here: see there. If
/// key_of() throws, that attempt has failed.
template <typename Key, typename Hash, typename Equal, typename KeyOf>
[[nodiscard]] auto once_by(Deduplicator<Key, Hash, Equal>& keys, KeyOf key_of) {
    return detail::OnceBy<Key, Hash, Equal, KeyOf>{&keys, std::move(key_of)};
}

}  // namespace runnel::inline v0
