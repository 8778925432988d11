// SPDX-License-Identifier: MIT
// Before: crashes: SIGSEGV
//
// What a message owns died inside of the message's own death, and so on: a list in a list, or a
// stream whose messages own streams, overflowed the stack some ten thousand deep.
#include <runnel/blocking_list.hpp>
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/connection.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/entries.hpp>
#include <runnel/inbox.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

using runnel::BlockingList;
using runnel::Broker;
using runnel::Channel;
using runnel::Connection;
using runnel::Deliveries;
using runnel::Entries;
using runnel::Inbox;
using runnel::InboxMessages;
using runnel::KeptEntry;
using runnel::Messages;
using runnel::Stream;
using runnel::Subscription;

namespace {

struct Node;
using Link = std::unique_ptr<Node>;

// Whatever can keep a message alive.
using Keeper = std::variant<std::monostate, BlockingList<Link>, Stream<Link>, Subscription<Link>,
                            Messages<Link>, KeptEntry<Link>, Entries<Link>, Deliveries<Link>,
                            Inbox<Link>, InboxMessages<Link>, Broker>;

struct Node {
    explicit Node(Keeper&& kept) noexcept : keeper{std::move(kept)} {}
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;
    ~Node() { ++died; }

    static inline std::size_t died = 0;

    Keeper keeper;
};

Link make(Keeper&& keeper) {
    return std::make_unique<Node>(std::move(keeper));
}

// These keep `inner`, each in its way.
Keeper in_list(Link&& inner) {
    BlockingList<Link> list;
    (void)list.push_back(std::move(inner));
    return list;
}
Keeper in_stream(Link&& inner) {
    Stream<Link> stream;
    stream.add(std::move(inner));
    return stream;
}
Keeper in_subscription(Link&& inner) {
    const Channel<Link> channel;
    auto subscription = channel.subscribe();
    channel.publish(std::move(inner));
    return subscription;
}
Keeper in_messages(Link&& inner) {
    const Channel<Link> channel;
    auto subscription = channel.subscribe();
    channel.publish(std::move(inner));
    return subscription.try_read();
}
Keeper in_kept_entry(Link&& inner) {
    const Stream<Link> stream;
    stream.add(std::move(inner));
    const auto entries = stream.range();
    return entries.front().keep();
}
// Of an entry that was erased while it was read.
Keeper in_entries(Link&& inner) {
    const Stream<Link> stream;
    const auto id = stream.add(std::move(inner));
    auto entries = stream.range();
    stream.erase({id});
    return entries;
}
Keeper in_deliveries(Link&& inner) {
    const Stream<Link> stream;
    auto group = stream.group("billing", {.from = runnel::From::start});
    stream.add(std::move(inner));
    return group.consumer("till").try_read();
}
Keeper in_inbox(Link&& inner) {
    const Channel<Link> channel;
    Inbox<Link> inbox;
    inbox.join(channel);
    channel.publish(std::move(inner));
    return inbox;
}
Keeper in_inbox_messages(Link&& inner) {
    const Channel<Link> channel;
    Inbox<Link> inbox;
    inbox.join(channel);
    channel.publish(std::move(inner));
    return inbox.try_read();
}
Keeper in_broker(Link&& inner) {
    Broker broker;
    (void)broker.list<Link>("inner").push_back(std::move(inner));
    return broker;
}

using Wrap = Keeper (*)(Link&&);

// A chain of `depth` nodes, of which each keeps the next in the way whose turn it is.
Link nested(std::size_t depth, const std::vector<Wrap>& ways) {
    Link node = make({});
    for (std::size_t at = 1; at < depth; ++at) node = make(ways[at % ways.size()](std::move(node)));
    return node;
}

void check_death_of(Link node, std::size_t depth) {
    Node::died = 0;
    node.reset();
    CHECK(Node::died == depth);
}

void check_deep_death(std::size_t depth, const std::vector<Wrap>& ways) {
    check_death_of(nested(depth, ways), depth);
}

}  // namespace

TEST_CASE("lists in lists die, however deep", "[lifetime]") {
    check_deep_death(runnel::test::scaled(1'000'000), {in_list});
}

TEST_CASE("whatever keeps a message that keeps a message dies, however deep", "[lifetime]") {
    const auto depth = runnel::test::scaled(50'000);
    SECTION("a stream") {
        check_deep_death(depth, {in_stream});
    }
    SECTION("a subscription") {
        check_deep_death(depth, {in_subscription});
    }
    SECTION("messages that were read") {
        check_deep_death(depth, {in_messages});
    }
    SECTION("an entry that was kept") {
        check_deep_death(depth, {in_kept_entry});
    }
    SECTION("entries that were erased meanwhile") {
        check_deep_death(depth, {in_entries});
    }
    SECTION("what a group delivered") {
        check_deep_death(depth, {in_deliveries});
    }
    SECTION("an inbox") {
        check_deep_death(depth, {in_inbox});
    }
    SECTION("messages of an inbox") {
        check_deep_death(depth, {in_inbox_messages});
    }
    SECTION("a broker") {
        check_deep_death(depth, {in_broker});
    }
}

TEST_CASE("they die in any mixture, however deep", "[lifetime]") {
    check_deep_death(runnel::test::scaled(50'000),
                     {in_list, in_entries, in_stream, in_kept_entry, in_messages, in_inbox,
                      in_deliveries, in_broker, in_subscription, in_inbox_messages});
}

TEST_CASE("a call that drops a deep one returns when all of it is dead", "[lifetime]") {
    const auto depth = runnel::test::scaled(50'000);
    Node::died = 0;
    SECTION("a pop") {
        const BlockingList<Link> list;
        (void)list.push_back(nested(depth, {in_list, in_stream}));
        (void)list.try_pop_front();
    }
    SECTION("trimming a stream") {
        const Stream<Link> stream;
        stream.add(nested(depth, {in_list, in_stream}));
        stream.trim({.count = 0});
    }
    CHECK(Node::died == depth);
}

TEST_CASE("handlers that own the next channel and their connection to it die, however deep",
          "[lifetime]") {
    struct Handled {
        Channel<int> channel;
        Connection connection;
    };
    struct Captured {
        explicit Captured(std::unique_ptr<Handled>&& next) noexcept : held{std::move(next)} {}
        std::unique_ptr<Handled> held;
        std::unique_ptr<Node> counted = std::make_unique<Node>(Keeper{});
    };
    const auto depth = runnel::test::scaled(100'000);
    std::unique_ptr<Handled> chain;
    for (std::size_t i = 0; i != depth; ++i) {
        auto one = std::make_unique<Handled>();
        one->connection =
            one->channel.on_message([captured = Captured{std::move(chain)}](const int&) {});
        chain = std::move(one);
    }
    Node::died = 0;
    chain.reset();
    CHECK(Node::died == depth);
}
