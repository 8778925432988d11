// SPDX-License-Identifier: MIT
#define CATCH_CONFIG_RUNNER  // v2 puts its implementation here, once for all test programs
#define CATCH_CONFIG_DEFAULT_REPORTER "console of one thread"

#include "support/catch.hpp"

#if CATCH_VERSION_MAJOR == 2
#    include <cstdlib>
#    include <iostream>
#    include <thread>

namespace {

// The console, and the end of the program where another thread asserts than the one that started
// it: Catch2 keeps its books without a lock. Other threads leave their results to the test's own.
struct ConsoleOfOneThread : Catch::ConsoleReporter {
    using ConsoleReporter::ConsoleReporter;

    static std::string getDescription() {
        return "As console, and ends where another thread asserts.";
    }

    void assertionStarting(const Catch::AssertionInfo& info) override {
        check_thread(info.lineInfo);
        ConsoleReporter::assertionStarting(info);
    }

    bool assertionEnded(const Catch::AssertionStats& stats) override {
        check_thread(stats.assertionResult.getSourceInfo());
        return ConsoleReporter::assertionEnded(stats);
    }

private:
    void check_thread(const Catch::SourceLineInfo& place) const {
        if (std::this_thread::get_id() == started_by_) return;
        std::cerr << place << ": an assertion in another thread than the test's\n";
        std::_Exit(EXIT_FAILURE);
    }

    std::thread::id started_by_ = std::this_thread::get_id();
};

}  // namespace

CATCH_REGISTER_REPORTER("console of one thread", ConsoleOfOneThread)
#endif

int main(int argc, char** argv) {
    return Catch::Session().run(argc, argv);
}
