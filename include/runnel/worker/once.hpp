// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/deduplicator.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_id.hpp>

#include <functional>
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
    // What is done with a fresh key; returns whether that is done.
    using Handle = std::function<bool()>;

    Once() = default;

    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(run_); }

    // For the Worker, and once_by(): finds the key of `value`; if that is fresh, calls `handle`
    // and marks the key if it is done.
    using Run = std::function<KeyState(const T& value, const Handle& handle)>;
    explicit Once(Run run) : run_{std::move(run)} {}
    KeyState operator()(const T& value, const Handle& handle) const { return run_(value, handle); }

private:
    Run run_;
};

namespace detail {

template <typename Key, typename Hash, typename Equal, typename KeyOf>
struct OnceBy {
    template <Message T>
    operator Once<T>() const {  // NOLINT(*-explicit-*): T is told by the Worker
        return Once<T>{
            [keys = keys, key_of = key_of](const T& value, const typename Once<T>::Handle& handle) {
                auto turn = keys->begin(key_of(value));
                if (turn && handle()) turn.mark();
                return turn.state();
            }};
    }

    Deduplicator<Key, Hash, Equal>* keys;
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
