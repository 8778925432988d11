// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/error.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>
#include <runnel/read_first.hpp>
#include <runnel/stream.hpp>
#include <runnel/wait_any.hpp>

#include "support/catch.hpp"
#include "support/lifetime.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"
#include "support/stress_tally.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using runnel::Broker;
using runnel::Ending;
using runnel::Error;
using runnel::ErrorCode;
using runnel::Push;
using runnel::test::Census;
using runnel::test::MoveOnly;
using runnel::test::Random;
using runnel::test::Tally;

namespace {

// How the broker of a round ends, while everybody is at work.
enum class End : std::uint8_t { closed_early, closed_late, last_handle };

// A thread that does everything that can be done with a broker; in the end it lets go of it, and
// waits for something of it that only ends with the broker.
class Worker {
public:
    Worker(Broker broker, Random random, std::size_t closes_at)
        : broker_{std::move(broker)}, random_{random}, closes_at_{closes_at} {}

    void run(std::size_t steps) {
        try {
            for (std::size_t step = 0; step != steps; ++step) {
                if (step == closes_at_) broker_->close();
                one_step();
            }
            last_wait();
        } catch (const Error& error) {
            tally.add("error", error.code() == ErrorCode::closed ? "closed" : "WRONG");
        }
        inboxes_.clear();
        broker_.reset();
    }

    Tally tally;

private:
    using List = runnel::BlockingList<MoveOnly>;
    using Stream = runnel::Stream<MoveOnly>;
    using Channel = runnel::Channel<MoveOnly>;
    using Inbox = runnel::Inbox<MoveOnly>;

    void one_step() {
        switch (random_.below(14)) {
        case 0:
        case 1:
            return push();
        case 2:
            return pop();
        case 3:
            return add();
        case 4:
            return read_stream();
        case 5:
        case 6:
            return publish();
        case 7:
            return read_channel();
        case 8:
            return subscribe();
        case 9:
            return read_inbox();
        case 10:
            return remove();
        case 11:
            return look_around();
        case 12:
            return watch_several();
        default:
            return connect();
        }
    }

    const char* any_name() {
        static constexpr std::array names{"a", "b", "ab", "ba"};
        return random_.one_of(names);
    }
    const char* any_pattern() {
        static constexpr std::array patterns{"*", "a*", "?b", "b*", "ab"};
        return random_.one_of(patterns);
    }
    std::string stream_name() { return std::string{any_name()} + "-stream"; }
    runnel::Timeout any_timeout() { return random_.below(100) * 1us; }

    List list() { return broker_->list<MoveOnly>(any_name(), {.capacity = 4}); }
    Stream stream() { return broker_->stream<MoveOnly>(stream_name(), {.keep = {.count = 50}}); }

    void count(const char* what, Ending ending) {
        tally.add(what, ending == Ending::closed      ? "closed"
                        : ending == Ending::timed_out ? "timed out"
                                                      : "WRONG");
    }

    void push() {
        const Push pushed = list().push_back(MoveOnly{1}, {.timeout = any_timeout()});
        tally.add("push", pushed == Push::done     ? "done"
                          : pushed == Push::closed ? "closed"
                                                   : "timed out");
    }

    void pop() {
        const auto popped = list().pop_front({.timeout = any_timeout()});
        popped ? tally.add("pop", "done") : count("pop", popped.ending());
    }

    void add() {
        try {
            stream().add(MoveOnly{1});
            tally.add("add", "done");
        } catch (const Error& error) {
            if (error.code() != ErrorCode::closed) throw;
            tally.add("add", "closed");  // the stream or the broker: the next step will tell
        }
    }

    void read_stream() {
        if (random_.percent(50)) {
            const auto parts = runnel::read_first<MoveOnly>(
                {{stream(), runnel::From::start}, {stream(), runnel::From::end}},
                {.count = 3, .timeout = any_timeout()});
            return parts ? tally.add("read streams", "done") : count("read", parts.ending());
        }
        const auto me = stream().group("group").consumer("me");
        const auto batch = me.read({.count = 2, .timeout = any_timeout(), .acknowledged = true});
        batch ? tally.add("read group", "done") : count("read group", batch.ending());
    }

    void publish() {
        const bool by_name = random_.percent(50);
        const auto published =
            by_name ? broker_->publish(any_name(), MoveOnly{1}, {.timeout = any_timeout()})
                    : broker_->channel<MoveOnly>(any_name())
                          .publish(MoveOnly{1}, {.timeout = any_timeout()});
        tally.add("publish", published.ending == Push::closed ? "closed"
                             : published.reached == 0         ? "to nobody"
                                                              : "done");
    }

    // The channel may be removed before it is subscribed to.
    template <typename Call>
    bool unless_closed(Call call) {
        try {
            call();
            return true;
        } catch (const Error& error) {
            if (error.code() != ErrorCode::closed || broker_->closed()) throw;
            return false;
        }
    }

    void read_channel() {
        const auto channel = broker_->channel<MoveOnly>(any_name());
        unless_closed([&] {
            auto view = channel.subscribe({.bound = 2});
            if (random_.percent(50)) (void)broker_->publish(channel.name(), MoveOnly{1});
            const auto batch = view.read({.timeout = any_timeout()});
            batch ? tally.add("read channel", "done") : count("read channel", batch.ending());
        });
    }

