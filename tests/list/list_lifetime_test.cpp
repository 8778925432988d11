// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/elements.hpp"
#include "support/lifetime.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::End;
using runnel::Full;
using runnel::ManualClock;
using runnel::Push;
using runnel::test::Census;
using runnel::test::Countable;
using runnel::test::MoveOnly;
using runnel::test::moving;
using runnel::test::popping_front;
using runnel::test::popping_front_many;
using runnel::test::pushing_back;
using runnel::test::pushing_back_many;

namespace {

template <typename T>
std::vector<T> messages(int first, int count) {
    std::vector<T> made;
    made.reserve(static_cast<std::size_t>(count));
    for (int number = first; number != first + count; ++number) made.emplace_back(number);
    return made;
}

// All that one thread can do to two lists, at random.
template <typename T>
class Handling {
public:
    Handling(std::uint32_t seed, std::size_t capacity, Full when_full)
        : random_{seed},
          lists_{BlockingList<T>{{.capacity = capacity, .when_full = when_full}},
                 BlockingList<T>{}} {}

    void step() {
        switch (below(5)) {
        case 0:
            push();
            break;
        case 1:
            push_many();
            break;
        case 2:
            pop();
            break;
        case 3:
            pop_many();
            break;
        default:
            move();
        }
        if constexpr (std::is_copy_constructible_v<T>) {
            if (below(50) == 0) (void)any().range(static_cast<int>(below(10)), -3);
        }
        if (below(20) == 0) (void)any().remove(T{next_ - static_cast<int>(below(30))}, end());
    }

    [[nodiscard]] std::size_t size() const { return lists_[0].size() + lists_[1].size(); }

private:
    std::size_t below(std::size_t bound) { return random_() % bound; }
    End end() { return below(2) == 0 ? End::front : End::back; }
    BlockingList<T>& any() { return lists_[below(2)]; }

    void push() {
        T message{next_++};
        switch (below(4)) {
        case 0:
            (void)any().try_push_back(std::move(message));
            break;
        case 1:
            (void)any().try_push_front(std::move(message));
            break;
        case 2:
            (void)any().push_back_if_exists(std::move(message));
            break;
        default:
            (void)any().push_front_if_exists(std::move(message));
        }
    }

    void push_many() {
        std::vector<T> many = messages<T>(next_, static_cast<int>(below(30)));
        next_ += static_cast<int>(many.size());
        const runnel::WaitOptions at_once{.timeout = std::chrono::seconds{0}};
        if (below(2) == 0) {
            (void)any().push_back_many(many, at_once);
        } else {
            (void)any().push_front_many(many, at_once);
        }
    }

    void pop() {
        if (below(2) == 0) {
            (void)any().try_pop_front();
        } else {
            (void)any().try_pop_back();
        }
        (void)runnel::pop_first(std::vector<BlockingList<T>>{lists_[0], lists_[1]},
                                {.from = end(), .timeout = std::chrono::seconds{0}});
    }

    void pop_many() {
        const std::size_t count = 1 + below(40);
        if (below(2) == 0) {
            (void)any().try_pop_front_many(count);
        } else {
            (void)any().try_pop_back_many(count);
        }
    }

    void move() {
        for (std::size_t times = below(10); times != 0; --times)
            (void)any().try_move_to(any(), {.from = end(), .to = end()});
    }

    std::mt19937 random_;
    std::array<BlockingList<T>, 2> lists_;
    int next_ = 0;
};

}  // namespace

