// SPDX-License-Identifier: MIT
#pragma once

// Channels, what is read from them as values that can be compared in one line, and calls that wait.
// For the test's thread only.

#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/endings.hpp"
#include "support/errors.hpp"
#include "support/words.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace runnel::test {

using Numbers = std::vector<int>;

/// {1, 2, 3} for 1 and 3.
inline Numbers number_range(int first, int last) {
    Numbers made;
    for (int number = first; number <= last; ++number) made.push_back(number);
    return made;
}

template <typename T>
std::vector<T> values(const Messages<T>& batch) {
    std::vector<T> all;
    for (const T& message : batch) all.push_back(message);
    return all;
}

template <typename T>
std::vector<T> values(const InboxMessages<T>& batch) {
    std::vector<T> all;
    for (const auto& message : batch) all.push_back(message.value);
    return all;
}

/// How many were missed before each of them.
template <typename T>
std::vector<std::uint64_t> gaps(const InboxMessages<T>& batch) {
    std::vector<std::uint64_t> all;
    for (const auto& message : batch) all.push_back(message.missed);
    return all;
}

/// All that can be read at once, by `count` at most.
template <typename T>
std::vector<T> drain(Subscription<T>& view, std::size_t count = ReadOptions{}.count) {
    std::vector<T> all;
    while (auto batch = view.try_read({.count = count}))
        for (const T& message : batch) all.push_back(message);
    return all;
}

template <typename T>
std::vector<T> drain(Inbox<T>& inbox, std::size_t count = ReadOptions{}.count) {
    std::vector<T> all;
    while (auto batch = inbox.try_read({.count = count}))
        for (const auto& message : batch) all.push_back(message.value);
    return all;
}

/// A channel on a clock that stands still.
template <typename T>
struct ChannelOf {
    ManualClock clock;
    Channel<T> channel{{.clock = &clock}};
};

struct WordChannel : ChannelOf<std::string> {
    void publish(const Words& words) const {
        for (const std::string& word : words) REQUIRE(channel.publish(word).ending == Push::done);
    }
};

struct NumberChannel : ChannelOf<int> {
    void publish(int first, int last) const {
        for (int number = first; number <= last; ++number) publish(number);
    }
    void publish(int number) const { REQUIRE(channel.publish(number).ending == Push::done); }
};

/// A number counts as many bytes.
struct WeighedChannel {
    ManualClock clock;
    Channel<int> channel{
        {.weigh = [](const int& number) { return static_cast<std::size_t>(number); },
         .clock = &clock}};

    void publish(const Numbers& numbers) const {
        for (const int number : numbers) REQUIRE(channel.publish(number).ending == Push::done);
    }
};

// ---- calls that wait

template <typename T>
Call<Messages<T>> reading(ManualClock& clock, Subscription<T>& view, ReadOptions options = {}) {
    return {clock, [&view, options](const std::stop_token& stop) mutable {
                options.stop = stop;
                return view.read(options);
            }};
}

template <typename T>
Call<InboxMessages<T>> reading(ManualClock& clock, Inbox<T>& inbox, ReadOptions options = {}) {
    return {clock, [&inbox, options](const std::stop_token& stop) mutable {
                options.stop = stop;
                return inbox.read(options);
            }};
}

/// `message` stays with the test, which can see whether it has gone.
template <typename T>
Call<Published> publishing(ManualClock& clock, const Channel<T>& channel, T& message,
                           Timeout timeout = {}) {
    return {clock, [&channel, &message, timeout](const std::stop_token& stop) {
                return channel.publish(std::move(message), {timeout, stop});
            }};
}

template <typename T>
Call<bool> awaiting_subscribers(ManualClock& clock, const Channel<T>& channel, std::size_t count,
                                Timeout timeout = {}) {
    return {clock, [&channel, count, timeout](const std::stop_token& stop) {
                return channel.wait_for_subscribers(count, {timeout, stop});
            }};
}

}  // namespace runnel::test
