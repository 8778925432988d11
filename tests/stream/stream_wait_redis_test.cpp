// SPDX-License-Identifier: MIT
// Streams and groups against a real Redis, while several clients wait and while the clock follows
// that of the server: the same entries to the same clients, ids by the clock, and idle times to the
// millisecond.
#include <runnel/broker.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/stream.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/redis_changes.hpp"
#include "support/redis_clients.hpp"
#include "support/redis_server.hpp"
#include "support/redis_transcript.hpp"
#include "support/scale.hpp"
#include "support/stream_replies.hpp"
#include "support/stress_random.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace runnel::test;
using runnel::Broker;
using runnel::Clock;
using runnel::Consumer;
using runnel::ConsumerGroup;
using runnel::Cursor;
using runnel::Deliveries;
using runnel::Ending;
using runnel::From;
using runnel::ManualClock;
using runnel::PendingEntry;
using runnel::Stream;
using runnel::StreamId;

namespace {

using Millis = std::int64_t;  // since 1970

constexpr std::size_t most_clients = 7;
constexpr Millis nothing = -1;

// ------------------------------------------------------------------ what all worlds share

using Client = IdentifiedClient;

struct Redis : SharedRedis<Client> {
    explicit Redis(std::uint64_t seed) : SharedRedis{most_clients, seed, std::size_t{1'000}} {}
};

// The clock of the server has ticked in the midst of a command: which of two milliseconds that
// command has seen cannot be told.
struct Tick {};

Millis time_of(const Reply& reply) {
    return std::stoll(reply.elements.at(0).text) * 1'000 +
           std::stoll(reply.elements.at(1).text) / 1'000;
}

Reply waits() {
    return status_reply("(waits)");
}

Reply gone() {
    return status_reply("(gone)");
}

Reply closed() {
    return status_reply("(closed)");
}

Reply ending_reply(Ending ending) {
    return ending == Ending::gone ? gone() : ending == Ending::closed ? closed() : nil_reply();
}

// ------------------------------------------------------------------ a stream of each

class World {
public:
    World(Random& random, Redis& redis)
        : random_{random},
          redis_{redis},
          clock_{Clock::WallTime{milliseconds{time_of(redis.server.command({"TIME"}))}}},
          keep_{random.percent(30) ? 1 + random.below(30) : all},
          stream_{broker_.stream<Text>(key, {.keep = {.count = keep_}, .block_entries = 4})} {
        redis_.transcript.forget();
        REQUIRE(redis_.server.command({"FLUSHALL"}) == status_reply("OK"));
    }

    // Returns how many steps that were: fewer if the server's clock has ticked too soon.
    std::size_t run(std::size_t steps) {
        std::size_t step = 0;
        try {
            create_group(0);
            for (; step != steps; ++step) {
                redis_.transcript.next_operation();
                one_step();
                catch_up();
                compare_state();
            }
            remove_all();
        } catch (const Tick&) {
            redis_.tally.add("the clock ticked", "times");
        }
        end_waits();
        return step + 1;
    }

private:
    static constexpr std::size_t all = std::numeric_limits<std::size_t>::max();
    static constexpr const char* key = "s";
    static constexpr std::array group_names{"", "g", "h"};
    static constexpr std::array consumer_names{"ann", "bob", "eve"};

    // Of a consumer, by the newest rules; and when a Redis before 7.2 has seen it.
    struct Member {
        Millis seen;
        Millis active = nothing;
        Millis older = nothing;  // nothing: such a Redis does not know it
    };

    struct Group {
        ConsumerGroup<Text> handle;
        std::map<Text, Member> members{};
    };

    struct Wait {
        Words words;
        Call<Reply> call;
        std::optional<std::size_t> group{};
        Text consumer{};
        bool acknowledged = false;
        StreamId after{};  // of no group
    };

    struct Operation {
        std::size_t weight;
        const char* name;
        void (World::*run)();
    };

    // ---------------------------------------------------------------- choices

    std::optional<std::size_t> some_slot() {
        std::vector<std::size_t> slots;
        for (std::size_t slot = 0; slot != groups_.size(); ++slot)
            if (groups_[slot]) slots.push_back(slot);
        if (slots.empty()) return std::nullopt;
        return random_.one_of(slots);
    }

    // Mostly one that was given out lately.
    StreamId some_id() {
        if (ids_.empty() || random_.percent(5)) return {random_.below(9), random_.below(3)};
        return ids_[ids_.size() - 1 - random_.below(std::min<std::size_t>(ids_.size(), 15))];
    }

    // More often than not such as the group has pending.
    std::vector<StreamId> some_ids(const ConsumerGroup<Text>& group) {
        std::vector<StreamId> ids;
        for (std::size_t left = 1 + random_.below(4); left != 0; --left) {
            const StreamId id = some_id();
            const auto rows = group.pending({.first = id, .count = 1});
            ids.push_back(rows.empty() || random_.percent(20) ? id : rows.front().id);
        }
        return ids;
    }

    From some_place(Words& words) {
        const StreamId id = random_.percent(20) ? StreamId{} : some_id();
        const bool is_end = random_.percent(40);
        words.push_back(is_end ? "$" : to_string(id));
        return is_end ? From::end : From{id};
    }

    std::size_t some_count(Words& words, std::size_t most) {
        if (random_.percent(40)) return all;
        const std::size_t count = 1 + random_.below(most);
        words.insert(words.end(), {"COUNT", std::to_string(count)});
        return count;
    }

    // About what some pending entry has, to the millisecond, or any.
    milliseconds some_min_idle(const ConsumerGroup<Text>& group) {
        constexpr std::array<milliseconds, 6> any{0ms, 0ms, 1ms, 3ms, 10ms, 1h};
        const auto rows = group.pending({.first = some_id(), .count = 1});
        if (rows.empty() || random_.percent(30)) return random_.one_of(any);
        return std::max(0ms, rows.front().idle + milliseconds{random_.between(-1, 2)});
    }

    static void add_ids(Words& words, const std::vector<StreamId>& ids) {
        for (const StreamId id : ids) words.push_back(to_string(id));
    }

    // ---------------------------------------------------------------- operations

    void one_step() {
        static constexpr std::array<Operation, 17> operations{{
            {20, "XADD *", &World::add},
            {5, "XADD ms-*", &World::add_within},
            {8, "XREAD BLOCK", &World::wait_for_entries},
            {6, "XREAD BLOCK, cursor", &World::wait_with_cursor},
            {26, "XREADGROUP BLOCK", &World::wait_in_group},
            {2, "XGROUP DESTROY", &World::destroy_group},
            {3, "XGROUP CREATE", &World::create_any_group},
            {6, "XGROUP SETID", &World::set_position},
            {4, "XGROUP DELCONSUMER", &World::remove_consumer},
            {6, "XACK", &World::acknowledge},
            {9, "XCLAIM", &World::claim},
            {6, "XAUTOCLAIM", &World::autoclaim},
            {4, "XREADGROUP id", &World::read_history},
            {3, "XDEL", &World::erase},
            {2, "XTRIM", &World::trim},
            {3, "CLIENT UNBLOCK", &World::give_up},
            {1, "CLIENT KILL", &World::leave},
        }};
        std::size_t dice = random_.below(114);
        for (const Operation& operation : operations) {
            if (dice >= operation.weight) {
                dice -= operation.weight;
                continue;
            }
            begin(operation.name);
            return (this->*operation.run)();
        }
    }

    void begin(const char* operation) {
        operation_ = operation;
        redis_.tally.add(operation, "times");
    }

    // Where the drawn operation cannot be: nobody waits, or all do.
    void do_another_thing() {
        begin("another thing, XADD *");
        add();
    }

    void add() {
        add_as("*", [&](Text&& text) { return stream_.add(std::move(text)); });
    }

    // In the millisecond of the last one.
    void add_within() {
        if (ids_.empty()) return do_another_thing();
        const StreamId at{stream_.last_id().ms};
        add_as(std::to_string(at.ms) + "-*",
               [&](Text&& text) { return stream_.add(at.time(), std::move(text)); });
    }

    template <typename Add>
    void add_as(const Text& id, Add add) {
        Text text = std::to_string(random_.below(1'000));
        Words words{"XADD", key};
        if (keep_ != all) words.insert(words.end(), {"MAXLEN", "=", std::to_string(keep_)});
        words.insert(words.end(), {id, "v", text});
        const Reply theirs = timed(words);
        ids_.push_back(add(std::move(text)));
        compare(words, theirs, id_reply(ids_.back()));
        signal();
        compare_waits();
    }

    void erase() {
        const std::vector<StreamId> ids{some_id(), some_id()};
        Words words{"XDEL", key};
        add_ids(words, ids);
        const Reply theirs = timed(words);
        compare(words, theirs, count_reply(stream_.erase(ids)));
        compare_waits();
    }

    void trim() {
        const std::size_t count = random_.below(stream_.size() + 2);
        const Words words{"XTRIM", key, "MAXLEN", "=", std::to_string(count)};
        const Reply theirs = timed(words);
        compare(words, theirs, count_reply(stream_.trim({.count = count})));
        compare_waits();
    }

    // ---------------------------------------------------------------- groups

    void do_without_group() {
        begin("no group, XGROUP CREATE");
        create_any_group();
    }

    void create_any_group() { create_group(random_.below(groups_.size())); }

    void create_group(std::size_t slot) {
        Words words{"XGROUP", "CREATE", key, group_names[slot]};
        const From from = some_place(words);
        words.emplace_back("MKSTREAM");
        const Reply theirs = timed(words);
        const auto made = stream_.group(group_names[slot], {.from = from});
        compare(words, theirs,
                groups_[slot] ? error_reply("BUSYGROUP Consumer Group name already exists")
                              : status_reply("OK"));
        if (!groups_[slot]) groups_[slot].emplace(Group{made});
        compare_waits();
    }

    void set_position() {
        const auto slot = some_slot();
        if (!slot) return do_without_group();
        const auto& group = groups_[*slot]->handle;
        Words words{"XGROUP", "SETID", key, group.name()};
        const From from = some_place(words);
        compare(words, timed(words), status_reply("OK"));
        group.set_position(from);
        compare_waits();
    }

    // What waits in another group is run again, as the stream was signalled.
    void destroy_group() {
        const std::size_t slot = random_.below(groups_.size());
        const Words words{"XGROUP", "DESTROY", key, group_names[slot]};
        const Reply theirs = timed(words);
        const bool was_there = stream_.remove_group(group_names[slot]);
        compare(words, theirs, integer_reply(was_there ? 1 : 0));
        groups_[slot].reset();
        if (was_there) signal();
        compare_waits(was_there);
    }

    void remove_consumer() {
        const auto slot = some_slot();
        if (!slot) return do_without_group();
        const Text name = random_.one_of(consumer_names);
        Group& group = *groups_[*slot];
        const Words words{"XGROUP", "DELCONSUMER", key, group.handle.name(), name};
        const Reply theirs = timed(words);
        compare(words, theirs, count_reply(group.handle.remove_consumer(name)));
        if (group.members.erase(name) != 0 && waits_as(*slot, name))
            redis_.tally.add(operation_, "who waits");
        compare_waits();
    }

    bool waits_as(std::size_t slot, const Text& name) const {
        return std::ranges::any_of(waits_, [&](const auto& wait) {
            return wait && wait->group == slot && wait->consumer == name;
        });
    }

    // That consumer; made if there is none, so that the server knows it, too.
    Consumer<Text> some_consumer(std::size_t slot) {
        Group& group = *groups_[slot];
        const Text name = random_.one_of(consumer_names);
        if (!group.members.contains(name)) {
            const Words words{"XGROUP", "CREATECONSUMER", key, group.handle.name(), name};
            compare(words, timed(words), integer_reply(1));
            group.members.insert({name, {.seen = now(), .older = now()}});
        }
        return group.handle.consumer(name);
    }

    void acknowledge() {
        const auto slot = some_slot();
        if (!slot) return do_without_group();
        const auto& group = groups_[*slot]->handle;
        const auto ids = some_ids(group);
        Words words{"XACK", key, group.name()};
        add_ids(words, ids);
        const Reply theirs = timed(words);
        compare(words, theirs, count_reply(group.ack(ids)));
        compare_waits();
    }

    void claim() {
        const auto slot = some_slot();
        if (!slot) return do_without_group();
        const auto me = some_consumer(*slot);
        const auto& group = groups_[*slot]->handle;
        const auto ids = some_ids(group);
        const milliseconds min_idle = some_min_idle(group);
        const milliseconds idle{random_.percent(60) ? 0 : random_.below(20)};
        Words words{"XCLAIM", key, group.name(), me.name(), std::to_string(min_idle.count())};
        add_ids(words, ids);
        words.insert(words.end(), {"IDLE", std::to_string(idle.count())});
        const Reply theirs = timed(words);
        const auto batch = me.claim(ids, {.min_idle = min_idle, .idle = idle});
        compare(words, theirs, entries_reply(batch));
        note_claim(*slot, me.name(), batch);
        note_boundary(batch, min_idle);
        compare_waits();
    }

    void autoclaim() {
        const auto slot = some_slot();
        if (!slot) return do_without_group();
        const auto me = some_consumer(*slot);
        const auto& group = groups_[*slot]->handle;
        const milliseconds min_idle = some_min_idle(group);
        const StreamId start = random_.percent(50) ? StreamId{} : some_id();
        const std::size_t count = 1 + random_.below(4);
        const Words words{"XAUTOCLAIM",
                          key,
                          group.name(),
                          me.name(),
                          std::to_string(min_idle.count()),
                          to_string(start),
                          "COUNT",
                          std::to_string(count)};
        const Reply theirs = timed(words);
        const auto batch = me.autoclaim({.min_idle = min_idle, .start = start, .count = count});
        compare(
            words, theirs,
            array_reply({id_reply(batch.next()), entries_reply(batch), ids_reply(batch.lost())}));
        note_claim(*slot, me.name(), batch);
        note_boundary(batch, min_idle);
        compare_waits();
    }

    void note_claim(std::size_t slot, const Text& name, const Deliveries<Text>& batch) {
        Member& member = groups_[slot]->members.at(name);
        member.seen = now();
        if (!batch) return;
        member.active = member.older = now();
        redis_.tally.add(operation_, "taken");
    }

    void note_boundary(const Deliveries<Text>& batch, milliseconds min_idle) {
        if (batch && min_idle > 0ms && min_idle < 1h) redis_.tally.add(operation_, "by idle time");
    }

    void read_history() {
        const auto slot = some_slot();
        if (!slot) return do_without_group();
        const auto me = some_consumer(*slot);
        const StreamId after = random_.percent(50) ? StreamId{} : some_id();
        Words words{"XREADGROUP", "GROUP", groups_[*slot]->handle.name(), me.name()};
        const std::size_t count = some_count(words, 5);
        words.insert(words.end(), {"STREAMS", key, to_string(after)});
        const Reply theirs = timed(words);
        const auto batch = me.history({.after = after, .count = count});
        compare(words, theirs, history_reply(key, batch));
        Member& member = groups_[*slot]->members.at(me.name());
        member.seen = member.older = now();
        compare_waits();
    }

    // ---------------------------------------------------------------- waiting

    std::optional<std::size_t> some_client(bool that_waits) {
        std::vector<std::size_t> clients;
        for (std::size_t client = 0; client != most_clients; ++client)
            if (waits_[client].has_value() == that_waits) clients.push_back(client);
        if (clients.empty()) return std::nullopt;
        return random_.one_of(clients);
    }

    void wait_for_entries() {
        const auto client = some_client(false);
        if (!client) return do_another_thing();
        Words words{"XREAD", "BLOCK", "0"};
        const std::size_t count = some_count(words, 5);
        words.insert(words.end(), {"STREAMS", key});
        const From after = some_place(words);
        const StreamId position = after.id().value_or(stream_.last_id());
        begin_wait(*client, {.words = words, .after = position},
                   [this, after, count](const std::stop_token& stop) {
                       return reply_of(stream_.read(after, {.count = count, .stop = stop}));
                   });
    }

    // A cursor may give less than there is, but never nothing, so one at a time.
    void wait_with_cursor() {
        const auto client = some_client(false);
        if (!client) return do_another_thing();
        std::optional<Cursor<Text>>& cursor = cursors_[*client];
        if (!cursor || random_.percent(5)) cursor.emplace(stream_.cursor(some_id()));
        const StreamId position = cursor->position();
        const Words words{"XREAD", "BLOCK", "0", "COUNT", "1", "STREAMS", key, to_string(position)};
        begin_wait(*client, {.words = words, .after = position},
                   [&cursor](const std::stop_token& stop) {
                       return reply_of(cursor->read({.count = 1, .stop = stop}));
                   });
    }

    void wait_in_group() {
        const auto client = some_client(false);
        const auto slot = some_slot();
        if (!client) return do_another_thing();
        if (!slot) return do_without_group();
        const auto me = some_consumer(*slot);
        Words words{"XREADGROUP", "GROUP", groups_[*slot]->handle.name(), me.name(), "BLOCK", "0"};
        const std::size_t count = some_count(words, 3);
        const bool acknowledged = random_.percent(15);
        if (acknowledged) words.emplace_back("NOACK");
        words.insert(words.end(), {"STREAMS", key, ">"});
        begin_wait(
            *client,
            {.words = words, .group = slot, .consumer = me.name(), .acknowledged = acknowledged},
            [me, count, acknowledged](const std::stop_token& stop) {
                return reply_of(
                    me.read({.count = count, .stop = stop, .acknowledged = acknowledged}));
            });
    }

    // All of a Wait but its call.
    struct Asked {
        Words words;
        std::optional<std::size_t> group{};
        Text consumer{};
        bool acknowledged = false;
        StreamId after{};
    };

    template <typename Function>
    void begin_wait(std::size_t client, Asked asked, Function function) {
        redis_.transcript.remember(asked.words, client_name(client));
        const Millis before = time_of(redis_.server.command({"TIME"}));
        redis_.clients[client].connection.send(asked.words);
        redis_.server.settle();
        const Millis after = time_of(redis_.server.command({"TIME"}));
        const Reply theirs = reply_of_redis(client);
        // Before 7.2, who only waits leaves no trace, and so no time.
        const bool has_time = asked.group && (theirs != waits() || !lacks_idle_consumers());
        if (before != after && has_time) throw Tick{};
        follow(after);
        if (asked.group) groups_[*asked.group]->members.at(asked.consumer).seen = now();
        waits_[client].emplace(Wait{std::move(asked.words),
                                    {clock_, std::move(function)},
                                    asked.group,
                                    std::move(asked.consumer),
                                    asked.acknowledged,
                                    asked.after});
        const Reply ours = reply_of_runnel(client);
        redis_.tally.add(operation_, ours == waits() ? "waits" : "at once");
        compare(waits_[client]->words, theirs, ours);
        if (ours != waits()) end_wait(client, ours);
        compare_waits();
    }

    void give_up() {
        const auto client = some_client(true);
        if (!client) return do_another_thing();
        const Words words{"CLIENT", "UNBLOCK", redis_.clients[*client].id};
        compare(words, at_any_time(words), integer_reply(1));
        waits_[*client]->call.stop();
        compare(words, reply_of_redis(*client), reply_of_runnel(*client));
        waits_[*client].reset();
        compare_waits();
    }

    // A client that goes while it waits takes nothing with it.
    void leave() {
        const auto client = some_client(true);
        if (!client) return do_another_thing();
        const Words words{"CLIENT", "KILL", "ID", redis_.clients[*client].id};
        compare(words, at_any_time(words), integer_reply(1));
        redis_.clients[*client] = Client{redis_.server};
        waits_[*client]->call.stop();
        compare(words, nil_reply(), reply_of_runnel(*client));
        waits_[*client].reset();
        compare_waits();
    }

    // Everything that signals the stream runs the commands of those who wait in groups again: they
    // ask once more, and make their consumer anew.
    void signal() {
        for (const auto& wait : waits_) {
            if (!wait || !wait->group || !groups_[*wait->group]) continue;
            auto& members = groups_[*wait->group]->members;
            members.insert({wait->consumer, {.seen = now()}}).first->second.seen = now();
        }
    }

    // A Redis before 7.2 does not know consumers yet that wait and were removed meanwhile.
    void catch_up() {
        if (!lacks_idle_consumers()) return;
        for (auto& group : groups_) {
            if (!group) continue;
            for (auto& [name, member] : group->members) {
                if (member.older != nothing) continue;
                const Words words{"XGROUP", "CREATECONSUMER", key, group->handle.name(), name};
                compare(words, timed(words), integer_reply(1));
                member.older = now();
                redis_.differences.excuse(runs_waiting_reads_again);
            }
        }
    }

    [[nodiscard]] bool lacks_idle_consumers() const {
        return redis_.differences.lacks(makes_idle_consumers);
    }

    // ---------------------------------------------------------------- time

    [[nodiscard]] Millis now() const {
        return std::chrono::floor<milliseconds>(clock_.wall().time_since_epoch()).count();
    }

    void follow(Millis server) {
        if (server < now()) throw Tick{};  // it was set back
        clock_.advance(milliseconds{server - now()});
    }

    // The reply to a command for which the server's time is known: then the clock shows it.
    Reply timed(const Words& words) {
        redis_.transcript.remember(words);
        auto replies = redis_.server.pipeline({{"TIME"}, words, {"TIME"}});
        if (time_of(replies[0]) != time_of(replies[2])) throw Tick{};
        redis_.server.settle();
        follow(time_of(replies[0]));
        return std::move(replies[1]);
    }

    // The reply to a command that no time matters to.
    Reply at_any_time(const Words& words) {
        redis_.transcript.remember(words);
        Reply reply = redis_.server.command(words);
        redis_.server.settle();
        return reply;
    }

    // ---------------------------------------------------------------- comparing

    static Text client_name(std::size_t client) { return "client " + std::to_string(client) + ":"; }

    template <typename Batch>
    static Reply reply_of(const Batch& batch) {
        return batch ? read_reply(key, batch) : ending_reply(batch.ending());
    }

    // A group that is gone is told in several ways.
    Reply reply_of_redis(std::size_t client) {
        Reply reply = redis_.clients[client].connection.arrived().value_or(waits());
        return reply.kind == Reply::Kind::error && reply.text.starts_with("NOGROUP") ? gone()
                                                                                     : reply;
    }

    Reply reply_of_runnel(std::size_t client) {
        Call<Reply>& call = waits_[client]->call;
        return call.waits() ? waits() : call.result();
    }

    void compare(const Words& words, const Reply& theirs, const Reply& ours) {
        if (theirs != ours) redis_.transcript.differ(words, "Redis", theirs, ours);
    }

    // Who is served by the last operation and with what, and who waits on.
    void compare_waits(bool may_serve_with_nothing = false) {
        std::size_t count = 0;
        for (std::size_t client = 0; client != most_clients; ++client) {
            if (!waits_[client]) continue;
            const Reply theirs = reply_of_redis(client);
            const Reply ours = reply_of_runnel(client);
            if (may_serve_with_nothing && is_served_with_nothing(client, theirs, ours)) continue;
            compare(waits_[client]->words, theirs, ours);
            if (ours == waits()) continue;
            end_wait(client, ours);
            ++count;
        }
        if (count != 0) redis_.tally.add(operation_, "serves", count);
        if (count > 1) redis_.tally.add(operation_, "serves several");
    }

    // Before 7.2 who waits for entries that were erased meanwhile gets an empty list of them.
    bool is_served_with_nothing(std::size_t client, const Reply& theirs, const Reply& ours) {
        const Wait& wait = *waits_[client];
        const Reply none = array_reply({array_reply({string_reply(key), array_reply({})})});
        if (ours != waits() || theirs != none) return false;
        const StreamId after =
            wait.group ? groups_[*wait.group]->handle.info().last_delivered : wait.after;
        const bool is_behind = after < stream_.last_id();
        if (!redis_.differences.excuses(waits_for_what_is_there, is_behind)) return false;
        if (wait.group) groups_[*wait.group]->members.at(wait.consumer).older = now();
        waits_[client].reset();
        return true;
    }

    void end_wait(std::size_t client, const Reply& reply) {
        const Wait& wait = *waits_[client];
        if (wait.group && reply.kind == Reply::Kind::array) {
            Member& member = groups_[*wait.group]->members.at(wait.consumer);
            member.older = now();
            if (!wait.acknowledged) member.active = now();
        }
        waits_[client].reset();
    }

    // Times are those of the clock, so it does not matter when they are asked for.
    void compare_state() {
        const Words question{"XINFO", "STREAM", key, "FULL", "COUNT", "0"};
        const Reply theirs = redis_.server.command(question);
        Reply facts = stream_facts(theirs);
        facts.elements.back() = how_many(field(theirs, "groups"));
        compare(question, facts, stream_reply(stream_.info()));
        compare(question, field(theirs, "entries"), entries_reply(stream_.range()));
        Reply rows = array_reply({});
        for (const auto& group : groups_) {
            if (!group) continue;
            check_consumers(question, *group);
            rows.elements.push_back(group_row(*group));
        }
        compare(question, each(field(theirs, "groups"), group_facts_of), rows);
        REQUIRE(stream_.info().waiting == static_cast<std::size_t>(std::ranges::count_if(
                                              waits_, [](const auto& wait) { return !!wait; })));
    }

    // What runnel says of its consumers is what the newest Redis would.
    void check_consumers(const Words& question, const Group& group) {
        Reply ours = array_reply({});
        Reply foretold = array_reply({});
        for (const auto& info : group.handle.consumers()) {
            const Millis active = info.inactive ? now() - info.inactive->count() : nothing;
            ours.elements.push_back(
                array_reply({string_reply(info.name), integer_reply(now() - info.idle.count()),
                             integer_reply(active)}));
        }
        for (const auto& [name, member] : group.members)
            foretold.elements.push_back(array_reply(
                {string_reply(name), integer_reply(member.seen), integer_reply(member.active)}));
        if (ours != foretold)
            redis_.transcript.differ(question, "Redis, the newest", foretold, ours);
    }

    Reply group_row(const Group& group) {
        const auto pending = group.handle.pending({});
        Reply consumers = array_reply({});
        for (const auto& [name, member] : group.members) {
            const bool is_old = lacks_idle_consumers();
            if (is_old && member.older != member.seen)
                redis_.differences.excuse(makes_idle_consumers);
            Reply row = array_reply(
                {string_reply(name), integer_reply(is_old ? member.older : member.seen)});
            if (!is_old) row.elements.push_back(integer_reply(member.active));
            row.elements.push_back(pending_rows_of(pending, &name));
            consumers.elements.push_back(std::move(row));
        }
        return array_reply({string_reply(group.handle.name()),
                            id_reply(group.handle.info().last_delivered),
                            pending_rows_of(pending, nullptr), std::move(consumers)});
    }

    // Of one consumer, or of all and by whom.
    Reply pending_rows_of(const std::vector<PendingEntry>& pending, const Text* consumer) const {
        Reply rows = array_reply({});
        for (const PendingEntry& entry : pending) {
            if (consumer != nullptr && entry.consumer != *consumer) continue;
            Reply row = array_reply({id_reply(entry.id)});
            if (consumer == nullptr) row.elements.push_back(string_reply(entry.consumer));
            row.elements.push_back(integer_reply(now() - entry.idle.count()));
            row.elements.push_back(count_reply(entry.deliveries));
            rows.elements.push_back(std::move(row));
        }
        return rows;
    }

    static Reply group_facts_of(const Reply& row) {
        return array_reply({field(row, "name"), field(row, "last-delivered-id"),
                            field(row, "pending"), each(field(row, "consumers"), consumer_of)});
    }

    static Reply consumer_of(const Reply& row) {
        Reply facts = array_reply({field(row, "name"), field(row, "seen-time")});
        const Reply active = field(row, "active-time");
        if (active.kind == Reply::Kind::integer) facts.elements.push_back(active);
        facts.elements.push_back(field(row, "pending"));
        return facts;
    }

    // ---------------------------------------------------------------- the end

    // In Redis the key goes, and who reads for itself waits for the next one of that name. Here the
    // stream ends, and all waits with it; what a group that was set back has left is read before.
    void remove_all() {
        const Words words{"DEL", key};
        begin("DEL, awaited");
        compare(words, timed(words), integer_reply(1));
        std::size_t left = 0;
        for (const auto& group : groups_)
            if (group) left += group->handle.lag();
        REQUIRE(broker_.remove(key));
        for (std::size_t client = 0; client != most_clients; ++client)
            if (waits_[client]) compare_removed(client, left);
    }

    void compare_removed(std::size_t client, std::size_t left) {
        const Wait& wait = *waits_[client];
        const Reply ours = reply_of_runnel(client);
        if (!wait.group || left == 0 || ours.kind != Reply::Kind::array)
            compare(wait.words, closed(), ours);
        const Reply theirs = reply_of_redis(client);
        if (!wait.group) redis_.differences.excuse(removal_ends_waits);
        const Reply expected = wait.group ? gone() : waits();
        if (theirs == expected) return;
        const bool is_older =
            wait.group && theirs == error_reply("UNBLOCKED the stream key no longer exists");
        if (!redis_.differences.excuses(tells_no_group, is_older))
            redis_.transcript.differ(wait.words, "Redis", theirs, expected);
    }

    void end_waits() {
        for (auto& wait : waits_) wait.reset();
        redis_.unblock_all();
    }

    Random& random_;
    Redis& redis_;
    ManualClock clock_;
    Broker broker_{{.clock = &clock_}};
    const std::size_t keep_;
    Stream<Text> stream_;
    std::array<std::optional<Group>, group_names.size()> groups_;
    std::array<std::optional<Cursor<Text>>, most_clients> cursors_;
    std::array<std::optional<Wait>, most_clients> waits_;
    std::vector<StreamId> ids_;  // all that were given out
    const char* operation_ = "";
};

}  // namespace

TEST_CASE("who waits for a stream gets what a real Redis gives, at the same time",
          "[stream][redis]") {
    const std::uint64_t seed = seed_for("waits and times of streams against Redis");
    Random random{seed};
    Redis redis{seed};
    for (std::size_t left = scaled(5'000, 800); left != 0;)
        left -= std::min(left, World{random, redis}.run(20 + random.below(200)));
    std::cout << redis.tally << redis.differences;
    SUCCEED();
}
