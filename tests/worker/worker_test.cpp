// SPDX-License-Identifier: MIT
// What a Worker does with the entries of a group: of a Stream, and of a stream of the fake of
// Redis. All of it on a ManualClock.
#include <runnel/clock.hpp>
#include <runnel/deduplicator.hpp>
#include <runnel/stream.hpp>
#include <runnel/worker.hpp>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "worker/shop.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <pthread.h>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

using runnel::Ack;
using runnel::Deduplicator;
using runnel::Guarantee;
using runnel::Handled;
using runnel::ManualClock;
using runnel::Stream;
using runnel::WhenGone;
using runnel::WorkerOptions;
using runnel::test::CoroutineSessionSide;
using runnel::test::CoroutineSide;
using runnel::test::Dead;
using runnel::test::SessionSide;
using runnel::test::Shop;
using runnel::test::StreamSide;
using namespace std::chrono_literals;

namespace {

using Notes = std::vector<std::string>;
using Options = WorkerOptions<std::string>;
using Milliseconds = std::chrono::milliseconds;

}  // namespace

TEMPLATE_TEST_CASE("a worker handles each entry, and acknowledges it", "[worker]", StreamSide,
                   SessionSide, CoroutineSide) {
    Shop<TestType> shop;
    for (const char* text : {"a", "b", "c"}) shop.add(text);
    const auto stats = shop.work([&](const std::string& text) { shop.note(text); });
    CHECK(shop.notes == Notes{"a at 0", "b at 0", "c at 0"});
    CHECK(stats.processed == 3);
    CHECK(stats.latency.count == 3);
    CHECK(stats.in_flight == 0);
    CHECK(stats.most_in_flight == 3);
    CHECK(stats.errors == 0);
    CHECK(shop.side.pending() == 0);
}

TEMPLATE_TEST_CASE("what fails is tried again after the back-off, to the millisecond",
                   "[worker][retry]", StreamSide, SessionSide, CoroutineSide,
                   CoroutineSessionSide) {
    Shop<TestType> shop;
    shop.add("a");
    const auto fails = [&](const std::string& text) {
        shop.note(text);
        throw std::runtime_error{"no connection"};
    };

    SECTION("by default five times, then it is a dead letter") {
        const auto stats = shop.work(fails);
        CHECK(shop.notes ==
              Notes{"a at 0", "a at 1000", "a at 3000", "a at 7000", "a at 15000", "a at 31000"});
        CHECK(stats.failed == 6);
        CHECK(stats.retried == 5);
        CHECK(stats.dead_lettered == 1);
        CHECK(shop.side.dead() == std::vector{Dead{"a", "1-0", 6, "no connection"}});
        CHECK(shop.side.pending() == 0);
    }
    SECTION("eight times: the cap is reached") {
        (void)shop.work(fails, {.policy = {.deliveries = 9}});
        CHECK(shop.notes == Notes{"a at 0", "a at 1000", "a at 3000", "a at 7000", "a at 15000",
                                  "a at 31000", "a at 63000", "a at 123000", "a at 183000"});
    }
    SECTION("without dead letters it is dropped, and counted") {
        const auto stats = shop.work(fails, {.policy = {.deliveries = 2}}, false);
        CHECK(shop.notes == Notes{"a at 0", "a at 1000"});
        CHECK(stats.dropped == 1);
        CHECK(stats.dead_lettered == 0);
        CHECK(shop.side.pending() == 0);
    }
}

TEMPLATE_TEST_CASE("a handler says what becomes of its entry", "[worker][retry]", StreamSide,
                   SessionSide, CoroutineSide) {
    Shop<TestType> shop;
    shop.add("a");
    const auto once = [&](Handled first) {
        return [&shop, first, count = 0](const std::string& text) mutable {
            shop.note(text);
            return count++ == 0 ? first : Handled::done();
        };
    };

    SECTION("another attempt by the back-off") {
        (void)shop.work(once(Handled::retry("busy")));
        CHECK(shop.notes == Notes{"a at 0", "a at 1000"});
    }
    SECTION("another attempt when it likes") {
        (void)shop.work(once(Handled::retry_after(70s, "busy")));
        CHECK(shop.notes == Notes{"a at 0", "a at 70000"});
    }
    SECTION("no other attempt") {
        const auto stats = shop.work(once(Handled::reject("no such customer")));
        CHECK(shop.notes == Notes{"a at 0"});
        CHECK(stats.dead_lettered == 1);
        CHECK(shop.side.dead() == std::vector{Dead{"a", "1-0", 1, "no such customer"}});
    }
}

TEMPLATE_TEST_CASE("a retry holds up neither its batch nor the group", "[worker][retry]",
                   StreamSide, SessionSide, CoroutineSide) {
    Shop<TestType> shop;
    for (const char* text : {"bad", "b", "c"}) shop.add(text);
    (void)shop.work([&](const std::string& text) {
        shop.note(text);
        if (text == "bad" && shop.notes.size() == 1) throw std::runtime_error{"later"};
    });
    CHECK(shop.notes == Notes{"bad at 0", "b at 0", "c at 0", "bad at 1000"});
}