    void subscribe() {
        if (inboxes_.size() > random_.below(4)) {
            inboxes_.erase(inboxes_.begin());
            return tally.add("unsubscribe", "done");
        }
        const bool done = unless_closed([&] {
            runnel::Topics topics{.patterns = {any_pattern(), any_pattern()}, .bound = 100};
            if (random_.percent(50)) topics.channels.push_back(any_name());
            inboxes_.push_back(broker_->subscribe<MoveOnly>(topics));
        });
        tally.add("subscribe", done ? "done" : "closed");
    }

    void read_inbox() {
        if (inboxes_.empty()) return;
        auto batch = random_.one_of(inboxes_).read({.timeout = any_timeout()});
        batch ? tally.add("read inbox", "done") : count("read inbox", batch.ending());
    }

    void remove() {
        const bool removed = random_.percent(50)   ? broker_->remove_channel(any_name())
                             : random_.percent(50) ? broker_->remove(any_name())
                                                   : broker_->remove(stream_name());
        tally.add("remove", removed ? "done" : "none");
    }

    void look_around() {
        const auto names = broker_->names(any_pattern());
        const auto channels = broker_->channels(any_pattern());
        tally.add("look", names.size() <= 10 && channels.size() <= 5 ? "done" : "WRONG");
        if (broker_->run_due() != 0) tally.add("look", "WRONG");
        const Broker copy = *broker_;
        if (const auto found = copy.find_list<MoveOnly>(any_name()); found && found->size() > 4)
            tally.add("look", "WRONG");
        try {
            (void)copy.find_stream<MoveOnly>(any_name());
        } catch (const Error& error) {
            tally.add("error", error.code() == ErrorCode::wrong_type ? "wrong type" : "WRONG");
        }
    }

    void watch_several() {
        const auto jobs = list();
        auto cursor = stream().cursor(runnel::From::end);
        std::vector<runnel::Watch> watches;
        watches.emplace_back(jobs);
        watches.emplace_back(cursor);
        if (!inboxes_.empty()) watches.emplace_back(inboxes_.front());
        const auto any = runnel::wait_any(watches, {.timeout = any_timeout()});
        if (!any) return count("any", any.ending());
        if (any.which() == 0) (void)jobs.try_pop_front();
        if (any.which() == 1) (void)cursor.try_read();
        if (any.which() == 2) (void)inboxes_.front().try_read();
        tally.add("any", "done");
    }

    void connect() {
        const auto channel = broker_->channel<MoveOnly>(any_name());
        std::atomic<int> calls = 0;
        unless_closed([&] {
            const auto handler = channel.on_message([&calls](const MoveOnly&) { ++calls; });
            (void)channel.publish(MoveOnly{1}, {.timeout = any_timeout()});
        });
        tally.add("handler", calls.load() != 0 ? "done" : "none");
    }

    // None of these comes: nobody sends under these names.
    void last_wait() {
        const auto jobs = broker_->list<MoveOnly>("quiet");
        const auto events = broker_->stream<MoveOnly>("quiet-stream");
        auto view = broker_->channel<MoveOnly>("quiet").subscribe();
        auto inbox = broker_->subscribe<MoveOnly>({.patterns = {"quiet:*"}});
        auto cursor = events.cursor();
        const std::size_t dice = random_.below(6);
        inboxes_.clear();
        broker_.reset();
        Ending ending = Ending::timed_out;
        if (dice == 0) ending = jobs.pop_front().ending();
        if (dice == 1) ending = cursor.read().ending();
        if (dice == 2) ending = view.read().ending();
        if (dice == 3) ending = inbox.read().ending();
        if (dice == 4) ending = runnel::wait_any({jobs, cursor, view, inbox}).ending();
        if (dice == 5) ending = events.group("g").consumer("c").read().ending();
        tally.add("last wait", ending == Ending::closed ? "closed" : "WRONG");
    }

    std::optional<Broker> broker_;
    Random random_;
    std::size_t closes_at_;
    std::deque<Inbox> inboxes_;
};

constexpr std::size_t never = 1'000'000;

std::size_t closing_step(End end, std::size_t steps) {
    return end == End::closed_early ? steps / 2 : end == End::closed_late ? steps - 1 : never;
}

void one_round(End end, std::uint64_t seed, std::size_t round, Tally& tally) {
    constexpr std::size_t workers = 4;
    constexpr std::size_t steps = 150;
    const Census census;
    {
        std::vector<std::unique_ptr<Worker>> crew;
        {
            const Broker broker;
            for (std::size_t number = 0; number != workers; ++number) {
                const std::size_t closes_at = number == 0 ? closing_step(end, steps) : never;
                crew.push_back(std::make_unique<Worker>(
                    broker, Random{seed, round * workers + number}, closes_at));
            }
        }
        std::vector<std::jthread> threads;
        for (const auto& worker : crew) threads.emplace_back([&one = *worker] { one.run(steps); });
        threads.clear();
        for (const auto& worker : crew) tally.add(worker->tally);
    }
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

}  // namespace

TEST_CASE("a broker is used, closed and destroyed by several threads at any moment, and every wait "
          "ends",
          "[broker][stress]") {
    const std::uint64_t seed = runnel::test::seed_for("broker_stress");
    const std::size_t rounds = runnel::test::scaled(300, 12);
    Tally tally;
    for (std::size_t round = 0; round != rounds; ++round)
        one_round(static_cast<End>(round % 3), seed, round, tally);
    std::cout << tally;
    CHECK(tally.all("WRONG") == 0);
    CHECK(tally.of("last wait", "closed") != 0);
    for (const char* const row : {"push", "pop", "add", "publish", "read channel", "read inbox",
                                  "subscribe", "remove", "any", "handler"})
        CHECK(tally.of(row, "done") != 0);
}
