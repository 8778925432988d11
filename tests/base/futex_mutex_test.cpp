// SPDX-License-Identifier: MIT
#include <runnel/detail/base/futex.hpp>
#include <runnel/detail/base/mutex.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/scale.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using runnel::detail::FutexWord;
using runnel::detail::Lock;
using runnel::detail::Mutex;
using namespace std::chrono_literals;

namespace {

using SteadyClock = std::chrono::steady_clock;

// 0 free, 1 held, 2 held and somebody may be at rest; the first and only member of a Mutex.
std::uint32_t word_of(const Mutex& mutex) {
    static_assert(std::is_standard_layout_v<Mutex>);
    return reinterpret_cast<const FutexWord&>(mutex).load();
}

struct Account {
    Mutex mutex;
    std::size_t deposits RUNNEL_GUARDED_BY(mutex) = 0;
    std::array<std::size_t, 100> ledger RUNNEL_GUARDED_BY(mutex) = {};

    void deposit() {
        const Lock lock{mutex};
        ++deposits;
    }

    // Takes longer than a thread looks before it goes to rest.
    void deposit_slowly() {
        const Lock lock{mutex};
        for (int pass = 0; pass < 20; ++pass) {
            for (std::size_t& line : ledger) line = deposits + 1;
        }
        ++deposits;
    }

    std::size_t balance() {
        const Lock lock{mutex};
        return deposits;
    }
};

}  // namespace

TEST_CASE("a lock takes four bytes, so that it fits beside what it guards", "[mutex]") {
    STATIC_REQUIRE(sizeof(Mutex) == 4);
    STATIC_REQUIRE(!std::is_copy_constructible_v<Mutex>);
    STATIC_REQUIRE(!std::is_copy_constructible_v<Lock>);
}

TEST_CASE("a lock is free before and after its scope", "[mutex]") {
    Mutex mutex;
    CHECK(word_of(mutex) == 0);
    {
        const Lock lock{mutex};
        CHECK(word_of(mutex) == 1);
    }
    CHECK(word_of(mutex) == 0);
}

TEST_CASE("what is counted under a lock by several threads is counted once each", "[mutex]") {
    const std::size_t each = runnel::test::scaled(50'000, 1);
    Account account;
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 4; ++thread) {
            threads.emplace_back([&account, each] {
                for (std::size_t i = 0; i < each; ++i) account.deposit();
            });
        }
    }
    CHECK(account.balance() == 4 * each);
}

TEST_CASE("nobody is forgotten when a lock is held long enough for all others to go to rest",
          "[mutex]") {
    const std::size_t each = runnel::test::scaled(2'000, 1);
    Account account;
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 6; ++thread) {
            threads.emplace_back([&account, each] {
                for (std::size_t i = 0; i < each; ++i) account.deposit_slowly();
            });
        }
    }
    CHECK(account.balance() == 6 * each);
}

TEST_CASE("a thread that finds the lock taken rests until it is let go", "[mutex]") {
    Account account;
    std::vector<std::jthread> threads;
    {
        const Lock lock{account.mutex};
        for (int thread = 0; thread < 3; ++thread)
            threads.emplace_back([&account] { account.deposit(); });
        runnel::test::eventually([&] { return word_of(account.mutex) == 2; });
        CHECK(account.deposits == 0);
    }
    threads.clear();
    CHECK(account.balance() == 3);
}

TEST_CASE("a wait on a word that has changed already ends at once", "[futex]") {
    FutexWord word = 7;
    runnel::detail::futex_wait(word, 6);
    runnel::detail::futex_wait_until(word, 6, SteadyClock::now() + 1h);
    CHECK(word == 7);
}

TEST_CASE("a wait on a word ends at its deadline, not before, unless somebody wakes it",
          "[futex]") {
    FutexWord word = 0;
    // A deadline off the full second, so that both halves of it count.
    const SteadyClock::time_point deadline = SteadyClock::now() + 20ms;
    while (SteadyClock::now() < deadline) runnel::detail::futex_wait_until(word, 0, deadline);
    CHECK(SteadyClock::now() >= deadline);
}

TEST_CASE("a deadline that has passed ends a wait at once, even one before the clock's beginning",
          "[futex]") {
    FutexWord word = 0;
    runnel::detail::futex_wait_until(word, 0, SteadyClock::now());
    runnel::detail::futex_wait_until(word, 0, SteadyClock::time_point{-1ns});
    CHECK(word == 0);
}

TEST_CASE("a wake-up reaches one who waits on the word", "[futex]") {
    FutexWord word = 0;
    std::jthread waiting{[&word] {
        while (word.load() == 0) runnel::detail::futex_wait(word, 0);
    }};
    word.store(1);
    runnel::detail::futex_wake_one(word);
    waiting.join();
    CHECK(word == 1);
}