TEMPLATE_TEST_CASE("a handler that ends its thread is stopped, too", "[worker][death]", StreamSide,
                   SessionSide) {
    Shop<TestType> shop;
    shop.add("deadly");
    const Options options{.policy = {.deliveries = 2, .lease = 1min}};
    const auto dies = [&](const std::string& text) {
        shop.note(text);
        pthread_exit(nullptr);
    };
    for (int thread = 0; thread != 3; ++thread) shop.run(shop.worker(dies, options));
    shop.clock.advance(10min);
    CHECK(shop.notes == Notes{"deadly at 0", "deadly at 60000"});
    CHECK(
        shop.side.dead() ==
        std::vector{Dead{"deadly", "1-0", 2, "it was delivered 2 times, and never acknowledged"}});
    CHECK(shop.side.pending() == 0);
}

TEMPLATE_TEST_CASE("who dies with a batch takes no others with it", "[worker][death]", StreamSide,
                   SessionSide) {
    Shop<TestType> shop;
    for (const char* text : {"a", "deadly", "b", "c"}) shop.add(text);
    const Options options{.policy = {.deliveries = 2, .lease = 1min}};
    const auto handle = [&](const std::string& text) {
        shop.note(text);
        if (text == "deadly") pthread_exit(nullptr);
    };
    for (int thread = 0; thread != 3; ++thread) {
        shop.run(shop.worker(handle, options));
        shop.clock.settle();
    }
    shop.clock.advance(10min);
    CHECK(shop.notes == Notes{"a at 0", "deadly at 0", "b at 0", "c at 0", "deadly at 60000"});
    CHECK(shop.side.dead().size() == 1);
}

TEMPLATE_TEST_CASE("entries that hang take no others with them", "[worker][death]", StreamSide,
                   SessionSide, CoroutineSide) {
    Shop<TestType> shop;
    for (const char* text : {"hangs", "hangs too", "a"}) shop.add(text);
    const Options options{.policy = {.deliveries = 2, .lease = 1min}};
    const auto handle = [&](const std::string& text) {
        if (text.starts_with("hangs")) shop.wait(90s);
        if (text == "a") shop.note(text);
    };
    for (int thread = 0; thread != 4; ++thread) {
        shop.run(shop.worker(handle, options));
        shop.clock.settle();
    }
    shop.clock.advance(1h);
    CHECK(shop.notes == Notes{"a at 60000"});
    CHECK(shop.side.dead().size() == 2);
}

TEMPLATE_TEST_CASE("what was claimed is handled after what is new", "[worker][death]", StreamSide,
                   SessionSide, CoroutineSide) {
    Shop<TestType> shop;
    shop.add("hangs");
    const Options options{.policy = {.lease = 1min}};
    const auto handle = [&](const std::string& text) {
        shop.note(text);
        shop.wait(text == "hangs" ? 10min : 70s);
    };
    shop.run(shop.worker(handle, options));
    shop.clock.settle();
    shop.run(shop.worker(handle, options));
    shop.add("a");
    shop.clock.advance(65s);
    shop.add("b");
    shop.clock.advance(3min);
    CHECK(shop.notes == Notes{"hangs at 0", "a at 0", "b at 70000", "hangs at 140000"});
    shop.clock.advance(1h);  // the handlers end
}

TEMPLATE_TEST_CASE("of two workers, one that was held up past its lease reports no success",
                   "[worker]", StreamSide, SessionSide, CoroutineSide, CoroutineSessionSide) {
    Shop<TestType> shop;
    shop.add("a");
    const Options options{.policy = {.lease = 1min}};
    auto& slow = shop.worker(
        [&](const std::string& text) {
            shop.note("slow begins " + text);
            shop.wait(90s);
            shop.note("slow ends " + text);
        },
        options);
    auto& other = shop.worker(
        [&](const std::string& text) {
            shop.note("other begins " + text);
            shop.wait(1s);
        },
        options);
    shop.run(slow);
    shop.clock.settle();
    shop.run(other);
    shop.clock.advance(10min);
    CHECK(shop.notes ==
          Notes{"slow begins a at 0", "other begins a at 60000", "slow ends a at 90000"});
    CHECK(slow.stats().processed == 0);
    CHECK(slow.stats().stale == 1);
    CHECK(other.stats().processed == 1);
}

TEMPLATE_TEST_CASE("a handler that takes long extends its lease", "[worker]", StreamSide,
                   SessionSide, CoroutineSide) {
    Shop<TestType> shop;
    shop.add("a");
    const Options options{.policy = {.lease = 1min}};
    std::vector<Ack> extended;
    auto& slow = shop.worker(
        [&](typename Shop<TestType>::Job& job) {
            for (int part = 0; part != 3; ++part) {
                shop.wait(50s);
                extended.push_back(job.extend());
            }
        },
        options);
    auto& other = shop.worker([&](const std::string&) {}, options);
    shop.run(slow);
    shop.clock.settle();
    shop.run(other);
    shop.clock.advance(10min);
    CHECK(extended == std::vector{Ack::done, Ack::done, Ack::done});
    CHECK(slow.stats().processed == 1);
    CHECK(other.stats().processed == 0);
}

