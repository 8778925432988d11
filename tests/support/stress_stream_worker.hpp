// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/stream.hpp>

#include "support/stress_random.hpp"
#include "support/stress_shop.hpp"
#include "support/stress_specimen.hpp"
#include "support/stress_stream.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>
#include <variant>
#include <vector>

namespace runnel::test {

using namespace std::chrono_literals;

/// What a worker mostly does.
enum class Role : std::uint8_t { writer, traveller, browser, consumer, medic, remover };

/// A thread that uses a stream.
class Worker {
public:
    Worker(Round& round, Role role, std::size_t number, Random random)
        : round_{round}, role_{role}, number_{number}, random_{random} {}

    void run() {
        while (!is_done_ && !(round_.over.load() && !waits_for_the_end())) one_step();
    }

    /// What the main thread reads in the end.
    Deeds deeds;
    Tally tally;

private:
    // They go on until the stream tells them that nothing more comes.
    [[nodiscard]] bool waits_for_the_end() const {
        return role_ == Role::writer || role_ == Role::traveller || role_ == Role::consumer;
    }

    void one_step() {
        if (random_.percent(10)) look_at_shelf();
        switch (role_) {
        case Role::writer:
            return write();
        case Role::traveller:
            return travel();
        case Role::browser:
            return browse();
        case Role::consumer:
            return random_.percent(90) ? consume() : heal();
        case Role::medic:
            return heal();
        case Role::remover:
            return remove();
        }
    }

    Timeout any_timeout() {
        const std::size_t dice = random_.below(10);
        if (dice < 2) return 0s;
        if (dice < 7) return random_.below(150) * 1us;
        return {};
    }
    std::stop_token any_stop() {
        return random_.percent(70) ? round_.stops.token(number_) : std::stop_token{};
    }
    std::chrono::milliseconds any_idle() {
        return (random_.percent(60) ? 0 : random_.below(4)) * 1ms;
    }
    std::size_t any_count() {
        return random_.percent(30) ? GroupBoard::unlimited : 1 + random_.below(40);
    }
    StreamId any_id() { return known_.empty() ? StreamId{} : random_.one_of(known_); }

    void expect(const char* what, bool holds) {
        if (!holds) tally.add(what, "WRONG");
    }
    void count(const char* what, Result result) {
        const auto column = static_cast<std::size_t>(result);
        tally.add(what, result_names[column]);
        round_.progress.results[column].fetch_add(1, std::memory_order_relaxed);
    }

    void remember(StreamId id) {
        constexpr std::size_t most = 50;
        if (known_.size() < most) return known_.push_back(id);
        random_.one_of(known_) = id;
    }

    void pause_now_and_then(std::size_t chance = 5) {
        if (random_.percent(chance)) pass(random_.below(100) * 1us);
    }

    // ---- adding

    void write() {
        Specimen mine{++next_ + (number_ << 40U)};
        const std::uint64_t number = mine.number();
        try {
            const StreamId id = add(mine);
            deeds.added.push_back({id, number});
            expect("add: the message goes", mine.is_moved_from());
            if (random_.percent(10)) remember(id);
            round_.added.fetch_add(1, std::memory_order_relaxed);
        } catch (const Error& error) {
            expect("add: the message stays", mine.number() == number);
            is_done_ = error.code() == ErrorCode::closed;
            expect("add: the reason", is_done_ || error.code() == ErrorCode::id_too_small);
            if (is_done_) return count("add", Result::closed);
            tally.add("add", "too small");
        }
        pause_now_and_then();
    }

