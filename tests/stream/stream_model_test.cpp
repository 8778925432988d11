// SPDX-License-Identifier: MIT
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/sequences.hpp"
#include "support/stream_checks.hpp"
#include "support/stream_reference.hpp"
#include "support/stream_scene.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using runnel::Ack;
using runnel::Ending;
using runnel::From;
using runnel::Nack;
using runnel::StreamId;
using runnel::test::check_occurred;
using runnel::test::expect;
using runnel::test::GroupReference;
using runnel::test::Handout;
using runnel::test::Line;
using runnel::test::Lines;
using runnel::test::LogReference;
using runnel::test::Millis;
using runnel::test::millis;
using runnel::test::NextId;
using runnel::test::OpenCursor;
using runnel::test::OpenDeliveries;
using runnel::test::run_sequences;
using runnel::test::StreamScene;
using runnel::test::Tally;

namespace {

using Item = runnel::test::MoveOnly;
using std::chrono::milliseconds;

// Random operations, one after the other, on a stream and on what it has to be; after each one
// both must look the same.
class Sequence : public StreamScene {
public:
    Sequence(std::uint64_t seed, std::uint64_t number, Tally& counts, bool tells = false)
        : StreamScene{seed, number, counts, tells} {
        constexpr std::array<std::size_t, 3> sizes{8, 30, 100};
        size_ = random.percent(5) ? large : random.one_of(sizes);
    }

    void run(std::size_t steps) {
        for (std::size_t step = 0; step != steps; ++step) {
            // Now more comes in, now more goes out.
            if (step % 50 == 0) growing_ = random.percent(50);
            one_step();
            compare_all();
        }
        finish();
    }

private:
    struct Operation {
        std::size_t weight;
        void (Sequence::*carry_out)();
    };

