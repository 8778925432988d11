// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/stream.hpp>

#include "support/stress_specimen.hpp"
#include "support/stress_stream.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace runnel::test {

/// Holds the deeds of all against what is left in the end, when all is quiet. Counts what does not
/// fit under "WRONG".
class Audit {
public:
    Audit(const Stream<Specimen>& stream, Deeds deeds, Tally& tally)
        : deeds_{std::move(deeds)}, tally_{tally} {
        for (const auto& entry : stream.range())
            survivors_.push_back({entry.id, entry.value.number()});
        std::ranges::sort(deeds_.added);
    }

    void check_stream(const Stream<Specimen>& stream, bool keeps_all) {
        const Sightings& added = deeds_.added;
        const StreamInfo info = stream.info();
        expect("ids are unique", has_unique_ids(added));
        expect("survivors were added", std::ranges::includes(added, survivors_));
        expect("length", info.length == survivors_.size() && stream.size() == info.length);
        expect("first id", survivors_.empty() || info.first_id == survivors_.front().id);
        expect("last id", added.empty() || info.last_id == added.back().id);
        expect("entries added", info.entries_added == added.size());
        expect("nobody waits", info.waiting == 0);
        expect("greatest erased", deeds_.greatest_erased <= info.max_deleted_id &&
                                      info.max_deleted_id <= deeds_.greatest_tried);
        const std::size_t removed = added.size() - survivors_.size();
        const std::size_t known = deeds_.erased + deeds_.trimmed;
        expect("removed", keeps_all ? removed == known : removed >= known);
    }

    void check(const Traveller& traveller) {
        const Sightings& seen = traveller.seen;
        expect("travels ascend", has_unique_ids(seen) && std::ranges::is_sorted(seen));
        expect("travellers see what was added", std::ranges::includes(deeds_.added, seen));
        const auto from = behind(survivors_, traveller.start);
        expect("travellers miss nothing",
               std::includes(seen.begin(), seen.end(), from, survivors_.cend()));
    }

    void check(const GroupLife& life) {
        GroupDeeds& deeds = deeds_.of(life.number);
        const GroupInfo info = life.group.info();
        Ids pending;
        for (const PendingEntry& entry : life.group.pending(PendingOptions{}))
            pending.push_back(entry.id);
        check_figures(life, info, pending.size());
        if (life.is_wild) return;
        check_delivered(life, info.last_delivered, deeds);
        check_ends(deeds, pending);
    }

private:
    void expect(const char* what, bool holds) { tally_.add(what, holds ? "right" : "WRONG"); }

    [[nodiscard]] static bool has_unique_ids(const Sightings& sorted) {
        return std::ranges::adjacent_find(sorted, {}, &Sighting::id) == sorted.end();
    }
    [[nodiscard]] static Sightings::const_iterator behind(const Sightings& sorted, StreamId id) {
        return std::ranges::upper_bound(sorted, id, {}, &Sighting::id);
    }

    void check_figures(const GroupLife& life, const GroupInfo& info, std::size_t pending) {
        std::size_t owned = 0;
        for (const ConsumerInfo& consumer : life.group.consumers()) owned += consumer.pending;
        expect("pending in all", info.pending == pending && info.released + owned == pending);
        const auto rest = survivors_.end() - behind(survivors_, info.last_delivered);
        expect("lag", life.group.lag() == static_cast<std::size_t>(rest));
    }

    // Each entry once, and none that is still there was passed over.
    void check_delivered(const GroupLife& life, StreamId last, const GroupDeeds& deeds) {
        Sightings all = deeds.delivered;
        append(all, deeds.taken);
        std::ranges::sort(all);
        expect("delivered once", has_unique_ids(all));
        expect("delivered what was added", std::ranges::includes(deeds_.added, all));
        expect("delivered behind the start", all.empty() || all.front().id > life.start);
        expect("delivered up to the last", all.empty() || all.back().id <= last);
        expect("passed over none",
               std::includes(all.begin(), all.end(), behind(survivors_, life.start),
                             behind(survivors_, last)));
    }

    // What was delivered was acknowledged once or is lost or pending, or was dropped.
    void check_ends(const GroupDeeds& deeds, const Ids& pending) {
        Ids delivered;
        for (const Sighting& entry : deeds.delivered) delivered.push_back(entry.id);
        std::ranges::sort(delivered);
        Ids ends = pending;
        append(ends, deeds.acknowledged);
        append(ends, deeds.lost);
        std::ranges::sort(ends);
        expect("ended once", std::ranges::adjacent_find(ends) == ends.end());
        expect("ended after delivery", std::ranges::includes(delivered, ends));
        expect("ended in all", ends.size() + deeds.dropped == delivered.size());
        expect("lost what is gone", std::ranges::none_of(deeds.lost, [&](StreamId id) {
                   const auto found = std::ranges::lower_bound(survivors_, id, {}, &Sighting::id);
                   return found != survivors_.end() && found->id == id;
               }));
    }

    Deeds deeds_;
    Sightings survivors_;
    Tally& tally_;
};

}  // namespace runnel::test
