// SPDX-License-Identifier: MIT
// Steps over two streams, stopped under the locks of both.
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/gate.hpp"
#include "support/windows.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

using namespace runnel;
using namespace runnel::test;
using namespace std::chrono_literals;

namespace {

using Log = Stream<GatedMoveOnly>;

}  // namespace

namespace runnel::test {

struct StreamStateOf {
    friend auto reveal(StreamStateOf);
};
template struct Reveal<StreamStateOf, &Log::state_>;

}  // namespace runnel::test

namespace {

constexpr auto timeout = 1h;

// ------------------------------------------------------------------ operations

// What an operation works with: both streams, their groups, and what ann holds of either.
struct Hands {
    std::array<Log, 2> streams;
    std::array<ConsumerGroup<GatedMoveOnly>, 2> groups;
    std::array<std::optional<Deliveries<GatedMoveOnly>>*, 2> held;
    int number;
    Gate* gate;

    [[nodiscard]] GatedMoveOnly message() const { return {number, gate}; }
    [[nodiscard]] std::string forward(std::size_t from, std::size_t to) const {
        GatedMoveOnly made = message();
        const Ack ack = (*held[from])->front().forward(streams[to], std::move(made));
        const bool is_moved = made.get() == GatedMoveOnly::moved_from;
        return std::string{to_string(ack)} + (is_moved ? ", moved" : "");
    }
};

template <typename Results>
std::string told(const Results& results) {
    std::ostringstream out;
    for (const auto& each : results) out << to_string(each.id) << '=' << each.value.get() << ' ';
    if (!results) out << to_string(results.ending());
    return out.str();
}

bool has_added(const Log& stream) {
    bool found = false;
    for (const auto& [id, value] : stream.range()) found = found || value.get() >= 100;
    return found;
}
bool is_pending(const ConsumerGroup<GatedMoveOnly>& group) {
    return !group.pending({.last = StreamId{1}}).empty();
}

struct Operation {
    const char* name;
    std::string (*run)(const Hands& on);
};

const std::vector<Operation> operations{
    {"forward to the other one", [](const Hands& on) { return on.forward(0, 1); }},
    {"forward back", [](const Hands& on) { return on.forward(1, 0); }},
    {"forward to itself", [](const Hands& on) { return on.forward(0, 0); }},
    {"add to the other one",
     [](const Hands& on) {
         try {
             return to_string(on.streams[1].add(on.message()));
         } catch (const Error& error) {
             return std::string{to_string(error.code())};
         }
     }},
    {"acknowledge", [](const Hands& on) { return std::to_string(on.groups[0].ack({{1}})); }},
    {"give back", [](const Hands& on) { return std::to_string(on.groups[0].nack({{1}})); }},
    {"claim",
     [](const Hands& on) {
         return told(on.groups[0].consumer("bob").claim({{1}}, {.min_idle = 0s}));
     }},
    {"read in the group there",
     [](const Hands& on) { return told(on.groups[1].consumer("bob").read({.timeout = timeout})); }},
    {"read there",
     [](const Hands& on) { return told(on.streams[1].read(StreamId{2}, {.timeout = timeout})); }},
    {"read for room",
     [](const Hands& on) {
         const auto ann = on.groups[0].consumer("ann", {.max_pending = 2});
         return told(ann.read({.timeout = timeout}));
     }},
    {"trim there",
     [](const Hands& on) { return std::to_string(on.streams[1].trim({.count = 1})); }},
    {"close there",
     [](const Hands& on) {
         on.streams[1].close();
         return std::string{};
     }},
    {"remove the group",
     [](const Hands& on) { return std::to_string(on.streams[0].remove_group("group")); }},
};

// Looks at one stream after the other.
const Operation look_there_first{"look there and here", [](const Hands& on) {
                                     const bool is_there = has_added(on.streams[1]);
                                     const bool is_here = is_pending(on.groups[0]);
                                     return std::string{is_there && is_here ? "both" : ""};
                                 }};
const Operation look_here_first{"look here and there", [](const Hands& on) {
                                    const bool is_here = is_pending(on.groups[0]);
                                    const bool is_there = has_added(on.streams[1]);
                                    return std::string{!is_here && !is_there ? "neither" : ""};
                                }};

// ------------------------------------------------------------------ situations

constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

struct Situation {
    const char* name;
    std::uint64_t entries;        // 1-0 and so on in either, in blocks of 4; ann holds 2 of them
    std::size_t keep = no_limit;  // of the streams
    bool is_first_high = false;   // the addresses of the streams
};

const std::vector<Situation> situations{
    {.name = "some entries", .entries = 3},
    {.name = "the first one is the higher one", .entries = 3, .is_first_high = true},
    {.name = "the last block is full, and the next entry trims one", .entries = 4, .keep = 4},
    {.name = "all is read", .entries = 2},
    {.name = "all is read, and the first one is the higher one",
     .entries = 2,
     .is_first_high = true},
};

class Scene {
public:
    explicit Scene(const Situation& situation) {
        const StreamOptions options{
            .keep = {.count = situation.keep}, .block_entries = 4, .clock = &clock_};
        std::array<Log, 2> made{Log{options}, Log{options}};
        if ((lock_of(made[0]) > lock_of(made[1])) != situation.is_first_high)
            std::swap(made[0], made[1]);
        std::array<ConsumerGroup<GatedMoveOnly>, 2> groups{made[0].group("group"),
                                                           made[1].group("group")};
        for (const std::size_t which : {0U, 1U}) {
            for (std::uint64_t ms = 1; ms <= situation.entries; ++ms)
                made[which].add(StreamId{ms}, {static_cast<int>(ms), &gate_});
            held_[which].emplace(groups[which].consumer("ann").try_read({.count = 2}));
        }
        for (const int number : {100, 101})
            hands_.push_back({made, groups, {held_.data(), held_.data() + 1}, number, &gate_});
    }

