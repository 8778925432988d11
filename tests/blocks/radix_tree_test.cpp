// SPDX-License-Identifier: MIT
#include <runnel/detail/blocks/radix_tree.hpp>

#include "support/aligned_memory.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <initializer_list>
#include <iostream>
#include <iterator>
#include <limits>
#include <map>
#include <new>
#include <optional>
#include <vector>

using runnel::StreamId;
using runnel::detail::RadixLeaf;
using runnel::detail::RadixTree;
using Nodes = runnel::test::AlignedMemory;
using NodesLeft = runnel::test::AlignedMemoryLeft;
using runnel::test::Random;
using runnel::test::Tally;

namespace {

class NodesRest {
public:
    NodesRest() { Nodes::dead = &dead_; }
    NodesRest(const NodesRest&) = delete;
    NodesRest& operator=(const NodesRest&) = delete;
    ~NodesRest() {
        Nodes::dead = nullptr;
        for (void* const memory : dead_) std::free(memory);
    }

private:
    std::vector<void*> dead_;
};

using Keys = std::vector<StreamId>;

constexpr std::uint64_t last_number = std::numeric_limits<std::uint64_t>::max();

std::optional<StreamId> floor_of(const RadixTree& tree, StreamId key) {
    const RadixLeaf* const leaf = tree.floor(key);
    return leaf != nullptr ? std::optional{leaf->key} : std::nullopt;
}

// The greatest one before `key`.
std::optional<StreamId> before(const RadixTree& tree, StreamId key) {
    const auto previous = key.previous();
    return previous ? floor_of(tree, *previous) : std::nullopt;
}

bool has(const RadixTree& tree, StreamId key) {
    return floor_of(tree, key) == key;
}

// Of all leaves, in order; up to so many, if that has no end.
Keys keys(const RadixTree& tree, std::size_t most = 100'000) {
    Keys found;
    auto key = floor_of(tree, StreamId::max());
    for (; key && found.size() != most; key = before(tree, *key)) found.push_back(*key);
    std::ranges::reverse(found);
    return found;
}

// A tree and its leaves.
struct Planted {
    Planted() = default;
    Planted(std::initializer_list<StreamId> all) {
        for (const StreamId key : all) insert(key);
    }

    void insert(StreamId key) { tree.insert(leaves.emplace_back(RadixLeaf{key})); }
    void erase(StreamId key) { tree.erase(*tree.floor(key)); }

    std::deque<RadixLeaf> leaves;
    RadixTree tree;
};

std::optional<StreamId> floor(const Planted& planted, StreamId key) {
    return floor_of(planted.tree, key);
}
std::optional<StreamId> before(const Planted& planted, StreamId key) {
    return before(planted.tree, key);
}
bool has(const Planted& planted, StreamId key) {
    return has(planted.tree, key);
}

}  // namespace

TEST_CASE("an empty tree has no leaf, nowhere, and no memory", "[radix_tree]") {
    const long nodes = Nodes::live;
    Planted planted;
    for (const StreamId key : {StreamId{}, StreamId{5, 5}, StreamId::max()})
        CHECK(floor(planted, key) == std::nullopt);
    planted.tree.clear();
    CHECK(Nodes::live == nodes);
}

TEST_CASE("a leaf is found by its key and by no other", "[radix_tree]") {
    Planted planted{{5, 7}};
    CHECK(planted.tree.floor({5, 7}) == &planted.leaves.front());
    CHECK_FALSE(has(planted, {5, 6}));
    CHECK_FALSE(has(planted, {5, 8}));
    CHECK_FALSE(has(planted, {4, 7}));
    CHECK_FALSE(has(planted, {5, 7 + 64}));
}

TEST_CASE("one leaf needs no memory", "[radix_tree]") {
    const NodesLeft none{0};
    Planted planted{{5, 7}};
    planted.erase({5, 7});
    CHECK(keys(planted.tree).empty());
}

TEST_CASE("floor() gives the greatest key that is not greater", "[radix_tree]") {
    const Planted planted{{5, 7}, {5, 9}, {8, 0}};
    CHECK(floor(planted, {5, 6}) == std::nullopt);
    CHECK(floor(planted, {5, 7}) == StreamId{5, 7});
    CHECK(floor(planted, {5, 8}) == StreamId{5, 7});
    CHECK(floor(planted, {7, last_number}) == StreamId{5, 9});
    CHECK(floor(planted, StreamId::max()) == StreamId{8, 0});
}

