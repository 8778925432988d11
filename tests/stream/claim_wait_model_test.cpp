// SPDX-License-Identifier: MIT
// Reads that wait, with and without claim, of threads and of coroutines, beside a reference: each
// ends when it must, at the very millisecond and in the order of the line.
#include <runnel/ack.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/expect.hpp"
#include "support/sequences.hpp"
#include "support/stream_reference.hpp"
#include "support/streams.hpp"
#include "support/stress_random.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <sstream>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using runnel::Consumer;
using runnel::ConsumerGroup;
using runnel::Deliveries;
using runnel::Ending;
using runnel::From;
using runnel::GroupReadOptions;
using runnel::ManualClock;
using runnel::Nack;
using runnel::Stream;
using runnel::StreamId;
using runnel::test::Call;
using runnel::test::check_occurred;
using runnel::test::Coroutine;
using runnel::test::expect;
using runnel::test::GroupReference;
using runnel::test::Handout;
using runnel::test::Line;
using runnel::test::Lines;
using runnel::test::LogReference;
using runnel::test::Millis;
using runnel::test::no_limit;
using runnel::test::Random;
using runnel::test::reading;
using runnel::test::run_sequences;
using runnel::test::Tally;
using std::chrono::milliseconds;

namespace {

using Batch = Deliveries<int>;

Coroutine wait_into(std::optional<Batch>& outcome, const Consumer<int>& consumer,
                    GroupReadOptions options) {
    outcome.emplace(co_await consumer.async_read(options));
}

// A read that waits, in fact and in the reference.
struct WaitingRead {
    std::string name;
    std::size_t max_pending = 0;
    GroupReadOptions options;
    std::optional<Millis> ends_behind;  // half a millisecond behind that
    Handout expected;
    bool has_ended = false;
    bool is_stopped = false;

    std::stop_source stop;
    std::optional<Batch> outcome;
    Coroutine coroutine;
    std::unique_ptr<Call<Batch>> call;

    [[nodiscard]] bool waits() { return call ? call->waits() : !outcome; }
    [[nodiscard]] Batch& result() { return call ? call->result() : *outcome; }
};

struct Member {
    std::string name;
    std::size_t max_pending;
};
const std::array<Member, 3> members{{{"ann", no_limit}, {"bob", 2}, {"cid", 1}}};

class WaitSequence {
public:
    WaitSequence(std::uint64_t seed, std::uint64_t number, Tally& counts, bool tells)
        : random_{seed, number}, tally_{counts}, tells_{tells} {
        for (const auto& [name, max_pending] : members) {
            consumers_.push_back(group_.consumer(name, {.max_pending = max_pending}));
            model_.member(name, now_);
        }
    }

    void run(std::size_t steps) {
        const std::size_t closes_at = steps * 4 / 5;
        for (std::size_t step = 0; step != steps; ++step) {
            if (step == closes_at && random_.percent(60)) close();
            one_step();
            compare();
        }
        if (random_.percent(30)) remove_group();
        compare();
        for (const auto& wait : waits_) stop(*wait);
        compare();
        expect("nobody waits in the end", stream_.info().waiting == 0);
    }

    [[nodiscard]] std::string story() const { return story_.str(); }

private:
    template <typename... Words>
    void tell(const Words&... words) {
        if (tells_) ((story_ << "\n" << now_ << ": ") << ... << words);
    }

    void one_step() {
        const std::size_t what = random_.below(100);
        if (what < 12)
            add();
        else if (what < 40)
            begin();
        else if (what < 57)
            nack();
        else if (what < 65)
            ack();
        else if (what < 73)
            claim();
        else if (what < 76)
            history();
        else if (what < 93)
            advance();
        else if (what < 96)
            give_up();
        else if (what < 99)
            lose();
        else
            remove_consumer();
    }

    // ---- what is done

    void add() {
        if (log_.closed) return;
        for (std::size_t left = 1 + random_.below(2); left != 0; --left) {
            const StreamId id{++last_};
            tell("add ", last_);
            (void)stream_.add(id, static_cast<int>(last_));
            log_.add(id, static_cast<int>(last_));
            serve();
        }
    }

