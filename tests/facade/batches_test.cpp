// SPDX-License-Identifier: MIT
// What all batches have in common, whatever they were read from.
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/delivery.hpp>
#include <runnel/entries.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/stream_id.hpp>
#include <runnel/subscription.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::Channel;
using runnel::Consumer;
using runnel::ConsumerGroup;
using runnel::Deliveries;
using runnel::Delivery;
using runnel::Ending;
using runnel::Entries;
using runnel::Entry;
using runnel::Inbox;
using runnel::InboxMessage;
using runnel::Push;
using runnel::Stream;
using runnel::StreamId;
using runnel::Subscription;

namespace {

using Numbers = std::vector<int>;

/// A message that cannot be copied, and that structured bindings can take apart.
struct Order {
    int number;
    std::unique_ptr<std::string> fruit = std::make_unique<std::string>("apple");
};

/// The ids 1-0 to 10-0, in blocks of 4.
Stream<Order> ten_orders() {
    Stream<Order> stream{{.block_entries = 4}};
    for (int number = 1; number <= 10; ++number)
        stream.add(StreamId{static_cast<std::uint64_t>(number)}, Order{number});
    return stream;
}

// ---- what batches are read from: read() gives a batch of the numbers `expected`, then empty ones

class PoppedFromList {
public:
    PoppedFromList() {
        for (const int number : expected) REQUIRE(list_.push_back(Order{number}) == Push::done);
    }
    auto read() { return list_.try_pop_front_many(10); }

    Numbers expected{1, 2, 3};

private:
    BlockingList<Order> list_;
};

class RangeOfStream {
public:
    auto read() {
        auto range = stream_.range();
        stream_.trim({.count = 0});
        return range;
    }

    Numbers expected{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

private:
    Stream<Order> stream_ = ten_orders();
};

class ReverseRangeOfStream {
public:
    auto read() {
        auto range = stream_.reverse_range({.from = StreamId{2}});
        stream_.trim({.count = 0});
        return range;
    }

    Numbers expected{10, 9, 8, 7, 6, 5, 4, 3, 2};

private:
    Stream<Order> stream_ = ten_orders();
};

/// Out of each block of four an entry was erased.
class RangeWithGaps {
public:
    RangeWithGaps() { stream_.erase({{1}, {6}, {7}, {10}}); }
    auto read() {
        auto range = stream_.range();
        stream_.trim({.count = 0});
        return range;
    }

    Numbers expected{2, 3, 4, 5, 8, 9};

private:
    Stream<Order> stream_ = ten_orders();
};

class ReverseRangeWithGaps {
public:
    ReverseRangeWithGaps() { stream_.erase({{2}, {3}, {5}, {8}}); }
    auto read() {
        auto range = stream_.reverse_range();
        stream_.trim({.count = 0});
        return range;
    }

    Numbers expected{10, 9, 7, 6, 4, 1};

private:
    Stream<Order> stream_ = ten_orders();
};

class ReadByCursor {
public:
    ReadByCursor() {
        for (const int number : expected) stream_.add(Order{number});
    }
    auto read() { return cursor_.try_read(); }

    Numbers expected{1, 2, 3, 4};

private:
    Stream<Order> stream_;
    runnel::Cursor<Order> cursor_ = stream_.cursor();
};

class ReadByGroup {
public:
    auto read() { return consumer_.try_read(); }

    Numbers expected{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

private:
    Stream<Order> stream_ = ten_orders();
    Consumer<Order> consumer_ =
        stream_.group("group", {.from = runnel::From::start}).consumer("ann");
};

class ReadBySubscription {
public:
    ReadBySubscription() {
        for (const int number : expected) REQUIRE(channel_.publish(Order{number}).reached == 1);
    }
    auto read() { return subscription_.try_read(); }

    Numbers expected{1, 2, 3, 4};

private:
    Channel<Order> channel_;
    Subscription<Order> subscription_ = channel_.subscribe();
};

class ReadByInbox {
public:
    ReadByInbox() {
        inbox_.join(channel_);
        for (const int number : expected) REQUIRE(channel_.publish(Order{number}).reached == 1);
    }
    auto read() { return inbox_.try_read(); }

