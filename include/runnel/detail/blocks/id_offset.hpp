// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/stream_id.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace runnel::inline v0::detail {

// An id as its offset from a base, in half the bytes. The high 32 bits hold the milliseconds since
// the base, the low ones the sequence number. In the millisecond of the base, sequence numbers
// count from that of the base. Offsets from one base are ordered as the ids are.

// An offset has fewer milliseconds than this, and a sequence number of at most this.
inline constexpr std::uint64_t offset_limit = std::numeric_limits<std::uint32_t>::max();

// How far `id` is from the base. Requires: base <= id.
struct IdDistance {
    std::uint64_t ms, seq;
};
[[nodiscard]] constexpr IdDistance distance(StreamId base, StreamId id) noexcept {
    const std::uint64_t ms = id.ms - base.ms;
    return {ms, ms == 0 ? id.seq - base.seq : id.seq};
}

// The least offset of an id that is not less than `id`. If no such id has an offset, the result is
// greater than all offsets. Requires: base <= id.
[[nodiscard]] constexpr std::uint64_t least_offset(StreamId base, StreamId id) noexcept {
    const auto [ms, seq] = distance(base, id);
    if (ms >= offset_limit) return offset_limit << 32U;
    return seq > offset_limit ? (ms + 1) << 32U : (ms << 32U) | seq;
}

[[nodiscard]] constexpr StreamId id_at(StreamId base, std::uint64_t offset) noexcept {
    const std::uint64_t ms = offset >> 32U;
    const std::uint64_t seq = offset & std::numeric_limits<std::uint32_t>::max();
    return {base.ms + ms, ms == 0 ? base.seq + seq : seq};
}

// Whether `id` has an offset: it is not before the base, and not too far from it. If it has none, a
// new block has to begin.
[[nodiscard]] constexpr bool has_offset(StreamId base, StreamId id) noexcept {
    if (id < base) return false;
    const auto [ms, seq] = distance(base, id);
    return ms < offset_limit && seq <= offset_limit;
}

// The index of the first of `count` ascending offsets that is not less than `wanted`; `count` if
// there is none.
[[nodiscard]] inline std::uint32_t first_not_less(const std::uint64_t* offsets, std::uint32_t count,
                                                  std::uint64_t wanted) noexcept {
    constexpr std::uint32_t stride = 8;  // offsets in a cache line
    // No binary search: these reads do not wait for each other, and no branch depends on them.
    std::uint32_t found = 0;
    for (std::uint32_t at = stride - 1; at < count; at += stride)
        found += offsets[at] < wanted ? stride : 0;
    const std::uint32_t stop = std::min(found + stride, count);
    for (std::uint32_t at = found; at != stop; ++at) found += offsets[at] < wanted ? 1 : 0;
    return found;
}

}  // namespace runnel::inline v0::detail
