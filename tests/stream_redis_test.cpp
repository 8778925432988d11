// SPDX-License-Identifier: MIT
// The rules of streams and groups against a real Redis: the same random operations on both, and
// the same answers.
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/error.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/redis_server.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iostream>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace runnel::test;
using runnel::Ack;
using runnel::Bound;
using runnel::Consumer;
using runnel::ConsumerGroup;
using runnel::ConsumerInfo;
using runnel::Cursor;
using runnel::Deliveries;
using runnel::Delivery;
using runnel::Error;
using runnel::ErrorCode;
using runnel::From;
using runnel::GroupInfo;
using runnel::ManualClock;
using runnel::PendingEntry;
using runnel::Stream;
using runnel::StreamId;
using runnel::StreamInfo;
using std::chrono::milliseconds;

namespace {

using Words = RedisServer::Words;
using Text = std::string;  // a message

constexpr std::uint64_t last_number = std::numeric_limits<std::uint64_t>::max();

// ------------------------------------------------------------------ what Redis has changed

// A rule that is not that of Redis 7.0 any more. Where it matters, the test foretells the reply of
// a server that does not have it yet, and takes no other: a change excuses nothing but that reply.
struct Change {
    const char* name;
    std::array<int, 3> since;
};

// 7.2 (redis#11099): a read or claim that gets nothing makes its consumer nevertheless.
constexpr Change makes_idle_consumers{"7.2.0: idle consumers", {7, 2, 0}};

// 7.2 (redis#11099): XINFO CONSUMERS has a fourth field, `inactive`.
constexpr Change tells_inactive{"7.2.0: inactive", {7, 2, 0}};

// 7.4 at the latest: XADD ms-* in a millisecond whose numbers are used up says so. Before, it gave
// the reason of whatever was refused last on the server, one of two.
constexpr Change knows_used_up_ms{"7.4.0: used-up millisecond", {7, 4, 0}};

// 7.4.2 (redis#13338): of the entries that were read and of the lag, Redis knows nothing if an
// erased entry follows the last delivered one. Before, it looked behind the one that is being
// delivered; not at all once the stream began behind the erased entry; and took a first entry
// before it for the start of a stream without gaps.
constexpr Change minds_tombstones{"7.4.2: minds tombstones", {7, 4, 2}};

// 7.4.2 (redis#13473): a group that has read nothing of what is left lags by all of it, and not at
// all behind an empty stream. Before, what was trimmed away unread counted too.
constexpr Change lags_by_what_is_left{"7.4.2: lags by what is left", {7, 4, 2}};

// 7.4.4 (redis#13958): a group whose place was trimmed away counts anew. Before, its count went on
// as if it had read what was trimmed.
constexpr Change counts_anew{"7.4.4: counts anew", {7, 4, 4}};

// 8.2.2 (redis#14259): ENTRIESREAD of CREATE and SETID is at most the number of entries ever added.
constexpr Change clamps_entries_read{"8.2.2: clamps ENTRIESREAD", {8, 2, 2}};

// No version: a lag below 0 is what Redis tells where ENTRIESREAD was too much for the place of its
// group, and has grown since. A lag of runnel has no sign, and is 0 then.
constexpr Change has_no_negative_lag{"never: no negative lag", {999, 0, 0}};

// Those that make a chain of rules for entries-read and lag: age 0 has none, age 4 all of them.
constexpr std::array reckoning_changes{&minds_tombstones, &lags_by_what_is_left, &counts_anew,
                                       &clamps_entries_read};
constexpr std::size_t newest = reckoning_changes.size();

constexpr bool has(std::size_t age, const Change& change) {
    const auto* const at = std::ranges::find(reckoning_changes, &change);
    return at < reckoning_changes.begin() + age;
}

// What a Redis of one age reckons about a group: semantics 4.13 if it is the newest.
class Reckoning {
public:
    using Count = std::optional<std::uint64_t>;

    Reckoning(std::size_t age, const StreamInfo& stream) : age_{age}, stream_{stream} {}

    Count given(Count entries_read) const {
        if (!entries_read || !has(age_, clamps_entries_read)) return entries_read;
        return std::min(*entries_read, stream_.entries_added);
    }

    // Of a group that has read `before` up to `last`, and now gets `id`.
    Count after_reading(Count before, StreamId last, StreamId id) const {
        const bool goes_on = !has(age_, counts_anew) || last >= stream_.first_id;
        const StreamId from = has(age_, minds_tombstones) ? last : id;
        if (before && goes_on && !has_tombstone_from(from)) return *before + 1;
        return stream_.entries_added != 0 ? estimate(id) : before;
    }

    Count lag(Count entries_read, StreamId last) const {
        if (stream_.entries_added == 0) return 0;
        if (has(age_, lags_by_what_is_left)) {
            const bool all_is_left =
                last < stream_.first_id && stream_.max_deleted_id < stream_.first_id;
            if (stream_.length == 0 || all_is_left) return stream_.length;
        }
        const Count read =
            entries_read && !has_tombstone_from(last) ? entries_read : estimate(last);
        if (!read) return std::nullopt;
        return stream_.entries_added - *read;
    }

private:
    bool has_tombstone_from(StreamId id) const {
        if (stream_.length == 0 || stream_.max_deleted_id == StreamId{}) return false;
        const bool lies_before = stream_.max_deleted_id < stream_.first_id;
        if (lies_before && !has(age_, minds_tombstones)) return false;
        return id <= stream_.max_deleted_id;
    }

    Count estimate(StreamId id) const {
        if (stream_.entries_added == 0) return 0;
        if (stream_.length == 0 && id <= stream_.last_id) return stream_.entries_added;
        if (has(age_, minds_tombstones) && id != StreamId{} && id < stream_.max_deleted_id)
            return std::nullopt;
        if (id == stream_.last_id) return stream_.entries_added;
        const bool has_gaps =
            stream_.max_deleted_id != StreamId{} && stream_.max_deleted_id >= stream_.first_id;
        if (id > stream_.first_id || has_gaps) return std::nullopt;
        const std::uint64_t before_first = stream_.entries_added - stream_.length;
        return id == stream_.first_id ? before_first + 1 : before_first;
    }

