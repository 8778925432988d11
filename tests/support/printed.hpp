// SPDX-License-Identifier: MIT
#pragma once

#include "support/catch.hpp"

#include <cstdio>
#include <string>
#include <unistd.h>

namespace runnel::test {

/// What `call` writes to the standard error.
template <typename Call>
std::string printed_by(Call call) {
    std::FILE* const file = std::tmpfile();
    REQUIRE(file != nullptr);
    std::fflush(stderr);
    const int usual = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    call();
    std::fflush(stderr);
    dup2(usual, STDERR_FILENO);
    close(usual);
    std::rewind(file);
    std::string text;
    for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
    std::fclose(file);
    return text;
}

}  // namespace runnel::test
