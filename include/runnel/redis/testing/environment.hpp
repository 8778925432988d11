// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/duration.hpp>
#include <runnel/error.hpp>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace runnel::inline v0::redis::testing {

/// What tests run on.
enum class Target : std::uint8_t {
    fake,  ///< a redis::Server of the test's own
    real,  ///< a real server
    both,  ///< each command goes to both, and the replies are compared
};

/// Where tests run, as environment variables say it:
///
/// - `RUNNEL_REDIS_SOCKET=/path`: on the real server that listens at this unix socket;
/// - `RUNNEL_REDIS_COMPARE=/path`: on the fake and on that server;
/// - neither: on the fake;
/// - `RUNNEL_REDIS_FLUSH=1`: tests may delete what that server holds.
struct Environment {
    Target target = Target::fake;
    /// The path of the real server's unix socket.
    std::string socket{};
    /// Whether tests may begin on a real server that holds data, which they delete.
    bool may_flush = false;
    /// How long the real server may take to reply, in real time.
    Duration limit = std::chrono::seconds{10};

    /// Throws: Error{invalid_argument} if both sockets are given.
    [[nodiscard]] static Environment of_process() {
        const std::string real = variable("RUNNEL_REDIS_SOCKET");
        const std::string both = variable("RUNNEL_REDIS_COMPARE");
        if (!real.empty() && !both.empty())
            throw Error{ErrorCode::invalid_argument,
                        "RUNNEL_REDIS_SOCKET and RUNNEL_REDIS_COMPARE are both set: tests run on "
                        "a real server, or compare with it"};
        Environment environment;
        if (!real.empty()) environment.target = Target::real;
        if (!both.empty()) environment.target = Target::both;
        environment.socket = real.empty() ? both : real;
        environment.may_flush = variable("RUNNEL_REDIS_FLUSH") == "1";
        return environment;
    }

private:
    // Empty is as good as not set.
    [[nodiscard]] static std::string variable(const char* name) {
        const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
        return value == nullptr ? std::string{} : std::string{value};
    }
};

}  // namespace runnel::inline v0::redis::testing
