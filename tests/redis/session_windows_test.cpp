// SPDX-License-Identifier: MIT
//
// What ends the wait of a session's command: a push, its time-out, CLIENT UNBLOCK, a close. One of
// two is stopped wherever it asks for the time, under the server's lock and beside it, while the
// other one goes as far as it can.
#include <runnel/abstract_clock.hpp>
#include <runnel/redis.hpp>
#include <runnel/runner.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/gate.hpp"
#include "support/reveal.hpp"
#include "support/windows.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace runnel::test {

struct StateOf {
    friend auto reveal(StateOf);
};
template struct Reveal<StateOf, &redis::Server::state_>;

namespace {

using namespace std::chrono_literals;
using redis::Reply;

// Stands still until it is moved; stops at the gate whenever it is asked.
class GateClock final : public Clock {
public:
    [[nodiscard]] Deadline now() const noexcept override {
        gate.pass(Step::compare);
        return Deadline{std::chrono::seconds{seconds}};
    }
    [[nodiscard]] WallTime wall() const noexcept override {
        gate.pass(Step::compare);
        return WallTime{std::chrono::seconds{seconds}};
    }
    [[nodiscard]] bool is_real() const noexcept override { return false; }

    mutable Gate gate;
    std::atomic<std::chrono::seconds::rep> seconds = 1'000;
};

// One session waits for a job for a second, another one for ever.
struct Scene {
    explicit Scene(bool is_due) {
        first = waiting.submit({"BLPOP", "jobs", "1"});
        second = patient.submit({"BLPOP", "jobs", "0"});
        if (is_due) clock.seconds += 1;
    }

    void push(redis::Session& by) { by.execute({"RPUSH", "jobs", "a"}); }
    void time_out(redis::Session& /*the clock does*/) { runner.run_due(); }
    void unblock(redis::Session& by) {
        by.execute({"CLIENT", "UNBLOCK", std::to_string(waiting.id())});
    }
    void close(redis::Session& /*the one that waits*/) { waiting.close(); }
    void wait(redis::Session& by) { more(by) = by.submit({"BLPOP", "jobs", "1"}); }

    // Nothing is lost, and nothing comes twice.
    void check(std::size_t pushes) {
        std::size_t popped = 0;
        for (const auto& job : {first, second, third, fourth})
            if (job && job->ready() && job->try_get() &&
                job->try_get()->kind() == Reply::Kind::array)
                ++popped;
        redis::Session looking{server};
        const auto left = static_cast<std::size_t>(looking.execute({"LLEN", "jobs"})->integer());
        CHECK(popped + left == pushes);
        std::size_t blocked = 0;
        for (const auto& job : {first, second, third, fourth})
            if (job && !job->ready()) ++blocked;
        CHECK(server.blocked_sessions() == blocked);
        if (blocked != 0) CHECK(left == 0);
    }

    GateClock clock;
    Runner runner{clock};
    redis::Server server{{.clock = &clock}};
    redis::Session waiting{server};
    redis::Session patient{server};
    redis::Session one{server};
    redis::Session other{server};
    std::optional<redis::Pending> first{};
    std::optional<redis::Pending> second{};
    std::optional<redis::Pending> third{};
    std::optional<redis::Pending> fourth{};

private:
    std::optional<redis::Pending>& more(const redis::Session& by) {
        return &by == &one ? third : fourth;
    }
};

struct Operation {
    const char* name;
    void (Scene::*run)(redis::Session& by);
    std::size_t pushes = 0;
};

const std::vector<Operation>& operations() {
    static const std::vector<Operation> all{{"push", &Scene::push, 1},
                                            {"time-out", &Scene::time_out},
                                            {"unblock", &Scene::unblock},
                                            {"close", &Scene::close},
                                            {"another wait", &Scene::wait}};
    return all;
}

// False: the first operation is done before its nth question for the time.
bool run(const Operation& one, const Operation& other, bool is_due, std::size_t nth) {
    Scene scene{is_due};
    Gate& gate = scene.clock.gate;
    std::jthread stopped{[&] {
        gate.arm(nth);
        (scene.*one.run)(scene.one);
        gate.disarm();
    }};
    const bool has_stopped = gate.await_stop();
    {
        std::atomic<bool> is_done = false;
        const std::jthread beside{[&] {
            (scene.*other.run)(scene.other);
            is_done = true;
        }};
        const detail::Mutex& mutex = (scene.server.*reveal(StateOf{}))->mutex;
        if (has_stopped) {
            eventually([&] { return is_done || is_waited_for(mutex); });
            gate.open();
        }
    }
    stopped.join();
    scene.check(one.pushes + other.pushes);
    return has_stopped;
}

TEST_CASE("whatever ends the wait of a command, in any of its windows, ends it once") {
    std::size_t windows = 0;
    for (const Operation& one : operations())
        for (const Operation& other : operations())
            for (const bool is_due : {false, true})
                for (std::size_t nth = 1;; ++nth, ++windows) {
                    INFO(one.name << " is stopped at " << nth << ", " << other.name << " beside it"
                                  << (is_due ? ", the time-out is due" : ""));
                    if (!run(one, other, is_due, nth)) break;
                }
    CHECK(windows > 50);
}

}  // namespace
}  // namespace runnel::test
