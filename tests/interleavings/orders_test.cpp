// SPDX-License-Identifier: MIT
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/futex.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/of_thread.hpp>
#include <runnel/detail/base/thread_id.hpp>

#include "interleavings/orders.hpp"
#include "interleavings/scheduler.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

using namespace runnel;
using namespace runnel::test;

namespace {

// How many there are.
struct Own {
    Own() { ++there; }
    Own(const Own&) = delete;
    Own& operator=(const Own&) = delete;
    ~Own() { --there; }

    static inline int there = 0;
};

}  // namespace

TEST_CASE("two threads of three steps have twenty orders") {
    std::set<std::string> seen;
    const auto all = explore("abc", [&](Order& order) {
        detail::Atomic<int> steps = 0;
        std::string text;
        const auto thread = [&](char name) {
            for (int i = 0; i != 3; ++i) {
                steps.fetch_add(1);
                text += name;
            }
        };
        order.run([&] { thread('a'); }, [&] { thread('b'); });
        seen.insert(text);
    });
    CHECK(all.are_all);
    CHECK(all.orders == 20);
    CHECK(seen.size() == 20);
    CHECK_FALSE(all.has_failed());
}

TEST_CASE("the orders with one preemption are those in which one thread is interrupted once") {
    std::set<std::string> seen;
    (void)explore("one preemption",
                  [&](Order& order) {
                      detail::Atomic<int> steps = 0;
                      std::string text;
                      const auto thread = [&](char name) {
                          for (int i = 0; i != 3; ++i) {
                              steps.fetch_add(1);
                              text += name;
                          }
                      };
                      order.run([&] { thread('a'); }, [&] { thread('b'); });
                      seen.insert(text);
                  },
                  {.least_preemptions = 1, .orders = 0, .drawn = 0});
    CHECK(seen ==
          std::set<std::string>{"aaabbb", "aabbba", "abbbaa", "bbbaaa", "bbaaab", "baaabb"});
}

TEST_CASE("a lost update is found, told step by step, and comes again in that order") {
    const auto lose = [](Order& order) {
        detail::Atomic<int> count = 0;
        const auto add = [&] { count.store(count.load() + 1); };
        order.run(add, add);
        order.expect(count.load() == 2, "both are counted");
    };
    const auto all = explore("lost update", lose);
    CHECK(all.fails_with("both are counted"));
    CHECK(all.fails_with("thread 1: load, interleavings/orders_test.cpp:"));
    CHECK(all.fails_with("RUNNEL_TEST_ORDER='lost update="));
    CHECK_FALSE(all.fails_with("but not when it is run again"));
}

TEST_CASE("two locks that are taken in both orders are found to deadlock") {
    const auto all = explore("two locks", [](Order& order) {
        detail::Mutex one;
        detail::Mutex two;
        order.run(
            [&] {
                const detail::Lock first{one};
                const detail::Lock second{two};
            },
            [&] {
                const detail::Lock first{two};
                const detail::Lock second{one};
            });
    });
    CHECK(
        all.fails_with("threads wait for ever:\n  thread 1: lock, interleavings/orders_test.cpp:"));
    CHECK(all.fails_with("\n  thread 2: lock, interleavings/orders_test.cpp:"));
}

TEST_CASE("a thread that locks what it holds waits for ever") {
    const auto all = explore("lock twice", [](Order& order) {
        detail::Mutex mutex;
        order.run([&]() RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
            const detail::Lock first{mutex};
            mutex.lock();
            mutex.unlock();
        });
    });
    CHECK(all.fails_with("threads wait for ever"));
}

TEST_CASE("a lock keeps the other threads out, and lets them in") {
    const auto all = explore("lock", [](Order& order) {
        detail::Mutex mutex;
        detail::Atomic<int> inside = 0;
        int most = 0;
        const auto enter = [&] {
            const detail::Lock lock{mutex};
            most = std::max(most, inside.fetch_add(1) + 1);
            inside.fetch_sub(1);
        };
        order.run(enter, enter, enter);
        order.expect(most == 1, "one at a time");
    });
    CHECK_FALSE(all.has_failed());
    CHECK(all.orders > 100);
}

TEST_CASE("a word that is looked at before the wait is found to lose a wake-up, unless the wait "
          "looks again") {
    const auto waits_for = [](std::uint32_t expected) {
        return [expected](Order& order) {
            detail::FutexWord word = 0;
            order.run(
                [&] {
                    if (word.load() == 0) detail::futex_wait(word, expected == 0 ? 0 : word.load());
                },
                [&] {
                    word.store(1);
                    detail::futex_wake_one(word);
                });
        };
    };
    CHECK_FALSE(explore("wait", waits_for(0)).has_failed());
    CHECK(explore("wait for any value", waits_for(1)).fails_with("futex_wait"));
}

