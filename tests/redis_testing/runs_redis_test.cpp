// SPDX-License-Identifier: MIT
// Programs of tests, as their users see them: what they print, and how they end.
#include "support/catch.hpp"
#include "support/redis_server.hpp"

#include <array>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <vector>

using Catch::Contains;
using runnel::test::RedisServer;

namespace {

struct Run {
    std::string output;
    int status = -1;
};

// `before`: variables, such as "A=1".
Run run(const std::string& before, const std::string& program,
        const std::vector<std::string>& arguments) {
    std::string line = "env -u RUNNEL_REDIS_FLUSH " + before + ' ' + program;
    for (const std::string& argument : arguments) line += " '" + argument + '\'';
    line += " 2>&1";
    FILE* const pipe = popen(line.c_str(), "r");
    if (pipe == nullptr) throw std::runtime_error{line};
    Run run;
    std::array<char, 4096> bytes{};
    while (const std::size_t size = fread(bytes.data(), 1, bytes.size(), pipe))
        run.output.append(bytes.data(), size);
    const int status = pclose(pipe);
    run.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return run;
}

std::string on(const RedisServer& server) {
    return "RUNNEL_REDIS_SOCKET=" + server.socket();
}
std::string beside(const RedisServer& server) {
    return "RUNNEL_REDIS_COMPARE=" + server.socket();
}

}  // namespace

TEST_CASE("Catch2: what needs the fake does not look passed on a real server", "[redis_runs]") {
    RedisServer server;
    for (const std::string& where : {on(server), beside(server)}) {
        const Run moves = run(where, SUITE_CATCH, {"[moves]"});
        CHECK(moves.status != 0);
        CHECK_THAT(moves.output, Contains("advance() needs the fake") && Contains("~[fake]") &&
                                     Contains("and 1 did not: they need the fake"));
        const Run others = run(where, SUITE_CATCH, {"[fine]"});
        CHECK(others.status == 0);
        CHECK_THAT(others.output, Contains(" Redis ") && Contains(" at " + server.socket()) &&
                                      !Contains("did not"));
    }
    CHECK(run("", SUITE_CATCH, {"[moves]"}).status == 0);
    CHECK_THAT(run("", SUITE_CATCH, {"[moves]"}).output, !Contains("runnel:"));
}

TEST_CASE("Catch2: differences and complaints fail a test once", "[redis_runs]") {
    RedisServer server;
    for (const char* const test : {"[differs]", "[hides]"}) {
        CHECK(run("", SUITE_CATCH, {test}).status == 0);
        const Run differs = run(beside(server), SUITE_CATCH, {test});
        CHECK(differs.status == 1);
        CHECK_THAT(differs.output, Contains("of connection 1: EVAL \"return 1\" 0") &&
                                       Contains("test cases: 1 | 1 failed"));
    }
    CHECK_THAT(run("", SUITE_CATCH, {"[complains]"}).output,
               Contains("something is left") && Contains("1 failed"));
    CHECK_THAT(run("", SUITE_CATCH, {"[complains]", "--abort"}).output,
               !Contains("All tests passed"));
    CHECK_THAT(run("", SUITE_CATCH, {"[fails]"}).output,
               Contains("1 failed") && !Contains("something is left"));
    CHECK_THAT(run("", SUITE_CATCH, {"[none]"}).output,
               Contains("no reply: the connection is closed, or the answers are pushes"));
}

TEST_CASE("a server that nobody may flush, or that is not there, fails all tests", "[redis_runs]") {
    RedisServer server;
    (void)server.command({"SET", "precious", "1"});
    const Run refused = run(on(server), SUITE_CATCH, {"[fine]"});
    CHECK(refused.status == 1);
    CHECK_THAT(refused.output, Contains("it holds data"));
    CHECK(server.command({"GET", "precious"}).text == "1");
    CHECK(run("RUNNEL_REDIS_FLUSH=1 " + on(server), SUITE_CATCH, {"[fine]"}).status == 0);
    CHECK(server.command({"DBSIZE"}).integer == 0);
    CHECK_THAT(run("RUNNEL_REDIS_SOCKET=/nowhere", SUITE_CATCH, {"[fine]"}).output,
               Contains("Redis at /nowhere: cannot connect: No such file or directory"));
}

#ifdef SUITE_GTEST
TEST_CASE("GoogleTest: what needs the fake is skipped on a real server", "[redis_runs]") {
    RedisServer server;
    const Run all = run("", SUITE_GTEST, {"--gtest_filter=Misuse*Time*:*Begun"});
    CHECK(all.status == 0);
    CHECK_THAT(all.output, Contains("[  PASSED  ] 3 tests"));
    for (const std::string& where : {on(server), beside(server)}) {
        const Run some = run(where, SUITE_GTEST, {"--gtest_filter=*Fine:Misuse*Time*:*Begun"});
        CHECK(some.status == 0);
        CHECK_THAT(some.output, Contains("[  PASSED  ] 1 test.") &&
                                    Contains("[  SKIPPED ] 3 tests, listed below") &&
                                    Contains("advance() needs the fake") && Contains("1 test ") &&
                                    Contains("and 3 did not: they need the fake") &&
                                    !Contains("not reached"));
    }
}

TEST_CASE("GoogleTest: differences and complaints fail a test once", "[redis_runs]") {
    RedisServer server;
    for (const char* const test : {"*.Differs", "*.HidesTheDifference"}) {
        const std::string filter = std::string{"--gtest_filter="} + test;
        CHECK(run("", SUITE_GTEST, {filter}).status == 0);
        const Run differs = run(beside(server), SUITE_GTEST, {filter});
        CHECK(differs.status == 1);
        const std::size_t told = differs.output.find("of connection 1: EVAL");
        REQUIRE(told != std::string::npos);
        CHECK(differs.output.find("of connection 1: EVAL", told + 1) == std::string::npos);
    }
    CHECK_THAT(run("", SUITE_GTEST, {"--gtest_filter=MisuseComplains.*"}).output,
               Contains("something is left") && Contains("1 FAILED TEST"));
    CHECK_THAT(run("", SUITE_GTEST, {"--gtest_filter=*NoReply"}).output,
               Contains("which is no reply: the connection is closed, or the answers are pushes"));
}
#endif
