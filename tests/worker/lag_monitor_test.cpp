// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>
#include <runnel/lag_monitor.hpp>
#include <runnel/outcome.hpp>
#include <runnel/runner.hpp>
#include <runnel/stats.hpp>
#include <runnel/stream.hpp>
#include <runnel/stream_options.hpp>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/user_clocks.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using runnel::Backlog;
using runnel::Clock;
using runnel::Consumer;
using runnel::ConsumerGroup;
using runnel::Ending;
using runnel::Error;
using runnel::ErrorCode;
using runnel::LagMonitor;
using runnel::LagMonitorOptions;
using runnel::LagReport;
using runnel::LagState;
using runnel::ManualClock;
using runnel::Stream;
using runnel::test::error_of;
using runnel::test::HandClock;
using namespace std::chrono_literals;

namespace {

// A group, and what a monitor tells of it: each report, and how long after the start.
struct MonitoredGroup {
    using Told = std::pair<std::chrono::nanoseconds, LagState>;

    ManualClock clock;
    Stream<int> stream{{.clock = &clock}};
    ConsumerGroup<int> group = stream.group("group");
    Consumer<int> ann = group.consumer("ann");
    const Clock::Deadline begun = clock.now();
    const Clock::WallTime begun_wall = clock.wall();
    std::vector<Told> told;
    std::vector<LagReport> reports;

    [[nodiscard]] auto note() {
        return [this](const LagReport& report) {
            told.emplace_back(clock.now() - begun, report.state);
            reports.push_back(report);
        };
    }
    void add(std::size_t count) const {
        for (; count != 0; --count) (void)stream.add(1);
    }
    void take(std::size_t count) const {
        if (count == 0) return;
        REQUIRE(ann.try_read({.count = count, .acknowledged = true}).size() == count);
    }

    [[nodiscard]] std::string refusal(const LagMonitorOptions& options,
                                      const LagMonitor::Callback& callback) const {
        try {
            const LagMonitor monitor{group, callback, options};
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::invalid_argument);
            return error.what();
        }
        return {};
    }
    [[nodiscard]] std::string refusal(const LagMonitorOptions& options) const {
        return refusal(options, [](const LagReport&) {});
    }
};

constexpr auto calm = LagState::calm;
constexpr auto raised = LagState::raised;
using Story = std::vector<MonitoredGroup::Told>;

}  // namespace

// ------------------------------------------------------------------ by hand

TEST_CASE_METHOD(MonitoredGroup, "the alarm is raised above the threshold, and not at it",
                 "[lag_monitor]") {
    LagMonitor monitor{group, note(), {.above = 3}};
    CHECK(monitor.state() == calm);
    add(3);
    CHECK(monitor.check() == calm);
    add(1);
    CHECK(monitor.state() == calm);
    CHECK(monitor.check() == raised);
    CHECK(monitor.state() == raised);
    CHECK(told == Story{{0s, raised}});
}

TEST_CASE_METHOD(MonitoredGroup, "it stays raised until the lag is at the lower threshold",
                 "[lag_monitor]") {
    LagMonitor monitor{group, note(), {.above = 10, .below = 2}};
    add(11);
    CHECK(monitor.check() == raised);
    take(8);
    CHECK(monitor.check() == raised);
    add(8);
    CHECK(monitor.check() == raised);  // told once
    take(9);
    CHECK(monitor.check() == calm);
    add(8);
    CHECK(monitor.check() == calm);  // 10
    CHECK(told == Story{{0s, raised}, {0s, calm}});
}

TEST_CASE_METHOD(MonitoredGroup, "without a lower threshold it is four fifths of the upper one",
                 "[lag_monitor]") {
    const auto [above, below] = GENERATE(std::pair<std::size_t, std::size_t>{0, 0}, std::pair{1, 1},
                                         std::pair{4, 4}, std::pair{5, 4}, std::pair{11, 9});
    CAPTURE(above);
    LagMonitor monitor{group, note(), {.above = above}};
    add(above + 1);
    CHECK(monitor.check() == raised);
    take(above - below);
    CHECK(monitor.check() == raised);
    take(1);
    CHECK(monitor.check() == calm);
}

TEST_CASE_METHOD(MonitoredGroup, "an old entry raises the alarm, too", "[lag_monitor]") {
    LagMonitor monitor{group, note(), {.older_than = 1min}};
    add(1);
    clock.advance(1min);
    CHECK(monitor.check() == calm);
    clock.advance(1ms);
    CHECK(monitor.check() == raised);
    add(1);
    take(1);
    CHECK(monitor.check() == calm);
    clock.advance(1min + 1ms);
    CHECK(monitor.check() == raised);
    take(1);
    CHECK(monitor.check() == calm);
}