    void one_step() {
        static constexpr std::array operations{Operation{60, &Sequence::add},
                                               Operation{16, &Sequence::move_time},
                                               Operation{10, &Sequence::trim},
                                               Operation{16, &Sequence::erase},
                                               Operation{12, &Sequence::range},
                                               Operation{6, &Sequence::find},
                                               Operation{8, &Sequence::read_after},
                                               Operation{16, &Sequence::read_cursor},
                                               Operation{6, &Sequence::make_group},
                                               Operation{4, &Sequence::set_position},
                                               Operation{2, &Sequence::remove_group},
                                               Operation{6, &Sequence::make_consumer},
                                               Operation{36, &Sequence::read_group},
                                               Operation{10, &Sequence::history},
                                               Operation{6, &Sequence::ack},
                                               Operation{8, &Sequence::nack},
                                               Operation{28, &Sequence::use_delivery},
                                               Operation{16, &Sequence::claim},
                                               Operation{4, &Sequence::ack_batch},
                                               Operation{16, &Sequence::autoclaim},
                                               Operation{2, &Sequence::remove_consumer},
                                               Operation{8, &Sequence::list_pending},
                                               Operation{10, &Sequence::let_go}};
        if (random.below(2'000) == 0) return close();
        std::size_t all = 0;
        for (const Operation& each : operations) all += each.weight;
        std::size_t dice = random.below(all);
        const Operation* chosen = operations.data();
        for (; dice >= chosen->weight; ++chosen) dice -= chosen->weight;
        (this->*chosen->carry_out)();
    }

    // ------------------------------------------------------------------ the stream

    void add() {
        if (!growing_ && random.percent(50)) trim();
        const bool many = size_ == large && random.percent(8);
        const std::size_t most = growing_ ? 5 : 2;
        for (auto left = 1 + random.below(many ? 150 : most); left != 0; --left) add_one();
    }

    void add_one() {
        switch (random.below(3)) {
        case 0:
            return add("add", log.next_id(wall()),
                       [&](Item&& item) { return stream->add(std::move(item)); });
        case 1: {
            const StreamId id = some_next_id();
            return add("add an id", log.next_id(id),
                       [&](Item&& item) { return stream->add(id, std::move(item)); });
        }
        default:
            constexpr auto last = static_cast<std::uint64_t>(milliseconds::max().count());
            const std::uint64_t ms = std::min(some_next_id().ms, last);
            const std::chrono::sys_time<milliseconds> at{milliseconds{static_cast<Millis>(ms)}};
            return add("add at a time", log.next_id_within(ms),
                       [&](Item&& item) { return stream->add(at, std::move(item)); });
        }
    }

    template <typename Add>
    static NextId outcome_of(Add add) {
        try {
            return {.id = add()};
        } catch (const runnel::Error& error) {
            return {.refused = error.code()};
        }
    }

    template <typename Add>
    void add(const char* name, const NextId& expected, Add add_to_stream) {
        Item item{++last_value_};
        const NextId real = outcome_of([&] { return add_to_stream(std::move(item)); });
        tally.add(name, expected.refused ? to_string(*expected.refused) : "done");
        tell(name, ": ", expected.id, " is ", last_value_);
        expect("the id or the refusal of add()", real == expected);
        expect("a refused message is untouched",
               item.get() == (expected.refused ? last_value_ : Item::moved_from));
        if (expected.refused) return;
        log.add(expected.id, last_value_);
        given.push_back(expected.id);
    }

    void trim() {
        runnel::TrimOptions options;
        if (random.percent(70)) options.count = random.below(size_);
        if (random.percent(40)) options.before = some_id();
        const std::size_t expected = log.trim(options);
        tally.add("trim", expected == 0 ? "none" : "some");
        tell("trim to ", options.count, ", before ", options.before, ": ", expected);
        expect("trim() tells how many", stream->trim(options) == expected);
    }

    void erase() {
        std::vector<StreamId> ids(random.percent(70) ? 1 : random.below(5));
        for (StreamId& id : ids) id = some_id();
        const std::size_t expected = log.erase(ids);
        tally.add("erase", expected == 0 ? "none" : "some");
        if (expected > 1) tally.add("erase", "several");
        tell("erase", ids, ": ", expected);
        expect("erase() tells how many", stream->erase(ids) == expected);
    }

    void close() {
        tell("close");
        stream->close();
        log.closed = true;
    }

    // ------------------------------------------------------------------ reading

    void range() {
        using End = LogReference::End;
        const End from{random.percent(25) ? StreamId{} : some_id(), random.percent(30)};
        const End to{random.percent(25) ? StreamId::max() : some_id(), random.percent(30)};
        const auto bound = [](const End& end) {
            return end.exclusive ? runnel::Bound::exclusive(end.id) : runnel::Bound{end.id};
        };
        const bool reverse = random.percent(50);
        const std::size_t count = random.percent(5) ? 0 : some_count(12);
        const runnel::RangeOptions options{bound(from), bound(to), count};
        const char* const name = reverse ? "reverse_range" : "range";
        tell(name, from.exclusive ? " (" : " ", from.id, to.exclusive ? " (" : " ", to.id,
             ", count ", count);
        show(name, reverse ? stream->reverse_range(options) : stream->range(options),
             log.range(from, to, count, reverse));
    }

    void find() {
        const StreamId id = some_id();
        const auto real = stream->find(id);
        const auto expected = log.entries.find(id);
        tell("find ", id);
        tally.add("find", real ? "some" : "none");
        expect("find()", real.has_value() == (expected != log.entries.end()));
        if (real) keep(*real, {id, expected->second});
    }

    [[nodiscard]] Ending usual_ending() const {
        return log.closed ? Ending::closed : Ending::timed_out;
    }

    // Who waits, waits for no time.
    void read_after() {
        const From place = some_place();
        const StreamId after = place.id().value_or(log.last_id);
        const runnel::ReadOptions options{.count = some_count(), .timeout = 0s};
        tell("read after ", after, ", count ", options.count);
        auto real =
            random.percent(50) ? stream->try_read(place, options) : stream->read(place, options);
        if (!real) expect("how a read ends", real.ending() == usual_ending());
        note_missed("read", real, {log.missed(after), log.knows_missed(after)});
        show("read", std::move(real), log.after(after, options.count));
    }

    void read_cursor() {
        if (stream && (open.cursors.size() < 2 || random.percent(5))) {
            const From place = some_place();
            const StreamId after = place.id().value_or(log.last_id);
            hold(open.cursors, {stream->cursor(place), after, log.knows_missed(after)});
        }
        if (open.cursors.empty()) return;
        OpenCursor& cursor = random.one_of(open.cursors);
        const runnel::ReadOptions options{.count = some_count(), .timeout = 0s};
        tell("a cursor at ", cursor.position, " reads ", options.count);
        Lines expected = log.after(cursor.position, options.count);
        auto real = random.percent(50) ? cursor.real.try_read(options) : cursor.real.read(options);
        // It may stop at the end of a block.
        if (real) expected.resize(std::min(expected.size(), real.size()));
        if (!real) expect("how a cursor's read ends", real.ending() == usual_ending());
        const StreamId told = std::max(cursor.position, cursor.told_up_to);
        note_missed("cursor", real, {log.missed(told), cursor.knows_missed});
        if (real || log.closed) {
            cursor.knows_missed = true;
            cursor.told_up_to = real ? real.front().id : log.last_id;
        }
        if (!expected.empty()) cursor.position = expected.back().id;
        // What was erased may be behind it already.
        const auto next = log.entries.upper_bound(cursor.position);
        expect("position()",
               cursor.real.position() >= cursor.position &&
                   (next == log.entries.end() || cursor.real.position() < next->first));
        show("cursor", std::move(real), std::move(expected));
    }

    template <typename Batch>
    void note_missed(const char* name, const Batch& real,
                     const runnel::test::MissedReference& expected) {
        if (real.missed() != 0)
            tally.add(name, real.missed_is_exact() ? "missed" : "may have missed more");
        runnel::test::check_missed(real, expected);
    }

    // ------------------------------------------------------------------ groups

    void set_position() {
        const auto pair = some_pair();
        const From place = some_place();
        std::optional<std::uint64_t> read;
        if (random.percent(50)) read = random.below(log.entries_added + 3);
        const StreamId before = pair->model->last_delivered;
        pair->real.set_position(place, read);
        pair->model->set_position(log, place, read);
        const bool back = pair->model->last_delivered < before;
        tally.add("set_position", back ? "back" : "forward");
        tell('\'', pair->real.name(), "' goes on at ", pair->model->last_delivered);
    }

    // Its handles work on for a while.
    void remove_group() {
        const std::string& name = random.one_of(group_names);
        const auto pair = find_pair(name);
        tell("remove group '", name, "'");
        tally.add("remove_group", pair ? "done" : "none");
        expect("remove_group()", stream->remove_group(name) == (pair != nullptr));
        std::erase_if(pairs, [](const auto& each) { return each->model->removed; });
        if (pair) pair->model->removed = true;
    }

    void remove_consumer() {
        const auto pair = some_pair();
        const std::string& name = random.one_of(consumer_names);
        const std::size_t expected = pair->model->remove_member(name);
        tell('\'', pair->real.name(), "' loses '", name, "' and ", expected);
        tally.add("remove_consumer", expected == 0 ? "none pending" : "some pending");
        expect("remove_consumer()", pair->real.remove_consumer(name) == expected);
    }

    // ------------------------------------------------------------------ delivering

    void read_group() {
        const Member me = some_member();
        const runnel::GroupReadOptions options{
            .count = some_count(),
            .timeout = 0s,
            .acknowledged = random.percent(15),
            .claim =
                random.percent(40) ? std::optional<runnel::Duration>{some_idle()} : std::nullopt};
        Handout expected = me.model().read(log, me.name(), options, me.max_pending, now());
        const char* const name = options.claim          ? "claiming read"
                                 : options.acknowledged ? "read, acknowledged"
                                                        : "group's read";
        tell(me, ": ", name, ", count ", options.count,
             options.acknowledged ? ", acknowledged" : "", expected.lines);
        if (options.claim) tally_claims(expected, options);
        auto real = random.percent(50) ? me.real.try_read(options) : me.real.read(options);
        if (!real) expect("how a group's read ends", real.ending() == expected.ending);
        if (expected.ending == Ending::gone) tally.add(name, "gone");
        note_missed(name, real, expected.missed);
        show(name, me, std::move(real), std::move(expected));
    }

    void tally_claims(const Handout& expected, const runnel::GroupReadOptions& options) {
        const auto is_new = [](const Line& line) { return line.attempt == 1; };
        const auto count = std::ranges::count_if(expected.lines, is_new);
        const bool has_new = count != 0;
        const bool has_claimed = std::cmp_less(count, expected.lines.size());
        if (has_new && has_claimed) tally.add("claiming read", "both");
        if (has_claimed && !has_new) tally.add("claiming read", "claims");
        if (has_claimed && options.acknowledged) tally.add("claiming read", "acknowledged");
        if (expected.lines.empty() && expected.ending == Ending::closed)
            tally.add("claiming read", "closed");
        if (expected.lines.empty() && log.closed && expected.ending == Ending::timed_out)
            tally.add("claiming read", "not over");
    }

    void history() {
        const Member me = some_member();
        runnel::HistoryOptions options;
        if (random.percent(40)) options.after = some_pending_id(*me.pair);
        if (random.percent(50)) options.count = 1 + random.below(5);
        tell(me, ": history after ", options.after, ", count ", options.count);
        show("history", me, me.real.history(options),
             me.model().history(log, me.name(), options, now()));
    }

    void claim() {
        const Member me = some_member();
        const auto ids = some_pending_ids(*me.pair);
        runnel::ClaimOptions options{.min_idle = some_idle()};
        if (random.percent(30)) options.idle = some_idle();
        if (random.percent(5)) options.idle = random.percent(50) ? -1s : milliseconds::max();
        if (random.percent(15)) options.deliveries = random.below(5);
        if (random.percent(5)) options.deliveries = GroupReference::most_deliveries - 1;
        options.counts = !random.percent(25);
        options.force = random.percent(35);
        if (random.percent(10)) options.last_id = some_id();
        tell(me, ": claim", ids, ", min_idle ", millis(options.min_idle), ", idle ",
             millis(options.idle), ", counts ", options.counts, ", force ", options.force,
             ", last_id ", options.last_id);
        show("claim", me, me.real.claim(ids, options),
             me.model().claim(log, me.name(), ids, options, now()));
    }

    void autoclaim() {
        const Member me = some_member();
        runnel::AutoclaimOptions options{.min_idle = some_idle(), .start = me.pair->next};
        if (random.percent(10)) options.start = some_pending_id(*me.pair);
        if (random.percent(80)) options.count = some_count(3);
        options.counts = !random.percent(25);
        tell(me, ": autoclaim from ", options.start, ", min_idle ", millis(options.min_idle),
             ", count ", options.count, ", counts ", options.counts);
        Handout expected = me.model().autoclaim(log, me.name(), options, now());
        me.pair->next = expected.next;
        if (expected.next != StreamId{}) tally.add("autoclaim", "not at the end");
        show("autoclaim", me, me.real.autoclaim(options), std::move(expected));
    }

    // ------------------------------------------------------------------ acknowledging

    static constexpr std::array modes{Nack::fail, Nack::silent, Nack::fatal};

    void ack() {
        const auto pair = some_pair();
        const auto ids = some_pending_ids(*pair);
        std::size_t expected = 0;
        for (const StreamId id : ids) expected += pair->model->ack(id) ? 1U : 0U;
        tell('\'', pair->real.name(), "': ack", ids);
        tally.add("ack", expected == 0 ? "none" : "some");
        expect("ack() tells how many", pair->real.ack(ids) == expected);
    }

    void nack() {
        const auto pair = some_pair();
        const auto ids = some_pending_ids(*pair);
        const Nack mode = random.one_of(modes);
        const runnel::NackOptions options = some_delay();
        std::size_t expected = 0;
        for (const StreamId id : ids)
            expected += pair->model->nack(id, mode, options, now()) ? 1U : 0U;
        tell('\'', pair->real.name(), "': nack", ids, ", after ", millis(options.after));
        tally.add("nack", expected == 0 ? "none" : "some");
        expect("nack() tells how many", pair->real.nack(ids, mode, options) == expected);
    }

    [[nodiscard]] runnel::NackOptions some_delay() {
        if (random.percent(40)) return {};
        return {.after = random.percent(10) ? -some_idle() : some_idle()};
    }

    enum class Use : std::uint8_t { ack, nack, extend, keep };

    // Of a batch that may have been open for long.
    void use_delivery() {
        if (open.deliveries.empty()) return;
        const OpenDeliveries& one = random.one_of(open.deliveries);
        const std::size_t at = random.below(one.lines.size());
        const auto& delivery = one.batch[at];
        const Line& line = one.lines[at];
        GroupReference& model = *one.group;
        const bool holds = model.holds(line.id, {one.consumer, one.incarnation, line.attempt});
        const Ack expected = holds ? Ack::done : Ack::stale;
        constexpr std::array uses{Use::ack, Use::ack, Use::nack, Use::extend, Use::keep};
        constexpr std::array names{"delivery.ack", "delivery.nack", "delivery.extend",
                                   "delivery.keep"};
        const Use use = random.one_of(uses);
        const char* const name = names[static_cast<std::size_t>(use)];
        tell(name, " of '", one.consumer, "': ", line.id, ", attempt ", line.attempt,
             holds ? "" : ", stale");
        tally.add(name, holds ? "done" : "stale");
        switch (use) {
        case Use::ack:
            expect("ack()", delivery.ack() == expected);
            if (holds) model.ack(line.id);
            return;
        case Use::nack: {
            const Nack mode = random.one_of(modes);
            const runnel::NackOptions options = some_delay();
            tell("after ", millis(options.after));
            expect("nack()", delivery.nack(mode, options) == expected);
            if (holds) model.nack(line.id, mode, options, now());
            return;
        }
        case Use::extend:
            expect("extend()", delivery.extend() == expected);
            if (holds) model.extend(line.id, now());
            return;
        case Use::keep:
            return keep(delivery.keep(), {line.id, line.value});
        }
    }

    void ack_batch() {
        if (open.deliveries.empty()) return;
        const OpenDeliveries& one = random.one_of(open.deliveries);
        GroupReference& model = *one.group;
        std::size_t expected = 0;
        for (const Line& line : one.lines) {
            if (!model.holds(line.id, {one.consumer, one.incarnation, line.attempt})) continue;
            model.ack(line.id);
            ++expected;
        }
        tell("a batch of '", one.consumer, "' is acknowledged: ", expected, " of ",
             one.lines.size());
        tally.add("batch.ack", expected == 0 ? "none" : "some");
        if (expected != 0 && expected != one.lines.size()) tally.add("batch.ack", "in part");
        expect("ack() of a batch tells how many", one.batch.ack() == expected);
    }

    void list_pending() {
        const auto pair = some_pair();
        runnel::PendingOptions options{.min_idle = some_idle()};
        if (random.percent(50)) options.first = some_pending_id(*pair);
        if (random.percent(50)) options.last = some_pending_id(*pair);
        if (random.percent(50)) options.count = random.below(6);
        if (random.percent(60)) options.consumer = random.one_of(consumer_names);
        const auto expected = pair->model->rows(options, now());
        tell('\'', pair->real.name(), "': pending from ", options.first, " to ", options.last,
             ", count ", options.count, ", min_idle ", millis(options.min_idle));
        tally.add("pending", expected.empty() ? "none" : "some");
        expect("pending(options)", pair->real.pending(options) == expected);
    }

    // ------------------------------------------------------------------ closing

    // The handles go, or what was got through them, first.
    void finish() {
        if (random.percent(50)) {
            stream.reset();
            pairs.clear();
            log.closed = true;
            for (int left = 5; left != 0; --left) {
                use_delivery();
                read_cursor();
                open.check();
            }
        }
        open.clear();
        pairs.clear();
        stream.reset();
        expect("all values die", census.alive() == 0 && census.faults() == 0);
    }

    int last_value_ = 0;
    static constexpr std::size_t large = 400;
    std::size_t size_;  // it is trimmed to less than that
    bool growing_ = true;
};

}  // namespace

TEST_CASE("a stream and its groups do what the rules of Redis say", "[stream][model]") {
    const Tally tally = run_sequences<Sequence>("a stream does what the rules say", 200);
    check_occurred(tally, {"add"}, {"done", "id_exhausted", "closed"});
    check_occurred(tally, {"add an id", "add at a time"},
                   {"done", "id_too_small", "id_exhausted", "closed"});
    check_occurred(tally,
                   {"range", "reverse_range", "find", "read", "cursor", "trim", "group's read",
                    "read, acknowledged", "history", "claim", "autoclaim", "ack", "nack",
                    "batch.ack", "pending"},
                   {"some", "none"});
    check_occurred(tally, {"read", "cursor", "group's read"}, {"missed", "may have missed more"});
    check_occurred(
        tally, {"claiming read"},
        {"some", "none", "both", "claims", "acknowledged", "missed", "lost", "closed", "not over"});
    check_occurred(tally, {"erase"}, {"none", "some", "several"});
    check_occurred(tally, {"group's read", "history", "claim", "autoclaim"}, {"lost"});
    check_occurred(tally, {"delivery.ack", "delivery.nack", "delivery.extend"}, {"done", "stale"});
    check_occurred(tally, {"group", "consumer"}, {"made", "found"});
    check_occurred(tally, {"remove_consumer"}, {"none pending", "some pending"});
    check_occurred(tally, {"remove_group"}, {"done", "none"});
    check_occurred(tally, {"set_position", "move time"}, {"forward", "back"});
    check_occurred(tally, {"keep"}, {"done"});
    CHECK(tally.of("group's read", "gone") > 0);
    CHECK(tally.of("autoclaim", "not at the end") > 0);
    CHECK(tally.of("batch.ack", "in part") > 0);
}
