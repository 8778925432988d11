// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>

namespace runnel::inline v0::detail {

// As std::popcount(). In programs built for every x86-64 that is a call into a library, as the
// first of these processors have no instruction for it.
[[nodiscard]] constexpr std::uint32_t count_bits(std::uint64_t bits) noexcept {
#if defined(__x86_64__) && !defined(__POPCNT__)
    // Counts in pairs, fours and bytes in parallel; the multiplication adds up the bytes.
    bits -= bits >> 1U & 0x5555'5555'5555'5555U;
    bits = (bits & 0x3333'3333'3333'3333U) + (bits >> 2U & 0x3333'3333'3333'3333U);
    bits = (bits + (bits >> 4U)) & 0x0F0F'0F0F'0F0F'0F0FU;
    return static_cast<std::uint32_t>(bits * 0x0101'0101'0101'0101U >> 56U);
#else
    return static_cast<std::uint32_t>(std::popcount(bits));
#endif
}

}  // namespace runnel::inline v0::detail
