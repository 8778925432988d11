// SPDX-License-Identifier: MIT
#include <runnel/detail/blocks/block_deque.hpp>
#include <runnel/detail/blocks/blocks.hpp>

#include "support/aligned_memory.hpp"
#include "support/catch.hpp"
#include "support/lifetime.hpp"
#include "support/scale.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <new>
#include <random>
#include <span>
#include <utility>
#include <vector>

using runnel::detail::BlockDeque;
using runnel::detail::BlockGrowth;
using Blocks = runnel::test::AlignedMemory;
using BlocksLeft = runnel::test::AlignedMemoryLeft;
using runnel::test::Census;
using runnel::test::Countable;
using runnel::test::MoveOnly;

namespace {

template <typename T>
std::vector<int> contents(const BlockDeque<T>& queue) {
    std::vector<int> values;
    queue.visit(0, queue.size(), [&](const T& element) { values.push_back(element.get()); });
    return values;
}

template <typename T>
std::vector<int> contents(const std::vector<T>& elements) {
    std::vector<int> values;
    for (const T& element : elements) values.push_back(element.get());
    return values;
}

std::vector<int> counting(int first, int count) {
    std::vector<int> values;
    for (int value = first; value != first + count; ++value) values.push_back(value);
    return values;
}

template <typename T>
std::vector<T> messages(int first, int count) {
    std::vector<T> made;
    for (int value = first; value != first + count; ++value) made.emplace_back(value);
    return made;
}

void push(BlockDeque<Countable>& queue, int first, int count) {
    for (int value = first; value != first + count; ++value) queue.push_back(Countable{value});
}

// More than any block holds.
constexpr int many = 3000;

}  // namespace

TEST_CASE("an empty queue of blocks has no block", "[block_deque]") {
    const long before = Blocks::live;
    const BlockDeque<Countable> queue;
    CHECK(queue.empty());
    CHECK(queue.size() == 0);
    CHECK(Blocks::live == before);
}

TEST_CASE("what is pushed at the back is taken at the front in the same order", "[block_deque]") {
    BlockDeque<Countable> queue;
    push(queue, 0, many);
    CHECK(contents(queue) == counting(0, many));
    for (int value = 0; value != many; ++value) {
        REQUIRE(queue.front().get() == value);
        queue.drop_front();
    }
    CHECK(queue.empty());
}

TEST_CASE("what is pushed at the front is taken at the back in the same order", "[block_deque]") {
    BlockDeque<Countable> queue;
    for (int value = 0; value != many; ++value) queue.push_front(Countable{value});
    REQUIRE(queue.size() == many);
    for (int value = 0; value != many; ++value) {
        REQUIRE(queue.back().get() == value);
        queue.drop_back();
    }
    CHECK(queue.empty());
}

TEST_CASE("elements do not move once they are in", "[block_deque]") {
    BlockDeque<Countable> queue;
    queue.push_back(Countable{1});
    const Countable* const address = &queue.front();
    push(queue, 2, many);
    for (int value = 0; value != many; ++value) queue.push_front(Countable{0});
    for (int value = 0; value != many; ++value) queue.drop_front();
    CHECK(&queue.front() == address);
    CHECK(queue.front().get() == 1);
}

TEST_CASE("many elements are appended in their order", "[block_deque]") {
    BlockDeque<MoveOnly> queue;
    queue.push_back(MoveOnly{0});
    std::vector<MoveOnly> more = messages<MoveOnly>(1, many);
    CHECK(queue.append(more) == many);
    CHECK(contents(queue) == counting(0, many + 1));
}

TEST_CASE("when memory runs out in the middle, the rest of what was to be appended is untouched",
          "[block_deque]") {
    BlockDeque<MoveOnly> queue;
    std::vector<MoveOnly> more = messages<MoveOnly>(0, many);
    std::size_t done = 0;
    {
        const BlocksLeft left{2};
        done = queue.append(more);
    }
    REQUIRE(done > 0);
    REQUIRE(done < many);
    CHECK(contents(queue) == counting(0, static_cast<int>(done)));
    CHECK(more[done - 1].get() == MoveOnly::moved_from);
    CHECK(more[done].get() == static_cast<int>(done));
    CHECK(queue.append(std::span{more}.subspan(done)) == many - done);
    CHECK(contents(queue) == counting(0, many));
}

