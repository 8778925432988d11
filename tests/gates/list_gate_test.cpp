// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/list/list_state.hpp>
#include <runnel/list_options.hpp>
#include <runnel/outcome.hpp>
#include <runnel/wait_any.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/gate.hpp"
#include "support/list_locks.hpp"
#include "support/scale.hpp"
#include "support/windows.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <sstream>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace runnel;
using namespace runnel::test;
using namespace std::chrono_literals;
using namespace std::string_view_literals;

namespace {

using List = BlockingList<Gated>;

// ------------------------------------------------------------------ operations

// What an operation works with: handles of its own, numbers of its own for what it pushes, and the
// wait of the scene that it may end.
struct Hands {
    List a;
    List b;
    int number;
    Gate* gate;
    ManualClock* clock;
    std::stop_source stop_waiter;

    Gated message() { return Gated{number++, gate}; }
    std::vector<Gated> messages(int count) {
        std::vector<Gated> all;
        all.reserve(static_cast<std::size_t>(count));
        for (int at = 0; at != count; ++at) all.push_back(message());
        return all;
    }
};

std::string told(Ending ending) {
    return "ends " + std::to_string(static_cast<int>(ending));
}
std::string told(const Pushed& pushed) {
    return std::to_string(pushed.count) + (pushed.ending == Push::done ? " done" : " refused");
}
std::string told(Push push) {
    return push == Push::done     ? "done"
           : push == Push::absent ? "absent"
           : push == Push::full   ? "full"
                                  : "refused";
}
template <typename Popping>
std::string told(const Popping& popped) {
    return popped ? std::to_string(popped->get()) : told(popped.ending());
}
std::string told(const PoppedFrom<Gated>& popped) {
    if (!popped) return told(popped.ending());
    return std::to_string(popped->get()) + " of " + std::to_string(popped.which());
}
std::string told(const Batch<Gated>& batch) {
    if (!batch) return told(batch.ending());
    std::string all;
    for (const Gated& element : batch) all += std::to_string(element.get()) + ' ';
    return all;
}
std::string told(const std::vector<Gated>& elements) {
    std::string all;
    for (const Gated& element : elements) all += std::to_string(element.get()) + ' ';
    return all;
}
std::string told(const WaitedAny& any) {
    return any ? "at " + std::to_string(any.which()) : told(any.ending());
}

struct Operation {
    const char* name;
    std::string (*run)(Hands& on);
};

std::string push_many(Pushed (List::*push)(std::span<Gated>, const WaitOptions&) const, Hands& on,
                      int count) {
    auto messages = on.messages(count);
    return told((on.a.*push)(messages, wait_for_ever));
}

const std::vector<Operation> operations{
    {"push_back", [](Hands& on) { return told(on.a.push_back(on.message())); }},
    {"push_front", [](Hands& on) { return told(on.a.push_front(on.message())); }},
    {"try_push_back", [](Hands& on) { return told(on.a.try_push_back(on.message())); }},
    {"try_push_front", [](Hands& on) { return told(on.a.try_push_front(on.message())); }},
    {"push_back_many", [](Hands& on) { return push_many(&List::push_back_many, on, 3); }},
    {"push_front_many", [](Hands& on) { return push_many(&List::push_front_many, on, 2); }},
    {"push_back_if_exists", [](Hands& on) { return told(on.a.push_back_if_exists(on.message())); }},
    {"push_front_if_exists",
     [](Hands& on) { return told(on.a.push_front_if_exists(on.message())); }},
    {"push_back of the other", [](Hands& on) { return told(on.b.push_back(on.message())); }},
    {"try_push_back of the other",
     [](Hands& on) { return told(on.b.try_push_back(on.message())); }},
    {"pop_front", [](Hands& on) { return told(on.a.pop_front()); }},
    {"pop_back", [](Hands& on) { return told(on.a.pop_back()); }},
    {"try_pop_front", [](Hands& on) { return told(on.a.try_pop_front()); }},
    {"try_pop_back", [](Hands& on) { return told(on.a.try_pop_back()); }},
    {"try_pop_front of the other", [](Hands& on) { return told(on.b.try_pop_front()); }},
    {"pop_front_many", [](Hands& on) { return told(on.a.pop_front_many(3)); }},
    {"pop_back_many", [](Hands& on) { return told(on.a.pop_back_many(2)); }},
    {"try_pop_front_many", [](Hands& on) { return told(on.a.try_pop_front_many(3)); }},
    {"try_pop_front_many of one", [](Hands& on) { return told(on.a.try_pop_front_many(1)); }},
    {"try_pop_back_many", [](Hands& on) { return told(on.a.try_pop_back_many(3)); }},
    {"pop_first",
     [](Hands& on) {
         return told(pop_first({on.a, on.b}));
     }},
    {"pop_first, the other before",
     [](Hands& on) {
         return told(pop_first({on.b, on.a}));
     }},
    {"wait_any",
     [](Hands& on) {
         return told(wait_any({on.a, on.b}));
     }},
    {"move_to", [](Hands& on) { return told(on.a.move_to(on.b)); }},
    {"move_to, back to front",
     [](Hands& on) {
         return told(on.a.move_to(on.b, {End::back, End::front, {}, {}}));
     }},
    {"move_to from the other", [](Hands& on) { return told(on.b.move_to(on.a)); }},
    {"move_to itself", [](Hands& on) { return told(on.a.move_to(on.a)); }},
    {"move_to itself, the other way",
     [](Hands& on) {
         return told(on.a.move_to(on.a, {End::back, End::front, {}, {}}));
     }},
    {"try_move_to", [](Hands& on) { return told(on.a.try_move_to(on.b)); }},
    {"try_move_to from the other", [](Hands& on) { return told(on.b.try_move_to(on.a)); }},
    {"remove", [](Hands& on) { return std::to_string(on.a.remove(Gated{2})); }},
    {"range", [](Hands& on) { return told(on.a.range()); }},
    {"size", [](Hands& on) { return std::to_string(on.a.size()); }},
    {"stats", [](Hands& on) { return std::to_string(on.a.stats().size); }},
    {"close", [](Hands& on) { return on.a.close(), std::string{}; }},
    {"close the other", [](Hands& on) { return on.b.close(), std::string{}; }},
    {"a time-out", [](Hands& on) { return on.clock->advance(1h), std::string{}; }},
    {"a stop", [](Hands& on) { return on.stop_waiter.request_stop(), std::string{}; }},
};

// ------------------------------------------------------------------ situations

enum class Waits : std::uint8_t { nobody, one, move };

struct Situation {
    const char* name;
    Waits waits;
    int at_front;  // of list a: that many are taken over already, and so many are at its back
    int at_back;
    ListOptions a;
    int in_b;
    ListOptions b;
    std::string (*wait)(Hands& on, const WaitOptions& options) = nullptr;
    bool lets_go = false;  // the handles go with the operations
};

std::string wait_to_move(const List& from, const List& to, const WaitOptions& options) {
    return told(from.move_to(to, {.timeout = options.timeout, .stop = options.stop}));
}

const std::vector<Situation> situations{
    {"one at the front", Waits::nobody, 1, 5, {}, 2, {}},
    {"several at the front", Waits::nobody, 3, 2, {}, 0, {}},
    {"empty", Waits::nobody, 0, 0, {}, 0, {}},
    {"full", Waits::nobody, 1, 1, {.capacity = 2}, 1, {.capacity = 1}},
    {"full, drops", Waits::nobody, 1, 1, {.capacity = 2, .when_full = Full::drop_other_end}, 1, {}},
    {"full, rejects",
     Waits::nobody,
     0,
     2,
     {.capacity = 2, .when_full = Full::reject},
     1,
     {.capacity = 1, .when_full = Full::reject}},
    {"a pop waits",
     Waits::one,
     0,
     0,
     {},
     1,
     {},
     [](Hands& on, const WaitOptions& options) { return told(on.a.pop_front(options)); }},
    {"a pop of many waits",
     Waits::one,
     0,
     0,
     {},
     1,
     {},
     [](Hands& on, const WaitOptions& options) { return told(on.a.pop_front_many(2, options)); }},
    {"a pop of both waits",
     Waits::one,
     0,
     0,
     {},
     0,
     {},
     [](Hands& on, const WaitOptions& options) {
         return told(pop_first({on.b, on.a}, {.timeout = options.timeout, .stop = options.stop}));
     }},
    {"a push waits",
     Waits::one,
     1,
     1,
     {.capacity = 2},
     0,
     {},
     [](Hands& on, const WaitOptions& options) {
         return told(on.a.push_back(on.message(), options));
     }},
    {"a push of many waits",
     Waits::one,
     1,
     1,
     {.capacity = 2},
     0,
     {},
     [](Hands& on, const WaitOptions& options) {
         auto messages = on.messages(2);
         return told(on.a.push_back_many(messages, options));
     }},
    {"a move waits for an element",
     Waits::move,
     0,
     0,
     {},
     1,
     {},
     [](Hands& on, const WaitOptions& options) { return wait_to_move(on.a, on.b, options); }},
    {"a move waits for room",
     Waits::move,
     1,
     1,
     {},
     1,
     {.capacity = 1},
     [](Hands& on, const WaitOptions& options) { return wait_to_move(on.a, on.b, options); }},
    {"the last handles go",
     Waits::one,
     0,
     0,
     {},
     0,
     {},
     [](Hands& on, const WaitOptions& options) { return told(on.a.pop_front(options)); },
     true},
};

// ------------------------------------------------------------------ a scene

// The two lists of a situation, and who waits there.
class Scene {
public:
    explicit Scene(const Situation& situation)
        : situation_{situation},
          lists_{std::in_place, make(situation.a, clock_), make(situation.b, clock_)} {
        const auto& [a, b] = *lists_;
        states_ = {detail::Owner{state_of(a)}, detail::Owner{state_of(b)}};
        fill();
        for (std::size_t which = 0; which != 2; ++which)
            hands_[which].emplace(hands(100 * static_cast<int>(which + 1)));
        if (situation.waits != Waits::nobody) start_waiter();
        if (situation.lets_go) lists_.reset();
    }
    Scene(const Scene&) = delete;
    Scene& operator=(const Scene&) = delete;
    ~Scene() { end_waiter(); }