TEMPLATE_TEST_CASE("who runs the clock extends the lease of a handler, up to a limit", "[worker]",
                   StreamSide, SessionSide, CoroutineSide, CoroutineSessionSide) {
    Shop<TestType> shop;
    shop.add("a");
    const Options options{.policy = {.lease = 1min, .extend_up_to = 5min}};
    const auto takes = GENERATE(Milliseconds{4min}, Milliseconds{10min});
    auto& slow = shop.worker([&](const std::string&) { shop.wait(takes); }, options);
    auto& other = shop.worker([&](const std::string&) {}, options);
    shop.run(slow);
    shop.clock.settle();
    shop.run(other);
    shop.clock.advance(1h);
    CHECK(slow.stats().processed == (takes == 4min ? 1 : 0));
    CHECK(other.stats().processed == (takes == 4min ? 0 : 1));
}

TEST_CASE("a handler that takes long is named, once", "[worker][seeing]") {
    Shop<StreamSide> shop;
    shop.add("a");
    Notes slow;
    std::string where;
    runnel::Worker<std::string> worker{shop.side.orders,
                                       "billing",
                                       [&](const std::string&) { shop.wait(2min); },
                                       {.name = "till",
                                        .policy = {.slow_after = 30s},
                                        .on_slow = [&](const runnel::SlowHandler& handler) {
                                            slow.push_back(std::string{handler.worker} + ' ' +
                                                           to_string(handler.id) + ' ' +
                                                           std::to_string(handler.since / 1s));
                                            where = handler.file;
                                        }}};
    shop.threads.push_back(shop.clock.thread([&] { worker.run(); }));
    shop.side.orders.close();
    shop.clock.advance(1h);
    CHECK(slow == Notes{"till 1-0 30"});
    CHECK(where.ends_with("worker_test.cpp"));
    shop.threads.clear();
}

TEMPLATE_TEST_CASE("what waits in a batch behind a long handler is not begun once another has it",
                   "[worker]", StreamSide, SessionSide, CoroutineSide) {
    Shop<TestType> shop;
    for (const char* text : {"long", "b"}) shop.add(text);
    const Options options{.policy = {.lease = 1min}};
    auto& slow = shop.worker(
        [&](typename Shop<TestType>::Job& job) {
            shop.note("slow " + *job);
            if (*job != "long") return;
            for (int part = 0; part != 2; ++part) {
                shop.wait(40s);
                (void)job.extend();
            }
        },
        options);
    auto& other =
        shop.worker([&](const std::string& text) { shop.note("other " + text); }, options);
    shop.run(slow);
    shop.clock.settle();
    shop.run(other);
    shop.clock.advance(10min);
    CHECK(shop.notes == Notes{"slow long at 0", "other b at 60000"});
    CHECK(slow.stats().stale == 1);
}

TEMPLATE_TEST_CASE("at most once: acknowledged before the handler", "[worker][guarantee]",
                   StreamSide, SessionSide, CoroutineSide) {
    Shop<TestType> shop;
    for (const char* text : {"a", "b"}) shop.add(text);
    const auto stats = shop.work(
        [&](const std::string& text) {
            shop.note(text + ", pending " + std::to_string(shop.side.pending()));
            throw std::runtime_error{"no"};
        },
        {.policy = {.guarantee = Guarantee::at_most_once}});
    CHECK(shop.notes == Notes{"a, pending 1 at 0", "b, pending 0 at 0"});
    CHECK(stats.failed == 2);
    CHECK(stats.processed == 0);
}

TEMPLATE_TEST_CASE("effectively once: a key is handled once, whichever entry has it",
                   "[worker][guarantee]", StreamSide, SessionSide, CoroutineSide) {
    Shop<TestType> shop;
    Deduplicator<std::string> done{{.clock = &shop.clock}};
    for (const char* text : {"a", "a", "b", "a"}) shop.add(text);
    int left = 1;
    const auto stats = shop.work(
        [&](const std::string& text) {
            shop.note(text);
            if (text == "b" && left-- != 0) throw std::runtime_error{"later"};
        },
        {.policy = {.guarantee = Guarantee::effectively_once},
         .once = runnel::once_by(done, [](const std::string& text) { return text; })});
    CHECK(shop.notes == Notes{"a at 0", "b at 0", "b at 1000"});
    CHECK(stats.processed == 2);
    CHECK(stats.duplicates == 2);
    CHECK(shop.side.pending() == 0);
}

TEMPLATE_TEST_CASE(
    "effectively once: what was marked, and then delivered too often, is no dead letter",
    "[worker][guarantee]", StreamSide, SessionSide) {
    Shop<TestType> shop;
    Deduplicator<std::string> done{{.clock = &shop.clock}};
    const auto key = [](const std::string& text) { return text; };
    for (const char* text : {"marked", "busy", "never"}) shop.add(text);
    const Options options{.policy = {.guarantee = Guarantee::effectively_once,
                                     .deliveries = 1,
                                     .lease = 1min,
                                     .batch = 1},
                          .once = runnel::once_by(done, key)};
    const auto dies = [&](const std::string& text) {
        shop.note(text);
        pthread_exit(nullptr);
    };
    for (int thread = 0; thread != 3; ++thread) shop.run(shop.worker(dies, options));
    shop.clock.advance(30s);
    CHECK(shop.notes.size() == 3);
    done.mark("marked");
    auto& worker = shop.worker([&](const std::string& text) { shop.note(text); }, options);
    shop.run(worker);
    {
        const auto turn = done.begin("busy");
        shop.clock.advance(1h);
        CHECK(shop.side.dead().size() == 1);
        CHECK(shop.side.dead()[0].value == "never");
    }
    shop.clock.advance(1h);
    CHECK(shop.side.dead().size() == 2);
    CHECK(worker.stats().duplicates == 1);
    CHECK(shop.notes.size() == 3);
    CHECK(shop.side.pending() == 0);
}