TEST_CASE("when there is no memory at all, a push throws and leaves everything as it was",
          "[block_deque]") {
    BlockDeque<MoveOnly> queue;
    std::vector<MoveOnly> more = messages<MoveOnly>(0, 3);
    {
        const BlocksLeft none{0};
        CHECK_THROWS_AS(queue.push_back(std::move(more[0])), std::bad_alloc);
        CHECK_THROWS_AS(queue.push_front(std::move(more[0])), std::bad_alloc);
        CHECK_THROWS_AS(queue.append(more), std::bad_alloc);
        CHECK_THROWS_AS(queue.reserve_back(), std::bad_alloc);
        CHECK_THROWS_AS(queue.reserve_front(), std::bad_alloc);
    }
    CHECK(queue.empty());
    CHECK(contents(more) == counting(0, 3));
}

TEST_CASE("a reserved push cannot fail, whatever is taken before it", "[block_deque]") {
    std::mt19937 random{1};
    for (int round = 0; round != 2000; ++round) {
        BlockDeque<MoveOnly> queue;
        const int size = static_cast<int>(random() % 300);
        for (int value = 0; value != size; ++value)
            random() % 2 == 0 ? queue.push_back(MoveOnly{value})
                              : queue.push_front(MoveOnly{value});
        const bool at_back = random() % 2 == 0;
        at_back ? queue.reserve_back() : queue.reserve_front();
        const BlocksLeft none{0};
        for (std::size_t taken = random() % (queue.size() + 1); taken != 0; --taken)
            random() % 2 == 0 ? queue.drop_back() : queue.drop_front();
        const std::size_t left = queue.size();
        at_back ? queue.push_back(MoveOnly{7}) : queue.push_front(MoveOnly{7});
        REQUIRE((at_back ? queue.back() : queue.front()).get() == 7);
        REQUIRE(queue.size() == left + 1);
    }
}

TEST_CASE("several reserved pushes cannot fail", "[block_deque]") {
    const auto count = GENERATE(0, 1, 5, 8, 9, 100, many);
    const auto before = GENERATE(0, 1, 7, 8, 100);
    const bool at_back = GENERATE(true, false);
    CAPTURE(count, before, at_back);
    BlockDeque<Countable> queue;
    push(queue, 0, before);
    at_back ? queue.reserve_back(static_cast<std::size_t>(count))
            : queue.reserve_front(static_cast<std::size_t>(count));
    const BlocksLeft none{0};
    for (int value = 0; value != count; ++value)
        at_back ? queue.push_back(Countable{value}) : queue.push_front(Countable{value});
    CHECK(queue.size() == static_cast<std::size_t>(before + count));
}

TEST_CASE("for what has room where it goes nothing is reserved", "[block_deque]") {
    BlockDeque<Countable> queue;
    push(queue, 0, static_cast<int>(BlockGrowth::first_slots) - 3);
    queue.drop_front();
    const BlocksLeft none{0};
    queue.reserve_back(3);
    queue.reserve_front(1);
    queue.reserve_insert(2);
    CHECK(contents(queue) == counting(1, static_cast<int>(BlockGrowth::first_slots) - 4));
}

TEST_CASE("blocks that are reserved for many are large", "[block_deque]") {
    const long before = Blocks::live;
    BlockDeque<Countable> queue;
    queue.reserve_back(many);
    const long reserved = Blocks::live - before;
    push(queue, 0, many);
    CHECK(Blocks::live - before == reserved);
    CHECK(reserved <= 1 + static_cast<long>(many * sizeof(Countable) / 4000));
}

TEST_CASE("when memory runs out, what was to be reserved for is not changed", "[block_deque]") {
    BlockDeque<Countable> queue;
    push(queue, 0, 100);
    for (long granted = 0; granted != 5; ++granted) {
        const BlocksLeft left{granted};
        REQUIRE_THROWS_AS(queue.reserve_back(100 * many), std::bad_alloc);
    }
    CHECK(contents(queue) == counting(0, 100));
}

TEST_CASE("several pushes that are reserved apart cannot fail, whatever is taken before them",
          "[block_deque]") {
    std::mt19937 random{2};
    for (int round = 0; round != 2000; ++round) {
        BlockDeque<MoveOnly> queue;
        const int size = static_cast<int>(random() % 300);
        for (int value = 0; value != size; ++value)
            random() % 2 == 0 ? queue.push_back(MoveOnly{value})
                              : queue.push_front(MoveOnly{value});
        const std::size_t count = random() % 300;
        queue.reserve_spares(count);
        const BlocksLeft none{0};
        for (std::size_t taken = random() % (queue.size() + 1); taken != 0; --taken)
            random() % 2 == 0 ? queue.drop_back() : queue.drop_front();
        const std::size_t left = queue.size();
        const bool at_back = random() % 2 == 0;
        for (std::size_t done = 0; done != count; ++done)
            at_back ? queue.push_back(MoveOnly{7}) : queue.push_front(MoveOnly{7});
        REQUIRE(queue.size() == left + count);
    }
}

