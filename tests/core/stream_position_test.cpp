// SPDX-License-Identifier: MIT
#include <runnel/detail/blocks/segmented_log.hpp>
#include <runnel/detail/core/stream_facts.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/detail/core/stream_position.hpp>
#include <runnel/stream_id.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using runnel::StreamId;
using runnel::detail::check_position;
using runnel::detail::Disposal;
using runnel::detail::is_consistent;
using runnel::detail::LogFacts;
using runnel::detail::PositionRefusal;
using runnel::detail::StreamLog;

namespace {

struct Log {
    StreamLog<std::string> log;
    Disposal<std::string> disposal;

    void add(StreamId id) {
        log.reserve(id, disposal);
        log.append(id, to_string(id));
    }
    [[nodiscard]] static std::vector<StreamId> ids(const StreamLog<std::string>& log) {
        std::vector<StreamId> all;
        for (auto place = log.first(); place; place = StreamLog<std::string>::next(place)) {
            CHECK(place.value() == to_string(place.id()));
            CHECK(log.find(place.id()) == place);
            all.push_back(place.id());
        }
        return all;
    }
    [[nodiscard]] std::vector<StreamId> ids() const { return ids(log); }
};

using Ids = std::vector<StreamId>;

constexpr LogFacts three{3, {4}, {7}, {2}, 5};  // 4-0 to 6-0, and 2-0 was erased
constexpr StreamId top{6};

}  // namespace

// ------------------------------------------------------------------ what is allowed

TEST_CASE("an erased id cannot be greater than the last one", "[position]") {
    STATIC_REQUIRE(is_consistent({.last_id = {5}, .max_deleted_id = {5}}));
    STATIC_REQUIRE_FALSE(is_consistent({.last_id = {5}, .max_deleted_id = {5, 1}}));
}

TEST_CASE("the last id cannot be less than that of an entry, or of one that was erased",
          "[position]") {
    STATIC_REQUIRE(check_position({{6}}, three, top) == PositionRefusal::none);
    STATIC_REQUIRE(check_position({{5, 9}}, three, top) == PositionRefusal::less_than_last_entry);
    STATIC_REQUIRE(check_position({{1}}, three, top) == PositionRefusal::less_than_max_deleted);
    STATIC_REQUIRE(check_position({{9}}, three, top) == PositionRefusal::none);
}

TEST_CASE("no fewer entries can have been added than there are", "[position]") {
    STATIC_REQUIRE(check_position({{9}, 3}, three, top) == PositionRefusal::none);
    STATIC_REQUIRE(check_position({{9}, 2}, three, top) ==
                   PositionRefusal::fewer_added_than_there_are);
    STATIC_REQUIRE(check_position({{1}, 2}, three, top) == PositionRefusal::less_than_max_deleted);
    STATIC_REQUIRE(check_position({{5}, 2}, three, top) == PositionRefusal::less_than_last_entry);
}

TEST_CASE("an empty stream goes back as far as the entries that were erased", "[position]") {
    constexpr LogFacts empty{0, {}, {7}, {2}, 5};
    STATIC_REQUIRE(check_position({{2}, 0}, empty, {}) == PositionRefusal::none);
    STATIC_REQUIRE(check_position({{1, 9}}, empty, {}) == PositionRefusal::less_than_max_deleted);
}

// ------------------------------------------------------------------ the log

TEST_CASE_METHOD(Log, "a position changes what it names, and no more", "[position]") {
    add({1});
    add({2});
    log.erase(log.find({1}), disposal);
    log.set_position({.last_id = {9}});
    CHECK(log.facts().last_id == StreamId{9});
    CHECK(log.facts().entries_added == 2);
    CHECK(log.facts().max_deleted_id == StreamId{1});
    log.set_position({.last_id = {9}, .entries_added = 7, .max_deleted_id = {8}});
    CHECK(log.facts().entries_added == 7);
    CHECK(log.facts().max_deleted_id == StreamId{8});
    CHECK(log.size() == 1);
}

TEST_CASE_METHOD(Log, "how many entries were trimmed does not depend on how many were added",
                 "[position]") {
    add({1});
    add({2});
    add({3});
    log.trim_to_length(1, disposal);
    log.set_position({.last_id = {3}, .entries_added = 1});
    CHECK(log.trimmed() == 2);
    log.set_position({.last_id = {3}, .entries_added = 100});
    CHECK(log.trimmed() == 2);
    add({4});
    log.trim_to_length(1, disposal);
    CHECK(log.trimmed() == 3);
}

TEST_CASE_METHOD(Log, "a log that goes back takes ids again that were trimmed", "[position]") {
    add({1});
    add({2});
    log.trim_to_length(0, disposal);
    log.set_position({.last_id = {1}});
    add({1, 5});
    add({2});
    CHECK(ids() == Ids{{1, 5}, {2}});
}

TEST_CASE_METHOD(Log, "a log that goes back over one entry of many stays in order", "[position]") {
    for (std::uint64_t ms = 1; ms != 100; ++ms) {
        add({ms});
        add({ms, 5});
        log.trim(log.find({ms, 5}), disposal);
        log.set_position({.last_id = {ms}});
        add({ms, 3});
    }
    CHECK(ids().size() == 198);
    CHECK(log.lower_bound({50, 4}).id() == StreamId{51});
    CHECK(log.at_most({50, 9}).id() == StreamId{50, 3});
    CHECK(log.after({99}).id() == StreamId{99, 3});
    CHECK_FALSE(log.after({99, 3}));
}

TEST_CASE_METHOD(Log, "one entry can be trimmed wherever it stands", "[position]") {
    for (std::uint64_t ms = 1; ms != 20; ++ms) add({ms});
    log.trim(log.find({10}), disposal);
    CHECK_FALSE(log.find({10}));
    CHECK(log.trimmed() == 1);
    CHECK(log.size() == 18);
    CHECK(log.facts().max_deleted_id == StreamId{});
}

// ------------------------------------------------------------------ copies

TEST_CASE_METHOD(Log, "a copy of a log has the same entries and the same position", "[position]") {
    for (std::uint64_t ms = 1; ms != 100; ++ms) add({ms});
    for (std::uint64_t ms = 1; ms < 80; ms += 3) log.erase(log.find({ms}), disposal);
    log.trim_to_length(50, disposal);
    log.set_position({.last_id = {200}});
    StreamLog<std::string> copy;
    copy.copy(log, disposal);
    CHECK(ids(copy) == ids());
    const LogFacts facts = copy.facts();
    CHECK(facts.last_id == StreamId{200});
    CHECK(facts.max_deleted_id == log.facts().max_deleted_id);
    CHECK(facts.entries_added == 99);
    CHECK(facts.first_id == log.facts().first_id);
}

TEST_CASE_METHOD(Log, "a copy of a log is on its own", "[position]") {
    add({1});
    StreamLog<std::string> copy;
    copy.copy(log, disposal);
    add({2});
    copy.erase(copy.find({1}), disposal);
    CHECK(ids() == Ids{{1}, {2}});
    CHECK(copy.size() == 0);
    CHECK(copy.last_id() == StreamId{1});
}

TEST_CASE_METHOD(Log, "a copy of an empty log goes on where the log was", "[position]") {
    add({5});
    log.erase(log.find({5}), disposal);
    StreamLog<std::string> copy;
    copy.copy(log, disposal);
    CHECK(copy.last_id() == StreamId{5});
    CHECK(copy.facts().max_deleted_id == StreamId{5});
}
