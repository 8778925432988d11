// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

// XXH3, the hash of 64 bits that DIGEST shows: with the seed 0 and the secret that comes with it.
// Written after the specification of the algorithm by Yann Collet.

namespace runnel::inline v0::redis::detail {

class Xxh3 {
public:
    [[nodiscard]] static constexpr std::uint64_t of(std::string_view bytes) noexcept {
        const std::size_t size = bytes.size();
        if (size == 0) return strong_avalanche(secret64(56) ^ secret64(64));
        if (size <= 3) return of_1_to_3(bytes);
        if (size <= 8) return of_4_to_8(bytes);
        if (size <= 16) return of_9_to_16(bytes);
        if (size <= 128) return of_17_to_128(bytes);
        if (size <= 240) return of_129_to_240(bytes);
        return of_more(bytes);
    }

private:
    static constexpr std::uint32_t prime32_1 = 0x9E3779B1;
    static constexpr std::uint32_t prime32_2 = 0x85EBCA77;
    static constexpr std::uint32_t prime32_3 = 0xC2B2AE3D;
    static constexpr std::uint64_t prime64_1 = 0x9E3779B185EBCA87;
    static constexpr std::uint64_t prime64_2 = 0xC2B2AE3D27D4EB4F;
    static constexpr std::uint64_t prime64_3 = 0x165667B19E3779F9;
    static constexpr std::uint64_t prime64_4 = 0x85EBCA77C2B2AE63;
    static constexpr std::uint64_t prime64_5 = 0x27D4EB2F165667C5;

    static constexpr std::size_t secret_size = 192;
    static constexpr std::size_t least_secret_size = 136;

    // Eight bytes of the secret in each number, the first byte is its lowest.
    static constexpr std::array<std::uint64_t, secret_size / 8> secret{
        0xbe4ba423396cfeb8, 0x1cad21f72c81017c, 0xdb979083e96dd4de, 0x1f67b3b7a4a44072,
        0x78e5c0cc4ee679cb, 0x2172ffcc7dd05a82, 0x8e2443f7744608b8, 0x4c263a81e69035e0,
        0xcb00c391bb52283c, 0xa32e531b8b65d088, 0x4ef90da297486471, 0xd8acdea946ef1938,
        0x3f349ce33f76faa8, 0x1d4f0bc7c7bbdcf9, 0x3159b4cd4be0518a, 0x647378d9c97e9fc8,
        0xc3ebd33483acc5ea, 0xeb6313faffa081c5, 0x49daf0b751dd0d17, 0x9e68d429265516d3,
        0xfca1477d58be162b, 0xce31d07ad1b8f88f, 0x280416958f3acb45, 0x7e404bbbcafbd7af};

    [[nodiscard]] static constexpr std::uint64_t secret64(std::size_t at) noexcept {
        const std::uint64_t low = secret[at / 8];
        const std::size_t shift = at % 8 * 8;
        return shift == 0 ? low : low >> shift | secret[at / 8 + 1] << (64 - shift);
    }

    [[nodiscard]] static constexpr std::uint64_t byte_at(std::string_view bytes,
                                                         std::size_t at) noexcept {
        return static_cast<unsigned char>(bytes[at]);
    }
    [[nodiscard]] static constexpr std::uint64_t read32(std::string_view bytes,
                                                        std::size_t at) noexcept {
        return byte_at(bytes, at) | byte_at(bytes, at + 1) << 8U | byte_at(bytes, at + 2) << 16U |
               byte_at(bytes, at + 3) << 24U;
    }
    [[nodiscard]] static constexpr std::uint64_t read64(std::string_view bytes,
                                                        std::size_t at) noexcept {
        return read32(bytes, at) | read32(bytes, at + 4) << 32U;
    }
    [[nodiscard]] static constexpr std::uint64_t with_bytes_swapped(std::uint64_t number) noexcept {
        std::uint64_t swapped = 0;
        for (unsigned at = 0; at != 64; at += 8) swapped = swapped << 8U | (number >> at & 0xFFU);
        return swapped;
    }

    // The product of 128 bits, its halves combined.
    [[nodiscard]] static constexpr std::uint64_t folded_product(std::uint64_t one,
                                                                std::uint64_t other) noexcept {
        constexpr std::uint64_t low_half = 0xFFFFFFFF;
        const std::uint64_t low = (one & low_half) * (other & low_half);
        const std::uint64_t middle = (one >> 32U) * (other & low_half);
        const std::uint64_t other_middle = (one & low_half) * (other >> 32U);
        const std::uint64_t cross = (low >> 32U) + (middle & low_half) + other_middle;
        const std::uint64_t high = (one >> 32U) * (other >> 32U) + (middle >> 32U) + (cross >> 32U);
        return high ^ (cross << 32U | (low & low_half));
    }

    [[nodiscard]] static constexpr std::uint64_t xor_shifted(std::uint64_t hash,
                                                             unsigned shift) noexcept {
        return hash ^ hash >> shift;
    }
    [[nodiscard]] static constexpr std::uint64_t avalanche(std::uint64_t hash) noexcept {
        return xor_shifted(xor_shifted(hash, 37) * 0x165667919E3779F9, 32);
    }
    [[nodiscard]] static constexpr std::uint64_t strong_avalanche(std::uint64_t hash) noexcept {
        return xor_shifted(xor_shifted(xor_shifted(hash, 33) * prime64_2, 29) * prime64_3, 32);
    }

    // ---- short ones

