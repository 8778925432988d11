// SPDX-License-Identifier: MIT
#pragma once

// What a test of code that talks to Redis needs, whichever framework it is of. catch.hpp and
// gtest.hpp make fixtures of it.

#include <runnel/version.hpp>

#include <runnel/duration.hpp>
#include <runnel/error.hpp>
#include <runnel/redis/options.hpp>
#include <runnel/redis/server.hpp>
#include <runnel/redis/testing/backend.hpp>
#include <runnel/redis/testing/client.hpp>
#include <runnel/redis/testing/compared_server.hpp>
#include <runnel/redis/testing/environment.hpp>
#include <runnel/redis/testing/fake_server.hpp>
#include <runnel/redis/testing/real_run.hpp>
#include <runnel/redis/testing/real_server.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::testing {

/// A Redis without any data, for one test: the fake, a real server, or both, as the environment
/// says. What it does is the same on each; but time can only be moved on the fake.
///
/// Thread safety: redis() and connect() may be called from any thread, all else by the thread of
/// the test.
class RedisUnderTest {
public:
    /// `options` are the fake's. A clock of the test's own is one more thing that needs the fake.
    ///
    /// Throws: Error{invalid_argument} if the environment contradicts itself, or the real server
    /// holds data: tests would delete it. Error{unavailable} if nobody listens at its socket.
    explicit RedisUnderTest(const ServerOptions& options = {},
                            Environment environment = Environment::of_process())
        : environment_{std::move(environment)}, is_strict_{options.strict} {
        make_backend(options);
        if (is_fake() || options.clock == nullptr) redis_.emplace(connect_to(*backend_));
    }
    RedisUnderTest(const RedisUnderTest&) = delete;
    RedisUnderTest& operator=(const RedisUnderTest&) = delete;
    /// Closes all connections. What finish() would say is not said.
    virtual ~RedisUnderTest() { (void)finish(true); }

    [[nodiscard]] Target target() const noexcept { return environment_.target; }
    [[nodiscard]] bool is_fake() const noexcept { return target() == Target::fake; }

    /// A connection that is there from the beginning.
    [[nodiscard]] Client& redis() {
        if (!redis_) needs_fake("a clock of its own");
        return *redis_;
    }

    /// Another one.
    [[nodiscard]] Client connect() {
        if (!redis_) needs_fake("a clock of its own");
        return connect_to(*backend_);
    }

    /// The fake. On a real server the test is left out, or fails: see needs_fake().
    [[nodiscard]] Server& server() {
        if (!is_fake()) needs_fake("server()");
        return fake_->server();
    }

    /// Moves the time of the fake: see redis::Server. On a real server the test is left out, or
    /// fails: see needs_fake().
    void advance(Duration duration) {
        if (!is_fake()) needs_fake("advance()");
        fake_->server().advance(duration);
    }

    /// On the fake this does nothing. On a real server, and where both are compared, the test ends
    /// here. The framework reports it as skipped. Where it knows no such thing, as Catch2 v2, and
    /// where there is none, the test fails: what was left out never looks passed.
    void needs_fake() {
        if (!is_fake()) needs_fake("the test");
    }

    /// Ends the test: closes all connections, and returns what is to be reported as failures of it.
    /// `has_failed`: it has failed before, so that only what is new is of interest. Does not throw,
    /// but std::bad_alloc. Fixtures call it; a second time it does nothing.
    [[nodiscard]] std::vector<std::string> finish(bool has_failed) {
        if (!backend_) return {};
        std::vector<std::string> texts;
        const auto add = [&texts](const auto& find) {
            try {
                const std::vector<std::string> found = find();
                texts.insert(texts.end(), found.begin(), found.end());
            } catch (const std::exception& error) {
                texts.emplace_back(error.what());
            } catch (...) {
                texts.emplace_back("a check at the end of the test has thrown");
            }
        };
        if (!has_failed) {
            for (const Check& check : checks_) add([&] { return check(*this); });
            if (is_fake()) add([this] { return complaints(); });
        }
        add([&] { return backend_->finish(has_failed); });
        backend_.reset();
        return texts;
    }

    /// What is to hold when a test ends.
    using Check = std::function<std::vector<std::string>(RedisUnderTest& redis)>;

    /// At the end of the test, while its connections are still there, `check` is called. Each text
    /// that it returns is reported as a failure of the test. If an exception
    /// ends the test before, or with GoogleTest any failure, it is not called. The locals of the
    /// test are gone then, and so is, with Catch2, what a class that is derived from Fixture has.
    void at_end(Check check) { checks_.push_back(std::move(check)); }

protected:
    /// Ends the test with this reason, as the framework does that. Must not return.
    [[noreturn]] virtual void leave_out(const std::string& reason) {
        throw Error{ErrorCode::invalid_argument, reason};
    }

private:
    void make_backend(const ServerOptions& options) {
        switch (environment_.target) {
        case Target::fake:
            fake_ = std::make_shared<detail::FakeBackend>(options);
            backend_ = fake_;
            return;
        case Target::real:
            backend_ = std::make_shared<detail::RealBackend>(environment_);
            return;
        case Target::both:
            backend_ = std::make_shared<detail::ComparedBackend>(options, environment_);
            return;
        }
    }
    [[nodiscard]] static Client connect_to(detail::Backend& backend) {
        return Client{backend.connect()};
    }

    // Of the fake: faults that have tested nothing, and what it does not have.
    [[nodiscard]] std::vector<std::string> complaints() {
        std::vector<std::string> texts;
        for (const std::string& fault : fake_->server().faults().unfired())
            texts.push_back("A fault has never fired: " + fault);
        if (!is_strict_) return texts;
        for (const std::string& command : fake_->server().unsupported())
            texts.push_back("The fake of Redis has no " + command);
        return texts;
    }

    [[noreturn]] void needs_fake(const std::string& what) {
        if (!std::exchange(is_left_out_, true))
            detail::RealRun::of_process().leave_out(environment_);
        leave_out(what + " needs the fake, and this is a run on Redis at " + environment_.socket);
        std::terminate();  // it has thrown
    }

    const Environment environment_;
    const bool is_strict_;
    std::shared_ptr<detail::FakeBackend> fake_;  // null: it is another one
    std::shared_ptr<detail::Backend> backend_;   // null: the test has ended
    std::optional<Client> redis_;
    std::vector<Check> checks_;
    bool is_left_out_ = false;
};

}  // namespace runnel::inline v0::redis::testing