TEMPLATE_TEST_CASE("effectively once: if the key throws, that attempt has failed",
                   "[worker][guarantee]", StreamSide, SessionSide, CoroutineSide) {
    Shop<TestType> shop;
    Deduplicator<std::string> done{{.clock = &shop.clock}};
    for (const char* text : {"", "b"}) shop.add(text);
    const auto stats =
        shop.work([&](const std::string& text) { shop.note(text); },
                  {.policy = {.guarantee = Guarantee::effectively_once, .deliveries = 2},
                   .once = runnel::once_by(done, [](const std::string& text) {
                       if (text.empty()) throw std::runtime_error{"it is empty"};
                       return text;
                   })});
    CHECK(shop.notes == Notes{"b at 0"});
    CHECK(stats.errors == 0);
    CHECK(shop.side.dead() == std::vector{Dead{"", "1-0", 2, "its key: it is empty"}});
}

TEST_CASE("entries of one key are handled one at a time, in their order", "[worker][order]") {
    Shop<StreamSide> shop;
    for (const char* text : {"a1", "a2", "b1", "a3", "b2"}) shop.add(text);
    auto& worker = shop.worker(
        [&](const std::string& text) {
            shop.note(text + " begins");
            shop.wait(10s);
            shop.note(text + " ends");
            if (text == "a1" && shop.now() == 10s) throw std::runtime_error{"again"};
        },
        {.policy = {.batch = 2},
         .order = runnel::order_by([](const std::string& text) { return text.front(); })});
    for (int thread = 0; thread != 3; ++thread) {
        shop.run(worker);
        shop.clock.settle();
    }
    shop.clock.advance(10min);
    CHECK(shop.notes == Notes{"a1 begins at 0", "b1 begins at 0", "a1 ends at 10000",
                              "b1 ends at 10000", "b2 begins at 10000", "a1 begins at 11000",
                              "b2 ends at 20000", "a1 ends at 21000", "a2 begins at 21000",
                              "a2 ends at 31000", "a3 begins at 31000", "a3 ends at 41000"});
    CHECK(worker.stats().processed == 5);
    CHECK(shop.side.pending() == 0);
}

TEST_CASE("what is at work and trimmed does not hold up its key for ever", "[worker][order]") {
    Shop<StreamSide> shop;
    for (const char* text : {"a1", "a2"}) shop.add(text);
    (void)shop.worker(
        [&](const std::string& text) {
            shop.note(text);
            if (text == "a1") throw std::runtime_error{"again"};
        },
        {.policy = {.backoff = {.base = 1min, .cap = 1min}, .lease = 2min, .batch = 1},
         .order = runnel::order_by([](const std::string& text) { return text.front(); })});
    shop.run(*shop.workers.front());
    shop.clock.advance(1s);
    (void)shop.side.orders.erase({{1, 0}});
    shop.clock.advance(10min);
    CHECK(shop.notes == Notes{"a1 at 0", "a2 at 120000"});
}

TEST_CASE("a thread that ends in a handler gives up the key of what is acknowledged",
          "[worker][order][death]") {
    Shop<StreamSide> shop;
    for (const char* text : {"a1", "a2"}) shop.add(text);
    auto& worker = shop.worker(
        [&](const std::string& text) {
            shop.note(text);
            if (text == "a1") pthread_exit(nullptr);
        },
        {.policy = {.guarantee = Guarantee::at_most_once, .batch = 1},
         .order = runnel::order_by([](const std::string& text) { return text.front(); })});
    for (int thread = 0; thread != 2; ++thread) shop.run(worker);
    shop.clock.settle();
    CHECK(shop.notes == Notes{"a1 at 0", "a2 at 0"});
}

TEMPLATE_TEST_CASE("consumers that are idle and have nothing pending are removed",
                   "[worker][recovery]", StreamSide, SessionSide) {
    Shop<TestType> shop;
    shop.add("a");
    auto& dies = shop.worker([&](const std::string&) { pthread_exit(nullptr); },
                             {.name = "dies", .policy = {.lease = 1min}});
    shop.run(dies);
    shop.clock.settle();
    auto& worker = shop.worker([&](const std::string& text) { shop.note(text); },
                               {.policy = {.lease = 1min, .reap_after = 5min}});
    shop.run(worker);
    shop.clock.advance(4min);
    CHECK(shop.side.consumers() == Notes{"dies", "worker"});
    CHECK(shop.notes.size() == 1);
    shop.clock.advance(11min);
    CHECK(shop.side.consumers() == Notes{"worker"});
    CHECK(worker.stats().errors == 0);
}

TEST_CASE("dead letters that are closed lose nothing", "[worker][errors]") {
    Shop<StreamSide> shop;
    shop.add("a");
    shop.side.letters.stream().close();
    std::vector<std::string> told;
    auto& worker =
        shop.worker([](const std::string&) { return Handled::reject(); },
                    {.on_error = [&](std::string_view what) { told.emplace_back(what); }});
    shop.run(worker);
    shop.clock.advance(1s);
    CHECK(told == Notes{"Worker: the dead letters are closed"});
    CHECK(shop.side.pending() == 1);
}

