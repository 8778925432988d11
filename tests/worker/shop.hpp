// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/dead_letters.hpp>
#include <runnel/executor.hpp>
#include <runnel/redis/server.hpp>
#include <runnel/redis/session.hpp>
#include <runnel/redis/session_backend.hpp>
#include <runnel/stream.hpp>
#include <runnel/worker.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace runnel::test {

/// A dead letter, of whichever backend.
struct Dead {
    std::string value;
    std::string id;
    std::uint64_t attempts = 0;
    std::string error;

    friend bool operator==(const Dead&, const Dead&) = default;
};

/// A stream of strings with the group "billing", here. Ids are 1-0, 2-0, …
class StreamSide {
public:
    using Backend = GroupBackend<std::string>;
    static constexpr bool runs_coroutines = false;

    explicit StreamSide(ManualClock& clock)
        : orders{{.clock = &clock}}, letters{{.clock = &clock}} {}

    void add(std::uint64_t number, const std::string& text) {
        (void)orders.add(StreamId{number, 0}, text);
    }
    [[nodiscard]] Backend backend(bool with_letters) const {
        return {orders, "billing", with_letters ? std::optional{letters} : std::nullopt};
    }
    [[nodiscard]] std::size_t pending() const { return group().pending().count; }
    /// How often each pending entry was delivered.
    [[nodiscard]] std::vector<std::uint64_t> deliveries() const {
        std::vector<std::uint64_t> all;
        for (const auto& entry : group().pending(PendingOptions{})) all.push_back(entry.deliveries);
        return all;
    }
    [[nodiscard]] std::vector<Dead> dead() const {
        std::vector<Dead> all;
        for (const auto& [id, letter] : letters.stream().range())
            all.push_back(
                {*letter.entry, to_string(letter.entry.id()), letter.attempts, letter.error});
        return all;
    }
    [[nodiscard]] std::vector<std::string> consumers() const {
        std::vector<std::string> names;
        for (const auto& consumer : group().consumers()) names.push_back(consumer.name);
        return names;
    }
    void remove_group() const { (void)orders.remove_group("billing"); }
    [[nodiscard]] ConsumerGroup<std::string> group() const { return orders.group("billing"); }

    Stream<std::string> orders;
    DeadLetters<std::string> letters;
};

/// The same on the fake of Redis.
class SessionSide {
public:
    using Backend = redis::SessionBackend;
    static constexpr bool runs_coroutines = false;

    explicit SessionSide(ManualClock& clock) : server{{.clock = &clock, .password = password}} {}

    void add(std::uint64_t number, const std::string& text) {
        (void)session.execute({"XADD", "orders", std::to_string(number) + "-0", "value", text});
    }
    [[nodiscard]] Backend backend(bool with_letters) {
        return {server,
                {.key = "orders",
                 .group = "billing",
                 .dead_letters = with_letters ? "dead" : "",
                 .password = password}};
    }
    [[nodiscard]] std::size_t pending() {
        return static_cast<std::size_t>(
            session.execute({"XPENDING", "orders", "billing"})->elements()[0].integer());
    }
    [[nodiscard]] std::vector<std::uint64_t> deliveries() {
        std::vector<std::uint64_t> all;
        for (const redis::Reply& row :
             session.execute({"XPENDING", "orders", "billing", "-", "+", "100"})->elements())
            all.push_back(static_cast<std::uint64_t>(row.elements()[3].integer()));
        return all;
    }
    [[nodiscard]] std::vector<Dead> dead() {
        std::vector<Dead> all;
        for (const redis::Reply& row : session.execute({"XRANGE", "dead", "-", "+"})->elements()) {
            const redis::Reply fields = row.elements()[1];
            const auto text = [&](std::size_t index) {
                return std::string{fields.elements()[index].text()};
            };
            all.push_back({text(1), text(3), std::stoull(text(5)), text(7)});
        }
        return all;
    }
    [[nodiscard]] std::vector<std::string> consumers() {
        std::vector<std::string> names;
        for (const redis::Reply& row :
             session.execute({"XINFO", "CONSUMERS", "orders", "billing"})->elements())
            names.emplace_back(row.elements()[1].text());
        return names;
    }
    void remove_group() { (void)session.execute({"XGROUP", "DESTROY", "orders", "billing"}); }

