// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/entries.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/lifetime.hpp"
#include "support/streams.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using runnel::KeptEntry;
using runnel::Stream;
using runnel::StreamId;
using runnel::TrimOptions;
using runnel::test::Census;
using runnel::test::id_range;
using runnel::test::Ids;
using runnel::test::ids;
using runnel::test::last_number;
using runnel::test::ManyEntries;
using runnel::test::MoveOnly;
using runnel::test::NumberStream;

// ------------------------------------------------------------------ erasing

TEST_CASE_METHOD(NumberStream, "entries are erased by their ids, those that are there are counted",
                 "[stream][erase]") {
    add_range(1, 6);
    CHECK(stream.erase({{2}, {4}, {4}, {9}, {2, 1}}) == 2);
    CHECK(ids(stream) == ids({1, 3, 5, 6}));
    CHECK(stream.erase({{2}}) == 0);
    CHECK(stream.erase(Ids{}) == 0);
    CHECK(stream.erase(ids({1, 6})) == 2);
    CHECK(ids(stream) == ids({3, 5}));
    CHECK(stream.size() == 2);
}

TEST_CASE_METHOD(ManyEntries, "all entries can be erased, in any order, and others be added",
                 "[stream][erase]") {
    for (unsigned step = 0; step != 300; ++step)
        REQUIRE(stream.erase({{step * 7U % 300 + 1}}) == 1);
    CHECK(stream.size() == 0);
    CHECK_FALSE(stream.range());
    add_range(301, 310);
    CHECK(ids(stream) == id_range(301, 310));
}

TEST_CASE_METHOD(NumberStream, "what is erased is remembered by the greatest of its ids",
                 "[stream][erase][info]") {
    add_range(1, 5);
    stream.erase({{3}});
    CHECK(stream.info().max_deleted_id == StreamId{3});
    stream.erase({{2}, {9}});
    CHECK(stream.info().max_deleted_id == StreamId{3});
    stream.erase({{5}});
    CHECK(stream.info().max_deleted_id == StreamId{5});
}

TEST_CASE_METHOD(NumberStream, "the first id moves when its entry goes; the others never go back",
                 "[stream][erase][info]") {
    add_range(1, 5);
    stream.erase({{3}});
    CHECK(stream.info().first_id == StreamId{1});
    stream.erase({{1}, {2}});
    CHECK(stream.info().first_id == StreamId{4});
    stream.erase({{4}, {5}});
    CHECK(stream.info().first_id == StreamId{});
    CHECK(stream.info().last_id == StreamId{5});
    CHECK(stream.info().entries_added == 5);
    CHECK(stream.info().length == 0);
    add({6});
    CHECK(stream.info().first_id == StreamId{6});
    CHECK(stream.info().max_deleted_id == StreamId{5});
    CHECK(stream.info().entries_added == 6);
}

TEST_CASE_METHOD(NumberStream, "the entries at both ends of the ids there are can be erased",
                 "[stream][erase]") {
    const Ids ends{StreamId::min(), {0, last_number}, {1, 0}, StreamId::max()};
    for (const StreamId id : ends) stream.add(id, 1);
    CHECK(stream.erase({StreamId::max(), StreamId::min()}) == 2);
    CHECK(ids(stream) == Ids{{0, last_number}, {1, 0}});
    CHECK(stream.info().max_deleted_id == StreamId::max());
}

TEST_CASE("what was trimmed is counted, and what was erased is not", "[stream][trim][info]") {
    const Stream<int> stream{{.keep = {.count = 4}}};
    for (int number = 1; number <= 6; ++number) stream.add(int{number});
    CHECK(stream.info().trimmed == 2);
    stream.erase({stream.info().first_id});
    CHECK(stream.info().trimmed == 2);
    stream.trim({.count = 1});
    CHECK(stream.info().trimmed == 4);
    CHECK(stream.info().length == 1);
}

// ------------------------------------------------------------------ trimming by length

TEST_CASE_METHOD(ManyEntries, "a stream is trimmed to a length: the oldest entries go",
                 "[stream][trim]") {
    CHECK(stream.trim({.count = 299}) == 1);
    CHECK(ids(stream) == id_range(2, 300));
    CHECK(stream.trim({.count = 150}) == 149);
    CHECK(ids(stream) == id_range(151, 300));
    CHECK(stream.trim({.count = 150}) == 0);
    CHECK(stream.trim({.count = 151}) == 0);
    CHECK(stream.trim({.count = 0}) == 150);
    CHECK(stream.size() == 0);
}