    std::size_t age_;
    const StreamInfo& stream_;
};

// ------------------------------------------------------------------ results as replies

Reply id_reply(StreamId id) {
    return string_reply(to_string(id));
}

template <typename Number>
Reply count_reply(Number count) {
    return integer_reply(static_cast<std::int64_t>(count));
}

Reply count_reply(std::optional<std::uint64_t> count) {
    return count ? count_reply(*count) : nil_reply();
}

// Real time passes on the server only; so idle times are whole hours here, and ages of minutes 0.
Reply hours_reply(std::int64_t idle_ms) {
    constexpr std::int64_t hour = milliseconds{1h}.count();
    return integer_reply((idle_ms + hour / 2) / hour);
}

Reply entry_reply(StreamId id, const Text& value) {
    return array_reply({id_reply(id), array_reply({string_reply("v"), string_reply(value)})});
}

// Of Entries, of Deliveries.
template <typename Batch>
Reply entries_reply(const Batch& batch) {
    Reply reply = array_reply({});
    for (const auto& one : batch) reply.elements.push_back(entry_reply(one.id, one.value));
    return reply;
}

template <typename Batch>
Reply ids_reply(const Batch& batch) {
    Reply reply = array_reply({});
    for (const auto& one : batch) reply.elements.push_back(id_reply(one.id));
    return reply;
}

Reply ids_reply(const std::vector<StreamId>& ids) {
    Reply reply = array_reply({});
    for (const StreamId id : ids) reply.elements.push_back(id_reply(id));
    return reply;
}

// Nothing new is nil.
template <typename Batch>
Reply read_reply(const Text& key, const Batch& batch) {
    if (!batch) return nil_reply();
    return array_reply({array_reply({string_reply(key), entries_reply(batch)})});
}

// Entries that are lost have no fields, and their place among the others by id.
Reply history_reply(const Text& key, const Deliveries<Text>& batch) {
    std::vector<std::pair<StreamId, Reply>> rows;
    for (const auto& one : batch) rows.emplace_back(one.id, entry_reply(one.id, one.value));
    for (const StreamId id : batch.lost())
        rows.emplace_back(id, array_reply({id_reply(id), nil_reply()}));
    std::ranges::sort(rows, {}, [](const auto& row) { return row.first; });
    Reply reply = array_reply({});
    for (auto& [id, row] : rows) reply.elements.push_back(std::move(row));
    return array_reply({array_reply({string_reply(key), std::move(reply)})});
}

Reply refusal(ErrorCode code, std::string_view id) {
    if (code == ErrorCode::id_exhausted)
        return error_reply("ERR The stream has exhausted the last possible ID, unable to add more "
                           "items");
    if (code != ErrorCode::id_too_small) return error_reply(std::string{to_string(code)});
    if (id == "0-0") return error_reply("ERR The ID specified in XADD must be greater than 0-0");
    return error_reply("ERR The ID specified in XADD is equal or smaller than the target stream "
                       "top item");
}

Reply stream_reply(const StreamInfo& info) {
    return array_reply({count_reply(info.length), id_reply(info.last_id),
                        id_reply(info.max_deleted_id), count_reply(info.entries_added),
                        id_reply(info.first_id), count_reply(info.groups)});
}

Reply group_reply(const GroupInfo& info) {
    return array_reply({string_reply(info.name), count_reply(info.consumers),
                        count_reply(info.pending), id_reply(info.last_delivered),
                        count_reply(info.entries_read), count_reply(info.lag)});
}

Reply summary_reply(const runnel::PendingSummary& summary) {
    if (summary.count == 0)
        return array_reply({integer_reply(0), nil_reply(), nil_reply(), nil_reply()});
    Reply shares = array_reply({});
    for (const auto& [consumer, count] : summary.consumers) {
        shares.elements.push_back(
            array_reply({string_reply(consumer), string_reply(std::to_string(count))}));
    }
    return array_reply({count_reply(summary.count), id_reply(summary.least),
                        id_reply(summary.greatest), std::move(shares)});
}

Reply pending_reply(const std::vector<PendingEntry>& entries) {
    Reply rows = array_reply({});
    for (const PendingEntry& entry : entries) {
        rows.elements.push_back(
            array_reply({id_reply(entry.id), string_reply(entry.consumer),
                         hours_reply(entry.idle.count()), count_reply(entry.deliveries)}));
    }
    return rows;
}

Reply consumers_reply(const std::vector<ConsumerInfo>& infos, bool tell_inactive) {
    Reply rows = array_reply({});
    for (const ConsumerInfo& info : infos) {
        Reply row = array_reply(
            {string_reply(info.name), count_reply(info.pending), hours_reply(info.idle.count())});
        if (tell_inactive)
            row.elements.push_back(info.inactive ? hours_reply(info.inactive->count())
                                                 : integer_reply(-1));
        rows.elements.push_back(std::move(row));
    }
    return rows;
}

// ------------------------------------------------------------------ replies made comparable

Reply field(const Reply& map, std::string_view name) {
    for (std::size_t at = 0; at + 1 < map.elements.size(); at += 2)
        if (map.elements[at].text == name) return map.elements[at + 1];
    return error_reply("no field " + std::string{name});
}

// An error stays one.
template <typename Convert>
Reply each(const Reply& reply, Convert convert) {
    Reply converted = reply;
    for (Reply& element : converted.elements) element = convert(element);
    return converted;
}

Reply stream_facts(const Reply& reply) {
    return array_reply({field(reply, "length"), field(reply, "last-generated-id"),
                        field(reply, "max-deleted-entry-id"), field(reply, "entries-added"),
                        field(reply, "recorded-first-entry-id"), field(reply, "groups")});
}

Reply group_facts(const Reply& reply) {
    return each(reply, [](const Reply& row) {
        return array_reply({field(row, "name"), field(row, "consumers"), field(row, "pending"),
                            field(row, "last-delivered-id"), field(row, "entries-read"),
                            field(row, "lag")});
    });
}

Reply consumer_facts(const Reply& reply) {
    return each(reply, [](const Reply& row) {
        Reply facts = array_reply(
            {field(row, "name"), field(row, "pending"), hours_reply(field(row, "idle").integer)});
        const Reply inactive = field(row, "inactive");
        if (inactive.kind == Reply::Kind::integer)
            facts.elements.push_back(inactive.integer < 0 ? inactive
                                                          : hours_reply(inactive.integer));
        return facts;
    });
}

Reply pending_rows(const Reply& reply) {
    return each(reply, [](Reply row) {
        row.elements.at(2) = hours_reply(row.elements.at(2).integer);
        return row;
    });
}

Reply how_many(const Reply& reply) {
    return count_reply(reply.elements.size());
}

// ------------------------------------------------------------------ the comparison

// Commands for the server and what is expected of them; sent many at a time.
class Comparison {
public:
    explicit Comparison(std::uint64_t seed) : seed_{seed} {
        while (age_ != newest && !lacks(*reckoning_changes[age_])) ++age_;
    }

