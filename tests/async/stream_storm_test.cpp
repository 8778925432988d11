// SPDX-License-Identifier: MIT
// Coroutines of several threads read streams, by cursors and in groups, and are served, stopped,
// timed out, closed and destroyed at random. A group delivers each entry to one consumer, and a
// cursor sees all in order.
#include <runnel/ack.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/error.hpp>
#include <runnel/group_options.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/stream_options.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/scale.hpp"
#include "support/storm.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

using runnel::Ack;
using runnel::Bound;
using runnel::ConsumerGroup;
using runnel::Cursor;
using runnel::Deliveries;
using runnel::Entries;
using runnel::Error;
using runnel::From;
using runnel::GroupReadOptions;
using runnel::ManualClock;
using runnel::ReadOptions;
using runnel::StreamId;
using runnel::StreamOptions;
using runnel::test::Coroutine;
using runnel::test::in_threads;
using runnel::test::scaled;
using runnel::test::seed_for;
using runnel::test::StormCounts;
using runnel::test::StormLoop;
using namespace std::chrono_literals;

namespace {

using Notes = runnel::Stream<std::uint64_t>;
using Batch = Deliveries<std::uint64_t>;

// A log, and a group in it of which each entry is acknowledged once.
struct Course {
    explicit Course(ManualClock& clock) : log{StreamOptions{.clock = &clock}} {}

    Notes log;
    ConsumerGroup<std::uint64_t> group = log.group("group");
};

// The logs, which are closed now and then and replaced, and what has become of all entries.
class Hall {
public:
    explicit Hall(std::size_t messages) : taken_(messages) {
        for (auto& course : open_) course = made();
    }

    [[nodiscard]] std::shared_ptr<Course> course(std::size_t at) const {
        const std::lock_guard lock{mutex_};
        return open_[at];
    }

    // Closes a log, and puts another one in its place.
    void replace(std::size_t at) {
        auto next = made();
        {
            const std::lock_guard lock{mutex_};
            std::swap(open_[at], next);
            closed_.push_back(next);
        }
        next->log.close();
    }

    void add(const Notes& log, std::uint64_t message) {
        try {
            log.add(message);
            added_.fetch_add(1);
        } catch (const Error&) {  // it was closed meanwhile
        }
    }

    // Acknowledges what was delivered. Somebody else may have claimed it.
    void settle(const Batch& batch) {
        for (const auto& delivery : batch)
            if (delivery.ack() == Ack::done) taken_[delivery.value].fetch_add(1);
    }

    // Compares with what the log has there: exactly these entries.
    void check(const Notes& log, const Entries<std::uint64_t>& batch, Bound from) {
        const auto there = log.range({.from = from, .count = batch.size()});
        bool is_right = there.size() == batch.size();
        auto expected = there.begin();
        for (const auto& entry : batch) {
            is_right = is_right && (*expected).id == entry.id && (*expected).value == entry.value;
            ++expected;
        }
        if (!is_right) wrong_.fetch_add(1);
    }

    // When nothing goes on any more: how many entries were not delivered to one consumer, who has
    // acknowledged it or has it pending; and whatever else was wrong.
    [[nodiscard]] std::size_t wrong() {
        std::size_t in = 0;
        std::size_t count = wrong_;
        closed_.insert(closed_.end(), open_.begin(), open_.end());
        for (const auto& course : closed_) {
            const auto last = course->group.consumer("last");
            while (const auto rest = last.try_read()) settle(rest);
            for (const auto& pending : course->group.pending({})) {
                const auto entry = course->log.find(pending.id);
                taken_[**entry].fetch_add(1);
            }
            for (const auto& entry : course->log.range()) {
                count += taken_[entry.value] == 1 ? 0U : 1U;
                ++in;
            }
        }
        return count + (in == added_ ? 0U : 1U);
    }

    static constexpr std::size_t size = 6;

    ManualClock clock;
    StormCounts counts;

private:
    [[nodiscard]] std::shared_ptr<Course> made() { return std::make_shared<Course>(clock); }

    mutable std::mutex mutex_;
    std::array<std::shared_ptr<Course>, size> open_;
    std::vector<std::shared_ptr<Course>> closed_;
    std::vector<std::atomic<unsigned>> taken_;
    std::atomic<std::size_t> added_ = 0;
    std::atomic<std::size_t> wrong_ = 0;
};

// A cursor of one thread, which one coroutine at a time borrows.
struct Follower {
    explicit Follower(const Notes& of) : log{of}, cursor{log.cursor()} {}

    const Notes log;
    Cursor<std::uint64_t> cursor;
    bool is_lent = false;
};

class Loan {
public:
    explicit Loan(Follower& of) noexcept : follower_{of} { follower_.is_lent = true; }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    ~Loan() { follower_.is_lent = false; }

private:
    Follower& follower_;
};

// One thread, its loop, and the coroutines that go on there.
class Pupil : runnel::test::StormHand {
public:
    Pupil(Hall& hall, std::uint64_t seed, std::size_t number, std::uint64_t first,
          std::size_t steps)
        : StormHand{seed, number}, hall_{hall}, next_{first}, steps_{steps} {}