TEST_CASE_METHOD(NumberStream, "erased entries do not count for the length", "[stream][trim]") {
    add_range(1, 10);
    stream.erase({{1}, {2}, {5}, {9}});
    CHECK(stream.trim({.count = 4}) == 2);
    CHECK(ids(stream) == ids({6, 7, 8, 10}));
}

TEST_CASE_METHOD(ManyEntries, "a trim to every length leaves exactly as many", "[stream][trim]") {
    for (int left = 299; left >= 0; --left) {
        REQUIRE(stream.trim({.count = static_cast<std::size_t>(left)}) == 1);
        REQUIRE(ids(stream) == id_range(301 - left, 300));
    }
}

// ------------------------------------------------------------------ trimming by id

TEST_CASE_METHOD(ManyEntries, "a stream is trimmed before an id, which stays", "[stream][trim]") {
    CHECK(stream.trim({.before = StreamId{1}}) == 0);
    CHECK(stream.trim({.before = StreamId{2}}) == 1);
    CHECK(stream.trim({.before = StreamId{150}}) == 148);
    CHECK(ids(stream) == id_range(150, 300));
    CHECK(stream.trim({.before = StreamId{150, 1}}) == 1);
    CHECK(stream.trim({.before = StreamId{300}}) == 149);
    CHECK(ids(stream) == ids({300}));
    CHECK(stream.trim({.before = StreamId::max()}) == 1);
    CHECK(stream.size() == 0);
}

TEST_CASE_METHOD(NumberStream, "a trim before an id leaves a later one, be it the greatest",
                 "[stream][trim]") {
    stream.add({5, 0}, 1);
    stream.add(StreamId::max(), 2);
    CHECK(stream.trim({.before = StreamId::max()}) == 1);
    CHECK(ids(stream) == Ids{StreamId::max()});
}

TEST_CASE_METHOD(ManyEntries, "a trim by length and by id does both", "[stream][trim]") {
    CHECK(stream.trim({.count = 100, .before = StreamId{250}}) == 249);
    CHECK(stream.trim({.count = 10, .before = StreamId{260}}) == 41);
    CHECK(ids(stream) == id_range(291, 300));
    CHECK(stream.trim(TrimOptions{}) == 0);
}

TEST_CASE_METHOD(NumberStream, "trimming moves the first id, and nothing else",
                 "[stream][trim][info]") {
    add({1, 2, 3});
    CHECK(stream.trim({.count = 2}) == 1);
    CHECK(stream.info().max_deleted_id == StreamId{});
    CHECK(stream.info().entries_added == 3);
    CHECK(stream.info().first_id == StreamId{2});
    CHECK(stream.erase({{2}}) == 1);
    CHECK(stream.info().max_deleted_id == StreamId{2});
    CHECK(stream.info().entries_added == 3);
    CHECK(stream.info().first_id == StreamId{3});
}

// ------------------------------------------------------------------ trimming by itself

TEST_CASE("a stream that keeps so many entries throws the oldest away as one is added",
          "[stream][trim][keep]") {
    const Stream<int> stream{{.keep = {.count = 100}}};
    for (unsigned number = 1; number <= 500; ++number) {
        REQUIRE(stream.add({number}, 0) == StreamId{number});
        REQUIRE(stream.size() == (number < 100 ? number : 100));
    }
    CHECK(ids(stream) == id_range(401, 500));
    CHECK(stream.info().entries_added == 500);
    CHECK(stream.info().max_deleted_id == StreamId{});
}

TEST_CASE("a stream that keeps nothing still gives out ids", "[stream][trim][keep]") {
    const Stream<int> stream{{.keep = {.count = 0}}};
    for (unsigned number = 1; number <= 200; ++number)
        REQUIRE(stream.add({number}, 0) == StreamId{number});
    CHECK(stream.size() == 0);
    CHECK(stream.last_id() == StreamId{200});
    CHECK(stream.info().first_id == StreamId{});
}

