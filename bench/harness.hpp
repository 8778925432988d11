// SPDX-License-Identifier: MIT
// Groups of cases that answer one question, measured in turn by Google Benchmark, and their table.
//
// Absolute figures drift on a shared machine, ratios taken close together hardly do. So every
// repetition goes through all cases in turn, ratios are taken within a repetition, and what is
// reported is the median of the ratios.
#pragma once

#include "threads.hpp"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace runnel::bench {

/// One run of one case: what was timed, and the figures, in the order of the group's metrics.
struct Sample {
    nanoseconds elapsed;
    std::vector<double> figures;
};

/// Figures of one case, one per repetition.
using Series = std::vector<double>;

struct Case {
    std::string name;
    std::function<Sample()> run;
    std::vector<Series> figures;  ///< one for each metric
};

enum class Better { less, more };

/// Runnel's figure is to be at least (more is better) or at most (less is better) `factor` times
/// that of the best peer whose name begins with `rival`; without a rival, `factor` itself.
struct Target {
    std::string label;
    double factor;
    std::optional<std::string> rival{};
    std::string group{};  ///< where the rival is, if elsewhere; there it may be runnel itself
};

struct Metric {
    std::string unit;
    Better better;
    std::vector<Target> targets;
};

struct Group {
    std::string name;
    std::vector<Metric> metrics;
    std::vector<Case> cases;
};

/// Types of peers, behind one face.
template <class... Peer>
struct Peers {};

template <class... First, class... Second>
Peers<First..., Second...> operator+(Peers<First...> /*these*/, Peers<Second...> /*those*/) {
    return {};
}

/// One case for each peer: `workload` is called with a std::type_identity of it.
template <class Workload, class... Peer>
std::vector<Case> cases(Peers<Peer...> /*which*/, Workload workload) {
    return {Case{Peer::name, [=] { return workload(std::type_identity<Peer>{}); }, {}}...};
}

