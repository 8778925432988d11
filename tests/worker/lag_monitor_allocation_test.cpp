// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/lag_monitor.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/short_memory.hpp"

#include <chrono>
#include <new>
#include <optional>

using runnel::LagMonitor;
using runnel::LagReport;
using runnel::LagState;
using runnel::ManualClock;
using runnel::Stream;
using runnel::test::at_every_request;
using runnel::test::Memory;
using runnel::test::MemoryRunsOut;
using runnel::test::Shortage;
using namespace std::chrono_literals;

TEST_CASE("a monitor is made and started, or nothing has changed", "[lag_monitor][allocation]") {
    ManualClock clock;
    const Stream<int> stream{{.clock = &clock}};
    const auto group = stream.group("group");
    (void)stream.add(1);
    at_every_request([&](long granted, Shortage shortage) {
        const long live = Memory::live;
        int calls = 0;
        int calls_at_first = 0;
        bool is_made = false;
        {
            std::optional<LagMonitor> monitor;
            try {
                const MemoryRunsOut limit{granted, shortage};
                monitor.emplace(
                    group, [&calls](const LagReport&) { ++calls; },
                    runnel::LagMonitorOptions{.above = 0});
                monitor->start();
            } catch (const std::bad_alloc&) {
            }
            clock.advance(1min);
            calls_at_first = calls;
            is_made = monitor.has_value();
            if (is_made) monitor->start();
            clock.advance(1s);
        }
        const long left = Memory::live - live;
        CHECK(calls_at_first == (Memory::ran_out ? 0 : 1));
        CHECK(calls == (is_made ? 1 : 0));
        CHECK(left == 0);
    });
}

TEST_CASE("a check needs no memory", "[lag_monitor][allocation]") {
    ManualClock clock;
    const Stream<int> stream{{.clock = &clock}};
    int calls = 0;
    LagMonitor monitor{
        stream.group("group"), [&calls](const LagReport&) { ++calls; }, {.above = 0}};
    monitor.start();
    (void)stream.add(1);
    const MemoryRunsOut limit{0};
    clock.advance(1min);
    CHECK(monitor.check() == LagState::raised);
    CHECK(calls == 1);
}
