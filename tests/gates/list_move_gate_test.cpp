// SPDX-License-Identifier: MIT
// A move that waits for room, stopped between the room and the element. Serving it needs the locks
// of a third list if another request stands before it at its source: then the waker lets go of the
// target, and whoever comes there meanwhile comes after the move.
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/list/list_state.hpp>
#include <runnel/list_options.hpp>
#include <runnel/outcome.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/elements.hpp"
#include "support/eventually.hpp"
#include "support/gate.hpp"
#include "support/list_locks.hpp"
#include "support/windows.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace runnel;
using namespace runnel::test;
using namespace std::chrono_literals;

namespace {

using List = BlockingList<Gated>;

std::vector<int> numbers(const List& list) {
    std::vector<int> all;
    for (const Gated& element : list.range()) all.push_back(element.get());
    return all;
}

// A call in a thread of its own, which may stop at a lock that the test holds.
class Running {
public:
    template <typename Function>
    explicit Running(Function function)
        : thread_{[this, function = std::move(function)] {
              function();
              has_returned_ = true;
          }} {}

    [[nodiscard]] bool has_returned() const { return has_returned_; }

private:
    std::atomic<bool> has_returned_ = false;
    std::jthread thread_;
};

// What a call has returned that another thread ends: one that the clock does not wait for.
template <typename Result>
Result& ended(Call<Result>& call) {
    eventually([&] { return !call.waits(); });
    return call.result();
}

// Two moves from one source. The older one goes to `third` and lacks an element. The other one goes
// to `target` and lacks room.
class Window {
public:
    Window() {
        REQUIRE(source.try_push_back(0) == Push::done);
        for (const int number : {1, 2}) REQUIRE(third.try_push_back(number) == Push::done);
        for (const int number : {3, 4}) REQUIRE(target.try_push_back(number) == Push::done);
        older.emplace(moving(clock, source, third));
        move.emplace(moving(clock, source, target, {.timeout = 1h}));
        REQUIRE(source.try_pop_front());
        REQUIRE(third.try_pop_front());
    }
    Window(const Window&) = delete;
    Window& operator=(const Window&) = delete;
    ~Window() {
        for (const List& list : lists_) list.close();
    }

    // Pushes so many elements to the source, makes room in the target, and runs `meanwhile` when
    // the waker has let go of the target.
    template <typename Function>
    void open(int elements, Function meanwhile) {
        std::optional<Running> pushes;
        std::optional<Running> pops;
        {
            const detail::Lock lock{state_of(third).back.mutex};
            pushes.emplace([this, elements] {
                std::vector<Gated> all;
                all.reserve(2);
                for (int number = 5; number != 5 + elements; ++number) all.emplace_back(number);
                (void)source.push_back_many(all);
            });
            eventually([this] { return is_waited_for(state_of(third).back.mutex); });
            pops.emplace([this] { (void)target.try_pop_front(); });
            eventually([&] {
                const detail::Lock of_source{state_of(source).back.mutex};
                return pops->has_returned() || state_of(source).back.poppers.size() == 2;
            });
            meanwhile();
        }
        pushes.reset();
        pops.reset();
    }

    // Until `later` has returned, or stands in line in the target behind the move.
    void await_later() {
        eventually([this] { return later->has_returned() || waiting_for_room() == 2; });
    }
    [[nodiscard]] std::size_t waiting_for_room() const {
        const detail::Lock lock{state_of(target).back.mutex};
        return state_of(target).pushers.size();
    }

    ManualClock clock;

private:
    [[nodiscard]] std::array<List, 3> made() {
        const ListOptions options{.capacity = 2, .clock = &clock};
        std::array<List, 3> all{List{options}, List{options}, List{options}};
        // A thread that needs the locks of `third` and `source` takes those of `third` first.
        std::ranges::sort(all, std::less<>{}, [](const List& list) { return &state_of(list); });
        return all;
    }