    void begin() {
        if (waits_.size() >= 5) return;
        const std::size_t which = random_.below(members.size());
        auto made = std::make_unique<WaitingRead>();
        WaitingRead& wait = *made;
        wait.name = members[which].name;
        wait.max_pending = members[which].max_pending;
        wait.options.count = 1 + random_.below(3);
        wait.options.acknowledged = random_.percent(10);
        if (random_.percent(75)) wait.options.claim = some_time();
        if (random_.percent(40)) {
            const auto after = static_cast<Millis>(random_.below(16));
            wait.ends_behind = now_ + after;
            wait.options.timeout = milliseconds{after} + 500us;
        }
        tell(wait.name, wait.options.claim ? " claims" : " reads", ", count ", wait.options.count,
             ", idle ", wait.options.claim ? runnel::test::millis(*wait.options.claim) : -1,
             wait.ends_behind ? ", ends behind " + std::to_string(*wait.ends_behind) : "");
        wait.expected = model_.read(log_, wait.name, wait.options, wait.max_pending, now_);
        note_end(wait, wait.expected, "at once");
        waits_.push_back(std::move(made));
        serve();  // it may have made room
        if (random_.percent(25)) {
            wait.call =
                std::make_unique<Call<Batch>>(reading(clock_, consumers_[which], wait.options));
        } else {
            wait.options.stop = wait.stop.get_token();
            wait.coroutine = wait_into(wait.outcome, consumers_[which], wait.options);
        }
    }

    void nack() {
        const auto ids = some_pending();
        runnel::NackOptions options;
        if (random_.percent(70)) options.after = some_time();
        tell("nack of ", ids.size(), ", after ", runnel::test::millis(options.after));
        for (const StreamId id : ids) (void)model_.nack(id, Nack::fail, options, now_);
        expect("nack()", group_.nack(ids, Nack::fail, options) == ids.size());
        serve();
    }

    void ack() {
        const auto ids = some_pending();
        tell("ack of ", ids.size());
        for (const StreamId id : ids) (void)model_.ack(id);
        expect("ack()", group_.ack(ids) == ids.size());
        serve();
    }

    void claim() {
        // Not by one with a limit: it could have more than that, and drop what is lost of it
        // without an end of its wait.
        const std::size_t which = 0;
        const auto ids = some_pending();
        runnel::ClaimOptions options{.min_idle = some_time()};
        if (random_.percent(50)) options.idle = some_time();
        tell(members[which].name, " claims ", ids.size(), " by id, idle ",
             runnel::test::millis(options.idle));
        (void)consumers_[which].claim(ids, options);
        (void)model_.claim(log_, members[which].name, ids, options, now_);
        serve();
    }

    void history() {
        const std::size_t which = random_.below(members.size());
        tell(members[which].name, " reads its history");
        (void)consumers_[which].history();
        (void)model_.history(log_, members[which].name, {}, now_);
        serve();
    }

    void advance() {
        const auto by = static_cast<Millis>(1 + random_.below(6));
        tell("advance by ", by);
        clock_.advance(milliseconds{by});
        for (Millis left = by; left != 0; --left) {
            for (const auto& wait : waits_)
                if (wait->ends_behind == now_) end(*wait, Ending::timed_out);
            ++now_;
            serve();
        }
    }

    void give_up() {
        if (waits_.empty()) return;
        WaitingRead& wait = *random_.one_of(waits_);
        if (random_.percent(50) || wait.call) return stop(wait);
        tell(wait.name, " is destroyed");
        tally_.add("a wait", "destroyed");
        wait.coroutine.destroy();
        std::erase_if(waits_, [&](const auto& one) { return one.get() == &wait; });
    }
    void stop(WaitingRead& wait) {
        tell(wait.name, " is stopped");
        wait.stop.request_stop();
        if (wait.call) wait.call->stop();
        end(wait, Ending::stopped);
    }

    void lose() {
        const auto ids = some_pending();
        tell("lose ", ids.size());
        expect("erase()", stream_.erase(ids) == log_.erase(ids));
        serve();
    }

