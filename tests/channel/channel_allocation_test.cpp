// SPDX-License-Identifier: MIT
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"
#include "support/channels.hpp"
#include "support/short_memory.hpp"
#include "support/words.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using runnel::Behind;
using runnel::Channel;
using runnel::Connection;
using runnel::Ending;
using runnel::Inbox;
using runnel::ManualClock;
using runnel::Published;
using runnel::Push;
using runnel::Subscription;
using runnel::test::at_every_request;
using runnel::test::drain;
using runnel::test::ending;
using runnel::test::gaps;
using runnel::test::Memory;
using runnel::test::MemoryRunsOut;
using runnel::test::publishing;
using runnel::test::Shortage;
using runnel::test::values;
using runnel::test::word;
using runnel::test::Words;
using runnel::test::words;

namespace {

struct State {
    std::uint64_t published;
    std::size_t subscribers;
    std::size_t inboxes;
    std::size_t handlers;
    std::size_t retained;
    std::size_t waiting;
    std::size_t handled;

    friend bool operator==(const State&, const State&) = default;
};

struct Setting {
    std::size_t messages = 0;
    bool has_inbox = false;
    bool has_handler = false;
};

// A channel with a subscription and more, in which so many messages wait.
struct World {
    explicit World(const Setting& setting) : messages{words(1'000, 2)} {
        if (setting.has_inbox) inbox.join(channel);
        if (setting.has_handler)
            connection = channel.on_message([this](const std::string&) { ++handled; });
        for (const std::string& each : words(0, setting.messages))
            REQUIRE(channel.publish(each).ending == Push::done);
    }

    [[nodiscard]] State state() {
        clock.settle();
        const auto info = channel.info();
        return {info.published, channel.subscribers(), info.inboxes, info.handlers,
                info.retained,  info.waiting,          handled};
    }

    ManualClock clock;
    Channel<std::string> channel{{.clock = &clock}};
    Subscription<std::string> view = channel.subscribe();
    Inbox<std::string> inbox{{.clock = &clock}};
    Connection connection;
    std::size_t handled = 0;
    Words messages;
};

// How many messages there are when blocks end, and when they do not.
constexpr std::size_t sizes[] = {0, 1, 3, 4, 5, 11, 12, 13, 28, 60, 124};

// Lets `act` run out of memory at each of its requests: it must throw std::bad_alloc and leave
// everything as it was, or do its work; then `check` looks at it.
void succeeds_or_changes_nothing(const Setting& setting, const std::function<void(World&)>& act,
                                 const std::function<void(World&)>& check) {
    CAPTURE(setting.messages, setting.has_inbox, setting.has_handler);
    at_every_request([&](long granted, Shortage shortage) {
        World world{setting};
        const State before = world.state();
        bool threw = false;
        {
            const MemoryRunsOut limit{granted, shortage};
            try {
                act(world);
            } catch (const std::bad_alloc&) {
                threw = true;
            }
        }
        if (!threw) return check(world);
        REQUIRE(Memory::ran_out);
        REQUIRE(world.state() == before);
        REQUIRE(world.messages == words(1'000, 2));
        REQUIRE(drain(world.view) == words(0, setting.messages));
        REQUIRE(drain(world.inbox) == words(0, setting.has_inbox ? setting.messages : 0));
        // And all goes on as if nothing had happened.
        REQUIRE(world.channel.publish(word(2'000)) == before.subscribers);
        REQUIRE(drain(world.view) == words(2'000, 1));
        REQUIRE(drain(world.inbox) == words(2'000, setting.has_inbox ? 1 : 0));
    });
}

void in_all_settings(const std::function<void(World&)>& act,
                     const std::function<void(World&)>& check) {
    for (const std::size_t size : sizes) {
        for (const bool has_inbox : {false, true}) {
            for (const bool has_handler : {false, true})
                succeeds_or_changes_nothing({size, has_inbox, has_handler}, act, check);
        }
    }
}

// A message that has gone out is with all but, perhaps, the inbox.
void is_published(World& world) {
    const std::uint64_t number = world.channel.info().published;
    const Words all = drain(world.view);
    REQUIRE(all.size() == number);
    REQUIRE(all.back() == word(1'000));
    if (world.channel.info().handlers != 0) REQUIRE(world.handled == number);
    if (world.channel.info().inboxes == 0) return;
    const Words received = drain(world.inbox);
    REQUIRE(received.size() + world.inbox.missed() == number);
    REQUIRE((world.inbox.missed() == 0) == (!received.empty() && received.back() == word(1'000)));
}

}  // namespace

TEST_CASE("a publish without memory throws, and the message is still its publisher's",
          "[channel][allocation]") {
    in_all_settings([](World& world) { world.channel.publish(std::move(world.messages[0])); },
                    is_published);
    in_all_settings([](World& world) { world.channel.try_publish(std::move(world.messages[0])); },
                    is_published);
}

TEST_CASE("a publish of a copy without memory throws, and nothing is published",
          "[channel][allocation]") {
    in_all_settings([](World& world) { world.channel.publish(std::as_const(world.messages[0])); },
                    [](World& world) {
                        REQUIRE(world.messages == words(1'000, 2));
                        is_published(world);
                    });
}

TEST_CASE("a publish that goes to nobody, or to handlers alone, needs no memory",
          "[channel][allocation]") {
    const Channel<std::string> channel;
    std::size_t handled = 0;
    Words messages = words(0, 3);
    std::size_t reached = 0;
    {
        const MemoryRunsOut limit{0};
        reached += channel.publish(std::move(messages[0]));
    }
    const Connection handler = channel.on_message([&](const std::string&) { ++handled; });
    {
        const MemoryRunsOut limit{0};
        reached += channel.publish(std::move(messages[1]));
        reached += channel.try_publish(std::move(messages[2]));
    }
    CHECK(reached == 2);
    CHECK(handled == 2);
}

TEST_CASE("an inbox that gets no memory misses the message, and says so", "[channel][allocation]") {
    const Channel<int> channel;
    Subscription<int> view = channel.subscribe();
    std::size_t missed = 0;
    for (int size = 0; size != 130; ++size) {
        Inbox<int> inbox;
        inbox.join(channel);
        for (int number = 0; number != size; ++number) REQUIRE(channel.publish(number) == 2);
        (void)drain(view);
        std::optional<Published> published;
        {
            // The log gets a block if it needs one, the inbox none.
            const MemoryRunsOut limit{0};
            try {
                published = channel.publish(size);
            } catch (const std::bad_alloc&) {
                published.reset();
            }
        }
        const std::size_t lost = published && *published == 1 ? 1 : 0;
        missed += lost;
        REQUIRE(inbox.missed() == lost);
        if (published) REQUIRE(drain(view) == std::vector<int>{size});
        REQUIRE(channel.publish(-1) == 2);
        const auto batch = inbox.read();
        REQUIRE(batch.missed() == lost);
        REQUIRE(gaps(batch).back() == lost);
        REQUIRE(batch[batch.size() - 1].value == -1);
        (void)drain(view);
    }
    CHECK(missed > 0);
}

TEST_CASE("an inbox that is to be disconnected misses what it gets no memory for, too",
          "[channel][allocation]") {
    const Channel<int> channel;
    const Subscription<int> view = channel.subscribe();
    channel.publish(0);
    Inbox<int> inbox{{.when_behind = Behind::disconnect}};
    inbox.join(channel);
    std::size_t reached = 0;
    {
        const MemoryRunsOut limit{0};
        reached = channel.publish(1);
    }
    CHECK(reached == 1);
    CHECK(inbox.missed() == 1);
    CHECK(inbox.connected());
    CHECK(channel.publish(2) == 2);
    CHECK(gaps(inbox.read()) == std::vector<std::uint64_t>{1});
}

TEST_CASE("a publish that was held back and gets no memory throws where it was made",
          "[channel][allocation]") {
    for (const std::size_t size : {4U, 12U, 28U}) {
        CAPTURE(size);
        ManualClock clock;
        const Channel<std::string> channel{{.clock = &clock}};
        auto view = channel.subscribe({.bound = size, .when_behind = Behind::block});
        for (const std::string& each : words(0, size)) channel.publish(each);
        Words messages = words(1'000, 2);
        auto first = publishing(clock, channel, messages[0]);
        auto second = publishing(clock, channel, messages[1]);
        REQUIRE(second.waits());
        std::size_t read = 0;
        {
            // The next message needs a block.
            const MemoryRunsOut limit{0, Shortage::once};
            read = view.read({.count = 1}).size();
        }
        CHECK(read == 1);
        CHECK_THROWS_AS(first.result(), std::bad_alloc);
        CHECK(messages[0] == word(1'000));
        // Those behind it are not held up.
        CHECK(second.result() == 1);
        Words expected = words(1, size - 1);
        expected.push_back(word(1'001));
        CHECK(drain(view) == expected);
        CHECK(channel.info().published == size + 1);
    }
}

TEST_CASE("a subscription without memory is not made", "[channel][allocation]") {
    in_all_settings(
        [](World& world) {
            Subscription<std::string> made = world.channel.subscribe();
            std::swap(world.view, made);
        },
        [](World& world) { REQUIRE_FALSE(world.view.try_read()); });
}

TEST_CASE("a subscription whose bounds get no memory is not made", "[channel][allocation]") {
    in_all_settings(
        [](World& world) {
            const auto made = world.channel.subscribe(
                {.bound = 5'000, .when_behind = Behind::block, .bytes = {.hard = 1'000'000}});
        },
        [](World& world) { REQUIRE(world.channel.publish(word(1)).ending == Push::done); });
}

TEST_CASE("a subscription that was not made keeps nothing in the channel",
          "[channel][allocation]") {
    at_every_request([](long granted, Shortage shortage) {
        const Channel<int> channel;
        const auto view = channel.subscribe({.bound = 1});
        {
            const MemoryRunsOut limit{granted, shortage};
            try {
                const auto made = channel.subscribe({.bound = 5'000, .bytes = {.hard = 1'000'000}});
            } catch (const std::bad_alloc&) {
                REQUIRE(channel.subscribers() == 1);
            }
        }
        // Whoever comes next makes the channel count the bounds.
        const auto next = channel.subscribe({.bound = 1});
        for (int number = 0; number != 500; ++number) channel.publish(number);
        REQUIRE(channel.info().retained <= 65);
    });
}

TEST_CASE("a handler without memory is not connected", "[channel][allocation]") {
    in_all_settings(
        [](World& world) {
            world.connection = world.channel.on_message(
                [&world, number = std::size_t{5}](const std::string&) { world.handled += number; });
        },
        [](World& world) {
            const std::size_t before = world.handled;
            world.channel.publish(word(1));
            REQUIRE(world.handled == before + 5);
        });
}

TEST_CASE("a handler whose bound gets no memory is not connected", "[channel][allocation]") {
    in_all_settings(
        [](World& world) {
            world.connection = world.channel.on_message(
                [&world](const std::string&) { world.handled += 7; }, {.bound = 5'000});
        },
        [](World& world) {
            const std::size_t before = world.handled;
            world.channel.publish(word(1));
            REQUIRE(world.handled == before + 7);
            world.connection.disconnect();
            REQUIRE(world.channel.info().handlers == 0);
        });
}

TEST_CASE("an inbox that gets no memory has not joined", "[channel][allocation]") {
    in_all_settings([](World& world) { world.inbox.join(world.channel); },
                    [](World& world) {
                        (void)drain(world.inbox);
                        const std::size_t times = world.channel.info().inboxes;
                        world.channel.publish(word(7));
                        REQUIRE(drain(world.inbox) == Words(times, word(7)));
                        REQUIRE(world.inbox.leave(world.channel));
                        REQUIRE(world.channel.info().inboxes == 0);
                    });
}

TEST_CASE("an inbox that could not join ends as if it had not tried", "[channel][allocation]") {
    at_every_request([](long granted, Shortage shortage) {
        const Channel<int> channel;
        Inbox<int> inbox;
        bool joined = false;
        {
            const MemoryRunsOut limit{granted, shortage};
            try {
                inbox.join(channel);
                joined = true;
            } catch (const std::bad_alloc&) {
                joined = false;
            }
        }
        REQUIRE(inbox.try_read().ending() == (joined ? Ending::timed_out : Ending::closed));
        REQUIRE(inbox.leave(channel) == joined);
    });
}

TEST_CASE("a read of an inbox without memory takes nothing", "[channel][allocation]") {
    in_all_settings([](World& world) { (void)world.inbox.try_read({.count = 5}); }, [](World&) {});
}

TEST_CASE("reading a subscription needs no memory, nor does skipping and being disconnected",
          "[channel][allocation]") {
    for (const std::size_t size : sizes) {
        const Channel<int> channel;
        std::vector<Subscription<int>> views;
        views.push_back(channel.subscribe());
        views.push_back(channel.subscribe({.bound = 2}));
        views.push_back(channel.subscribe({.bound = 2, .bytes = {.hard = 9}}));
        views.push_back(channel.subscribe({.bound = 2, .when_behind = Behind::disconnect}));
        views.push_back(channel.subscribe({.when_behind = Behind::block}));
        for (std::size_t number = 0; number != size; ++number)
            channel.publish(static_cast<int>(number));
        std::vector<std::size_t> got(views.size());
        {
            const MemoryRunsOut limit{0};
            for (std::size_t at = 0; at != views.size(); ++at) {
                while (const auto batch = views[at].try_read({.count = 3})) {
                    got[at] += batch.size() + batch.missed();
                }
                if (!views[at].connected()) got[at] += views[at].missed();
            }
        }
        // One was disconnected by the third message, and got no more.
        CHECK(got == std::vector{size, size, size, std::min<std::size_t>(size, 3), size});
    }
}

TEST_CASE("what has come and gone leaves no memory with the channel", "[channel][allocation]") {
    const Channel<int> channel;
    const auto come_and_go = [&] {
        const auto view = channel.subscribe();
        const Connection handler = channel.on_message([](int) {});
        Inbox<int> inbox;
        inbox.join(channel);
        Inbox<int> other;
        other.join(channel);
        CHECK(other.leave(channel));
    };
    come_and_go();
    const long live = Memory::live;
    for (int times = 0; times != 100; ++times) come_and_go();
    CHECK(Memory::live == live);
}

TEST_CASE("figures, handles, leaving and closing need no memory", "[channel][allocation]") {
    World world{{.messages = 9, .has_inbox = true, .has_handler = true}};
    (void)drain(world.view);
    std::optional<Subscription<std::string>> other = world.channel.subscribe();
    std::size_t seen = 0;
    bool left = false;
    {
        const MemoryRunsOut limit{0};
        const Channel<std::string> copy = world.channel;
        seen = copy.info().published + copy.subscribers();
        if (!copy.wait_for_subscribers(4)) seen = 0;
        other.reset();
        world.connection.disconnect();
        left = world.inbox.leave(copy);
        copy.close();
        if (!copy.closed() || copy.subscribers() != 1) seen = 0;
    }
    CHECK(seen == 13);
    CHECK(left);
    CHECK(drain(world.inbox) == words(0, 9));
    CHECK(ending(world.inbox.read()) == Ending::closed);
}
