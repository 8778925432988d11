// SPDX-License-Identifier: MIT
#include <runnel/key_slot.hpp>

#include "support/catch.hpp"

using runnel::key_slot;

static_assert(key_slot("apple") == 7092);

TEST_CASE("the checksum is CRC16/XMODEM", "[key_slot]") {
    STATIC_REQUIRE(runnel::detail::crc16("123456789") == 0x31C3);
    STATIC_REQUIRE(runnel::detail::crc16("") == 0);
}

TEST_CASE("a key without braces is hashed whole", "[key_slot]") {
    STATIC_REQUIRE(key_slot("apple") == 7092);
    STATIC_REQUIRE(key_slot("foo") == 12182);
    STATIC_REQUIRE(key_slot("bar") == 5061);
    STATIC_REQUIRE(key_slot("hello") == 866);
    STATIC_REQUIRE(key_slot("a") == 15495);
    STATIC_REQUIRE(key_slot("123456789") == 12739);
    STATIC_REQUIRE(key_slot("somekey") == 11058);
}

TEST_CASE("the empty key is in slot 0", "[key_slot]") {
    STATIC_REQUIRE(key_slot("") == 0);
}

TEST_CASE("of a key with a tag in braces only the tag is hashed", "[key_slot]") {
    STATIC_REQUIRE(key_slot("user1000") == 3443);
    STATIC_REQUIRE(key_slot("{user1000}.following") == 3443);
    STATIC_REQUIRE(key_slot("{user1000}.followers") == 3443);
    STATIC_REQUIRE(key_slot("foo{hash_tag}") == 2515);
    STATIC_REQUIRE(key_slot("bar{hash_tag}") == 2515);
    STATIC_REQUIRE(key_slot("{apple}x") == 7092);
}

TEST_CASE("a tag ends at the first brace that closes, and later ones do not count", "[key_slot]") {
    STATIC_REQUIRE(key_slot("foo{{bar}}zap") == 4015);
    STATIC_REQUIRE(key_slot("foo{bar}{zap}") == 5061);
}

TEST_CASE("an empty tag is none", "[key_slot]") {
    STATIC_REQUIRE(key_slot("foo{}{bar}") == 8363);
    STATIC_REQUIRE(key_slot("{}") == 15257);
}

TEST_CASE("a brace without its partner makes no tag", "[key_slot]") {
    STATIC_REQUIRE(key_slot("foo}{bar") == 7624);
    STATIC_REQUIRE(key_slot("foo{bar") == 15278);
}

TEST_CASE("bytes above 127 and zeros are hashed as they are", "[key_slot]") {
    // The last entry of the published table; and a zero in front leaves the register at 0.
    STATIC_REQUIRE(runnel::detail::crc16("\xFF") == 0x1EF0);
    STATIC_REQUIRE(key_slot({"\0apple", 6}) == 7092);
    STATIC_REQUIRE(key_slot({"apple\0", 6}) != 7092);
}
