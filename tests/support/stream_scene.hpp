// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/clock.hpp>
#include <runnel/stream.hpp>

#include "support/lifetime.hpp"
#include "support/story.hpp"
#include "support/stream_checks.hpp"
#include "support/stream_reference.hpp"
#include "support/stress_random.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace runnel::test {

/// A group, the handles through which it is used, and what it has to be.
struct GroupPair {
    struct Handle {
        Consumer<MoveOnly> consumer;
        std::size_t max_pending;
    };

    explicit GroupPair(ConsumerGroup<MoveOnly> group) : real{std::move(group)} {}

    ConsumerGroup<MoveOnly> real;
    std::shared_ptr<GroupReference> model = std::make_shared<GroupReference>();
    std::vector<Handle> handles{};
    StreamId next{};  // of the last autoclaim
};

/// A stream, what it has to be, and what random operations on both choose from. The same seed and
/// number lead to the same choices: so a run can be repeated that `tells` how it came to a
/// mismatch.
class StreamScene {
public:
    StreamScene(std::uint64_t seed, std::uint64_t number, Tally& counts, bool tells)
        : random{seed, number}, tally{counts}, story_{tells} {
        if (random.percent(10)) clock.step_wall(-clock.wall().time_since_epoch());
        log.keep = random.percent(15) ? random.below(20) : no_limit;
        jumps_ = random.percent(25) ? 20 : 0;
        constexpr std::array<std::uint32_t, 5> blocks{4, 4, 4, 7, 64};
        const std::uint32_t block = random.one_of(blocks);
        stream.emplace(
            StreamOptions{.keep = {.count = log.keep}, .block_entries = block, .clock = &clock});
        tell("a stream: keep ", log.keep, ", block_entries ", block);
        if (random.percent(8)) begin_near_the_end();
    }

    /// The last operations, and both states.
    [[nodiscard]] std::string story() const {
        std::ostringstream out;
        out << story_;
        if (!stream) return out.str();
        out << "\nentries " << lines_of(stream->range()) << "\nexpected" << log.after({})
            << "\nlast id " << log.last_id << ", max deleted " << log.max_deleted_id << ", added "
            << log.entries_added;
        for (const auto& pair : pairs) {
            out << "\ngroup '" << pair->real.name() << (pair->model->removed ? "' (removed)" : "'")
                << ", last delivered " << pair->model->last_delivered << ", pending"
                << pair->real.pending({}) << "\n  expected" << pair->model->rows({}, now());
        }
        return out.str();
    }

    /// Everything that can be seen.
    void compare_all() const {
        compare(*stream, log);
        std::vector<std::string> names;
        for (const auto& pair : pairs) {
            compare(pair->real, *pair->model, log, now());
            if (!pair->model->removed) names.push_back(pair->real.name());
        }
        std::ranges::sort(names);
        expect("groups()", stream->groups() == names);
        expect("info().groups", stream->info().groups == names.size());
        open.check();
        const auto alive = static_cast<std::size_t>(census.alive());
        expect("what is in the stream lives", alive >= log.entries.size());
        if (open.empty()) expect("what was erased died", alive == log.entries.size());
        expect("no value is used after its death", census.faults() == 0);
    }

protected:
    using Pair = std::shared_ptr<GroupPair>;

    template <typename... Parts>
    void tell(const Parts&... parts) {
        story_.tell(parts...);
    }

    // The time that ids are made of, and the one that idle times go by.
    [[nodiscard]] Millis wall() const {
        const auto since = clock.wall().time_since_epoch();
        return std::chrono::floor<std::chrono::milliseconds>(since).count();
    }
    [[nodiscard]] Millis now() const {
        const auto since = clock.now().time_since_epoch();
        return std::chrono::floor<std::chrono::milliseconds>(since).count();
    }

