// SPDX-License-Identifier: MIT
#pragma once

#include "support/catch.hpp"

#include <cstdio>
#include <string>
#include <unistd.h>

namespace runnel::test {

/// While it lives, what is written to the standard error goes to that file.
class StandardErrorTo {
public:
    explicit StandardErrorTo(int file) {
        std::fflush(stderr);
        dup2(file, STDERR_FILENO);
    }
    StandardErrorTo(const StandardErrorTo&) = delete;
    StandardErrorTo& operator=(const StandardErrorTo&) = delete;
    ~StandardErrorTo() {
        std::fflush(stderr);
        dup2(usual_, STDERR_FILENO);
        close(usual_);
    }

private:
    const int usual_ = dup(STDERR_FILENO);
};

/// What `call` writes to the standard error.
template <typename Call>
std::string printed_by(Call call) {
    std::FILE* const file = std::tmpfile();
    REQUIRE(file != nullptr);
    {
        const StandardErrorTo redirected{fileno(file)};
        call();
    }
    std::rewind(file);
    std::string text;
    for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
    std::fclose(file);
    return text;
}

}  // namespace runnel::test
