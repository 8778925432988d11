// SPDX-License-Identifier: MIT
#pragma once

// What threads that use a stream share, what they pass to each other, and what they write down.

#include <runnel/stream.hpp>

#include "support/stress_random.hpp"
#include "support/stress_shop.hpp"
#include "support/stress_specimen.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace runnel::test {

/// An entry as somebody has seen it, or made it.
struct Sighting {
    StreamId id;
    std::uint64_t number;

    friend auto operator<=>(const Sighting&, const Sighting&) = default;
};
using Sightings = std::vector<Sighting>;
using Ids = std::vector<StreamId>;

template <typename T>
void append(std::vector<T>& all, const std::vector<T>& some) {
    all.insert(all.end(), some.begin(), some.end());
}

template <typename T>
bool contains(const std::vector<T>& sorted, const T& wanted) {
    return std::binary_search(sorted.begin(), sorted.end(), wanted);
}

/// A consumer group from its making to its removal.
struct GroupLife {
    std::size_t number;
    ConsumerGroup<Specimen> group;
    StreamId start;
    std::size_t max_pending;  // of each of its consumers
    bool is_wild;  // entries may become pending that were not read: only figures are compared
};

/// Two groups of a stream, which are removed and made anew while others use them.
class GroupBoard {
public:
    static constexpr std::array names{"left", "right"};
    static constexpr auto unlimited = std::numeric_limits<std::size_t>::max();

    GroupBoard(const Stream<Specimen>& stream, Random& random) : stream_{stream} {
        for (std::size_t which = 0; which != names.size(); ++which) renew(which, random);
    }

    [[nodiscard]] std::shared_ptr<const GroupLife> any(Random& random) const {
        const std::lock_guard lock{mutex_};
        return now_[random.below(now_.size())];
    }

    void renew(std::size_t which, Random& random) {
        stream_.remove_group(names[which]);
        const bool from_start = random.percent(60);
        const auto group =
            stream_.group(names[which], {.from = from_start ? From::start : From::end});
        const auto start = group.info().last_delivered;
        const std::size_t most = random.percent(30) ? 3 + random.below(60) : unlimited;
        const bool is_wild = random.percent(15);
        const std::lock_guard lock{mutex_};
        now_[which] =
            std::make_shared<GroupLife>(GroupLife{all_.size(), group, start, most, is_wild});
        all_.push_back(now_[which]);
    }

    /// Every one that there was.
    [[nodiscard]] const std::vector<std::shared_ptr<const GroupLife>>& all() const { return all_; }

private:
    const Stream<Specimen> stream_;
    mutable std::mutex mutex_;
    std::array<std::shared_ptr<const GroupLife>, names.size()> now_;
    std::vector<std::shared_ptr<const GroupLife>> all_;
};

/// What somebody who has left began: the life of a group it belongs to, and a batch of it.
struct Parcel {
    std::size_t life;
    bool is_wild;
    Deliveries<Specimen> deliveries;
};

/// Where threads leave what they have read for others.
class Shelf {
public:
    using Item = std::variant<std::monostate, Entries<Specimen>, KeptEntry<Specimen>,
                              std::shared_ptr<const Parcel>>;

    /// Returns what has to go for it, or nothing.
    [[nodiscard]] Item put(Item item, Random& random) {
        const std::lock_guard lock{mutex_};
        if (items_.size() == room) return std::exchange(random.one_of(items_), std::move(item));
        items_.push_back(std::move(item));
        return {};
    }

    [[nodiscard]] Item take(Random& random) {
        const std::lock_guard lock{mutex_};
        if (items_.empty()) return {};
        Item item = std::exchange(random.one_of(items_), std::move(items_.back()));
        items_.pop_back();
        return item;
    }

private:
    static constexpr std::size_t room = 60;

    std::mutex mutex_;
    std::vector<Item> items_;
};

/// A reader that wants everything from some place on: a cursor or, without one, reads behind the
/// id of the last entry.
struct Traveller {
    std::optional<Cursor<Specimen>> cursor{};
    StreamId position{};
    const StreamId start = position;
    Sightings seen{};
    bool has_arrived = false;
};

