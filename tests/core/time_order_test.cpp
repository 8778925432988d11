// SPDX-License-Identifier: MIT
#include <runnel/detail/core/pending_entries.hpp>
#include <runnel/detail/core/time_order.hpp>
#include <runnel/stream_id.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <utility>
#include <vector>

using runnel::StreamId;
using runnel::detail::Pending;
using runnel::detail::PendingEntries;
using runnel::detail::TimedEntry;
using runnel::detail::TimeOrder;

namespace {

// An entry in line, or one that is delayed; and naive lines of them.
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
        line.push_back({one->id, one->is_released(), one->time_ms});
        before = one;
    }
    CHECK(order.last() == before);
    return line;
}

class NaiveLine {
public:
    void erase(StreamId id) {
        std::erase_if(line, [&](const InLine& one) { return one.id == id; });
        std::erase_if(delayed, [&](const InLine& one) { return one.id == id; });
    }
    void release(StreamId id) {
        erase(id);
        line.insert(std::ranges::find(line, false, &InLine::is_released), {id, true, 0});
    }
    void delay(StreamId id, std::int64_t due) {
        erase(id);
        const auto is_later = [&](const InLine& one) { return one.time > due; };
        delayed.insert(std::ranges::find_if(delayed, is_later), {id, true, due});
    }
    void release_due(std::int64_t now) {
        while (!delayed.empty() && delayed.front().time <= now) release(delayed.front().id);
    }
    void deliver(StreamId id, std::int64_t time) {
        erase(id);
        const auto is_behind = [&](const InLine& one) {
            return !one.is_released && one.time > time;
        };
        line.insert(std::ranges::find_if(line, is_behind), {id, false, time});
    }

    Line line;
    Line delayed;  // in the order in which they will be released
};

// An order, and entries of which nobody moves any. They are released in the order of ids.
struct Ordered {
    explicit Ordered(std::uint64_t count) {
        for (std::uint64_t ms = 1; ms <= count; ++ms) {
            order.insert(entries[ms], {ms});
            order.release(entries[ms]);
        }
    }

    void deliver(std::uint64_t ms, std::int64_t time) { order.deliver(entries[ms], time); }
    void release(std::uint64_t ms) { order.release(entries[ms]); }
    void delay(std::uint64_t ms, std::int64_t due) { order.delay(entries[ms], due); }
    [[nodiscard]] Line line() const { return line_of(order); }
    [[nodiscard]] std::uint64_t next_due() const { return order.next_due()->id.ms; }

    TimeOrder order;
    std::map<std::uint64_t, TimedEntry> entries;
};

}  // namespace

TEST_CASE("those that were released stand first, as they were released", "[time_order]") {
    Ordered on{4};
    for (const std::uint64_t ms : {1U, 2U, 3U, 4U}) on.deliver(ms, 10);
    on.release(4);
    on.release(2);
    CHECK(on.line() == Line{{{4}}, {{2}}, {{1}, false, 10}, {{3}, false, 10}});
}

TEST_CASE("what is released once more goes to the end of the released ones", "[time_order]") {
    Ordered on{3};
    on.deliver(3, 10);
    on.release(1);
    CHECK(on.line() == Line{{{2}}, {{1}}, {{3}, false, 10}});
}

TEST_CASE("what was delivered stands by its time, behind its equals", "[time_order]") {
    Ordered on{4};
    on.deliver(1, 20);
    on.deliver(2, 10);
    on.deliver(3, 30);
    on.deliver(4, 20);
    CHECK(on.line() ==
          Line{{{2}, false, 10}, {{1}, false, 20}, {{4}, false, 20}, {{3}, false, 30}});
    on.deliver(1, 20);
    CHECK(on.line() ==
          Line{{{2}, false, 10}, {{4}, false, 20}, {{1}, false, 20}, {{3}, false, 30}});
}

TEST_CASE("a time before all others is still behind what was released", "[time_order]") {
    Ordered on{3};
    on.deliver(1, 0);
    on.deliver(3, -5);
    CHECK(on.line() == Line{{{2}}, {{3}, false, -5}, {{1}, false, 0}});
}