    Gate& gate() { return gate_; }
    ManualClock& clock() { return clock_; }
    std::vector<const detail::Mutex*> locks() {
        std::vector<const detail::Mutex*> all;
        for (const auto& state : states_)
            for (const detail::Mutex* const lock : {&state->back.mutex, &state->front.mutex})
                all.push_back(lock);
        return all;
    }

    // Of the two operations.
    std::size_t waiting() {
        for (;;) {
            const bool is_done = is_waiter_done_;
            const std::size_t all = clock_.waiting();
            if (is_done != is_waiter_done_) continue;  // then it may be counted or not
            const std::size_t others = situation_.waits != Waits::nobody && !is_done ? 1 : 0;
            return all > others ? all - others : 0;
        }
    }

    void stopped() {
        for (const detail::Mutex* const lock : locks())
            if (is_held(*lock)) was_locked = true;
    }

    void release() {
        for (const auto& state : states_) state->close();
    }

    // As the first or second of the two.
    void run(std::size_t which, const Operation& operation) {
        results_[which] = operation.run(*hands_[which]);
        if (situation_.lets_go) hands_[which].reset();
    }

    void check() { outcome = end(); }

    std::string outcome;
    bool was_locked = false;

private:
    static List make(ListOptions options, ManualClock& clock) {
        options.clock = &clock;
        return List{options};
    }