    Numbers expected{1, 2, 3, 4, 5, 6};

private:
    Channel<Order> channel_;
    Inbox<Order> inbox_;
};

// ---- the number of an element, whatever stands around it

int number_of(const Order& order) {
    return order.number;
}
int number_of(const Entry<Order>& entry) {
    return entry.value.number;
}
int number_of(const Delivery<Order>& delivery) {
    return delivery.value.number;
}
int number_of(const InboxMessage<Order>& message) {
    return message.value.number;
}

template <typename Source>
using BatchOf = decltype(std::declval<Source>().read());

// What compiles for a batch that is about to die, or for one of another kind.
template <typename Batch>
concept HasIndex = requires(Batch&& batch) {
    std::forward<Batch>(batch)[0];
};
template <typename Batch>
concept HasFront = requires(Batch&& batch) {
    std::forward<Batch>(batch).front();
};
template <typename Batch>
concept HasBack = requires(Batch&& batch) {
    std::forward<Batch>(batch).back();
};
template <typename Batch>
concept HasBegin = requires(Batch&& batch) {
    std::forward<Batch>(batch).begin();
};
template <typename Batch>
concept HasEnd = requires(Batch&& batch) {
    std::forward<Batch>(batch).end();
};

// Whether front(), back() and [] of a dying batch hand out a value of their own.
template <typename Batch>
constexpr bool hands_out_values() {
    if constexpr (HasIndex<Batch>)
        return std::is_same_v<decltype(std::declval<Batch>()[0]), Order> &&
               std::is_same_v<decltype(std::declval<Batch>().front()), Order> &&
               std::is_same_v<decltype(std::declval<Batch>().back()), Order>;
    else
        return !HasFront<Batch> && !HasBack<Batch>;
}

}  // namespace

#define RUNNEL_SOURCES                                                                             \
    PoppedFromList, RangeOfStream, ReverseRangeOfStream, RangeWithGaps, ReverseRangeWithGaps,      \
        ReadByCursor, ReadByGroup, ReadBySubscription, ReadByInbox

TEMPLATE_TEST_CASE("a batch that has something is true, and has a size", "[batches]",
                   RUNNEL_SOURCES) {
    TestType source;
    const auto batch = source.read();
    CHECK(batch);
    CHECK_FALSE(batch.empty());
    CHECK(batch.size() == source.expected.size());
}

TEMPLATE_TEST_CASE("a batch that has nothing is false, and tells why", "[batches]",
                   RUNNEL_SOURCES) {
    TestType source;
    REQUIRE(source.read());
    const auto batch = source.read();
    CHECK_FALSE(batch);
    CHECK(batch.empty());
    CHECK(batch.size() == 0);
    CHECK(batch.begin() == batch.end());
    CHECK(batch.ending() == Ending::timed_out);
}

TEMPLATE_TEST_CASE("the elements of a batch are found by index, the ends by name", "[batches]",
                   RUNNEL_SOURCES) {
    TestType source;
    auto batch = source.read();
    REQUIRE(batch.size() == source.expected.size());
    Numbers numbers;
    for (std::size_t index = 0; index < batch.size(); ++index) {
        auto& element = batch[index];
        numbers.push_back(number_of(element));
    }
    CHECK(numbers == source.expected);
    auto& front = batch.front();
    const auto& back = std::as_const(batch).back();
    CHECK(number_of(front) == source.expected.front());
    CHECK(number_of(back) == source.expected.back());
    CHECK(number_of(std::as_const(batch).front()) == number_of(std::as_const(batch)[0]));
    CHECK(number_of(batch.back()) == number_of(batch[batch.size() - 1]));
}

TEMPLATE_TEST_CASE("a loop runs through a batch by auto& and by const auto&", "[batches]",
                   RUNNEL_SOURCES) {
    TestType source;
    auto batch = source.read();
    Numbers numbers;
    for (auto& element : batch) numbers.push_back(number_of(element));
    CHECK(numbers == source.expected);
    numbers.clear();
    for (const auto& element : batch) numbers.push_back(number_of(element));
    CHECK(numbers == source.expected);
    numbers.clear();
    for (auto&& element : batch) numbers.push_back(number_of(element));
    CHECK(numbers == source.expected);
    numbers.clear();
    for (auto& element : std::as_const(batch)) numbers.push_back(number_of(element));
    CHECK(numbers == source.expected);
}

TEMPLATE_TEST_CASE("a loop keeps the batch that it runs through", "[batches]", RUNNEL_SOURCES) {
    auto source = std::make_unique<TestType>();
    const Numbers expected = source->expected;
    Numbers numbers;
    for (const auto& element : source->read()) {
        source.reset();
        numbers.push_back(number_of(element));
    }
    CHECK(numbers == expected);
}

TEMPLATE_TEST_CASE("a batch is a range with a size, which may be run through twice", "[batches]",
                   RUNNEL_SOURCES) {
    using Batch = BatchOf<TestType>;
    STATIC_REQUIRE(std::ranges::forward_range<Batch&>);
    STATIC_REQUIRE(std::ranges::forward_range<const Batch&>);
    STATIC_REQUIRE(std::ranges::sized_range<const Batch&>);
    TestType source;
    const auto batch = source.read();
    const auto is_last = [&](const auto& element) {
        return number_of(element) == source.expected.back();
    };
    const auto found = std::ranges::find_if(batch, is_last);
    REQUIRE(found != batch.end());
    CHECK(std::ranges::distance(batch.begin(), found) + 1 == std::ranges::ssize(batch));
}

TEMPLATE_TEST_CASE("a batch that is moved takes its elements along", "[batches]", RUNNEL_SOURCES) {
    TestType source;
    auto batch = source.read();
    auto moved = std::move(batch);
    CHECK(batch.empty());  // NOLINT(bugprone-use-after-move)
    REQUIRE(moved.size() == source.expected.size());
    CHECK(number_of(moved.back()) == source.expected.back());
    batch = std::move(moved);
    CHECK(moved.empty());  // NOLINT(bugprone-use-after-move)
    REQUIRE(batch.size() == source.expected.size());
    CHECK(number_of(batch.front()) == source.expected.front());
    batch = source.read();
    CHECK_FALSE(batch);
}

TEMPLATE_TEST_CASE("nothing refers into a batch that dies", "[batches]", RUNNEL_SOURCES) {
    using Batch = BatchOf<TestType>;
    STATIC_REQUIRE(hands_out_values<Batch>());
    STATIC_REQUIRE_FALSE(HasBegin<Batch>);
    STATIC_REQUIRE_FALSE(HasEnd<Batch>);
    STATIC_REQUIRE_FALSE(HasIndex<const Batch>);
    STATIC_REQUIRE_FALSE(HasFront<const Batch>);
    STATIC_REQUIRE_FALSE(HasBack<const Batch>);
    STATIC_REQUIRE_FALSE(HasBegin<const Batch>);
    STATIC_REQUIRE_FALSE(HasEnd<const Batch>);
    STATIC_REQUIRE(HasIndex<Batch&> && HasFront<Batch&> && HasBack<Batch&>);
    STATIC_REQUIRE(HasBegin<const Batch&> && HasEnd<const Batch&>);
}

// ---- structured bindings

TEST_CASE("messages of lists and subscriptions are taken apart as they are", "[batches]") {
    Numbers numbers;
    for (auto& [number, fruit] : PoppedFromList{}.read()) {
        numbers.push_back(number);
        fruit->append("s");
        CHECK(*fruit == "apples");
    }
    CHECK(numbers == PoppedFromList{}.expected);
    numbers.clear();
    for (const auto& [number, fruit] : ReadBySubscription{}.read()) {
        numbers.push_back(number);
        CHECK(*fruit == "apple");
    }
    CHECK(numbers == ReadBySubscription{}.expected);
}

TEST_CASE("an entry is an id and a value", "[batches][stream]") {
    RangeOfStream source;
    const auto batch = source.read();
    Numbers numbers;
    for (const auto& [id, value] : batch) {
        CHECK(id.ms == static_cast<std::uint64_t>(value.number));
        numbers.push_back(value.number);
    }
    CHECK(numbers == source.expected);
    for (auto& [id, value] : batch) CHECK(id == StreamId{static_cast<std::uint64_t>(value.number)});
    for (auto [id, value] : batch) CHECK(*value.fruit == "apple");
    const auto& [id, value] = batch[4];
    CHECK(id == StreamId{5});
    CHECK(&value == &batch[4].value);
    STATIC_REQUIRE(std::is_same_v<decltype(id), const StreamId>);
    STATIC_REQUIRE(std::is_same_v<decltype(value), const Order&>);
}

TEST_CASE("a delivery is an id, a value and an attempt", "[batches][group]") {
    ReadByGroup source;
    const auto batch = source.read();
    Numbers numbers;
    for (const auto& [id, value, attempt] : batch) {
        CHECK(id.ms == static_cast<std::uint64_t>(value.number));
        CHECK(attempt == 1);
        numbers.push_back(value.number);
    }
    CHECK(numbers == source.expected);
    auto& [id, value, attempt] = batch.back();
    CHECK(id == StreamId{10});
    CHECK(&value == &batch.back().value);
    STATIC_REQUIRE(std::is_same_v<decltype(value), const Order&>);
    STATIC_REQUIRE(std::is_same_v<decltype(attempt), const std::uint64_t>);
}

TEST_CASE("a message of an inbox is a value, and where it came from", "[batches][channel]") {
    Numbers numbers;
    for (const auto& [value, channel, pattern, missed] : ReadByInbox{}.read()) {
        CHECK(channel.empty());
        CHECK(pattern.empty());
        CHECK(missed == 0);
        numbers.push_back(value.number);
    }
    CHECK(numbers == ReadByInbox{}.expected);
}
