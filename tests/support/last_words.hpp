// SPDX-License-Identifier: MIT
#pragma once

#include "support/catch.hpp"

#include <array>
#include <csignal>
#include <cstddef>
#include <exception>
#include <functional>
#include <string>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

namespace runnel::test {

/// What is read from `file` until its other end is closed.
inline std::string all_of(int file) {
    std::string text;
    std::array<char, 512> part{};
    for (ssize_t size = 0; (size = read(file, part.data(), part.size())) > 0;)
        text.append(part.data(), static_cast<std::size_t>(size));
    return text;
}

/// What a process that calls `mistake` prints before it aborts; nothing if it does not abort.
inline std::string last_words(const std::function<void()>& mistake) {
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    const pid_t child = fork();
    if (child == 0) {
        std::signal(SIGABRT, SIG_DFL);  // Catch's handler would report it, too
        dup2(ends[1], STDERR_FILENO);
        mistake();
        _exit(0);
    }
    close(ends[1]);
    const std::string text = all_of(ends[0]);
    close(ends[0]);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? text : std::string{};
}

}  // namespace runnel::test
