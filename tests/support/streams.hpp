// SPDX-License-Identifier: MIT
#pragma once

// Streams of numbers, what they hold as values that can be compared in one line, and reads that
// wait. For the test's thread only.

#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/elements.hpp"
#include "support/errors.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::test {

/// Of ids: the largest number.
inline constexpr std::uint64_t last_number = std::numeric_limits<std::uint64_t>::max();

using Ids = std::vector<StreamId>;
using Numbers = std::vector<int>;

/// 1-0, 2-0 and 3-0 for {1, 2, 3}.
inline Ids ids(std::initializer_list<int> milliseconds) {
    Ids made;
    for (const int ms : milliseconds) made.push_back({static_cast<std::uint64_t>(ms), 0});
    return made;
}

inline Ids id_range(int first, int last) {
    Ids made;
    for (int ms = first; ms <= last; ++ms) made.push_back({static_cast<std::uint64_t>(ms), 0});
    return made;
}

template <typename T>
Ids ids(const Entries<T>& entries) {
    Ids all;
    for (const Entry<T>& entry : entries) all.push_back(entry.id);
    return all;
}

template <typename T>
Ids ids(const Deliveries<T>& deliveries) {
    Ids all;
    for (const Delivery<T>& delivery : deliveries) all.push_back(delivery.id);
    return all;
}

/// All that a stream holds.
template <typename T>
Ids ids(const Stream<T>& stream) {
    return ids(stream.range());
}

/// Of Entries, of Deliveries.
template <typename Results>
Numbers numbers(const Results& results) {
    Numbers all;
    for (const auto& one : results) all.push_back(one.value);
    return all;
}

/// How often each has been delivered.
template <typename T>
Numbers attempts(const Deliveries<T>& deliveries) {
    Numbers all;
    for (const Delivery<T>& delivery : deliveries)
        all.push_back(static_cast<int>(delivery.attempt));
    return all;
}

/// A stream of numbers, on a clock that stands still. Number 7 has the id 7-0.
struct NumberStream {
    ManualClock clock;
    Stream<int> stream{{.clock = &clock}};

    void add(std::initializer_list<int> numbers) const {
        for (const int number : numbers) add_one(number);
    }
    void add_range(int first, int last) const {
        for (int number = first; number <= last; ++number) add_one(number);
    }
    void add_one(int number) const {
        const StreamId id{static_cast<std::uint64_t>(number)};
        REQUIRE(stream.add(id, int{number}) == id);
    }

    [[nodiscard]] std::uint64_t now_ms() const { return StreamId::at(clock.wall()).ms; }
};

/// 1-0 to 300-0: several blocks.
struct ManyEntries : NumberStream {
    ManyEntries() { add_range(1, 300); }
};

/// And a group that begins at its start.
struct NumberGroup : NumberStream {
    ConsumerGroup<int> group = stream.group("group");
    Consumer<int> ann = group.consumer("ann");
    Consumer<int> bob = group.consumer("bob");

    /// What is pending, and with whom: "1-0 ann 2" for the second delivery of 1-0.
    [[nodiscard]] std::vector<std::string> pending(const PendingOptions& options = {}) const {
        std::vector<std::string> rows;
        for (const PendingEntry& entry : group.pending(options)) {
            const std::string owner = entry.is_released ? "nobody" : entry.consumer;
            rows.push_back(to_string(entry.id) + ' ' + owner + ' ' +
                           std::to_string(entry.deliveries));
        }
        return rows;
    }

    [[nodiscard]] ConsumerInfo info_of(std::string_view name) const {
        for (ConsumerInfo& info : group.consumers())
            if (info.name == name) return std::move(info);
        FAIL("no consumer of this name: " << name);
        return {};
    }
};

using Rows = std::vector<std::string>;

/// ann has 1-0, 2-0 and 3-0 pending.
struct ThreePending : NumberGroup {
    ThreePending() {
        add({1, 2, 3});
        REQUIRE(ids(ann.try_read()) == ids({1, 2, 3}));
    }
};

// ---- reads that wait

template <typename T>
Call<Entries<T>> reading(ManualClock& clock, const Stream<T>& stream, From after,
                         ReadOptions options = {}) {
    return {clock, [&stream, after, options](const std::stop_token& stop) mutable {
                options.stop = stop;
                return stream.read(after, options);
            }};
}

template <typename T>
Call<Entries<T>> reading(ManualClock& clock, Cursor<T>& cursor, ReadOptions options = {}) {
    return {clock, [&cursor, options](const std::stop_token& stop) mutable {
                options.stop = stop;
                return cursor.read(options);
            }};
}

template <typename T>
Call<Deliveries<T>> reading(ManualClock& clock, const Consumer<T>& consumer,
                            GroupReadOptions options = {}) {
    return {clock, [&consumer, options](const std::stop_token& stop) mutable {
                options.stop = stop;
                return consumer.read(options);
            }};
}

}  // namespace runnel::test