    [[nodiscard]] bool lacks(const Change& change) const { return version_ < change.since; }
    [[nodiscard]] std::size_t age() const { return age_; }

    // The next reply is foretold by what was before `change`, not by runnel's result.
    void excuse(const Change& change) { excuses_.add(change.name, "times"); }

    void next_operation(const char* name) {
        if (commands_.size() >= at_a_time) send();
        ++number_;
        operation_ = name;
        note("times");
    }

    // What became of the operation, for the table at the end.
    void note(const char* outcome) { tally_.add(operation_, outcome); }

    using Read = Reply (*)(const Reply&);

    // What changes something is remembered, to be shown should anything differ later on.
    void command(Words words, Reply expected) {
        ask(std::move(words), std::move(expected));
        questions_.back().changes = true;
    }

    // A server without `change` may also say `older`.
    void command(Words words, Reply expected, const Change& change, Reply older) {
        command(std::move(words), std::move(expected));
        if (lacks(change)) questions_.back().older = {&change, std::move(older)};
    }

    // `read` makes the server's reply comparable.
    void ask(Words words, Reply expected, Read read = nullptr) {
        commands_.push_back(std::move(words));
        questions_.push_back({std::move(expected), read, number_});
    }

    void send() {
        std::vector<Reply> replies = server_.pipeline(commands_);
        for (std::size_t at = 0; at != replies.size(); ++at) {
            const Question& question = questions_[at];
            Reply& reply = replies[at];
            if (question.read != nullptr) reply = question.read(reply);
            if (reply != question.expected && !is_excused(question, reply))
                differ(question.number, commands_[at], "Redis", reply, question.expected);
            if (question.changes) remember(std::move(commands_[at]));
        }
        commands_.clear();
        questions_.clear();
    }

    // Of what the server is asked next: what runnel says must be what the newest Redis would.
    void require(const Words& question, const Reply& newest_redis, const Reply& ours) {
        if (newest_redis == ours) return;
        send();
        differ(number_, question, "Redis, the newest", newest_redis, ours);
    }

    void print_figures() const {
        std::cout << tally_ << "foretold by what was before:\n" << excuses_;
    }

private:
    static constexpr std::size_t at_a_time = 500;
    static constexpr std::size_t remembered = 20;

    struct Question {
        Reply expected;
        Read read;
        std::size_t number;
        bool changes = false;
        std::pair<const Change*, Reply> older{};
    };

    bool is_excused(const Question& question, const Reply& reply) {
        const auto& [change, older] = question.older;
        if (change == nullptr || reply != older) return false;
        excuse(*change);
        return true;
    }

    void remember(Words&& words) {
        last_.push_back(std::move(words));
        if (last_.size() > remembered) last_.pop_front();
    }

    // As redis-cli takes it.
    static void print(const Words& words) {
        constexpr auto is_plain = [](char letter) {
            return letter > ' ' && letter < 127 && letter != '"' && letter != '\'';
        };
        for (const std::string& word : words) {
            std::cout << ' ';
            if (!word.empty() && std::ranges::all_of(word, is_plain))
                std::cout << word;
            else
                print_quoted(std::cout, word);
        }
        std::cout << '\n';
    }

    // Not by FAIL(): that breaks lines.
    void differ(std::size_t number, const Words& words, std::string_view who, const Reply& theirs,
                const Reply& ours) const {
        std::cout << "operation " << number << " of seed " << seed_
                  << ", after these, and what was before:\n";
        for (const Words& before : last_) print(before);
        std::cout << "they differ in:\n";
        print(words);
        std::cout << who << ": " << theirs << "\nrunnel: " << ours << '\n';
        FAIL("runnel and Redis differ, see above");
    }

