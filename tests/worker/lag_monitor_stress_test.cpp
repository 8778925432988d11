// SPDX-License-Identifier: MIT
#include <runnel/consumer_group.hpp>
#include <runnel/lag_monitor.hpp>
#include <runnel/runner.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <thread>

using runnel::LagMonitor;
using runnel::LagReport;
using runnel::LagState;
using runnel::Stream;
using runnel::test::scaled;
using namespace std::chrono_literals;

// A thread runs the clock, others check by hand, start and stop, while entries come and go. The
// function is never called twice at a time, tells each change once, and never when the monitor has
// gone.
TEST_CASE("a monitor is used by many threads", "[lag_monitor][race]") {
    const runnel::TimerThread timers;
    for (std::size_t round = scaled(40); round != 0; --round) {
        const Stream<int> stream;
        const auto group = stream.group("group");
        std::atomic<bool> is_over = false;
        std::atomic<int> inside = 0;
        std::atomic<int> mistakes = 0;
        auto last = LagState::calm;  // not atomic: the calls follow each other
        auto monitor = std::make_unique<LagMonitor>(
            group,
            [&](const LagReport& report) {
                if (inside.fetch_add(1) != 0 || is_over || report.state == last) ++mistakes;
                last = report.state;
                inside.fetch_sub(1);
            },
            runnel::LagMonitorOptions{.above = 2, .below = 0, .every = 20us});
        monitor->start();
        {
            std::jthread writer{[&] {
                const auto ann = group.consumer("ann");
                for (std::size_t step = scaled(300); step != 0; --step) {
                    for (int i = 0; i != 3; ++i) (void)stream.add(i);
                    (void)ann.try_read({.acknowledged = true});
                }
            }};
            std::jthread hand{[&] {
                for (std::size_t step = scaled(300); step != 0; --step) (void)monitor->check();
            }};
            std::jthread other_hand{[&] {
                for (std::size_t step = scaled(100); step != 0; --step) {
                    (void)monitor->check();
                    monitor->stop();
                    (void)monitor->state();
                    monitor->start();
                }
            }};
        }
        monitor.reset();
        is_over = true;
        for (int i = 0; i != 3; ++i) (void)stream.add(i);
        REQUIRE(mistakes == 0);
    }
}
