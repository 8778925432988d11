// SPDX-License-Identifier: MIT
// The hash that DIGEST shows. What it is to be was computed by the xxhash library 0.8.1.

#include <runnel/redis/xxh3.hpp>

#include "support/catch.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using runnel::redis::detail::Xxh3;

namespace {

// Bytes that are the same in every run.
std::string some_bytes(std::size_t size) {
    std::string bytes;
    std::uint64_t state = 1;
    while (bytes.size() != size) {
        state = state * 6364136223846793005 + 1442695040888963407;
        bytes += static_cast<char>(state >> 56U);
    }
    return bytes;
}

struct Known {
    std::size_t size;
    std::uint64_t hash;
};

// Each way of the algorithm at both of its ends.
constexpr auto known_hashes = std::to_array<Known>({
    {0, 0x2d06800538d394c2},    {1, 0xc00f9d4f580c0c3a},    {2, 0xb248061fb52bd64c},
    {3, 0xe92112d1e602af4a},    {4, 0x9008de7e100606d1},    {5, 0xaba4062f24845bdc},
    {8, 0xcca6ee6f8e080c52},    {9, 0x568f9d2e69ad8bd0},    {16, 0x600a07a4f5a9911c},
    {17, 0xdeab0265f35dfc24},   {32, 0xd04581c566616653},   {33, 0xe2f96cd271e72881},
    {128, 0x410bd3b4d8d84f51},  {129, 0x55964eec39625032},  {240, 0x977b659bdc81fdb1},
    {241, 0x2cb1ed4a30c8bded},  {1024, 0x5ec111a1e5a293ae}, {1025, 0x5ea0264528a903fc},
    {1088, 0x5caa733531330766}, {1089, 0x093aae8d6736e7b3}, {2048, 0x82651c64d545e737},
    {5000, 0x215db44dee9150c0},
});

}  // namespace

TEST_CASE("the hash of known bytes is known", "[redis][digest]") {
    const std::string bytes = some_bytes(5000);
    for (const Known& known : known_hashes) {
        INFO(known.size);
        CHECK(Xxh3::of(std::string_view{bytes}.substr(0, known.size)) == known.hash);
    }
    CHECK(Xxh3::of("hello") == 0x9555e8555c62dcfd);
}

TEST_CASE("the hashes of all lengths are as they should be, together", "[redis][digest]") {
    const std::string bytes = some_bytes(5000);
    std::uint64_t all = 0;
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
        all ^= Xxh3::of(std::string_view{bytes}.substr(0, size));
        all *= 0x9E3779B185EBCA87;
        if (size == 1100) CHECK(all == 0xd499a75008c7dff6);
    }
    CHECK(all == 0x9917987921190d72);
}

TEST_CASE("a hash may be computed by the compiler", "[redis][digest]") {
    static_assert(Xxh3::of("Hello world") == 0xb6acb9d84a38ff74);
    static_assert(Xxh3::of("") == 0x2d06800538d394c2);
}
