// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/deduplicator.hpp>

#include "support/catch.hpp"
#include "support/short_memory.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using runnel::Deduplicator;
using runnel::DeduplicatorStats;
using runnel::KeyState;
using runnel::ManualClock;
using runnel::test::at_every_request;
using runnel::test::Memory;
using runnel::test::MemoryRunsOut;
using runnel::test::Shortage;
using namespace std::chrono_literals;

namespace {

// Too long to be kept without memory; all of the same size.
std::string long_key(std::size_t number) {
    return "a key that is too long to be kept without memory " + std::to_string(10'000 + number);
}

std::vector<std::string> long_keys(std::size_t count) {
    std::vector<std::string> keys;
    for (std::size_t number = 0; number != count; ++number) keys.push_back(long_key(number));
    return keys;
}

}  // namespace

TEST_CASE("when memory runs out, no Deduplicator is made", "[deduplicator][allocation]") {
    at_every_request([](long granted, Shortage shortage) {
        const long before = Memory::live;
        try {
            const MemoryRunsOut limit{granted, shortage};
            const Deduplicator<std::string> keys;
        } catch (const std::bad_alloc&) {
            CHECK(Memory::ran_out);
        }
        CHECK(Memory::live == before);
    });
}

TEST_CASE("when memory runs out, a key is neither in work nor marked",
          "[deduplicator][allocation]") {
    // With 16 keys the table has to grow, and with others some blocks of nodes.
    for (std::size_t there = 0; there != 40; ++there) {
        CAPTURE(there);
        for (const bool has_turn : {false, true}) {
            at_every_request([&](long granted, Shortage shortage) {
                Deduplicator<std::string> keys{{.count = 20}};
                const std::vector<std::string> all = long_keys(41);
                for (std::size_t number = 0; number != there; ++number) keys.mark(all[number]);
                const DeduplicatorStats before = keys.stats();
                const std::string& key = all[40];
                bool is_done = true;
                {
                    const MemoryRunsOut limit{granted, shortage};
                    try {
                        if (has_turn) {
                            auto turn = keys.begin(key);
                            if (turn) turn.mark();
                        } else {
                            (void)keys.mark(key);
                        }
                    } catch (const std::bad_alloc&) {
                        is_done = false;
                    }
                }
                CHECK(is_done != Memory::ran_out);
                if (!is_done) CHECK(keys.stats() == before);
                for (std::size_t number = 0; number != there; ++number)
                    CHECK(keys.contains(all[number]) == (number + 20 >= there + (is_done ? 1 : 0)));
                CHECK(keys.begin(key).state() == (is_done ? KeyState::done : KeyState::fresh));
            });
        }
    }
}

TEST_CASE("once there is room enough, nothing is allocated", "[deduplicator][allocation]") {
    constexpr std::uint64_t count = 1'000;
    ManualClock clock;
    Deduplicator<std::uint64_t> keys{{.count = count, .age = 1h, .clock = &clock}};
    std::uint64_t key = 0;
    // Two in work at a time.
    const auto handle_two = [&] {
        auto one = keys.begin(key++);
        auto other = keys.begin(key++);
        if (one) one.mark();
        if (other && key % 10 != 0) other.mark();
    };
    while (key < 2 * count) handle_two();
    {
        const MemoryRunsOut none{0};
        while (key < 6 * count) {
            handle_two();
            (void)keys.begin(key - 2);
            (void)keys.contains(key);
            keys.mark(key++);
            if (key % 7 == 0) keys.forget(key - 3);
            if (key % 1'000 == 0) clock.advance(20min);
        }
        keys.clear();
        for (std::uint64_t more = 0; more != count; ++more) keys.mark(key + more);
    }
    CHECK_FALSE(Memory::ran_out);
    CHECK(keys.size() == count);
}

TEST_CASE("a string takes the memory of the one whose place it takes",
          "[deduplicator][allocation]") {
    constexpr std::size_t count = 100;
    Deduplicator<std::string> keys{{.count = count}};
    const std::vector<std::string> all = long_keys(4 * count);
    for (std::size_t number = 0; number != 2 * count; ++number) keys.begin(all[number]).mark();
    {
        const MemoryRunsOut none{0};
        for (std::size_t number = 2 * count; number != 4 * count; ++number)
            keys.begin(all[number]).mark();
    }
    CHECK_FALSE(Memory::ran_out);
    CHECK(keys.size() == count);
}

TEST_CASE("nothing is allocated for a duplicate", "[deduplicator][allocation]") {
    Deduplicator<std::string> keys;
    const std::string key = long_key(1);
    auto turn = keys.begin(key);
    const char* const text = key.c_str();
    KeyState at_first{};
    KeyState then{};
    bool is_right = true;
    {
        const MemoryRunsOut none{0};
        at_first = keys.begin(text).state();
        turn.mark();
        then = keys.begin(text).state();
        is_right = keys.contains(text) && !keys.mark(text) && keys.forget(text);
    }
    CHECK_FALSE(Memory::ran_out);
    CHECK(at_first == KeyState::busy);
    CHECK(then == KeyState::done);
    CHECK(is_right);
}

TEST_CASE("the memory of a Deduplicator is bounded, and is given back with it",
          "[deduplicator][allocation]") {
    const long before = Memory::live;
    {
        Deduplicator<std::uint64_t> keys{{.count = 1'000}};
        for (std::uint64_t key = 0; key != 1'001; ++key) keys.mark(key);
        const long full = Memory::live;
        for (std::uint64_t key = 2'000; key != 100'000; ++key) keys.begin(key).mark();
        CHECK(Memory::live - full <= 1);
    }
    CHECK(Memory::live == before);
}

namespace {

// A key whose copies and comparisons fail when asked to.
struct Brittle {
    int number = 0;
    static inline bool fails = false;

    Brittle(int value) : number{value} {}  // NOLINT(*-explicit-*)
    Brittle(const Brittle& other) : number{other.number} { fail(); }
    Brittle& operator=(const Brittle& other) {
        fail();
        number = other.number;
        return *this;
    }
    ~Brittle() = default;

    static void fail() {
        if (fails) throw std::runtime_error{"a key fails"};
    }
    friend bool operator==(const Brittle& one, const Brittle& other) {
        fail();
        return one.number == other.number;
    }
};
struct BrittleHash {
    std::size_t operator()(const Brittle& key) const {
        return static_cast<std::size_t>(key.number);
    }
};

}  // namespace

TEST_CASE("a key that cannot be copied or compared changes nothing", "[deduplicator]") {
    Deduplicator<Brittle, BrittleHash> keys{{.count = 2}};
    const bool has_free_places = GENERATE(false, true);
    keys.mark(1);
    keys.mark(2);
    if (has_free_places) {
        keys.mark(3);
        keys.forget(3);
        keys.mark(1);
    }
    const DeduplicatorStats before = keys.stats();
    Brittle::fails = true;
    for (const int key : {1, 4}) {
        CHECK_THROWS(keys.begin(key));
        CHECK_THROWS(keys.mark(key));
    }
    CHECK_THROWS(keys.contains(1));
    CHECK_THROWS(keys.forget(1));
    Brittle::fails = false;
    CHECK(keys.stats() == before);
    CHECK(keys.contains(1));
    CHECK(keys.begin(4).state() == KeyState::fresh);
}
