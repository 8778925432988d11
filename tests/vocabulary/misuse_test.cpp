// SPDX-License-Identifier: MIT
// Each mistake of a caller ends a child process with a message; the parent reads the message.
#ifndef RUNNEL_ASSERTS
#    define RUNNEL_ASSERTS 1
#endif
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/wait_any.hpp>

#include "support/catch.hpp"
#include "support/last_words.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace runnel;
using runnel::test::last_words;
using namespace std::chrono_literals;

namespace {

const FirstOptions at_once{.timeout = 0s};

struct Mistake {
    const char* message;
    std::function<void()> made;
};

void check(const std::vector<Mistake>& mistakes) {
    for (const auto& [message, made] : mistakes)
        CHECK_THAT(last_words(made), Catch::Matchers::Contains(message));
}

}  // namespace

TEST_CASE("an operator that is misused says how and which condition is false", "[misuse]") {
    const BlockingList<int> list;
    const std::string message = last_words([&] { (void)*list.try_pop_front(); });
    CHECK_THAT(message, Catch::Matchers::Contains("outcome.hpp:"));
    CHECK_THAT(message, Catch::Matchers::Contains(
                            ": runnel: * of a Popped without a value (not true: has_value())\n"));
}

TEST_CASE("a named member that is misused says where it was called", "[misuse]") {
    const BlockingList<int> list;
    REQUIRE(list.push_back(1) == Push::done);
    const auto popped = list.try_pop_front();
    const auto mistake = [&] { (void)popped.ending(); };
    const int line = __LINE__ - 1;
    CHECK(last_words(mistake) ==
          std::string{__FILE__} + ':' + std::to_string(line) +
              ": runnel: ending() of a Popped that has a value (not true: !has_value())\n");
}

TEST_CASE("what is used rightly says nothing", "[misuse]") {
    const BlockingList<int> list;
    CHECK(last_words([&] { (void)list.try_pop_front().ending(); }).empty());
}

TEST_CASE("a value that is not there is refused with the place of the call", "[misuse]") {
    const BlockingList<int> list;
    const auto popped = list.try_pop_front();
    const std::string place = std::string{__FILE__} + ':' + std::to_string(__LINE__ + 1);
    CHECK_THROWS_WITH(popped.value(), Catch::Matchers::Contains(place));
}

TEST_CASE("what is taken out of an empty result is told", "[misuse]") {
    const BlockingList<std::string> list;
    const Stream<std::string> stream;
    const auto consumer = stream.group("group").consumer("ann");
    const Channel<std::string> channel;
    auto view = channel.subscribe();
    Inbox<std::string> inbox;
    auto popped = list.try_pop_front();
    const auto batch = list.try_pop_front_many(1);
    const auto entries = stream.range();
    const auto deliveries = consumer.try_read();
    const auto messages = view.try_read();
    const auto inbox_messages = inbox.try_read();
    const auto found = stream.find({1, 1});
    check({
        {"-> of a Popped without a value", [&] { (void)popped->size(); }},
        {"which() of a PoppedFrom without", [&] { (void)pop_first({list}, at_once).which(); }},
        {"which() of a WaitedAny without",
         [&] { (void)wait_any({list}, {.timeout = 0s}).which(); }},
        {"* of a FoundEntry without an entry", [&] { (void)(*found).id(); }},
        {"-> of a FoundEntry without an entry", [&] { (void)found->id(); }},
        {"[] of a Batch behind its end", [&] { (void)batch[0]; }},
        {"front() of an empty Batch", [&] { (void)batch.front(); }},
        {"back() of an empty Batch", [&] { (void)batch.back(); }},
        {"[] of Entries behind their end", [&] { (void)entries[0]; }},
        {"front() of empty Entries", [&] { (void)entries.front(); }},
        {"back() of empty Entries", [&] { (void)entries.back(); }},
        {"* of the end of Entries", [&] { (void)*entries.begin(); }},
        {"++ of the end of Entries", [&] { (void)++entries.begin(); }},
        {"[] of Deliveries behind their end", [&] { (void)deliveries[0]; }},
        {"front() of empty Deliveries", [&] { (void)deliveries.front(); }},
        {"back() of empty Deliveries", [&] { (void)deliveries.back(); }},
        {"[] of Messages behind their end", [&] { (void)messages[0]; }},
        {"front() of empty Messages", [&] { (void)messages.front(); }},
        {"back() of empty Messages", [&] { (void)messages.back(); }},
        {"* of the end of Messages", [&] { (void)*messages.begin(); }},
        {"[] of InboxMessages behind their end", [&] { (void)inbox_messages[0]; }},
        {"front() of empty InboxMessages", [&] { (void)inbox_messages.front(); }},
        {"back() of empty InboxMessages", [&] { (void)inbox_messages.back(); }},
    });
}

