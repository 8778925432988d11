// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/outcome.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/elements.hpp"
#include "support/short_memory.hpp"
#include "support/words.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::End;
using runnel::Ending;
using runnel::Full;
using runnel::ListOptions;
using runnel::ManualClock;
using runnel::Push;
using runnel::Pushed;
using runnel::test::at_every_request;
using runnel::test::Call;
using runnel::test::elements;
using runnel::test::ending;
using runnel::test::Memory;
using runnel::test::MemoryRunsOut;
using runnel::test::moving;
using runnel::test::popping_front;
using runnel::test::popping_front_many;
using runnel::test::pushing_back;
using runnel::test::pushing_back_many;
using runnel::test::Shortage;
using runnel::test::value;
using runnel::test::values;
using runnel::test::word;
using runnel::test::Words;
using runnel::test::words;
using namespace std::chrono_literals;

namespace {

struct State {
    Words list;
    Words other;
    Words messages;
    std::uint64_t dropped;
    std::size_t waiting;

    friend bool operator==(const State&, const State&) = default;
};

struct Setting {
    std::size_t elements = 0;
    std::size_t messages = 1;
    std::size_t capacity = ListOptions{}.capacity;
    Full when_full = Full::block;
    // Half of the elements have been in the list for longer.
    bool in_two_parts = false;
};

struct World {
    explicit World(const Setting& setting)
        : list{{.capacity = setting.capacity, .when_full = setting.when_full, .clock = &clock}},
          messages{words(1'000, setting.messages)} {
        const std::size_t before = setting.in_two_parts ? setting.elements / 2 + 1 : 0;
        Words first = words(0, before);
        REQUIRE(list.push_back_many(first).count == first.size());
        if (before != 0) REQUIRE(list.try_pop_front());
        Words rest = words(before, setting.elements + (before != 0 ? 1 : 0) - before);
        REQUIRE(list.push_back_many(rest).count == rest.size());
    }

    [[nodiscard]] State state() {
        clock.settle();
        const auto stats = list.stats();
        return {elements(list), elements(other), messages, stats.dropped,
                stats.blocked_pops + stats.blocked_pushes};
    }

    ManualClock clock;
    BlockingList<std::string> list;
    BlockingList<std::string> other{{.clock = &clock}};
    Words messages;
};

// How many elements there are when blocks end, and when they do not.
constexpr std::size_t sizes[] = {0, 1, 7, 8, 9, 23, 24, 25};

// Lets `act` run out of memory at each of its requests: it must throw std::bad_alloc and leave
// everything as it was, or do its work; then `check` looks at it.
void succeeds_or_changes_nothing(const Setting& setting, const std::function<bool(World&)>& act,
                                 const std::function<bool(World&)>& check) {
    CAPTURE(setting.elements, setting.in_two_parts);
    at_every_request([&](long granted, Shortage shortage) {
        World world{setting};
        const State before = world.state();
        bool done = false;
        bool threw = false;
        {
            const MemoryRunsOut limit{granted, shortage};
            try {
                done = act(world);
            } catch (const std::bad_alloc&) {
                threw = true;
            }
        }
        if (threw) {
            REQUIRE(Memory::ran_out);
            REQUIRE(world.state() == before);
        } else {
            REQUIRE(done);
            REQUIRE(check(world));
        }
    });
}

void in_all_sizes(std::size_t least, Full when_full, const std::function<bool(World&)>& act,
                  const std::function<bool(World&)>& check) {
    for (const std::size_t size : sizes) {
        if (size < least) continue;
        for (const bool in_two_parts : {false, true}) {
            Setting setting{.elements = size, .when_full = when_full, .in_two_parts = in_two_parts};
            if (when_full != Full::block) setting.capacity = size + (in_two_parts ? 1 : 0);
            succeeds_or_changes_nothing(setting, act, check);
        }
    }
}

bool is_at_back(World& world) {
    return value(world.list.try_pop_back()) == word(1'000);
}
bool is_at_front(World& world) {
    return value(world.list.try_pop_front()) == word(1'000);
}

}  // namespace

// ------------------------------------------------------------------ pushes

TEST_CASE("a push without memory throws, and the message is still its sender's",
          "[list][allocation]") {
    in_all_sizes(
        0, Full::block,
        [](World& world) {
            return world.list.push_back(std::move(world.messages[0])) == Push::done;
        },
        is_at_back);
    in_all_sizes(
        0, Full::block,
        [](World& world) {
            return world.list.push_front(std::move(world.messages[0])) == Push::done;
        },
        is_at_front);
}

TEST_CASE("a try to push without memory throws as a push does", "[list][allocation]") {
    in_all_sizes(
        0, Full::block,
        [](World& world) {
            return world.list.try_push_back(std::move(world.messages[0])) == Push::done;
        },
        is_at_back);
    in_all_sizes(
        0, Full::block,
        [](World& world) {
            return world.list.try_push_front(std::move(world.messages[0])) == Push::done;
        },
        is_at_front);
}

TEST_CASE("a push if the list exists throws without memory as a push does", "[list][allocation]") {
    in_all_sizes(
        1, Full::block,
        [](World& world) {
            return world.list.push_back_if_exists(std::move(world.messages[0])) == Push::done;
        },
        is_at_back);
    in_all_sizes(
        1, Full::block,
        [](World& world) {
            return world.list.push_front_if_exists(std::move(world.messages[0])) == Push::done;
        },
        is_at_front);
}

TEST_CASE("a push that finds no memory to drop what is at the other end drops nothing",
          "[list][allocation]") {
    in_all_sizes(
        1, Full::drop_other_end,
        [](World& world) {
            return world.list.push_back(std::move(world.messages[0])) == Push::done;
        },
        is_at_back);
    in_all_sizes(
        1, Full::drop_other_end,
        [](World& world) {
            return world.list.push_front(std::move(world.messages[0])) == Push::done;
        },
        is_at_front);
    in_all_sizes(
        1, Full::drop_other_end,
        [](World& world) {
            return world.list.push_back_if_exists(std::move(world.messages[0])) == Push::done;
        },
        is_at_back);
}

namespace {

// A push of many must throw with nothing pushed, or say how many it has pushed.
void pushes_a_prefix(const Setting& setting, End end) {
    CAPTURE(setting.elements, setting.messages, end == End::front);
    at_every_request([&](long granted, Shortage shortage) {
        World world{setting};
        const State before = world.state();
        std::optional<Pushed> pushed;
        {
            const MemoryRunsOut limit{granted, shortage};
            try {
                pushed = end == End::back ? world.list.push_back_many(world.messages)
                                          : world.list.push_front_many(world.messages);
            } catch (const std::bad_alloc&) {
                pushed.reset();
            }
        }
        State expected = before;
        for (std::size_t at = 0; pushed && at != pushed->count; ++at) {
            const auto place = end == End::back ? expected.list.end() : expected.list.begin();
            expected.list.insert(place, std::exchange(expected.messages[at], std::string{}));
        }
        const bool all = pushed && pushed->count == setting.messages;
        if (pushed) REQUIRE(pushed->count != 0);
        if (pushed) REQUIRE(pushed->ending == (all ? Push::done : Push::full));
        REQUIRE(world.state() == expected);
    });
}

}  // namespace

TEST_CASE("a push of many without memory throws, or says how many went in, the rest untouched",
          "[list][allocation]") {
    for (const std::size_t size : sizes) {
        for (const std::size_t count : {1U, 5U, 40U, 300U}) {
            pushes_a_prefix({.elements = size, .messages = count}, End::back);
            pushes_a_prefix({.elements = size, .messages = count, .in_two_parts = true}, End::back);
        }
    }
}

TEST_CASE("a push of many at the front without memory throws, or says how many went in",
          "[list][allocation]") {
    for (const std::size_t size : sizes) {
        for (const std::size_t count : {1U, 5U, 40U, 300U}) {
            pushes_a_prefix({.elements = size, .messages = count}, End::front);
            pushes_a_prefix({.elements = size, .messages = count, .in_two_parts = true},
                            End::front);
        }
    }
}

TEST_CASE("a push of many with less room than messages throws with nothing pushed, or says how "
          "many went in",
          "[list][allocation]") {
    at_every_request([](long granted, Shortage shortage) {
        World world{{.messages = 30, .capacity = 20}};
        std::optional<Pushed> pushed;
        {
            const MemoryRunsOut limit{granted, shortage};
            try {
                pushed = world.list.push_back_many(world.messages, {.timeout = 0s});
            } catch (const std::bad_alloc&) {
                pushed.reset();
            }
        }
        const std::size_t count = pushed ? pushed->count : 0;
        if (pushed) REQUIRE(pushed->ending == Push::full);
        REQUIRE(elements(world.list) == words(1'000, count));
        REQUIRE(Words(world.messages.begin() + static_cast<std::ptrdiff_t>(count),
                      world.messages.end()) == words(1'000 + count, 30 - count));
    });
}

// ------------------------------------------------------------------ pops

TEST_CASE("popping one element needs no memory, nor does finding none", "[list][allocation]") {
    for (const std::size_t size : sizes) {
        for (const bool in_two_parts : {false, true}) {
            World world{{.elements = size, .in_two_parts = in_two_parts}};
            std::size_t popped = 0;
            bool ended = false;
            {
                const MemoryRunsOut limit{0};
                for (; popped != size; ++popped) {
                    const auto taken = popped % 4 == 0   ? world.list.pop_front()
                                       : popped % 4 == 1 ? world.list.pop_back()
                                       : popped % 4 == 2 ? world.list.try_pop_front()
                                                         : world.list.try_pop_back();
                    if (!taken) break;
                }
                ended = !world.list.pop_front({.timeout = 0s}) && !world.list.try_pop_back() &&
                        !world.list.pop_front_many(5, {.timeout = 0s}) &&
                        !world.list.try_pop_back_many(5);
            }
            CHECK(popped == size);
            CHECK(ended);
        }
    }
}

TEST_CASE("a pop of many without memory takes nothing", "[list][allocation]") {
    in_all_sizes(
        1, Full::block, [](World& world) { return bool{world.list.pop_front_many(1'000)}; },
        [](World& world) { return world.list.size() == 0; });
    in_all_sizes(
        1, Full::block, [](World& world) { return bool{world.list.pop_back_many(1'000)}; },
        [](World& world) { return world.list.size() == 0; });
    in_all_sizes(
        7, Full::block, [](World& world) { return world.list.try_pop_front_many(3).size() == 3; },
        [](World&) { return true; });
    in_all_sizes(
        7, Full::block, [](World& world) { return world.list.try_pop_back_many(3).size() == 3; },
        [](World&) { return true; });
}

TEST_CASE("a pop from the first of several lists without memory takes nothing",
          "[list][allocation]") {
    in_all_sizes(
        1, Full::block,
        [](World& world) {
            const BlockingList<std::string> lists[] = {world.other, world.list};
            return bool{runnel::pop_first(std::span<const BlockingList<std::string>>{lists}, {})};
        },
        [](World&) { return true; });
    in_all_sizes(
        0, Full::block,
        [](World& world) {
            const BlockingList<std::string> lists[] = {world.other, world.other};
            return !runnel::pop_first(std::span<const BlockingList<std::string>>{lists},
                                      {.timeout = 0s});
        },
        [](World& world) { return world.other.stats().blocked_pops == 0; });
}

// ------------------------------------------------------------------ moves

TEST_CASE("a move without memory moves nothing", "[list][allocation]") {
    for (const End from : {End::front, End::back}) {
        for (const End to : {End::front, End::back}) {
            in_all_sizes(
                1, Full::block,
                [&](World& world) {
                    return bool{world.list.move_to(world.other, {.from = from, .to = to})};
                },
                [](World& world) { return world.other.size() == 1; });
            in_all_sizes(
                1, Full::block,
                [&](World& world) {
                    return bool{world.list.try_move_to(world.list, {.from = from, .to = to})};
                },
                [](World& world) { return world.other.size() == 0; });
        }
    }
}

TEST_CASE("a move onto a full list that drops drops nothing without memory", "[list][allocation]") {
    in_all_sizes(
        1, Full::drop_other_end,
        [](World& world) {
            if (world.other.size() == 0) {
                // The source, which is filled with all the memory there is.
                const bool was_limited = std::exchange(Memory::is_limited, false);
                (void)world.other.try_push_back(word(5'000));
                Memory::is_limited = was_limited;
            }
            try {
                return bool{world.other.try_move_to(world.list)};
            } catch (const std::bad_alloc&) {
                const bool was_limited = std::exchange(Memory::is_limited, false);
                const bool is_there = value(world.other.try_pop_back()) == word(5'000);
                Memory::is_limited = was_limited;
                if (!is_there) return false;
                throw;
            }
        },
        [](World& world) { return value(world.list.try_pop_back()) == word(5'000); });
}

// ------------------------------------------------------------------ looking and removing

TEST_CASE("a removal without memory removes nothing", "[list][allocation]") {
    in_all_sizes(
        7, Full::block,
        [](World& world) {
            const bool was_limited = std::exchange(Memory::is_limited, false);
            const std::string wanted = word(3);
            Memory::is_limited = was_limited;
            return world.list.remove(wanted) == 1;
        },
        [](World& world) { return world.list.remove(word(3)) == 0; });
}

TEST_CASE("a look at a list without memory changes nothing", "[list][allocation]") {
    in_all_sizes(
        1, Full::block, [](World& world) { return !world.list.range().empty(); },
        [](World&) { return true; });
}

TEST_CASE("size, figures, handles and closing need no memory", "[list][allocation]") {
    World world{{.elements = 9}};
    auto pop = popping_front(world.clock, world.other);
    std::size_t seen = 0;
    {
        const MemoryRunsOut limit{0};
        const BlockingList<std::string> copy = world.list;
        seen = copy.size() + copy.stats().size;
        world.list.close();
        world.other.close();
        if (!copy.closed() || copy.drained()) seen = 0;
    }
    CHECK(seen == 18);
    CHECK(ending(pop.result()) == Ending::closed);
}

TEST_CASE("a list that cannot be made for want of memory is not made", "[list][allocation]") {
    const auto make = [] {
        const MemoryRunsOut limit{0};
        const BlockingList<std::string> list;
        return list.size();
    };
    CHECK_THROWS_AS(make(), std::bad_alloc);
}

// ------------------------------------------------------------------ for somebody who waits

namespace {

// What the call has returned, unless it has thrown std::bad_alloc.
template <typename Result>
Result* result_of(Call<Result>& call) {
    try {
        return &call.result();
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

// Pushes one message while somebody waits; true if it is in.
bool push_one(World& world, long granted, Shortage shortage) {
    const MemoryRunsOut limit{granted, shortage};
    try {
        return world.list.push_back(std::move(world.messages[0])) == Push::done;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

}  // namespace

TEST_CASE("a pop of one that waits is served without memory of the waker's",
          "[list][allocation][wait]") {
    at_every_request([](long granted, Shortage shortage) {
        World world{Setting{}};
        auto front = popping_front(world.clock, world.list);
        const State before = world.state();
        if (push_one(world, granted, shortage)) {
            REQUIRE(value(front.result()) == word(1'000));
            REQUIRE(world.list.size() == 0);
        } else {
            REQUIRE(front.waits());
            REQUIRE(world.state() == before);
        }
    });
}

TEST_CASE("a pop of many for which the waker finds no memory gets the exception, and the element "
          "stays",
          "[list][allocation][wait]") {
    std::size_t failed = 0;
    at_every_request([&](long granted, Shortage shortage) {
        World world{Setting{}};
        auto pop = popping_front_many(world.clock, world.list, 5);
        const State before = world.state();
        if (!push_one(world, granted, shortage)) {
            REQUIRE(pop.waits());
            REQUIRE(world.state() == before);
            return;
        }
        const auto* const result = result_of(pop);
        failed += result == nullptr ? 1 : 0;
        if (result != nullptr) REQUIRE(values(*result) == words(1'000, 1));
        REQUIRE(elements(world.list) == words(1'000, result == nullptr ? 1 : 0));
        REQUIRE(world.list.stats().blocked_pops == 0);
    });
    CHECK(failed != 0);
}

TEST_CASE("an element for which one waiter has no memory goes to the next",
          "[list][allocation][wait]") {
    std::size_t failed = 0;
    at_every_request([&](long granted, Shortage shortage) {
        World world{Setting{}};
        auto many = popping_front_many(world.clock, world.list, 5);
        auto one = popping_front(world.clock, world.list);
        if (!push_one(world, granted, shortage)) return;
        if (result_of(many) != nullptr) {
            REQUIRE(one.waits());
        } else {
            ++failed;
            REQUIRE(value(one.result()) == word(1'000));
        }
        REQUIRE(world.list.size() == 0);
    });
    CHECK(failed != 0);
}

TEST_CASE("a move for which the waker finds no memory gets the exception, and the element stays",
          "[list][allocation][wait]") {
    std::size_t failed = 0;
    at_every_request([&](long granted, Shortage shortage) {
        World world{Setting{}};
        auto move = moving(world.clock, world.list, world.other);
        const State before = world.state();
        if (!push_one(world, granted, shortage)) {
            REQUIRE(move.waits());
            REQUIRE(world.state() == before);
            return;
        }
        const bool moved = result_of(move) != nullptr;
        failed += moved ? 0 : 1;
        REQUIRE(elements(moved ? world.other : world.list) == words(1'000, 1));
        REQUIRE(world.list.size() + world.other.size() == 1);
        REQUIRE(world.list.stats().blocked_pops == 0);
        REQUIRE(world.other.stats().blocked_pushes == 0);
    });
    CHECK(failed != 0);
}

TEST_CASE("a push that waits gets room and memory, or the exception and keeps its message",
          "[list][allocation][wait]") {
    // The list has room for what fills its blocks, so that the next push needs a new one.
    for (const std::size_t capacity : {8U, 24U}) {
        at_every_request([&](long granted, Shortage shortage) {
            World world{{.elements = capacity, .capacity = capacity}};
            std::string message = word(7'000);
            auto push = pushing_back(world.clock, world.list, message);
            REQUIRE(push.waits());
            std::optional<std::string> popped;
            {
                const MemoryRunsOut limit{granted, shortage};
                if (auto taken = world.list.try_pop_front()) popped = *std::move(taken);
            }
            REQUIRE(popped == word(0));  // the waker's own success does not depend on it
            if (result_of(push) != nullptr) {
                REQUIRE(value(world.list.try_pop_back()) == word(7'000));
            } else {
                REQUIRE(message == word(7'000));
                REQUIRE(world.list.size() == capacity - 1);
            }
            REQUIRE(world.list.stats().blocked_pushes == 0);
        });
    }
}

TEST_CASE("a push of many for which the waker runs out of memory loses and doubles nothing",
          "[list][allocation][wait]") {
    std::size_t failed = 0;
    at_every_request([&](long granted, Shortage shortage) {
        World world{{.elements = 300, .messages = 300, .capacity = 300}};
        auto push = pushing_back_many(world.clock, world.list, world.messages);
        const State before = world.state();
        bool popped = false;
        {
            const MemoryRunsOut limit{granted, shortage};
            try {
                popped = world.list.try_pop_front_many(300).size() == 300;
            } catch (const std::bad_alloc&) {
                popped = false;
            }
        }
        if (!popped) {
            REQUIRE(push.waits());
            REQUIRE(world.state() == before);
            return;
        }
        const std::size_t count = world.list.size();
        failed += count == 300 ? 0 : 1;
        REQUIRE(elements(world.list) == words(1'000, count));
        for (std::size_t at = count; at != 300; ++at)
            REQUIRE(world.messages[at] == word(1'000 + at));
        if (push.waits()) return;  // for memory to come back, as long as there is something to pop
        const Pushed* const pushed = result_of(push);
        REQUIRE((pushed != nullptr ? pushed->count : 0) == count);
    });
    CHECK(failed != 0);
}

TEST_CASE("a chain of moves that runs out of memory on the way stops there",
          "[list][allocation][wait]") {
    at_every_request([](long granted, Shortage shortage) {
        World world{Setting{}};
        BlockingList<std::string> last{{.clock = &world.clock}};
        auto first = moving(world.clock, world.list, world.other);
        auto second = moving(world.clock, world.other, last);
        if (!push_one(world, granted, shortage)) {
            REQUIRE((first.waits() && second.waits()));
            return;
        }
        world.clock.settle();
        REQUIRE(world.list.size() + world.other.size() + last.size() == 1);
    });
}
