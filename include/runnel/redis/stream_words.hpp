// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/core/id_range.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/stream_value.hpp>
#include <runnel/stream_id.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// How the commands of streams read ids, and write ids and entries.

[[noreturn]] inline void refuse_id() {
    refuse("ERR Invalid stream ID specified as stream command argument");
}

// Throws: Refusal.
[[nodiscard]] inline StreamId stream_id(std::string_view word, std::uint64_t missing_seq = 0) {
    const auto id = StreamId::parse(word, missing_seq);
    if (!id) refuse_id();
    return *id;
}
[[nodiscard]] inline std::vector<StreamId> stream_ids(Words words) {
    std::vector<StreamId> ids;
    ids.reserve(words.size());
    for (const std::string_view word : words) ids.push_back(stream_id(word));
    return ids;
}

// The ends of a range of ids. Throws: Refusal.
[[nodiscard]] inline StreamId range_first(std::string_view word) {
    const RangeEnd end = parse_range_first(word);
    if (end.mistake == RangeMistake::bad_id) refuse_id();
    if (end.mistake == RangeMistake::empty) refuse("ERR invalid start ID for the interval");
    return end.id;
}
[[nodiscard]] inline StreamId range_last(std::string_view word) {
    const RangeEnd end = parse_range_last(word);
    if (end.mistake == RangeMistake::bad_id) refuse_id();
    if (end.mistake == RangeMistake::empty) refuse("ERR invalid end ID for the interval");
    return end.id;
}

[[nodiscard]] inline Reply reply_of(StreamId id) {
    return Reply::bulk_string(to_string(id));
}
[[nodiscard]] inline Reply reply_of(StreamValue::Place entry) {
    std::vector<Reply> both;
    both.reserve(2);
    both.push_back(reply_of(entry.id()));
    both.push_back(entry.value());
    return Reply::array(std::move(both));
}

struct IdRange {
    StreamId first;
    StreamId last;
};

[[nodiscard]] inline std::vector<Reply> entries_in(const StreamValue& stream, IdRange range,
                                                   std::size_t count) {
    std::vector<Reply> entries;
    auto place = stream.log.lower_bound(range.first);
    for (; entries.size() != count && place && place.id() <= range.last;
         place = StreamValue::Log::next(place))
        entries.push_back(reply_of(place));
    return entries;
}
[[nodiscard]] inline std::vector<Reply> entries_back_in(const StreamValue& stream, IdRange range,
                                                        std::size_t count) {
    std::vector<Reply> entries;
    auto place = stream.log.at_most(range.last);
    for (; entries.size() != count && place && place.id() >= range.first;
         place = StreamValue::Log::previous(place))
        entries.push_back(reply_of(place));
    return entries;
}

// Where the key stands in the words of most commands.
inline constexpr KeyWords key_is_first{1, 1, 1};
inline constexpr KeyWords key_is_second{2, 2, 1};

}  // namespace runnel::inline v0::redis::detail
