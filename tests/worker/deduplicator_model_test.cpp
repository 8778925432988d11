// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/deduplicator.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/story.hpp"
#include "support/stress_random.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>

using runnel::Deduplicator;
using runnel::DeduplicatorStats;
using runnel::KeyState;
using runnel::ManualClock;
using runnel::test::Random;
using runnel::test::Story;
using namespace std::chrono_literals;

namespace {

using Time = runnel::Clock::Deadline;

constexpr auto age_of_marks = 100s;

// What a Deduplicator does, in the plainest way: marks in the order of their times.
class PlainMarks {
public:
    explicit PlainMarks(std::size_t count) : count_{count} {}

    void pass_to(Time now) {
        now_ = now;
        while (!marks_.empty() && now - marks_.front().at >= age_of_marks) {
            marks_.pop_front();
            ++stats.expired;
        }
        stats.marks = marks_.size();
    }

    [[nodiscard]] bool has(int key) const {
        return std::ranges::count(marks_, key, &Mark::key) == 1;
    }

    bool mark(int key) {
        const bool is_new = !forget(key);
        marks_.push_back({key, now_});
        if (marks_.size() > count_) {
            marks_.pop_front();
            ++stats.dropped;
        }
        stats.marks = marks_.size();
        return is_new;
    }

    bool forget(int key) {
        const auto gone = std::erase_if(marks_, [&](const Mark& mark) { return mark.key == key; });
        stats.marks = marks_.size();
        return gone != 0;
    }

    void clear() {
        marks_.clear();
        stats.marks = 0;
    }

    DeduplicatorStats stats;

private:
    struct Mark {
        int key;
        Time at;
    };

    std::size_t count_;
    Time now_{};
    std::deque<Mark> marks_;
};

class BesideTheModel {
public:
    BesideTheModel(Random& random, std::size_t count, int keys)
        : random_{random},
          count_{count},
          keys_{keys},
          real_{{.count = count, .age = age_of_marks, .clock = &clock_}},
          model_{count},
          story_{true} {
        model_.pass_to(clock_.now());
    }

    void run(std::size_t steps) {
        for (std::size_t step = 0; step != steps; ++step) {
            if (random_.percent(30)) pass();
            key_ = static_cast<int>(random_.below(static_cast<std::size_t>(keys_)));
            text_ = "key " + std::to_string(key_);
            one_step();
            // Not after each step, as stats() drops all that has expired.
            if (random_.percent(10)) expect("the stats", real_.stats() == model_.stats);
        }
        for (key_ = 0; key_ != keys_; ++key_)
            expect("contains", real_.contains("key " + std::to_string(key_)) == seen(key_));
    }

private:
    void pass() {
        const auto step = random_.percent(90) ? random_.between(0, 3) : random_.between(0, 150);
        story_.tell("advance ", step);
        clock_.advance(std::chrono::seconds{step});
        model_.pass_to(clock_.now());
    }

    void one_step() {
        const std::size_t dice = random_.below(100);
        if (dice < 35) return begin();
        if (dice < 55) return end();
        if (dice < 75) {
            story_.tell("mark ", key_);
            (void)seen(key_);
            const bool is_new = model_.mark(key_);
            expect("mark", real_.mark(text_) == is_new);
        } else if (dice < 90) {
            story_.tell("contains ", key_);
            expect("contains", real_.contains(text_) == seen(key_));
        } else if (dice < 99) {
            story_.tell("forget ", key_);
            expect("forget", real_.forget(text_) == model_.forget(key_));
        } else if (random_.percent(10)) {
            story_.tell("clear");
            real_.clear();
            model_.clear();
        }
    }

    void begin() {
        story_.tell("begin ", key_);
        auto turn = real_.begin(text_);
        KeyState expected = KeyState::fresh;
        if (turns_.contains(key_)) expected = KeyState::busy;
        if (model_.has(key_)) expected = KeyState::done;
        model_.stats.busy += expected == KeyState::busy ? 1 : 0;
        model_.stats.duplicates += expected == KeyState::done ? 1 : 0;
        expect("begin", turn.state() == expected);
        if (turn) turns_.emplace(key_, std::move(turn));
        model_.stats.in_work = turns_.size();
    }

    void end() {
        if (turns_.empty()) return;
        auto at = turns_.lower_bound(key_);
        if (at == turns_.end()) at = turns_.begin();
        const bool is_done = random_.percent(70);
        story_.tell(is_done ? "done " : "give up ", at->first);
        if (is_done) {
            at->second.mark();
            (void)model_.mark(at->first);
        }
        turns_.erase(at);
        model_.stats.in_work = turns_.size();
    }

    // Counts it as the real one does.
    bool seen(int key) {
        const bool is_marked = model_.has(key);
        if (is_marked) ++model_.stats.duplicates;
        return is_marked;
    }

    void expect(const char* what, bool holds) {
        if (!holds)
            FAIL("count " << count_ << ", " << keys_ << " keys: not as in the model: " << what
                          << story_);
    }

    Random& random_;
    std::size_t count_;
    int keys_;
    ManualClock clock_;
    Deduplicator<std::string> real_;
    PlainMarks model_;
    Story story_;
    std::map<int, Deduplicator<std::string>::Turn> turns_;
    int key_ = 0;
    std::string text_;
};

}  // namespace

TEST_CASE("a Deduplicator does what its model does", "[deduplicator][model]") {
    Random random{runnel::test::seed_for("deduplicator_model_test")};
    for (std::size_t round = runnel::test::scaled(500); round != 0; --round) {
        const std::size_t count = 1 + random.below(random.percent(50) ? 5 : 60);
        const int keys = static_cast<int>(random.between(1, random.percent(50) ? 10 : 150));
        BesideTheModel{random, count, keys}.run(1'000);
    }
}