TEST_CASE("an element is put in front of any other, or behind all", "[block_deque]") {
    BlockDeque<MoveOnly> queue;
    queue.insert(0, MoveOnly{3});
    queue.insert(0, MoveOnly{1});
    queue.insert(1, MoveOnly{2});
    queue.insert(3, MoveOnly{4});
    CHECK(contents(queue) == counting(1, 4));
}

TEST_CASE("a full block takes one more element at any place", "[block_deque]") {
    constexpr int full = 3 * static_cast<int>(BlockGrowth::first_slots);  // two full blocks
    for (int position = 0; position <= full; ++position) {
        CAPTURE(position);
        BlockDeque<Countable> queue;
        push(queue, 0, full);
        queue.insert(static_cast<std::size_t>(position), Countable{-5});
        std::vector<int> expected = counting(0, full);
        expected.insert(expected.begin() + position, -5);
        CHECK(contents(queue) == expected);
    }
}

TEST_CASE("a reserved insertion cannot fail", "[block_deque]") {
    std::mt19937 random{3};
    BlockDeque<MoveOnly> queue;
    std::vector<int> expected;
    for (int value = 0; value != many; ++value) {
        const std::size_t position = random() % (queue.size() + 1);
        queue.reserve_insert(position);
        const BlocksLeft none{0};
        queue.insert(position, MoveOnly{value});
        expected.insert(expected.begin() + static_cast<std::ptrdiff_t>(position), value);
    }
    CHECK(contents(queue) == expected);
}

TEST_CASE("an insertion without memory throws and leaves everything as it was", "[block_deque]") {
    BlockDeque<MoveOnly> queue;
    std::vector<MoveOnly> more = messages<MoveOnly>(0, BlockGrowth::first_slots);
    REQUIRE(queue.append(more) == more.size());
    MoveOnly value{7};
    const BlocksLeft none{0};
    CHECK_THROWS_AS(queue.insert(3, std::move(value)), std::bad_alloc);
    CHECK(value.get() == 7);
    CHECK(contents(queue) == counting(0, BlockGrowth::first_slots));
}

TEST_CASE("insertions at one place leave no sparse blocks behind", "[block_deque]") {
    const long before = Blocks::live;
    BlockDeque<Countable> queue;
    push(queue, 0, 10 * many);
    const long blocks = Blocks::live - before;
    for (int count = 0; count != 10 * many; ++count) queue.insert(5 * many, Countable{count});
    CHECK(Blocks::live - before <= 2 * blocks + 2);
}

TEST_CASE("an element is found by its position", "[block_deque]") {
    BlockDeque<Countable> queue;
    push(queue, 0, many);
    const BlockDeque<Countable>& same = queue;
    for (int position = 0; position != many; ++position) {
        REQUIRE(queue.at(static_cast<std::size_t>(position)).get() == position);
        REQUIRE(same.at(static_cast<std::size_t>(position)).get() == position);
    }
}

TEST_CASE("a search goes from an end until it is stopped, or has seen as many as it may",
          "[block_deque]") {
    BlockDeque<Countable> queue;
    push(queue, 0, many);
    std::vector<int> seen;
    const auto stops_at = [&](int last) {
        seen.clear();
        return [&seen, last](const Countable& element) {
            seen.push_back(element.get());
            return element.get() == last;
        };
    };
    const std::size_t all = queue.size();
    CHECK(queue.search_from_front(all, stops_at(99)));
    CHECK(seen == counting(0, 100));
    CHECK_FALSE(queue.search_from_front(50, stops_at(50)));
    CHECK(seen == counting(0, 50));
    CHECK_FALSE(queue.search_from_front(all, stops_at(-1)));
    CHECK(seen == counting(0, many));
    CHECK(queue.search_from_back(all, stops_at(many - 3)));
    CHECK(seen == std::vector{many - 1, many - 2, many - 3});
    CHECK_FALSE(queue.search_from_back(2, stops_at(many - 3)));
    CHECK(seen == std::vector{many - 1, many - 2});
    CHECK_FALSE(queue.search_from_back(all, stops_at(-1)));
    CHECK(seen.size() == all);
    CHECK_FALSE(queue.search_from_front(0, stops_at(0)));
    CHECK_FALSE(queue.search_from_back(0, stops_at(many - 1)));
    CHECK(seen.empty());
}