inline double median(Series values) {
    if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
    std::ranges::sort(values);
    const std::size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

inline double percentile(std::vector<std::uint64_t> values, std::size_t percent) {
    std::ranges::sort(values);
    return static_cast<double>(values[values.size() * percent / 100]);
}

/// The median of the ratios that were taken within a repetition.
inline double median_ratio(const Series& ours, const Series& theirs) {
    Series ratios(ours.size());
    std::ranges::transform(ours, theirs, ratios.begin(), std::divides{});
    return median(std::move(ratios));
}

/// All groups: measures them, and prints what came of it.
class Suite {
public:
    /// Only cases with `filter` in "group/case" take part.
    explicit Suite(std::string filter) : filter_{std::move(filter)} {}

    void add(Group group) {
        std::erase_if(group.cases, [&](const Case& one) {
            return (group.name + '/' + one.name).find(filter_) == std::string::npos;
        });
        for (Case& one : group.cases) one.figures.resize(group.metrics.size());
        if (!group.cases.empty()) groups_.push_back(std::move(group));
    }

    [[nodiscard]] bool empty() const { return groups_.empty(); }

    void run(std::size_t repetitions);
    void print() const;

private:
    class Collector;
    struct Score {
        unsigned met = 0, asked = 0;
    };

    void register_cases();
    void measure(benchmark::State& state, const Group& group, const Case& one);
    void print_metric(const Group& group, std::size_t metric, Score& score) const;
    void print_target(const Group& group, std::size_t metric, const Target& target,
                      Score& score) const;
    static void print_limit(const Target& target, const char* at, const Case* rival);
    [[nodiscard]] const Case* rival_of(const Group& group, std::size_t metric,
                                       const Target& target) const;
    static std::string title(const Group& group, const Metric& metric) {
        return group.name + " [" + metric.unit + ']';
    }
    [[nodiscard]] int width_of_names() const;
    static const Case* runnel_in(const Group& group);
    static const Case* best(const Group& group, std::size_t metric, std::string_view prefix);

    std::string filter_;
    std::vector<Group> groups_;
    Series latencies_;  // of a cache line, before each run of a case
};

/// Takes in what Google Benchmark reports; prints nothing.
class Suite::Collector : public benchmark::BenchmarkReporter {
public:
    explicit Collector(std::vector<Group>& groups) : groups_{groups} {}

    bool ReportContext(const Context& /*context*/) override { return true; }

    void ReportRuns(const std::vector<Run>& runs) override {
        for (const Run& run : runs) {
            for (Group& group : groups_) {
                for (Case& one : group.cases) {
                    if (run.run_name.function_name == group.name + '/' + one.name) {
                        take(run, group, one);
                    }
                }
            }
        }
    }

private:
    static void take(const Run& run, const Group& group, Case& one) {
        for (std::size_t metric = 0; metric < group.metrics.size(); ++metric) {
            one.figures[metric].push_back(run.counters.at(group.metrics[metric].unit).value);
        }
    }

    std::vector<Group>& groups_;
};

inline void Suite::measure(benchmark::State& state, const Group& group, const Case& one) {
    latencies_.push_back(cache_line_latency());
    tidy_heap();
    for ([[maybe_unused]] auto iteration : state) {
        const Sample sample = one.run();
        state.SetIterationTime(std::chrono::duration<double>{sample.elapsed}.count());
        for (std::size_t metric = 0; metric < group.metrics.size(); ++metric) {
            state.counters[group.metrics[metric].unit] = sample.figures[metric];
        }
    }
}

inline void Suite::register_cases() {
    benchmark::ClearRegisteredBenchmarks();
    for (const Group& group : groups_) {
        for (const Case& one : group.cases) {
            const std::string name = group.name + '/' + one.name;
            benchmark::RegisterBenchmark(
                name.c_str(), [this, &group, &one](auto& state) { measure(state, group, one); })
                ->UseManualTime()
                ->Iterations(1)
                ->Repetitions(1);
        }
    }
}

inline void Suite::run(std::size_t repetitions) {
    register_cases();
    Collector collector{groups_};
    for (std::size_t done = 1; done <= repetitions; ++done) {
        benchmark::RunSpecifiedBenchmarks(&collector, ".");
        std::fprintf(stderr, "repetition %zu of %zu done\n", done, repetitions);
    }
}

/// The best of the peers whose name begins with `prefix`; runnel is not its own peer.
inline const Case* Suite::best(const Group& group, std::size_t metric, std::string_view prefix) {
    const Case* found = nullptr;
    for (const Case& one : group.cases) {
        if (!one.name.starts_with(prefix) || one.name.starts_with("runnel")) continue;
        if (found != nullptr) {
            const double now = median(one.figures[metric]);
            const double then = median(found->figures[metric]);
            if (group.metrics[metric].better == Better::less ? now >= then : now <= then) continue;
        }
        found = &one;
    }
    return found;
}

inline const Case* Suite::runnel_in(const Group& group) {
    for (const Case& one : group.cases) {
        if (one.name.starts_with("runnel")) return &one;
    }
    return nullptr;
}

inline const Case* Suite::rival_of(const Group& group, std::size_t metric,
                                   const Target& target) const {
    if (target.group.empty()) return best(group, metric, *target.rival);
    const auto other = std::ranges::find(groups_, target.group, &Group::name);
    if (other == groups_.end()) return nullptr;
    return target.rival == "runnel" ? runnel_in(*other) : best(*other, metric, *target.rival);
}

inline void Suite::print_limit(const Target& target, const char* at, const Case* rival) {
    std::printf("%s: at %s %.2f", target.label.c_str(), at, target.factor);
    if (!target.rival) return;
    std::printf(" x %s", rival != nullptr ? rival->name.c_str() : target.rival->c_str());
    if (!target.group.empty()) std::printf(" of %s", target.group.c_str());
}

inline void Suite::print_target(const Group& group, std::size_t metric, const Target& target,
                                Score& score) const {
    const bool less = group.metrics[metric].better == Better::less;
    const Case* ours = runnel_in(group);
    const Case* rival = target.rival ? rival_of(group, metric, target) : nullptr;
    print_limit(target, less ? "most" : "least", rival);
    if (ours == nullptr || (target.rival && rival == nullptr)) {
        std::printf(": not measured");
        return;
    }
    const Series& figures = ours->figures[metric];
    const double reached =
        rival != nullptr ? median_ratio(figures, rival->figures[metric]) : median(figures);
    const bool met = less ? reached <= target.factor : reached >= target.factor;
    std::printf(": %.3f, %s", reached, met ? "met" : "NOT met");
    ++score.asked;
    if (met) ++score.met;
}

inline int Suite::width_of_names() const {
    std::size_t width = 0;
    for (const Group& group : groups_) {
        for (const Metric& metric : group.metrics)
            width = std::max(width, title(group, metric).size());
        for (const Case& one : group.cases) width = std::max(width, one.name.size());
    }
    return static_cast<int>(width);
}

inline void Suite::print_metric(const Group& group, std::size_t metric, Score& score) const {
    const int names = width_of_names();
    std::printf("\n%-*s %10s %10s %10s %8s %12s\n", names,
                title(group, group.metrics[metric]).c_str(), "median", "min", "max", "x hand",
                "x moodycamel");
    for (const Case& one : group.cases) {
        const Series& figures = one.figures[metric];
        const auto [min, max] = std::ranges::minmax(figures);
        std::printf("%-*s %10.2f %10.2f %10.2f", names, one.name.c_str(), median(figures), min,
                    max);
        for (const auto& [rival, width] : {std::pair{"hand", 9}, std::pair{"moodycamel", 13}}) {
            const Case* other = best(group, metric, rival);
            if (other == nullptr) {
                std::printf("%*s", width, "-");
            } else {
                std::printf("%*.3f", width, median_ratio(figures, other->figures[metric]));
            }
        }
        std::puts("");
    }
    const char* separator = "  ";
    for (const Target& target : group.metrics[metric].targets) {
        std::printf("%s", std::exchange(separator, "; "));
        print_target(group, metric, target, score);
    }
    if (!group.metrics[metric].targets.empty()) std::puts("");
}

inline void Suite::print() const {
    Series latencies = latencies_;
    std::ranges::sort(latencies);
    const auto rank = [&](std::size_t percent) {
        return latencies[(latencies.size() - 1) * percent / 100];
    };
    std::printf("a cache line from core to core, one way, before each run, ns: "
                "p10 %.0f, median %.0f, p90 %.0f\n",
                rank(10), rank(50), rank(90));
    std::puts(
        "x = median of the ratios within a repetition, to hand and to the best moodycamel row;"
        "\nM/s = million messages a second, more is better; ns, bytes: less is better");
    Score score;
    for (const Group& group : groups_) {
        for (std::size_t metric = 0; metric < group.metrics.size(); ++metric) {
            print_metric(group, metric, score);
        }
    }
    std::printf("\ntargets met: %u of %u\n", score.met, score.asked);
}

}  // namespace runnel::bench