    StreamId add(Specimen& mine) {
        const Stream<Specimen>& stream = round_.stream;
        const std::size_t dice = random_.below(1'000);
        if (dice < 700) return stream.add(std::move(mine));
        const StreamId last = stream.last_id();
        if (dice < 850) return stream.add(last.time() + random_.below(3) * 1ms, std::move(mine));
        // Now and then so far away that a block has to end.
        const std::uint64_t far = std::uint64_t{1} << (31U + random_.below(3));
        if (dice < 995) return stream.add({last.ms, last.seq + random_.below(3)}, std::move(mine));
        if (dice < 998) return stream.add({last.ms, last.seq + far}, std::move(mine));
        return stream.add({last.ms + far, 7}, std::move(mine));
    }

    // ---- reading

    // Goes through a batch.
    template <typename Batch>
    void look_at(const Batch& batch, const char* what) {
        StreamId previous{};
        std::size_t size = 0;
        for (const auto& entry : batch) {
            expect(what, entry.id > previous);
            expect(what, entry.value.number() != 0);
            previous = entry.id;
            ++size;
        }
        expect(what, size == batch.size());
        if (size != 0 && random_.percent(20)) remember(previous);
    }

    void travel() {
        auto traveller = round_.travellers.take(random_);
        if (!traveller) {
            is_done_ = round_.over.load() && round_.travellers.on_their_way() == 0;
            return pass(10us);
        }
        for (auto reads = 1 + random_.below(10); reads != 0 && !traveller->has_arrived; --reads)
            read_on(*traveller);
        round_.travellers.put(std::move(traveller));
    }

    void read_on(Traveller& traveller) {
        const ReadOptions options{any_count(), any_timeout(), any_stop()};
        const char* const what = traveller.cursor ? "cursor" : "read";
        auto batch = traveller.cursor ? traveller.cursor->read(options)
                                      : round_.stream.read(traveller.position, options);
        count(what, batch ? Result::entries : result_of(batch.ending()));
        if (!batch) {
            traveller.has_arrived = batch.ending() == Ending::closed;
            return;
        }
        look_at(batch, what);
        expect(what, batch.size() <= options.count);
        expect(what, batch.front().id > traveller.position);
        for (const auto& entry : batch) traveller.seen.push_back({entry.id, entry.value.number()});
        traveller.position = batch.back().id;
        if (traveller.cursor) expect(what, traveller.cursor->position() == traveller.position);
        if (random_.percent(20)) leave(std::move(batch));
    }

    void browse() {
        pause_now_and_then(20);
        switch (random_.below(8)) {
        case 0:
            return find();
        case 1:
            return look_around();
        case 2:
            return set_off();
        default:
            return range();
        }
    }

    void range() {
        const StreamId from = any_id();
        const StreamId to = random_.percent(50) ? any_id() : StreamId::max();
        const bool without_ends = random_.percent(30);
        const auto bound = [&](StreamId id) { return without_ends ? Bound::exclusive(id) : id; };
        const RangeOptions options{bound(from), bound(to), any_count()};
        const bool forward = random_.percent(50);
        auto batch = forward ? round_.stream.range(options) : round_.stream.reverse_range(options);
        tally.add(forward ? "range" : "reverse range", batch ? "entries" : "none");
        if (!batch) return;
        const StreamId first = forward ? batch.front().id : batch.back().id;
        const StreamId last = forward ? batch.back().id : batch.front().id;
        expect("range: bounds",
               without_ends ? from < first && last < to : from <= first && last <= to);
        expect("range: count", batch.size() <= options.count);
        if (forward) look_at(batch, "range: order");
        std::size_t seen = 0;
        for (const auto& entry : batch) seen += entry.value.number() != 0 ? 1 : 0;
        expect("range: size", seen == batch.size());
        if (random_.percent(50)) remember(first);
        if (random_.percent(70)) leave(std::move(batch));
    }

    void find() {
        const StreamId id = any_id();
        auto found = round_.stream.find(id);
        tally.add("find", found ? "found" : "none");
        if (!found) return;
        expect("find", found->id() == id && (*found)->number() != 0);
        leave(std::move(*found));
    }

    void look_around() {
        const auto life = round_.groups.any(random_);
        const auto info = life->group.info();
        expect("look", info.released <= info.pending);
        expect("look", life->group.lag() <= round_.stream.info().entries_added);
        const auto summary = life->group.pending();
        std::size_t owned = 0;
        for (const auto& share : summary.consumers) owned += share.count;
        expect("look", owned <= summary.count && summary.least <= summary.greatest);
        expect("look", round_.stream.groups().size() <= GroupBoard::names.size());
        tally.add("look", "done");
    }

    // A new traveller, from anywhere.
    void set_off() {
        constexpr std::size_t most = 8;
        if (round_.over.load() || round_.travellers.on_their_way() >= most) return;
        auto traveller = std::make_unique<Traveller>(
            Traveller{.position = random_.percent(50) ? round_.stream.last_id() : any_id()});
        if (random_.percent(60))
            traveller->cursor = round_.stream.cursor(From{traveller->position});
        round_.travellers.add(std::move(traveller));
        tally.add("travellers", "set off");
    }

    // ---- the shelf

    void leave(Shelf::Item item) {
        // What is given back goes here, and with it perhaps the last pin of a block.
        const Shelf::Item old = round_.shelf.put(std::move(item), random_);
        tally.add("shelf", old.index() == 0 ? "put" : "exchanged");
    }

    void look_at_shelf() {
        Shelf::Item item = round_.shelf.take(random_);
        if (auto* const batch = std::get_if<Entries<Specimen>>(&item)) {
            for (const auto& entry : *batch) expect("shelf", entry.value.number() != 0);
            if (random_.percent(30)) leave(batch->front().keep());
        } else if (auto* const kept = std::get_if<KeptEntry<Specimen>>(&item)) {
            expect("shelf", (*kept)->number() != 0 && kept->id() != StreamId{});
            const KeptEntry<Specimen> copy = *kept;
            if (random_.percent(50)) leave(std::move(item));
            expect("shelf", copy->number() != 0);
        } else if (const auto* const parcel = std::get_if<std::shared_ptr<const Parcel>>(&item)) {
            work_on(**parcel);
        }
    }

    // ---- groups

    // Ends a delivery in one way or other, or leaves it as it is.
    void work_on(const Parcel& parcel, const Delivery<Specimen>& delivery) {
        expect("delivery", delivery.value.number() != 0);
        const std::size_t dice = random_.below(100);
        if (dice < 60) {
            acknowledge(parcel, delivery);
        } else if (dice < 75) {
            const auto mode = dice < 65 ? Nack::silent : dice < 72 ? Nack::fail : Nack::fatal;
            const Ack nacked = delivery.nack(mode);
            nacked == Ack::done ? tally.add("nack", "done") : count("nack", Result::stale);
        } else if (dice < 85) {
            const Ack extended = delivery.extend();
            extended == Ack::done ? tally.add("extend", "done") : count("extend", Result::stale);
        } else if (dice < 88) {
            leave(delivery.keep());
        }
    }

    void acknowledge(const Parcel& parcel, const Delivery<Specimen>& delivery) {
        if (delivery.ack() == Ack::stale) return count("ack", Result::stale);
        tally.add("ack", "done");
        deeds.of(parcel.life).acknowledged.push_back(delivery.id);
        // Nothing that was acknowledged becomes pending again, but for those that are wild.
        if (!parcel.is_wild && random_.percent(30))
            expect("ack: once", delivery.ack() == Ack::stale && delivery.nack() == Ack::stale &&
                                    delivery.extend() == Ack::stale);
    }

    void work_on(const Parcel& parcel) {
        for (const Delivery<Specimen>& delivery : parcel.deliveries) work_on(parcel, delivery);
    }

    // Works on a batch, leaves it to others or, dying, to nobody.
    void handle(const GroupLife& life, Deliveries<Specimen> batch) {
        look_at(batch, "delivery: order");
        const std::size_t dice = random_.below(100);
        if (dice < 10) return;
        auto parcel =
            std::make_shared<const Parcel>(Parcel{life.number, life.is_wild, std::move(batch)});
        if (dice < 75) return work_on(*parcel);
        if (dice < 85) leave(parcel);  // two work on the same
        leave(std::move(parcel));
    }

    // A few names, so that handles of one consumer are in use by several threads.
    const char* any_name() {
        static constexpr std::array names{"ann", "bob", "mayfly"};
        return random_.one_of(names);
    }

    void consume() {
        const auto life = round_.groups.any(random_);
        const auto me = life->group.consumer(any_name(), {life->max_pending});
        GroupReadOptions options{any_count(), any_timeout(), any_stop(), random_.percent(10)};
        // With as much in hand as it may have, nothing else may end the wait.
        if (life->max_pending != GroupBoard::unlimited) options.stop = round_.stops.token(number_);
        do {
            auto batch = me.read(options);
            append(deeds.of(life->number).lost, batch.lost());  // at max_pending
            count("group", batch ? Result::entries : result_of(batch.ending()));
            if (!batch) {
                is_done_ = batch.ending() == Ending::closed ||
                           (round_.over.load() && batch.ending() == Ending::stopped);
                return pause_now_and_then();
            }
            note(*life, batch, options);
            handle(*life, std::move(batch));
        } while (random_.percent(80));
    }

    void note(const GroupLife& life, const Deliveries<Specimen>& batch,
              const GroupReadOptions& options) {
        expect("group: count", batch.size() <= options.count);
        expect("group: limit", options.acknowledged || batch.size() <= life.max_pending);
        auto& mine = deeds.of(life.number);
        for (const auto& delivery : batch) {
            expect("group: attempt", delivery.attempt == 1);
            (options.acknowledged ? mine.taken : mine.delivered)
                .push_back({delivery.id, delivery.value.number()});
        }
    }

    void heal() {
        pause_now_and_then(20);
        const auto life = round_.groups.any(random_);
        const auto me = life->group.consumer(random_.percent(50) ? "medic" : any_name());
        const std::size_t dice = random_.below(100);
        if (dice < 30) return autoclaim(*life, me);
        if (dice < 55) return claim(*life, me);
        if (dice < 75) return handle(*life, me.history({any_id(), 1 + random_.below(30)}));
        if (dice < 94) return settle(*life);
        if (dice < 97) return remove_consumer(*life);
        if (life->is_wild) life->group.set_position(any_id());
    }

    void claimed(const GroupLife& life, Deliveries<Specimen> batch, const char* what) {
        append(deeds.of(life.number).lost, batch.lost());
        for (std::size_t left = batch.lost().size(); left != 0; --left) count(what, Result::lost);
        tally.add(what, batch ? "entries" : "none");
        handle(life, std::move(batch));
    }

    void autoclaim(const GroupLife& life, const Consumer<Specimen>& me) {
        AutoclaimOptions options{any_idle(), random_.percent(50) ? any_id() : StreamId{},
                                 1 + random_.below(60), random_.percent(80)};
        for (auto rounds = 1 + random_.below(3); rounds != 0; --rounds) {
            auto batch = me.autoclaim(options);
            expect("autoclaim", batch.size() + batch.lost().size() <= options.count);
            options.start = batch.next();
            claimed(life, std::move(batch), "autoclaim");
            if (options.start == StreamId{}) return;
        }
    }

    void claim(const GroupLife& life, const Consumer<Specimen>& me) {
        std::vector<StreamId> ids;
        for (const auto& entry : life.group.pending({.first = any_id(), .count = 30}))
            ids.push_back(entry.id);
        if (random_.percent(20)) ids.push_back(any_id());
        std::sort(ids.begin(), ids.end());
        ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
        ClaimOptions options{
            .min_idle = any_idle(), .idle = random_.below(5) * 1ms, .counts = random_.percent(70)};
        if (life.is_wild) options.force = random_.percent(50);
        claimed(life, me.claim(ids, options), "claim");
    }

    // By id, whoever has it.
    void settle(const GroupLife& life) {
        for (const auto& entry : life.group.pending({.first = any_id(), .count = 5})) {
            if (random_.percent(50)) {
                tally.add("nack by id", life.group.nack({entry.id}) == 1 ? "done" : "none");
            } else if (life.group.ack({entry.id}) == 1) {
                deeds.of(life.number).acknowledged.push_back(entry.id);
                tally.add("ack by id", "done");
            }
        }
    }

    void remove_consumer(const GroupLife& life) {
        const std::size_t dropped = life.group.remove_consumer("mayfly");
        deeds.of(life.number).dropped += dropped;
        tally.add("remove consumer", dropped == 0 ? "none" : "dropped");
    }

    // ---- removing

    void remove() {
        pause_now_and_then(20);
        if (!round_.has_remover) return pass(500us);
        const std::size_t dice = random_.below(100);
        if (dice < 97) return erase();
        const std::size_t trimmed =
            dice < 98 ? round_.stream.trim({.count = round_.stream.size() * 3 / 4})
                      : round_.stream.trim({.before = any_id()});
        deeds.trimmed += trimmed;
        tally.add("trim", trimmed == 0 ? "none" : "some");
    }

    void erase() {
        std::vector<StreamId> ids;
        const std::size_t count = 1 + random_.below(random_.percent(95) ? 15 : 200);
        const auto batch = random_.percent(50)
                               ? round_.stream.range({.from = any_id(), .count = count})
                               : round_.stream.reverse_range({.count = count});
        for (const auto& entry : batch)
            if (random_.percent(60)) ids.push_back(entry.id);
        if (ids.empty()) return pass(50us);
        if (random_.percent(50)) remember(ids.back());
        if (random_.percent(50)) std::swap(random_.one_of(ids), ids.front());
        if (random_.percent(10)) ids.push_back(ids.front());
        const std::size_t erased = round_.stream.erase(ids);
        const StreamId greatest = *std::max_element(ids.begin(), ids.end());
        deeds.erased += erased;
        deeds.greatest_tried = std::max(deeds.greatest_tried, greatest);
        if (erased == ids.size()) deeds.greatest_erased = std::max(deeds.greatest_erased, greatest);
        tally.add("erase", erased == 0 ? "none" : "some");
    }

    Round& round_;
    const Role role_;
    const std::uint64_t number_;
    Random random_;
    std::uint64_t next_ = 0;
    std::vector<StreamId> known_;
    bool is_done_ = false;
};

}  // namespace runnel::test
