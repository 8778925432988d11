// SPDX-License-Identifier: MIT
// Reads that claim what is pending, while others give it back, change when it may be claimed, or
// end them.
#include <runnel/ack.hpp>
#include <runnel/outcome.hpp>
#include <runnel/runner.hpp>
#include <runnel/stream.hpp>

#include "interleavings/orders.hpp"
#include "interleavings/owned_coroutine.hpp"
#include "interleavings/scheduler.hpp"
#include "interleavings/step_clock.hpp"
#include "support/catch.hpp"
#include "support/coroutines.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

using namespace runnel;
using namespace runnel::test;
using namespace std::chrono_literals;

namespace {

using Values = std::vector<int>;

// Waits of several threads may time out at each step, so there are very many orders.
constexpr Extent with_three{.least_preemptions = 1, .orders = 10'000};

// Ann has some entries pending. What the others get, they do not acknowledge.
struct ClaimScene {
    explicit ClaimScene(int count) {
        for (int value = 1; value <= count; ++value) ids.push_back(stream->add(value));
        held = ann.try_read();
    }

    void read(const Consumer<int>& consumer, const GroupReadOptions& options) {
        note(consumer.read(options));
    }
    void note(const Deliveries<int>& batch) {
        for (const auto& delivery : batch) got.push_back(delivery.value);
        if (!batch) endings.push_back(batch.ending());
    }
    void give_back(std::size_t which, Duration after = 0ms) const {
        (void)held[which].nack(Nack::fail, {.after = after});
    }
    [[nodiscard]] Values sorted() const {
        Values all = got;
        std::ranges::sort(all);
        return all;
    }
    // Time has passed only if nothing else has ended the waits.
    [[nodiscard]] bool has_passed(Duration time) const {
        return present() - began >= time.nanoseconds();
    }

    StepClock clock;
    std::optional<Stream<int>> stream{std::in_place, StreamOptions{.clock = &clock}};
    ConsumerGroup<int> group = stream->group("workers");
    Consumer<int> ann = group.consumer("ann");
    Consumer<int> bob = group.consumer("bob");
    Consumer<int> cid = group.consumer("cid");
    std::vector<StreamId> ids;
    Deliveries<int> held{Ending::timed_out};
    Moment began = present();
    Values got;
    std::vector<Ending> endings;
};

// It refers to its arguments.
Coroutine claim(OwnedCoroutine& owner, ClaimScene& scene, GroupReadOptions options) {
    scene.note(co_await scene.bob.async_read(options).on(owner.executor()));
}

}  // namespace

TEST_CASE("a nack ends a read that claims, whenever it comes") {
    const auto all = explore("claiming read against nack", [](Order& order) {
        ClaimScene scene{1};
        order.run([&] { scene.read(scene.bob, {.claim = 1h}); }, [&] { scene.give_back(0); });
        order.expect(scene.got == Values{1}, "it has the entry");
        order.ends(scene.has_passed(1h) ? "as it was idle" : "as it was given back");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("as it was idle"));
    CHECK(all.ends("as it was given back"));
}

TEST_CASE("a delay that ends earlier brings the end of a read forward, also as it begins to wait") {
    const auto all = explore("claiming read against nack with a delay", [](Order& order) {
        ClaimScene scene{1};
        order.run([&] { scene.read(scene.bob, {.claim = 1h}); }, [&] { scene.give_back(0, 1ms); });
        order.expect(scene.got == Values{1}, "it has the entry");
        order.expect(scene.has_passed(1ms), "not before it is due");
        order.ends(scene.has_passed(1h) ? "as it was idle" : "as the delay has ended");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("as it was idle"));
    CHECK(all.ends("as the delay has ended"));
}

TEST_CASE("of two reads that claim, each gets one of two entries that are delayed") {
    const auto all = explore(
        "two claiming reads against two nacks with delays",
        [](Order& order) {
            ClaimScene scene{2};
            order.run([&] { scene.read(scene.bob, {.count = 1, .claim = 1h}); },
                      [&] { scene.read(scene.cid, {.count = 1, .claim = 1h}); },
                      [&] {
                          scene.give_back(0, 2ms);
                          scene.give_back(1, 1ms);
                      });
            order.expect(scene.sorted() == Values{1, 2}, "one each");
            order.ends(scene.has_passed(1h) ? "idle" : "delayed");
        },
        with_three);
    CHECK(all.failure == "");
    CHECK(all.ends("delayed"));
}

TEST_CASE("the first in line gets what comes while it is to look again") {
    const auto all = explore(
        "claiming read and plain read against nack and add",
        [](Order& order) {
            ClaimScene scene{1};
            order.run([&] { scene.read(scene.bob, {.count = 1, .timeout = 1ms, .claim = 1h}); },
                      [&] { scene.read(scene.cid, {.count = 1, .timeout = 1ms}); },
                      [&] {
                          scene.give_back(0, 1min);
                          scene.stream->add(2);
                      });
            const std::size_t left = scene.cid.try_read().size();
            order.expect(scene.got.size() + left == 1, "it was delivered once, or is left");
            order.expect(scene.got.size() + scene.endings.size() == 2, "both have ended");
            order.ends(scene.got.empty() ? "left" : "delivered");
        },
        with_three);
    CHECK(all.failure == "");
    CHECK(all.ends("left"));
    CHECK(all.ends("delivered"));
}

TEST_CASE("if the read that was to look is stopped, another one does") {
    const auto all = explore(
        "two claiming reads against nack and stop",
        [](Order& order) {
            ClaimScene scene{1};
            std::stop_source stop;
            order.run([&] { scene.read(scene.bob, {.stop = stop.get_token(), .claim = 1h}); },
                      [&] { scene.read(scene.cid, {.stop = stop.get_token(), .claim = 1h}); },
                      [&] {
                          scene.give_back(0, 1ms);
                          stop.request_stop();
                      });
            order.expect(scene.got.size() + scene.endings.size() == 2, "both have ended");
            for (const Ending ending : scene.endings) order.ends(std::string{to_string(ending)});
            if (!scene.got.empty()) order.ends("claimed");
        },
        with_three);
    CHECK(all.failure == "");
    CHECK(all.ends("stopped"));
    CHECK(all.ends("claimed"));
}

TEST_CASE("the read that does not look is not forgotten when the other one ends") {
    const auto all = explore("two claiming reads with time-outs", [](Order& order) {
        ClaimScene scene{1};
        order.run([&] { scene.read(scene.bob, {.timeout = 1ms, .claim = 1h}); },
                  [&] { scene.read(scene.cid, {.timeout = 2h, .claim = 1h}); });
        order.expect(!scene.got.empty(), "one of them has the entry");
        order.ends(scene.endings.empty() ? "both" : std::string{to_string(scene.endings.front())});
    });
    CHECK(all.failure == "");
    CHECK(all.ends("timed_out"));
}

TEST_CASE("a read that claims ends when its group is removed, also as it looks again") {
    const auto all = explore("claiming read against nack and removal", [](Order& order) {
        ClaimScene scene{1};
        order.run([&] { scene.read(scene.bob, {.claim = 1h}); }, [&] { scene.give_back(0, 1ms); },
                  [&] { scene.stream->remove_group("workers"); });
        order.expect(scene.got.size() + scene.endings.size() == 1, "it has ended");
        order.ends(scene.got.empty() ? std::string{to_string(scene.endings.front())} : "claimed");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("gone"));
    CHECK(all.ends("claimed"));
}

TEST_CASE("a read that claims ends with a closed stream once nothing is pending") {
    const auto all = explore("claiming read against nack, close and ack", [](Order& order) {
        ClaimScene scene{1};
        order.run([&] { scene.read(scene.bob, {.claim = 1h}); },
                  [&] {
                      scene.give_back(0, 1ms);
                      scene.stream->close();
                      (void)scene.group.ack(scene.ids);
                  });
        order.expect(scene.got.size() + scene.endings.size() == 1, "it has ended");
        order.ends(scene.got.empty() ? std::string{to_string(scene.endings.front())} : "claimed");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("closed"));
    CHECK(all.ends("claimed"));
}

// ------------------------------------------------------------------ of coroutines

TEST_CASE("a coroutine that claims looks again inside the nack, or as it begins to wait") {
    const auto all =
        explore("start of a coroutine's claim against nack and time", [](Order& order) {
            ClaimScene scene{1};
            Runner runner{scene.clock};
            OwnedCoroutine owner;
            order.run([&] { owner.coroutine = claim(owner, scene, {.claim = 1h}); },
                      [&] { scene.give_back(0, 1ms); },
                      [&] {
                          move_time(present() + 1ms);
                          (void)runner.run_due();
                      });
            owner.run();
            order.ends(scene.got.empty() ? "not yet" : "at once");
            move_time(present() + 2ms);
            (void)runner.run_due();
            owner.run();
            order.expect(scene.got == Values{1}, "it has the entry");
            order.expect(!scene.has_passed(1h), "as the delay has ended");
            owner.destroy();
        });
    CHECK(all.failure == "");
    CHECK(all.ends("not yet"));
    CHECK(all.ends("at once"));
}

TEST_CASE("one that is about to look again keeps its place before the others") {
    const auto all =
        explore("a claim and a read against nack and add",
                [](Order& order) {
                    ClaimScene scene{1};
                    Runner runner{scene.clock};
                    OwnedCoroutine first;
                    OwnedCoroutine second;
                    first.coroutine = claim(first, scene, {.claim = 1h});
                    second.coroutine = claim(second, scene, {});
                    order.run([&] { scene.give_back(0, 1min); }, [&] { scene.stream->add(2); });
                    second.run();
                    order.expect(scene.got.empty(), "the second one waits on");
                    first.run();
                    order.expect(scene.got == Values{2}, "the first one has what was added");
                    first.destroy();
                    second.destroy();
                },
                {.orders = 10'000});
    CHECK(all.failure == "");
}

TEST_CASE("a coroutine that claims is stopped, also as it looks again") {
    const auto all = explore("a coroutine's claim against nack, time and stop", [](Order& order) {
        ClaimScene scene{1};
        Runner runner{scene.clock};
        OwnedCoroutine owner;
        std::stop_source stop;
        owner.coroutine = claim(owner, scene, {.stop = stop.get_token(), .claim = 1h});
        order.run([&] { scene.give_back(0, 1ms); }, [&] { stop.request_stop(); },
                  [&] {
                      move_time(present() + 1ms);
                      (void)runner.run_due();
                  });
        owner.run();
        order.expect(scene.got.size() + scene.endings.size() == 1, "it has ended");
        order.expect(scene.stream->info().waiting == 0, "and has left the line");
        order.ends(scene.got.empty() ? std::string{to_string(scene.endings.front())} : "claimed");
        owner.destroy();
    });
    CHECK(all.failure == "");
    CHECK(all.ends("stopped"));
    CHECK(all.ends("claimed"));
}

TEST_CASE("a coroutine that claims is destroyed, also as it looks again: the next one gets it") {
    const auto all = explore("abandon of a claim against nack and time", [](Order& order) {
        ClaimScene scene{1};
        Runner runner{scene.clock};
        OwnedCoroutine owner;
        owner.coroutine = claim(owner, scene, {.claim = 1h});
        order.run([&] { scene.give_back(0, 1ms); }, [&] { owner.run_or_destroy(); },
                  [&] {
                      move_time(present() + 1ms);
                      (void)runner.run_due();
                  });
        order.expect(scene.group.pending().count == 1, "it is pending");
        order.expect(scene.stream->info().waiting == 0, "nobody waits");
        move_time(present() + 2ms);
        const bool is_free = scene.cid.try_read({.claim = 1h}).size() == 1;
        order.ends(is_free ? "left" : scene.got.empty() ? "destroyed" : "claimed");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("left"));
    CHECK(all.ends("destroyed"));
    CHECK(all.ends("claimed"));
}

TEST_CASE("a thread that claims sees to the next look when the coroutine before it goes") {
    const auto all = explore("abandon of a claim beside another one", [](Order& order) {
        ClaimScene scene{1};
        Runner runner{scene.clock};
        OwnedCoroutine owner;
        owner.coroutine = claim(owner, scene, {.claim = 1h});
        order.run([&] { scene.read(scene.cid, {.claim = 1h}); }, [&] { owner.run_or_destroy(); },
                  [&] { scene.give_back(0, 1ms); });
        // The coroutine may have got it, too, and may not have come for it.
        order.expect(!scene.got.empty(), "the thread has the entry");
        order.ends(scene.has_passed(1h) ? "idle" : "delayed");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("delayed"));
}

TEST_CASE("the last Runner goes while a coroutine's claim looks again: it ends") {
    const auto all = explore("a coroutine's claim against the last Runner", [](Order& order) {
        ClaimScene scene{1};
        std::optional<Runner> runner{std::in_place, scene.clock};
        OwnedCoroutine owner;
        owner.coroutine = claim(owner, scene, {.claim = 1h});
        order.run([&] { scene.give_back(0, 1ms); }, [&] { runner.reset(); });
        owner.run();
        order.expect(scene.endings == std::vector{Ending::stopped}, "it is stopped");
        order.ends("stopped");
        owner.destroy();
    });
    CHECK(all.failure == "");
}
