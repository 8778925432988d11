// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/stream_id.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace runnel::inline v0::detail {

// What the rules of groups ask of a stream.
struct LogFacts {
    std::size_t length = 0;
    StreamId first_id{};        // of the entries that are there; 0-0 if there are none
    StreamId last_id{};         // the last one that was given out; never goes back
    StreamId max_deleted_id{};  // the greatest one that was erased; trimming does not count
    std::uint64_t entries_added = 0;

    // How many entries were ever added up to `id`; nothing if that is not known. Of the erased
    // entries only the greatest id is known.
    [[nodiscard]] constexpr std::optional<std::uint64_t> entries_up_to(StreamId id) const noexcept {
        if (entries_added == 0) return 0;
        if (length == 0 && id <= last_id) return entries_added;
        if (id != StreamId{} && id < max_deleted_id) return std::nullopt;
        if (id == last_id) return entries_added;
        if (id > last_id) return std::nullopt;
        if (max_deleted_id != StreamId{} && max_deleted_id >= first_id) return std::nullopt;
        if (id < first_id) return entries_added - length;
        if (id == first_id) return entries_added - length + 1;
        return std::nullopt;
    }

    // Whether an entry at or behind `id` may have been erased.
    [[nodiscard]] constexpr bool has_tombstone_from(StreamId id) const noexcept {
        return length != 0 && max_deleted_id != StreamId{} && id <= max_deleted_id;
    }
};

}  // namespace runnel::inline v0::detail
