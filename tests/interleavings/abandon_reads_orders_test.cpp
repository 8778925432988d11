// SPDX-License-Identifier: MIT
// Coroutines that read streams and channels, publish, or wait for several objects are destroyed
// while something else ends their waits.
#include <runnel/awaitable.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/wait_any.hpp>

#include "interleavings/orders.hpp"
#include "interleavings/owned_coroutine.hpp"
#include "interleavings/step_clock.hpp"
#include "support/catch.hpp"
#include "support/coroutines.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

using namespace runnel;
using namespace runnel::test;

namespace {

using Values = std::vector<int>;

// These refer to their arguments.
Coroutine read_group(OwnedCoroutine& owner, const Consumer<int>& consumer, Values& got,
                     GroupReadOptions options = {}) {
    const auto batch = co_await consumer.async_read(options).on(owner.executor());
    for (const auto& delivery : batch) got.push_back(delivery.value);
}
Coroutine read_cursor(OwnedCoroutine& owner, Cursor<int>& cursor, Values& got) {
    const auto batch = co_await cursor.async_read().on(owner.executor());
    for (const auto& entry : batch) got.push_back(entry.value);
}
Coroutine read_view(OwnedCoroutine& owner, Subscription<int>& view, Values& got) {
    const auto batch = co_await view.async_read().on(owner.executor());
    for (const int message : batch) got.push_back(message);
}
Coroutine read_inbox(OwnedCoroutine& owner, Inbox<int>& inbox, Values& got) {
    const auto batch = co_await inbox.async_read().on(owner.executor());
    for (const auto& message : batch) got.push_back(message.value);
}
Coroutine publish(OwnedCoroutine& owner, const Channel<int>& channel, int message,
                  std::optional<Push>& ending) {
    const Published published = co_await channel.async_publish(message).on(owner.executor());
    ending = published.ending;
}
Coroutine look(OwnedCoroutine& owner, std::array<Watch, 2>& watches,
               std::optional<std::size_t>& which) {
    const auto seen = co_await async_wait_any(watches).on(owner.executor());
    if (seen) which = seen.which();
}

struct GroupScene {
    void add(int value) const { (void)stream.add(value); }

    StepClock clock;
    Stream<int> stream{{.clock = &clock}};
    ConsumerGroup<int> group = stream.group("workers");
    Consumer<int> one = group.consumer("one");
    Consumer<int> two = group.consumer("two");
    OwnedCoroutine owner;
    Values got;
};

struct ChannelScene {
    StepClock clock;
    std::optional<Channel<int>> channel{std::in_place, ChannelOptions<int>{.clock = &clock}};
    OwnedCoroutine owner;
    Values got;
};

const char* destroyed_or(const Values& got, const char* otherwise) {
    return got.empty() ? "destroyed" : otherwise;
}

}  // namespace

