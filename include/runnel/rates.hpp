// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/base/saturated.hpp>
#include <runnel/snapshot.hpp>
#include <runnel/stats.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace runnel::inline v0 {

// How much there was a second, of each counter of the same name; see stats.hpp. `blocked` is the
// time waited in a second, in seconds: how many waited, on the average.

struct ListRates {
    std::string name{};
    double pushed = 0;
    double popped = 0;
    double dropped = 0;
    double refused = 0;
    double blocked = 0;

    friend bool operator==(const ListRates&, const ListRates&) = default;
};
struct GroupRates {
    std::string name{};
    double delivered = 0;
    double redelivered = 0;
    double acknowledged = 0;
    double dropped = 0;

    friend bool operator==(const GroupRates&, const GroupRates&) = default;
};
struct StreamRates {
    std::string name{};
    double added = 0;
    double trimmed = 0;
    double erased = 0;
    std::vector<GroupRates> groups{};

    friend bool operator==(const StreamRates&, const StreamRates&) = default;
};
struct ChannelRates {
    std::string name{};
    double published = 0;
    double delivered = 0;
    double missed = 0;
    double disconnected = 0;
    double refused = 0;
    double blocked = 0;

    friend bool operator==(const ChannelRates&, const ChannelRates&) = default;
};

/// What rates() returns.
struct BrokerRates {
    std::chrono::nanoseconds between{0};  ///< the two snapshots, by Clock::now()
    std::vector<ListRates> lists{};
    std::vector<StreamRates> streams{};
    std::vector<ChannelRates> channels{};
    std::vector<ChannelRates> sharded_channels{};

    friend bool operator==(const BrokerRates&, const BrokerRates&) = default;
};

/// How the lag of a group changes.
struct LagTrend {
    double per_second = 0;  ///< entries; negative if it shrinks
    /// When it will be 0 if it goes on like this; 0 if it is 0 already. std::nullopt if it does not
    /// shrink, or if that is more than 292 years ahead.
    std::optional<std::chrono::nanoseconds> zero_in{};

    [[nodiscard]] bool is_growing() const noexcept { return per_second > 0; }

    friend bool operator==(const LagTrend&, const LagTrend&) = default;
};
struct GroupTrend {
    std::string stream{};
    std::string group{};
    LagTrend lag{};

    friend bool operator==(const GroupTrend&, const GroupTrend&) = default;
};

namespace detail {

// Calls visit(one of before or null, one of after) for all of `after`. Both are in the order of
// `name`, each of which is there once.
template <typename All, typename Visit>
void visit_pairs(const All& before, const All& after, Visit visit) {
    auto was = before.begin();
    for (const auto& is : after) {
        while (was != before.end() && was->name < is.name) ++was;
        const bool is_known = was != before.end() && was->name == is.name;
        visit(is_known ? &*was : nullptr, is);
    }
}

// The rates of counters over a length of time.
class PerSecond {
public:
    explicit PerSecond(std::chrono::nanoseconds between) noexcept : between_{between} {}

    [[nodiscard]] double operator()(std::uint64_t was, std::uint64_t is) const noexcept {
        return of(static_cast<double>(is - (is < was ? 0 : was)));
    }
    [[nodiscard]] double operator()(std::chrono::nanoseconds was,
                                    std::chrono::nanoseconds is) const noexcept {
        using Seconds = std::chrono::duration<double>;
        return of(Seconds{is - (is < was ? std::chrono::nanoseconds{0} : was)}.count());
    }