TEST_CASE("a queue can hand over all it has, and goes on empty", "[block_deque]") {
    BlockDeque<MoveOnly> giver;
    BlockDeque<MoveOnly> taker;
    std::vector<MoveOnly> more = messages<MoveOnly>(0, many);
    giver.append(more);
    const MoveOnly* const address = &giver.front();
    taker.take_all(giver);
    CHECK(giver.empty());
    CHECK(taker.size() == many);
    CHECK(&taker.front() == address);
    CHECK(contents(taker) == counting(0, many));
    giver.push_back(MoveOnly{1});
    CHECK(contents(giver) == std::vector{1});
}

TEST_CASE("a stream that is handed over again and again needs no new memory", "[block_deque]") {
    BlockDeque<Countable> back;
    BlockDeque<Countable> front;
    const auto stream = [&] {
        for (int round = 0; round != 100; ++round) {
            push(back, 0, 20);
            front.take_all(back);
            while (!front.empty()) front.drop_front();
        }
    };
    stream();
    const long before = Blocks::ever;
    stream();
    CHECK(Blocks::ever == before);
}

TEST_CASE("a short queue that is filled and emptied again and again needs no new memory",
          "[block_deque]") {
    BlockDeque<Countable> queue;
    queue.push_back(Countable{0});
    queue.drop_front();
    const long before = Blocks::ever;
    for (int round = 0; round != 100; ++round) {
        queue.push_back(Countable{0});
        queue.drop_front();
        queue.push_front(Countable{0});
        queue.drop_back();
    }
    CHECK(Blocks::ever == before);
}

TEST_CASE("a queue that runs along its blocks keeps the emptied ones for the next elements",
          "[block_deque]") {
    BlockDeque<Countable> queue;
    const auto run = [&] {
        for (int value = 0; value != 10 * many; ++value) {
            queue.push_back(Countable{value});
            if (queue.size() > 100) queue.drop_front();
        }
    };
    run();
    const long before = Blocks::ever;
    run();
    CHECK(Blocks::ever == before);
}

TEST_CASE("of the blocks that are emptied at most two are kept, the others given back",
          "[block_deque]") {
    const long before = Blocks::live;
    BlockDeque<Countable> queue;
    push(queue, 0, 10 * many);
    REQUIRE(Blocks::live - before > 20);
    queue.clear();
    CHECK(queue.empty());
    CHECK(Blocks::live - before <= 3);  // the one it stands in, and two
}

namespace {

// The positions below `size`, but those that are to be kept.
template <typename Keeps>
std::vector<std::size_t> positions_but(int size, Keeps keeps) {
    std::vector<std::size_t> positions;
    for (int at = 0; at != size; ++at)
        if (!keeps(at)) positions.push_back(static_cast<std::size_t>(at));
    return positions;
}

}  // namespace