TEST_CASE("a result that has something is not asked why it has nothing", "[misuse]") {
    const BlockingList<int> list;
    const Stream<int> stream;
    const auto consumer = stream.group("group").consumer("ann");
    const Channel<int> channel;
    auto view = channel.subscribe();
    Inbox<int> inbox;
    inbox.join(channel);
    for (const int number : {1, 2}) REQUIRE(list.push_back(number) == Push::done);
    stream.add(1);
    REQUIRE(channel.publish(1) == 2);
    const auto batch = list.try_pop_front_many(1);
    const auto deliveries = consumer.try_read();
    const auto messages = view.try_read();
    const auto inbox_messages = inbox.try_read();
    check({
        {"ending() of a Batch that has values", [&] { (void)batch.ending(); }},
        {"ending() of Entries that have entries", [&] { (void)stream.range().ending(); }},
        {"ending() of Deliveries that have entries", [&] { (void)deliveries.ending(); }},
        {"ending() of Messages that have messages", [&] { (void)messages.ending(); }},
        {"ending() of InboxMessages that have messages", [&] { (void)inbox_messages.ending(); }},
        {"ending() of a WaitedAny that has an object", [&] { (void)wait_any({list}).ending(); }},
    });
}

TEST_CASE("what was moved from is not used", "[misuse][moved]") {
    const Stream<int> stream;
    const StreamId id = stream.add(1);
    const Channel<int> channel;
    auto cursor = stream.cursor();
    const auto cursor_now = std::move(cursor);
    auto consumer = stream.group("group").consumer("ann");
    const auto consumer_now = std::move(consumer);
    auto kept = *stream.find(id);
    const auto kept_now = std::move(kept);
    auto view = channel.subscribe();
    const auto view_now = std::move(view);
    Inbox<int> inbox;
    const auto inbox_now = std::move(inbox);
    Watch watch{stream.group("group").consumer("ann")};
    const auto watch_now = std::move(watch);
    check({
        {": runnel: read() of a Cursor that was moved from", [&] { (void)cursor.read(); }},
        {": runnel: try_read() of a Cursor that was moved from", [&] { (void)cursor.try_read(); }},
        {"async_read() of a Cursor that was moved from", [&] { (void)cursor.async_read(); }},
        {"position() of a Cursor that was moved from", [&] { (void)cursor.position(); }},
        {"a Watch of a Cursor that was moved from", [&] { (void)Watch{cursor}; }},
        {"name() of a Consumer that was moved from", [&] { (void)consumer.name(); }},
        {": runnel: read() of a Consumer that was moved from", [&] { (void)consumer.read(); }},
        {"try_read() of a Consumer that was moved from", [&] { (void)consumer.try_read(); }},
        {"async_read() of a Consumer that was moved from", [&] { (void)consumer.async_read(); }},
        {"history() of a Consumer that was moved from", [&] { (void)consumer.history(); }},
        {": runnel: claim() of a Consumer that was moved from",
         [&] { (void)consumer.claim({id}, {.min_idle = 0s}); }},
        {"autoclaim() of a Consumer that was moved from",
         [&] { (void)consumer.autoclaim({.min_idle = 0s}); }},
        {"a Watch of a Consumer that was moved from", [&] { (void)Watch{consumer}; }},
        {"id() of a KeptEntry that was moved from", [&] { (void)kept.id(); }},
        {"value() of a KeptEntry that was moved from", [&] { (void)kept.value(); }},
        {"* of a KeptEntry that was moved from", [&] { (void)*kept; }},
        {"-> of a KeptEntry that was moved from", [&] { (void)kept.operator->(); }},
        {": runnel: read() of a Subscription that was moved from", [&] { (void)view.read(); }},
        {"try_read() of a Subscription that was moved from", [&] { (void)view.try_read(); }},
        {"missed() of a Subscription that was moved from", [&] { (void)view.missed(); }},
        {"connected() of a Subscription that was moved from", [&] { (void)view.connected(); }},
        {"a Watch of a Subscription that was moved from", [&] { (void)Watch{view}; }},
        {"join() of an Inbox that was moved from", [&] { inbox.join(channel); }},
        {"leave() of an Inbox that was moved from", [&] { (void)inbox.leave(channel); }},
        {": runnel: read() of an Inbox that was moved from", [&] { (void)inbox.read(); }},
        {"try_read() of an Inbox that was moved from", [&] { (void)inbox.try_read(); }},
        {"missed() of an Inbox that was moved from", [&] { (void)inbox.missed(); }},
        {"connected() of an Inbox that was moved from", [&] { (void)inbox.connected(); }},
        {"a Watch of an Inbox that was moved from", [&] { (void)Watch{inbox}; }},
        {"clock() of a Watch that was moved from", [&] { (void)watch.clock(); }},
    });
}

TEST_CASE("what was moved from can be assigned to", "[misuse][moved]") {
    const Stream<int> stream;
    stream.add(1);
    auto consumer = stream.group("group").consumer("ann");
    auto other = std::move(consumer);
    consumer = other;
    CHECK(consumer.name() == "ann");
    CHECK(consumer.try_read().size() == 1);
}

TEST_CASE("a group that was moved from is the same group", "[misuse][moved]") {
    const Stream<int> stream;
    auto group = stream.group("group");
    const auto other = std::move(group);
    CHECK(group == other);
    CHECK(group.name() == "group");
}

TEST_CASE("an element that puts a handle elsewhere while its list dies is told", "[misuse]") {
    using Element = std::shared_ptr<void>;
    std::optional<BlockingList<Element>> elsewhere;
    check({{"put a handle to it elsewhere", [&] {
                const BlockingList<Element> list;
                (void)list.push_back(Element{nullptr, [&](void*) { elsewhere.emplace(list); }});
            }}});
}
