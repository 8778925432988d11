// SPDX-License-Identifier: MIT
#include <runnel/runner.hpp>

#include "interleavings/orders.hpp"
#include "interleavings/scheduler.hpp"
#include "interleavings/step_clock.hpp"
#include "support/catch.hpp"
#include "support/timed.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>

using namespace runnel;
using namespace runnel::test;
using namespace std::chrono_literals;

namespace {

// A clock and its Runner, whose function takes a step.
struct RunnerScene {
    RunnerScene() { runner->on_earlier(tell()); }

    [[nodiscard]] std::function<void()> tell() {
        return [this]() noexcept {
            ++begun;
            step("the function is called", {});
            ++ended;
        };
    }
    // The second one is due before the first one: each is told.
    void begin_two() {
        Timed late{clock};
        Timed early{clock};
        late.start(2h);
        early.start(1h);
        early.wake();
        late.wake();
    }
    // After this, no call of the function begins.
    void note_quiet() { began_before = begun, is_quiet = begun == ended; }

    void check(Order& order) const {
        order.expect(is_quiet, "no call runs any more");
        order.expect(begun == began_before, "no call begins any more");
        order.ends(std::to_string(begun) + " told");
    }

    StepClock clock;
    std::optional<Runner> runner{std::in_place, clock};
    int begun = 0;
    int ended = 0;
    int began_before = 0;
    bool is_quiet = false;
};

// Tells the Runner of two deadlines while `end` ends the calls of its function.
template <typename EndOfCalls>
void explore_end_of_calls(const char* name, const EndOfCalls& end) {
    const auto all = explore(name, [&end](Order& order) {
        RunnerScene scene;
        const Runner other{scene.clock};  // runs the clock when the first one has gone
        order.run([&] { scene.begin_two(); },
                  [&] {
                      end(scene);
                      scene.note_quiet();
                  });
        scene.check(order);
    });
    CHECK(all.failure == "");
    CHECK(all.ends("0 told"));
    CHECK(all.ends("1 told"));
    CHECK(all.ends("2 told"));
}

}  // namespace

TEST_CASE("a Runner gets another function while it is told of one deadline after another") {
    explore_end_of_calls("another function against two tellings",
                         [](RunnerScene& scene) { scene.runner->on_earlier({}); });
}

TEST_CASE("a Runner goes while it is told of one deadline after another") {
    explore_end_of_calls("the end of a Runner against two tellings",
                         [](RunnerScene& scene) { scene.runner.reset(); });
}

TEST_CASE("two threads give a Runner another function while it is told of deadlines") {
    const auto all = explore("two functions against two tellings", [](Order& order) {
        RunnerScene scene;
        const auto change = [&] { scene.runner->on_earlier(scene.tell()); };
        order.run([&] { scene.begin_two(); }, change, change);
        order.expect(scene.begun == 2 && scene.ended == 2, "each deadline is told");
    });
    CHECK(all.failure == "");
}