TEST_CASE("a tree is walked in the order of its keys, however they came", "[radix_tree]") {
    const Planted planted{{9, 0}, {1, 64}, {1, 2}, {300, 1}, {1, 63}, {9, 4096}, {0, 1}};
    const Keys ordered{{0, 1}, {1, 2}, {1, 63}, {1, 64}, {9, 0}, {9, 4096}, {300, 1}};
    CHECK(keys(planted.tree) == ordered);
}

TEST_CASE("the least and the greatest keys there are have their places", "[radix_tree]") {
    const Planted planted{{0, 0}, {0, 1}, StreamId::max(), {last_number, last_number - 1}};
    CHECK(keys(planted.tree) ==
          Keys{{0, 0}, {0, 1}, {last_number, last_number - 1}, StreamId::max()});
    CHECK(before(planted, {0, 0}) == std::nullopt);
    CHECK(before(planted, {0, 1}) == StreamId{0, 0});
    CHECK(before(planted, StreamId::max()) == StreamId{last_number, last_number - 1});
    CHECK(floor(planted, StreamId::max()) == StreamId::max());
    CHECK(floor(planted, {0, 0}) == StreamId{0, 0});
    CHECK(floor(planted, {1ULL << 63U, 0}) == StreamId{0, 1});
}

TEST_CASE("keys that differ in one bit only, whichever, are told apart", "[radix_tree]") {
    constexpr StreamId base{0x5A5A'5A5A'5A5A'5A5A, 0xA5A5'A5A5'A5A5'A5A5};
    for (unsigned bit = 0; bit != 128; ++bit) {
        StreamId other = base;
        (bit < 64 ? other.seq : other.ms) ^= std::uint64_t{1} << (bit % 64);
        const StreamId less = std::min(base, other);
        const StreamId greater = std::max(base, other);
        const Planted planted{base, other};
        CAPTURE(bit);
        CHECK(keys(planted.tree) == Keys{less, greater});
        CHECK(floor(planted, greater) == greater);
        CHECK(before(planted, greater) == less);
        CHECK(floor(planted, less) == less);
    }
}

TEST_CASE("keys on both sides of a carry are neighbours", "[radix_tree]") {
    for (unsigned bit = 0; bit != 64; ++bit) {
        const std::uint64_t power = std::uint64_t{1} << bit;
        const Planted in_seq{{3, power}, {3, power - 1}};
        const Planted in_ms{{power, 0}, {power - 1, last_number}};
        CAPTURE(bit);
        CHECK(before(in_seq, {3, power}) == StreamId{3, power - 1});
        CHECK(floor(in_seq, {3, power}) == StreamId{3, power});
        CHECK(before(in_ms, {power, 0}) == StreamId{power - 1, last_number});
        CHECK(floor(in_ms, {power, 0}) == StreamId{power, 0});
    }
}

TEST_CASE("a key that leaves the common beginning of many comes before all of them or after",
          "[radix_tree]") {
    // They agree in all digits but the last of ms and the last of seq.
    constexpr std::uint64_t middle = 0x1234'5678'9ABC;
    const Planted planted{{middle, middle}, {middle, middle + 1}, {middle + 1, middle}};
    const StreamId first{middle, middle};
    const StreamId last{middle + 1, middle};
    for (unsigned bit = 6; bit != 64; ++bit) {
        const std::uint64_t power = std::uint64_t{1} << bit;
        CAPTURE(bit);
        const StreamId elsewhere{middle ^ power, middle};
        const bool is_less = elsewhere < first;
        CHECK(floor(planted, elsewhere) == (is_less ? std::nullopt : std::optional{last}));
        // Between those of one ms and the one of the next, or before all.
        const StreamId between{middle, middle ^ power};
        const bool is_least = between < first;
        CHECK(floor(planted, between) ==
              (is_least ? std::nullopt : std::optional<StreamId>{{middle, middle + 1}}));
    }
}

TEST_CASE("what is erased is found no more, and its neighbours meet", "[radix_tree]") {
    Planted planted{{1, 0}, {1, 1}, {1, 2}, {2, 0}};
    planted.erase({1, 1});
    CHECK_FALSE(has(planted, {1, 1}));
    CHECK(keys(planted.tree) == Keys{{1, 0}, {1, 2}, {2, 0}});
    CHECK(before(planted, {1, 2}) == StreamId{1, 0});
    planted.insert({1, 1});
    CHECK(keys(planted.tree) == Keys{{1, 0}, {1, 1}, {1, 2}, {2, 0}});
}

