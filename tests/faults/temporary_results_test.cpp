// SPDX-License-Identifier: MIT
// Before: fails: CHECK_FALSE\( Points<Found> \)
//
// `const Order& order = orders.find(id)->value();` compiled, and referred to an entry that nothing
// kept any more. So did other results and handles when they were temporaries: names, lost ids, what
// a kept entry and a popped element point to.
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/delivery.hpp>
#include <runnel/entries.hpp>
#include <runnel/group_options.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/stream_id.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using runnel::Batch;
using runnel::BlockingList;
using runnel::Channel;
using runnel::Consumer;
using runnel::ConsumerGroup;
using runnel::Deliveries;
using runnel::KeptEntry;
using runnel::Popped;
using runnel::Stream;
using runnel::StreamId;

namespace {

using Text = std::string;
using Found = decltype(std::declval<Stream<Text>>().find(StreamId{}));

// What compiles for a temporary.
template <typename Result>
concept Points = requires {
    std::declval<Result>().operator->();
};
template <typename Result>
concept Iterates = requires {
    std::declval<Result>().begin();
};

}  // namespace

TEST_CASE("nothing points into a result that is a temporary", "[stream][list]") {
    CHECK_FALSE(Points<Found>);
    CHECK_FALSE(Points<const Found>);
    CHECK_FALSE(Points<KeptEntry<Text>>);
    CHECK_FALSE(Points<Popped<Text>>);
    CHECK_FALSE(Points<const Popped<Text>>);
    CHECK_FALSE(Iterates<Batch<Text>>);
    CHECK(Points<Found&>);
    CHECK(Points<const KeptEntry<Text>&>);
    CHECK(Points<const Popped<Text>&>);
    CHECK(Iterates<Batch<Text>&>);
}

TEST_CASE("a temporary hands out what it has, not a reference", "[stream][list][channel]") {
    CHECK(std::is_same_v<decltype(*std::declval<Found>()), KeptEntry<Text>>);
    CHECK(std::is_same_v<decltype(*std::declval<Popped<Text>>()), Text>);
    CHECK(std::is_same_v<decltype(std::declval<Batch<Text>>()[0]), Text>);
    CHECK(std::is_same_v<decltype(std::declval<Deliveries<Text>>().lost()), std::vector<StreamId>>);
    CHECK(std::is_same_v<decltype(std::declval<Consumer<Text>>().name()), std::string>);
    CHECK(std::is_same_v<decltype(std::declval<ConsumerGroup<Text>>().name()), std::string>);
    CHECK(std::is_same_v<decltype(std::declval<Channel<Text>>().name()), std::string>);
}

TEST_CASE("a loop may run through the lost ids of a claim", "[stream][group]") {
    const Stream<Text> stream;
    const auto ann = stream.group("group").consumer("ann");
    for (const std::uint64_t number : {1U, 2U}) stream.add({number}, "text");
    REQUIRE(ann.try_read().size() == 2);
    stream.erase({{1}, {2}});
    std::vector<StreamId> lost;
    for (const StreamId id : ann.history().lost()) lost.push_back(id);
    CHECK(lost == std::vector<StreamId>{{1}, {2}});
}

TEST_CASE("options keep the name of a consumer", "[stream][group]") {
    const Stream<Text> stream;
    const auto group = stream.group("group");
    const std::string name(100, 'a');
    stream.add("text");
    REQUIRE(group.consumer(name).try_read().size() == 1);
    const runnel::PendingOptions options{.consumer = group.consumer(name).name()};
    CHECK(group.pending(options).size() == 1);
}