    RedisServer server_;
    const std::array<int, 3> version_ = server_.version();
    const std::uint64_t seed_;
    std::size_t age_ = 0;
    std::size_t number_ = 0;
    const char* operation_ = "";
    std::vector<Words> commands_;
    std::vector<Question> questions_;
    std::deque<Words> last_;
    Tally tally_;
    Tally excuses_;
};

// ------------------------------------------------------------------ a stream of each

// What streams differ in.
struct Profile {
    StreamId first;      // the id that it begins with
    std::size_t target;  // it is about so long
    std::size_t keep;
    std::uint32_t block_entries;
};

Profile any_profile(Random& random) {
    // 10^14 ms lie far ahead of any clock: there XADD * counts on.
    constexpr std::array<StreamId, 6> firsts{{{0, 1},
                                              {1, 0},
                                              {5, 7},
                                              {1'700'000'000'000, 0},
                                              {100'000'000'000'000, 0},
                                              {last_number, last_number - 60}}};
    constexpr std::array<std::size_t, 4> targets{5, 20, 80, 400};
    constexpr std::array<std::size_t, 5> keeps{0, 1, 3, 20, 100};
    constexpr std::array<std::uint32_t, 4> block_entries{4, 5, 16, 64};
    const std::size_t keep = random.one_of(keeps);
    return {random.one_of(firsts), random.one_of(targets),
            random.percent(25) ? keep : std::numeric_limits<std::size_t>::max(),
            random.one_of(block_entries)};
}

class World {
public:
    World(Random& random, Comparison& redis, std::size_t number)
        : random_{random},
          redis_{redis},
          profile_{any_profile(random)},
          key_{"stream-" + std::to_string(number)} {
        // There is no stream of Redis without an entry or a group.
        create_group(0);
    }

    // Returns how many steps that were. A stream without ids to give out is soon known.
    std::size_t run(std::size_t steps) {
        if (profile_.first.ms == last_number) steps = std::min<std::size_t>(steps, 250);
        for (std::size_t step = 0; step != steps; ++step) {
            one_step();
            compare();
            if (step % 64 == 0 || step + 1 == steps) compare_all();
        }
        redis_.command({"DEL", key_}, integer_reply(1));
        return steps;
    }

private:
    struct Group {
        ConsumerGroup<Text> handle;
        std::vector<Consumer<Text>> consumers{};
        std::array<Reckoning::Count, newest + 1> read{};  // by age
    };

    // A batch that is kept, so that its deliveries are acknowledged late.
    struct Batch {
        Deliveries<Text> deliveries;
        std::size_t group;
        Text consumer;
    };

    struct Operation {
        std::size_t weight;
        const char* name;
        void (World::*run)();
    };

    static constexpr std::array group_names{"group", "G", ""};
    static constexpr std::array consumer_names{"ann", "Bob", "", "z\n\xff"};

    // ---------------------------------------------------------------- choices

    std::size_t some_slot() {
        std::vector<std::size_t> slots;
        for (std::size_t slot = 0; slot != groups_.size(); ++slot)
            if (groups_[slot]) slots.push_back(slot);
        return random_.one_of(slots);
    }

    bool has_group() const {
        return std::ranges::any_of(groups_, [](const auto& group) { return group.has_value(); });
    }

    // Mostly one that was given out, mostly lately.
    StreamId some_id() {
        if (ids_.empty() || random_.percent(5)) return {random_.below(9), random_.below(3)};
        const std::size_t window =
            random_.percent(75) ? std::min<std::size_t>(ids_.size(), 30) : ids_.size();
        const StreamId id = ids_[ids_.size() - 1 - random_.below(window)];
        if (random_.percent(90)) return id;
        return (random_.percent(50) ? id.next() : id.previous()).value_or(id);
    }

    // More often than not such as the group has pending.
    std::vector<StreamId> some_ids(std::size_t most, const ConsumerGroup<Text>* group = nullptr) {
        std::vector<StreamId> ids;
        for (std::size_t left = 1 + random_.below(most); left != 0; --left) {
            const StreamId id = some_id();
            const bool is_any = group == nullptr || random_.percent(40);
            const auto rows =
                is_any ? std::vector<PendingEntry>{} : group->pending({.first = id, .count = 1});
            ids.push_back(rows.empty() ? id : rows.front().id);
        }
        if (random_.percent(50)) std::ranges::sort(ids);
        return ids;
    }