TEMPLATE_TEST_CASE("a pause hands back what is not begun, and resume() goes on", "[worker][flow]",
                   StreamSide, SessionSide, CoroutineSide, CoroutineSessionSide) {
    Shop<TestType> shop;
    for (const char* text : {"a", "b"}) shop.add(text);
    auto& worker = shop.worker([&](const std::string& text) {
        shop.note(text);
        if (text == "a") shop.workers.front()->pause();
    });
    shop.run(worker);
    shop.clock.advance(1h);
    CHECK(shop.notes == Notes{"a at 0"});
    CHECK(shop.side.deliveries() == std::vector<std::uint64_t>{0});
    worker.resume();
    shop.clock.advance(1h);
    CHECK(shop.notes == Notes{"a at 0", "b at 3600000"});
    worker.pause();
    shop.add("c");
    shop.clock.advance(1h);
    CHECK(shop.notes.size() == 2);
    worker.resume();
    shop.clock.settle();
    CHECK(shop.notes.size() == 3);
    CHECK(worker.stop());
}

TEMPLATE_TEST_CASE("a stop finishes what has begun, and hands back the rest as if not read",
                   "[worker][flow]", StreamSide, SessionSide, CoroutineSide) {
    Shop<TestType> shop;
    for (const char* text : {"a", "b"}) shop.add(text);
    auto& worker = shop.worker(
        [&](typename Shop<TestType>::Job& job) {
            shop.note(*job);
            shop.wait(5s);
            if (job.stop().stop_requested()) shop.note("to stop");
        },
        {.policy = {.stop_within = 10s}});
    shop.run(worker);
    shop.clock.settle();
    bool in_time = false;
    auto stopper = shop.clock.thread([&] { in_time = static_cast<bool>(worker.stop()); });
    shop.clock.advance(1min);
    CHECK(in_time);
    CHECK(shop.notes == Notes{"a at 0", "to stop at 5000"});
    CHECK(worker.stats().processed == 1);
    CHECK(worker.stats().handed_back == 1);
    CHECK(shop.side.deliveries() == std::vector<std::uint64_t>{0});
}

TEMPLATE_TEST_CASE("a stop that takes too long says so", "[worker][flow]", StreamSide, SessionSide,
                   CoroutineSide, CoroutineSessionSide) {
    Shop<TestType> shop;
    shop.add("a");
    auto& worker =
        shop.worker([&](const std::string&) { shop.wait(1min); }, {.policy = {.stop_within = 10s}});
    shop.run(worker);
    shop.clock.settle();
    runnel::Stopped stopped;
    auto stopper = shop.clock.thread([&] {
        stopped = worker.stop();
        shop.note("stopped");
    });
    shop.clock.advance(2min);
    CHECK(shop.notes == Notes{"stopped at 10000"});
    CHECK_FALSE(stopped);
    CHECK(stopped.running == 1);
}

TEMPLATE_TEST_CASE("a worker that was stopped does not begin", "[worker][flow]", StreamSide,
                   SessionSide, CoroutineSide) {
    Shop<TestType> shop;
    shop.add("a");
    auto& worker = shop.worker([&](const std::string& text) { shop.note(text); });
    CHECK(worker.stop());
    worker.run();
    CHECK(shop.notes.empty());
}

TEMPLATE_TEST_CASE("a group that was removed is made again, or ends the worker",
                   "[worker][recovery]", StreamSide, SessionSide, CoroutineSide,
                   CoroutineSessionSide) {
    Shop<TestType> shop;
    const bool goes_on = GENERATE(true, false);
    auto& worker =
        shop.worker([&](const std::string& text) { shop.note(text); },
                    {.policy = {.when_gone = goes_on ? WhenGone::make_again : WhenGone::end}});
    shop.run(worker);
    shop.clock.settle();
    shop.add("a");
    shop.clock.settle();
    shop.side.remove_group();
    shop.clock.settle();
    CHECK(worker.stats().threads == (goes_on ? 1 : 0));
    CHECK(worker.stats().errors == 0);
    if (goes_on) {  // from the start of the stream: that is what the group begins with
        shop.add("b");
        shop.clock.settle();
        CHECK(shop.notes == Notes{"a at 0", "a at 0", "b at 0"});
    }
    CHECK(worker.stop());
}

TEST_CASE("a step of a chain adds to the next stream and acknowledges, both or neither",
          "[worker][chain]") {
    Shop<StreamSide> shop;
    const Stream<int> sizes{{.clock = &shop.clock}};
    for (const char* text : {"a", "bcd"}) shop.add(text);
    const auto stats = shop.work([&](Shop<StreamSide>::Job& job) {
        if (job.forward(sizes, static_cast<int>(job->size())) == Ack::done) shop.note("forwarded");
        if (job->size() == 1) throw std::runtime_error{"too late to fail"};
    });
    CHECK(shop.notes.size() == 2);
    CHECK(stats.processed == 2);
    CHECK(sizes.size() == 2);
    CHECK(shop.side.pending() == 0);
}

TEST_CASE("a worker ends when its stream is closed and nothing is pending any more",
          "[worker][flow]") {
    Shop<StreamSide> shop;
    shop.add("a");
    auto& worker = shop.worker([&](const std::string& text) {
        shop.note(text);
        if (shop.notes.size() == 1) throw std::runtime_error{"again"};
    });
    shop.run(worker);
    shop.side.orders.close();
    shop.clock.advance(999ms);
    CHECK(worker.stats().threads == 1);
    shop.clock.advance(1ms);
    CHECK(worker.stats().threads == 0);
    CHECK(shop.notes == Notes{"a at 0", "a at 1000"});
}