    // 0 if no time has passed.
    [[nodiscard]] double of(double amount) const noexcept {
        if (between_ <= std::chrono::nanoseconds{0}) return 0;
        return amount / std::chrono::duration<double>{between_}.count();
    }

private:
    std::chrono::nanoseconds between_;
};

[[nodiscard]] inline ListRates rates_of(const ListSnapshot* before, const ListSnapshot& after,
                                        PerSecond rate) {
    const ListStats was = before != nullptr ? before->stats : ListStats{};
    const ListStats& is = after.stats;
    return {after.name,
            rate(was.pushed, is.pushed),
            rate(was.popped, is.popped),
            rate(was.dropped, is.dropped),
            rate(was.refused, is.refused),
            rate(was.blocked_for, is.blocked_for)};
}

[[nodiscard]] inline GroupRates rates_of(const GroupStats* before, const GroupStats& is,
                                         PerSecond rate) {
    const GroupStats none;
    const GroupStats& was = before != nullptr ? *before : none;
    return {is.name, rate(was.delivered, is.delivered), rate(was.redelivered, is.redelivered),
            rate(was.acknowledged, is.acknowledged), rate(was.dropped, is.dropped)};
}

[[nodiscard]] inline StreamRates rates_of(const StreamSnapshot* before, const StreamSnapshot& after,
                                          PerSecond rate) {
    const StreamStats none;
    const StreamStats& was = before != nullptr ? before->stats : none;
    const StreamStats& is = after.stats;
    StreamRates rates{after.name, rate(was.added, is.added), rate(was.trimmed, is.trimmed),
                      rate(was.erased, is.erased)};
    visit_pairs(was.groups, is.groups, [&](const GroupStats* one, const GroupStats& other) {
        rates.groups.push_back(rates_of(one, other, rate));
    });
    return rates;
}

[[nodiscard]] inline ChannelRates rates_of(const ChannelSnapshot* before,
                                           const ChannelSnapshot& after, PerSecond rate) {
    const ChannelStats was = before != nullptr ? before->stats : ChannelStats{};
    const ChannelStats& is = after.stats;
    return {after.name,
            rate(was.published, is.published),
            rate(was.delivered, is.delivered),
            rate(was.missed, is.missed),
            rate(was.disconnected, is.disconnected),
            rate(was.refused, is.refused),
            rate(was.blocked_for, is.blocked_for)};
}

template <typename Rates, typename Snapshots>
[[nodiscard]] std::vector<Rates> all_rates(const Snapshots& before, const Snapshots& after,
                                           PerSecond rate) {
    std::vector<Rates> rates;
    rates.reserve(after.size());
    visit_pairs(before, after,
                [&](const auto* was, const auto& is) { rates.push_back(rates_of(was, is, rate)); });
    return rates;
}

}  // namespace detail

/// How much there was a second between two snapshots of a broker. Names that are only in `after`
/// count from 0, and those that are only in `before` are left out. So does a counter that went
/// back: the object was removed and made again. If no time has passed, all rates are 0.
///
/// Throws: std::bad_alloc.
/// Requires: both are as Broker::snapshot() made them, in the order of names.
[[nodiscard]] inline BrokerRates rates(const BrokerSnapshot& before, const BrokerSnapshot& after) {
    const std::chrono::nanoseconds between = after.at - before.at;
    const detail::PerSecond rate{between};
    return {between, detail::all_rates<ListRates>(before.lists, after.lists, rate),
            detail::all_rates<StreamRates>(before.streams, after.streams, rate),
            detail::all_rates<ChannelRates>(before.channels, after.channels, rate),
            detail::all_rates<ChannelRates>(before.sharded_channels, after.sharded_channels, rate)};
}

/// How the lag of a group changes that was `before` and, after so long, is `after`. If no time has
/// passed, it does not change.
[[nodiscard]] inline LagTrend trend(const Backlog& before, const Backlog& after,
                                    std::chrono::nanoseconds between) noexcept {
    const auto lag = static_cast<double>(after.lag);
    LagTrend trend;
    trend.per_second = detail::PerSecond{between}.of(lag - static_cast<double>(before.lag));
    if (after.lag == 0) {
        trend.zero_in = std::chrono::nanoseconds{0};
    } else if (trend.per_second < 0) {
        const std::chrono::duration<double> time{lag / -trend.per_second};
        const auto rounded =
            detail::saturated<std::chrono::nanoseconds>(time, detail::Rounding::up);
        if (rounded != std::chrono::nanoseconds::max()) trend.zero_in = rounded;
    }
    return trend;
}

/// The same of each group that is in both snapshots. If a group was removed and made again, this
/// compares the lag of the two.
///
/// Throws: std::bad_alloc.
/// Requires: as rates().
[[nodiscard]] inline std::vector<GroupTrend> trend(const BrokerSnapshot& before,
                                                   const BrokerSnapshot& after) {
    std::vector<GroupTrend> trends;
    const std::chrono::nanoseconds between = after.at - before.at;
    const auto add_all = [&](const StreamSnapshot* was, const StreamSnapshot& is) {
        if (was == nullptr) return;
        detail::visit_pairs(was->stats.groups, is.stats.groups,
                            [&](const GroupStats* one, const GroupStats& other) {
                                if (one == nullptr) return;
                                trends.push_back({is.name, other.name,
                                                  trend(one->backlog, other.backlog, between)});
                            });
    };
    detail::visit_pairs(before.streams, after.streams, add_all);
    return trends;
}

}  // namespace runnel::inline v0