    void remove_consumer() {
        const std::string& name = random_.one_of(members).name;
        tell("remove ", name);
        expect("remove_consumer()", group_.remove_consumer(name) == model_.remove_member(name));
        serve();
    }

    void close() {
        tell("close");
        stream_.close();
        log_.closed = true;
        serve();
    }
    void remove_group() {
        tell("remove the group");
        (void)stream_.remove_group("group");
        for (const auto& wait : waits_) end(*wait, Ending::gone);
    }

    // ---- the reference

    // Asks all that wait, in order, until nobody can be served any more.
    void serve() {
        for (bool again = true; std::exchange(again, false);) {
            for (const auto& wait : waits_) {
                if (wait->has_ended) continue;
                GroupReference after = model_;
                Handout part = after.read(log_, wait->name, wait->options, wait->max_pending, now_);
                if (!note_end(*wait, part, "later")) continue;
                model_ = std::move(after);
                part.lost.insert(part.lost.begin(), wait->expected.lost.begin(),
                                 wait->expected.lost.end());
                wait->expected = std::move(part);
                again = true;
            }
        }
    }
    bool note_end(WaitingRead& wait, const Handout& part, const char* when) {
        wait.has_ended = !part.lines.empty() || part.ending != Ending::timed_out;
        if (!wait.has_ended) return false;
        const std::string kind = wait.options.claim ? "claiming read, " : "read, ";
        tally_.add(kind + when, part.lines.empty()               ? "closed"
                                : part.lines.front().attempt > 1 ? "claimed"
                                                                 : "read");
        return true;
    }
    void end(WaitingRead& wait, Ending ending) {
        if (wait.has_ended) return;
        wait.has_ended = true;
        wait.expected.ending = ending;
        tally_.add("a wait", std::string{to_string(ending)});
    }

    // ---- both

    void compare() {
        for (const auto& wait : waits_) {
            tell("  ", wait->name, wait->has_ended ? " has ended" : " waits");
            expect("a read waits, or has ended", wait->waits() == !wait->has_ended);
            if (!wait->has_ended) continue;
            const Batch& batch = wait->result();
            Lines lines;
            for (const auto& [id, value, attempt] : batch) lines.push_back({id, value, attempt});
            expect("what a read got", lines == wait->expected.lines);
            expect("what it has lost", batch.lost() == wait->expected.lost);
            if (!batch) expect("how it ended", batch.ending() == wait->expected.ending);
        }
        std::erase_if(waits_, [](const auto& wait) { return wait->has_ended; });
        expect("how many wait", stream_.info().waiting == waits_.size());
        expect("what is pending", group_.pending({}) == model_.rows({}, now_));
    }

    [[nodiscard]] runnel::Duration some_time() {
        constexpr std::array times{0ms, 1ms, 2ms, 5ms, 12ms};
        return random_.one_of(times);
    }

    [[nodiscard]] std::vector<StreamId> some_pending() {
        std::vector<StreamId> ids;
        const std::size_t chance = 10 + random_.below(60);
        for (const auto& row : model_.pending)
            if (random_.percent(chance)) ids.push_back(row.first);
        return ids;
    }

    Random random_;
    Tally& tally_;
    const bool tells_;
    std::ostringstream story_;

    ManualClock clock_;
    Stream<int> stream_{{.clock = &clock_}};
    ConsumerGroup<int> group_ = stream_.group("group");
    std::vector<Consumer<int>> consumers_;
    LogReference log_;
    GroupReference model_;
    Millis now_ = 1'000;
    std::uint64_t last_ = 0;
    std::vector<std::unique_ptr<WaitingRead>> waits_;  // in the order of the line
};

}  // namespace

TEST_CASE("reads that wait end when something may be claimed, in order", "[group][claim][model]") {
    const Tally tally = run_sequences<WaitSequence>("reads that wait and claim", 120);
    check_occurred(tally, {"claiming read, at once", "claiming read, later"},
                   {"read", "claimed", "closed"});
    check_occurred(tally, {"read, at once", "read, later"}, {"read", "closed"});
    check_occurred(tally, {"a wait"}, {"timed_out", "stopped", "gone", "destroyed"});
}
