// SPDX-License-Identifier: MIT
#include <runnel/detail/blocks/segmented_log.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/macro_nodes.hpp>
#include <runnel/detail/core/references.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/detail/core/stream_trim.hpp>
#include <runnel/stream_id.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using runnel::StreamId;
using runnel::detail::Disposal;
using runnel::detail::Erasure;
using runnel::detail::GroupState;
using runnel::detail::MacroNodeLimits;
using runnel::detail::MacroNodes;
using runnel::detail::NodedLog;
using runnel::detail::References;
using runnel::detail::StreamLog;
using runnel::detail::TrimRules;

namespace {

// A stream with groups, whose entries are 1-0, 2-0, …
struct Stream {
    StreamLog<int> log;
    MacroNodes nodes;
    std::map<std::string, GroupState, std::less<>> groups;
    MacroNodeLimits limits;

    // What was told.
    struct Told {
        std::vector<std::uint64_t> removed;
        std::vector<std::pair<std::string, std::uint64_t>> references;

        void trimmed(StreamId id) noexcept { removed.push_back(id.ms); }
        void erased(StreamId id) noexcept { removed.push_back(id.ms); }
        void dropped(std::string_view group, StreamId id) noexcept {
            references.emplace_back(group, id.ms);
        }
    };
    Told told;

    void add(std::uint64_t ms) {
        Disposal<int> disposal;
        log.reserve({ms}, disposal);
        auto prepared = nodes.prepare({ms}, std::vector<std::string_view>{"f", "v"}, limits);
        log.append({ms}, static_cast<int>(ms));
        nodes.append(std::move(prepared));
    }
    void add_range(std::uint64_t first, std::uint64_t last) {
        for (auto ms = first; ms <= last; ++ms) add(ms);
    }
    [[nodiscard]] NodedLog<int> stream() noexcept { return {log, nodes}; }

    // A group that has delivered all up to `last`, of which `pending` are not acknowledged.
    void group(const std::string& name, std::uint64_t last,
               std::initializer_list<std::uint64_t> pending = {}) {
        auto& made = groups.try_emplace(name, StreamId{}, std::nullopt, log.facts()).first->second;
        auto& alice = made.consumer({{}, "alice"}, 0);
        for (const std::uint64_t ms : pending) made.deliver({ms}, alice, 0, log.facts(), false);
        made.set_position({last}, std::nullopt, log.facts());
    }

    std::size_t trim(const TrimRules& rules) {
        Disposal<int> disposal;
        const std::size_t before = told.removed.size();
        const std::size_t trimmed = trim_stream(stream(), groups, rules, disposal, told);
        CHECK(told.removed.size() - before == trimmed);
        return trimmed;
    }
    Erasure erase(std::uint64_t ms, References references = References::keep) {
        Disposal<int> disposal;
        return erase_entry(stream(), groups, {ms}, references, disposal, told);
    }
    Erasure acknowledge(const std::string& group, std::uint64_t ms, References references) {
        Disposal<int> disposal;
        return acknowledge_and_erase(stream(), groups, groups.find(group), {ms}, references,
                                     disposal, told);
    }

    [[nodiscard]] std::vector<std::uint64_t> left() const {
        std::vector<std::uint64_t> ids;
        for (auto place = log.first(); place; place = StreamLog<int>::next(place))
            ids.push_back(place.id().ms);
        return ids;
    }
    [[nodiscard]] std::size_t pending(const std::string& name) const {
        return groups.find(name)->second.pending().size();
    }
};
// As before, in nodes of three entries.
struct SmallNodes : Stream {
    SmallNodes() { limits.entries = 3; }
};

using Ids = std::vector<std::uint64_t>;

}  // namespace

// ------------------------------------------------------------------ trimming whatever refers to it

TEST_CASE_METHOD(Stream, "an exact trim leaves as many entries as it is told", "[trim]") {
    add_range(1, 250);
    CHECK(trim({.length = 250}) == 0);
    CHECK(trim({.length = 151}) == 99);
    CHECK(nodes.size() == 3);
    CHECK(trim({.length = 149}) == 2);
    CHECK(nodes.size() == 2);
    CHECK(log.first().id() == StreamId{102});
    CHECK(trim({.length = 0}) == 149);
    CHECK(nodes.size() == 0);
    CHECK(log.size() == 0);
}

TEST_CASE_METHOD(Stream, "an exact trim leaves what is not less than the id", "[trim]") {
    add_range(1, 250);
    CHECK(trim({.before = StreamId{1}}) == 0);
    CHECK(trim({.before = StreamId{101}}) == 100);
    CHECK(nodes.size() == 2);
    CHECK(trim({.before = StreamId{103}}) == 2);
    CHECK(trim({.before = StreamId{999}}) == 148);
}

TEST_CASE_METHOD(Stream, "trimming does not count as erasing", "[trim]") {
    add_range(1, 3);
    trim({.length = 1});
    CHECK(log.facts().max_deleted_id == StreamId{});
    CHECK(log.trimmed() == 2);
    CHECK(log.facts().entries_added == 3);
}

