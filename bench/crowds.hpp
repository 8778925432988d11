// SPDX-License-Identifier: MIT
// Many threads that wait in one place, and what the others pay for it.
#pragma once

#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/stream.hpp>
#include <runnel/wait_any.hpp>

#include "growth.hpp"
#include "messages.hpp"
#include "threads.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace runnel::bench {

/// Threads that each wait, do something and wait again. wait(index) is a wait, and false once it
/// has ended for good: before this object goes, all waits have to end so.
template <class Wait>
class Crowd {
public:
    Crowd(std::size_t count, Wait wait) : wait_{std::move(wait)} {
        threads_.reserve(count);
        for (std::size_t index = 0; index < count; ++index) {
            threads_.emplace_back([this, index] {
                unpin();
                while (wait_(index)) ++served_;
            });
        }
    }

    /// How many waits have been served, all in all.
    [[nodiscard]] std::size_t served() const { return served_; }

    /// Waits until as many stand in line() as there are threads.
    template <class Line>
    void settle(const Line& line) const {
        do std::this_thread::sleep_for(std::chrono::microseconds{50});
        while (line() != threads_.size());
    }

private:
    const Wait wait_;
    std::atomic<std::size_t> served_{0};
    std::vector<std::jthread> threads_;
};

/// At most so often, and not longer than this.
inline constexpr std::size_t most_rounds = 200;
inline constexpr nanoseconds longest = std::chrono::milliseconds{200};
/// Shorter than a wait that somebody blocks for: it comes and goes.
inline constexpr std::chrono::microseconds moment{1};

/// What step() costs, in ns of this thread; prepare() is called before each.
template <class Prepare, class Step>
double cost(const Prepare& prepare, const Step& step) {
    OwnTime time;
    for (std::size_t round = 0; round < most_rounds && time.total() < longest; ++round) {
        prepare();
        time.add(step);
    }
    return time.per_step();
}

template <class Step>
double cost(const Step& step) {
    return cost([] {}, step);
}

/// The same for what takes less than to read the clock.
template <class Step>
double cost_of_short(const Step& step) {
    constexpr std::size_t in_a_row = 10;
    const auto steps = [&] {
        for (std::size_t call = 0; call < in_a_row; ++call) step();
    };
    return cost(steps) / in_a_row;
}

/// Pops from one list.
inline Series pops(std::size_t count) {
    const BlockingList<uint64_t> list;
    std::atomic<uint64_t> sum{0};
    uint64_t pushed = 0;
    Series costs;
    {
        Crowd crowd{count, [&](std::size_t /*thread*/) {
                        const auto popped = list.pop_front();
                        if (popped) sum += *popped;
                        return popped.has_value();
                    }};
        const auto settle = [&] { crowd.settle([&] { return list.stats().blocked_pops; }); };
        settle();
        costs.push_back(cost([&] { check(!list.pop_front({.timeout = moment}), "popped"); }));
        costs.push_back(
            cost(settle, [&] { check(list.push_back(++pushed) == Push::done, "a push failed"); }));
        settle();
        list.close();
    }
    check(sum == sum_to(pushed), "what was popped is not what was pushed");
    return costs;
}

/// `readers` each read everything. read(index) waits, is 0 at the end, and else what was read;
/// publish(number) ends all reads, and line() tells how many there are.
template <class Read, class ReadForAMoment, class Publish, class Line, class Close>
Series reads_of_all(std::size_t count, const Read& read, const ReadForAMoment& read_for_a_moment,
                    const Publish& publish, const Line& line, const Close& close) {
    constexpr std::size_t rounds = 20;
    std::atomic<uint64_t> sum{0};
    uint64_t published = 0;
    OwnTime publishing;
    nanoseconds reading{};
    Series costs;
    {
        Crowd crowd{count, [&](std::size_t index) {
                        const uint64_t number = read(index);
                        sum += number;
                        return number != 0;
                    }};
        crowd.settle(line);
        costs.push_back(cost(read_for_a_moment));
        for (std::size_t round = 1; round <= rounds; ++round) {
            crowd.settle(line);
            const std::uint64_t start = now();
            publishing.add([&] { publish(++published); });
            yield_until([&] { return crowd.served() == round * count; });
            reading += nanoseconds{now() - start};
        }
        crowd.settle(line);
        close();
    }
    check(sum == count * sum_to(published), "what was read is not what was published");
    costs.push_back(publishing.per(rounds * count));
    costs.push_back(per_message(reading, rounds * count));
    return costs;
}