    Gate& gate() { return gate_; }
    ManualClock& clock() { return clock_; }
    std::vector<const detail::Mutex*> locks() {
        return {lock_of(hands_[0].streams[0]), lock_of(hands_[0].streams[1])};
    }
    void release() { clock_.advance(2 * timeout); }
    void check() {}

    void run(std::size_t which, const Operation& operation) {
        results_[which] = operation.run(hands_[which]);
    }
    [[nodiscard]] const std::string& result(std::size_t which) const { return results_[which]; }

    // What both have returned, and what can be seen then.
    [[nodiscard]] std::string outcome() const {
        std::ostringstream out;
        out << results_[0] << " | " << results_[1];
        const Hands& on = hands_[0];
        for (const std::size_t which : {0U, 1U}) {
            const StreamInfo info = on.streams[which].info();
            out << " | " << told(on.streams[which].range()) << " added " << info.entries_added
                << " waiting " << info.waiting << " delivered "
                << on.groups[which].info().last_delivered;
            for (const auto& row : on.groups[which].pending({}))
                out << ' ' << to_string(row.id) << ' ' << row.consumer << ' ' << row.deliveries;
            for (const auto& consumer : on.groups[which].consumers())
                out << ' ' << consumer.name << ' ' << consumer.pending;
        }
        return out.str();
    }

private:
    static const detail::Mutex* lock_of(const Log& stream) {
        return &(*(stream.*reveal(StreamStateOf{}))).mutex;
    }

    Gate gate_;
    ManualClock clock_;
    std::array<std::optional<Deliveries<GatedMoveOnly>>, 2> held_;
    std::vector<Hands> hands_;
    std::array<std::string, 2> results_;
};

// One after the other: the second once the first has returned or waits.
std::string in_turn(const Situation& situation, const Operation& first, std::size_t which,
                    const Operation& second) {
    Scene scene{situation};
    run_in_turn(
        scene, [&](Scene& in) { in.run(which, first); },
        [&](Scene& in) { in.run(1 - which, second); });
    return scene.outcome();
}

struct Watched : Scene {
    Watched(const Situation& in, std::vector<std::string>& out) : Scene{in}, outcomes{out} {}
    void check() { outcomes.push_back(outcome()); }
    std::vector<std::string>& outcomes;
};

}  // namespace

TEST_CASE("whatever meets a step over two streams in a window, it is as if they followed one "
          "another",
          "[stream][forward][gate]") {
    std::size_t pairs = 0;
    std::size_t windows = 0;
    std::map<std::string, std::size_t> with_windows;
    for (const Situation& situation : situations) {
        for (const Operation& first : operations) {
            for (const Operation& second : operations) {
                CAPTURE(situation.name, first.name, second.name);
                const std::array<std::string, 2> expected{in_turn(situation, first, 0, second),
                                                          in_turn(situation, second, 1, first)};
                std::vector<std::string> outcomes;
                const std::size_t count =
                    for_each_window([&] { return std::make_unique<Watched>(situation, outcomes); },
                                    [&](Watched& scene) { scene.run(0, first); },
                                    [&](Watched& scene) { scene.run(1, second); });
                ++pairs;
                windows += count;
                with_windows[first.name] += count;
                for (const std::string& outcome : outcomes) {
                    INFO(outcome << "\nin turn:\n" << expected[0] << '\n' << expected[1]);
                    CHECK((outcome == expected[0] || outcome == expected[1]));
                }
                if (count == 0 && &second == operations.data()) break;  // it has no steps
            }
        }
    }
    std::cout << "two streams: " << operations.size() << " operations, " << pairs << " pairs, "
              << windows << " windows, in";
    for (const auto& [name, count] : with_windows)
        if (count != 0) std::cout << "\n  " << name << ": " << count;
    std::cout << '\n';
    CHECK(windows >= 200);
}

TEST_CASE("nobody sees half of a step over two streams", "[stream][forward][gate]") {
    std::size_t windows = 0;
    for (const Situation& situation : situations) {
        for (const Operation& look : {look_there_first, look_here_first}) {
            CAPTURE(situation.name, look.name);
            struct Looked : Scene {
                Looked(const Situation& in, std::vector<std::string>& out) : Scene{in}, half{out} {}
                void check() { half.push_back(result(1)); }
                std::vector<std::string>& half;
            };
            std::vector<std::string> half;
            windows += for_each_window([&] { return std::make_unique<Looked>(situation, half); },
                                       [&](Looked& scene) { scene.run(0, operations.front()); },
                                       [&](Looked& scene) { scene.run(1, look); });
            for (const std::string& what : half) CHECK(what.empty());
        }
    }
    CHECK(windows >= 10);
}
