// SPDX-License-Identifier: MIT
#include <runnel/detail/core/pending_entries.hpp>
#include <runnel/detail/core/time_order.hpp>
#include <runnel/stream_id.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

using runnel::StreamId;
using runnel::detail::PendingEntries;
using runnel::detail::TimedEntry;
using runnel::detail::TimeOrder;

namespace {

// An entry in line, and a naive line of them.
struct InLine {
    StreamId id;
    bool is_released = true;
    std::int64_t time = 0;

    friend bool operator==(const InLine&, const InLine&) = default;
};
using Line = std::vector<InLine>;

Line line_of(const TimeOrder& order) {
    Line line;
    const TimedEntry* before = nullptr;
    for (const TimedEntry* one = order.first(); one != nullptr; one = one->next) {
        CHECK(one->previous == before);
        CHECK(order.before(*one->id) == before);
        line.push_back({*one->id, one->is_released, one->delivered_ms});
        before = one;
    }
    CHECK(order.last() == before);
    CHECK(order.size() == line.size());
    return line;
}

class NaiveLine {
public:
    void erase(StreamId id) {
        std::erase_if(line, [&](const InLine& one) { return one.id == id; });
    }
    void release(StreamId id) {
        erase(id);
        line.insert(std::ranges::find(line, false, &InLine::is_released), {id, true, 0});
    }
    void deliver(StreamId id, std::int64_t time) {
        erase(id);
        const auto is_behind = [&](const InLine& one) {
            return !one.is_released && one.time > time;
        };
        line.insert(std::ranges::find_if(line, is_behind), {id, false, time});
    }

    Line line;
};

}  // namespace

TEST_CASE("those that were released stand first, as they were released", "[time_order]") {
    TimeOrder order;
    for (const std::uint64_t ms : {1U, 2U, 3U, 4U}) order.insert({ms});
    for (const std::uint64_t ms : {1U, 2U, 3U, 4U}) order.deliver({ms}, 10);
    order.release({4});
    order.release({2});
    CHECK(line_of(order) == Line{{{4}}, {{2}}, {{1}, false, 10}, {{3}, false, 10}});
}

TEST_CASE("what is released once more goes to the end of the released ones", "[time_order]") {
    TimeOrder order;
    for (const std::uint64_t ms : {1U, 2U, 3U}) order.insert({ms});
    order.deliver({3}, 10);
    order.release({1});
    CHECK(line_of(order) == Line{{{2}}, {{1}}, {{3}, false, 10}});
}

TEST_CASE("what was delivered stands by its time, behind its equals", "[time_order]") {
    TimeOrder order;
    for (const std::uint64_t ms : {1U, 2U, 3U, 4U}) order.insert({ms});
    order.deliver({1}, 20);
    order.deliver({2}, 10);
    order.deliver({3}, 30);
    order.deliver({4}, 20);
    CHECK(line_of(order) ==
          Line{{{2}, false, 10}, {{1}, false, 20}, {{4}, false, 20}, {{3}, false, 30}});
    order.deliver({1}, 20);
    CHECK(line_of(order) ==
          Line{{{2}, false, 10}, {{4}, false, 20}, {{1}, false, 20}, {{3}, false, 30}});
}

TEST_CASE("a time before all others is still behind what was released", "[time_order]") {
    TimeOrder order;
    for (const std::uint64_t ms : {1U, 2U, 3U}) order.insert({ms});
    order.deliver({1}, 0);
    order.deliver({3}, -5);
    CHECK(line_of(order) == Line{{{2}}, {{3}, false, -5}, {{1}, false, 0}});
}

