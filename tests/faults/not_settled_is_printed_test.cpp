// SPDX-License-Identifier: MIT
// Before: fails: "" contains: "the reader"
//
// The error that names the threads that do not wait was only thrown: where unwinding joined one of
// them, the test hung, and nobody ever saw the message.
#include <runnel/clock.hpp>
#include <runnel/error.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstdio>
#include <latch>
#include <string>
#include <unistd.h>

using namespace std::chrono_literals;

namespace {

// What `call` writes to the standard error.
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

}  // namespace

TEST_CASE("the error of threads that do not settle is printed when it is thrown", "[fault]") {
    runnel::ManualClock clock;
    std::latch gate{1};
    const auto reader = clock.thread("the reader", [&] { gate.wait(); });
    bool thrown = false;
    const std::string printed = printed_by([&] {
        try {
            clock.settle(1ms);
        } catch (const runnel::Error&) {
            thrown = true;
        }
    });
    gate.count_down();
    CHECK(thrown);
    CHECK_THAT(printed, Catch::Matchers::Contains("the reader"));
}
