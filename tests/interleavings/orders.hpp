// SPDX-License-Identifier: MIT
#pragma once

// Runs a few threads in every order of their steps, up to a number of preemptions, and in orders by
// lot beyond that: see README.md.

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace runnel::test {

/// How many orders of a scenario are run.
struct Extent {
    /// All orders with up to so many preemptions are run, however many there are.
    std::size_t least_preemptions = 2;
    /// More preemptions are allowed as long as no more than about so many orders are run for each
    /// number of them; times the scale.
    std::size_t orders = 100'000;
    /// How many are drawn by lot; times the scale.
    std::size_t drawn = 10'000;
};

/// One order, as its scenario sees it.
class Order {
public:
    /// Runs these functions, each in a thread of its own, and returns when all have returned. To be
    /// called once.
    template <typename... Functions>
    void run(Functions... functions) {
        (add(std::move(functions)), ...);
        run_all();
    }

    /// Ends this order, and fails, unless `truth`. Not inside run().
    void expect(bool truth, const std::string& what);

    /// Counts how often the scenario ends in this way.
    void ends(const std::string& outcome);

private:
    friend class Explorer;
    Order() = default;

    void add(std::function<void()> body);
    void run_all();
};

/// What has come of it.
struct Explored {
    std::size_t orders = 0;  // different ones: all with at most so many preemptions
    std::size_t preemptions = 0;
    bool are_all = false;   // there are no others
    std::size_t drawn = 0;  // by lot
    std::map<std::string, std::size_t> outcomes;
    std::string failure;  // empty: there was none; else all that is known of it, step by step

    [[nodiscard]] bool has_failed() const noexcept { return !failure.empty(); }
    [[nodiscard]] bool fails_with(std::string_view words) const noexcept {
        return failure.find(words) != std::string::npos;
    }
    [[nodiscard]] bool ends(const std::string& outcome) const { return outcomes.contains(outcome); }
};

/// Calls `scenario` for each order, and prints how many there were. It prepares its objects, calls
/// order.run(), and checks what came of it. It must do the same each time. Ends at the first order
/// that fails: one in which a thread waits for ever, or throws, or `expect` fails.
Explored explore(std::string_view name, const std::function<void(Order&)>& scenario,
                 const Extent& extent = {});

}  // namespace runnel::test