TEST_CASE("what was erased makes room among the entries that are kept", "[stream][trim][keep]") {
    const Stream<int> stream{{.keep = {.count = 3}}};
    for (unsigned number = 1; number <= 3; ++number) stream.add({number}, 0);
    stream.erase({{2}});
    stream.add({4}, 0);
    CHECK(ids(stream) == ids({1, 3, 4}));
    stream.add({5}, 0);
    CHECK(ids(stream) == ids({3, 4, 5}));
}

// ------------------------------------------------------------------ when values die, and by whom

TEST_CASE("what is erased or trimmed dies at once if nobody looks at it",
          "[stream][trim][lifetime]") {
    const Census census;
    const Stream<MoveOnly> stream;
    for (unsigned number = 1; number <= 100; ++number)
        stream.add({number}, static_cast<int>(number));
    CHECK(stream.erase({{50}, {100}}) == 2);
    CHECK(census.alive() == 98);
    CHECK(stream.trim({.count = 40}) == 58);
    CHECK(census.alive() == 40);
    CHECK(stream.trim({.before = StreamId{99}}) == 39);
    CHECK(census.alive() == 1);
    CHECK(census.faults() == 0);
}

TEST_CASE("what a stream holds dies with its last handle", "[stream][trim][lifetime]") {
    const Census census;
    {
        std::optional<Stream<MoveOnly>> stream{std::in_place};
        const auto group = stream->group("group");
        for (int number = 0; number != 200; ++number) stream->add(number);
        REQUIRE(group.consumer("ann").try_read({.count = 150}).size() == 150);
        stream.reset();
        CHECK(census.alive() == 200);
    }
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

TEST_CASE("an entry dies when the last batch over its block goes, in whatever order they go",
          "[stream][trim][lifetime]") {
    const Census census;
    const Stream<MoveOnly> stream;
    for (unsigned number = 1; number <= 4; ++number)
        stream.add({number}, static_cast<int>(number));  // one block
    std::optional first{stream.range()};
    std::optional second{stream.range({.from = StreamId{3}})};
    std::optional<KeptEntry<MoveOnly>> kept{stream.find({4})};
    stream.erase({{1}, {4}});
    first.reset();
    CHECK(census.alive() == 4);
    stream.erase({{2}});
    second.reset();
    CHECK(census.alive() == 4);
    CHECK((*kept)->get() == 4);
    kept.reset();
    CHECK(census.alive() == 1);
    CHECK(census.faults() == 0);
}

TEST_CASE("what the batch does not show dies at once, if it is in another block",
          "[stream][trim][lifetime]") {
    const Census census;
    const Stream<MoveOnly> stream;
    for (unsigned number = 1; number <= 100; ++number)
        stream.add({number}, static_cast<int>(number));
    const auto batch = stream.range({.from = StreamId{100}});
    stream.trim({.count = 0});
    CHECK(census.alive() < 65);
    CHECK(batch.front().value.get() == 100);
}

namespace {

struct Scene;

// Tells which thread has destroyed it, and asks its stream for its size: who holds the stream's
// lock then gets stuck.
struct Witness {
    explicit Witness(Scene& in) noexcept : scene{&in} {}
    Witness(Witness&& other) noexcept : scene{std::exchange(other.scene, nullptr)} {}
    Witness& operator=(Witness&&) = delete;
    ~Witness();

    Scene* scene;
};

using Sizes = std::vector<std::size_t>;
using Threads = std::vector<std::thread::id>;

struct Scene {
    Stream<Witness> stream{{.keep = {.count = 6}}};
    Threads destroyers;
    Sizes sizes;

    Scene() { add(1, 6); }
    ~Scene() { stream.trim({.count = 0}); }
    Scene(const Scene&) = delete;
    Scene& operator=(const Scene&) = delete;

    void add(unsigned first, unsigned last) {
        for (auto number = first; number <= last; ++number) stream.add({number}, Witness{*this});
    }
};

Witness::~Witness() {
    if (scene == nullptr) return;
    scene->destroyers.push_back(std::this_thread::get_id());
    scene->sizes.push_back(scene->stream.size());
}

}  // namespace

TEST_CASE_METHOD(Scene, "a value that is erased or trimmed may use the stream while it dies",
                 "[stream][trim][lifetime]") {
    stream.erase({{2}});
    CHECK(sizes == Sizes{5});
    stream.trim({.count = 3});
    CHECK(sizes == Sizes{5, 3, 3});
    add(7, 9);
    CHECK(sizes.size() == 3);
    add(10, 10);
    CHECK(sizes == Sizes{5, 3, 3, 6});
    CHECK(destroyers == Threads(4, std::this_thread::get_id()));
}

TEST_CASE_METHOD(Scene, "who lets the last batch go destroys what was erased under it",
                 "[stream][trim][lifetime]") {
    std::optional batch{stream.range()};
    std::jthread{[this] { stream.trim({.count = 0}); }}.join();
    CHECK(destroyers.empty());
    batch.reset();
    CHECK(destroyers == Threads(6, std::this_thread::get_id()));
}

TEST_CASE_METHOD(Scene, "who erases destroys what nobody looks at any more",
                 "[stream][trim][lifetime]") {
    REQUIRE(stream.range().size() == 6);
    std::jthread eraser{[this] { stream.erase({{1}, {2}}); }};
    const std::thread::id other = eraser.get_id();
    eraser.join();
    CHECK(destroyers == Threads(2, other));
}

// ------------------------------------------------------------------ what T may be

// ------------------------------------------------------------------ what was missed

TEST_CASE_METHOD(ManyEntries, "a reader from the start has missed all that was ever trimmed",
                 "[stream][trim][missed]") {
    stream.trim({.count = 250});
    stream.erase({{51}, {52}});
    stream.trim({.count = 200});
    for (auto from : {runnel::From::start, runnel::From{StreamId{}}}) {
        CHECK(stream.try_read(from).missed() == 98);
        CHECK(stream.cursor(from).try_read().missed() == 98);
        const auto batch = stream.group("g", {.from = from}).consumer("ann").try_read();
        CHECK(batch.missed() == 98);
        CHECK(batch.missed_is_exact());
        stream.remove_group("g");
    }
    CHECK(stream.range().missed() == 0);
    CHECK_FALSE(stream.cursor(runnel::From::end).try_read());
}

TEST_CASE_METHOD(ManyEntries, "a reader behind an id knows what it misses from then on",
                 "[stream][trim][missed]") {
    stream.trim({.count = 250});
    SECTION("behind what is there, or the last that was trimmed: all of it") {
        for (const std::uint64_t ms : {50U, 60U}) {
            auto cursor = stream.cursor(StreamId{ms});
            CHECK(cursor.try_read({.count = 1}).missed() == 0);
            stream.trim({.before = {ms + 11}});
            const auto batch = cursor.try_read({.count = 1});
            CHECK(batch.missed() == 9);
            CHECK(batch.missed_is_exact());
        }
    }
    SECTION("behind what was trimmed: that there was something") {
        auto cursor = stream.cursor(StreamId{40});
        stream.trim({.count = 240});
        const auto batch = cursor.try_read({.count = 1});
        CHECK(batch.missed() == 11);
        CHECK_FALSE(batch.missed_is_exact());
        stream.trim({.count = 230});
        const auto next = cursor.try_read({.count = 1});
        CHECK(next.missed() == 9);
        CHECK(next.missed_is_exact());
        CHECK_FALSE(stream.try_read(StreamId{40}).missed_is_exact());
    }
    SECTION("ahead of the stream: that there was something") {
        auto cursor = stream.cursor(StreamId{302});
        add_range(301, 310);
        stream.trim({.count = 5});
        const auto batch = cursor.try_read();
        CHECK(ids(batch) == id_range(306, 310));
        CHECK(batch.missed() == 1);
        CHECK_FALSE(batch.missed_is_exact());
    }
}

TEST_CASE_METHOD(NumberStream, "what was missed is told with what comes next, or at the end",
                 "[stream][trim][missed]") {
    const auto ann = stream.group("g").consumer("ann");
    auto cursor = stream.cursor();
    add_range(1, 9);
    stream.trim({.count = 0});
    CHECK(cursor.try_read().missed() == 0);
    CHECK(ann.try_read().missed() == 0);
    SECTION("next") {
        add({10});
        CHECK(cursor.try_read().missed() == 9);
        CHECK(ann.try_read().missed() == 9);
        add({11});
        CHECK(cursor.try_read().missed() == 0);
        CHECK(ann.try_read().missed() == 0);
    }
    SECTION("at the end") {
        stream.close();
        CHECK(cursor.try_read().missed() == 9);
        CHECK(ann.try_read().missed() == 9);
        CHECK(cursor.try_read().missed() == 0);
        CHECK(ann.try_read().missed() == 0);
    }
}

TEST_CASE_METHOD(NumberStream, "a group that is set back, or forward, counts from there",
                 "[stream][trim][missed]") {
    const auto group = stream.group("g");
    const auto ann = group.consumer("ann");
    add_range(1, 9);
    CHECK(ann.try_read({.count = 4}));
    stream.trim({.count = 2});
    SECTION("to an id that is there") {
        group.set_position(StreamId{8});
        CHECK(ann.try_read().missed() == 0);
    }
    SECTION("to the start") {
        group.set_position(runnel::From::start);
        CHECK(ann.try_read().missed() == 7);
    }
    SECTION("by a claim") {
        CHECK_FALSE(ann.claim({}, {.min_idle = 0s, .last_id = {6}}));
        const auto batch = ann.try_read();
        CHECK(batch.missed() == 1);
        CHECK_FALSE(batch.missed_is_exact());
    }
}

TEST_CASE("a stream that keeps so many entries tells its readers what they have missed",
          "[stream][trim][keep][missed]") {
    const Stream<int> stream{{.keep = {.count = 10}, .block_entries = 4}};
    const auto ann = stream.group("g").consumer("ann");
    auto cursor = stream.cursor();
    std::uint64_t told = 0;
    std::uint64_t read = 0;
    for (int number = 0; number != 1'000; ++number) {
        stream.add(int{number});
        if (number % 37 != 0) continue;
        for (auto batch = cursor.try_read(); batch; batch = cursor.try_read()) {
            read += batch.size();
            told += batch.missed();
        }
        CHECK(read + told == static_cast<std::uint64_t>(number) + 1);
        std::uint64_t by_group = 0;
        const auto batch = ann.try_read({.count = 100});
        by_group += batch.size() + batch.missed();
        CHECK(by_group == (number == 0 ? 1 : 37));
    }
}

TEST_CASE("an entry may be larger than a block, or empty", "[stream][trim]") {
    struct Large {
        std::array<int, 2'560> numbers{};
    };
    struct Empty {};
    const Stream<Large> large;
    const Stream<Empty> empty;
    for (unsigned number = 1; number <= 20; ++number) {
        Large message;
        message.numbers.fill(static_cast<int>(number));
        large.add({number}, std::move(message));
        empty.add({number}, Empty{});
    }
    CHECK(large.trim({.count = 5}) == 15);
    CHECK(empty.trim({.count = 5}) == 15);
    CHECK(large.range().size() == 5);
    const auto last = large.find({20});
    CHECK(last->value().numbers.back() == 20);
    CHECK(ids(empty) == id_range(16, 20));
}

TEST_CASE("entries stand where their alignment wants them", "[stream][trim]") {
    struct alignas(128) Wide {
        std::uint64_t number = 0;
    };
    const Stream<Wide> stream;
    for (unsigned number = 1; number <= 100; ++number) stream.add({number}, Wide{number});
    const auto batch = stream.range();
    for (const auto& entry : batch) {
        REQUIRE(reinterpret_cast<std::uintptr_t>(&entry.value) % alignof(Wide) == 0);
        REQUIRE(entry.value.number == entry.id.ms);
    }
}

TEST_CASE("an entry needs nothing but to be moved and destroyed", "[stream][trim]") {
    struct Plain {
        explicit Plain(int number) : value{number} {}
        Plain(Plain&&) noexcept = default;
        Plain& operator=(Plain&&) = delete;
        ~Plain() = default;
        const int value;
    };
    const Stream<Plain> stream{{.keep = {.count = 3}}};
    for (int number = 0; number != 5; ++number) stream.add(Plain{number});
    const auto group = stream.group("group");
    const auto ann = group.consumer("ann");
    CHECK(ann.try_read().size() == 3);
    CHECK(ann.history().size() == 3);
    CHECK(ann.autoclaim({.min_idle = std::chrono::seconds{0}}).size() == 3);
    CHECK(stream.cursor().try_read());
    const KeptEntry<Plain> kept = *stream.find(stream.last_id());
    CHECK(stream.trim({.count = 0}) == 3);
    CHECK(kept->value == 4);
}
