// SPDX-License-Identifier: MIT
#include <runnel/detail/core/pending_entries.hpp>
#include <runnel/stream_id.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <utility>
#include <vector>

using runnel::StreamId;
using runnel::detail::Pending;
using runnel::detail::PendingEntries;

namespace {

struct Memory {
    static inline long bytes = 0;     // in use
    static inline long requests = 0;  // ever
    static inline long left = -1;     // requests until there is no more; below 0 is for ever
};

// So many more requests are granted meanwhile.
struct MemoryLeft {
    explicit MemoryLeft(long requests) { Memory::left = requests; }
    MemoryLeft(const MemoryLeft&) = delete;
    MemoryLeft& operator=(const MemoryLeft&) = delete;
    ~MemoryLeft() { Memory::left = -1; }
};

// How many bytes were asked for stands in front of the memory.
constexpr std::size_t front_bytes = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

void* allocate(std::size_t bytes) {
    if (Memory::left == 0) throw std::bad_alloc{};
    if (Memory::left > 0) --Memory::left;
    void* const memory = std::malloc(front_bytes + bytes);
    if (memory == nullptr) throw std::bad_alloc{};
    *static_cast<std::size_t*>(memory) = bytes;
    Memory::bytes += static_cast<long>(bytes);
    ++Memory::requests;
    return static_cast<std::byte*>(memory) + front_bytes;
}

void release(void* memory) noexcept {
    if (memory == nullptr) return;
    void* const front = static_cast<std::byte*>(memory) - front_bytes;
    Memory::bytes -= static_cast<long>(*static_cast<std::size_t*>(front));
    std::free(front);
}

}  // namespace

