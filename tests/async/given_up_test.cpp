// SPDX-License-Identifier: MIT
// Waits that have ended at once, and whose owner gives them up all the same: as Asio does when its
// handler is not called any more.
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/awaitable.hpp>
#include <runnel/detail/wait/operation.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/list_options.hpp>
#include <runnel/outcome.hpp>
#include <runnel/subscription.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/elements.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::ManualClock;
using runnel::Push;
using runnel::WaitOptions;
using runnel::test::Coroutine;
using runnel::test::drain;

namespace {

// Begins a wait, which ends at once.
template <typename Recipe>
class EndedWait {
public:
    explicit EndedWait(runnel::Awaitable<Recipe> awaitable)
        : recipe_{runnel::detail::PartsOfAwaitable::take_recipe(awaitable)} {
        operation_.emplace(recipe_, options_, Next{});
        runnel::detail::WakeChain chain;
        const bool waits = operation_->start(chain);
        chain.resume_all();
        REQUIRE_FALSE(waits);
    }

    void give_up() { operation_.reset(); }

private:
    struct AtPlace : Recipe {
        template <typename Request>
        bool try_now(Request&) = delete;
    };
    struct Next {
        static constexpr bool is_known_to_others = true;

        [[nodiscard]] static auto detach() noexcept {
            return [] { FAIL("it has not waited"); };
        }
    };

    AtPlace recipe_;
    const runnel::detail::KeptOptions options_{WaitOptions{}};
    std::optional<runnel::detail::Operation<AtPlace, Next>> operation_;
};

}  // namespace

TEST_CASE("what a pop took at once is on its way, and has memory to go back") {
    const BlockingList<int> numbers;
    REQUIRE(numbers.push_back(1) == Push::done);
    EndedWait pop{numbers.async_pop_front()};
    // Now the only block is full at the front.
    for (int number = 5; number != 1; --number) REQUIRE(numbers.push_front(number) == Push::done);
    numbers.close();
    CHECK(drain(numbers).size() == 4);
    CHECK_FALSE(numbers.drained());
    pop.give_up();
    CHECK_FALSE(numbers.drained());
    CHECK(drain(numbers) == std::vector{1});
    CHECK(numbers.drained());
}

TEST_CASE("a read of a channel that is given up leaves room for a publish that waits") {
    const runnel::Channel<int> ticks;
    auto view = ticks.subscribe({.bound = 1, .when_behind = runnel::Behind::block});
    REQUIRE(ticks.try_publish(1));
    bool is_published = false;
    const auto publish_one = [&]() -> Coroutine {
        is_published = static_cast<bool>(co_await ticks.async_publish(2));
    };
    const Coroutine publishing = publish_one();
    CHECK_FALSE(is_published);
    EndedWait{view.async_read()}.give_up();
    CHECK(is_published);
}

TEST_CASE("what a waiting publish wakes can be destroyed before its thread has its turn") {
    constexpr std::uint64_t seeds = 8;  // some let that thread go on first
    for (std::uint64_t seed = 0; seed != seeds; ++seed) {
        ManualClock clock{{.seed = seed}};
        const runnel::Channel<int> ticks{{.clock = &clock}};
        auto full = ticks.subscribe({.bound = 1, .when_behind = runnel::Behind::block});
        ticks.publish(1);
        auto view = ticks.subscribe();
        std::size_t read = 0;
        const auto read_some = [&]() -> Coroutine {
            const auto batch = co_await view.async_read();
            read += batch.size();
        };
        Coroutine reading = read_some();
        std::size_t read_at_return = 0;
        {
            const auto publishing = clock.thread([&] { ticks.publish(2); });
            clock.settle();
            const auto taking = clock.thread([&] {
                (void)full.try_read();
                read_at_return = read;
                reading.destroy();
            });
            clock.settle();
        }
        CHECK(read_at_return == 1);
    }
}
