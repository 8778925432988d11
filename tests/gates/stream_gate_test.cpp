// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/stream/stream_state.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>
#include <runnel/read_first.hpp>
#include <runnel/stream.hpp>
#include <runnel/wait_any.hpp>

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
using State = detail::StreamState<GatedMoveOnly>;

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

// What an operation works with: handles of its own, and deliveries that it holds.
struct Hands {
    Log stream;
    ConsumerGroup<GatedMoveOnly> group;
    Consumer<GatedMoveOnly> consumer;
    std::optional<Cursor<GatedMoveOnly>> cursor;
    std::optional<Deliveries<GatedMoveOnly>> held;
    int number;
    Gate* gate;

    [[nodiscard]] GatedMoveOnly message() const { return {number, gate}; }
};

std::string told(Ending ending) {
    return "ends " + std::to_string(static_cast<int>(ending));
}
template <typename Results>
std::string told(const Results& results) {
    std::ostringstream out;
    for (const auto& each : results) out << to_string(each.id) << '=' << each.value.get() << ' ';
    if (!results) out << told(results.ending());
    if (results.missed() != 0) out << " missed " << results.missed();
    return out.str();
}
std::string told(const Deliveries<GatedMoveOnly>& batch, const char* prefix) {
    std::string all = prefix + told(batch);
    for (const StreamId id : batch.lost()) all += " lost " + to_string(id);
    return all;
}
std::string told(std::size_t number) {
    return std::to_string(number);
}
std::string told(Ack ack) {
    return ack == Ack::done ? "done" : "stale";
}
template <typename Add>
std::string added(Add add) {
    try {
        return to_string(add());
    } catch (const Error& error) {
        return error.what();
    }
}

struct Operation {
    const char* name;
    std::string (*run)(Hands& on);
};

const std::vector<Operation> operations{
    {"add", [](Hands& on) { return added([&] { return on.stream.add(on.message()); }); }},
    {"add with an id",
     [](Hands& on) { return added([&] { return on.stream.add(StreamId{20}, on.message()); }); }},
    {"add at a time",
     [](Hands& on) {
         const std::chrono::sys_time<std::chrono::milliseconds> at{20ms};
         return added([&] { return on.stream.add(at, on.message()); });
     }},
    {"trim", [](Hands& on) { return told(on.stream.trim({.count = 3})); }},
    {"trim before", [](Hands& on) { return told(on.stream.trim({.before = {3}})); }},
    {"erase",
     [](Hands& on) {
         return told(on.stream.erase({{2}, {5}}));
     }},
    {"let a batch go",
     [](Hands& on) {
         on.held.reset();
         return std::string{};
     }},
    {"range", [](Hands& on) { return told(on.stream.range()); }},
    {"reverse_range", [](Hands& on) { return told(on.stream.reverse_range({.count = 3})); }},
    {"find",
     [](Hands& on) {
         const auto entry = on.stream.find({5});
         return entry ? told(static_cast<std::size_t>((*entry).value().get())) : std::string{};
     }},
    {"read", [](Hands& on) { return told(on.stream.read(StreamId{4}, {.timeout = timeout})); }},
    {"try_read", [](Hands& on) { return told(on.stream.try_read(StreamId{4})); }},
    {"read_first",
     [](Hands& on) {
         const auto parts =
             read_first<GatedMoveOnly>({{on.stream, StreamId{5}}}, {.timeout = timeout});
         return parts ? told(parts[0].entries) : told(parts.ending());
     }},
    {"cursor's read", [](Hands& on) { return told(on.cursor->read({.timeout = timeout})); }},
    {"cursor's try_read", [](Hands& on) { return told(on.cursor->try_read({.count = 2})); }},
    {"wait_any",
     [](Hands& on) {
         const auto any = wait_any({*on.cursor, on.consumer}, {.timeout = timeout});
         return any ? told(any.which()) : told(any.ending());
     }},
    {"group's read",
     [](Hands& on) { return told(on.consumer.read({.count = 2, .timeout = timeout}), ""); }},
    {"group's try_read", [](Hands& on) { return told(on.consumer.try_read(), ""); }},
    {"group's read, acknowledged",
     [](Hands& on) { return told(on.consumer.try_read({.acknowledged = true}), ""); }},
    {"group's read that claims",
     [](Hands& on) {
         return told(on.consumer.read({.count = 2, .timeout = timeout, .claim = timeout / 2}), "");
     }},
    {"group's try_read that claims",
     [](Hands& on) { return told(on.consumer.try_read({.claim = 0s}), ""); }},
    {"history", [](Hands& on) { return told(on.consumer.history(), ""); }},
    {"claim",
     [](Hands& on) {
         return told(on.consumer.claim({{1}, {2}, {3}}, {.min_idle = 0s}), "");
     }},
    {"autoclaim", [](Hands& on) { return told(on.consumer.autoclaim({.min_idle = 0s}), ""); }},
    {"delivery.ack", [](Hands& on) { return told(on.held->front().ack()); }},
    {"delivery.nack", [](Hands& on) { return told(on.held->front().nack()); }},
    {"delivery.nack with a delay",
     [](Hands& on) { return told(on.held->front().nack(Nack::fail, {.after = timeout / 4})); }},
    {"delivery.extend", [](Hands& on) { return told(on.held->front().extend()); }},
    {"batch.ack", [](Hands& on) { return told(on.held->ack()); }},
    {"ack",
     [](Hands& on) {
         return told(on.group.ack({{1}, {3}}));
     }},
    {"nack",
     [](Hands& on) {
         return told(on.group.nack({{1}, {3}}));
     }},
    {"pending", [](Hands& on) { return told(on.group.pending({}).size()); }},
    {"pending, in figures", [](Hands& on) { return told(on.group.pending().count); }},
    {"consumers", [](Hands& on) { return told(on.group.consumers().size()); }},
    {"info", [](Hands& on) { return told(on.stream.info().length); }},
    {"group's info", [](Hands& on) { return to_string(on.group.info().last_delivered); }},
    {"lag", [](Hands& on) { return told(on.group.lag()); }},
    {"size", [](Hands& on) { return told(on.stream.size()); }},
    {"set_position",
     [](Hands& on) {
         on.group.set_position(StreamId{1});
         return std::string{};
     }},
    {"group", [](Hands& on) { return on.stream.group("other").name(); }},
    {"remove_group",
     [](Hands& on) { return std::string{on.stream.remove_group("group") ? "done" : "none"}; }},
    {"consumer", [](Hands& on) { return on.group.consumer("cid").name(); }},
    {"remove_consumer", [](Hands& on) { return told(on.group.remove_consumer("ann")); }},
    {"close",
     [](Hands& on) {
         on.stream.close();
         return std::string{};
     }},
};