    static constexpr const char* password = "secret";

    redis::Server server;
    redis::Session session{server, {.password = password}};
};

/// The same, but the workers are coroutines.
template <typename Side>
class InCoroutines : public Side {
public:
    using Side::Side;
    static constexpr bool runs_coroutines = true;
};
using CoroutineSide = InCoroutines<StreamSide>;
using CoroutineSessionSide = InCoroutines<SessionSide>;

/// An executor: runs what it is given in threads of a clock.
class Pool {
public:
    explicit Pool(ManualClock& clock) : clock_{clock}, steps_{{.clock = &clock}} {}

    void execute(Continuation step) const { (void)steps_.try_push_back(step); }
    [[nodiscard]] ManualClock::Thread thread() const {
        return clock_.thread("pool", [steps = steps_] {
            while (const auto step = steps.pop_front()) (*step)();
        });
    }
    void close() const noexcept { steps_.close(); }

private:
    ManualClock& clock_;
    BlockingList<Continuation> steps_;
};

/// One of them, with workers and their threads. Notes what handlers do, and when.
template <typename Side>
struct Shop {
    Shop() = default;
    Shop(const Shop&) = delete;
    Shop& operator=(const Shop&) = delete;
    ~Shop() { end(); }

    using Backend = typename Side::Backend;
    using Worker = runnel::Worker<std::string, Backend>;
    using Job = typename Worker::Job;
    using Options = WorkerOptions<std::string>;
    using Milliseconds = std::chrono::milliseconds;

    void add(const std::string& text) { side.add(++last, text); }

    [[nodiscard]] Milliseconds now() const {
        return std::chrono::duration_cast<Milliseconds>(clock.now() - begun);
    }
    /// From any thread.
    void note(const std::string& what) {
        const std::lock_guard lock{noting};
        notes.push_back(what + " at " + std::to_string(now().count()));
    }
    /// As work that takes so long.
    void wait(Milliseconds duration) {
        (void)BlockingList<int>{{.clock = &clock}}.pop_front({.timeout = duration});
    }

    /// With dead letters, or without.
    template <typename Handler>
    Worker& worker(Handler handler, const Options& options = {}, bool with_letters = true) {
        workers.push_back(
            std::make_unique<Worker>(side.backend(with_letters), std::move(handler), options));
        return *workers.back();
    }
    /// A thread that runs it, until it is to stop or the handler ends it. Or a coroutine, and a
    /// thread for it.
    void run(Worker& worker) {
        if constexpr (Side::runs_coroutines) {
            threads.push_back(pool.thread());
            worker.start(pool);
        } else {
            threads.push_back(clock.thread([&worker](std::stop_token stop) { worker.run(stop); }));
        }
    }
    /// Stops all that run.
    void end() {
        if constexpr (Side::runs_coroutines) {
            for (const auto& worker : workers) (void)worker->stop();
            pool.close();
        }
        threads.clear();
    }
    /// One thread of one worker, for an hour.
    template <typename Handler>
    WorkerStats work(Handler handler, const Options& options = {}, bool with_letters = true) {
        auto& one = worker(std::move(handler), options, with_letters);
        run(one);
        clock.advance(std::chrono::hours{1});
        end();
        return one.stats();
    }

    ManualClock clock;
    Clock::Deadline begun = clock.now();
    Side side{clock};
    Pool pool{clock};
    std::uint64_t last = 0;
    std::mutex noting;
    std::vector<std::string> notes;
    std::vector<std::unique_ptr<Worker>> workers;
    std::vector<ManualClock::Thread> threads;
};

}  // namespace runnel::test