TEST_CASE("what a group has delivered to a read that is destroyed stays pending") {
    const auto all = explore("abandon of a group's read against add", [](Order& order) {
        GroupScene scene;
        scene.owner.coroutine = read_group(scene.owner, scene.one, scene.got);
        order.run([&] { scene.add(1); }, [&] { scene.owner.run_or_destroy(); });
        const std::size_t pending = scene.group.pending().count;
        order.expect(pending + scene.group.lag() == 1, "pending, or not delivered");
        if (!scene.got.empty()) order.expect(pending == 1, "what was read is pending");
        order.ends(!scene.got.empty() ? "read" : pending == 1 ? "pending" : "not delivered");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("read"));
    CHECK(all.ends("pending"));
    CHECK(all.ends("not delivered"));
}

TEST_CASE("of two reads of a group, one is destroyed, and the other gets the next entry") {
    const auto all = explore("abandon of a group's read against add and read", [](Order& order) {
        GroupScene scene;
        scene.owner.coroutine = read_group(scene.owner, scene.one, scene.got, {.count = 1});
        Values other;
        order.run(
            [&] {
                scene.add(1);
                scene.add(2);
            },
            [&] { scene.owner.run_or_destroy(); },
            [&] {
                for (const auto& delivery : scene.two.read({.count = 1}))
                    other.push_back(delivery.value);
            });
        order.expect(other.size() == 1, "it has one");
        order.expect(scene.group.pending().count + scene.group.lag() == 2, "no entry is lost");
        order.ends(destroyed_or(scene.got, "read"));
    });
    CHECK(all.failure == "");
    CHECK(all.ends("destroyed"));
    CHECK(all.ends("read"));
}

TEST_CASE("a read of a group is destroyed while its group is removed") {
    const auto all = explore("abandon of a group's read against removal", [](Order& order) {
        GroupScene scene;
        scene.owner.coroutine = read_group(scene.owner, scene.one, scene.got);
        order.run([&] { scene.add(1); }, [&] { scene.owner.run_or_destroy(); },
                  [&] { scene.stream.remove_group("workers"); });
        order.expect(scene.stream.size() == 1, "the entry is there");
        order.ends(destroyed_or(scene.got, "read"));
    });
    CHECK(all.failure == "");
    CHECK(all.ends("destroyed"));
    CHECK(all.ends("read"));
}

TEST_CASE("a cursor's read is destroyed, and its next one goes on from there") {
    const auto all = explore("abandon of a cursor's read against add", [](Order& order) {
        GroupScene scene;
        auto cursor = scene.stream.cursor();
        scene.owner.coroutine = read_cursor(scene.owner, cursor, scene.got);
        order.run(
            [&] {
                scene.add(1);
                scene.add(2);
            },
            [&] { scene.owner.run_or_destroy(); });
        const bool was_destroyed = scene.got.empty();
        for (auto batch = cursor.try_read(); batch; batch = cursor.try_read())
            for (const auto& entry : batch) scene.got.push_back(entry.value);
        // What the destroyed read was served with counts as read.
        const bool is_suffix =
            scene.got == Values{1, 2} || scene.got == Values{2} || scene.got.empty();
        order.expect(is_suffix && (was_destroyed || scene.got.size() == 2), "in order");
        order.ends(was_destroyed ? "destroyed" : "read");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("destroyed"));
    CHECK(all.ends("read"));
}

TEST_CASE("a subscription's read is destroyed while it is served, or closed by the last handle") {
    const auto all =
        explore("abandon of a read against publish and the last handle", [](Order& order) {
            ChannelScene scene;
            auto view = scene.channel->subscribe();
            scene.owner.coroutine = read_view(scene.owner, view, scene.got);
            order.run(
                [&] {
                    (void)scene.channel->publish(1);
                    scene.channel.reset();
                },
                [&] { scene.owner.run_or_destroy(); });
            order.expect(scene.got.size() <= 1, "once");
            order.ends(destroyed_or(scene.got, "read"));
        });
    CHECK(all.failure == "");
    CHECK(all.ends("destroyed"));
    CHECK(all.ends("read"));
}

TEST_CASE("a subscription's read that held publishers back is destroyed, and they go on") {
    const auto all = explore("abandon of a read against publishes for room", [](Order& order) {
        ChannelScene scene;
        std::optional view{scene.channel->subscribe({.bound = 1, .when_behind = Behind::block})};
        scene.owner.coroutine = read_view(scene.owner, *view, scene.got);
        order.run(
            [&] {
                (void)scene.channel->publish(1);
                (void)scene.channel->publish(2);
            },
            [&] {
                scene.owner.run_or_destroy();
                for (const int message : view->try_read()) scene.got.push_back(message);
                for (const int message : view->try_read()) scene.got.push_back(message);
                view.reset();
            });
        order.expect(scene.got.size() <= 2, "each once");
    });
    CHECK(all.failure == "");
}

TEST_CASE("an inbox's read is destroyed while it is served") {
    const auto all = explore("abandon of an inbox's read against publish", [](Order& order) {
        ChannelScene scene;
        Inbox<int> inbox{{.clock = &scene.clock}};
        inbox.join(*scene.channel);
        scene.owner.coroutine = read_inbox(scene.owner, inbox, scene.got);
        order.run([&] { (void)scene.channel->publish(1); }, [&] { scene.owner.run_or_destroy(); });
        order.expect(scene.got.size() <= 1, "once");
        order.ends(destroyed_or(scene.got, "read"));
    });
    CHECK(all.failure == "");
    CHECK(all.ends("destroyed"));
    CHECK(all.ends("read"));
}

TEST_CASE("a publish that waits for room is destroyed, or done, while room is made") {
    const auto all = explore("abandon of a publish against read", [](Order& order) {
        ChannelScene scene;
        auto view = scene.channel->subscribe({.bound = 1, .when_behind = Behind::block});
        (void)scene.channel->publish(1);
        std::optional<Push> ending;
        scene.owner.coroutine = publish(scene.owner, *scene.channel, 2, ending);
        const auto read = [&] {
            for (const int message : view.try_read()) scene.got.push_back(message);
        };
        order.run(read, [&] { scene.owner.run_or_destroy(); });
        read();
        order.expect(scene.got == Values{1} || scene.got == Values{1, 2}, "each once, in order");
        if (ending) order.expect(scene.got.size() == 2, "what is done is published");
        order.ends(ending ? "done" : scene.got.size() == 2 ? "destroyed, and done" : "destroyed");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("done"));
    CHECK(all.ends("destroyed"));
    CHECK(all.ends("destroyed, and done"));
}

TEST_CASE("a look that is destroyed after it was told of an element passes it on to the next") {
    const auto all = explore("abandon of a look against push and look", [](Order& order) {
        GroupScene scene;
        const BlockingList<int> list{{.clock = &scene.clock}};
        std::array<Watch, 2> watches{Watch{list}, Watch{scene.one}};
        std::optional<std::size_t> which;
        scene.owner.coroutine = look(scene.owner, watches, which);
        bool is_told = false;
        order.run([&] { (void)list.push_back(1); }, [&] { scene.owner.run_or_destroy(); },
                  [&] { is_told = static_cast<bool>(wait_any({list})); });
        order.expect(is_told, "the other look has seen it");
        order.expect(list.size() == 1, "it is there");
        order.ends(which ? "told" : "destroyed");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("told"));
    CHECK(all.ends("destroyed"));
}

TEST_CASE("a look over a list and a group is destroyed while both have something") {
    const auto all = explore("abandon of a look against push and add", [](Order& order) {
        GroupScene scene;
        const BlockingList<int> list{{.clock = &scene.clock}};
        std::array<Watch, 2> watches{Watch{list}, Watch{scene.one}};
        std::optional<std::size_t> which;
        scene.owner.coroutine = look(scene.owner, watches, which);
        order.run([&] { (void)list.push_back(1); }, [&] { scene.owner.run_or_destroy(); },
                  [&] { scene.add(1); });
        order.expect(list.size() == 1 && scene.group.lag() == 1, "both are there");
        order.ends(which ? "told of " + std::to_string(*which) : "destroyed");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("told of 0"));
    CHECK(all.ends("told of 1"));
    CHECK(all.ends("destroyed"));
}
