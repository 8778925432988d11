// SPDX-License-Identifier: MIT
#pragma once

// Random sequences for two servers, until they differ; and the shortest one that shows it.

#include "differential/comparison.hpp"
#include "differential/director.hpp"
#include "differential/figures.hpp"
#include "differential/target.hpp"
#include "support/redis_server.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace runnel::test::differential {

/// A difference that nothing explains, and the steps from two empty servers to it.
struct Report {
    std::vector<Step> steps;
    Finding finding;
};

class Trial {
public:
    Trial(Target& redis, Target& other) : redis_{redis}, other_{other} {}

    /// Sends so many commands, unless a difference is found before.
    std::optional<Report> run(Director& director, std::size_t commands) {
        while (figures_.sent() < commands) {
            if (auto report = run_sequence(director)) return report;
        }
        return std::nullopt;
    }

    /// Leaves out what the difference does not need.
    Report shrunk(Report report) {
        for (std::size_t size = report.steps.size(); size != 0; size /= 2) drop_steps(report, size);
        for (std::size_t at = report.steps.size(); at-- != 0;) drop_commands(report, at);
        drop_steps(report, 1);
        return report;
    }

    [[nodiscard]] const Figures& figures() const { return figures_; }

private:
    static constexpr std::size_t commands_in_sequence = 200;

    std::optional<Report> run_sequence(Director& director) {
        Comparison comparison{redis_, other_, figures_};
        Report report;
        std::vector<Step> opening = director.opening();
        std::size_t commands = 0;
        while (commands < commands_in_sequence) {
            const std::size_t number = report.steps.size();
            report.steps.push_back(number < opening.size() ? std::move(opening[number])
                                                           : director.next(comparison));
            const Step& step = report.steps.back();
            commands += 1 + step.commands.size();
            if (!comparison.play(step)) break;
        }
        if (!comparison.finding()) return std::nullopt;
        report.finding = *comparison.finding();
        return report;
    }

    // ------------------------------------------------------------------ leaving out

    // The steps that lead to a difference in such a command, if these do. They must not leave it to
    // chance what is carried out first.
    std::optional<Report> retried(const std::vector<Step>& steps, const std::string& name) {
        Figures not_counted;
        Comparison comparison{redis_, other_, not_counted};
        Report report;
        for (const Step& step : steps) {
            if (step.commands.size() > 1 && comparison.has_backlog()) return std::nullopt;
            report.steps.push_back(step);
            if (comparison.play(step)) continue;
            if (!comparison.finding() || comparison.finding()->difference.name() != name)
                return std::nullopt;
            report.finding = *comparison.finding();
            return report;
        }
        return std::nullopt;
    }

    bool replace(Report& report, const std::vector<Step>& steps) {
        auto shorter = retried(steps, report.finding.difference.name());
        if (shorter) report = std::move(*shorter);
        return shorter.has_value();
    }

    void drop_steps(Report& report, std::size_t size) {
        for (std::size_t end = report.steps.size(); end != 0;) {
            const std::size_t first = end < size ? 0 : end - size;
            std::vector<Step> steps = report.steps;
            const auto at = [&](std::size_t number) {
                return steps.begin() + static_cast<std::ptrdiff_t>(number);
            };
            steps.erase(at(first), at(end));
            (void)replace(report, steps);
            end = std::min(first, report.steps.size());
        }
    }

    void drop_commands(Report& report, std::size_t step) {
        for (std::size_t at = report.steps[step].commands.size(); at-- != 0;) {
            std::vector<Step> steps = report.steps;
            auto& commands = steps[step].commands;
            commands.erase(commands.begin() + static_cast<std::ptrdiff_t>(at));
            (void)replace(report, steps);
            if (step >= report.steps.size()) return;
            at = std::min(at, report.steps[step].commands.size());
        }
    }

    Target& redis_;
    Target& other_;
    Figures figures_;
};

inline std::ostream& operator<<(std::ostream& out, const std::vector<Heard>& all) {
    if (all.empty()) out << "nothing\n";
    for (const Heard& heard : all) out << heard.reply << '\n';
    return out;
}

inline std::ostream& operator<<(std::ostream& out, const Finding& finding) {
    const Difference& difference = finding.difference;
    out << "session " << finding.session << " gets different replies to";
    if (difference.any().is_push())
        out << " nothing: pushes\n";
    else
        print_command(out, difference.any().words);
    return out << "Redis:\n" << difference.redis << "the other:\n" << difference.other;
}

inline std::ostream& operator<<(std::ostream& out, const Report& report) {
    for (const Step& step : report.steps) {
        const auto print = [&](const Words& words) {
            out << step.session << ">";
            print_command(out, words);
        };
        for (const Words& words : step.commands) print(words);
        if (step.has_moment) out << "a moment passes\n";
        for (const Words& words : step.after_a_moment) print(words);
        if (step.kills) out << *step.kills << "> begins anew\n";
        if (step.reopens) out << step.session << "> ends, and begins anew\n";
    }
    return out << report.finding;
}

}  // namespace runnel::test::differential