TEST_CASE_METHOD(Stream, "an approximate trim takes whole nodes", "[trim]") {
    add_range(1, 250);
    CHECK(trim({.length = 151, .whole_nodes = true}) == 0);
    CHECK(trim({.length = 150, .whole_nodes = true}) == 100);
    CHECK(trim({.before = StreamId{200}, .whole_nodes = true}) == 0);
    CHECK(trim({.before = StreamId{201}, .whole_nodes = true}) == 100);
    CHECK(trim({.length = 0, .whole_nodes = true}) == 50);
}

TEST_CASE_METHOD(Stream, "an approximate trim takes no node beyond its limit", "[trim]") {
    add_range(1, 250);
    CHECK(trim({.length = 5, .whole_nodes = true, .limit = 1}) == 0);
    CHECK(trim({.length = 5, .whole_nodes = true, .limit = 99}) == 0);
    CHECK(trim({.length = 5, .whole_nodes = true, .limit = 150}) == 100);
    CHECK(trim({.length = 0, .whole_nodes = true, .limit = 150}) == 150);
}

TEST_CASE("without a number in the command, an approximate trim takes 100 nodes at most",
          "[trim]") {
    STATIC_REQUIRE(TrimRules::usual_limit(100) == 10'000);
    STATIC_REQUIRE(TrimRules::usual_limit(3) == 300);
    STATIC_REQUIRE(TrimRules::usual_limit(0) == 10'000);
    STATIC_REQUIRE(TrimRules::usual_limit(10'000) == 1'000'000);
    STATIC_REQUIRE(TrimRules::usual_limit(10'001) == 1'000'000);
}

TEST_CASE_METHOD(SmallNodes, "an approximate trim counts only the live entries of a node",
                 "[trim]") {
    add_range(1, 6);
    erase(2);
    CHECK(trim({.length = 4, .whole_nodes = true}) == 0);
    CHECK(trim({.length = 3, .whole_nodes = true, .limit = 2}) == 2);
    CHECK(left() == Ids{4, 5, 6});
}

TEST_CASE_METHOD(SmallNodes, "the last id of a node is also that of an entry that was erased",
                 "[trim]") {
    add_range(1, 6);
    erase(3);
    CHECK(trim({.before = StreamId{3}, .whole_nodes = true}) == 0);
    CHECK(trim({.before = StreamId{4}, .whole_nodes = true}) == 2);
}

TEST_CASE_METHOD(SmallNodes, "an exact trim goes on behind a node that ends with erased entries",
                 "[trim]") {
    add_range(1, 6);
    erase(3);
    CHECK(trim({.before = StreamId{3}}) == 2);
    CHECK(left() == Ids{4, 5, 6});
    CHECK(nodes.size() == 1);
}

TEST_CASE_METHOD(Stream, "a trim that keeps references leaves entries pending", "[trim]") {
    add_range(1, 3);
    group("g", 2, {1, 2});
    CHECK(trim({.length = 0}) == 3);
    CHECK(pending("g") == 2);
    CHECK(told.references.empty());
}

TEST_CASE_METHOD(Stream, "a trim tells what it removes, the oldest first", "[trim]") {
    add_range(1, 4);
    trim({.length = 2});
    CHECK(told.removed == Ids{1, 2});
}

// ------------------------------------------------------------------ trimming what nobody refers to

TEST_CASE_METHOD(Stream, "a trim that drops references leaves nothing pending that it removes",
                 "[trim]") {
    add_range(1, 4);
    group("g", 3, {1, 3});
    group("h", 1, {1});
    CHECK(trim({.length = 2, .references = References::drop}) == 2);
    CHECK(left() == Ids{3, 4});
    CHECK(pending("g") == 1);
    CHECK(pending("h") == 0);
    using Reference = std::pair<std::string, std::uint64_t>;
    CHECK(told.references == std::vector<Reference>{{"g", 1}, {"h", 1}});
}

TEST_CASE_METHOD(Stream, "a trim of what is acknowledged passes over what is not", "[trim]") {
    add_range(1, 6);
    group("g", 4, {2});
    CHECK(trim({.length = 0, .references = References::acknowledged}) == 3);
    CHECK(left() == Ids{2, 5, 6});
    CHECK(log.find({2}).value() == 2);
    CHECK(nodes.size() == 1);
}

TEST_CASE_METHOD(Stream, "a trim of what is acknowledged ends at the length", "[trim]") {
    add_range(1, 6);
    group("g", 6, {1, 2});
    CHECK(trim({.length = 4, .references = References::acknowledged}) == 2);
    CHECK(left() == Ids{1, 2, 5, 6});
}

TEST_CASE_METHOD(Stream, "a trim of what is acknowledged ends at the id", "[trim]") {
    add_range(1, 6);
    group("g", 6, {1});
    CHECK(trim({.before = StreamId{4}, .references = References::acknowledged}) == 2);
    CHECK(left() == Ids{1, 4, 5, 6});
}

TEST_CASE_METHOD(Stream, "without groups everything is acknowledged", "[trim]") {
    add_range(1, 3);
    CHECK(trim({.length = 1, .references = References::acknowledged}) == 2);
}

TEST_CASE_METHOD(SmallNodes,
                 "a trim goes on behind a node that has to go as a whole, even if some "
                 "of it has to stay",
                 "[trim]") {
    add_range(1, 9);
    group("g", 9, {2});
    CHECK(trim({.length = 1, .references = References::acknowledged}) == 8);
    CHECK(left() == Ids{2});
}

TEST_CASE_METHOD(SmallNodes, "a trim ends in a node that need not go as a whole", "[trim]") {
    add_range(1, 6);
    group("g", 6, {1, 2, 3});
    CHECK(trim({.length = 5, .references = References::acknowledged}) == 0);
    CHECK(trim({.length = 3, .references = References::acknowledged}) == 3);
    CHECK(left() == Ids{1, 2, 3});
}

TEST_CASE_METHOD(SmallNodes,
                 "what groups refer to is looked at in parts of nodes, also by an "
                 "approximate trim",
                 "[trim]") {
    add_range(1, 6);
    CHECK(trim({.length = 5, .whole_nodes = true, .references = References::drop}) == 1);
    CHECK(left() == Ids{2, 3, 4, 5, 6});
    SECTION("but not beyond its limit") {
        CHECK(
            trim({.length = 0, .whole_nodes = true, .limit = 1, .references = References::drop}) ==
            0);
        CHECK(
            trim({.length = 0, .whole_nodes = true, .limit = 2, .references = References::drop}) ==
            2);
    }
}

TEST_CASE_METHOD(SmallNodes, "entries that stay do not count for the limit", "[trim]") {
    add_range(1, 6);
    group("g", 6, {1, 2});
    CHECK(trim({.length = 0,
                .whole_nodes = true,
                .limit = 4,
                .references = References::acknowledged}) == 4);
    CHECK(left() == Ids{1, 2});
}

// ------------------------------------------------------------------ erasing

TEST_CASE_METHOD(Stream, "an entry that is erased stays pending, unless references are dropped",
                 "[erase]") {
    add_range(1, 2);
    group("g", 2, {1, 2});
    CHECK(erase(1) == Erasure::done);
    CHECK(pending("g") == 2);
    CHECK(erase(2, References::drop) == Erasure::done);
    CHECK(pending("g") == 1);
    CHECK(told.removed == Ids{1, 2});
    CHECK(log.facts().max_deleted_id == StreamId{2});
    CHECK(nodes.size() == 0);
}

TEST_CASE_METHOD(Stream, "references are dropped although the entry is gone", "[erase]") {
    add_range(1, 2);
    group("g", 2, {1});
    erase(1);
    CHECK(erase(1) == Erasure::absent);
    CHECK(pending("g") == 1);
    CHECK(erase(1, References::drop) == Erasure::absent);
    CHECK(pending("g") == 0);
    CHECK(told.removed == Ids{1});
}

TEST_CASE_METHOD(Stream, "what a group refers to is not erased, also if it does not exist",
                 "[erase]") {
    add_range(1, 3);
    group("g", 2, {1});
    CHECK(erase(1, References::acknowledged) == Erasure::referenced);
    CHECK(erase(2, References::acknowledged) == Erasure::done);
    CHECK(erase(3, References::acknowledged) == Erasure::referenced);
    CHECK(erase(9, References::acknowledged) == Erasure::referenced);
    CHECK(erase(2, References::acknowledged) == Erasure::absent);
    CHECK(left() == Ids{1, 3});
}

TEST_CASE_METHOD(Stream, "what one group has acknowledged may be pending in another", "[erase]") {
    add_range(1, 2);
    group("g", 2, {1, 2});
    group("h", 2, {1});
    CHECK(acknowledge("g", 1, References::acknowledged) == Erasure::referenced);
    CHECK(pending("g") == 1);
    CHECK(left() == Ids{1, 2});
    CHECK(acknowledge("g", 2, References::acknowledged) == Erasure::done);
    CHECK(left() == Ids{1});
}

TEST_CASE_METHOD(Stream, "what is not pending is not erased with its acknowledgement", "[erase]") {
    add_range(1, 2);
    group("g", 2, {1});
    CHECK(acknowledge("g", 2, References::drop) == Erasure::absent);
    CHECK(left() == Ids{1, 2});
}

TEST_CASE_METHOD(Stream, "an acknowledged entry that is gone counts as erased", "[erase]") {
    add_range(1, 1);
    group("g", 1, {1});
    erase(1);
    CHECK(acknowledge("g", 1, References::keep) == Erasure::done);
    CHECK(pending("g") == 0);
}

TEST_CASE_METHOD(Stream, "an acknowledgement can drop the references of other groups", "[erase]") {
    add_range(1, 1);
    group("g", 1, {1});
    group("h", 1, {1});
    CHECK(acknowledge("g", 1, References::drop) == Erasure::done);
    CHECK(pending("h") == 0);
    CHECK(log.size() == 0);
}
