// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace runnel::inline v0::detail {

// The kernel's number of the calling thread.
[[nodiscard]] inline pid_t kernel_thread() noexcept {
    return static_cast<pid_t>(syscall(SYS_gettid));
}

// Of a thread that sleeps in the kernel: how often it has gone to sleep. Nothing: it runs, or could
// run, or nobody knows. Two equal answers: it has slept all the time between them.
[[nodiscard]] inline std::optional<std::uint64_t> sleep_of(pid_t thread) {
    constexpr std::string_view state = "State:\t";
    constexpr std::string_view sleeps = "voluntary_ctxt_switches:\t";
    std::ifstream status{"/proc/self/task/" + std::to_string(thread) + "/status"};
    bool is_asleep = false;
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(state)) is_asleep = line[state.size()] == 'S';
        if (!is_asleep || !line.starts_with(sleeps)) continue;
        std::uint64_t count = 0;
        std::from_chars(line.data() + sleeps.size(), line.data() + line.size(), count);
        return count;
    }
    return std::nullopt;
}

}  // namespace runnel::inline v0::detail
