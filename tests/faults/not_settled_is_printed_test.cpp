// SPDX-License-Identifier: MIT
// Before: fails: "" contains: "the reader"
//
// The error that names the threads that do not wait was only thrown: where unwinding joined one of
// them, the test hung, and nobody ever saw the message.
#include <runnel/clock.hpp>
#include <runnel/error.hpp>

#include "support/catch.hpp"
#include "support/printed.hpp"

#include <chrono>
#include <latch>
#include <string>

using runnel::test::printed_by;
using namespace std::chrono_literals;

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