inline Series cursor_reads(std::size_t count) {
    const Stream<uint64_t> stream;
    std::vector<Cursor<uint64_t>> cursors;
    for (std::size_t index = 0; index <= count; ++index) cursors.push_back(stream.cursor());
    return reads_of_all(
        count,
        [&](std::size_t index) {
            const auto batch = cursors[index].read();
            return batch ? batch.back().value : 0;
        },
        [&] { check(!cursors[count].read({.timeout = moment}), "read what nobody has added"); },
        [&](uint64_t number) { stream.add(number); }, [&] { return stream.info().waiting; },
        [&] { stream.close(); });
}

inline Series subscription_reads(std::size_t count) {
    const Channel<uint64_t> channel;
    std::vector<Subscription<uint64_t>> subscriptions;
    for (std::size_t index = 0; index <= count; ++index)
        subscriptions.push_back(channel.subscribe());
    return reads_of_all(
        count,
        [&](std::size_t index) {
            const auto batch = subscriptions[index].read();
            return batch ? batch.back() : 0;
        },
        [&] {
            check(!subscriptions[count].read({.timeout = moment}), "read what nobody published");
        },
        [&](uint64_t number) {
            check(channel.publish(number).reached == count + 1, "a publish did not reach all");
        },
        [&] { return channel.info().waiting; }, [&] { channel.close(); });
}

inline Series group_reads(std::size_t count) {
    const Stream<uint64_t> stream;
    const auto group = stream.group("group");
    std::vector<Consumer<uint64_t>> consumers;
    for (std::size_t index = 0; index <= count; ++index)
        consumers.push_back(group.consumer(std::to_string(index)));
    const auto read = [&](std::size_t index, Timeout timeout) {
        const auto batch =
            consumers[index].read({.count = 1, .timeout = timeout, .acknowledged = true});
        return batch ? batch.back().value : 0;
    };
    std::atomic<uint64_t> sum{0};
    uint64_t added = 0;
    Series costs;
    {
        Crowd crowd{count, [&](std::size_t index) {
                        const uint64_t number = read(index, {});
                        sum += number;
                        return number != 0;
                    }};
        const auto settle = [&] { crowd.settle([&] { return stream.info().waiting; }); };
        settle();
        costs.push_back(cost([&] { check(read(count, moment) == 0, "nobody has added"); }));
        costs.push_back(cost(settle, [&] { stream.add(++added); }));
        settle();
        stream.close();
    }
    check(sum == sum_to(added), "what was read is not what was added");
    return costs;
}

/// Moves that wait on empty sources, all for one target.
inline Series moves_to_one_target(std::size_t count) {
    const BlockingList<uint64_t> target;
    const BlockingList<uint64_t> empty;
    const std::vector<BlockingList<uint64_t>> sources = [&] {
        std::vector<BlockingList<uint64_t>> made;
        while (made.size() < count) made.emplace_back(ListOptions{});
        return made;
    }();
    Series costs;
    {
        Crowd crowd{count,
                    [&](std::size_t index) { return sources[index].move_to(target).has_value(); }};
        const auto settle = [&] { crowd.settle([&] { return target.stats().blocked_pushes; }); };
        settle();
        const auto push_and_pop = [&] {
            check(target.push_back(1) == Push::done, "a push failed");
            check(target.try_pop_front().has_value(), "a pop failed");
        };
        const auto wait_a_moment = [&] {
            check(!empty.move_to(target, {.timeout = moment}), "moved from an empty list");
        };
        costs.push_back(cost_of_short(push_and_pop));
        costs.push_back(cost(wait_a_moment));
        costs.push_back(cost(wait_a_moment, push_and_pop));
        uint64_t pushed = 0;
        costs.push_back(cost(settle, [&] {
            check(sources[pushed % count].push_back(pushed) == Push::done, "a push failed");
            ++pushed;
        }));
        settle();
        uint64_t sum = 0;
        while (const auto moved = target.try_pop_front()) sum += *moved;
        check(sum == sum_to(pushed) - pushed, "what was moved is not what was pushed");
        target.close();
    }
    return costs;
}

/// Moves from one source that wait for room in targets that are full.
inline Series moves_to_full_targets(std::size_t count) {
    const BlockingList<uint64_t> source;
    const std::vector<BlockingList<uint64_t>> targets = [&] {
        std::vector<BlockingList<uint64_t>> made;
        while (made.size() < count) {
            made.emplace_back(ListOptions{.capacity = 1});
            check(made.back().push_back(0) == Push::done, "a push failed");
        }
        return made;
    }();
    check(source.push_back(1) == Push::done, "a push failed");
    Series costs;
    {
        Crowd crowd{count,
                    [&](std::size_t index) { return source.move_to(targets[index]).has_value(); }};
        const auto settle = [&] { crowd.settle([&] { return source.stats().blocked_pops; }); };
        settle();
        costs.push_back(cost_of_short([&] {
            check(source.push_back(1) == Push::done, "a push failed");
            check(source.try_pop_front().has_value(), "a pop failed");
        }));
        uint64_t pops = 0;
        costs.push_back(cost(
            [&] {
                settle();
                check(source.push_back(1) == Push::done, "a push failed");
            },
            [&] {
                check(targets[pops % count].try_pop_front().has_value(), "a pop failed");
                ++pops;
            }));
        settle();
        check(source.size() == 1, "not one element was moved for each that was popped");
        for (const auto& target : targets) target.close();
    }
    return costs;
}