TEST_CASE("what is delayed stands in no line until that ends", "[time_order]") {
    Ordered on{5};
    on.deliver(5, 1);
    on.delay(1, 30);
    on.delay(2, 20);
    on.delay(3, 30);
    CHECK(on.line() == Line{{{4}}, {{5}, false, 1}});
    CHECK(on.next_due() == 2);
    on.order.release_due(19);
    CHECK(on.line() == Line{{{4}}, {{5}, false, 1}});
    on.order.release_due(20);
    CHECK(on.line() == Line{{{4}}, {{2}}, {{5}, false, 1}});
    on.order.release_due(100);
    CHECK(on.line() == Line{{{4}}, {{2}}, {{1}}, {{3}}, {{5}, false, 1}});
    CHECK(on.order.next_due() == nullptr);
}

TEST_CASE("what is delayed may be delayed anew, released, delivered or erased", "[time_order]") {
    Ordered on{4};
    for (const std::uint64_t ms : {1U, 2U, 3U, 4U}) on.delay(ms, 10);
    on.delay(1, 10);
    on.release(2);
    on.deliver(3, 5);
    CHECK(on.line() == Line{{{2}}, {{3}, false, 5}});
    CHECK(on.next_due() == 4);
    on.order.erase(on.entries[4]);
    CHECK(on.next_due() == 1);
    on.order.release_due(10);
    CHECK(on.line() == Line{{{2}}, {{1}}, {{3}, false, 5}});
}

TEST_CASE("what was set aside is not seen until it is delivered or released", "[time_order]") {
    Ordered on{4};
    on.deliver(3, 5);
    on.delay(4, 5);
    for (const std::uint64_t ms : {2U, 3U, 4U}) on.order.set_aside(on.entries[ms]);
    CHECK(on.line() == Line{{{1}}});
    CHECK(on.order.next_due() == nullptr);
    on.release(2);
    on.deliver(4, 7);
    on.delay(3, 9);
    CHECK(on.line() == Line{{{1}}, {{2}}, {{4}, false, 7}});
    CHECK(on.next_due() == 3);
    on.order.set_aside(on.entries[2]);
    on.order.erase(on.entries[2]);
    CHECK(on.line() == Line{{{1}}, {{4}, false, 7}});
}