TEST_CASE("a tree that was cleared is empty, has no memory and can be filled again",
          "[radix_tree]") {
    const NodesRest nodes_rest;
    const long nodes = Nodes::live;
    Planted planted;
    for (std::uint64_t number = 0; number != 1000; ++number) planted.insert({number, number * 37});
    REQUIRE(Nodes::live > nodes);
    planted.tree.clear();
    CHECK(keys(planted.tree).empty());
    CHECK(Nodes::live == nodes);
    planted.insert({1000, 1});
    planted.insert({999, 2});
    CHECK(keys(planted.tree) == Keys{{999, 2}, {1000, 1}});
}

TEST_CASE("a tree gives back its memory when it goes, whatever is in it", "[radix_tree]") {
    const long nodes = Nodes::live;
    const long bytes = Nodes::bytes;
    {
        Planted planted;
        for (unsigned bit = 0; bit != 64; ++bit) {
            planted.insert({std::uint64_t{1} << bit, 0});
            planted.insert({0, std::uint64_t{1} << bit});
        }
        CHECK(Nodes::live > nodes);
    }
    CHECK(Nodes::live == nodes);
    CHECK(Nodes::bytes == bytes);
}

TEST_CASE("a node that has one child left goes, so that memory falls as leaves are erased",
          "[radix_tree]") {
    constexpr std::uint64_t count = std::uint64_t{64} * 64;
    const long nodes = Nodes::live;
    Planted planted;
    for (std::uint64_t number = 0; number != count; ++number) planted.insert({number, 0});
    REQUIRE(Nodes::live == nodes + 1 + 64);
    for (std::uint64_t number = 0; number != count - 2; ++number) planted.erase({number, 0});
    CHECK(Nodes::live == nodes + 1);
    planted.erase({count - 1, 0});
    CHECK(Nodes::live == nodes);
    CHECK(keys(planted.tree) == Keys{{count - 2, 0}});
}

TEST_CASE("an insert after an erase does not go where a node was before", "[radix_tree]") {
    const NodesRest nodes_rest;
    SECTION("as it had one child left") {
        Planted planted{{1, 0}, {1, 1}};
        planted.erase({1, 1});
        planted.insert({1, 2});
        CHECK(keys(planted.tree) == Keys{{1, 0}, {1, 2}});
    }
    SECTION("as it had become too small") {
        Planted planted{{1, 0}, {1, 1}, {1, 2}};
        planted.erase({1, 1});
        planted.insert({1, 3});
        CHECK(keys(planted.tree) == Keys{{1, 0}, {1, 2}, {1, 3}});
    }
}

TEST_CASE("a key that fits no node near the one before goes where it belongs", "[radix_tree]") {
    // Their last digit has room among those of 7-64, where the last insert was.
    Planted planted{{7, 64}, {7, 65}, {7, 66}};
    planted.insert({7, 3});
    planted.insert({7, 67});
    planted.insert({7 + 64, 64 + 10});
    CHECK(keys(planted.tree) == Keys{{7, 3}, {7, 64}, {7, 65}, {7, 66}, {7, 67}, {71, 74}});
    CHECK(floor(planted, {7, 63}) == StreamId{7, 3});
}

