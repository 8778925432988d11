// SPDX-License-Identifier: MIT
#pragma once

// What streams and groups say, as the replies of Redis.

#include <runnel/consumer_group.hpp>
#include <runnel/error.hpp>
#include <runnel/stream.hpp>

#include "support/redis_server.hpp"

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

namespace runnel::test {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using Text = std::string;  // a message

// ------------------------------------------------------------------ results as replies

inline Reply id_reply(StreamId id) {
    return string_reply(to_string(id));
}

template <typename Number>
inline Reply count_reply(Number count) {
    return integer_reply(static_cast<std::int64_t>(count));
}

inline Reply count_reply(std::optional<std::uint64_t> count) {
    return count ? count_reply(*count) : nil_reply();
}

// Real time passes on the server only; so idle times are whole hours here, and ages of minutes 0.
inline Reply hours_reply(std::int64_t idle_ms) {
    constexpr std::int64_t hour = milliseconds{1h}.count();
    return integer_reply((idle_ms + hour / 2) / hour);
}

inline Reply entry_reply(StreamId id, const Text& value) {
    return array_reply({id_reply(id), array_reply({string_reply("v"), string_reply(value)})});
}

// Of Entries, of Deliveries.
template <typename Batch>
inline Reply entries_reply(const Batch& batch) {
    Reply reply = array_reply({});
    for (const auto& one : batch) reply.elements.push_back(entry_reply(one.id, one.value));
    return reply;
}

template <typename Batch>
inline Reply ids_reply(const Batch& batch) {
    Reply reply = array_reply({});
    for (const auto& one : batch) reply.elements.push_back(id_reply(one.id));
    return reply;
}

inline Reply ids_reply(const std::vector<StreamId>& ids) {
    Reply reply = array_reply({});
    for (const StreamId id : ids) reply.elements.push_back(id_reply(id));
    return reply;
}

// Nothing new is nil.
template <typename Batch>
inline Reply read_reply(const Text& key, const Batch& batch) {
    if (!batch) return nil_reply();
    return array_reply({array_reply({string_reply(key), entries_reply(batch)})});
}

// Entries that are lost have no fields, and their place among the others by id.
inline Reply history_reply(const Text& key, const Deliveries<Text>& batch) {
    std::vector<std::pair<StreamId, Reply>> rows;
    for (const auto& one : batch) rows.emplace_back(one.id, entry_reply(one.id, one.value));
    for (const StreamId id : batch.lost())
        rows.emplace_back(id, array_reply({id_reply(id), nil_reply()}));
    std::ranges::sort(rows, {}, [](const auto& row) { return row.first; });
    Reply reply = array_reply({});
    for (auto& [id, row] : rows) reply.elements.push_back(std::move(row));
    return array_reply({array_reply({string_reply(key), std::move(reply)})});
}

inline Reply refusal(ErrorCode code, std::string_view id) {
    if (code == ErrorCode::id_exhausted)
        return error_reply("ERR The stream has exhausted the last possible ID, unable to add more "
                           "items");
    if (code != ErrorCode::id_too_small) return error_reply(std::string{to_string(code)});
    if (id == "0-0") return error_reply("ERR The ID specified in XADD must be greater than 0-0");
    return error_reply("ERR The ID specified in XADD is equal or smaller than the target stream "
                       "top item");
}

inline Reply stream_reply(const StreamInfo& info) {
    return array_reply({count_reply(info.length), id_reply(info.last_id),
                        id_reply(info.max_deleted_id), count_reply(info.entries_added),
                        id_reply(info.first_id), count_reply(info.groups)});
}

inline Reply group_reply(const GroupInfo& info) {
    return array_reply({string_reply(info.name), count_reply(info.consumers),
                        count_reply(info.pending), id_reply(info.last_delivered),
                        count_reply(info.entries_read), count_reply(info.lag)});
}

inline Reply summary_reply(const runnel::PendingSummary& summary) {
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

inline Reply pending_reply(const std::vector<PendingEntry>& entries) {
    Reply rows = array_reply({});
    for (const PendingEntry& entry : entries) {
        rows.elements.push_back(
            array_reply({id_reply(entry.id), string_reply(entry.consumer),
                         hours_reply(entry.idle.count()), count_reply(entry.deliveries)}));
    }
    return rows;
}

inline Reply consumers_reply(const std::vector<ConsumerInfo>& infos, bool tell_inactive) {
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

inline Reply field(const Reply& map, std::string_view name) {
    for (std::size_t at = 0; at + 1 < map.elements.size(); at += 2)
        if (map.elements[at].text == name) return map.elements[at + 1];
    return error_reply("no field " + std::string{name});
}

// An error stays one.
template <typename Convert>
inline Reply each(const Reply& reply, Convert convert) {
    Reply converted = reply;
    for (Reply& element : converted.elements) element = convert(element);
    return converted;
}

inline Reply stream_facts(const Reply& reply) {
    return array_reply({field(reply, "length"), field(reply, "last-generated-id"),
                        field(reply, "max-deleted-entry-id"), field(reply, "entries-added"),
                        field(reply, "recorded-first-entry-id"), field(reply, "groups")});
}

inline Reply group_facts(const Reply& reply) {
    return each(reply, [](const Reply& row) {
        return array_reply({field(row, "name"), field(row, "consumers"), field(row, "pending"),
                            field(row, "last-delivered-id"), field(row, "entries-read"),
                            field(row, "lag")});
    });
}

inline Reply consumer_facts(const Reply& reply) {
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

inline Reply pending_rows(const Reply& reply) {
    return each(reply, [](Reply row) {
        row.elements.at(2) = hours_reply(row.elements.at(2).integer);
        return row;
    });
}

inline Reply how_many(const Reply& reply) {
    return count_reply(reply.elements.size());
}

}  // namespace runnel::test