TEST_CASE("a wait with a time-out ends by a wake-up or by its time") {
    const auto all = explore("time-out", [](Order& order) {
        detail::FutexWord word = 0;
        const Moment deadline = present() + std::chrono::hours{1};
        order.run(
            [&] {
                while (word.load() == 0 && present() < deadline)
                    detail::futex_wait_until(word, 0, deadline);
            },
            [&] {
                word.store(1);
                detail::futex_wake_one(word);
            });
        order.ends(present() == deadline ? "by time" : "woken");
    });
    CHECK_FALSE(all.has_failed());
    CHECK(all.ends("by time"));
    CHECK(all.ends("woken"));
}

TEST_CASE("a stop callback is awaited by its destructor in another thread, and runs once") {
    const auto all = explore("stop", [](Order& order) {
        std::stop_source source;
        detail::Atomic<int> runs = 0;
        bool is_there = true;
        bool ran_without = false;
        order.run(
            [&] {
                const std::stop_callback callback{source.get_token(), [&] {
                                                      runs.fetch_add(1);
                                                      ran_without = ran_without || !is_there;
                                                  }};
            },
            [&] { source.request_stop(); });
        is_there = false;
        order.expect(!ran_without, "it runs while it is there");
        order.expect(runs.load() <= 1, "it runs once");
        order.ends(runs.load() == 1 ? "run" : "not run");
    });
    CHECK_FALSE(all.has_failed());
    CHECK(all.ends("run"));
    CHECK(all.ends("not run"));
}

TEST_CASE("each thread has its own number and its own thread_local variables") {
    const auto all = explore("own", [](Order& order) {
        detail::Atomic<int> steps = 0;
        std::vector<detail::ThreadId> threads;
        bool is_own = true;
        const auto count = [&] {
            thread_local int own = 0;
            for (int i = 0; i != 3; ++i) {
                is_own = is_own && own == i;
                steps.fetch_add(1);
                ++own;
            }
            threads.push_back(detail::this_thread());
        };
        order.run(count, count);
        order.expect(is_own, "nobody else changes it");
        order.expect(threads.size() == 2 && threads[0] != threads[1], "two numbers");
    });
    CHECK_FALSE(all.has_failed());
}

TEST_CASE("an exception that flies in one thread is not another's") {
    const auto all = explore("exceptions", [](Order& order) {
        detail::Atomic<int> steps = 0;
        bool is_own = true;
        const auto fly = [&](int number) {
            try {
                throw number;
            } catch (int) {
                steps.fetch_add(1);
                try {
                    throw;
                } catch (int caught) {
                    is_own = is_own && caught == number;
                }
            }
        };
        order.run([&] { fly(1); }, [&] { fly(2); });
        order.expect(is_own, "each catches its own");
    });
    CHECK_FALSE(all.has_failed());
}

TEST_CASE("a thread that throws, or that does not end, fails") {
    CHECK(explore("throws", [](Order& order) {
              order.run([] { throw std::runtime_error{"no more"}; });
          }).fails_with("it throws: no more"));
    CHECK(explore("for ever", [](Order& order) {
              detail::Atomic<int> looks = 0;
              order.run([&] {
                  while (looks.load() == 0) {
                  }
              });
          }).fails_with("it does not end"));
}

TEST_CASE("a thread that gives way polls until the others have come to what it waits for") {
    const auto all = explore("give way", [](Order& order) {
        detail::Atomic<int> state = 0;
        order.run(
            [&] {
                while (state.load() != 2) detail::give_way();
            },
            [&] { state.fetch_add(1); }, [&] { state.fetch_add(1); });
    });
    CHECK(all.failure == "");
    CHECK(all.orders >= 10);
}

TEST_CASE("what a thread has of its own is known to others, and dies at its end") {
    const auto all = explore("own object", [](Order& order) {
        detail::Atomic<int> steps = 0;
        std::set<Own*> seen;
        const auto look = [&] {
            for (int i = 0; i != 2; ++i) {
                seen.insert(&detail::of_this_thread<Own>());
                steps.fetch_add(1);
            }
        };
        order.run(look, look);
        order.expect(seen.size() == 2, "one each");
        order.expect(Own::there == 0, "both are gone");
    });
    CHECK(all.failure == "");
}
