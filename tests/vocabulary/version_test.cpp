// SPDX-License-Identifier: MIT
#include <runnel/version.hpp>

#include "support/catch.hpp"

#include <string>

TEST_CASE("the header and CMake agree on the version", "[version]") {
    CHECK(std::string{RUNNEL_VERSION} == RUNNEL_CMAKE_VERSION);
}

TEST_CASE("the numbers of the version make up its text", "[version]") {
    CHECK(std::to_string(RUNNEL_VERSION_MAJOR) + "." + std::to_string(RUNNEL_VERSION_MINOR) + "." +
              std::to_string(RUNNEL_VERSION_PATCH) ==
          RUNNEL_VERSION);
}