    Hands hands(int number) {
        return {lists_->first, lists_->second, number, &gate_, &clock_, stop_};
    }

    void fill() {
        const auto& [a, b] = *lists_;
        int number = 1;
        const auto push = [&](const List& list, int count) {
            for (; count != 0; --count) (void)list.try_push_back(Gated{number++, &gate_});
        };
        if (situation_.at_front != 0) {
            (void)a.try_push_back(Gated{0, &gate_});
            push(a, std::min(1, situation_.at_front));
            (void)a.try_pop_front();  // takes over
            // What is at the front grows by pushes there only.
            for (int at = 1; at < situation_.at_front; ++at)
                (void)a.try_push_front(Gated{number++, &gate_});
        }
        push(a, situation_.at_back);
        number = 50;
        push(b, situation_.in_b);
    }

    void start_waiter() {
        auto on = std::make_unique<Hands>(hands(300));
        waiter_ = std::thread{[this, &on] {
            waited_ = situation_.wait(*on, {.timeout = 1h, .stop = stop_.get_token()});
            is_waiter_done_ = true;
        }};
        eventually([&] { return clock_.waiting() == 1; });
        on.reset();  // a call that waits does not need the handles it was made through
    }

    void end_waiter() {
        if (!waiter_.joinable()) return;
        release();
        waiter_.join();
    }

