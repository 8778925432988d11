// SPDX-License-Identifier: MIT
// Whether an operation costs more where there is more: each is measured at two sizes, and beside a
// std::map of as many.
#pragma once

#include "harness.hpp"
#include "messages.hpp"
#include "threads.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::bench {

/// Where an operation is measured: with as many of its kind there.
struct Sizes {
    std::size_t small;
    std::size_t large;
};

/// What is measured together.
struct Subject {
    std::vector<std::string> operations;
    /// The cost of each operation with so many there.
    std::function<Series(std::size_t count)> run;
};

/// Adds up the time that the calling thread runs, which leaves out what else the machine does.
class OwnTime {
public:
    template <class Step>
    void add(const Step& step) {
        const std::uint64_t start = own_time();
        step();
        total_ += own_time() - start;
        ++steps_;
    }

    [[nodiscard]] double per_step() const { return per(steps_); }
    [[nodiscard]] double per(std::size_t operations) const {
        return static_cast<double>(total_) / static_cast<double>(operations);
    }
    [[nodiscard]] nanoseconds total() const { return nanoseconds{total_}; }

private:
    std::uint64_t total_ = 0;
    std::size_t steps_ = 0;
};

/// What is measured finds nothing of its own in the caches next to the core. Few things would fit
/// into them and many would not, which is no growth of the operation.
inline void empty_caches() {
    constexpr std::size_t line = 64 / sizeof(std::uint64_t);
    static std::vector<std::uint64_t> others((32 << 20) / sizeof(std::uint64_t));
    for (std::size_t at = 0; at < others.size(); at += line) ++others[at];
    keep(others);
}

enum class Caches { empty, warm };

/// Calls step(0), step(1), ... `count` times; ns for each. With empty caches it measures some of
/// the steps, a few in a row from all parts of the whole, and empties the caches before each few.
template <class Step>
double time_of_each(std::size_t count, const Step& step, Caches caches = Caches::empty) {
    constexpr std::size_t in_a_row = 50;
    constexpr std::size_t rows = 20;
    const std::size_t length = caches == Caches::empty ? std::min(in_a_row, count) : count;
    const std::size_t distance = std::max(length, count / rows);
    OwnTime time;
    std::size_t measured = 0;
    for (std::size_t index = 0; index < count;) {
        if (caches == Caches::empty) empty_caches();
        const std::size_t first = index;
        const std::size_t next = std::min(count, first + distance);
        time.add([&] {
            for (; index < std::min(next, first + length); ++index) step(index);
        });
        measured += index - first;
        for (; index < next; ++index) step(index);
    }
    return time.per(measured);
}

/// The same order of chance in every run.
class Chance {
public:
    template <class Thing>
    void shuffle(std::vector<Thing>& things) {
        std::shuffle(things.begin(), things.end(), engine_);
    }
    std::uint64_t number() { return engine_(); }

private:
    std::mt19937_64 engine_{12};
};

/// Things that make(index) makes come one after the other and go in an order of chance; what a
/// coming and a going costs. between(count) looks at them when all are there.
template <class Make, class Between>
Series come_and_go(std::size_t count, const Make& make, const Between& between) {
    std::vector<decltype(make(std::size_t{}))> things;
    things.reserve(count);
    const double comes =
        time_of_each(count, [&](std::size_t index) { things.push_back(make(index)); });
    between();
    Chance{}.shuffle(things);
    const double goes = time_of_each(count, [&](std::size_t /*one*/) { things.pop_back(); });
    return {comes, goes};
}

/// Many that come and go under names, as come_and_go().
template <class Come, class Go, class Between>
Series come_and_go_by_name(std::vector<std::string> names, const Come& come, const Go& go,
                           const Between& between) {
    const double comes = time_of_each(names.size(), [&](std::size_t index) { come(names[index]); });
    between();
    Chance{}.shuffle(names);
    const double goes = time_of_each(names.size(), [&](std::size_t index) { go(names[index]); });
    return {comes, goes};
}