    void run() {
        for (; steps_ != 0; --steps_) step();
        end_all();
        for (auto& follower : followers_)
            if (follower) read_to_the_end(*follower);
    }

private:
    using Executor = StormLoop::Executor;

    void step() {
        const auto course = hall_.course(random_.below(Hall::size));
        switch (random_.below(16)) {
        case 0:
        case 1:
        case 2:
            return hall_.add(course->log, next_++);
        case 3:
        case 4:
        case 5:
        case 6:
            return loop_.start([&](Executor on) {
                return read_in_group(hall_, consumer(course->group), group_options(), on);
            });
        case 7:
        case 8:
            return loop_.start([&](Executor on) {
                const auto group = course->log.group("short", {.from = From::end});
                return read_in_short(hall_, consumer(group), group_options(), on);
            });
        case 9:
            return follow();
        case 10:
            return loop_.start(
                [&](Executor on) { return read(hall_, course->log, options(), on); });
        case 11:
            return give_up(hall_.counts);
        case 12:
            return stop();
        case 13:
            return hall_.clock.advance(1ms);
        case 14:
            return change(*course);
        default:
            return loop_.run();
        }
    }

    void change(const Course& course) {
        const std::size_t chance = random_.below(100);
        if (chance < 8) return hall_.replace(random_.below(Hall::size));
        if (chance < 45) return (void)course.log.remove_group("short");
        if (chance < 75)
            hall_.settle(consumer(course.group).autoclaim({.min_idle = 0s, .count = 8}));
    }

    void follow() {
        auto& follower = random_.one_of(followers_);
        if (follower && follower->is_lent) return;
        if (!follower || follower->log.closed()) {
            if (follower) read_to_the_end(*follower);
            follower = std::make_shared<Follower>(hall_.course(random_.below(Hall::size))->log);
        }
        loop_.start([&](Executor on) { return read_on(hall_, follower, options(), on); });
    }
    void read_to_the_end(Follower& follower) {
        for (;;) {
            const StreamId after = follower.cursor.position();
            const auto batch = follower.cursor.try_read();
            if (!batch) return;
            hall_.check(follower.log, batch, Bound::exclusive(after));
        }
    }

    [[nodiscard]] runnel::Consumer<std::uint64_t>
    consumer(const ConsumerGroup<std::uint64_t>& group) {
        const std::string name(1, static_cast<char>('a' + random_.below(8)));
        return group.consumer(name, {.max_pending = 1 + random_.below(6)});
    }
    [[nodiscard]] GroupReadOptions group_options() {
        const auto [count, timeout, stop] = options();
        return {.count = count, .timeout = timeout, .stop = stop};
    }
    [[nodiscard]] ReadOptions options() {
        return limited(ReadOptions{.count = 1 + random_.below(4)});
    }

    // These are static, as a lambda's or a member's coroutine refers to what may have gone. The
    // options have names, as g++ 12 destroys a temporary aggregate in a co_await twice.

    static Coroutine read_in_group(Hall& hall, runnel::Consumer<std::uint64_t> me,
                                   GroupReadOptions options, Executor on) {
        const auto batch = co_await me.async_read(options).on(on);
        hall.settle(batch);
        hall.counts.add(batch ? "delivered" : to_string(batch.ending()));
    }
    static Coroutine read_in_short(Hall& hall, runnel::Consumer<std::uint64_t> me,
                                   GroupReadOptions options, Executor on) {
        const auto batch = co_await me.async_read(options).on(on);
        batch.ack();
        hall.counts.add(batch ? "delivered" : to_string(batch.ending()));
    }
    static Coroutine read_on(Hall& hall, std::shared_ptr<Follower> follower, ReadOptions options,
                             Executor on) {
        const Loan loan{*follower};
        const StreamId after = follower->cursor.position();
        const auto batch = co_await follower->cursor.async_read(options).on(on);
        hall.check(follower->log, batch, Bound::exclusive(after));
        hall.counts.add(batch ? "followed" : to_string(batch.ending()));
    }
    static Coroutine read(Hall& hall, Notes log, ReadOptions options, Executor on) {
        const auto batch = co_await log.async_read(From::end, options).on(on);
        if (batch) hall.check(log, batch, batch.front().id);
        hall.counts.add(batch ? "read" : to_string(batch.ending()));
    }

    Hall& hall_;
    std::array<std::shared_ptr<Follower>, 4> followers_;
    std::uint64_t next_;
    std::size_t steps_;
};

}  // namespace

TEST_CASE("each entry is delivered once, and cursors see all, however the waits of coroutines end",
          "[async][stream]") {
    constexpr std::size_t threads = 3;
    const std::size_t steps = scaled(20'000);
    const std::uint64_t seed = seed_for("stream storm");
    Hall hall{threads * steps};
    in_threads(threads, [&](std::size_t number) {
        Pupil{hall, seed, number, number * steps, steps}.run();
    });
    hall.counts.print("stream storm");
    CHECK(hall.wrong() == 0);
    CHECK(hall.counts.kinds() == 8);
}