TEST_CASE("options that cannot work are refused by name", "[worker][options]") {
    Shop<StreamSide> shop;
    const auto error = [](auto& at, const Options& options) -> std::string {
        try {
            (void)at.worker([](const std::string&) {}, options, false);
        } catch (const runnel::Error& thrown) {
            CHECK(thrown.code() == runnel::ErrorCode::invalid_argument);
            return thrown.what();
        }
        return "none";
    };
    CHECK(error(shop, {}) == "none");
    CHECK(error(shop, {.name = ""}) == "Worker: the name is empty");
    CHECK(error(shop, {.policy = {.guarantee = Guarantee::effectively_once}}) ==
          "Worker: the guarantee is effectively_once, but `once` is not set: see once_by()");
    Deduplicator<std::string> done{{.clock = &shop.clock}};
    CHECK(error(shop, {.once = runnel::once_by(done, [](const std::string& text) {
                           return text;
                       })}) == "Worker: `once` is set, but the guarantee is not effectively_once");
    CHECK(error(shop, {.dead_letters = shop.side.letters}) ==
          "Worker: `dead_letters` is set, but the backend does not use it");
    Shop<SessionSide> other;
    CHECK(error(other, {.order = runnel::order_by([](const std::string& text) { return text; })}) ==
          "Worker: `order` is set, but the backend has no delays");
}

TEST_CASE("what a backend throws is told, and the worker goes on", "[worker][errors]") {
    Shop<SessionSide> shop;
    std::vector<std::string> told;
    auto& worker = shop.worker(
        [&](const std::string& text) { shop.note(text); }, {.on_error = [&](std::string_view what) {
            told.push_back(std::string{what} + " at " + std::to_string(shop.now().count()));
        }});
    shop.run(worker);
    shop.clock.settle();
    (void)shop.side.session.execute({"DEL", "orders"});
    (void)shop.side.session.execute({"SET", "orders", "no stream"});
    shop.clock.advance(4s);
    CHECK_FALSE(told.empty());
    (void)shop.side.session.execute({"DEL", "orders"});
    (void)shop.side.backend(false);  // makes the group again
    shop.add("a");
    shop.clock.advance(1min);
    CHECK(shop.notes.size() == 1);
    CHECK(worker.stats().errors == told.size());
}

// ---------------------------------------------------------------------- faults that were found

TEMPLATE_TEST_CASE("a pause may be over before a thread has seen it", "[worker][flow]", StreamSide,
                   SessionSide, CoroutineSide) {
    Shop<TestType> shop;
    shop.add("a");
    auto& worker = shop.worker([&](const std::string& text) {
        shop.note(text);
        if (text != "a") return;
        shop.workers.front()->pause();
        shop.workers.front()->resume();
    });
    shop.run(worker);
    shop.clock.settle();
    shop.add("b");
    shop.clock.settle();
    CHECK(shop.notes == Notes{"a at 0", "b at 0"});
}

TEST_CASE("what was put aside for another one's key order comes again", "[worker][order]") {
    Shop<StreamSide> shop;
    for (const char* text : {"a1", "a2", "a3"}) shop.add(text);
    const auto key = [](const std::string& text) { return text.front(); };
    const auto handle = [&](const std::string& text) {
        shop.note(text);
        shop.wait(1s);
    };
    auto& first = shop.worker(handle, {.policy = {.lease = 1min}, .order = runnel::order_by(key)});
    shop.run(first);
    shop.clock.settle();
    auto stopper = shop.clock.thread([&] { (void)first.stop(); });
    shop.clock.advance(1s);
    shop.run(shop.worker(handle, {.policy = {.lease = 1min}, .order = runnel::order_by(key)}));
    shop.clock.advance(5min);
    CHECK(shop.side.pending() == 0);
    CHECK(shop.notes.size() == 3);
}

TEMPLATE_TEST_CASE("entries behind slow handlers are not claimed by others", "[worker]", StreamSide,
                   SessionSide, CoroutineSide) {
    Shop<TestType> shop;
    for (int number = 0; number != 20; ++number) shop.add(std::to_string(number));
    const Options options{.policy = {.deliveries = 1, .lease = 1min}};
    const auto handle = [&](const std::string& text) {
        shop.note(text);
        shop.wait(15s);
    };
    for (int thread = 0; thread != 2; ++thread) {
        shop.run(shop.worker(handle, options));
        shop.clock.settle();
    }
    shop.clock.advance(1h);
    CHECK(shop.notes.size() == 20);
    CHECK(shop.side.dead().empty());
}

TEST_CASE("what was handled and could not be acknowledged is not handled again",
          "[worker][guarantee][errors]") {
    Shop<SessionSide> shop;
    Deduplicator<std::string> done{{.clock = &shop.clock}};
    shop.add("a");
    const auto refused = shop.side.server.faults().on("XACK").nth(1).fail("ERR no");
    const auto stats =
        shop.work([&](const std::string& text) { shop.note(text); },
                  {.policy = {.guarantee = Guarantee::effectively_once, .lease = 1min},
                   .once = runnel::once_by(done, [](const std::string& text) { return text; })});
    CHECK(shop.notes == Notes{"a at 0"});
    CHECK(stats.errors == 1);
    CHECK(stats.duplicates == 1);
    CHECK(shop.side.pending() == 0);
}