/// Pushes onto a full list.
inline Series pushes(std::size_t count) {
    const BlockingList<uint64_t> list{{.capacity = 1}};
    check(list.push_back(0) == Push::done, "a push failed");
    std::size_t popped = 0;
    Series costs;
    {
        Crowd crowd{count, [&](std::size_t /*thread*/) { return list.push_back(1) == Push::done; }};
        const auto settle = [&] { crowd.settle([&] { return list.stats().blocked_pushes; }); };
        settle();
        costs.push_back(cost_of_short(
            [&] { check(list.try_push_back(2) == Push::full, "there was room for a push"); }));
        costs.push_back(cost([&] {
            check(list.push_back(2, {.timeout = moment}) == Push::full, "there was room");
        }));
        costs.push_back(cost(settle, [&] {
            const auto number = list.try_pop_front();
            check(number && *number == std::min<uint64_t>(popped, 1), "not what was pushed");
            ++popped;
        }));
        settle();
        check(crowd.served() == popped, "not one push was done for each pop");
        list.close();
    }
    return costs;
}

/// Workers that wait for the same two lists.
inline Series waits_for_any(std::size_t count) {
    constexpr std::size_t bursts = 20;
    const BlockingList<uint64_t> one;
    const BlockingList<uint64_t> other;
    std::atomic<uint64_t> sum{0};
    std::atomic<std::size_t> popped{0};
    uint64_t pushed = 0;
    nanoseconds popping{};
    Series costs;
    {
        Crowd crowd{count, [&](std::size_t /*thread*/) {
                        const auto any = wait_any({one, other});
                        if (!any) return false;
                        const auto& list = any.which() == 0 ? one : other;
                        if (const auto number = list.try_pop_front()) {
                            sum += *number;
                            ++popped;
                        }
                        return true;
                    }};
        const auto settle = [&] {
            crowd.settle([&] { return one.stats().blocked_pops; });
            crowd.settle([&] { return other.stats().blocked_pops; });
        };
        const auto push = [&] {
            const auto& list = pushed % 2 == 0 ? one : other;
            check(list.push_back(pushed + 1) == Push::done, "a push failed");
            ++pushed;
        };
        settle();
        costs.push_back(cost([&] {
            check(!wait_any({one, other}, {.timeout = moment}), "nobody has pushed");
        }));
        costs.push_back(cost(settle, push));
        settle();
        costs.push_back(static_cast<double>(crowd.served()) / static_cast<double>(pushed));
        for (std::size_t burst = 0; burst < bursts; ++burst) {
            settle();
            const std::uint64_t start = now();
            for (std::size_t index = 0; index < count; ++index) push();
            yield_until([&] { return popped == pushed; });
            popping += nanoseconds{now() - start};
        }
        costs.push_back(per_message(popping, bursts * count));
        settle();
        one.close();
        other.close();
    }
    check(sum == sum_to(pushed), "what was popped is not what was pushed");
    return costs;
}

/// Workers that wait for one group, each as a consumer of its own.
inline Series waits_for_group(std::size_t count) {
    const Stream<uint64_t> stream;
    const auto group = stream.group("group");
    std::vector<Consumer<uint64_t>> consumers;
    for (std::size_t index = 0; index < count; ++index)
        consumers.push_back(group.consumer(std::to_string(index)));
    std::atomic<uint64_t> sum{0};
    uint64_t added = 0;
    Series costs;
    {
        Crowd crowd{count, [&](std::size_t index) {
                        const auto any = wait_any({consumers[index]});
                        if (!any) return false;
                        const auto batch =
                            consumers[index].try_read({.count = 1, .acknowledged = true});
                        if (batch) sum += batch.front().value;
                        return true;
                    }};
        const auto settle = [&] { crowd.settle([&] { return stream.info().waiting; }); };
        costs.push_back(cost(settle, [&] { stream.add(++added); }));
        settle();
        costs.push_back(static_cast<double>(crowd.served()) / static_cast<double>(added));
        stream.close();
    }
    check(sum == sum_to(added), "what was read is not what was added");
    return costs;
}

}  // namespace runnel::bench
