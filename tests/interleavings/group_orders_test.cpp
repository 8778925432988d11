// SPDX-License-Identifier: MIT
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/wait_any.hpp>

#include "interleavings/orders.hpp"
#include "interleavings/step_clock.hpp"
#include "support/catch.hpp"

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

// A stream with a group, and what its consumers got.
struct ReadScene {
    void add(int value) { (void)stream->add(value); }

    void read(const Consumer<int>& consumer, const GroupReadOptions& options = {}) {
        note(consumer.read(options));
    }
    void note(const Deliveries<int>& batch) {
        for (const auto& delivery : batch) got.push_back(delivery.value);
        if (!batch) endings.push_back(batch.ending());
    }

    // Each of `in` was delivered once, or is still to be delivered.
    void check(Order& order, Values in) {
        Values all = got;
        for (const auto& delivery : group->consumer("rest").try_read()) {
            all.push_back(delivery.value);
            ++left;
        }
        std::ranges::sort(all);
        std::ranges::sort(in);
        order.expect(all == in, "each is delivered once, or left");
        if (endings.empty()) order.ends("delivered");
        for (const Ending ending : endings) order.ends(std::string{to_string(ending)});
    }

    StepClock clock;
    std::optional<Stream<int>> stream{std::in_place, StreamOptions{.clock = &clock}};
    std::optional<ConsumerGroup<int>> group{stream->group("workers")};
    Consumer<int> one = group->consumer("one");
    Consumer<int> two = group->consumer("two");
    Values got;
    std::vector<Ending> endings;
    std::size_t left = 0;
};

}  // namespace

TEST_CASE("a consumer that waits gets what is added, in order") {
    const auto all = explore("group read against two adds", [](Order& order) {
        ReadScene scene;
        order.run(
            [&] {
                while (scene.got.size() != 2) scene.read(scene.one);
            },
            [&] {
                scene.add(1);
                scene.add(2);
            });
        order.expect(scene.got == Values{1, 2}, "in order");
        scene.check(order, {1, 2});
    });
    CHECK(all.failure == "");
}

TEST_CASE("of two consumers that wait, each gets an entry of its own") {
    const auto all = explore("two group reads against two adds", [](Order& order) {
        ReadScene scene;
        order.run([&] { scene.read(scene.one, {.count = 1}); },
                  [&] { scene.read(scene.two, {.count = 1}); },
                  [&] {
                      scene.add(1);
                      scene.add(2);
                  });
        order.expect(scene.got.size() == 2, "one each");
        scene.check(order, {1, 2});
    });
    CHECK(all.failure == "");
}

TEST_CASE("a group's read times out, or the entry is pending with it") {
    const auto all = explore("group read against add and time-out", [](Order& order) {
        ReadScene scene;
        order.run([&] { scene.read(scene.one, {.timeout = 1ms}); }, [&] { scene.add(1); });
        order.expect(scene.group->pending().count == scene.got.size(), "pending if delivered");
        scene.check(order, {1});
    });
    CHECK(all.failure == "");
    CHECK(all.ends("delivered"));
    CHECK(all.ends("timed_out"));
}

TEST_CASE("if the read that was chosen is stopped, the next one gets the entry") {
    const auto all = explore("two group reads against add and stop", [](Order& order) {
        ReadScene scene;
        std::stop_source source;
        order.run([&] { scene.read(scene.one, {.count = 1, .stop = source.get_token()}); },
                  [&] { scene.read(scene.two, {.count = 1}); },
                  [&] {
                      source.request_stop();
                      scene.add(1);
                      scene.add(2);
                  });
        order.expect(scene.got.size() + scene.endings.size() == 2, "both have ended");
        scene.check(order, {1, 2});
    });
    CHECK(all.failure == "");
    CHECK(all.ends("delivered"));
    CHECK(all.ends("stopped"));
}

