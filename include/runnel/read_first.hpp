// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/clock.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/duration.hpp>
#include <runnel/entries.hpp>
#include <runnel/group_options.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/wait_any.hpp>

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <ranges>
#include <span>
#include <utility>
#include <vector>

namespace runnel::inline v0 {

/// A stream, and where to read in it.
template <Message T>
struct ReadPlace {
    using value_type = T;

    Stream<T> stream;
    From after = From::start;
};

/// Some entries of one of several streams.
template <Message T>
struct EntriesOf {
    std::size_t which;  ///< the stream's position among those that were asked
    Entries<T> entries;
};

namespace detail {

template <Message T>
class ReadSeveral {
public:
    ReadSeveral(std::span<const ReadPlace<T>> places, std::size_t count)
        : places_{places}, count_{count} {
        cursors_.reserve(places.size());
        watches_.reserve(places.size());
        for (const ReadPlace<T>& place : places) {
            cursors_.push_back(place.stream.cursor(place.after));
            watches_.emplace_back(cursors_.back());
        }
    }

    // What is there, or what comes; as if asked anew whenever something has come.
    Batch<EntriesOf<T>> read(const WaitOptions& options) {
        const Clock& clock = Look::common_clock(watches_);
        const auto deadline = deadline_of(options.timeout, clock);
        for (;;) {
            if (auto parts = at_hand(); !parts.empty()) return Batch{std::move(parts)};
            const Timeout left = time_left(deadline, clock);
            if (const auto any = wait_any(watches_, {left, options.stop}); !any)
                return any.ending();
        }
    }

private:
    std::vector<EntriesOf<T>> at_hand() const {
        std::vector<EntriesOf<T>> parts;
        for (std::size_t which = 0; which != places_.size(); ++which) {
            auto entries = places_[which].stream.try_read(cursors_[which].position(), {count_});
            if (entries) parts.push_back({which, std::move(entries)});
        }
        return parts;
    }

    const std::span<const ReadPlace<T>> places_;
    const std::size_t count_;
    std::vector<Cursor<T>> cursors_;
    std::vector<Watch> watches_;
};

}  // namespace detail

/// Reads several streams, each from a place in it on. Returns a part for each stream that has
/// entries there, in the order of the arguments, with at most `count` entries. If none has any,
/// waits until one has. A stream that is named twice counts twice. Redis: XREAD with several keys.
///
///     auto parts = runnel::read_first<Order>({{orders, id}, {refunds, runnel::From::end}});
///     for (const auto& [which, entries] : parts)
///         for (const auto& entry : entries) print(which, entry.id, entry.value);
///
/// The streams are read one after the other, so the parts are no common snapshot. To read again
/// and again, use wait_any() and a cursor for each stream.
///
/// Blocks: while there are none. From::end is where a stream ends when the call begins.
/// Ends with: Ending::closed once all are closed and have nothing more.
/// Throws: Error{invalid_argument} if there is no stream, `count` is 0, or not all have one clock.
/// Complexity: linear in the result and in the number of streams.
template <Message T>
Batch<EntriesOf<T>> read_first(std::span<const ReadPlace<T>> places,
                               const ReadOptions& options = {}) {
    return detail::ReadSeveral<T>{places, options.count}.read({options.timeout, options.stop});
}

/// `places` may be any contiguous range of places, such as a std::vector.
template <std::ranges::contiguous_range Places,
          typename T = typename std::ranges::range_value_t<Places>::value_type>
Batch<EntriesOf<T>> read_first(const Places& places, const ReadOptions& options = {}) requires
    std::same_as<std::ranges::range_value_t<Places>, ReadPlace<T>> {
    return read_first(std::span<const ReadPlace<T>>{places}, options);
}

template <Message T>
Batch<EntriesOf<T>> read_first(std::initializer_list<ReadPlace<T>> places,
                               const ReadOptions& options = {}) {
    return read_first(std::span<const ReadPlace<T>>{places.begin(), places.size()}, options);
}

}  // namespace runnel::inline v0
