// SPDX-License-Identifier: MIT
// Before: does not compile: could not convert .* to .*GroupState
// The numbers of consumers wrapped after 2^32 of them, a matter of minutes: one was then taken for
// nobody, and a delivery of a consumer long gone could acknowledge for another one. A group can
// begin near that limit now, for tests only.
#include <runnel/detail/core/group_state.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

using runnel::StreamId;
using namespace runnel::detail;

namespace {

constexpr std::uint64_t limit = std::numeric_limits<std::uint32_t>::max();

struct Group {
    LogFacts log{.length = 1, .first_id = {1}, .last_id = {1}, .entries_added = 1};
    GroupState rules{{}, {}, log, limit - 2};

    ConsumerRecord& make(const std::string& name) { return rules.consumer({{}, name}, 0); }
    void deliver(ConsumerRecord& to) {
        rules.set_position({}, {}, log);
        rules.deliver({1}, to, 0, log, false);
    }
};

}  // namespace

TEST_CASE("consumers number 2^32 and those around it have what they read, and hand it in") {
    Group group;
    for (int left = 6; left != 0; --left) {
        ConsumerRecord& ann = group.make("ann");
        group.deliver(ann);
        CHECK(ann.pending == 1);
        const Fence fence{ann.serial, 1};
        CHECK(group.rules.acknowledge({1}, &fence).acknowledged == 1);
        CHECK(ann.pending == 0);
        group.rules.remove_consumer("ann");
    }
}

TEST_CASE("a consumer that is gone stays unknown, though its number is given again") {
    Group group;
    std::vector<ConsumerId> gone;
    for (int left = 6; left != 0; --left) {
        const ConsumerRecord& ann = group.make("ann");
        gone.push_back({ann.number, ann.serial});
        CHECK(ann.number == gone.front().number);
        for (const ConsumerId& each : gone)
            CHECK((group.rules.find(each) == &ann) == (each.serial == ann.serial));
        group.rules.remove_consumer("ann");
        CHECK(group.rules.find(gone.back()) == nullptr);
    }
}

TEST_CASE("a delivery of a consumer that is gone acknowledges nothing of who has its number") {
    Group group;
    ConsumerRecord& ann = group.make("ann");
    group.deliver(ann);
    const Fence of_ann{ann.serial, 1};
    group.rules.remove_consumer("ann");
    ConsumerRecord& bob = group.make("bob");
    group.deliver(bob);
    CHECK_FALSE(group.rules.acknowledge({1}, &of_ann));
    CHECK_FALSE(group.rules.extend({1}, 5, of_ann));
    CHECK(bob.pending == 1);
    const Fence of_bob{bob.serial, 1};
    CHECK(group.rules.extend({1}, 5, of_bob));
    CHECK(group.rules.release({1}, runnel::Nack::fail, &of_bob));
    CHECK_FALSE(group.rules.extend({1}, 6, of_bob));
}

TEST_CASE("numbers of those who are gone go to the next, in any order") {
    Group group;
    for (const char* name : {"a", "b", "c", "d"}) (void)group.make(name);
    for (const char* name : {"b", "d", "a"}) group.rules.remove_consumer(name);
    for (const char* name : {"e", "f", "g", "h"}) CHECK(group.make(name).number < 5);
    for (const char* name : {"c", "e", "f", "g", "h"})
        CHECK(group.rules.find(group.rules.find(name)->number) == group.rules.find(name));
}
