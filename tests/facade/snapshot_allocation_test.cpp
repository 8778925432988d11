// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/snapshot.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/short_memory.hpp"

#include <new>
#include <optional>
#include <string>

using runnel::Broker;
using runnel::BrokerSnapshot;
using runnel::ManualClock;
using runnel::test::at_every_request;
using runnel::test::Memory;
using runnel::test::MemoryRunsOut;
using runnel::test::Shortage;

TEST_CASE("a snapshot is whole, or there is none and no lock is held",
          "[broker][snapshot][allocation]") {
    ManualClock clock;
    const Broker broker{{&clock}};
    const std::string name = "a name that is too long to be kept without memory";
    (void)broker.list<int>(name + "1").try_push_back(1);
    const auto stream = broker.stream<int>(name + "2");
    (void)stream.group(name + "3");
    (void)stream.group(name + "4");
    (void)broker.channel<int>(name + "5");
    (void)broker.sharded_channel<int>(name + "6");
    const BrokerSnapshot whole = broker.snapshot();
    at_every_request([&](long granted, Shortage shortage) {
        const long live = Memory::live;
        bool is_whole = false;
        {
            std::optional<BrokerSnapshot> snapshot;
            try {
                const MemoryRunsOut limit{granted, shortage};
                snapshot = broker.snapshot();
            } catch (const std::bad_alloc&) {
            }
            is_whole = snapshot == whole;
        }
        const long left = Memory::live - live;
        CHECK(is_whole == !Memory::ran_out);
        CHECK(left == 0);
        CHECK(broker.snapshot() == whole);
    });
}

TEST_CASE("the figures of a list and of a channel need no memory", "[snapshot][allocation]") {
    const runnel::BlockingList<int> list;
    const runnel::Channel<int> channel;
    const runnel::Stream<int> stream;
    const auto group = stream.group("group");
    const MemoryRunsOut limit{0};
    (void)list.stats();
    (void)channel.stats();
    (void)group.backlog({.attempts = true});
    CHECK_FALSE(Memory::ran_out);
}
