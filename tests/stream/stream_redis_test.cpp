// SPDX-License-Identifier: MIT
// The rules of streams and groups against a real Redis: the same random operations on both, and
// the same answers.
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/error.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/redis_comparison.hpp"
#include "support/redis_server.hpp"
#include "support/scale.hpp"
#include "support/stream_reckoning.hpp"
#include "support/stream_replies.hpp"
#include "support/stress_random.hpp"

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

// In milliseconds, as Redis has it.
std::string to_text(runnel::Duration duration) {
    return std::to_string(
        std::chrono::duration_cast<std::chrono::milliseconds>(duration.nanoseconds()).count());
}

constexpr std::uint64_t last_number = std::numeric_limits<std::uint64_t>::max();

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
        constexpr std::array<milliseconds, 5> choices{0ms, 0ms, 0ms, 30min, 90min};
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
        runnel::ClaimOptions options{.min_idle = some_min_idle()};
        Words words{"XCLAIM", key_, group.handle.name(), me.name(), to_text(options.min_idle)};
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
            const auto time = std::chrono::floor<milliseconds>(now.time_since_epoch() -
                                                               options.idle.nanoseconds());
            random_.percent(50) ? say({"IDLE", to_text(options.idle)})
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

    // Whole hours; one that lies in the future, and is not believed.
    milliseconds some_idle() {
        constexpr std::array<milliseconds, 5> choices{0h, 1h, 2h, 3h, -2h};
        return random_.one_of(choices);
    }

    void autoclaim() {
        if (!has_group()) return create_any_group();
        const std::size_t slot = some_slot();
        const Group& group = *groups_[slot];
        const Consumer<Text>& me = random_.one_of(group.consumers);
        const bool was_known = knows(group, me.name());
        runnel::AutoclaimOptions options{.min_idle = some_min_idle()};
        if (random_.percent(50)) options.start = some_id();
        Words words{"XAUTOCLAIM",
                    key_,
                    group.handle.name(),
                    me.name(),
                    to_text(options.min_idle),
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
            words.insert(words.end(), {"IDLE", to_text(options.min_idle)});
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
    std::size_t left = scaled(36'000, 3'000);
    for (std::size_t number = 1; left != 0; ++number) {
        const std::size_t steps = std::min(left, 100 + random.below(1'400));
        left -= World{random, redis, number}.run(steps);
    }
    redis.send();
    redis.print_figures();
    SUCCEED();
}