    [[nodiscard]] static constexpr std::uint64_t of_1_to_3(std::string_view bytes) noexcept {
        const std::size_t size = bytes.size();
        const std::uint64_t combined = byte_at(bytes, 0) << 16U | byte_at(bytes, size / 2) << 24U |
                                       byte_at(bytes, size - 1) | std::uint64_t{size} << 8U;
        const std::uint64_t mask = (secret64(0) ^ secret64(4)) & 0xFFFFFFFF;
        return strong_avalanche(combined ^ mask);
    }

    [[nodiscard]] static constexpr std::uint64_t of_4_to_8(std::string_view bytes) noexcept {
        constexpr std::uint64_t factor = 0x9FB21C651E98DF25;
        const std::size_t size = bytes.size();
        const std::uint64_t combined = read32(bytes, size - 4) | read32(bytes, 0) << 32U;
        std::uint64_t hash = combined ^ secret64(8) ^ secret64(16);
        hash ^= std::rotl(hash, 49) ^ std::rotl(hash, 24);
        hash *= factor;
        hash ^= (hash >> 35U) + size;
        return xor_shifted(hash * factor, 28);
    }

    [[nodiscard]] static constexpr std::uint64_t of_9_to_16(std::string_view bytes) noexcept {
        const std::size_t size = bytes.size();
        const std::uint64_t low = read64(bytes, 0) ^ secret64(24) ^ secret64(32);
        const std::uint64_t high = read64(bytes, size - 8) ^ secret64(40) ^ secret64(48);
        return avalanche(size + with_bytes_swapped(low) + high + folded_product(low, high));
    }

    // ---- up to 240 bytes

    // Of 16 bytes.
    [[nodiscard]] static constexpr std::uint64_t mixed(std::string_view bytes, std::size_t at,
                                                       std::size_t secret_at) noexcept {
        return folded_product(read64(bytes, at) ^ secret64(secret_at),
                              read64(bytes, at + 8) ^ secret64(secret_at + 8));
    }

    // Pairs of 16 bytes from both ends, towards the middle.
    [[nodiscard]] static constexpr std::uint64_t of_17_to_128(std::string_view bytes) noexcept {
        const std::size_t size = bytes.size();
        std::uint64_t sum = size * prime64_1;
        for (std::size_t pair = 0; pair <= (size - 1) / 32; ++pair)
            sum += mixed(bytes, 16 * pair, 32 * pair) +
                   mixed(bytes, size - 16 * (pair + 1), 32 * pair + 16);
        return avalanche(sum);
    }

    [[nodiscard]] static constexpr std::uint64_t of_129_to_240(std::string_view bytes) noexcept {
        constexpr std::size_t first_rounds = 8;
        const std::size_t size = bytes.size();
        std::uint64_t sum = size * prime64_1;
        for (std::size_t round = 0; round != first_rounds; ++round)
            sum += mixed(bytes, 16 * round, 16 * round);
        sum = avalanche(sum);
        for (std::size_t round = first_rounds; round != size / 16; ++round)
            sum += mixed(bytes, 16 * round, 16 * (round - first_rounds) + 3);
        return avalanche(sum + mixed(bytes, size - 16, least_secret_size - 17));
    }

    // ---- long ones

    static constexpr std::size_t lanes = 8;
    static constexpr std::size_t stripe = 8 * lanes;
    static constexpr std::size_t stripes_in_block = (secret_size - stripe) / 8;
    using Sums = std::array<std::uint64_t, lanes>;

    static constexpr void add_stripe(Sums& sums, std::string_view bytes, std::size_t at,
                                     std::size_t secret_at) noexcept {
        for (std::size_t lane = 0; lane != lanes; ++lane) {
            const std::uint64_t number = read64(bytes, at + 8 * lane);
            const std::uint64_t keyed = number ^ secret64(secret_at + 8 * lane);
            sums[lane ^ 1U] += number;
            sums[lane] += (keyed & 0xFFFFFFFF) * (keyed >> 32U);
        }
    }

    static constexpr void scramble(Sums& sums) noexcept {
        for (std::size_t lane = 0; lane != lanes; ++lane) {
            const std::uint64_t key = secret64(secret_size - stripe + 8 * lane);
            sums[lane] = (xor_shifted(sums[lane], 47) ^ key) * prime32_1;
        }
    }

    [[nodiscard]] static constexpr std::uint64_t of_more(std::string_view bytes) noexcept {
        const std::size_t size = bytes.size();
        Sums sums{prime32_3, prime64_1, prime64_2, prime64_3,
                  prime64_4, prime32_2, prime64_5, prime32_1};
        // The last stripe, which may overlap the one before, is added by itself.
        const std::size_t whole = (size - 1) / stripe;
        for (std::size_t number = 0; number != whole; ++number) {
            const std::size_t in_block = number % stripes_in_block;
            add_stripe(sums, bytes, number * stripe, 8 * in_block);
            if (in_block + 1 == stripes_in_block) scramble(sums);
        }
        add_stripe(sums, bytes, size - stripe, secret_size - stripe - 7);
        std::uint64_t hash = size * prime64_1;
        for (std::size_t pair = 0; pair != lanes / 2; ++pair)
            hash += folded_product(sums[2 * pair] ^ secret64(16 * pair + 11),
                                   sums[2 * pair + 1] ^ secret64(16 * pair + 19));
        return avalanche(hash);
    }
};

}  // namespace runnel::inline v0::redis::detail