TEMPLATE_TEST_CASE("whatever is done to a list, each element lives once and dies once",
                   "[list][lifetime]", Countable, MoveOnly) {
    std::uint32_t seed = 0;
    for (const Full when_full : {Full::block, Full::reject, Full::drop_other_end}) {
        for (const std::size_t capacity : {1U, 5U, 50U, 1'000U}) {
            CAPTURE(++seed, capacity);
            const Census census;
            {
                Handling<TestType> lists{seed, capacity, when_full};
                for (int step = 0; step != 1'500; ++step) {
                    lists.step();
                    if (census.alive() != static_cast<long>(lists.size()) || census.faults() != 0)
                        FAIL("after step " << step << ": " << census.alive() << " alive, "
                                           << lists.size() << " in the lists, " << census.faults()
                                           << " faults");
                }
            }
            REQUIRE(census.alive() == 0);
            REQUIRE(census.faults() == 0);
        }
    }
}

TEST_CASE("who waits for elements and who waits for room leaves none behind", "[list][lifetime]") {
    const Census census;
    {
        ManualClock clock;
        BlockingList<Countable> list{{.capacity = 2, .clock = &clock}};
        BlockingList<Countable> other{{.capacity = 1, .clock = &clock}};
        std::vector<Countable> many = messages<Countable>(0, 20);
        Countable last{100};
        auto push = pushing_back_many(clock, list, many);
        auto push_last = pushing_back(clock, list, last);
        auto move = moving(clock, list, other);
        auto second_move = moving(clock, list, other);
        auto pop = popping_front(clock, other);
        auto third_move = moving(clock, other, list);
        auto pop_many = popping_front_many(clock, list, 7);
        for (int i = 0; i != 5; ++i) (void)list.try_pop_front();
        clock.settle();
        CHECK(census.faults() == 0);
    }
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

TEST_CASE("what is still waiting in a list when all its handles go is destroyed",
          "[list][lifetime]") {
    const Census census;
    {
        const BlockingList<MoveOnly> list;
        std::vector<MoveOnly> many = messages<MoveOnly>(0, 500);
        REQUIRE(list.push_back_many(many).count == 500);
        REQUIRE(list.try_pop_front_many(100).size() == 100);
        many.clear();
        CHECK(census.alive() == 400);
    }
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

TEST_CASE("a message that was refused is still whole", "[list][lifetime]") {
    const Census census;
    const BlockingList<MoveOnly> list{{.capacity = 1, .when_full = Full::reject}};
    REQUIRE(list.push_back(MoveOnly{1}) == Push::done);
    MoveOnly message{2};
    CHECK(list.push_back(std::move(message)) == Push::full);
    CHECK(message.get() == 2);
    CHECK(census.alive() == 2);
    CHECK(census.faults() == 0);
}

TEST_CASE("a list copies nothing by itself", "[list][lifetime]") {
    const Census census;
    const BlockingList<Countable> list{{.capacity = 30, .when_full = Full::drop_other_end}};
    for (int number = 0; number != 100; ++number) {
        REQUIRE(list.push_back(Countable{number}) == Push::done);
        REQUIRE(list.push_front(Countable{number}) == Push::done);
    }
    std::vector<Countable> many = messages<Countable>(0, 100);
    CHECK(list.push_back_many(many).count == 100);
    CHECK(list.remove(Countable{99}) == 1);
    CHECK(list.pop_front());
    CHECK(list.pop_back());
    CHECK(list.pop_front_many(5));
    CHECK(list.pop_back_many(5));
    CHECK(runnel::pop_first({list}));
    CHECK(census.copies() == 0);
}

// ------------------------------------------------------------------ destructors that use the list

namespace {

struct Scene;

// Writes the size of its list into the log when it dies: who holds the list's lock then gets stuck.
struct Witness {
    Witness(int number, Scene& of) noexcept : value{number}, scene{&of} {}
    Witness(const Witness& other) noexcept = default;
    Witness(Witness&& other) noexcept
        : value{other.value}, scene{std::exchange(other.scene, nullptr)} {}
    Witness& operator=(const Witness&) = delete;
    Witness& operator=(Witness&&) = delete;
    ~Witness();

    friend bool operator==(const Witness& one, const Witness& other) {
        return one.value == other.value;
    }

    int value;
    Scene* scene;
};

using Sizes = std::vector<std::size_t>;

struct Scene {
    BlockingList<Witness> list{{.capacity = 3, .when_full = Full::drop_other_end}};
    Sizes log;

    Scene() {
        for (int number = 1; number != 4; ++number)
            REQUIRE(list.push_back(Witness{number, *this}) == Push::done);
    }
    ~Scene() {
        while (list.try_pop_front()) {
        }
    }
    Scene(const Scene&) = delete;
    Scene& operator=(const Scene&) = delete;

    Witness witness(int number) { return {number, *this}; }
};

Witness::~Witness() {
    if (scene != nullptr) scene->log.push_back(scene->list.size());
}

// Puts another of its kind into the list when it dies, as long as it has lives left.
struct Nest;

struct Phoenix {
    Phoenix(const Nest& in, int lives) noexcept : nest{&in}, lives_left{lives} {}
    Phoenix(const Phoenix&) = delete;
    Phoenix(Phoenix&& other) noexcept
        : nest{std::exchange(other.nest, nullptr)}, lives_left{other.lives_left} {}
    Phoenix& operator=(const Phoenix&) = delete;
    Phoenix& operator=(Phoenix&&) = delete;
    ~Phoenix();

    const Nest* nest;
    int lives_left;
};

struct Nest {
    BlockingList<Phoenix> list{{.capacity = 1, .when_full = Full::drop_other_end}};
};

Phoenix::~Phoenix() {
    if (nest != nullptr && lives_left != 0)
        (void)nest->list.try_push_back(Phoenix{*nest, lives_left - 1});
}

}  // namespace

TEST_CASE_METHOD(Scene, "an element that is dropped may use the list while it dies",
                 "[list][lifetime]") {
    REQUIRE(list.push_back(witness(4)) == Push::done);
    CHECK(log == Sizes{3});
    REQUIRE(list.push_front(witness(5)) == Push::done);
    REQUIRE(list.try_push_back(witness(6)) == Push::done);
    REQUIRE(list.push_back_if_exists(witness(7)) == Push::done);
    CHECK(log == Sizes{3, 3, 3, 3});
    std::vector<Witness> many;
    many.push_back(witness(8));
    many.push_back(witness(9));
    REQUIRE(list.push_back_many(many).count == 2);
    CHECK(log == Sizes(6, 3));
}

TEST_CASE_METHOD(Scene, "an element that is removed may use the list while it dies",
                 "[list][lifetime]") {
    {
        const Witness wanted = witness(2);
        CHECK(list.remove(wanted) == 1);
        CHECK(log == Sizes{2});
    }
    CHECK(log == Sizes{2, 2});
}

TEST_CASE_METHOD(Scene, "an element that a move drops may use the list while it dies",
                 "[list][lifetime]") {
    const BlockingList<Witness> source;
    REQUIRE(source.push_back(witness(4)) == Push::done);
    {
        auto moved = source.move_to(list);
        CHECK(moved->value == 4);
        CHECK(log == Sizes{3});
    }
    CHECK(log == Sizes{3, 3});  // and the copy
}

TEST_CASE_METHOD(Scene, "what is popped dies when who popped it lets it", "[list][lifetime]") {
    {
        auto first = list.pop_front();
        auto rest = list.pop_front_many(5);
        CHECK(log.empty());
        CHECK(first->value == 1);
    }
    CHECK(log == Sizes{0, 0, 0});
}

TEST_CASE("a destructor may push to the list that drops its element", "[list][lifetime]") {
    const Nest nest;
    REQUIRE(nest.list.push_back(Phoenix{nest, 5}) == Push::done);
    for (int push = 0; push != 6; ++push)
        REQUIRE(nest.list.push_back(Phoenix{nest, 0}) == Push::done);
    CHECK(nest.list.size() == 1);
    // Five times the dying one has put its successor in the place of what was pushed.
    CHECK(nest.list.stats().dropped == 11);
}

// ------------------------------------------------------------------ what T may be

TEST_CASE("elements stand where their alignment wants them, in the list and outside",
          "[list][lifetime]") {
    struct alignas(128) Wide {
        explicit Wide(int number) : value{number} {}
        [[nodiscard]] bool is_in_place() const {
            return reinterpret_cast<std::uintptr_t>(this) % alignof(Wide) == 0;
        }
        Wide(Wide&& other) noexcept : value{other.value} {
            misplaced += is_in_place() && other.is_in_place() ? 0 : 1;
        }
        Wide& operator=(Wide&&) = delete;
        ~Wide() = default;
        int value;
        int& misplaced = count();
        static int& count() {
            static int misplaced = 0;
            return misplaced;
        }
    };
    const BlockingList<Wide> list;
    const BlockingList<Wide> other;
    for (int number = 0; number != 100; ++number)
        REQUIRE(list.push_back(Wide{number}) == Push::done);
    for (int number = 0; number != 50; ++number) {
        REQUIRE((*list.pop_front()).value == number * 2);
        REQUIRE(list.move_to(other));
    }
    CHECK((*other.pop_back()).value == 99);
    CHECK(other.pop_back_many(10)[9].value == 79);
    CHECK(Wide::count() == 0);
}

TEST_CASE("an element may be larger than a block", "[list][lifetime]") {
    struct Large {
        std::array<int, 2'560> numbers{};
    };
    STATIC_REQUIRE(sizeof(Large) == 10 * 1024);
    const BlockingList<Large> list;
    for (int number = 0; number != 20; ++number) {
        Large large;
        large.numbers.fill(number);
        REQUIRE(list.push_back(std::move(large)) == Push::done);
    }
    CHECK((*list.move_to(list)).numbers.back() == 0);
    for (int number = 1; number != 20; ++number) {
        auto popped = list.pop_front();
        REQUIRE(popped->numbers.front() == number);
        REQUIRE(popped->numbers.back() == number);
    }
    CHECK((*list.pop_back()).numbers[1'000] == 0);
}

TEST_CASE("an element needs nothing but to be moved and destroyed", "[list][lifetime]") {
    struct Plain {
        explicit Plain(int number) : value{number} {}
        Plain(Plain&&) noexcept = default;
        Plain& operator=(Plain&&) = delete;
        ~Plain() = default;
        const int value;
    };
    STATIC_REQUIRE(runnel::Message<Plain>);
    STATIC_REQUIRE_FALSE(std::is_default_constructible_v<Plain>);
    STATIC_REQUIRE_FALSE(std::is_move_assignable_v<Plain>);
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<Plain>);

    const BlockingList<Plain> list{{.capacity = 4, .when_full = Full::drop_other_end}};
    const BlockingList<Plain> other;
    std::vector<Plain> many;
    for (int number = 0; number != 5; ++number) many.emplace_back(number);
    CHECK(list.push_back(Plain{-1}) == Push::done);
    CHECK(list.push_front(Plain{-2}) == Push::done);
    CHECK(list.push_back_many(many).count == 5);
    CHECK(list.push_front_many(many).count == 5);
    CHECK(list.push_back_if_exists(Plain{7}) == Push::done);
    CHECK(list.try_pop_front());
    CHECK(list.move_to(other));
    CHECK(list.move_to(list));
    CHECK(list.pop_front_many(1));
    CHECK(list.pop_back_many(1));
    CHECK((*runnel::pop_first({list, other})).value >= 0);
    CHECK(list.size() == 0);
}

TEST_CASE("an element may be as small as a byte, or empty", "[list][lifetime]") {
    struct Empty {};
    const BlockingList<Empty> list;
    const BlockingList<char> letters;
    for (int i = 0; i != 10'000; ++i) {
        REQUIRE(list.push_back(Empty{}) == Push::done);
        REQUIRE(letters.push_back(static_cast<char>('a' + i % 26)) == Push::done);
    }
    CHECK(list.pop_front_many(20'000).size() == 10'000);
    CHECK(letters.range(25, 27) == std::vector<char>{'z', 'a', 'b'});
}

TEST_CASE("elements may own lists, also handles of other lists", "[list][lifetime]") {
    const BlockingList<BlockingList<int>> lists;
    {
        const BlockingList<int> inner;
        REQUIRE(inner.push_back(5) == Push::done);
        REQUIRE(lists.push_back(BlockingList<int>{inner}) == Push::done);
    }
    auto popped = lists.pop_front();
    CHECK_FALSE(popped->closed());
    CHECK(runnel::test::value(popped->pop_front()) == 5);
}

TEST_CASE("what a thread did before it pushed is seen by who pops", "[list][lifetime][race]") {
    // Plain memory behind a pointer: ThreadSanitizer sees what the list does not order.
    const BlockingList<int*> there{{.capacity = 3}};
    const BlockingList<int*> back;
    std::array<int, 5> cells{};
    constexpr int rounds = 4'000;
    {
        const std::jthread other{[&] {
            while (auto popped = there.pop_front()) {
                ++**popped;
                (void)back.push_back(*std::move(popped));
            }
        }};
        for (int& cell : cells) REQUIRE(back.push_back(&cell) == Push::done);
        for (int round = 0; round != rounds; ++round) {
            auto popped = back.pop_front();
            ++**popped;
            REQUIRE(there.push_back(*std::move(popped)) == Push::done);
        }
        there.close();
    }
    int sum = 0;
    for (const int cell : cells) sum += cell;
    CHECK(sum == 2 * rounds);
}