TEST_CASE("entries stand in the order of a naive line, whatever becomes of them", "[time_order]") {
    std::mt19937 random{static_cast<std::uint32_t>(runnel::test::seed_for("time_order"))};
    // Small leaves: entries move from one to another.
    PendingEntries pending{PendingEntries::timed, 4};
    NaiveLine naive;
    std::int64_t now = 0;
    for (std::size_t step = 0; step != runnel::test::scaled(20'000); ++step) {
        const StreamId id{1 + random() % 40};
        const auto place = pending.find(id);
        switch (random() % 7) {
        case 0:
        case 1:
            if (!place) break;
            pending.erase(place);
            naive.erase(id);
            break;
        case 2:
            pending.release(pending.find_or_insert(id), 1);
            naive.release(id);
            break;
        case 3: {
            const std::int64_t due = now + 1 + static_cast<std::int64_t>(random() % 20);
            pending.release(pending.find_or_insert(id), 1, due);
            naive.delay(id, due);
            break;
        }
        case 4:
            now += static_cast<std::int64_t>(random() % 6);
            pending.release_due(now);
            naive.release_due(now);
            break;
        default:
            const auto time = static_cast<std::int64_t>(random() % 20);
            pending.deliver(pending.find_or_insert(id), 1, time, 1);
            naive.deliver(id, time);
        }
        REQUIRE(line_of(*pending.by_time()) == naive.line);
        const TimedEntry* const next = pending.by_time()->next_due();
        REQUIRE((next == nullptr) == naive.delayed.empty());
        if (next != nullptr) REQUIRE(next->id == naive.delayed.front().id);
    }
}

TEST_CASE("only pending entries that were asked to know the order of time", "[time_order]") {
    CHECK(PendingEntries{}.by_time() == nullptr);
    CHECK(PendingEntries{PendingEntries::timed}.by_time() != nullptr);
}

TEST_CASE("pending entries may be asked for the order of time when there are some",
          "[time_order]") {
    std::mt19937 random{static_cast<std::uint32_t>(runnel::test::seed_for("time_order, late"))};
    for (std::size_t round = 0; round != runnel::test::scaled(200); ++round) {
        PendingEntries pending{8};
        const bool is_sorted = round % 2 == 0;
        Line released;
        Line delivered;
        NaiveLine delays;
        for (std::uint64_t ms = 1; ms <= round % 50; ++ms) {
            const auto place = pending.insert({ms});
            const auto what = random() % 4;
            if (what == 0) {
                pending.release(place, ms);
                released.push_back({{ms}});
            } else if (what == 1) {
                const auto due = static_cast<std::int64_t>(1 + random() % 20);
                pending.release(place, ms, due);
                delays.delay({ms}, due);
            } else {
                const auto time = static_cast<std::int64_t>(is_sorted ? ms / 2 : random() % 20);
                pending.deliver(place, 1, time, ms);
                delivered.push_back({{ms}, false, time});
            }
        }
        std::ranges::sort(delivered, [](const InLine& one, const InLine& other) {
            return std::pair{one.time, one.id} < std::pair{other.time, other.id};
        });
        pending.keep_time_order();
        pending.keep_time_order();  // once is enough
        Line line = released;
        line.insert(line.end(), delivered.begin(), delivered.end());
        REQUIRE(line_of(*pending.by_time()) == line);
        pending.release_due(20);
        for (const InLine& one : delays.delayed) released.push_back({one.id});
        line = released;
        line.insert(line.end(), delivered.begin(), delivered.end());
        REQUIRE(line_of(*pending.by_time()) == line);
        for (const InLine& one : line) pending.erase(pending.find(one.id));
        REQUIRE(line_of(*pending.by_time()).empty());
    }
}

TEST_CASE("a released entry says from when on a claim may take it", "[time_order]") {
    PendingEntries pending{PendingEntries::timed};
    const auto place = pending.insert({1});
    CHECK(PendingEntries::due_ms(place) == 0);
    pending.release(place, 3, 50);
    CHECK(pending[place] == Pending{{1}, PendingEntries::nobody, 0, 3, 50});
    pending.deliver(place, 2, 60, 4);
    CHECK(pending[place] == Pending{{1}, 2, 60, 4, 0});
    pending.release(place, 4);
    CHECK(pending[place] == Pending{{1}, PendingEntries::nobody, 0, 4, 0});
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
            pending.release(place, n, static_cast<std::int64_t>(random() % 3));
        else
            pending.deliver(place, number, static_cast<std::int64_t>(random() % 20), n);
    }
    PendingEntries copy{pending};
    CHECK(line_of(*copy.by_time()) == line_of(*pending.by_time()));
    CHECK(copy.size() == pending.size());
    CHECK(copy.released() == pending.released());
    auto at = pending.first();
    for (auto of_copy = copy.first(); of_copy; of_copy = PendingEntries::next(of_copy)) {
        REQUIRE(copy[of_copy] == pending[at]);
        at = PendingEntries::next(at);
    }
    CHECK_FALSE(at);
    CHECK(pending.by_time()->next_due() != nullptr);
    pending.release_due(2);
    copy.release_due(2);
    CHECK(line_of(*copy.by_time()) == line_of(*pending.by_time()));
    CHECK(PendingEntries{PendingEntries{}}.by_time() == nullptr);
}

TEST_CASE("entries go back to where they stood, the last change first", "[time_order]") {
    std::mt19937 random{static_cast<std::uint32_t>(runnel::test::seed_for("time_order, back"))};
    PendingEntries pending{PendingEntries::timed, 4};
    for (std::uint64_t ms = 1; ms <= 30; ++ms) {
        const auto place = pending.insert({ms});
        pending.release(place, 0);
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