// Not inlined: g++ would believe that new and free() do not belong together.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
    return allocate(bytes);
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
    if (static_cast<std::size_t>(alignment) > front_bytes) throw std::bad_alloc{};
    return allocate(bytes);
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    try {
        return allocate(bytes);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    release(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
    release(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
    release(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    release(memory);
}
// Else these would be the sanitizers' own.
[[gnu::noinline]] void* operator new[](std::size_t bytes) {
    return allocate(bytes);
}
[[gnu::noinline]] void operator delete[](void* memory) noexcept {
    release(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept {
    release(memory);
}

namespace {

using Place = PendingEntries::Place;
using Entries = std::vector<Pending>;
using Ids = std::vector<StreamId>;

constexpr std::uint32_t nobody = PendingEntries::nobody;
constexpr std::uint64_t far = std::uint64_t{1} << 33U;  // further than a leaf reaches

void deliver(PendingEntries& pending, StreamId id, std::uint32_t owner, std::int64_t time,
             std::uint64_t deliveries = 1) {
    pending.deliver(pending.find_or_insert(id), owner, time, deliveries);
}

Entries by_id(const PendingEntries& pending) {
    Entries entries;
    for (Place at = pending.first(); at; at = pending.next(at)) entries.push_back(pending[at]);
    return entries;
}

Entries by_id_backwards(const PendingEntries& pending) {
    Entries entries;
    for (Place at = pending.last(); at; at = pending.previous(at)) entries.push_back(pending[at]);
    return entries;
}

Ids ids(const PendingEntries& pending) {
    Ids ids;
    for (Place at = pending.first(); at; at = pending.next(at)) ids.push_back(pending.id(at));
    return ids;
}

Ids of(const PendingEntries& pending, std::uint32_t owner) {
    Ids ids;
    Place at = pending.next_of(owner, pending.first());
    while (at) {
        ids.push_back(pending.id(at));
        at = pending.next_of(owner, pending.next(at));
    }
    return ids;
}

// More than fit in one leaf.
constexpr std::uint64_t many = 1'000;

}  // namespace

TEST_CASE("without pending entries there is none to find", "[pending_entries]") {
    const PendingEntries pending;
    CHECK(pending.size() == 0);
    CHECK(pending.released() == 0);
    CHECK_FALSE(pending.first());
    CHECK_FALSE(pending.last());
    CHECK_FALSE(pending.find({1, 1}));
    CHECK_FALSE(pending.lower_bound({0, 1}));
    CHECK_FALSE(pending.next_of(0, pending.first()));
}

TEST_CASE("a new entry belongs to nobody and was never delivered", "[pending_entries]") {
    PendingEntries pending;
    const Place place = pending.insert({5, 1});
    CHECK(pending[place] == Pending{{5, 1}, nobody, 0, 0});
    CHECK(pending.size() == 1);
    CHECK(pending.released() == 1);
    pending.erase(place);
    CHECK(pending.size() == 0);
    CHECK(pending.released() == 0);
}

TEST_CASE("a delivered entry has an owner, a time and a count", "[pending_entries]") {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    PendingEntries pending;
    const Place place = pending.insert({5, 1});
    pending.deliver(place, 7, 1'700'000'000'123, 1);
    CHECK(pending[place] == Pending{{5, 1}, 7, 1'700'000'000'123, 1});
    pending.deliver(place, nobody - 1, std::numeric_limits<std::int64_t>::max(), most);
    CHECK(pending[place] ==
          Pending{{5, 1}, nobody - 1, std::numeric_limits<std::int64_t>::max(), most});
    pending.deliver(place, 0, -1, 0);
    CHECK(pending[place] == Pending{{5, 1}, 0, -1, 0});
}

TEST_CASE("what is to be inserted and is there already is left as it is", "[pending_entries]") {
    PendingEntries pending;
    for (std::uint64_t ms = 1; ms <= many; ++ms) deliver(pending, {ms, 0}, 3, 10, ms);
    for (std::uint64_t ms = 1; ms <= many; ++ms) {
        const Place place = pending.find_or_insert({ms, 0});
        REQUIRE(pending[place] == Pending{{ms, 0}, 3, 10, ms});
    }
    CHECK(pending.size() == many);
}

TEST_CASE("entries are ordered by their ids, in whatever order they come", "[pending_entries]") {
    Ids expected;
    for (std::uint64_t n = 0; n != many; ++n) expected.push_back({100 + n / 3, n % 3});
    Ids order = expected;
    PendingEntries pending;
    SECTION("ascending") {}
    SECTION("descending") {
        std::ranges::reverse(order);
    }
    SECTION("every other one first") {
        std::ranges::sort(order, {}, [](StreamId id) { return std::pair{id.ms % 2, id}; });
    }
    SECTION("at random") {
        std::ranges::shuffle(order, std::mt19937{1});
    }
    for (const StreamId id : order) deliver(pending, id, 1, 1);
    CHECK(ids(pending) == expected);
    Entries backwards = by_id_backwards(pending);
    std::ranges::reverse(backwards);
    CHECK(backwards == by_id(pending));
}

TEST_CASE("ids may be as small, as great and as far from each other as ids can be",
          "[pending_entries]") {
    constexpr auto last = std::numeric_limits<std::uint64_t>::max();
    Ids expected{{0, 1}, {0, 2}, {0, far}, {0, last}};
    for (const std::uint64_t ms : {std::uint64_t{1}, far, 2 * far, last - far, last - 1, last})
        for (const std::uint64_t seq : {std::uint64_t{0}, std::uint64_t{1}, far, last - 1, last})
            expected.push_back({ms, seq});
    std::mt19937 random{1};
    for (int round = 0; round != 200; ++round) {
        Ids order = expected;
        std::ranges::shuffle(order, random);
        PendingEntries pending;
        for (const StreamId id : order) deliver(pending, id, 1, 1);
        REQUIRE(ids(pending) == expected);
        for (const StreamId id : order) {
            const Place place = pending.find(id);
            REQUIRE(place);
            pending.erase(place);
            REQUIRE_FALSE(pending.find(id));
        }
        REQUIRE(pending.size() == 0);
    }
}

TEST_CASE("an entry is found by its id, or the next one behind it", "[pending_entries]") {
    PendingEntries pending;
    for (std::uint64_t n = 1; n <= many; ++n) deliver(pending, {2 * n, 0}, 1, 1);
    CHECK_FALSE(pending.find({1, 0}));
    CHECK(pending.id(pending.lower_bound({0, 1})) == StreamId{2, 0});
    for (std::uint64_t n = 1; n <= many; ++n) {
        const Place place = pending.find({2 * n, 0});
        REQUIRE(place);
        REQUIRE(pending.id(place) == StreamId{2 * n, 0});
        REQUIRE(pending.lower_bound({2 * n, 0}) == place);
        REQUIRE(pending.lower_bound({2 * n - 1, 0}) == place);
        REQUIRE_FALSE(pending.find({2 * n, 1}));
        REQUIRE_FALSE(pending.find({2 * n - 1, 0}));
    }
    CHECK_FALSE(pending.lower_bound({2 * many, 1}));
}

TEST_CASE("entries that are released are counted, each once", "[pending_entries]") {
    PendingEntries pending;
    for (std::uint64_t ms = 1; ms <= 5; ++ms) deliver(pending, {ms, 0}, 1, -10);
    pending.release(pending.find({4, 0}), 1);
    pending.release(pending.find({2, 0}), 1);
    pending.release(pending.insert({6, 0}), 0);
    CHECK(pending.released() == 3);
    pending.release(pending.find({4, 0}), 1);
    CHECK(pending.released() == 3);
    pending.erase(pending.find({4, 0}));
    CHECK(pending.released() == 2);
    pending.erase(pending.find({5, 0}));
    CHECK(pending.released() == 2);
    pending.clear();
    CHECK(pending.released() == 0);
}

TEST_CASE("a released entry belongs to nobody and has no delivery time", "[pending_entries]") {
    PendingEntries pending;
    deliver(pending, {1, 0}, 4, 1'000);
    pending.release(pending.find({1, 0}), 9);
    CHECK(by_id(pending) == Entries{{{1, 0}, nobody, 0, 9}});
    CHECK(of(pending, 4).empty());
}

TEST_CASE("a released entry that is delivered leaves the released ones", "[pending_entries]") {
    PendingEntries pending;
    for (std::uint64_t ms = 1; ms <= 3; ++ms) pending.release(pending.insert({ms, 0}), 0);
    deliver(pending, {3, 0}, 1, -5);
    deliver(pending, {1, 0}, 1, -5);
    CHECK(pending.released() == 1);
    deliver(pending, {1, 0}, 2, 5);
    CHECK(pending.released() == 1);
    pending.release(pending.find({1, 0}), 0);
    CHECK(pending.released() == 2);
}

TEST_CASE("the entries of one owner are found among those of others", "[pending_entries]") {
    PendingEntries pending;
    // 5 and 69 differ by 64.
    for (std::uint64_t ms = 1; ms <= many; ++ms) {
        const std::uint32_t other = ms % 50 == 9 ? 69 : 6;
        deliver(pending, {ms, 0}, ms % 100 == 7 ? 5 : other, 1);
    }
    Ids expected;
    for (std::uint64_t ms = 7; ms <= many; ms += 100) expected.push_back({ms, 0});
    CHECK(of(pending, 5) == expected);
    CHECK(of(pending, 70).empty());
    CHECK(pending.id(pending.next_of(5, pending.find({107, 0}))) == StreamId{107, 0});
    CHECK(pending.id(pending.next_of(5, pending.find({108, 0}))) == StreamId{207, 0});
    deliver(pending, {108, 0}, 5, 1);
    CHECK(pending.id(pending.next_of(5, pending.find({108, 0}))) == StreamId{108, 0});
}

TEST_CASE("ids that come back after they were acknowledged stand where they stood",
          "[pending_entries]") {
    PendingEntries pending;
    for (std::uint64_t ms = 1; ms <= many; ++ms) deliver(pending, {ms, 0}, 1, 1);
    const Ids expected = ids(pending);
    for (std::uint64_t ms = 200; ms <= 800; ++ms) pending.erase(pending.find({ms, 0}));
    for (std::uint64_t ms = 200; ms <= 800; ++ms) deliver(pending, {ms, 0}, 1, 1);
    CHECK(ids(pending) == expected);
}

namespace {

// What `pending` holds on to. Looked at before Catch says anything, which needs memory, too.
class MemoryUse {
public:
    [[nodiscard]] long bytes() const { return Memory::bytes - before_; }

private:
    long before_ = Memory::bytes;
};

}  // namespace

TEST_CASE("a hundred thousand pending entries take at most 30 bytes each", "[pending_entries]") {
    constexpr std::uint64_t count = 100'000;
    Ids all;
    for (std::uint64_t n = 0; n != count; ++n) all.push_back({1'700'000'000'000 + n / 7, n % 7});
    const MemoryUse use;
    long used_at_most = 0;
    long used_in_the_end = 0;
    long used_once_cleared = 0;
    {
        PendingEntries pending;
        for (const StreamId id : all) deliver(pending, id, 1, 1);
        used_at_most = use.bytes();
        for (const StreamId id : all) pending.erase(pending.find(id));
        used_in_the_end = use.bytes();
        pending.clear();
        used_once_cleared = use.bytes();
    }
    CHECK(used_at_most <= 30 * static_cast<long>(count));
    CHECK(used_in_the_end < 6'000);  // a leaf that is about to be filled, and a spare one
    CHECK(used_once_cleared == 0);
}

TEST_CASE("what is left when most entries went at random is moved together", "[pending_entries]") {
    constexpr std::size_t count = 100'000;
    constexpr long kept = count / 50;
    Ids all;
    for (std::uint64_t n = 0; n != count; ++n) all.push_back({n + 1, 0});
    const MemoryUse use;
    PendingEntries pending;
    for (const StreamId id : all) deliver(pending, id, 1, 1);
    std::ranges::shuffle(all, std::mt19937{1});
    for (std::size_t n = kept; n != count; ++n) pending.erase(pending.find(all[n]));
    const long used = use.bytes();
    CHECK(used < 200 * kept);
    all.resize(kept);
    std::ranges::sort(all);
    CHECK(ids(pending) == all);
}

TEST_CASE("few pending entries take little memory, also when ids are far apart",
          "[pending_entries]") {
    const MemoryUse use;
    PendingEntries pending;
    deliver(pending, {1, 0}, 1, 1);
    const long used_for_one = use.bytes();
    for (std::uint64_t n = 1; n <= 100; ++n) deliver(pending, {n * far, 0}, 1, 1);
    const long used_for_many = use.bytes();
    CHECK(used_for_one < 500);
    CHECK(used_for_many < 50'000);
}

TEST_CASE("a group that keeps up needs no new memory", "[pending_entries]") {
    const std::size_t window = GENERATE(0U, 1U, 10U, 100U, 1'000U);
    PendingEntries pending;
    std::uint64_t next = 1;
    const auto run = [&] {
        for (int step = 0; step != 20'000; ++step) {
            deliver(pending, {next++, 0}, 1, 1);
            if (pending.size() > window) pending.erase(pending.first());
        }
    };
    run();
    const long before = Memory::requests;
    run();
    const long requests = Memory::requests - before;
    CHECK(requests < 200);  // the tree may need some, as the ids go on
}

TEST_CASE("when there is no memory for the order of time, nothing has changed",
          "[pending_entries]") {
    PendingEntries pending{4};
    for (std::uint64_t ms = 1; ms != 40; ++ms) deliver(pending, {ms, 0}, 1, 100 - (ms % 7));
    for (std::uint64_t ms = 1; ms != 9; ++ms) pending.erase(pending.find({ms, 0}));
    const Entries before = by_id(pending);
    long requests = 0;
    bool is_done = false;
    for (; !is_done; ++requests) {
        const MemoryLeft left{requests};
        try {
            pending.keep_time_order();
            is_done = true;
        } catch (const std::bad_alloc&) {
            CHECK(pending.by_time() == nullptr);
        }
    }
    CHECK(requests > 5);
    CHECK(by_id(pending) == before);
    CHECK(pending.by_time()->first()->time_ms == 94);
    for (const Pending& entry : before) pending.erase(pending.find(entry.id));
    CHECK(pending.by_time()->first() == nullptr);
    deliver(pending, {50, 0}, 1, 1);  // perhaps into a leaf that was kept
    CHECK(pending.by_time()->first()->id == StreamId{50});
}

TEST_CASE("when there is no memory, an insertion throws and leaves everything as it was",
          "[pending_entries]") {
    PendingEntries pending =
        GENERATE(0, 1) == 0 ? PendingEntries{4} : PendingEntries{PendingEntries::timed, 4};
    for (std::uint64_t ms = 100; ms != 140; ++ms) {
        const Place place = pending.insert({ms, 3});
        ms % 3 == 0 ? pending.release(place, ms) : pending.deliver(place, 1, 5, ms);
    }
    const StreamId id = GENERATE(StreamId{200, 0}, StreamId{110, 0}, StreamId{50, 0},
                                 StreamId{120, far}, StreamId{far, far}, StreamId{139, 4});
    CAPTURE(id);
    const Entries entries = by_id(pending);
    const std::size_t released = pending.released();
    bool is_in = false;
    for (long granted = 0; !is_in; ++granted) {
        CAPTURE(granted);
        REQUIRE(granted < 10);
        try {
            const MemoryLeft left{granted};
            pending.erase(pending.insert(id));
            is_in = true;
        } catch (const std::bad_alloc&) {
            REQUIRE_FALSE(pending.find(id));
        }
        REQUIRE(by_id(pending) == entries);
        REQUIRE(pending.released() == released);
        REQUIRE(pending.size() == entries.size());
    }
}

TEST_CASE("without any memory there is no first entry either", "[pending_entries]") {
    PendingEntries pending;
    {
        const MemoryLeft none{0};
        CHECK_THROWS_AS(pending.find_or_insert({1, 0}), std::bad_alloc);
    }
    CHECK(pending.size() == 0);
    deliver(pending, {1, 0}, 1, 1);
    CHECK(pending.size() == 1);
}

namespace {

// Pending entries, and what they should be.
class Model {
public:
    Model(std::uint64_t seed, std::uint32_t slots, std::size_t most)
        : random_{seed}, pending_{slots}, most_{most} {}

    void step() {
        if (expected_.size() >= most_) rising_ = false;
        if (expected_.size() <= most_ / 8) rising_ = true;
        const std::size_t kind = below(100);
        if (kind < 25) {
            look();
        } else if (kind < 45) {
            change();
        } else {
            (kind < (rising_ ? 83U : 63U)) ? grow() : shrink();
        }
        ++now_;
    }

    [[nodiscard]] bool sizes_are_right() const {
        return found_right_ && pending_.size() == expected_.size() &&
               pending_.released() == released();
    }

    [[nodiscard]] bool all_is_right() const { return ids_are_right() && owners_are_right(); }

    [[nodiscard]] std::size_t size() const { return expected_.size(); }

private:
    using Map = std::map<StreamId, Pending>;

    std::size_t below(std::size_t bound) { return random_() % bound; }

    [[nodiscard]] std::size_t released() const {
        return static_cast<std::size_t>(std::ranges::count(
            expected_, nobody, [](const auto& one) { return one.second.owner; }));
    }

    // ---- comparing

    [[nodiscard]] bool ids_are_right() const {
        Place at = pending_.first();
        Place before;
        for (const auto& [id, expected] : expected_) {
            if (!at || pending_[at] != expected || pending_.id(at) != id) return false;
            if (pending_.previous(at) != before) return false;
            before = std::exchange(at, pending_.next(at));
        }
        return !at && pending_.last() == before;
    }

    [[nodiscard]] bool owners_are_right() const {
        const auto owner = static_cast<std::uint32_t>(now_ % owners);
        Ids expected;
        for (const auto& [id, one] : expected_)
            if (one.owner == owner) expected.push_back(id);
        return of(pending_, owner) == expected;
    }

    // ---- the operations

    // An entry that is there; requires one. Mostly near the one before, as in a loop over ids.
    Map::iterator any() {
        auto at = expected_.lower_bound(near_);
        if (below(4) == 0) at = expected_.lower_bound(any_id());
        if (at == expected_.end()) at = expected_.begin();
        near_ = *at->first.next();
        return at;
    }

    StreamId any_id() {
        if (expected_.empty()) return {1, below(5)};
        const StreamId first = expected_.begin()->first;
        const StreamId last = expected_.rbegin()->first;
        return {first.ms + below(last.ms - first.ms + 1), below(5)};
    }

    // What can stand anywhere, also where it cannot be told as a distance.
    StreamId new_id() {
        switch (below(40)) {
        case 0:
            return {next_.ms + far + below(3), below(3)};
        case 1:
            return {any_id().ms, far + below(3)};
        case 2:
            return {expected_.empty() ? 1 : expected_.begin()->first.ms / 2, 1 + below(3)};
        case 3:
        case 4:
        case 5:
        case 6:
        case 7:
            return any_id();
        default:
            return below(5) == 0 ? StreamId{next_.ms + 1 + below(3), 0} : *next_.next();
        }
    }

    std::int64_t any_time() {
        const std::size_t back = below(8);
        return now_ - static_cast<std::int64_t>(back > 1 ? 0 : below(back == 1 ? 5 : 300));
    }

    void look() {
        const StreamId id = below(2) == 0 || expected_.empty() ? any_id() : any()->first;
        const auto exact = expected_.find(id);
        const Place place = pending_.find(id);
        is_right(exact == expected_.end() ? !place : place && pending_[place] == exact->second);
        const auto least = expected_.lower_bound(id);
        const Place bound = pending_.lower_bound(id);
        is_right(least == expected_.end() ? !bound : bound && pending_.id(bound) == least->first);
    }

    void is_right(bool right) { found_right_ = found_right_ && right; }

    // A few at once; then some exception puts an end to it, or they are delivered.
    void grow() {
        Ids made;
        for (std::size_t count = 1 + below(below(10) == 0 ? 20 : 2); count != 0; --count) {
            const StreamId id = new_id();
            if (std::ranges::find(made, id) != made.end()) continue;
            if (expected_.contains(id)) {
                deliver_again(id);
                continue;
            }
            if (!insert(id)) break;
            made.push_back(id);
            next_ = std::max(next_, id);
            if (next_.ms > std::uint64_t{1} << 60U) next_ = {1, 0};
        }
        const bool is_undone = below(20) == 0;
        for (const StreamId id : made) {
            const Place place = pending_.find(id);
            is_right(static_cast<bool>(place));
            if (is_undone) {
                pending_.erase(place);
            } else {
                expected_.emplace(id, Pending{id, nobody, 0, 0});
                below(10) == 0 ? release(id) : deliver_again(id);
            }
        }
    }

    // False: there was no memory.
    bool insert(StreamId id) {
        std::optional<MemoryLeft> left;
        if (below(10) == 0) left.emplace(static_cast<long>(below(3)));
        try {
            const Place place = below(2) == 0 ? pending_.insert(id) : pending_.find_or_insert(id);
            is_right(pending_[place] == Pending{id, nobody, 0, 0});
        } catch (const std::bad_alloc&) {
            return false;
        }
        return true;
    }

    void change() {
        if (expected_.empty()) return;
        auto at = any();
        for (std::size_t count = 1 + below(below(10) == 0 ? 40 : 3); count != 0; --count) {
            below(8) == 0 ? release(at->first) : deliver_again(at->first);
            if (++at == expected_.end()) break;
        }
    }

    void deliver_again(StreamId id) {
        const std::int64_t time = any_time();
        Pending& one = expected_.at(id);
        one = {id, static_cast<std::uint32_t>(below(owners)), time, one.deliveries + 1};
        pending_.deliver(pending_.find(id), one.owner, time, one.deliveries);
    }

    void release(StreamId id) {
        Pending& one = expected_.at(id);
        one = {id, nobody, 0, below(9)};
        pending_.release(pending_.find(id), one.deliveries);
    }

    void shrink() {
        if (expected_.empty()) return;
        if (below(4'000) == 0) return clear();
        const std::size_t kind = below(3);
        for (std::size_t count = 1 + below(below(10) == 0 ? 100 : 3); count != 0; --count) {
            if (expected_.empty()) return;
            if (kind == 0) erase(expected_.begin());
            if (kind == 1) erase(any());
            if (kind == 2) erase(std::prev(expected_.end()));
        }
    }

    void erase(Map::iterator at) {
        pending_.erase(pending_.find(at->first));
        expected_.erase(at);
    }

    void clear() {
        pending_.clear();
        expected_.clear();
    }

    static constexpr std::uint32_t owners = 70;

    std::mt19937_64 random_;
    PendingEntries pending_;
    const std::size_t most_;
    Map expected_;
    StreamId next_{1'000'000, 0};
    StreamId near_{};
    std::int64_t now_ = 1'000;
    bool rising_ = true;
    bool found_right_ = true;
};

// Looks at everything every `often` steps.
void run(std::uint64_t seed, std::uint32_t slots, std::size_t most, int steps, int often) {
    CAPTURE(seed, slots, most);
    const MemoryUse use;
    {
        Model model{seed, slots, most};
        for (int step = 0; step != steps; ++step) {
            model.step();
            if (!model.sizes_are_right()) FAIL("wrong after step " << step);
            if (step % often == 0 && !model.all_is_right()) FAIL("wrong order after step " << step);
        }
    }
    const long left = use.bytes();
    REQUIRE(left == 0);
}

}  // namespace

TEST_CASE("pending entries do what a map does", "[pending_entries][model]") {
    const std::uint64_t seed = runnel::test::seed_for("pending_entries");
    const std::size_t rounds = runnel::test::scaled(30);
    for (std::uint64_t round = 0; round != rounds; ++round) {
        // Few entries, all looked at each time; small leaves, so that there are many.
        run(seed + round, 2, 20, 10'000, 1);
        run(seed + round, 4, 40, 10'000, 1);
        run(seed + round, 64, 60, 10'000, 1);
        run(seed + round, 8, 300, 10'000, 50);
        run(seed + round, 64, 3'000, 20'000, 500);
    }
    run(seed, 64, 20'000, 100'000, 10'000);
}
