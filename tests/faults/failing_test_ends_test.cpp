// SPDX-License-Identifier: MIT
// Before: hangs
//
// An exception that left a test unwound the thread that the test had started on its clock: joining
// it waited for a wait that nobody would end any more, and nothing told why the test had failed.
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <stdexcept>

using namespace std::chrono_literals;

namespace {

// The test that README shows, and it fails in the middle.
void fail_while_a_thread_waits(bool& late) {
    runnel::ManualClock clock;
    runnel::BlockingList<int> jobs{{.clock = &clock}};
    auto worker = clock.thread([&] { late = !jobs.pop_front({.timeout = 1h}); });
    clock.advance(59min);
    throw std::runtime_error{"the test has failed"};
}

}  // namespace

TEST_CASE("a test that fails while a thread of its clock waits comes to its end", "[fault]") {
    bool late = false;
    CHECK_THROWS_WITH(fail_while_a_thread_waits(late), "the test has failed");
    CHECK(late);
}
