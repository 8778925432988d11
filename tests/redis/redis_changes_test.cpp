// SPDX-License-Identifier: MIT
// Which rules a server is expected to have, by its version. No server is needed for that.

#include "support/catch.hpp"
#include "support/redis_changes.hpp"
#include "support/stream_reckoning.hpp"

#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <string>

using namespace runnel::test;

namespace {

std::string info_of(const char* version) {
    return std::string{"# Server\r\nredis_version:"} + version + "\r\nredis_git_sha1:00000000\r\n";
}

// One that came with 7.2, whatever it is.
constexpr Change came_with_7_2{"7.2.0: something", {7, 2, 0}};
constexpr Change nobody_has{"never: something", never};

Differences differences_to(const char* version) {
    return Differences{redis_version(info_of(version))};
}

}  // namespace

TEST_CASE("a server tells its version", "[redis_changes]") {
    CHECK(redis_version(info_of("7.0.15")) == RedisVersion{7, 0, 15});
    CHECK(redis_version(info_of("8.8.0")) == RedisVersion{8, 8, 0});
    CHECK(redis_version(info_of("7.9.240")) == RedisVersion{7, 9, 240});
    CHECK(redis_version(info_of("255.255.255")) == RedisVersion{255, 255, 255});
}

TEST_CASE("a version may have fewer numbers than three, and something behind", "[redis_changes]") {
    CHECK(redis_version(info_of("8.0-m01")) == RedisVersion{8, 0, 0});
    CHECK(redis_version(info_of("9")) == RedisVersion{9, 0, 0});
    CHECK(redis_version(info_of("7.4.0-v3")) == RedisVersion{7, 4, 0});
    CHECK(redis_version("redis_version:7.2.4") == RedisVersion{7, 2, 4});
}

TEST_CASE("without a version there is no comparison", "[redis_changes]") {
    CHECK_THROWS_AS(redis_version(""), std::runtime_error);
    CHECK_THROWS_AS(redis_version("# Server\r\nuptime:1\r\n"), std::runtime_error);
    CHECK_THROWS_AS(redis_version(info_of("unstable")), std::runtime_error);
    CHECK_THROWS_AS(redis_version(info_of("7.")), std::runtime_error);
}

TEST_CASE("a server below the version of a change lacks it", "[redis_changes]") {
    for (const char* const version : {"7.0.0", "7.0.15", "7.1.242"})
        CHECK(differences_to(version).lacks(came_with_7_2));
    for (const char* const version : {"7.2.0", "7.2.1", "7.4.0", "8.0-m01", "10.0.0"})
        CHECK_FALSE(differences_to(version).lacks(came_with_7_2));
    for (const char* const version : {"7.0.15", "8.8.0", "255.255.255"})
        CHECK(differences_to(version).lacks(nobody_has));
}

TEST_CASE("only a server that lacks a change is excused, and only for the older reply",
          "[redis_changes]") {
    Differences old = differences_to("7.0.15");
    CHECK(old.excuses(came_with_7_2, true));
    CHECK_FALSE(old.excuses(came_with_7_2, false));
    CHECK(old.used(came_with_7_2) == 1);

    Differences recent = differences_to("7.2.0");
    CHECK_FALSE(recent.excuses(came_with_7_2, true));
    CHECK(recent.used(came_with_7_2) == 0);
    CHECK(recent.excuses(nobody_has, true));
}

TEST_CASE("to foretell by a rule that the server has given up is a fault of the test",
          "[redis_changes]") {
    Differences old = differences_to("7.0.15");
    old.excuse(came_with_7_2);
    CHECK(old.used(came_with_7_2) == 1);
    Differences recent = differences_to("7.2.0");
    CHECK_THROWS_AS(recent.excuse(came_with_7_2), std::logic_error);
    CHECK(recent.used(came_with_7_2) == 0);
}

TEST_CASE("the figures name each change and how often it was used", "[redis_changes]") {
    Differences old = differences_to("7.0.15");
    old.excuse(came_with_7_2);
    old.excuse(came_with_7_2);
    std::ostringstream out;
    out << old;
    CHECK(out.str().find("7.2.0: something") != std::string::npos);
    CHECK(out.str().find("times 2") != std::string::npos);
}

TEST_CASE("a change is named by its version", "[redis_changes]") {
    for (const Change* const change : all_changes) {
        std::ostringstream since;
        since << change->since[0] << '.' << change->since[1] << '.' << change->since[2];
        const std::string name{change->name};
        INFO(name);
        const std::string expected = change->since == never ? "never" : since.str();
        CHECK(name.substr(0, name.find(':')) == expected);
        CHECK(std::ranges::count(all_changes, name,
                                 [](const Change* each) { return std::string{each->name}; }) == 1);
    }
}

TEST_CASE("the rules of entries-read and lag came one after the other", "[redis_changes]") {
    CHECK(std::ranges::is_sorted(reckoning_changes, {}, &Change::since));
    CHECK(has(newest, clamps_entries_read));
    CHECK_FALSE(has(0, minds_tombstones));
    CHECK(has(1, minds_tombstones));
    CHECK_FALSE(has(1, lags_by_what_is_left));
}
