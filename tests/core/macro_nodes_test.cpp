// SPDX-License-Identifier: MIT
#include <runnel/detail/core/macro_nodes.hpp>
#include <runnel/stream_id.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

using runnel::StreamId;
using runnel::detail::MacroNodeLimits;
using runnel::detail::MacroNodes;
using runnel::detail::RadixTreeSize;
namespace listpack = runnel::detail::listpack;

namespace {

using Words = std::vector<std::string_view>;

struct Nodes {
    MacroNodes nodes;
    MacroNodeLimits limits;

    void add(std::uint64_t ms, const Words& words = {"f", "v"}) { add(StreamId{ms}, words); }
    void add(StreamId id, const Words& words) { nodes.append(nodes.prepare(id, words, limits)); }
    void add_range(std::uint64_t first, std::uint64_t last) {
        for (auto ms = first; ms <= last; ++ms) add(ms);
    }

    [[nodiscard]] const MacroNodes::Node& node(std::ptrdiff_t index) const {
        return std::next(nodes.begin(), index)->second;
    }
    [[nodiscard]] std::uint64_t bytes() const { return std::prev(nodes.end())->second.bytes(); }

    // What one more entry adds to the last node.
    std::uint64_t grown(StreamId id, const Words& words) {
        const std::uint64_t before = bytes();
        add(id, words);
        return bytes() - before;
    }
};
struct SingleEntries : Nodes {
    SingleEntries() { limits.entries = 1; }
};

}  // namespace

// ------------------------------------------------------------------ sizes