/// Travellers on their way, one thread at a time with each of them.
class TravellerPool {
public:
    void add(std::unique_ptr<Traveller> traveller) {
        const std::lock_guard lock{mutex_};
        ++on_their_way_;
        waiting_.push_back(std::move(traveller));
    }

    /// Puts back one that was taken.
    void put(std::unique_ptr<Traveller> traveller) {
        const std::lock_guard lock{mutex_};
        if (traveller->has_arrived) --on_their_way_;
        (traveller->has_arrived ? arrived_ : waiting_).push_back(std::move(traveller));
    }

    /// Null: there is none just now.
    [[nodiscard]] std::unique_ptr<Traveller> take(Random& random) {
        const std::lock_guard lock{mutex_};
        if (waiting_.empty()) return nullptr;
        std::swap(random.one_of(waiting_), waiting_.back());
        auto traveller = std::move(waiting_.back());
        waiting_.pop_back();
        return traveller;
    }

    [[nodiscard]] std::size_t on_their_way() const {
        const std::lock_guard lock{mutex_};
        return on_their_way_;
    }

    /// Requires: all is quiet.
    [[nodiscard]] const std::vector<std::unique_ptr<Traveller>>& arrived() const {
        return arrived_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<Traveller>> waiting_;
    std::vector<std::unique_ptr<Traveller>> arrived_;
    std::size_t on_their_way_ = 0;
};

/// What a thread has done with one life of a group.
struct GroupDeeds {
    Sightings delivered{};  ///< new, and pending from then on
    Sightings taken{};      ///< new, and acknowledged by that
    Ids acknowledged{};
    Ids lost{};
    std::size_t dropped = 0;  ///< with a consumer that was removed

    void add(const GroupDeeds& other) {
        append(delivered, other.delivered);
        append(taken, other.taken);
        append(acknowledged, other.acknowledged);
        append(lost, other.lost);
        dropped += other.dropped;
    }
};

/// What a thread has done with a stream and its groups.
struct Deeds {
    Sightings added{};
    std::size_t erased = 0;
    std::size_t trimmed = 0;
    StreamId greatest_erased{};  ///< for certain
    StreamId greatest_tried{};
    std::vector<GroupDeeds> groups{};

    [[nodiscard]] GroupDeeds& of(std::size_t life) {
        if (groups.size() <= life) groups.resize(life + 1);
        return groups[life];
    }

    void add(const Deeds& other) {
        append(added, other.added);
        erased += other.erased;
        trimmed += other.trimmed;
        greatest_erased = std::max(greatest_erased, other.greatest_erased);
        greatest_tried = std::max(greatest_tried, other.greatest_tried);
        for (std::size_t life = 0; life != other.groups.size(); ++life)
            of(life).add(other.groups[life]);
    }
};

/// What came of a call, of those that have to come often enough.
enum class Result : std::uint8_t { entries, timed_out, stopped, closed, gone, stale, lost };
inline constexpr std::array result_names{"entries", "timed out", "stopped", "closed",
                                         "gone",    "stale",     "lost"};

inline Result result_of(Ending ending) {
    switch (ending) {
    case Ending::stopped:
        return Result::stopped;
    case Ending::closed:
        return Result::closed;
    case Ending::gone:
        return Result::gone;
    default:
        return Result::timed_out;
    }
}

/// How often each result came. Counted by all workers of all rounds.
struct Progress {
    std::array<std::atomic<std::size_t>, result_names.size()> results{};

    [[nodiscard]] bool reached(std::size_t each) const {
        return std::all_of(results.begin(), results.end(),
                           [&](const auto& count) { return count.load() >= each; });
    }
};

/// A stream from its making to its end, and what its workers share.
struct Round {
    Round(const StreamOptions& options, bool removes, Shelf& on, std::size_t workers,
          Progress& counts, Random& random)
        : stream{options},
          has_remover{removes},
          groups{stream, random},
          shelf{on},
          stops{workers},
          progress{counts} {}

    Stream<Specimen> stream;
    const bool has_remover;
    GroupBoard groups;
    TravellerPool travellers;
    Shelf& shelf;
    StopBoard stops;
    Progress& progress;
    std::atomic<std::size_t> added = 0;
    std::atomic<bool> over = false;
};

}  // namespace runnel::test