/// What everything else is compared with: keys of chance come and go.
inline Series map_comes_and_goes(std::size_t count, Caches caches) {
    Chance chance;
    std::vector<std::uint64_t> keys(count);
    std::ranges::generate(keys, [&] { return chance.number(); });
    std::map<std::uint64_t, std::uint64_t> map;
    const double comes = time_of_each(
        count, [&](std::size_t index) { map.emplace(keys[index], index); }, caches);
    check(map.size() == count, "a key came twice");
    chance.shuffle(keys);
    const double goes = time_of_each(
        count, [&](std::size_t index) { map.erase(keys[index]); }, caches);
    check(map.empty(), "a key is left");
    return {comes, goes};
}

/// All subjects of the same two sizes, and what came of them.
class GrowthTable {
public:
    /// `caches` are those of the map; the others know theirs.
    GrowthTable(std::string title, Sizes sizes, Caches caches)
        : title_{std::move(title)}, sizes_{sizes} {
        add({{std::string{map_} + " insert", std::string{map_} + " erase"},
             [caches](std::size_t count) { return map_comes_and_goes(count, caches); }});
    }

    void add(Subject subject) {
        Measured measured{std::move(subject), {}, {}};
        measured.small.resize(measured.subject.operations.size());
        measured.large.resize(measured.subject.operations.size());
        all_.push_back(std::move(measured));
    }

    /// Only operations with `filter` in their name take part, and the map.
    void keep_only(std::string_view filter) {
        std::erase_if(all_, [&](const Measured& one) {
            return std::ranges::none_of(one.subject.operations, [&](const std::string& name) {
                return name.starts_with(map_) || name.find(filter) != std::string::npos;
            });
        });
    }

    /// Goes through all subjects once.
    void measure() {
        for (Measured& one : all_) {
            // The small size takes no time, so it is measured as often as the figures need to be
            // as steady as those of the large one.
            std::vector<Series> rounds(one.subject.operations.size());
            for (unsigned round = 0; round < rounds_of_small; ++round)
                append(rounds, one.subject.run(sizes_.small));
            for (std::size_t at = 0; at < rounds.size(); ++at)
                one.small[at].push_back(median(rounds[at]));
            tidy_heap();
            append(one.large, one.subject.run(sizes_.large));
            tidy_heap();
        }
    }

    void print() const {
        std::size_t width = title_.size();
        for (const Measured& one : all_)
            for (const std::string& name : one.subject.operations)
                width = std::max(width, name.size());
        const int names = static_cast<int>(width);
        std::printf("\n%-*s %10s %10s %8s %8s\n", names, title_.c_str(),
                    ("at " + std::to_string(sizes_.small)).c_str(),
                    ("at " + std::to_string(sizes_.large)).c_str(), "factor", "limit");
        for (const Measured& one : all_)
            for (std::size_t at = 0; at < one.subject.operations.size(); ++at)
                print_row(names, one, at);
    }

private:
    struct Measured {
        Subject subject;
        std::vector<Series> small;  ///< for each operation, one for each repetition
        std::vector<Series> large;

        [[nodiscard]] double factor(std::size_t at) const {
            return median_ratio(large[at], small[at]);
        }
    };

    static constexpr const char* map_ = "std::map";
    static constexpr double least_limit = 3;
    static constexpr unsigned rounds_of_small = 7;

    static void append(std::vector<Series>& to, const Series& figures) {
        check(to.size() == figures.size(), "a subject has not one figure for each operation");
        for (std::size_t at = 0; at < figures.size(); ++at) to[at].push_back(figures[at]);
    }

    /// Three times, or what the map grows by, if that is more: by insert or by erase.
    [[nodiscard]] double limit() const {
        return std::max({least_limit, all_.front().factor(0), all_.front().factor(1)});
    }

    void print_row(int names, const Measured& one, std::size_t at) const {
        const double factor = one.factor(at);
        std::printf("%-*s %10.1f %10.1f %8.2f", names, one.subject.operations[at].c_str(),
                    median(one.small[at]), median(one.large[at]), factor);
        if (&one == &all_.front()) return void(std::puts(""));
        std::printf(" %8.2f  %s\n", limit(), factor <= limit() ? "met" : "NOT met");
    }

    std::string title_;
    Sizes sizes_;
    std::vector<Measured> all_;  ///< the first is the map
};

}  // namespace runnel::bench