    std::array<List, 3> lists_ = made();

public:
    List& third = lists_[0];
    List& source = lists_[1];
    List& target = lists_[2];
    std::optional<Call<Moved<Gated>>> older;
    std::optional<Call<Moved<Gated>>> move;
    std::optional<Running> later;
};

// What comes to the target in the window, with the number 10.
struct Later {
    const char* name;
    bool may_wait;
    void (*run)(const List& target);
};

void move_from_another(const List& target, Timeout timeout) {
    const List other;
    (void)other.push_back(Gated{10});
    (void)other.move_to(target, {.timeout = timeout});
}

}  // namespace

TEST_CASE("what comes between room and the move that waits for it comes after the move",
          "[list][move][gate]") {
    const Later call = GENERATE(
        Later{"try_push_back", false, [](const List& to) { (void)to.try_push_back(Gated{10}); }},
        Later{"push_back_if_exists", false,
              [](const List& to) { (void)to.push_back_if_exists(Gated{10}); }},
        Later{"push_back", true, [](const List& to) { (void)to.push_back(Gated{10}); }},
        Later{"a move that may not wait", false, [](const List& to) { move_from_another(to, 0s); }},
        Later{"a move that waits", true, [](const List& to) { move_from_another(to, {}); }});
    const bool finds_an_element = GENERATE(false, true);
    CAPTURE(call.name, finds_an_element);
    Window window;
    window.open(finds_an_element ? 2 : 1, [&] {
        window.later.emplace([&] { call.run(window.target); });
        window.await_later();
    });
    CHECK(value(ended(*window.older)) == 5);
    if (!finds_an_element) {
        window.later.reset();
        CHECK(numbers(window.target) == std::vector{4, 10});
        CHECK(window.move->waits());
        CHECK(window.source.push_back(Gated{6}) == Push::done);
        REQUIRE(window.target.try_pop_front());
        CHECK(value(ended(*window.move)) == 6);
        CHECK(numbers(window.target) == std::vector{10, 6});
        return;
    }
    CHECK(value(ended(*window.move)) == 6);
    if (call.may_wait) {
        CHECK_FALSE(window.later->has_returned());
        CHECK(numbers(window.target) == std::vector{4, 6});
        REQUIRE(window.target.try_pop_front());
        window.later.reset();
        CHECK(numbers(window.target) == std::vector{6, 10});
    } else {
        window.later.reset();
        CHECK(numbers(window.target) == std::vector{4, 6});
    }
}

TEST_CASE("who stands behind a move that ends between room and element gets the room",
          "[list][move][gate]") {
    Window window;
    const auto open = [&](auto meanwhile) {
        window.open(1, [&] {
            window.later.emplace([&] { (void)window.target.push_back(Gated{10}); });
            window.await_later();
            meanwhile();
        });
    };
    SECTION("its time is over") {
        open([&] {
            window.clock.advance(1h);
            eventually([&] { return window.waiting_for_room() < 2; });
        });
        CHECK(ending(ended(*window.move)) == Ending::timed_out);
    }
    SECTION("another call has taken the elements") {
        open([&] { CHECK(window.source.remove(Gated{5}) == 1); });
        CHECK(window.older->waits());
        CHECK(window.move->waits());
    }
    SECTION("its source is closed and drained") {
        std::optional<Running> closes;
        open([&] {
            closes.emplace([&] { window.source.close(); });
            eventually([&] {
                const detail::Lock lock{state_of(window.source).back.mutex};
                return state_of(window.source).closed;
            });
        });
        CHECK(ending(ended(*window.move)) == Ending::closed);
    }
    window.later.reset();
    CHECK(numbers(window.target) == std::vector{4, 10});
}

TEST_CASE("a move whose target is closed between room and element has moved nothing",
          "[list][move][gate]") {
    Window window;
    window.open(2, [&] { window.target.close(); });
    CHECK(ending(ended(*window.move)) == Ending::closed);
    CHECK(numbers(window.target) == std::vector{4});
    CHECK(numbers(window.source) == std::vector{6});
}
