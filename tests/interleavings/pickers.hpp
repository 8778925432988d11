// SPDX-License-Identifier: MIT
#pragma once

// Which thread goes on where several could: this makes an order.

#include "interleavings/scheduler.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <ostream>
#include <random>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace runnel::test {

// A step at which several threads could go on. They stand in a row, and the first goes on unless
// the order says otherwise: the one that has run, if it can, or that with the lowest number.
struct Choice {
    std::size_t taken = 0;
    std::size_t options = 0;
    bool preempts = false;  // any but the first: that one has run, and could go on
    std::size_t preemptions_before = 0;
    ThreadNumber thread = 0;

    [[nodiscard]] std::size_t preemptions() const noexcept {
        return preemptions_before + (preempts && taken != 0 ? 1 : 0);
    }
};

class Picker {
public:
    Picker() = default;
    Picker(const Picker&) = delete;
    Picker& operator=(const Picker&) = delete;
    virtual ~Picker() = default;

    virtual void begin() noexcept { next_ = 0; }

    // One of `row`; nothing: the order cannot be run again as it was.
    [[nodiscard]] std::optional<ThreadNumber> pick(std::span<const ThreadNumber> row,
                                                   bool preempts) {
        if (row.size() == 1) return row.front();
        Choice choice{.options = row.size(), .preempts = preempts};
        if (next_ != 0) choice.preemptions_before = choices_[next_ - 1].preemptions();
        const std::optional<std::size_t> taken = pick(next_, row, choice);
        if (!taken) return std::nullopt;
        choice.taken = *taken;
        choice.thread = row[*taken];
        if (next_ == choices_.size()) {
            choices_.push_back(choice);
        } else {
            choices_[next_] = choice;
        }
        ++next_;
        return choice.thread;
    }

    // The choices in which not the first of the row was taken: "3:2,17:1" if choice 3 was thread 2,
    // and choice 17 thread 1.
    void print(std::ostream& out) const {
        const char* separator = "";
        for (std::size_t at = 0; at != next_; ++at) {
            if (choices_[at].taken == 0) continue;
            out << separator << at << ':' << choices_[at].thread;
            separator = ",";
        }
    }

protected:
    [[nodiscard]] virtual std::optional<std::size_t>
    pick(std::size_t number, std::span<const ThreadNumber> row, const Choice& choice) = 0;

    std::vector<Choice> choices_;  // those of this order, and of the one before
    std::size_t next_ = 0;
};

// All orders with up to so many preemptions, the deepest choice first.
class EachOrder final : public Picker {
public:
    explicit EachOrder(std::size_t preemptions) noexcept : most_{preemptions} {}

    // To the next order; false: there is none.
    [[nodiscard]] bool advance() {
        for (choices_.resize(next_); !choices_.empty(); choices_.pop_back()) {
            Choice& last = choices_.back();
            const std::size_t cost = last.preempts ? 1 : 0;
            if (last.taken + 1 == last.options || last.preemptions_before + cost > most_) continue;
            ++last.taken;
            return true;
        }
        return false;
    }

private:
    std::optional<std::size_t> pick(std::size_t number, std::span<const ThreadNumber> /*row*/,
                                    const Choice& choice) override {
        if (number == choices_.size()) return 0;
        const Choice& before = choices_[number];
        if (before.options != choice.options || before.preempts != choice.preempts)
            return std::nullopt;
        return before.taken;
    }

    const std::size_t most_;
};

class DrawnOrder final : public Picker {
public:
    explicit DrawnOrder(std::uint64_t seed) : random_{seed} {}

    void begin() noexcept override {
        Picker::begin();
        one_in_ = std::size_t{2} << random_() % 5;
    }

private:
    std::optional<std::size_t> pick(std::size_t /*number*/, std::span<const ThreadNumber> row,
                                    const Choice& choice) override {
        if (!choice.preempts) return random_() % row.size();
        return random_() % one_in_ != 0 ? 0 : 1 + random_() % (row.size() - 1);
    }

    std::mt19937_64 random_;
    std::size_t one_in_ = 2;
};

class GivenOrder final : public Picker {
public:
    // Throws: std::invalid_argument.
    explicit GivenOrder(const std::string& text) {
        std::istringstream in{text};
        for (std::string part; std::getline(in, part, ',');) {
            std::istringstream words{part};
            std::size_t number = 0;
            char colon = 0;
            ThreadNumber thread = 0;
            if (!(words >> number >> colon >> thread) || colon != ':')
                throw std::invalid_argument{"not an order: " + text};
            threads_[number] = thread;
        }
    }

private:
    std::optional<std::size_t> pick(std::size_t number, std::span<const ThreadNumber> row,
                                    const Choice& /*choice*/) override {
        const auto given = threads_.find(number);
        if (given == threads_.end()) return 0;
        const auto found = std::ranges::find(row, given->second);
        if (found == row.end()) return std::nullopt;
        return static_cast<std::size_t>(found - row.begin());
    }

    std::map<std::size_t, ThreadNumber> threads_;
};

}  // namespace runnel::test