    void move_time() {
        const std::chrono::milliseconds by{random.below(random.percent(80) ? 20 : 100'000)};
        const bool back = random.percent(30) && wall() >= by.count();
        back ? clock.step_wall(-by) : clock.advance(by);
        tally.add("move time", back ? "back" : "forward");
        tell("it is ", wall());
    }

    // ---- choices

    /// One that was given out, or one nearby.
    StreamId some_id() {
        const std::size_t dice = random.below(100);
        if (dice < 4) return StreamId{};
        if (dice < 8) return StreamId::max();
        if (dice < 12 || given.empty()) return log.last_id;
        const std::size_t near = std::min<std::size_t>(given.size(), random.percent(70) ? 25 : 200);
        const StreamId id = given[given.size() - 1 - random.below(near)];
        if (dice < 18) return id.next().value_or(id);
        if (dice < 24) return id.previous().value_or(id);
        return id;
    }

    StreamId some_pending_id(const GroupPair& pair) {
        const auto& pending = pair.model->pending;
        if (pending.empty() || random.percent(15)) return some_id();
        const std::size_t at = random.below(std::min<std::size_t>(pending.size(), 20));
        return std::next(pending.begin(), static_cast<std::ptrdiff_t>(at))->first;
    }

    std::vector<StreamId> some_pending_ids(const GroupPair& pair) {
        std::vector<StreamId> ids(random.below(5));
        for (StreamId& id : ids) id = some_pending_id(pair);
        return ids;
    }

    /// One to add: behind the last one, and often just behind it.
    StreamId some_next_id() {
        const StreamId last = log.last_id;
        if (random.percent(15)) return some_id();
        if (random.percent(jumps_)) return some_far_id();
        if (random.percent(70)) return {last.ms, sum(last.seq, 1 + random.below(3))};
        return {sum(last.ms, 1 + random.below(5)), random.below(3)};
    }

    std::size_t some_count(std::size_t most = 6) {
        return random.percent(25) ? no_limit : 1 + random.below(most);
    }

    std::chrono::milliseconds some_idle() {
        constexpr std::array<Millis, 6> idle{0, 1, 10, 100, 1'000, 100'000};
        return std::chrono::milliseconds{random.percent(50) ? 0 : random.one_of(idle)};
    }

    From some_place() {
        if (random.percent(35)) return From::start;
        return random.percent(30) ? From::end : From{some_id()};
    }

    // ---- groups and consumers; made if there are none

    Pair some_pair() {
        if (pairs.empty()) make_group();
        return random.one_of(pairs);
    }

    /// A consumer through one of its handles.
    struct Member {
        Pair pair;
        Consumer<MoveOnly> real;
        std::size_t max_pending;

        [[nodiscard]] GroupReference& model() const { return *pair->model; }
        [[nodiscard]] const std::string& name() const { return real.name(); }
        friend std::ostream& operator<<(std::ostream& out, const Member& me) {
            return out << '\'' << me.name() << "' of '" << me.pair->real.name() << '\'';
        }
    };

    Member some_member() {
        const Pair pair = some_pair();
        if (pair->handles.empty()) make_consumer(*pair);
        const auto& [real, max_pending] = random.one_of(pair->handles);
        return {pair, real, max_pending};
    }

    [[nodiscard]] Pair find_pair(const std::string& name) const {
        for (const Pair& pair : pairs)
            if (pair->real.name() == name && !pair->model->removed) return pair;
        return nullptr;
    }

    void make_group() {
        const std::string& name = random.one_of(group_names);
        const Pair exists = find_pair(name);
        GroupOptions options{.from = some_place()};
        if (random.percent(40)) options.entries_read = random.below(log.entries_added + 3);
        tell("group '", name, "' from ", options.from.id().value_or(log.last_id));
        tally.add("group", exists ? "found" : "made");
        const auto real = stream->group(name, options);
        if (exists) return expect("the group is that one", exists->real == real);
        pairs.push_back(std::make_shared<GroupPair>(real));
        pairs.back()->model->set_position(log, options.from, options.entries_read);
    }

    void make_consumer() { make_consumer(*some_pair()); }
    void make_consumer(GroupPair& pair) {
        const std::string& name = random.one_of(consumer_names);
        const std::size_t limit = random.percent(60) ? no_limit : 1 + random.below(5);
        tell('\'', name, "' of '", pair.real.name(), "', max_pending ", limit);
        tally.add("consumer", pair.model->members.contains(name) ? "found" : "made");
        if (pair.handles.size() == 4) pair.handles.erase(pair.handles.begin());
        pair.handles.push_back({pair.real.consumer(name, {.max_pending = limit}), limit});
        pair.model->member(name, now());
    }

    // ---- what comes back, and may stay open for a while

    void show(const char* name, Entries<MoveOnly> real, Lines expected) {
        tally.add(name, expected.empty() ? "none" : "some");
        if (!same(real, expected)) fail(name, lines_of(real), expected);
        if (!real) return;
        expect("front()", real.front().id == expected.front().id);
        expect("back()", real.back().id == expected.back().id);
        if (random.percent(10)) keep(real.back().keep(), expected.back());
        if (random.percent(20)) hold(open.entries, {std::move(real), std::move(expected)});
    }

    void show(const char* name, const Member& me, Deliveries<MoveOnly> real, Handout expected) {
        tally.add(name, expected.lines.empty() ? "none" : "some");
        if (!expected.lost.empty()) tally.add(name, "lost");
        if (!same(real, expected.lines)) fail(name, lines_of(real), expected.lines);
        if (real.lost() != expected.lost) fail("lost()", real.lost(), expected.lost);
        expect("next()", real.next() == expected.next);
        if (!real || random.percent(40)) return;
        const std::size_t incarnation = me.model().members.at(me.name()).incarnation;
        hold(open.deliveries,
             {std::move(real), std::move(expected.lines), me.pair->model, me.name(), incarnation});
    }

    void keep(KeptEntry<MoveOnly> entry, const Line& line) {
        tally.add("keep", "done");
        if (random.percent(30)) hold(open.kept, {std::move(entry), line});
    }

    template <typename Open>
    void hold(std::vector<Open>& all, Open one) {
        if (all.size() == 4) drop_one(all);
        all.push_back(std::move(one));
    }

    template <typename Open>
    void drop_one(std::vector<Open>& all) {
        if (all.empty()) return;
        std::swap(random.one_of(all), all.back());
        all.pop_back();
    }

    void let_go() {
        const bool everything = random.percent(20);
        tell(everything ? "let go of everything" : "let go");
        for (std::size_t left = everything ? 4 : 1; left != 0; --left) {
            drop_one(open.entries);
            drop_one(open.deliveries);
            drop_one(open.kept);
            drop_one(open.cursors);
        }
    }

    inline static const std::array<std::string, 3> group_names{"", "g", {"h\0h", 3}};
    inline static const std::array<std::string, 4> consumer_names{"", "ann", "bob", {"b\0\xff", 3}};

    Census census;
    Random random;
    Tally& tally;

    ManualClock clock;
    std::optional<Stream<MoveOnly>> stream;
    LogReference log;
    std::vector<Pair> pairs;      // of groups that were removed, too, for a while
    std::vector<StreamId> given;  // all that were given out
    OpenBatches open;

private:
    template <typename What>
    [[noreturn]] static void fail(const char* name, const What& real, const What& expected) {
        std::ostringstream out;
        out << name << real << "\nexpected" << expected;
        throw Mismatch{out.str()};
    }

    // Too far for the offset in a block, or just not.
    StreamId some_far_id() {
        constexpr std::uint64_t edge = std::uint64_t{1} << 32U;
        constexpr std::array steps{edge - 2, edge - 1, edge, 2 * edge, 256 * edge};
        const StreamId last = log.last_id;
        const std::uint64_t step = random.one_of(steps);
        if (random.percent(40)) return {last.ms, sum(last.seq, step)};
        if (random.percent(50)) return {sum(last.ms, step), random.below(3)};
        return {sum(last.ms, 1), random.percent(20) ? StreamId::max().seq : step};
    }

    void begin_near_the_end() {
        StreamId id = StreamId::max();
        id.seq -= 1 + random.below(60);
        id.ms -= random.below(2);
        (void)stream->add(id, MoveOnly{0});
        log.add(id, 0);
        given.push_back(id);
    }

    static std::uint64_t sum(std::uint64_t one, std::uint64_t other) {
        return one > StreamId::max().seq - other ? StreamId::max().seq : one + other;
    }

    Story story_;
    std::size_t jumps_ = 0;  // of a hundred ids
};

}  // namespace runnel::test