TEST_CASE("a dead letter that the server refuses loses no entry", "[worker][errors]") {
    Shop<SessionSide> shop;
    shop.add("a");
    (void)shop.side.session.execute({"SET", "dead", "no stream"});
    auto& worker = shop.worker([](const std::string&) { return Handled::reject("no"); });
    shop.run(worker);
    shop.clock.advance(1min);
    CHECK(worker.stats().dead_lettered == 0);
    CHECK(shop.side.pending() == 1);
    (void)shop.side.session.execute({"DEL", "dead"});
    shop.clock.advance(1h);
    CHECK(shop.side.dead() == std::vector{Dead{"a", "1-0", 2, "no"}});
}

TEST_CASE("start() throws if nobody runs the clock that handlers need", "[worker][errors]") {
    const Stream<std::string> orders;  // on the SystemClock
    runnel::Worker<std::string> worker{
        orders, "billing", [](const std::string&) {}, {.policy = {.slow_after = 1min}}};
    CHECK(runnel::test::error_of([&] { worker.start(); }) == runnel::ErrorCode::clock_not_run);
    CHECK(runnel::test::error_of([&] { worker.run(); }) == runnel::ErrorCode::clock_not_run);
}

TEST_CASE("start() knows whose clock it is", "[worker][errors]") {
    ManualClock clock;
    ManualClock other;
    const Stream<std::string> orders{{.clock = &clock}};
    runnel::Worker<std::string> worker{orders, "billing", [](const std::string&) {}};
    CHECK(runnel::test::error_of([&] { worker.start(); }) == runnel::ErrorCode::invalid_argument);
    CHECK(runnel::test::error_of([&] { worker.start(other); }) ==
          runnel::ErrorCode::invalid_argument);
    worker.start(clock);
    clock.settle();
    CHECK(worker.stats().threads == 1);
    (void)worker.stop();
}

TEST_CASE("join() waits until all is done", "[worker][flow]") {
    const Stream<std::string> orders;
    std::atomic<int> handled = 0;
    runnel::Worker<std::string> worker{
        orders, "billing", [&](const std::string&) { ++handled; }, {.policy = {.threads = 2}}};
    for (int number = 0; number != 100; ++number) (void)orders.add(std::to_string(number));
    worker.start();
    orders.close();
    worker.join();
    CHECK(handled == 100);
    CHECK(worker.stats().threads == 0);
}

TEST_CASE("a stop that asks the Worker, and several stops", "[worker][flow]") {
    Shop<StreamSide> shop;
    shop.add("a");
    auto& worker = shop.worker([&](Shop<StreamSide>::Job& job) {
        const std::stop_callback on_stop{
            job.stop(), [&] { shop.note(std::to_string(shop.workers.front()->stats().threads)); }};
        shop.wait(1s);
    });
    shop.run(worker);
    shop.clock.settle();
    std::vector<ManualClock::Thread> stoppers;
    for (int count = 0; count != 3; ++count)
        stoppers.push_back(shop.clock.thread([&] {
            (void)worker.stop();
            shop.note("stopped");
        }));
    shop.clock.advance(1min);
    stoppers.clear();
    CHECK(shop.notes == Notes{"1 at 0", "stopped at 1000", "stopped at 1000", "stopped at 1000"});
}

TEST_CASE("an entry that is erased while it is handled keeps its key", "[worker][order]") {
    Shop<StreamSide> shop;
    for (const char* text : {"a1", "a2"}) shop.add(text);
    auto& worker = shop.worker(
        [&](const std::string& text) {
            shop.note(text);
            if (text == "a1") shop.wait(10min);
        },
        {.policy = {.lease = 1min, .batch = 1},
         .order = runnel::order_by([](const std::string& text) { return text.front(); })});
    for (int thread = 0; thread != 2; ++thread) shop.run(worker);
    shop.clock.settle();
    (void)shop.side.orders.erase({{1, 0}});
    shop.clock.advance(1h);
    CHECK(shop.notes == Notes{"a1 at 0", "a2 at 600000"});
}

TEST_CASE("an entry whose key throws fails by itself", "[worker][order]") {
    Shop<StreamSide> shop;
    for (const char* text : {"", "a1"}) shop.add(text);
    (void)shop.work(
        [&](const std::string& text) { shop.note(text); },
        {.policy = {.deliveries = 2}, .order = runnel::order_by([](const std::string& text) {
                                          if (text.empty()) throw std::runtime_error{"it is empty"};
                                          return text.front();
                                      })});
    CHECK(shop.notes == Notes{"a1 at 0"});
    CHECK(shop.side.dead() == std::vector{Dead{"", "1-0", 2, "its key: it is empty"}});
}

TEST_CASE("a session that breaks is followed by another one", "[worker][errors]") {
    Shop<SessionSide> shop;
    auto& worker = shop.worker([&](const std::string& text) { shop.note(text); });
    shop.run(worker);
    shop.clock.settle();
    (void)shop.side.session.execute({"CLIENT", "KILL", "TYPE", "normal"});
    shop.clock.advance(1min);
    shop.add("a");
    shop.clock.advance(1min);
    CHECK(shop.notes == Notes{"a at 60000"});
    CHECK(worker.stats().errors == 1);
}