    StreamId later_id() {
        const StreamId last = stream_.last_id();
        if (last == StreamId{}) return profile_.first;
        const StreamId next = last.next().value_or(last);
        const bool is_near_the_end =
            last.ms > last_number - (1ULL << 34U) || last.seq > last_number - 10;
        if (is_near_the_end || random_.percent(40)) return next;
        if (random_.percent(2)) return {last.ms, last_number};
        // About as far as the ids of one block may lie apart.
        if (random_.percent(1)) return {last.ms + (1ULL << 32U) - 1 + random_.below(2)};
        if (random_.percent(30)) return {last.ms, last.seq + 1 + random_.below(5)};
        return {last.ms + 1 + random_.below(random_.percent(5) ? 1'000 : 3), random_.below(3)};
    }

    From some_place(Words& words) {
        const StreamId id = random_.percent(30) ? StreamId{} : some_id();
        const bool is_end = random_.percent(20);
        words.push_back(is_end ? "$" : to_string(id));
        return is_end ? From::end : From{id};
    }

    std::optional<std::uint64_t> some_entries_read(Words& words) {
        if (random_.percent(60)) return std::nullopt;
        const std::size_t beyond = random_.percent(20) ? 10 : 1;
        const std::uint64_t number = random_.below(stream_.info().entries_added + beyond);
        words.insert(words.end(), {"ENTRIESREAD", std::to_string(number)});
        return number;
    }

    std::size_t some_count(Words& words, std::size_t most) {
        if (random_.percent(30)) return std::numeric_limits<std::size_t>::max();
        const std::size_t count = 1 + random_.below(most);
        words.insert(words.end(), {"COUNT", std::to_string(count)});
        return count;
    }

    // Far from all idle times there are, which are whole hours.
    milliseconds some_min_idle() {
        constexpr std::array<milliseconds, 6> choices{0ms, 0ms, 0ms, 30min, 90min, -1s};
        return random_.one_of(choices);
    }

    static void add_ids(Words& words, const std::vector<StreamId>& ids) {
        for (const StreamId id : ids) words.push_back(to_string(id));
    }

    // ---------------------------------------------------------------- operations

    void one_step() {
        const bool is_short = stream_.size() < profile_.target;
        if (random_.percent(is_short ? 40 : 15)) {
            redis_.next_operation("XADD");
            return add();
        }
        static constexpr std::array<Operation, 16> operations{{
            {4, "XADD, refused", &World::add_too_late},
            {6, "XDEL", &World::erase},
            {3, "XTRIM", &World::trim},
            {4, "XREAD", &World::read},
            {4, "XREAD, cursor", &World::read_on},
            {2, "XRANGE, one", &World::find},
            {1, "XGROUP CREATE", &World::create_any_group},
            {3, "XGROUP SETID", &World::set_position},
            {1, "XGROUP DESTROY", &World::destroy_group},
            {3, "XGROUP CONSUMER", &World::change_consumer},
            {20, "XREADGROUP >", &World::read_new},
            {8, "XREADGROUP id", &World::read_history},
            {8, "XACK", &World::acknowledge},
            {5, "XACK, fenced", &World::answer},
            {14, "XCLAIM", &World::claim},
            {12, "XAUTOCLAIM", &World::autoclaim},
        }};
        std::size_t dice = random_.below(98);
        for (const Operation& operation : operations) {
            if (dice >= operation.weight) {
                dice -= operation.weight;
                continue;
            }
            redis_.next_operation(operation.name);
            return (this->*operation.run)();
        }
    }

    void add() {
        const StreamId last = stream_.last_id();
        constexpr auto most_ms = static_cast<std::uint64_t>(milliseconds::max().count());
        if (last.ms >= 100'000'000'000'000 && random_.percent(20))
            return add_as("*", [&](Text&& text) { return stream_.add(std::move(text)); });
        if (last.ms <= most_ms - 2 && random_.percent(20)) {
            const StreamId at{std::max(last.ms, profile_.first.ms) + random_.below(3)};
            if (at.ms <= most_ms)
                return add_as(std::to_string(at.ms) + "-*",
                              [&](Text&& text) { return stream_.add(at.time(), std::move(text)); });
        }
        const StreamId id = later_id();
        add_as(to_string(id), [&](Text&& text) { return stream_.add(id, std::move(text)); });
    }

    void add_too_late() {
        const StreamId last = stream_.last_id();
        if (last.ms != 0 && random_.percent(30)) {
            const StreamId at{std::min<std::uint64_t>(last.ms - 1, random_.below(1'000'000))};
            return add_as(std::to_string(at.ms) + "-*",
                          [&](Text&& text) { return stream_.add(at.time(), std::move(text)); });
        }
        StreamId id = std::min(some_id(), last);
        if (id == StreamId{}) id = StreamId::min();
        if (last != StreamId::max() && random_.percent(10)) id = StreamId{};
        add_as(to_string(id), [&](Text&& text) { return stream_.add(id, std::move(text)); });
    }

    template <typename Add>
    void add_as(const std::string& id, Add add) {
        Words words{"XADD", key_};
        if (profile_.keep != std::numeric_limits<std::size_t>::max())
            words.insert(words.end(), {"MAXLEN", "=", std::to_string(profile_.keep)});
        Text text = random_.percent(5) ? Text{} : std::to_string(random_.below(100'000));
        words.insert(words.end(), {id, "v", text});
        Reply reply;
        try {
            ids_.push_back(add(std::move(text)));
            reply = id_reply(ids_.back());
        } catch (const Error& error) {
            reply = refusal(error.code(), id);
            redis_.note("refused");
        }
        if (id.ends_with("-*") && stream_.last_id().seq == last_number)
            return redis_.command(std::move(words), std::move(reply), knows_used_up_ms,
                                  error_reply("ERR Elements are too large to be stored"));
        redis_.command(std::move(words), std::move(reply));
    }

    void erase() {
        const auto ids = some_ids(4);
        Words words{"XDEL", key_};
        add_ids(words, ids);
        redis_.command(std::move(words), count_reply(stream_.erase(ids)));
    }

    // By a count, by an id or by both, which are two commands.
    void trim() {
        const std::size_t size = stream_.size();
        const bool by_count = random_.percent(60);
        const bool by_id = !by_count || random_.percent(20);
        runnel::TrimOptions options;
        if (by_count) options.count = random_.below(size + 3);
        if (by_id) options.before = some_id();
        const std::size_t removed = stream_.trim(options);
        const std::size_t surplus = size - std::min(size, options.count);
        if (by_count)
            redis_.command({"XTRIM", key_, "MAXLEN", "=", std::to_string(options.count)},
                           count_reply(surplus));
        if (by_id)
            redis_.command({"XTRIM", key_, "MINID", "=", to_string(options.before)},
                           count_reply(removed - surplus));
    }

    void read() {
        Words words{"XREAD"};
        const std::size_t count = some_count(words, 70);
        words.insert(words.end(), {"STREAMS", key_});
        const From after = some_place(words);
        redis_.ask(std::move(words), read_reply(key_, stream_.try_read(after, {.count = count})));
    }

    // A cursor may give less than there is, but nothing else, and nothing only if there is nothing.
    void read_on() {
        if (random_.percent(5)) cursor_ = stream_.cursor(some_id());
        const StreamId before = cursor_.position();
        const auto entries = cursor_.try_read({.count = 1 + random_.below(20)});
        const std::size_t count = std::max<std::size_t>(entries.size(), 1);
        redis_.ask({"XREAD", "COUNT", std::to_string(count), "STREAMS", key_, to_string(before)},
                   read_reply(key_, entries));
    }

    void find() {
        const StreamId id = some_id();
        const auto entry = stream_.find(id);
        redis_.ask({"XRANGE", key_, to_string(id), to_string(id)},
                   entry ? array_reply({entry_reply(entry->id(), entry->value())})
                         : array_reply({}));
    }

    // ---------------------------------------------------------------- groups

    void create_any_group() { create_group(random_.below(groups_.size())); }

    void create_group(std::size_t slot) {
        Words words{"XGROUP", "CREATE", key_, group_names[slot]};
        const From from = some_place(words);
        words.emplace_back("MKSTREAM");
        const auto entries_read = some_entries_read(words);
        const bool is_new = !groups_[slot];
        const auto made = stream_.group(group_names[slot], {from, entries_read});
        redis_.command(std::move(words),
                       is_new ? status_reply("OK")
                              : error_reply("BUSYGROUP Consumer Group name already exists"));
        if (!is_new) {
            REQUIRE(made == groups_[slot]->handle);
            return;
        }
        groups_[slot].emplace(Group{made});
        position(*groups_[slot], entries_read);
        // A handle makes its consumer; without it the operations do.
        for (const char* const name : consumer_names) {
            groups_[slot]->consumers.push_back(made.consumer(name));
            redis_.command({"XGROUP", "CREATECONSUMER", key_, made.name(), name}, integer_reply(1));
            if (random_.percent(60)) remove_consumer(slot, name);
        }
    }

    void position(Group& group, std::optional<std::uint64_t> entries_read) {
        const StreamInfo facts = stream_.info();
        for (std::size_t age = 0; age <= newest; ++age)
            group.read[age] = Reckoning{age, facts}.given(entries_read);
    }

    void set_position() {
        if (!has_group()) return create_any_group();
        Group& group = *groups_[some_slot()];
        Words words{"XGROUP", "SETID", key_, group.handle.name()};
        const From from = some_place(words);
        const auto entries_read = some_entries_read(words);
        group.handle.set_position(from, entries_read);
        position(group, entries_read);
        redis_.command(std::move(words), status_reply("OK"));
    }

    void destroy_group() {
        const std::size_t slot = random_.below(groups_.size());
        const bool was_there = stream_.remove_group(group_names[slot]);
        redis_.command({"XGROUP", "DESTROY", key_, group_names[slot]},
                       integer_reply(was_there ? 1 : 0));
        groups_[slot].reset();
        std::erase_if(batches_, [slot](const Batch& batch) { return batch.group == slot; });
    }

    void change_consumer() {
        if (!has_group()) return create_any_group();
        const std::size_t slot = some_slot();
        const Group& group = *groups_[slot];
        const Text name = random_.one_of(consumer_names);
        if (random_.percent(40)) return remove_consumer(slot, name);
        const bool is_new = !knows(group, name);
        (void)group.handle.consumer(name);
        redis_.command({"XGROUP", "CREATECONSUMER", key_, group.handle.name(), name},
                       integer_reply(is_new ? 1 : 0));
    }

    void remove_consumer(std::size_t slot, const Text& name) {
        const auto& group = groups_[slot]->handle;
        redis_.command({"XGROUP", "DELCONSUMER", key_, group.name(), name},
                       count_reply(group.remove_consumer(name)));
    }

    static bool knows(const Group& group, const Text& name) {
        const auto consumers = group.handle.consumers();
        return std::ranges::find(consumers, name, &ConsumerInfo::name) != consumers.end();
    }

    // After an operation that made a consumer and gave it nothing.
    void catch_up(const Group& group, const Text& name) {
        if (!redis_.lacks(makes_idle_consumers)) return;
        redis_.command({"XGROUP", "CREATECONSUMER", key_, group.handle.name(), name},
                       integer_reply(1));
        redis_.excuse(makes_idle_consumers);
    }

    void read_new() {
        if (!has_group()) return create_any_group();
        const std::size_t slot = some_slot();
        Group& group = *groups_[slot];
        const Consumer<Text>& me = random_.one_of(group.consumers);
        const bool was_known = knows(group, me.name());
        const StreamInfo facts = stream_.info();
        StreamId last = group.handle.info().last_delivered;

        Words words{"XREADGROUP", "GROUP", group.handle.name(), me.name()};
        const std::size_t count = some_count(words, 12);
        const bool acknowledged = random_.percent(15);
        if (acknowledged) words.emplace_back("NOACK");
        words.insert(words.end(), {"STREAMS", key_, ">"});
        Deliveries<Text> batch = me.try_read({.count = count, .acknowledged = acknowledged});
        redis_.command(std::move(words), read_reply(key_, batch));

        if (!batch && !was_known) catch_up(group, me.name());
        for (const auto& delivery : batch) {
            for (std::size_t age = 0; age <= newest; ++age)
                group.read[age] =
                    Reckoning{age, facts}.after_reading(group.read[age], last, delivery.id);
            last = delivery.id;
        }
        keep(std::move(batch), slot, me.name(), !acknowledged);
    }

    // The last delivery of an entry, unless it was acknowledged at once, is what is pending of it.
    void keep(Deliveries<Text>&& batch, std::size_t slot, const Text& consumer,
              bool is_pending = true) {
        if (!batch.lost().empty()) redis_.note("lost");
        if (!batch) return redis_.note("nothing");
        const auto& group = groups_[slot]->handle;
        if (is_pending) ask_pending(group, consumer, batch.back(), idle_of(group, batch.back().id));
        batches_.push_back({std::move(batch), slot, consumer});
        if (batches_.size() > 8)
            batches_.erase(batches_.begin() + static_cast<std::ptrdiff_t>(random_.below(8)));
    }

    static milliseconds idle_of(const ConsumerGroup<Text>& group, StreamId id) {
        const auto rows = group.pending({.first = id, .last = id});
        return rows.empty() ? 0ms : rows.front().idle;
    }

    void ask_pending(const ConsumerGroup<Text>& group, const Text& consumer,
                     const Delivery<Text>& delivery, milliseconds idle) {
        const std::string id = to_string(delivery.id);
        redis_.ask({"XPENDING", key_, group.name(), id, id, "1"},
                   pending_reply({{delivery.id, consumer, false, idle, delivery.attempt}}),
                   pending_rows);
    }

    void read_history() {
        if (!has_group()) return create_any_group();
        const std::size_t slot = some_slot();
        const Group& group = *groups_[slot];
        const Consumer<Text>& me = random_.one_of(group.consumers);
        Words words{"XREADGROUP", "GROUP", group.handle.name(), me.name()};
        const std::size_t count = some_count(words, 12);
        const StreamId after = random_.percent(50) ? StreamId{} : some_id();
        if (after == StreamId::max()) return;  // Redis takes it for ">"
        words.insert(words.end(), {"STREAMS", key_, to_string(after)});
        Deliveries<Text> batch = me.history({.after = after, .count = count});
        redis_.command(std::move(words), history_reply(key_, batch));
        keep(std::move(batch), slot, me.name());
    }

    void acknowledge() {
        if (!has_group()) return create_any_group();
        const auto& group = groups_[some_slot()]->handle;
        const auto ids = some_ids(5, &group);
        Words words{"XACK", key_, group.name()};
        add_ids(words, ids);
        redis_.command(std::move(words), count_reply(group.ack(ids)));
    }

    // Acknowledges or extends an entry by its delivery, which may be stale by now. Redis has no
    // such thing; but if it was done, the entry must have been that consumer's by that delivery.
    void answer() {
        if (batches_.empty()) return acknowledge();
        const Batch& batch = random_.one_of(batches_);
        const auto& delivery = batch.deliveries[random_.below(batch.deliveries.size())];
        const auto& group = groups_[batch.group]->handle;
        const std::string id = to_string(delivery.id);
        const milliseconds idle = idle_of(group, delivery.id);
        const bool extends = random_.percent(30) && stream_.find(delivery.id);
        if ((extends ? delivery.extend() : delivery.ack()) == Ack::stale)
            return redis_.note("stale");
        ask_pending(group, batch.consumer, delivery, idle);
        if (extends)
            redis_.command({"XCLAIM", key_, group.name(), batch.consumer, "0", id, "JUSTID"},
                           array_reply({string_reply(id)}));
        else
            redis_.command({"XACK", key_, group.name(), id}, integer_reply(1));
    }

    void claim() {
        if (!has_group()) return create_any_group();
        const std::size_t slot = some_slot();
        const Group& group = *groups_[slot];
        const Consumer<Text>& me = random_.one_of(group.consumers);
        const bool was_known = knows(group, me.name());
        const auto ids = some_ids(6, &group.handle);
        runnel::ClaimOptions options;
        options.min_idle = some_min_idle();
        Words words{"XCLAIM", key_, group.handle.name(), me.name(),
                    std::to_string(options.min_idle.count())};
        add_ids(words, ids);
        choose(options, words);
        Deliveries<Text> batch = me.claim(ids, options);
        redis_.command(std::move(words), options.counts ? entries_reply(batch) : ids_reply(batch));
        if (!batch && !was_known) catch_up(group, me.name());
        keep(std::move(batch), slot, me.name());
    }

    void choose(runnel::ClaimOptions& options, Words& words) {
        const auto say = [&words](const Words& more) {
            words.insert(words.end(), more.begin(), more.end());
        };
        if (random_.percent(50)) {
            options.idle = some_idle();
            const auto now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
            const milliseconds time = now.time_since_epoch() - options.idle;
            random_.percent(50) ? say({"IDLE", std::to_string(options.idle.count())})
                                : say({"TIME", std::to_string(time.count())});
        }
        if (random_.percent(20)) {
            constexpr std::array<std::uint64_t, 4> counts{0, 1, 7, 4'000'000'000'000'000'000};
            options.deliveries = random_.one_of(counts);
            say({"RETRYCOUNT", std::to_string(*options.deliveries)});
        }
        options.force = random_.percent(30);
        options.counts = random_.percent(70);
        if (options.force) say({"FORCE"});
        if (!options.counts) say({"JUSTID"});
        if (random_.percent(10)) {
            options.last_id = some_id();
            say({"LASTID", to_string(options.last_id)});
        }
    }

    // Whole hours; two that lie in the future or before 1970, and are not believed.
    milliseconds some_idle() {
        constexpr std::array<milliseconds, 6> choices{0h, 1h, 2h, 3h, -2h, 24h * 365 * 100};
        return random_.one_of(choices);
    }

    void autoclaim() {
        if (!has_group()) return create_any_group();
        const std::size_t slot = some_slot();
        const Group& group = *groups_[slot];
        const Consumer<Text>& me = random_.one_of(group.consumers);
        const bool was_known = knows(group, me.name());
        runnel::AutoclaimOptions options;
        options.min_idle = some_min_idle();
        if (random_.percent(50)) options.start = some_id();
        Words words{"XAUTOCLAIM",
                    key_,
                    group.handle.name(),
                    me.name(),
                    std::to_string(options.min_idle.count()),
                    to_string(options.start)};
        if (random_.percent(80)) {
            options.count = 1 + random_.below(random_.percent(70) ? 3 : 40);
            words.insert(words.end(), {"COUNT", std::to_string(options.count)});
        }
        options.counts = random_.percent(70);
        if (!options.counts) words.emplace_back("JUSTID");
        Deliveries<Text> batch = me.autoclaim(options);
        redis_.command(std::move(words),
                       array_reply({id_reply(batch.next()),
                                    options.counts ? entries_reply(batch) : ids_reply(batch),
                                    ids_reply(batch.lost())}));
        if (!batch && !was_known) catch_up(group, me.name());
        keep(std::move(batch), slot, me.name());
    }

    // ---------------------------------------------------------------- looking

    void compare() {
        compare_stream();
        compare_groups();
        if (random_.percent(50)) compare_range();
        if (random_.percent(50) && has_group()) compare_group(some_slot());
    }

    void compare_all() {
        redis_.ask({"XRANGE", key_, "-", "+"}, entries_reply(stream_.range()));
        redis_.ask({"XREVRANGE", key_, "+", "-"}, entries_reply(stream_.reverse_range()));
        for (std::size_t slot = 0; slot != groups_.size(); ++slot) {
            if (!groups_[slot]) continue;
            const auto& group = groups_[slot]->handle;
            compare_group(slot);
            redis_.ask({"XPENDING", key_, group.name(), "-", "+", "100000"},
                       pending_reply(group.pending({})), pending_rows);
        }
    }

    void compare_stream() {
        redis_.ask({"XINFO", "STREAM", key_}, stream_reply(stream_.info()), stream_facts);
        redis_.ask({"XLEN", key_}, count_reply(stream_.size()));
    }

    void compare_range() {
        const StreamId from = random_.percent(20) ? StreamId{} : some_id();
        const StreamId to = random_.percent(20) ? StreamId::max() : some_id();
        const bool is_open_below = random_.percent(25);
        const bool is_open_above = random_.percent(25);
        const bool is_reverse = random_.percent(50);
        std::string low = (is_open_below ? "(" : "") + to_string(from);
        std::string high = (is_open_above ? "(" : "") + to_string(to);
        const bool is_low_wrong = is_open_below && from == StreamId::max();
        const bool is_high_wrong = is_open_above && to == StreamId{};

        Words words{is_reverse ? "XREVRANGE" : "XRANGE", key_, is_reverse ? high : low,
                    is_reverse ? low : high};
        runnel::RangeOptions options;
        options.from = is_open_below ? Bound::exclusive(from) : Bound{from};
        options.to = is_open_above ? Bound::exclusive(to) : Bound{to};
        options.count = some_count(words, 70);
        Reply reply =
            entries_reply(is_reverse ? stream_.reverse_range(options) : stream_.range(options));
        if ((is_low_wrong || is_high_wrong) && reply == array_reply({}))
            reply = error_reply(is_low_wrong ? "ERR invalid start ID for the interval"
                                             : "ERR invalid end ID for the interval");
        redis_.ask(std::move(words), std::move(reply));
    }

    // What runnel says must be what the newest rules say, and what the server says what those of
    // its age do. Where they are not the same, the changes between them are why.
    void compare_groups() {
        const Words question{"XINFO", "GROUPS", key_};
        const StreamInfo facts = stream_.info();
        Reply rows = array_reply({});
        for (const std::string& name : stream_.groups()) {
            const auto slot = std::ranges::find(group_names, name) - group_names.begin();
            const Group& group = *groups_.at(static_cast<std::size_t>(slot));
            const GroupInfo info = group.handle.info();
            const auto reckon = [&](std::size_t age) {
                GroupInfo of = info;
                of.entries_read = group.read[age];
                of.lag = Reckoning{age, facts}.lag(of.entries_read, of.last_delivered);
                return of;
            };
            GroupInfo foretold = reckon(newest);
            if (is_negative(foretold.lag)) {
                foretold.lag = 0;
                redis_.excuse(has_no_negative_lag);
            }
            redis_.require(question, group_reply(foretold), group_reply(info));
            for (std::size_t age = redis_.age(); age != newest; ++age)
                if (group_reply(reckon(age)) != group_reply(reckon(age + 1)))
                    redis_.excuse(*reckoning_changes[age]);
            rows.elements.push_back(group_reply(reckon(redis_.age())));
        }
        redis_.ask(question, std::move(rows), group_facts);
    }

    static bool is_negative(Reckoning::Count lag) {
        return lag && static_cast<std::int64_t>(*lag) < 0;
    }

    void compare_group(std::size_t slot) {
        const auto& group = groups_[slot]->handle;
        const GroupInfo info = group.info();
        redis_.ask({"XPENDING", key_, group.name()}, summary_reply(group.pending()));
        compare_pending(group);
        const bool tells = !redis_.lacks(tells_inactive);
        redis_.ask({"XINFO", "CONSUMERS", key_, group.name()},
                   consumers_reply(group.consumers(), tells), consumer_facts);
        if (!tells) redis_.excuse(tells_inactive);
        if (info.last_delivered != StreamId::max())
            redis_.ask({"XRANGE", key_, "(" + to_string(info.last_delivered), "+"},
                       count_reply(group.lag()), how_many);
    }

    void compare_pending(const ConsumerGroup<Text>& group) {
        const Text consumer = random_.one_of(consumer_names);
        runnel::PendingOptions options;
        Words words{"XPENDING", key_, group.name()};
        if (random_.percent(40)) {
            options.min_idle = some_min_idle();
            words.insert(words.end(), {"IDLE", std::to_string(options.min_idle.count())});
        }
        if (random_.percent(60)) options.first = some_id();
        if (random_.percent(30)) options.last = some_id();
        options.count = 1 + random_.below(20);
        words.insert(words.end(), {to_string(options.first), to_string(options.last),
                                   std::to_string(options.count)});
        if (random_.percent(40)) {
            options.consumer = consumer;
            words.push_back(consumer);
        }
        redis_.ask(std::move(words), pending_reply(group.pending(options)), pending_rows);
    }

    Random& random_;
    Comparison& redis_;
    const Profile profile_;
    const std::string key_;
    ManualClock clock_;
    Stream<Text> stream_{{.keep = {.count = profile_.keep},
                          .block_entries = profile_.block_entries,
                          .clock = &clock_}};
    Cursor<Text> cursor_ = stream_.cursor();
    std::array<std::optional<Group>, group_names.size()> groups_;
    std::vector<StreamId> ids_;  // all that were given out
    std::vector<Batch> batches_;
};

}  // namespace

TEST_CASE("streams and groups do what a real Redis does", "[stream][redis]") {
    const std::uint64_t seed = seed_for("streams and groups against Redis");
    Random random{seed};
    Comparison redis{seed};
    std::size_t left = scaled(54'000, 3'000);
    for (std::size_t number = 1; left != 0; ++number) {
        const std::size_t steps = std::min(left, 100 + random.below(1'400));
        left -= World{random, redis, number}.run(steps);
    }
    redis.send();
    redis.print_figures();
    SUCCEED();
}