    // All that can be told of the end.
    std::string end() {
        std::string all = results_[0] + " | " + results_[1];
        if (lists_) {
            const auto& [a, b] = *lists_;
            all += " | a " + told(a.range()) + "| b " + told(b.range());
            all += "| dropped " + std::to_string(a.stats().dropped);
        }
        end_waiter();
        all += " | waited: " + waited_;
        if (lists_) all += " | " + told(lists_->first.range()) + '|' + told(lists_->second.range());
        return all;
    }

    const Situation& situation_;
    Gate gate_;
    ManualClock clock_;
    std::optional<std::pair<List, List>> lists_;
    std::array<detail::Owner<detail::ListState<Gated>>, 2> states_;
    std::array<std::optional<Hands>, 2> hands_;
    std::array<std::string, 2> results_;
    std::stop_source stop_;
    std::string waited_;
    std::atomic<bool> is_waiter_done_ = false;
    std::thread waiter_;
};

// What comes out if the operations follow one another: each waits, or returns, before the next.
std::string one_after_the_other(const Situation& situation, const Operation& first,
                                const Operation& second, bool swapped) {
    Scene scene{situation};
    std::array<std::atomic<bool>, 2> done{};
    std::array<std::thread, 2> threads;
    const std::array<const Operation*, 2> both{&first, &second};
    for (std::size_t turn = 0; turn != 2; ++turn) {
        const std::size_t which = swapped ? 1 - turn : turn;
        threads[which] = std::thread{[&, which] {
            scene.run(which, *both[which]);
            done[which] = true;
        }};
        eventually([&] {
            const std::size_t returned = (done[0] ? 1U : 0U) + (done[1] ? 1U : 0U);
            return returned + scene.waiting() >= turn + 1;
        });
    }
    if (!done[0] || !done[1]) scene.release();
    for (std::thread& thread : threads) thread.join();
    scene.check();
    return scene.outcome;
}

// The one exception of the invariant: to take the locks of a second list in order, a waker lets go
// of the first. So for a moment the element and the room of a waiting move are there. Calls that
// take them come after the move. But a call can see the element, or find that it is not yet in the
// target, and another push can put something before it.
bool may_look_between(const Situation& situation, const Operation& operation) {
    constexpr std::array<std::string_view, 8> lookers{"range",
                                                      "size",
                                                      "stats",
                                                      "remove",
                                                      "push_back_if_exists",
                                                      "push_front_if_exists",
                                                      "try_pop_front of the other",
                                                      "try_move_to from the other"};
    return situation.waits == Waits::move && std::ranges::count(lookers, operation.name) != 0;
}
bool may_push_between(const Situation& situation, const Operation& operation) {
    constexpr std::array<std::string_view, 3> pushes{"push_front", "try_push_front",
                                                     "push_front_many"};
    return situation.waits == Waits::move && std::ranges::count(pushes, operation.name) != 0;
}

// Where faults were found once: a move waits for room, and another call comes between the room and
// that move.
bool is_always_tested(const Situation& situation, const Operation& first, const Operation& second) {
    constexpr std::array<std::string_view, 4> takes_room{
        "try_move_to", "move_to", "push_back of the other", "try_push_back of the other"};
    return situation.name == "a move waits for room"sv &&
           first.name == "try_pop_front of the other"sv &&
           std::ranges::count(takes_room, second.name) != 0;
}

// The elements of both lists at the end, in any order.
std::vector<std::string> left(const std::string& outcome) {
    std::string lists = outcome.substr(outcome.find('|', outcome.rfind("waited:")));
    std::ranges::replace(lists, '|', ' ');
    std::istringstream words{lists};
    std::vector<std::string> all{std::istream_iterator<std::string>{words}, {}};
    std::ranges::sort(all);
    return all;
}

}  // namespace

