// SPDX-License-Identifier: MIT
#define CATCH_CONFIG_RUNNER  // v2 puts its implementation here, once for all test programs

#include "support/catch.hpp"

int main(int argc, char** argv) {
    return Catch::Session().run(argc, argv);
}
