// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/macro_nodes.hpp>
#include <runnel/detail/core/pending_entries.hpp>
#include <runnel/detail/core/producers.hpp>
#include <runnel/detail/core/stream_facts.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/group_steps.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/stream_value.hpp>
#include <runnel/redis/stream_words.hpp>
#include <runnel/redis/subcommands.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// XINFO.

// A map that is filled in the order in which it is shown.
class InfoMap {
public:
    explicit InfoMap(const Call& call) noexcept : call_{call} {}

    // Unless the version does not have it.
    void add(std::string_view name, Reply value) {
        if (!call_.has(name)) return;
        words_.push_back(bulk(name));
        words_.push_back(std::move(value));
    }
    void add(std::string_view name, StreamId id) { add(name, reply_of(id)); }
    template <typename Number>
    requires std::is_integral_v<Number>
    void add(std::string_view name, Number number) {
        add(name, Reply::integer(static_cast<std::int64_t>(number)));
    }
    void add(std::string_view name, std::optional<std::uint64_t> number) {
        add(name, number ? reply_count(*number) : Reply::null());
    }

    [[nodiscard]] Reply reply() && { return call_.map(std::move(words_)); }

private:
    const Call& call_;
    std::vector<Reply> words_;
};

// The stream that XINFO asks for. Throws: Refusal.
[[nodiscard]] inline StreamValue& stream_to_show(const Call& call) {
    return call.get<StreamValue>(call[2]);
}

inline void show_position(const StreamValue& stream, InfoMap& info) {
    const LogFacts facts = stream.log.facts();
    info.add("length", facts.length);
    info.add("radix-tree-keys", stream.nodes.size());
    info.add("radix-tree-nodes", RadixTreeSize::of(stream.nodes));
    info.add("last-generated-id", facts.last_id);
    info.add("max-deleted-entry-id", facts.max_deleted_id);
    info.add("entries-added", facts.entries_added);
    info.add("recorded-first-entry-id", facts.first_id);
    const Producers& producers = stream.producers;
    info.add("idmp-duration", producers.limits().seconds);
    info.add("idmp-maxsize", producers.limits().ids);
    info.add("pids-tracked", producers.size());
    info.add("iids-tracked", producers.ids());
    info.add("iids-added", producers.added());
    info.add("iids-duplicates", producers.duplicates());
}

[[nodiscard]] inline Reply entry_or_null(StreamValue::Place entry) {
    return entry ? reply_of(entry) : Reply::null();
}

// ---- XINFO STREAM … FULL

// Up to `count` of the entries that are pending, or of those of one consumer. show(entry) is a row.
template <typename Show>
[[nodiscard]] Reply show_pending(const PendingEntries& pending, std::optional<std::uint32_t> owner,
                                 std::size_t count, Show show) {
    std::vector<Reply> rows;
    const auto this_or_next = [&](PendingEntries::Place place) {
        return owner ? PendingEntries::next_of(*owner, place) : place;
    };
    for (auto place = this_or_next(pending.first()); place && rows.size() != count;
         place = this_or_next(PendingEntries::next(place)))
        rows.push_back(Reply::array(show(pending[place])));
    return Reply::array(std::move(rows));
}

[[nodiscard]] inline Reply show_fully(const Call& call, const GroupState& group,
                                      const ConsumerRecord& consumer, std::size_t count) {
    InfoMap info{call};
    info.add("name", Reply::bulk_string(*consumer.name));
    info.add("seen-time", consumer.seen);
    info.add("active-time", consumer.active);
    info.add("pel-count", consumer.pending);
    info.add("pending",
             show_pending(group.pending(), consumer.number, count, [](const Pending& entry) {
                 return std::vector<Reply>{reply_of(entry.id), Reply::integer(entry.delivered_ms),
                                           reply_count(entry.deliveries)};
             }));
    return std::move(info).reply();
}

[[nodiscard]] inline Reply show_fully(const Call& call, const StreamValue& stream,
                                      const std::string& name, const GroupState& group,
                                      std::size_t count) {
    InfoMap info{call};
    info.add("name", Reply::bulk_string(name));
    info.add("last-delivered-id", group.last_delivered());
    info.add("entries-read", group.entries_read());
    info.add("lag", group.lag(stream.log.facts()));
    info.add("pel-count", group.pending().size());
    info.add("nacked-count", group.pending().released());
    info.add("pending",
             show_pending(group.pending(), std::nullopt, count, [&group](const Pending& entry) {
                 const ConsumerRecord* const owner = group.find(entry.owner);
                 return std::vector<Reply>{
                     reply_of(entry.id),
                     Reply::bulk_string(owner != nullptr ? *owner->name : std::string{}),
                     Reply::integer(entry.delivered_ms), reply_count(entry.deliveries)};
             }));
    std::vector<Reply> consumers;
    for (const auto& [consumer, record] : group.consumers())
        consumers.push_back(show_fully(call, group, record, count));
    info.add("consumers", Reply::array(std::move(consumers)));
    return std::move(info).reply();
}