TEST_CASE("a forward that was not done is no success, whatever the handler says",
          "[worker][chain]") {
    Shop<StreamSide> shop;
    shop.add("a");
    const Stream<int> sizes{{.clock = &shop.clock}};
    sizes.close();
    const auto stats = shop.work([&](Shop<StreamSide>::Job& job) { (void)job.forward(sizes, 1); },
                                 {.policy = {.deliveries = 2}});
    CHECK(stats.processed == 0);
    CHECK(shop.side.dead() == std::vector{Dead{"a", "1-0", 2, "forward: closed"}});
}

TEST_CASE("what is acknowledged before its handler cannot be forwarded", "[worker][chain]") {
    Shop<StreamSide> shop;
    shop.add("a");
    const Stream<int> sizes{{.clock = &shop.clock}};
    std::string why;
    (void)shop.work(
        [&](Shop<StreamSide>::Job& job) {
            try {
                (void)job.forward(sizes, 1);
            } catch (const runnel::Error& error) {
                why = error.what();
            }
        },
        {.policy = {.guarantee = Guarantee::at_most_once}});
    CHECK(why == "Job: forward() with at_most_once, where the entry is acknowledged already");
}

TEMPLATE_TEST_CASE("another thread is at its key: this is no attempt", "[worker][guarantee]",
                   StreamSide, SessionSide, CoroutineSide) {
    Shop<TestType> shop;
    Deduplicator<std::string> done{{.clock = &shop.clock}};
    shop.add("a");
    {
        const auto turn = done.begin("a");
        auto& worker = shop.worker(
            [&](const std::string& text) { shop.note(text); },
            {.policy = {.guarantee = Guarantee::effectively_once, .deliveries = 1},
             .once = runnel::once_by(done, [](const std::string& text) { return text; })});
        shop.run(worker);
        shop.clock.advance(10s);
    }
    shop.clock.advance(1min);
    CHECK(shop.notes.size() == 1);
    CHECK(shop.side.dead().empty());
}

TEMPLATE_TEST_CASE("a handler that ends early, as it is to stop, has not failed", "[worker][flow]",
                   StreamSide, SessionSide, CoroutineSide) {
    Shop<TestType> shop;
    shop.add("a");
    auto& worker = shop.worker(
        [&](typename Shop<TestType>::Job& job) {
            shop.wait(5s);
            return job.stop().stop_requested() ? Handled::retry() : Handled::done();
        },
        {.policy = {.deliveries = 1}});
    shop.run(worker);
    shop.clock.settle();
    auto stopper = shop.clock.thread([&] { (void)worker.stop(); });
    shop.clock.advance(1min);
    CHECK(shop.side.deliveries() == std::vector<std::uint64_t>{0});
    CHECK(shop.side.dead().empty());
}

TEST_CASE("a handler that was slow is told of at its end, at the latest", "[worker][seeing]") {
    Shop<StreamSide> shop;
    Notes slow;
    auto& worker = shop.worker(
        [&](const std::string&) { shop.wait(45s); },
        {.policy = {.slow_after = 40s}, .on_slow = [&](const runnel::SlowHandler& handler) {
             slow.push_back(std::to_string(handler.since / 1s));
         }});
    shop.run(worker);
    shop.clock.advance(1s);
    shop.add("a");
    shop.clock.advance(1h);
    CHECK(slow == Notes{"45"});
}

TEST_CASE("options that are refused have made no group", "[worker][options]") {
    Shop<StreamSide> shop;
    CHECK(runnel::test::error_of([&] {
              runnel::Worker<std::string>{
                  shop.side.orders, "other", [](const std::string&) {}, {.name = ""}};
          }) == runnel::ErrorCode::invalid_argument);
    CHECK_FALSE(shop.side.orders.find_group("other"));
}

TEST_CASE("threads of its own, in real time", "[worker][flow]") {
    const Stream<int> numbers;
    std::atomic<int> sum = 0;
    runnel::Worker<int> worker{
        numbers, "adders", [&](int number) { sum += number; }, {.policy = {.threads = 2}}};
    worker.start();
    CHECK(runnel::test::error_of([&] { worker.start(); }) == runnel::ErrorCode::invalid_argument);
    for (int number = 1; number <= 100; ++number) numbers.add(int{number});
    numbers.close();
    runnel::test::eventually([&] { return worker.stats().processed == 100; });
    CHECK(worker.stop());
    CHECK(sum == 5050);
    CHECK(worker.stats().threads == 0);
}

TEMPLATE_TEST_CASE("a stop ends a read that a fault delays", "[worker][flow]", SessionSide,
                   CoroutineSessionSide) {
    Shop<TestType> shop;
    auto& worker = shop.worker([&](const std::string& text) { shop.note(text); },
                               {.policy = {.batch = 1}}, false);
    shop.run(worker);
    shop.clock.settle();
    const auto delayed = shop.side.server.faults().on("XREADGROUP").delay(1s);
    shop.add("a");
    shop.clock.advance(500ms);  // by now the next read is on its way
    std::optional<runnel::Stopped> stopped;
    auto stopper = shop.clock.thread([&] { stopped = worker.stop(); });
    shop.clock.advance(1s);
    CHECK(stopped);
    CHECK(worker.stats().threads == 0);
    shop.add("b");  // what it waits for else
}