// ------------------------------------------------------------------ situations

constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

struct Situation {
    const char* name;
    int entries;                   // 1-0 and so on, in blocks of 4; of which 3 are delivered
    std::size_t keep = no_limit;   // of the stream
    std::size_t limit = no_limit;  // of what a consumer may have pending
    bool all_read = false;         // by the cursors and the group
    bool is_trimmed = false;       // what ann holds is in the stream no more
    bool lets_go = false;          // the handles go with the operations
};

const std::vector<Situation> situations{
    {.name = "some entries", .entries = 6},
    {.name = "the last block is full, and the next entry trims one", .entries = 8, .keep = 8},
    {.name = "all is read", .entries = 6, .all_read = true},
    {.name = "consumers have as many pending as they may", .entries = 6, .limit = 1},
    {.name = "what is pending was trimmed", .entries = 6, .limit = 2, .is_trimmed = true},
    {.name = "the last handle goes", .entries = 6, .lets_go = true},
};

// Two hands on a stream: ann's, who has 1-0 and 2-0 pending, and bob's, who has 3-0.
class Scene {
public:
    explicit Scene(const Situation& situation) : situation_{situation} {
        Log stream{{.keep = {.count = situation.keep}, .block_entries = 4, .clock = &clock_}};
        const auto group = stream.group("group");
        memory_ = detail::Owner<State>{*(stream.*reveal(StreamStateOf{}))};
        for (int number = 1; number <= situation.entries; ++number)
            stream.add(StreamId{static_cast<std::uint64_t>(number)}, {number, &gate_});
        for (const std::size_t which : {0U, 1U}) {
            const auto consumer = group.consumer(which == 0 ? "ann" : "bob");
            const auto limited = group.consumer(consumer.name(), {.max_pending = situation.limit});
            hands_[which].emplace(Hands{stream, group, limited, stream.cursor(), std::nullopt,
                                        100 + static_cast<int>(which), &gate_});
            hands_[which]->held.emplace(consumer.try_read({.count = which == 0 ? 2U : 1U}));
            if (situation.is_trimmed) stream.trim({.count = 2});
            if (situation.all_read)
                while (hands_[which]->cursor->try_read()) {
                }
        }
        if (situation.all_read) (void)group.consumer("ann").try_read({.acknowledged = true});
        if (!situation.lets_go) stream_.emplace(stream);
    }

    Gate& gate() { return gate_; }
    ManualClock& clock() { return clock_; }
    std::vector<const detail::Mutex*> locks() { return {&memory_.get()->mutex}; }
    void release() { clock_.advance(2 * timeout); }
    void check() {}

    void run(std::size_t which, const Operation& operation) {
        results_[which] = operation.run(*hands_[which]);
        if (situation_.lets_go) hands_[which].reset();
    }

    // What both have returned, and what can be seen then.
    [[nodiscard]] std::string outcome() {
        std::ostringstream out;
        out << results_[0] << " | " << results_[1];
        if (!stream_) return out.str();
        const StreamInfo info = stream_->info();
        out << " | " << told(stream_->range()) << " last " << to_string(info.last_id) << " added "
            << info.entries_added << " deleted " << to_string(info.max_deleted_id) << " waiting "
            << info.waiting;
        if (hands_[0]) {
            const auto& group = hands_[0]->group;
            out << " | delivered " << to_string(group.info().last_delivered);
            for (const auto& row : group.pending({}))
                out << ' ' << to_string(row.id) << ' ' << row.consumer << ' ' << row.deliveries;
            for (const auto& consumer : group.consumers())
                out << ' ' << consumer.name << ' ' << consumer.pending;
        }
        return out.str();
    }

private:
    const Situation& situation_;
    Gate gate_;
    ManualClock clock_;
    detail::Owner<State> memory_;
    std::optional<Log> stream_;
    std::array<std::optional<Hands>, 2> hands_;
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

}  // namespace

TEST_CASE("whatever meets an operation of a stream in a window, it is as if they followed one "
          "another",
          "[stream][gate]") {
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
                struct Watched : Scene {
                    Watched(const Situation& in, std::vector<std::string>& out)
                        : Scene{in}, outcomes{out} {}
                    void check() { outcomes.push_back(outcome()); }
                    std::vector<std::string>& outcomes;
                };
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
    std::cout << "stream: " << operations.size() << " operations, " << pairs << " pairs, "
              << windows << " windows, in";
    for (const auto& [name, count] : with_windows)
        if (count != 0) std::cout << "\n  " << name << ": " << count;
    std::cout << '\n';
    CHECK(windows >= 900);
}