TEST_CASE("entries stand in the order of a naive line, whatever becomes of them", "[time_order]") {
    std::mt19937 random{static_cast<std::uint32_t>(runnel::test::seed_for("time_order"))};
    PendingEntries pending{PendingEntries::timed, 4};
    NaiveLine naive;
    for (std::size_t step = 0; step != runnel::test::scaled(20'000); ++step) {
        const StreamId id{1 + random() % 40};
        const auto place = pending.find(id);
        switch (random() % 4) {
        case 0:
            if (!place) break;
            pending.erase(place);
            naive.erase(id);
            break;
        case 1:
            pending.release(pending.find_or_insert(id), 1);
            naive.release(id);
            break;
        default:
            const auto time = static_cast<std::int64_t>(random() % 20);
            pending.deliver(pending.find_or_insert(id), 1, time, 1);
            naive.deliver(id, time);
        }
        REQUIRE(line_of(*pending.by_time()) == naive.line);
    }
}

TEST_CASE("only pending entries that were asked to know the order of time", "[time_order]") {
    CHECK(PendingEntries{}.by_time() == nullptr);
    CHECK(PendingEntries{PendingEntries::timed}.by_time() != nullptr);
}

TEST_CASE("pending entries in the order of time are empty once they were cleared", "[time_order]") {
    PendingEntries pending{PendingEntries::timed};
    (void)pending.insert({1});
    pending.clear();
    CHECK(line_of(*pending.by_time()).empty());
    pending.deliver(pending.insert({1}), 1, 5, 1);
    CHECK(line_of(*pending.by_time()) == Line{{{1}, false, 5}});
}

TEST_CASE("a copy of pending entries has the same entries in the same orders", "[time_order]") {
    std::mt19937 random{1};
    PendingEntries pending{PendingEntries::timed};
    for (std::uint64_t n = 0; n != 500; ++n) {
        const auto place = pending.find_or_insert({1 + random() % 300});
        const auto number = static_cast<std::uint32_t>(random() % 10);
        if (number == 0)
            pending.release(place, n);
        else
            pending.deliver(place, number, static_cast<std::int64_t>(random() % 20), n);
    }
    const PendingEntries copy{pending};
    CHECK(line_of(*copy.by_time()) == line_of(*pending.by_time()));
    CHECK(copy.size() == pending.size());
    CHECK(copy.released() == pending.released());
    auto at = pending.first();
    for (auto of_copy = copy.first(); of_copy; of_copy = PendingEntries::next(of_copy)) {
        REQUIRE(copy[of_copy] == pending[at]);
        at = PendingEntries::next(at);
    }
    CHECK_FALSE(at);
    CHECK(PendingEntries{PendingEntries{}}.by_time() == nullptr);
}

TEST_CASE("entries go back to where they stood, the last change first", "[time_order]") {
    std::mt19937 random{static_cast<std::uint32_t>(runnel::test::seed_for("time_order, back"))};
    PendingEntries pending{PendingEntries::timed};
    for (std::uint64_t ms = 1; ms <= 30; ++ms) {
        const auto place = pending.insert({ms});
        if (ms % 3 != 0) pending.deliver(place, 1, static_cast<std::int64_t>(random() % 10), ms);
    }
    for (std::size_t round = 0; round != runnel::test::scaled(500); ++round) {
        const Line before = line_of(*pending.by_time());
        const std::size_t released = pending.released();
        std::vector<PendingEntries::Stand> stood;
        for (int changes = 0; changes != 10; ++changes) {
            const auto place = pending.find({1 + random() % 30});
            stood.push_back(pending.stand(place));
            if (random() % 3 == 0)
                pending.release(place, 7);
            else
                pending.deliver(place, 2, static_cast<std::int64_t>(random() % 10), 7);
        }
        for (; !stood.empty(); stood.pop_back()) {
            const auto place = pending.find(stood.back().entry.id);
            pending.put_back(place, stood.back());
            REQUIRE(pending[place] == stood.back().entry);
        }
        REQUIRE(line_of(*pending.by_time()) == before);
        REQUIRE(pending.released() == released);
        pending.deliver(pending.find({1 + random() % 30}), 1, 4, 1);
        pending.release(pending.find({1 + random() % 30}), 1);
    }
}
