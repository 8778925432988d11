// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <cstdint>
#include <string_view>

namespace runnel::inline v0 {

/// How many slots the keys of a Redis cluster are spread over.
inline constexpr std::uint16_t key_slots = 16384;

namespace detail {

// CRC16/XMODEM: polynomial 0x1021, starts at 0, bits are not reflected, nothing is added at the
// end. Shifting a byte's worth at once instead of looking it up in a table: x^16 is x^12 + x^5 + 1.
[[nodiscard]] constexpr std::uint16_t crc16(std::string_view bytes) noexcept {
    std::uint32_t crc = 0;
    for (const char c : bytes) {
        std::uint32_t top = (crc >> 8U) ^ static_cast<unsigned char>(c);
        top ^= top >> 4U;
        crc = ((crc << 8U) ^ (top << 12U) ^ (top << 5U) ^ top) & 0xFFFFU;
    }
    return static_cast<std::uint16_t>(crc);
}

// The bytes between the first `{` and the first `}` behind it, if any; else all of `key`.
[[nodiscard]] constexpr std::string_view hash_tag(std::string_view key) noexcept {
    const auto open = key.find('{');
    if (open == std::string_view::npos) return key;
    const auto tag = key.substr(open + 1);
    const auto size = tag.find('}');
    return size == 0 || size == std::string_view::npos ? key : tag.substr(0, size);
}

}  // namespace detail

/// The slot of a Redis cluster that `key`, a key or a shard channel, belongs to; less than
/// `key_slots`. Keys with the same hash tag, the bytes between their first `{` and the next `}`,
/// share a slot. `CLUSTER KEYSLOT`.
///
/// Complexity: linear in the size of `key`.
[[nodiscard]] constexpr std::uint16_t key_slot(std::string_view key) noexcept {
    return detail::crc16(detail::hash_tag(key)) % key_slots;
}

}  // namespace runnel::inline v0