TEST_CASE("a consumer with as much pending as it may have waits for an ack") {
    const auto all = explore("group read against ack and add", [](Order& order) {
        ReadScene scene;
        const auto narrow = scene.group->consumer("narrow", {.max_pending = 1});
        scene.add(1);
        const auto first = narrow.read();
        order.run([&] { scene.read(narrow); }, [&] { (void)first.ack(); }, [&] { scene.add(2); });
        order.expect(scene.got == Values{2}, "then it has the next");
        order.expect(scene.group->pending().count == 1, "which is pending");
        scene.got.push_back(1);
        scene.check(order, {1, 2});
    });
    CHECK(all.failure == "");
}

TEST_CASE("two acks of one entry count once") {
    const auto all = explore("ack against ack", [](Order& order) {
        ReadScene scene;
        scene.add(1);
        const auto batch = scene.one.read();
        const StreamId id = batch.begin()->id;
        std::size_t first = 0;
        std::size_t second = 0;
        order.run([&] { first = batch.ack(); }, [&] { second = scene.group->ack({id}); });
        order.expect(first + second == 1, "one of them");
        order.expect(scene.group->pending().count == 0, "nothing is pending");
        order.ends(first == 1 ? "by the first" : "by the second");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("by the first"));
    CHECK(all.ends("by the second"));
}

TEST_CASE("what was given back is claimed by one of two") {
    const auto all = explore("nack against two claims", [](Order& order) {
        ReadScene scene;
        scene.add(1);
        const auto batch = scene.one.read();
        const StreamId id = batch.begin()->id;
        std::size_t claims = 0;
        const auto claim = [&](const char* name) {
            claims += scene.group->consumer(name).claim({id}, {.min_idle = 1h}).size();
        };
        order.run([&] { (void)batch.begin()->nack(); }, [&] { claim("three"); },
                  [&] { claim("four"); });
        order.expect(claims <= 1, "one of them");
        order.expect(scene.group->pending().count == 1, "it is pending");
        order.ends(claims == 1 ? "claimed" : "given back");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("claimed"));
    CHECK(all.ends("given back"));
}

TEST_CASE("a group that is removed ends its reads, or has delivered to them") {
    const auto all = explore("group read against add and remove_group", [](Order& order) {
        ReadScene scene;
        order.run([&] { scene.read(scene.one); }, [&] { scene.add(1); },
                  [&] { scene.stream->remove_group("workers"); });
        order.expect(scene.got.size() + scene.endings.size() == 1, "one of both");
        order.expect(scene.stream->size() == 1, "the entry is there");
        order.ends(scene.got.empty() ? std::string{to_string(scene.endings.front())} : "delivered");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("delivered"));
    CHECK(all.ends("gone"));
}

TEST_CASE("a read ends as closed only when all was delivered") {
    const auto all = explore("two group reads against add and close", [](Order& order) {
        ReadScene scene;
        order.run([&] { scene.read(scene.one); }, [&] { scene.read(scene.two); },
                  [&] {
                      scene.add(1);
                      scene.stream->close();
                  });
        order.expect(scene.got == Values{1}, "one of them has it");
        scene.check(order, {1});
    });
    CHECK(all.failure == "");
    CHECK(all.ends("closed"));
}

TEST_CASE("the last handle that goes closes the stream for a cursor that waits") {
    const auto all = explore("cursor against add and the last handle", [](Order& order) {
        StepClock clock;
        std::optional<Stream<int>> stream{std::in_place, StreamOptions{.clock = &clock}};
        auto cursor = stream->cursor();
        Values got;
        order.run(
            [&] {
                while (const auto batch = cursor.read())
                    for (const auto& entry : batch) got.push_back(entry.value);
            },
            [&] {
                (void)stream->add(1);
                stream.reset();
            });
        order.expect(got == Values{1}, "the cursor has read it, and has ended");
    });
    CHECK(all.failure == "");
}

TEST_CASE("a look at a group passes its turn on to a read that waits") {
    const auto all = explore("look at a group against read and add", [](Order& order) {
        ReadScene scene;
        order.run(
            [&] {
                if (const auto seen = wait_any({scene.one}))
                    scene.note(scene.one.try_read({.count = 1}));
            },
            [&] { scene.read(scene.two, {.count = 1}); },
            [&] {
                scene.add(1);
                scene.add(2);
            });
        order.expect(!scene.got.empty(), "the read has one");
        scene.check(order, {1, 2});
    });
    CHECK(all.failure == "");
}