TEST_CASE_METHOD(MonitoredGroup, "it is over when neither the count nor the age is too great",
                 "[lag_monitor]") {
    LagMonitor monitor{group, note(), {.above = 3, .below = 1, .older_than = 1min}};
    add(4);
    CHECK(monitor.check() == raised);
    clock.advance(2min);
    take(3);
    CHECK(monitor.check() == raised);  // one old entry
    add(4);
    take(1);
    CHECK(monitor.check() == raised);  // four new ones
    take(3);
    CHECK(monitor.check() == calm);
}

TEST_CASE_METHOD(MonitoredGroup, "the lag has to last as long as `hold`", "[lag_monitor]") {
    LagMonitor monitor{group, note(), {.above = 3, .hold = 10s}};
    add(4);
    CHECK(monitor.check() == calm);
    clock.advance(10s - 1ns);
    CHECK(monitor.check() == calm);
    clock.advance(1ns);
    CHECK(monitor.check() == raised);
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].since == begun_wall);  // when it was first seen
}

TEST_CASE_METHOD(MonitoredGroup, "a check that finds it near again begins `hold` anew",
                 "[lag_monitor]") {
    LagMonitor monitor{group, note(), {.above = 3, .hold = 10s}};
    add(4);
    CHECK(monitor.check() == calm);
    clock.advance(9s);
    take(1);
    CHECK(monitor.check() == calm);
    add(1);
    clock.advance(1s);
    CHECK(monitor.check() == calm);
    clock.advance(9s);
    CHECK(monitor.check() == calm);
    clock.advance(1s);
    CHECK(monitor.check() == raised);
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].since == begun_wall + 10s);
}

TEST_CASE_METHOD(MonitoredGroup, "`hold` begins anew after each alarm", "[lag_monitor]") {
    LagMonitor monitor{group, note(), {.above = 3, .hold = 10s}};
    add(4);
    (void)monitor.check();
    clock.advance(10s);
    CHECK(monitor.check() == raised);
    take(4);
    CHECK(monitor.check() == calm);  // at once
    add(4);
    CHECK(monitor.check() == calm);
    clock.advance(10s);
    CHECK(monitor.check() == raised);
}

TEST_CASE_METHOD(MonitoredGroup, "a report has the backlog, and since when", "[lag_monitor]") {
    LagMonitor monitor{group, note(), {.above = 3}};
    add(6);
    const auto batch = ann.try_read({.count = 1});
    clock.advance(5s);
    CHECK(monitor.check() == raised);
    clock.advance(5s);
    take(5);
    CHECK(monitor.check() == calm);
    const Backlog then{.lag = 5, .pending = 1, .undelivered_age = 5s, .unacknowledged_age = 5s};
    const Backlog now{.pending = 1, .unacknowledged_age = 10s};
    CHECK(reports ==
          std::vector<LagReport>{{raised, then, begun_wall + 5s}, {calm, now, begun_wall + 10s}});
}

TEST_CASE_METHOD(MonitoredGroup, "the times of `hold` do not go by the wall clock",
                 "[lag_monitor]") {
    LagMonitor monitor{group, note(), {.above = 3, .hold = 10s}};
    add(4);
    CHECK(monitor.check() == calm);
    clock.step_wall(1h);
    CHECK(monitor.check() == calm);
    clock.step_wall(-2h);
    clock.advance(10s);
    CHECK(monitor.check() == raised);
}

// ------------------------------------------------------------------ by the clock

TEST_CASE_METHOD(MonitoredGroup, "after start() the clock checks, first when `every` is over",
                 "[lag_monitor]") {
    LagMonitor monitor{group, note(), {.above = 3, .every = 10s}};
    add(4);
    monitor.start();
    clock.advance(10s - 1ns);
    CHECK(told.empty());
    clock.advance(1ns);
    CHECK(told == Story{{10s, raised}});
    take(4);
    clock.advance(1h);
    CHECK(told == Story{{10s, raised}, {20s, calm}});
    CHECK(monitor.state() == calm);
}

TEST_CASE_METHOD(MonitoredGroup, "`hold` is over at a check", "[lag_monitor]") {
    LagMonitor monitor{group, note(), {.above = 3, .hold = 25s, .every = 10s}};
    add(4);
    monitor.start();
    clock.advance(1h);
    CHECK(told == Story{{40s, raised}});  // first seen at 10 s
}

TEST_CASE_METHOD(MonitoredGroup, "starting twice checks once", "[lag_monitor]") {
    int checks = 0;
    LagMonitor monitor{group,
                       [&](const LagReport& report) {
                           ++checks;
                           if (report.state == raised) take(1);
                           if (report.state == calm) add(1);
                       },
                       {.above = 0, .every = 1s}};
    add(1);
    monitor.start();
    monitor.start();
    clock.advance(10s);
    CHECK(checks == 10);
}