TEST_CASE("a number takes fewer bytes the smaller it is", "[nodes]") {
    STATIC_REQUIRE(listpack::size_of(0) == 2);
    STATIC_REQUIRE(listpack::size_of(127) == 2);
    STATIC_REQUIRE(listpack::size_of(128) == 3);
    STATIC_REQUIRE(listpack::size_of(-1) == 3);
    STATIC_REQUIRE(listpack::size_of(-4'096) == 3);
    STATIC_REQUIRE(listpack::size_of(4'096) == 4);
    STATIC_REQUIRE(listpack::size_of(-32'768) == 4);
    STATIC_REQUIRE(listpack::size_of(32'768) == 5);
    STATIC_REQUIRE(listpack::size_of(8'388'608) == 6);
    STATIC_REQUIRE(listpack::size_of(std::int64_t{1} << 31U) == 10);
    STATIC_REQUIRE(listpack::size_of(std::numeric_limits<std::int64_t>::min()) == 10);
}

TEST_CASE("text that is a number takes what the number takes", "[nodes]") {
    CHECK(listpack::size_of("5000") == 4);
    CHECK(listpack::size_of("-1") == 3);
    CHECK(listpack::size_of("0") == 2);
    CHECK(listpack::size_of("-9223372036854775808") == 10);
    for (const std::string_view text : {"-0", "05", "+5", "5 ", "", "-", "9223372036854775808"}) {
        CAPTURE(text);
        CHECK(listpack::size_of(text) == text.size() + 2);
    }
}

TEST_CASE("long text takes more bytes for its length", "[nodes]") {
    const auto size = [](std::size_t length) {
        return listpack::size_of(std::string(length, 'x')) - length;
    };
    CHECK(size(63) == 2);
    CHECK(size(64) == 3);
    CHECK(size(125) == 3);
    CHECK(size(126) == 4);
    CHECK(size(4'095) == 4);
    CHECK(size(4'096) == 7);
    CHECK(size(16'377) == 7);
    CHECK(size(16'378) == 8);
    CHECK(size(2'097'146) == 9);
}

TEST_CASE_METHOD(Nodes, "a node takes its names once, and each entry its values", "[nodes]") {
    add({5, 0}, {"name", "v"});
    // Header and terminator, the two counts, and of the names their count, the name and an end.
    constexpr std::uint64_t node = 7 + 2 + 2 + 2 + 6 + 2;
    // Flags, two differences, the value, the number of items.
    constexpr std::uint64_t entry = 2 + 2 + 2 + 3 + 2;
    CHECK(bytes() == node + entry);
    CHECK(grown({5, 1}, {"name", "v"}) == entry);
    CHECK(grown({5, 200}, {"name", "v"}) == entry + 1);
    CHECK(grown({6, 0}, {"name", "v"}) == entry);
}

TEST_CASE_METHOD(Nodes, "an entry with other names takes all its words", "[nodes]") {
    add({5, 0}, {"a", "1", "b", "2"});
    constexpr std::uint64_t same = 2 + 2 + 2 + 2 + 2 + 2;
    CHECK(grown({5, 1}, {"a", "1", "b", "2"}) == same);
    CHECK(grown({5, 2}, {"b", "1", "a", "2"}) == same + 2 + 3 + 3);
    CHECK(grown({5, 3}, {"a", "1"}) == same - 2 + 2 + 3);
    CHECK(grown({5, 4}, {"a", "1", "b", "2", "a", "1"}) == same + 2 + 9 + 2);
}

TEST_CASE_METHOD(Nodes, "the number of entries takes more bytes from 128 on", "[nodes]") {
    limits.entries = 0;
    for (std::uint64_t seq = 0; seq != 127; ++seq) add({1, seq}, {"f", "v"});
    const std::uint64_t before = bytes();
    add({1, 127}, {"f", "v"});
    CHECK(bytes() - before == 11 + 1);
}

// ------------------------------------------------------------------ where a node begins

TEST_CASE_METHOD(Nodes, "a node takes 100 entries", "[nodes]") {
    add_range(1, 250);
    REQUIRE(nodes.size() == 3);
    CHECK(node(0).last() == StreamId{100});
    CHECK(node(1).last() == StreamId{200});
    CHECK(node(2).entries() == 50);
}

TEST_CASE_METHOD(Nodes, "a node counts the entries that were erased", "[nodes]") {
    add_range(1, 99);
    for (std::uint64_t ms = 2; ms != 99; ++ms) nodes.erase({ms});
    CHECK(node(0).live() == 2);
    add_range(100, 101);
    REQUIRE(nodes.size() == 2);
    CHECK(node(0).live() == 3);
    CHECK(node(0).entries() == 100);
    CHECK(node(1).entries() == 1);
}

TEST_CASE_METHOD(Nodes, "a node ends before its bytes and the text of an entry would be too many",
                 "[nodes]") {
    limits.bytes = 100;
    add(1);  // header, names, entry: 18 + 11
    const std::string room(100 - bytes() - 2, 'x');
    add(2, {"f", room});
    CHECK(nodes.size() == 1);
    SECTION("one byte more is one too many") {
        add(3);
        CHECK(nodes.size() == 2);
    }
}

TEST_CASE_METHOD(Nodes, "text that just reaches the limit begins a node", "[nodes]") {
    limits.bytes = 100;
    add(1);
    add(2, {"f", std::string(100 - bytes() - 1, 'x')});
    CHECK(nodes.size() == 2);
}

TEST_CASE_METHOD(Nodes, "an entry that is larger than a node has one for itself", "[nodes]") {
    const std::string large(10'000, 'x');
    add(1, {"f", large});
    add(2, {"f", large});
    CHECK(nodes.size() == 2);
}

TEST_CASE_METHOD(Nodes, "zero stands for no limit", "[nodes]") {
    limits = {.entries = 0, .bytes = 0};
    const std::string large(10'000, 'x');
    for (std::uint64_t ms = 1; ms != 300; ++ms) add(ms, {"f", large});
    CHECK(nodes.size() == 1);
}

TEST_CASE_METHOD(Nodes, "new limits count for the entries that follow", "[nodes]") {
    add_range(1, 10);
    limits.entries = 10;
    add(11);
    CHECK(nodes.size() == 2);
}

TEST_CASE_METHOD(Nodes, "what was prepared and not appended is not there", "[nodes]") {
    const Words words{"f", "v"};
    (void)nodes.prepare({1}, words, limits);
    CHECK(nodes.size() == 0);
    add(2);
    CHECK(node(0).entries() == 1);
    (void)nodes.prepare({3}, words, limits);
    CHECK(node(0).entries() == 1);
    CHECK(node(0).last() == StreamId{2});
}

// ------------------------------------------------------------------ erasing

TEST_CASE_METHOD(Nodes, "a node without live entries disappears", "[nodes]") {
    limits.entries = 2;
    add_range(1, 6);  // [1 2] [3 4] [5 6]
    nodes.erase({3});
    CHECK(nodes.size() == 3);
    nodes.erase({4});
    REQUIRE(nodes.size() == 2);
    CHECK(node(1).last() == StreamId{6});
    nodes.erase({6});
    CHECK(node(1).last() == StreamId{6});
    nodes.erase({5});
    add(7);
    CHECK(nodes.size() == 2);
    CHECK(nodes.begin()->first == StreamId{1});
    CHECK(std::next(nodes.begin())->first == StreamId{7});
}

TEST_CASE_METHOD(Nodes, "the oldest entries leave node by node", "[nodes]") {
    limits.entries = 2;
    add_range(1, 6);
    nodes.erase({1});
    nodes.erase_first(0);
    CHECK(nodes.size() == 3);
    nodes.erase_first(2);
    REQUIRE(nodes.size() == 2);
    CHECK(nodes.begin()->first == StreamId{3});
    CHECK(node(0).live() == 1);
    nodes.erase_first(3);
    CHECK(nodes.size() == 0);
}

// ------------------------------------------------------------------ the tree above the nodes

TEST_CASE_METHOD(SingleEntries, "the tree of an empty stream has a root", "[nodes]") {
    CHECK(RadixTreeSize::of(nodes) == 1);
}

TEST_CASE_METHOD(SingleEntries, "the tree of one node has its id, and a leaf", "[nodes]") {
    add({5, 0}, {"f", "v"});
    CHECK(RadixTreeSize::of(nodes) == 2);
}

TEST_CASE_METHOD(SingleEntries, "ids branch where their bytes differ", "[nodes]") {
    add({1, 0}, {"f", "v"});
    add({2, 0}, {"f", "v"});
    // What they have in common, the branch, and of each the rest and a leaf.
    CHECK(RadixTreeSize::of(nodes) == 6);
    add({2, 1}, {"f", "v"});
    // The second one goes on to the last byte, and branches there: two leaves.
    CHECK(RadixTreeSize::of(nodes) == 8);
    add({0x0102, 0}, {"f", "v"});
    CHECK(RadixTreeSize::of(nodes) == 8 + 1 + 2);
}

TEST_CASE_METHOD(SingleEntries, "ids that differ in the first byte have nothing in common",
                 "[nodes]") {
    add({1, 0}, {"f", "v"});
    add({std::uint64_t{1} << 63U, 0}, {"f", "v"});
    CHECK(RadixTreeSize::of(nodes) == 1 + 2 + 2);
}