TEST_CASE("two operations of a list, of which one is stopped inside, are as if one after the other",
          "[list][gate]") {
    std::size_t windows = 0;
    std::size_t locked_windows = 0;
    std::size_t pairs = 0;
    // One situation in five of each pair, in turn, and those that are always tested; all with
    // RUNNEL_TEST_SCALE=5.
    const std::size_t one_in = std::max<std::size_t>(1, 5'000 / scaled(1'000));
    std::size_t turn = 0;
    std::set<std::pair<const Operation*, const Operation*>> without;
    for (const Operation& first : operations) {
        for (const Operation& second : operations) {
            bool has_window = false;
            for (const Situation& situation : situations) {
                if (turn++ % one_in != 0 && !is_always_tested(situation, first, second)) continue;
                CAPTURE(situation.name, first.name, second.name);
                std::vector<std::string> outcomes;
                for (const bool swapped : {false, true})
                    outcomes.push_back(one_after_the_other(situation, first, second, swapped));
                struct Watched : Scene {
                    Watched(const Situation& in, std::vector<std::pair<std::string, bool>>& to)
                        : Scene{in}, all{to} {}
                    void check() {
                        Scene::check();
                        all.emplace_back(outcome, was_locked);
                    }
                    std::vector<std::pair<std::string, bool>>& all;
                };
                std::vector<std::pair<std::string, bool>> seen;
                for_each_window([&] { return std::make_unique<Watched>(situation, seen); },
                                [&](Watched& scene) { scene.run(0, first); },
                                [&](Watched& scene) { scene.run(1, second); });
                windows += seen.size() - 1;
                for (const auto& [outcome, was_locked] : seen) {
                    locked_windows += was_locked ? 1U : 0U;
                    has_window = has_window || was_locked;
                    CAPTURE(outcomes[0], outcomes[1], outcome);
                    if (may_look_between(situation, second)) continue;
                    if (may_push_between(situation, second)) {
                        CHECK(left(outcome) == left(outcomes[0]));
                        continue;
                    }
                    CHECK((outcome == outcomes[0] || outcome == outcomes[1]));
                }
            }
            ++pairs;
            if (!has_window) without.emplace(&first, &second);
        }
    }
    std::cout << operations.size() << " operations, " << pairs << " pairs in order, "
              << situations.size() << " situations: " << windows << " windows, " << locked_windows
              << " of them inside a lock\n";
    CHECK(locked_windows != 0);
    if (one_in != 1) return;
    std::cout << "without a window:\n";
    for (const auto& [first, second] : without)
        if (first <= second && without.contains({second, first}))
            std::cout << "  " << first->name << " / " << second->name << '\n';
}