TEST_CASE_METHOD(MonitoredGroup, "after stop() the clock does not check, but a hand may",
                 "[lag_monitor]") {
    LagMonitor monitor{group, note(), {.above = 3, .every = 10s}};
    monitor.stop();  // has not begun
    monitor.start();
    clock.advance(5s);
    monitor.stop();
    add(4);
    clock.advance(1h);
    CHECK(told.empty());
    CHECK(monitor.check() == raised);
    monitor.start();
    take(4);
    clock.advance(1min);
    CHECK(told == Story{{1h + 5s, raised}, {1h + 15s, calm}});
}

TEST_CASE_METHOD(MonitoredGroup, "a monitor that is gone does not check", "[lag_monitor]") {
    {
        LagMonitor monitor{group, note(), {.above = 3, .every = 10s}};
        monitor.start();
        add(4);
    }
    clock.advance(1h);
    CHECK(told.empty());
}

TEST_CASE("a clock that nobody runs cannot check", "[lag_monitor]") {
    HandClock clock;
    const Stream<int> stream{{.clock = &clock}};
    LagMonitor monitor{stream.group("group"), [](const LagReport&) {}};
    CHECK(error_of([&] { monitor.start(); }) == ErrorCode::clock_not_run);
    CHECK(monitor.check() == calm);
}

TEST_CASE("a Runner checks, and when it goes the checks end", "[lag_monitor]") {
    HandClock clock;
    const Stream<int> stream{{.clock = &clock}};
    int calls = 0;
    LagMonitor monitor{stream.group("group"), [&](const LagReport&) { ++calls; }, {.above = 0}};
    {
        runnel::Runner runner{clock};
        monitor.start();
        clock.move(1s);
        runner.run_due();
        CHECK(calls == 0);
        (void)stream.add(1);
    }
    CHECK(calls == 0);  // the end of the Runner is no check
    runnel::Runner another{clock};
    clock.move(10s);
    another.run_due();
    CHECK(calls == 0);
    monitor.stop();
    monitor.start();
    clock.move(1s);
    another.run_due();
    CHECK(calls == 1);
}

// ------------------------------------------------------------------ the function

TEST_CASE_METHOD(MonitoredGroup, "the function may use the group and the monitor",
                 "[lag_monitor]") {
    LagMonitor* at = nullptr;
    std::vector<LagState> seen;
    LagMonitor monitor{group,
                       [&](const LagReport& report) {
                           seen.push_back(at->state());
                           if (report.state == raised) take(4);
                           seen.push_back(at->check());  // does nothing
                       },
                       {.above = 3}};
    at = &monitor;
    add(4);
    CHECK(monitor.check() == raised);
    CHECK(seen == std::vector{raised, raised});
    CHECK(monitor.check() == calm);
    CHECK(seen == std::vector{raised, raised, calm, calm});
}

TEST_CASE_METHOD(MonitoredGroup, "a check beside another one only tells the state",
                 "[lag_monitor]") {
    std::optional<LagState> other;
    LagMonitor* at = nullptr;
    int calls = 0;
    LagMonitor monitor{group,
                       [&](const LagReport&) {
                           ++calls;
                           take(2);  // calm, if anybody looked
                           std::thread{[&] { other = at->check(); }}.join();
                       },
                       {.above = 1}};
    at = &monitor;
    add(2);
    CHECK(monitor.check() == raised);
    CHECK(other == raised);
    CHECK(calls == 1);
}

TEST_CASE_METHOD(MonitoredGroup, "the monitor keeps the stream open", "[lag_monitor]") {
    std::optional<LagMonitor> monitor;
    auto own = std::make_optional<Stream<int>>(runnel::StreamOptions{.clock = &clock});
    auto cursor = own->cursor();  // does not keep it open
    monitor.emplace(own->group("group"), note());
    own.reset();
    CHECK(cursor.try_read().ending() == Ending::timed_out);
    CHECK(monitor->check() == calm);
    monitor.reset();
    CHECK(cursor.try_read().ending() == Ending::closed);
}

// ------------------------------------------------------------------ options

TEST_CASE_METHOD(MonitoredGroup, "an option that makes no sense is named", "[lag_monitor]") {
    CHECK(refusal({}).empty());
    CHECK(refusal({.above = 3, .below = 3}).empty());
    CHECK(refusal({.older_than = 0s}).empty());
    CHECK(refusal({.above = 3, .below = 4}) == "LagMonitor: below is greater than above");
    CHECK(refusal({.older_than = -1ns}) == "LagMonitor: older_than is negative");
    CHECK(refusal({.hold = -1ns}) == "LagMonitor: hold is negative");
    CHECK(refusal({.every = 0ns}) == "LagMonitor: every is not more than 0");
    CHECK(refusal({.every = -1s}) == "LagMonitor: every is not more than 0");
    CHECK(refusal({}, nullptr) == "LagMonitor: there is no function to call");
}

TEST_CASE("a state has a name", "[lag_monitor]") {
    CHECK(to_string(calm) == "calm");
    CHECK(to_string(raised) == "raised");
}