// Whether the words ask for all there is: up to how many entries of each kind. Nothing: they do
// not. Throws: Refusal.
[[nodiscard]] inline std::optional<std::size_t> count_of_full(const Call& call) {
    constexpr std::int64_t usual = 10;
    const Words options = call.words_from(3);
    if (options.empty()) return std::nullopt;
    const bool has_count = options.size() == 3;
    if ((options.size() != 1 && !has_count) || !is(options[0], "FULL") ||
        (has_count && !is(options[1], "COUNT")))
        refuse_subcommand_arguments(call.words());
    const std::int64_t count = has_count ? integer(options[2]) : usual;
    if (count == 0) return std::numeric_limits<std::size_t>::max();
    return static_cast<std::size_t>(count < 0 ? usual : count);
}

inline Reply xinfo_stream(Call& call) {
    StreamValue& stream = stream_to_show(call);
    const auto full = count_of_full(call);
    stream.producers.expire(call.now());
    InfoMap info{call};
    show_position(stream, info);
    if (full) {
        info.add("entries", Reply::array(entries_in(stream, {{}, StreamId::max()}, *full)));
        std::vector<Reply> groups;
        for (const auto& [name, group] : stream.groups)
            groups.push_back(show_fully(call, stream, name, group, *full));
        info.add("groups", Reply::array(std::move(groups)));
    } else {
        info.add("groups", stream.groups.size());
        info.add("first-entry", entry_or_null(stream.log.first()));
        info.add("last-entry", entry_or_null(stream.log.last()));
    }
    return std::move(info).reply();
}

// ---- XINFO GROUPS, CONSUMERS

inline Reply xinfo_groups(Call& call) {
    const StreamValue& stream = stream_to_show(call);
    const LogFacts facts = stream.log.facts();
    std::vector<Reply> groups;
    for (const auto& [name, group] : stream.groups) {
        InfoMap info{call};
        info.add("name", Reply::bulk_string(name));
        info.add("consumers", group.consumers().size());
        info.add("pending", group.pending().size());
        info.add("last-delivered-id", group.last_delivered());
        info.add("entries-read", group.entries_read());
        info.add("lag", group.lag(facts));
        groups.push_back(std::move(info).reply());
    }
    return Reply::array(std::move(groups));
}

inline Reply xinfo_consumers(Call& call) {
    const StreamValue& stream = stream_to_show(call);
    const auto group = stream.groups.find(call[3]);
    if (group == stream.groups.end()) refuse_missing_group(call[2], call[3]);
    std::vector<Reply> consumers;
    for (const auto& [name, consumer] : group->second.consumers()) {
        const auto since = [&call](Milliseconds time) {
            return std::max<Milliseconds>(call.now() - time, 0);
        };
        InfoMap info{call};
        info.add("name", Reply::bulk_string(name));
        info.add("pending", consumer.pending);
        info.add("idle", since(consumer.seen));
        info.add("inactive", consumer.active == ConsumerRecord::never ? ConsumerRecord::never
                                                                      : since(consumer.active));
        consumers.push_back(std::move(info).reply());
    }
    return Reply::array(std::move(consumers));
}

inline Reply xinfo_help(Call& call) {
    return help(call.words(),
                {"CONSUMERS <key> <groupname>", "    Show consumers of <groupname>.",
                 "GROUPS <key>", "    Show the stream consumer groups.",
                 "STREAM <key> [FULL [COUNT <count>]", "    Show information about the stream."});
}

inline constexpr auto newer_in_xinfo_stream = std::to_array<NewerPart>({
    {"active-time", {7, 2}},
    {"idmp-duration", {8, 6}},
    {"idmp-maxsize", {8, 6}},
    {"pids-tracked", {8, 6}},
    {"iids-tracked", {8, 6}},
    {"iids-added", {8, 6}},
    {"iids-duplicates", {8, 6}},
    {"nacked-count", {8, 8}},
});
inline constexpr auto newer_in_xinfo_consumers = std::to_array<NewerPart>({{"inactive", {7, 2}}});

inline constexpr auto stream_info_commands = std::to_array<CommandInfo>({
    {"xinfo", -2, Flag::container, {}, {5, 0}, nullptr},
    {"xinfo|stream", -3, Flag::none, key_is_second, {5, 0}, xinfo_stream, newer_in_xinfo_stream},
    {"xinfo|groups", 3, Flag::none, key_is_second, {5, 0}, xinfo_groups},
    {"xinfo|consumers",
     4,
     Flag::none,
     key_is_second,
     {5, 0},
     xinfo_consumers,
     newer_in_xinfo_consumers},
    {"xinfo|help", 2, Flag::none, {}, {5, 0}, xinfo_help},
});

}  // namespace runnel::inline v0::redis::detail
