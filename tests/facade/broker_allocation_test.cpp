// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>
#include <runnel/read_first.hpp>
#include <runnel/stream.hpp>
#include <runnel/wait_any.hpp>

#include "support/catch.hpp"
#include "support/elements.hpp"
#include "support/inboxes.hpp"
#include "support/short_memory.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using runnel::Broker;
using runnel::From;
using runnel::test::fill;
using runnel::test::Memory;
using runnel::test::MemoryRunsOut;
using runnel::test::received;
using runnel::test::Received;
using namespace std::chrono_literals;

using Names = std::vector<std::string>;

namespace {

// Calls call(world) on a new World again and again, each time with memory for one more allocation,
// until it is enough. Whenever it has thrown, check(world) is to find that nothing has happened.
template <typename World, typename Call, typename Check>
void at_each_allocation(Call call, Check check) {
    for (long granted = 0;; ++granted) {
        INFO("memory for " << granted << " allocations");
        World world;
        bool has_thrown = false;
        try {
            const MemoryRunsOut shortage{granted};
            call(world);
        } catch (const std::bad_alloc&) {
            has_thrown = true;
        }
        check(world, has_thrown);
        if (!Memory::ran_out) {
            REQUIRE(granted != 0);
            REQUIRE_FALSE(has_thrown);
            return;
        }
    }
}

// Too long to be kept without memory.
const std::string a_name = "a name that is too long to be kept without memory";

struct Empty {
    Broker broker;
};

// Two inboxes that wait for channels to come.
struct Awaited : Empty {
    runnel::Inbox<int> one = broker.subscribe<int>({.patterns = {"*", "a name*"}});
    runnel::Inbox<int> other = broker.subscribe<int>({.patterns = {"a*"}});
};

// Channels that are there.
struct ThreeChannels : Empty {
    runnel::Channel<int> a = broker.channel<int>("a");
    runnel::Channel<int> b = broker.channel<int>("ab");
    runnel::Channel<int> c = broker.channel<int>("abc");
    std::optional<runnel::Inbox<int>> inbox;
};

struct WaitedStreams : Empty {
    runnel::BlockingList<int> jobs = broker.list<int>("jobs");
    runnel::Stream<int> orders = broker.stream<int>("orders");
    runnel::Stream<int> refunds = broker.stream<int>("refunds");
    runnel::Cursor<int> cursor = orders.cursor();

    WaitedStreams() {
        fill(jobs, {1});
        orders.add(1);
        refunds.add(2);
    }

    [[nodiscard]] std::size_t waits() const {
        return jobs.stats().blocked_pops + orders.info().waiting + refunds.info().waiting;
    }
};

}  // namespace

TEST_CASE("when memory runs out, no name is taken", "[broker][allocation]") {
    at_each_allocation<Empty>([](Empty& world) { (void)world.broker.list<int>(a_name); },
                              [](Empty& world, bool has_thrown) {
                                  CHECK(world.broker.names() ==
                                        (has_thrown ? Names{} : Names{a_name}));
                                  CHECK(world.broker.list<int>(a_name).size() == 0);
                              });
    at_each_allocation<Empty>([](Empty& world) { (void)world.broker.stream<int>(a_name); },
                              [](Empty& world, bool has_thrown) {
                                  CHECK(world.broker.names().size() == (has_thrown ? 0 : 1));
                                  CHECK(world.broker.stream<int>(a_name).size() == 0);
                              });
}

TEST_CASE("when memory runs out, no channel is made, and no pattern is forgotten",
          "[broker][allocation][pattern]") {
    at_each_allocation<Awaited>([](Awaited& world) { (void)world.broker.channel<int>(a_name); },
                                [](Awaited& world, bool has_thrown) {
                                    CHECK(world.broker.find_channel<int>(a_name).has_value() ==
                                          !has_thrown);
                                    CHECK(world.broker.publish(a_name, 1).reached == 3);
                                    CHECK(received(world.one).size() == 2);
                                    CHECK(received(world.other).size() == 1);
                                });
}

TEST_CASE("when memory runs out, nothing is subscribed to", "[broker][allocation][pattern]") {
    at_each_allocation<ThreeChannels>(
        [](ThreeChannels& world) {
            world.inbox = world.broker.subscribe<int>(
                {.channels = {"abc", "d"}, .patterns = {"a*", "*b", "e*"}});
        },
        [](ThreeChannels& world, bool has_thrown) {
            CHECK(world.a.subscribers() == (has_thrown ? 0 : 1));
            CHECK(world.b.subscribers() == (has_thrown ? 0 : 2));
            CHECK(world.c.subscribers() == (has_thrown ? 0 : 2));
            CHECK(world.broker.publish("e", 1).reached == (has_thrown ? 0 : 1));
            CHECK(world.broker.publish("d", 1).reached == (has_thrown ? 0 : 1));
            CHECK(world.broker.channels() == (has_thrown ? Names{} : Names{"abc", "d"}));
        });
}

TEST_CASE("when memory runs out, a message that was to be published is untouched",
          "[broker][allocation]") {
    struct Mails : Empty {
        runnel::Inbox<std::unique_ptr<int>> inbox =
            broker.subscribe<std::unique_ptr<int>>({.patterns = {"*"}});
        std::unique_ptr<int> mail = std::make_unique<int>(1);
        std::size_t reached = 0;
    };
    at_each_allocation<Mails>(
        [](Mails& world) { world.reached = world.broker.publish(a_name, std::move(world.mail)); },
        [](Mails& world, bool has_thrown) {
            // Where there is no memory to deliver it, the inbox has missed it.
            CHECK((world.mail != nullptr) == has_thrown);
            CHECK(world.reached + world.inbox.missed() == (has_thrown ? 0 : 1));
            CHECK(world.inbox.try_read().size() == world.reached);
        });
}

TEST_CASE("when memory runs out, nobody is left in line", "[wait_any][allocation]") {
    at_each_allocation<WaitedStreams>(
        [](WaitedStreams& world) {
            (void)runnel::wait_any({world.cursor, world.jobs});
        },
        [](WaitedStreams& world, bool) {
            CHECK(world.waits() == 0);
            CHECK(world.jobs.size() == 1);
            CHECK(world.cursor.try_read().size() == 1);
        });
    at_each_allocation<WaitedStreams>(
        [](WaitedStreams& world) {
            (void)runnel::read_first<int>(
                {{world.orders, From::start}, {world.refunds, From::start}});
        },
        [](WaitedStreams& world, bool) { CHECK(world.waits() == 0); });
}
