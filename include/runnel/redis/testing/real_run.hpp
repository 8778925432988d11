// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/error.hpp>
#include <runnel/redis/testing/environment.hpp>

#include <cstddef>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>

namespace runnel::inline v0::redis::testing::detail {

// What all tests of this process do on real servers. At the end it is printed, so that nobody takes
// a run for one on another server.
class RealRun {
public:
    [[nodiscard]] static RealRun& of_process() {
        static RealRun run;
        return run;
    }
    RealRun(const RealRun&) = delete;
    RealRun& operator=(const RealRun&) = delete;
    ~RealRun() {
        for (const auto& [socket, figures] : servers_)
            (void)std::fputs(told(socket, figures).c_str(), stderr);
    }

    // Makes the server empty for a test. The first one finds it empty, or may do so.
    // Throws: Error{invalid_argument} otherwise.
    template <typename Server>
    void begin(Server& server, const Environment& environment) {
        const std::lock_guard lock{mutex_};
        if (!servers_.contains(server.path())) {
            if (!environment.may_flush) expect_no_keys(server);
            servers_[server.path()] = {server.version(), environment.target};
        }
        server.flush();
        ++servers_[server.path()].tests;
    }

    void leave_out(const Environment& environment) {
        const std::lock_guard lock{mutex_};
        ++servers_[environment.socket].left_out;
    }

private:
    struct Figures {
        std::string version{};
        Target target = Target::real;
        std::size_t tests = 0;
        std::size_t left_out = 0;
    };

    RealRun() = default;

    template <typename Server>
    static void expect_no_keys(Server& server) {
        const std::string keys = server.keys();
        if (keys.empty()) return;
        throw Error{ErrorCode::invalid_argument,
                    "Redis at " + server.path() + ": it holds data (" + keys +
                        "), and tests would delete that: give them a server without, or set "
                        "RUNNEL_REDIS_FLUSH=1"};
    }

    [[nodiscard]] static std::string told(const std::string& socket, const Figures& figures) {
        const std::size_t ran = figures.tests - figures.left_out;
        std::string text = "runnel: " + std::to_string(ran) + (ran == 1 ? " test " : " tests ") +
                           (figures.target == Target::both ? "compared the fake with" : "ran on") +
                           " Redis " + figures.version + " at " + socket;
        if (figures.left_out != 0)
            text += ", and " + std::to_string(figures.left_out) + " did not: they need the fake";
        return text + '\n';
    }

    std::mutex mutex_;
    std::map<std::string, Figures> servers_;
};

}  // namespace runnel::inline v0::redis::testing::detail