TEST_CASE("what few elements are left of many are moved together, and blocks given back",
          "[block_deque]") {
    constexpr int count = 100'000;
    const int one_in = GENERATE(1'000, 100, 3);
    const long before = Blocks::live;
    BlockDeque<Countable> queue;
    push(queue, 0, count);
    const long blocks = Blocks::live - before;
    const auto positions = positions_but(count, [&](int at) { return at % one_in == 0; });
    std::vector<Countable> out;
    out.reserve(positions.size());
    queue.extract(positions, out);
    std::vector<int> left;
    for (int value = 0; value < count; value += one_in) left.push_back(value);
    CHECK(contents(queue) == left);
    // At most half a block is empty, and two are spare.
    CHECK(Blocks::live - before <= 2 * blocks / one_in + 4);
    push(queue, count, 1);
    CHECK(queue.back().get() == count);
}

TEST_CASE("blocks that become sparse in turns are merged, too", "[block_deque]") {
    constexpr int count = 100'000;
    const long before = Blocks::live;
    BlockDeque<Countable> queue;
    push(queue, 0, count);
    // Each time one in ten of what is left, so that no block loses much at once.
    while (queue.size() > 100) {
        const auto positions =
            positions_but(static_cast<int>(queue.size()), [](int at) { return at % 10 != 0; });
        std::vector<Countable> out;
        out.reserve(positions.size());
        queue.extract(positions, out);
    }
    CHECK(Blocks::live - before <= 4);
}

TEST_CASE("an element moves when its neighbours go, and those far away do not", "[block_deque]") {
    BlockDeque<Countable> queue;
    push(queue, 0, 10 * many);
    const Countable* const last = &queue.back();
    std::vector<Countable> out;
    out.reserve(1);
    queue.extract({0}, out);
    CHECK(&queue.back() == last);
    CHECK(contents(queue) == counting(1, 10 * many - 1));
}

TEST_CASE("blocks that are handed to a queue with spare ones are not more than before",
          "[block_deque]") {
    const long before = Blocks::live;
    BlockDeque<Countable> back;
    BlockDeque<Countable> front;
    for (int round = 0; round != 10; ++round) {
        push(back, 0, many);
        front.take_all(back);
        front.clear();
    }
    CHECK(Blocks::live - before <= 6);
}

TEST_CASE("a queue gives back all memory when it goes", "[block_deque]") {
    const long before = Blocks::live;
    Census census;
    {
        BlockDeque<Countable> queue;
        push(queue, 0, many);
        for (int i = 0; i != many / 2; ++i) queue.drop_front();
        queue.reserve_front();
    }
    CHECK(Blocks::live == before);
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

TEST_CASE("blocks are small at first and grow to four kilobytes", "[block_deque][blocks]") {
    constexpr std::uint32_t most = BlockGrowth::most(48, 8);
    STATIC_REQUIRE(48 + most * 8 <= BlockGrowth::largest_block);
    STATIC_REQUIRE(48 + (most + 1) * 8 > BlockGrowth::largest_block);
    STATIC_REQUIRE(BlockGrowth::after(0, most) == BlockGrowth::first_slots);
    STATIC_REQUIRE(BlockGrowth::after(8, most) == 16);
    STATIC_REQUIRE(BlockGrowth::after(400, most) == most);
}

TEST_CASE("an element larger than a block has a block to itself", "[block_deque][blocks]") {
    STATIC_REQUIRE(BlockGrowth::most(48, 10'000) == 1);
    STATIC_REQUIRE(BlockGrowth::most(10'000, 10'000) == 1);
    STATIC_REQUIRE(BlockGrowth::after(0, 1) == 1);
    struct Large {
        std::array<int, 2'500> text;
    };
    BlockDeque<Large> queue;
    for (int value = 0; value != 3; ++value) {
        queue.push_back(Large{{value}});
        queue.push_front(Large{{value}});
    }
    CHECK(queue.front().text[0] == 2);
    CHECK(queue.back().text[0] == 2);
}

TEST_CASE("elements stand where their alignment wants them", "[block_deque]") {
    struct alignas(128) Wide {
        int value = 0;
    };
    BlockDeque<Wide> queue;
    for (int value = 0; value != 100; ++value) queue.push_back(Wide{value});
    std::size_t misplaced = 0;
    queue.visit(0, queue.size(), [&](const Wide& element) {
        misplaced += reinterpret_cast<std::uintptr_t>(&element) % alignof(Wide) != 0;
    });
    CHECK(misplaced == 0);
}

TEST_CASE("a visit sees as many elements as it asks for, from the place it asks for",
          "[block_deque]") {
    BlockDeque<Countable> queue;
    push(queue, 0, 100);
    std::vector<int> seen;
    queue.visit(20, 30, [&](const Countable& element) { seen.push_back(element.get()); });
    CHECK(seen == counting(20, 30));
    queue.visit(100, 0, [&](const Countable&) { seen.clear(); });
    CHECK(seen.size() == 30);
}

namespace {

// A queue, what it should be, and what became of its elements; and a second one to hand over to.
template <typename T>
class Model {
public:
    explicit Model(std::uint32_t seed) : random_{seed} {}

    void step() {
        // Runs up and down between empty and some hundreds, so that all block sizes come.
        const bool grows = below(100) < (rising_ ? 60U : 40U);
        grows ? grow() : shrink();
        if (expected_.size() > 700) rising_ = false;
        if (expected_.empty()) rising_ = true;
        if (below(100) == 0) rearrange();
    }

    [[nodiscard]] bool ends_are_right() {
        if (queue_.size() != expected_.size() || queue_.empty() != expected_.empty()) return false;
        return expected_.empty() || (queue_.front().get() == expected_.front() &&
                                     queue_.back().get() == expected_.back());
    }

    [[nodiscard]] bool all_is_right(const Census& census) {
        if (census.alive() != static_cast<long>(expected_.size()) || census.faults() != 0)
            return false;
        const std::size_t from = expected_.empty() ? 0 : below(expected_.size());
        std::size_t at = from;
        bool right = expected_.empty() || queue_.at(from).get() == expected_[from];
        queue_.visit(from, expected_.size() - from,
                     [&](const T& element) { right = right && element.get() == expected_[at++]; });
        return right && at == expected_.size();
    }

    [[nodiscard]] std::size_t operations() const { return operations_; }

private:
    std::size_t below(std::size_t bound) { return random_() % bound; }

    void grow() {
        switch (below(9)) {
        case 8: {
            const std::size_t position = below(expected_.size() + 1);
            queue_.insert(position, T{next_});
            expected_.insert(expected_.begin() + static_cast<std::ptrdiff_t>(position), next_++);
            break;
        }
        case 0: {
            std::vector<T> more = messages<T>(next_, static_cast<int>(below(60)));
            for (const T& message : more) expected_.push_back(message.get());
            next_ += static_cast<int>(more.size());
            right_ = right_ && queue_.append(more) == more.size();
            break;
        }
        case 1:
            queue_.reserve_back();
            break;
        case 2:
            queue_.reserve_front();
            break;
        case 3:
        case 4:
            queue_.push_front(T{next_});
            expected_.push_front(next_++);
            break;
        default:
            queue_.push_back(T{next_});
            expected_.push_back(next_++);
        }
        ++operations_;
    }

    void shrink() {
        if (expected_.empty()) return;
        switch (below(6)) {
        case 0:
            take_front(below(std::min<std::size_t>(expected_.size(), 60) + 1));
            break;
        case 1:
        case 2:
            queue_.drop_back();
            expected_.pop_back();
            break;
        default:
            queue_.drop_front();
            expected_.pop_front();
        }
        ++operations_;
    }

    void take_front(std::size_t count) {
        std::vector<T> out;
        out.reserve(count);
        queue_.take_front(count, out);
        for (const T& element : out) {
            right_ = right_ && element.get() == expected_.front();
            expected_.pop_front();
        }
    }

    void rearrange() {
        ++operations_;
        switch (below(4)) {
        case 0:
            other_.take_all(queue_);
            queue_.take_all(other_);
            break;
        case 1:
            if (below(10) != 0) break;
            queue_.clear();
            expected_.clear();
            break;
        default:
            extract(1 + below(20));
        }
        if (!right_) expected_.push_back(wrong);
    }

    // About every n-th element.
    void extract(std::size_t n) {
        std::vector<std::size_t> positions;
        std::deque<int> kept;
        std::vector<int> taken;
        for (std::size_t at = 0; at != expected_.size(); ++at) {
            if (below(n) != 0) {
                kept.push_back(expected_[at]);
            } else {
                taken.push_back(expected_[at]);
                positions.push_back(at);
            }
        }
        std::vector<T> out;
        out.reserve(positions.size());
        queue_.extract(positions, out);
        right_ = right_ && contents(out) == taken;
        expected_ = kept;
    }

    static constexpr int wrong = -3;  // no element has it

    std::mt19937 random_;
    BlockDeque<T> queue_;
    BlockDeque<T> other_;
    std::deque<int> expected_;
    std::size_t operations_ = 0;
    int next_ = 0;
    bool rising_ = true;
    bool right_ = true;
};

}  // namespace

TEMPLATE_TEST_CASE("a queue of blocks does what a deque does", "[block_deque][model]", Countable,
                   MoveOnly) {
    const long before = Blocks::live;
    const std::size_t at_least = runnel::test::scaled(1'000'000, 100'000);
    std::size_t operations = 0;
    for (std::uint32_t seed = 1; operations < at_least; ++seed) {
        CAPTURE(seed);
        Census census;
        {
            Model<TestType> model{seed};
            for (int step = 0; step != 20'000; ++step) {
                model.step();
                if (!model.ends_are_right()) FAIL("wrong ends after step " << step);
                if (step % 50 == 0 && !model.all_is_right(census))
                    FAIL("wrong elements after step " << step);
            }
            operations += model.operations();
        }
        REQUIRE(census.alive() == 0);
        REQUIRE(census.faults() == 0);
        REQUIRE(Blocks::live == before);
    }
    CHECK(operations >= at_least);
}
