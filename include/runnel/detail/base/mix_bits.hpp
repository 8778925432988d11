// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace runnel::inline v0::detail {

// A number of which each bit depends on all bits of `bits`; different ones for different `bits`.
// (The last steps of SplitMix64.)
[[nodiscard]] constexpr std::uint64_t mix_bits(std::uint64_t bits) noexcept {
    bits = (bits ^ (bits >> 30U)) * 0xBF58476D1CE4E5B9;
    bits = (bits ^ (bits >> 27U)) * 0x94D049BB133111EB;
    return bits ^ (bits >> 31U);
}

}  // namespace runnel::inline v0::detail
