// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/count_bits.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>

namespace runnel::inline v0::detail {

// Some of the up to 64 slots of a block, one bit each.
using SlotMask = std::uint64_t;

[[nodiscard]] constexpr SlotMask slot_bit(std::uint32_t slot) noexcept {
    return SlotMask{1} << slot;
}

// The slots before `slot`, which may be 64.
[[nodiscard]] constexpr SlotMask slots_before(std::uint32_t slot) noexcept {
    return slot >= 64 ? ~SlotMask{0} : slot_bit(slot) - 1;
}

[[nodiscard]] constexpr std::uint32_t first_slot(SlotMask mask) noexcept {
    return static_cast<std::uint32_t>(std::countr_zero(mask));
}
[[nodiscard]] constexpr std::uint32_t last_slot(SlotMask mask) noexcept {
    return 63U - static_cast<std::uint32_t>(std::countl_zero(mask));
}
[[nodiscard]] constexpr std::uint32_t count_slots(SlotMask mask) noexcept {
    return count_bits(mask);
}

// All but the lowest `count` of `mask`.
[[nodiscard]] constexpr SlotMask without_lowest_slots(SlotMask mask, std::size_t count) noexcept {
    for (; count != 0; --count) mask &= mask - 1;
    return mask;
}

// The lowest `count` of `mask`. Does not count the bits, which would take longer than the rest.
[[nodiscard]] constexpr SlotMask lowest_slots(SlotMask mask, std::size_t count) noexcept {
    return count >= 64 ? mask : mask & ~without_lowest_slots(mask, count);
}

// The slot at position `index` of `mask`, the lowest first. Requires: there is one.
[[nodiscard]] constexpr std::uint32_t slot_at(SlotMask mask, std::size_t index) noexcept {
    const std::uint32_t first = first_slot(mask);
    const SlotMask from_first = mask >> first;
    const bool has_no_gap = (from_first & (from_first + 1)) == 0;
    if (has_no_gap) return first + static_cast<std::uint32_t>(index);
    return first_slot(without_lowest_slots(mask, index));
}

// The highest `count` of `mask`.
[[nodiscard]] constexpr SlotMask highest_slots(SlotMask mask, std::size_t count) noexcept {
    const std::size_t all = count_slots(mask);
    return count >= all ? mask : mask & ~lowest_slots(mask, all - count);
}

}  // namespace runnel::inline v0::detail