TEST_CASE("blocks of a stream cost a fraction of a cache line each", "[radix_tree]") {
    // One in 64 entries has a leaf. So many entries for each millisecond.
    for (const std::uint64_t rate : {8U, 100U, 1000U}) {
        const long bytes = Nodes::bytes;
        Planted planted;
        for (std::uint64_t entry = 0; planted.leaves.size() != 16'384; entry += 64)
            planted.insert({1'700'000'000'000 + entry / rate, entry % rate});
        CAPTURE(rate);
        CHECK((Nodes::bytes - bytes) / 16'384 < 32);
    }
}

// ------------------------------------------------------------------ memory runs out

TEST_CASE("nodes grow by doubling: 64 neighbours need memory six times, and then have one node",
          "[radix_tree]") {
    const long nodes = Nodes::live;
    Planted planted;
    long refused = 0;
    for (std::uint64_t number = 0; number != 64; ++number) {
        RadixLeaf& leaf = planted.leaves.emplace_back(RadixLeaf{{number, 0}});
        try {
            const NodesLeft none{0};
            planted.tree.insert(leaf);
        } catch (const std::bad_alloc&) {
            ++refused;
            CHECK(keys(planted.tree).size() == number);
            CHECK_FALSE(has(planted, leaf.key));
            planted.tree.insert(leaf);
        }
    }
    CHECK(refused == 6);
    CHECK(Nodes::live == nodes + 1);
    CHECK(keys(planted.tree).size() == 64);
}

TEST_CASE("when there is no memory, an insert throws and leaves everything as it was",
          "[radix_tree]") {
    Random random{runnel::test::seed_for("radix tree without memory")};
    std::size_t refused = 0;
    std::size_t granted = 0;
    for (std::size_t round = 0; round != runnel::test::scaled(200, 10); ++round) {
        Planted planted;
        for (std::size_t size = 0; size != 60; ++size) {
            const StreamId key{random.below(200), random.below(3) << random.below(62)};
            if (has(planted, key)) continue;
            RadixLeaf& leaf = planted.leaves.emplace_back(RadixLeaf{key});
            const Keys keys_before = keys(planted.tree);
            const long nodes = Nodes::live;
            const long bytes = Nodes::bytes;
            try {
                const NodesLeft none{0};
                planted.tree.insert(leaf);
                ++granted;
            } catch (const std::bad_alloc&) {
                ++refused;
                REQUIRE(keys(planted.tree) == keys_before);
                REQUIRE(Nodes::live == nodes);
                REQUIRE(Nodes::bytes == bytes);
                planted.tree.insert(leaf);
            }
            REQUIRE(has(planted, key));
            REQUIRE(keys(planted.tree).size() == keys_before.size() + 1);
            if (random.percent(20)) planted.tree.erase(*planted.tree.floor(key));
        }
    }
    std::cout << "inserts that needed no memory " << granted << ", were refused it " << refused
              << '\n';
    CHECK(refused > 0);
    CHECK(granted > 0);
}

// ------------------------------------------------------------------ against std::map

namespace {

// Keys of one kind.
class KeySource {
public:
    enum class Kind : std::uint8_t { stream, dense, sparse, common_beginning, carries };
    static constexpr std::size_t kinds = 5;

    KeySource(Kind kind, Random& random)
        : kind_{kind},
          random_{random},
          base_{number(), number()},
          next_{1'700'000'000'000 + random.below(100'000), 0},
          rate_{8 + random.below(1000)} {}

    // A stream goes on; all others give any key.
    StreamId to_insert() { return kind_ == Kind::stream ? advance() : any(); }

    // `first` and `last` are those of a stream.
    StreamId to_search(StreamId first, StreamId last) {
        if (kind_ != Kind::stream) return any();
        const auto ms = random_.between(-2, static_cast<std::int64_t>(last.ms - first.ms) + 2);
        return {first.ms + static_cast<std::uint64_t>(ms), random_.below(rate_ + 64)};
    }

private:
    std::uint64_t number() {
        return (std::uint64_t{random_.below(1ULL << 32U)} << 32U) | random_.below(1ULL << 32U);
    }

    StreamId advance() {
        next_.seq += 64;
        next_.ms += next_.seq / rate_;
        next_.seq %= rate_;
        return next_;
    }

    StreamId any() {
        switch (kind_) {
        case Kind::dense:
            return {random_.below(60), random_.below(200)};
        case Kind::sparse:
            return {number(), number()};
        case Kind::common_beginning:
            return near_the_base();
        default:
            return {at_a_carry(), at_a_carry()};
        }
    }

    StreamId near_the_base() {
        StreamId key = base_;
        for (std::size_t flips = random_.below(4); flips != 0; --flips) {
            const std::size_t bit = random_.below(128);
            (bit < 64 ? key.seq : key.ms) ^= std::uint64_t{1} << bit % 64;
        }
        return key;
    }

    std::uint64_t at_a_carry() {
        const std::uint64_t power = std::uint64_t{1} << random_.below(64);
        return random_.percent(20) ? 0 - power : power - random_.below(3);
    }

    const Kind kind_;
    Random& random_;
    const StreamId base_;
    StreamId next_;
    const std::uint64_t rate_;
};

// A tree, and a std::map of the leaves that have to be in it.
class Model {
public:
    Model(KeySource::Kind kind, std::size_t most, Random& random, Tally& tally)
        : is_stream_{kind == KeySource::Kind::stream},
          most_{most},
          random_{random},
          tally_{tally},
          source_{kind, random} {}

    void step() {
        if (leaves_.empty()) rises_ = true;
        if (leaves_.size() >= most_) rises_ = false;
        if (random_.percent(50)) {
            search();
        } else {
            random_.percent(rises_ ? 70 : 30) ? insert() : erase();
        }
        // As each has two children at least.
        expect("few nodes", Nodes::live - nodes_before_ <=
                                static_cast<long>(leaves_.empty() ? 0 : leaves_.size() - 1));
    }

    void compare_all() {
        auto expected = leaves_.end();
        for (RadixLeaf* leaf = tree_.floor(StreamId::max()); leaf != nullptr;) {
            expect("the walk", expected != leaves_.begin());
            expect("the walk", leaf == &(--expected)->second);
            const auto previous = leaf->key.previous();
            leaf = previous ? tree_.floor(*previous) : nullptr;
        }
        expect("the walk's end", expected == leaves_.begin());
    }

    void clear() {
        tree_.clear();
        leaves_.clear();
        tally_.add("clear", "done");
        expect("nothing left",
               tree_.floor(StreamId::max()) == nullptr && Nodes::live == nodes_before_);
    }

private:
    using Leaves = std::map<StreamId, RadixLeaf>;

    static void expect(const char* what, bool is_right) {
        if (!is_right) FAIL(what);
    }

    // One that is there, one beside it, or any.
    StreamId key() {
        if (leaves_.empty()) return source_.to_search({}, {});
        const StreamId any =
            source_.to_search(leaves_.begin()->first, std::prev(leaves_.end())->first);
        if (random_.percent(40)) return any;
        const auto found = leaves_.lower_bound(any);
        if (found == leaves_.end()) return any;
        if (random_.percent(30)) return found->first.next().value_or(any);
        if (random_.percent(30)) return found->first.previous().value_or(any);
        return found->first;
    }

    void insert() {
        const StreamId key = source_.to_insert();
        const auto [place, is_new] = leaves_.try_emplace(key, RadixLeaf{key});
        tally_.add("insert", is_new ? "done" : "is there");
        if (is_new) {
            tree_.insert(place->second);
        } else {
            expect("floor() before an insert", tree_.floor(key) == &place->second);
        }
    }

    void erase() {
        if (leaves_.empty()) return;
        auto place = leaves_.lower_bound(key());
        if (place == leaves_.end()) place = std::prev(place);
        // A stream is trimmed.
        if (is_stream_ && random_.percent(80)) place = leaves_.begin();
        tally_.add("erase", "done");
        const NodesLeft none{0};
        tree_.erase(place->second);
        expect("floor() after an erase", tree_.floor(place->first) != &place->second);
        leaves_.erase(place);
    }

    void search() {
        const StreamId wanted = key();
        const RadixLeaf* const leaf = tree_.floor(wanted);
        const auto expected = one_before(leaves_.upper_bound(wanted));
        const bool is_there = expected != leaves_.end();
        tally_.add("floor", !is_there ? "missed" : expected->first == wanted ? "hit" : "below");
        expect("floor", leaf == (is_there ? &expected->second : nullptr));
    }

    Leaves::iterator one_before(Leaves::iterator place) {
        return place == leaves_.begin() ? leaves_.end() : std::prev(place);
    }

    const bool is_stream_;
    const std::size_t most_;
    Random& random_;
    Tally& tally_;
    KeySource source_;
    const long nodes_before_ = Nodes::live;
    Leaves leaves_;
    RadixTree tree_;
    bool rises_ = true;
};

}  // namespace

TEST_CASE("a tree does what a std::map does", "[radix_tree]") {
    Random random{runnel::test::seed_for("a tree does what a std::map does")};
    Tally tally;
    const long nodes = Nodes::live;
    constexpr std::array<std::size_t, 4> sizes{4, 60, 700, 2500};
    constexpr std::size_t steps = 20'000;
    const std::size_t worlds = runnel::test::scaled(80, 20);
    for (std::size_t world = 0; world != worlds; ++world) {
        const auto kind = static_cast<KeySource::Kind>(world % KeySource::kinds);
        const std::size_t most = sizes[world / KeySource::kinds % sizes.size()];
        CAPTURE(world);
        Model model{kind, most, random, tally};
        for (std::size_t step = 0; step != steps; ++step) {
            model.step();
            if (most < 10 || step % 1000 == 0) model.compare_all();
        }
        if (random.percent(50)) model.clear();
    }
    CHECK(Nodes::live == nodes);

    std::cout << worlds * steps << " operations, among them\n" << tally;
    for (const char* what : {"hit", "below", "missed"}) {
        CAPTURE(what);
        CHECK(tally.of("floor", what) > 0);
    }
    CHECK(tally.of("insert", "done") > 0);
    CHECK(tally.of("insert", "is there") > 0);
    CHECK(tally.of("erase", "done") > 0);
}
