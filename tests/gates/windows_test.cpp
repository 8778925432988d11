// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/detail/base/mutex.hpp>

#include "support/catch.hpp"
#include "support/gate.hpp"
#include "support/windows.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

using namespace runnel;
using namespace runnel::test;

namespace {

// An object of one lock that holds one value.
struct Scene {
    Gate& gate() { return gate_; }
    ManualClock& clock() { return clock_; }
    std::vector<const detail::Mutex*> locks() { return {&mutex}; }
    void release() {}
    void check() { ++checks; }

    void replace() {
        const detail::Lock lock{mutex};
        Gated taken{std::move(*value)};
        value.emplace(std::move(taken));
    }
    void read() {
        const detail::Lock lock{mutex};
        seen.push_back(value->get());
    }

    Gate gate_;
    ManualClock clock_;
    detail::Mutex mutex;
    std::optional<Gated> value{std::in_place, 7, &gate_};
    std::vector<int> seen;
    static inline int checks = 0;
};

}  // namespace

TEST_CASE("an operation is stopped at each of its steps, and another one comes to its lock") {
    Scene::checks = 0;
    const auto windows =
        for_each_window([] { return std::make_unique<Scene>(); },
                        [](Scene& scene) { scene.replace(); }, [](Scene& scene) { scene.read(); });
    CHECK(windows == 2);        // it moves the value twice
    CHECK(Scene::checks == 3);  // the last time it is not stopped
}

TEST_CASE("what a step is is told by the gate") {
    Gate gate;
    Gated one{1, &gate};
    gate.disarm();
    CHECK_FALSE(gate.await_stop());
    const Gated copy{one};
    CHECK(copy == one);
}
