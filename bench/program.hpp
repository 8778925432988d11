// SPDX-License-Identifier: MIT
// What every benchmark program does besides its groups: it takes its orders from the command line
// and the environment, tells where it runs, and prints the tables.
//
//   <program> [part of "group/case"]       REPS=7 in the environment: repetitions
#pragma once

#include "harness.hpp"
#include "threads.hpp"

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace runnel::bench {

#ifdef __clang__
inline constexpr const char* compiler = __VERSION__;
#else
inline constexpr const char* compiler = "g++ " __VERSION__;
#endif

#ifndef RUNNEL_BENCH_BUILD_TYPE  // set by bench/CMakeLists.txt
#    define RUNNEL_BENCH_BUILD_TYPE "unknown"
#endif

inline std::string processor() {
    std::ifstream cpuinfo{"/proc/cpuinfo"};
    for (std::string line; std::getline(cpuinfo, line);) {
        if (!line.starts_with("model name")) continue;
        return line.substr(std::min(line.size(), line.find(':') + 2));
    }
    return "unknown";
}

inline void print_environment(std::size_t repetitions) {
    double load = 0;
    getloadavg(&load, 1);
    std::printf("processor: %s, %u cores; load before the run: %.1f\n", processor().c_str(),
                core_count(), load);
    std::printf("compiler: %s, build type: %s\n", compiler, RUNNEL_BENCH_BUILD_TYPE);
    std::printf("repetitions: %zu%s\n", repetitions,
                repetitions < 7 ? " (to be quoted, a figure needs at least 7)" : "");
    if (!RUNNEL_BENCH_MOODYCAMEL) {
        std::puts("moodycamel's queue was not installed, its rows are missing; "
                  "to have them: apt-get install libconcurrentqueue-dev");
    }
    std::fflush(stdout);
}

/// From the environment; `otherwise` if it is not set there, 0 if it is not a number.
inline std::size_t number_in_environment(const char* name, std::size_t otherwise) {
    const char* const text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    if (text == nullptr) return otherwise;
    const std::string_view digits{text};
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return error == std::errc{} && end == digits.data() + digits.size() ? number : 0;
}

/// How many repetitions the environment asks for. Complains and returns 0 if that is no number.
inline std::size_t repetitions_wanted(const char* program) {
    const std::size_t repetitions = number_in_environment("REPS", 7);
    if (repetitions == 0) std::fprintf(stderr, "%s: REPS must be a number from 1\n", program);
    return repetitions;
}

/// Measures those of the groups that add_groups(suite) adds and `filter` lets through. Returns what
/// main() is to return.
template <class AddGroups>
int run_program(const char* name, std::string filter, AddGroups add_groups) {
    const std::size_t repetitions = repetitions_wanted(name);
    if (repetitions == 0) return 2;
    Suite suite{std::move(filter)};
    add_groups(suite);
    if (suite.empty()) {
        std::fprintf(stderr, "%s: no \"group/case\" has that in its name\n", name);
        return 2;
    }
    pin_to(0);
    // The C library takes short cuts while there is one thread; programs with queues have more.
    const std::jthread second_thread{[](const std::stop_token& stop) {
        pin_to(1);
        while (!stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }};
    print_environment(repetitions);
    suite.run(repetitions);
    suite.print();
    return 0;
}

}  // namespace runnel::bench
