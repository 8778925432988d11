// SPDX-License-Identifier: MIT
#include <runnel/channel.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"
#include "support/stress_shop.hpp"
#include "support/stress_specimen.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using runnel::Behind;
using runnel::Connection;
using runnel::Push;
using runnel::test::eventually;
using runnel::test::Random;
using runnel::test::scaled;
using runnel::test::Specimen;

namespace {

using SpecimenChannel = runnel::Channel<Specimen>;

// What the threads of a test have found; told at its end.
class Findings {
public:
    explicit Findings(std::string_view what) : seed{runnel::test::seed_for(what)} {}

    void expect(bool holds) { (holds ? right_ : wrong_).fetch_add(1, std::memory_order_relaxed); }
    void count() { counted_.fetch_add(1, std::memory_order_relaxed); }

    // Whether to go on.
    [[nodiscard]] bool is_good() const { return wrong_ == 0 && Specimen::faults() == 0; }

    void tell(std::string_view counted) const {
        std::cout << "  right " << right_ << "  WRONG " << wrong_ << "  " << counted << ' '
                  << counted_ << std::endl;
        CHECK(wrong_ == 0);
        CHECK(Specimen::faults() == 0);
        CHECK(Specimen::alive() == 0);
    }

    const std::uint64_t seed;

private:
    std::atomic<std::size_t> right_ = 0;
    std::atomic<std::size_t> wrong_ = 0;
    std::atomic<std::size_t> counted_ = 0;
};

// Threads that publish for as long as they live. The numbers of each grow.
class Publishers {
public:
    Publishers(const SpecimenChannel& channel, std::size_t count) {
        for (std::uint64_t publisher = 1; publisher <= count; ++publisher)
            threads_.emplace_back([channel, publisher](const std::stop_token& stop) {
                for (std::uint64_t number = publisher << 40U; !stop.stop_requested(); ++number)
                    (void)channel.publish(Specimen{number});
            });
    }

private:
    std::vector<std::jthread> threads_;
};

// That calls do not overlap, and that each publisher's messages come in order and without gaps.
class Line {
public:
    explicit Line(Findings& findings) : findings_{findings} {}

    template <typename Function>
    void pass(const Specimen& message, Function function) {
        findings_.expect(!is_busy_.exchange(true, std::memory_order_relaxed));
        const std::uint64_t number = message.number();
        std::uint64_t& last = last_.at(number >> 40U);
        findings_.expect(last == 0 || number == last + 1);
        last = number;
        function();
        findings_.expect(is_busy_.exchange(false, std::memory_order_relaxed));
    }
    void pass(const Specimen& message) {
        pass(message, [] {});
    }

private:
    Findings& findings_;
    std::atomic<bool> is_busy_ = false;
    std::array<std::uint64_t, 8> last_{};  // not atomic: one call follows the other
};

void await_calls(const std::atomic<std::size_t>& calls, std::size_t count) {
    eventually([&] { return calls.load(std::memory_order_acquire) >= count; });
}

}  // namespace

TEST_CASE("a handler disconnects itself while others publish", "[channel][handler][race]") {
    Findings findings{"a handler disconnects itself"};
    const std::size_t rounds = scaled(150, 20);
    for (std::size_t round = 0; round != rounds && findings.is_good(); ++round) {
        Random random{findings.seed, round};
        const SpecimenChannel channel;
        const std::size_t last = 1 + random.below(5);
        std::atomic<std::size_t> calls = 0;
        std::atomic<std::size_t> others = 0;
        const auto secret = std::make_shared<Specimen>(1);
        std::optional<Connection> self;
        Line line{findings};
        const auto before = channel.on_message([&](const Specimen&) { ++others; });
        self = channel.on_message([&, secret, canary = Specimen{2}](const Specimen& message) {
            line.pass(message, [&] {
                findings.expect(calls < last);
                if (calls + 1 == last) self->disconnect();
                // It is over only once this call is.
                findings.expect(canary.number() == 2 && secret->number() == 1);
                if (calls + 1 == last) findings.expect(channel.info().handlers == 2);
            });
            calls.fetch_add(1, std::memory_order_release);
        });
        const auto after = channel.on_message([&](const Specimen&) { ++others; });
        {
            const Publishers publishers{channel, 2};
            await_calls(calls, last);
            eventually([&] { return secret.use_count() == 1; });
            await_calls(others, others + 4);
        }
        findings.expect(calls == last && !self->connected());
        findings.count();
    }
    findings.tell("rounds");
}

TEST_CASE("after disconnect() nothing of a handler is touched", "[channel][handler][race]") {
    Findings findings{"after disconnect() nothing is touched"};
    const std::size_t rounds = scaled(1'000, 100);
    {
        const SpecimenChannel channel;
        std::optional<runnel::Subscription<Specimen>> view;
        const Publishers publishers{channel, 2};
        for (std::size_t round = 0; round != rounds && findings.is_good(); ++round) {
            Random random{findings.seed, round};
            // With somebody who reads the log, too, or without.
            if (random.percent(5)) view.emplace(channel.subscribe({.bound = 16}));
            if (random.percent(5)) view.reset();
            auto used = std::make_unique<Specimen>(3);
            auto line = std::make_unique<Line>(findings);
            const auto captured = std::make_shared<Specimen>(1);
            std::atomic<std::size_t> calls = 0;
            auto connection = channel.on_message(
                [&findings, &calls, captured, canary = Specimen{2}, used = used.get(),
                 line = line.get()](const Specimen& message) {
                    line->pass(message, [&] {
                        findings.expect(used->number() == 3 && canary.number() == 2);
                        findings.expect(captured->number() == 1);
                    });
                    calls.fetch_add(1, std::memory_order_relaxed);
                },
                {.bound = 1 + random.below(4)});
            const auto pause = random.below(4);
            if (pause == 1) await_calls(calls, 1 + random.below(3));
            if (pause == 2) runnel::test::pass(random.below(50) * 1us);
            if (pause == 3) runnel::test::pass(1us);
            if (random.percent(50)) {
                connection.disconnect();
            } else {
                std::jthread{[gone = std::move(connection)] {}}.join();
            }
            findings.expect(captured.use_count() == 1);
            used.reset();
            line.reset();
            findings.count();
        }
    }
    findings.tell("disconnected");
}

TEST_CASE("two channels publish into each other", "[channel][handler][race]") {
    Findings findings{"two channels publish into each other"};
    const std::size_t messages = scaled(20'000, 1'000);
    constexpr std::uint64_t most_hops = 3;
    std::atomic<std::size_t> refused = 0;
    {
        const std::array<SpecimenChannel, 2> channels;
        // Each handler passes on what comes, to the other channel, some times. In the high bits is
        // how often that was done; the rest is made by a publisher.
        const auto connect = [&](std::size_t from, std::size_t bound) {
            return channels.at(from).on_message(
                [&, from, canary = Specimen{1}](const Specimen& message) {
                    const std::uint64_t number = message.number();
                    if (number >> 60U == most_hops) return;
                    Specimen next{number + (std::uint64_t{1} << 60U)};
                    const auto result = channels.at(1 - from).publish(std::move(next));
                    findings.expect(result.ending == Push::done || result.ending == Push::full);
                    if (result.ending == Push::full) {
                        findings.expect(next.number() == number + (std::uint64_t{1} << 60U));
                        ++refused;
                    }
                    findings.expect(canary.number() == 1);
                },
                {.bound = bound});
        };
        // The handlers of one channel are replaced inside those of the other.
        std::array<std::vector<Connection>, 2> passing;
        std::array<Connection, 2> replacing;
        for (const std::size_t side : {0U, 1U}) {
            for (const std::size_t bound : {1U, 3U})
                passing.at(side).push_back(connect(side, bound));
            replacing.at(side) = channels.at(side).on_message(
                [&, side, random = Random{findings.seed, side}](const Specimen&) mutable {
                    if (!random.percent(10)) return;
                    auto& one = random.one_of(passing.at(1 - side));
                    if (random.percent(30)) one.disconnect();
                    one = connect(1 - side, 1 + random.below(4));
                    findings.count();
                });
        }
        std::vector<std::jthread> threads;
        for (const std::size_t side : {0U, 1U})
            threads.emplace_back([&, side] {
                for (std::uint64_t number = 1; number <= messages; ++number)
                    findings.expect(channels.at(side).publish(Specimen{number}).ending ==
                                    Push::done);
            });
        threads.clear();
    }
    std::cout << "  refused " << refused;
    findings.tell("replaced");
}

TEST_CASE("a publish into one's own full queue is refused, and never a hang",
          "[channel][handler][race]") {
    Findings findings{"a publish into one's own full queue"};
    const std::size_t rounds = scaled(300, 20);
    std::atomic<std::size_t> refused = 0;
    std::atomic<std::size_t> full = 0;
    for (std::size_t round = 0; round != rounds && findings.is_good(); ++round) {
        Random random{findings.seed, round};
        const SpecimenChannel channel;
        constexpr std::uint64_t answer = std::uint64_t{1} << 62U;
        const std::uint64_t each = 1 + random.below(3);
        std::size_t answers = 0;
        std::size_t heard = 0;
        const auto connection = channel.on_message(
            [&](const Specimen& message) {
                const std::uint64_t number = message.number();
                if (number >= answer) return void(++heard);
                for (std::uint64_t copy = 0; copy != each; ++copy) {
                    Specimen next{answer + number};
                    const bool tries = number % 4 == 0;
                    const auto result = tries ? channel.try_publish(std::move(next))
                                              : channel.publish(std::move(next));
                    if (result.ending == Push::done) {
                        ++answers;
                    } else {
                        findings.expect(result.ending == Push::full);
                        findings.expect(next.number() == answer + number);
                        ++(tries ? full : refused);
                    }
                }
            },
            {.bound = 1 + random.below(4)});
        std::optional<std::jthread> reader;
        if (random.percent(50)) {
            reader.emplace([view = channel.subscribe({.bound = 1 + random.below(3),
                                                      .when_behind = Behind::block})]() mutable {
                while (view.read({.count = 1})) {
                }
            });
        }
        {
            std::vector<std::jthread> threads;
            for (std::uint64_t publisher = 1; publisher <= 3; ++publisher)
                threads.emplace_back([&, publisher] {
                    for (std::uint64_t number = 1; number <= 50; ++number) {
                        const auto result = channel.publish(Specimen{(publisher << 40U) + number});
                        findings.expect(result.ending == Push::done);
                        findings.count();
                    }
                });
        }
        channel.close();
        reader.reset();
        findings.expect(heard == answers && channel.info().waiting == 0);
    }
    std::cout << "  refused " << refused << "  full " << full;
    findings.tell("published");
}

TEST_CASE("handlers throw, and the others do not notice", "[channel][handler][race]") {
    Findings findings{"handlers throw"};
    const auto each = static_cast<std::uint64_t>(scaled(20'000, 500));
    std::size_t thrown = 0;
    std::size_t caught = 0;
    std::size_t calls = 0;
    {
        const SpecimenChannel channel;
        Line first{findings};
        Line second{findings};
        const auto throwing = channel.on_message(
            [&](const Specimen& message) {
                bool throws = false;
                first.pass(message, [&] { throws = message.number() % 3 == 0; });
                if (!throws) return;
                ++thrown;
                throw std::runtime_error{"a third"};
            },
            {.bound = 8, .on_error = [&](const std::exception_ptr& error) {
                 ++caught;
                 findings.expect(error != nullptr && caught == thrown);
             }});
        const auto calm = channel.on_message([&](const Specimen& message) {
            second.pass(message);
            ++calls;
        });
        std::vector<std::jthread> threads;
        for (std::uint64_t publisher = 1; publisher <= 3; ++publisher)
            threads.emplace_back([&, publisher] {
                for (std::uint64_t number = 1; number <= each; ++number)
                    findings.expect(channel.publish(Specimen{(publisher << 40U) + number}) == 2);
            });
    }
    CHECK(calls == 3 * each);
    CHECK(caught == thrown);
    CHECK(thrown >= each / 3 * 3);
    std::cout << "  thrown " << thrown;
    findings.tell("others");
}

namespace {

// A handler that does all kinds of things to its channel. Its calls follow each other, so it needs
// no lock for what it keeps.
class Manager {
public:
    Manager(const SpecimenChannel& channel, Findings& findings, std::uint64_t stream)
        : channel_{channel}, findings_{findings}, random_{findings.seed, stream} {}

    void operator()(const Specimen& message) {
        findings_.expect(message.number() != 0);
        const std::size_t dice = random_.below(100);
        if (dice < 10) connect();
        if (dice >= 10 && dice < 20 && !staff_.empty()) random_.one_of(staff_).disconnect();
        if (dice >= 20 && dice < 25 && !staff_.empty()) {
            std::swap(random_.one_of(staff_), staff_.back());
            staff_.pop_back();
        }
        if (dice == 25) staff_.clear();
        if (dice >= 26 && dice < 35) views_.push_back(channel_.subscribe({.bound = 8}));
        if (dice >= 35 && dice < 45 && !views_.empty()) look(random_.one_of(views_));
        if (views_.size() > 4) views_.erase(views_.begin());
        if (dice == 45) findings_.expect(!channel_.closed() && channel_.subscribers() != 0);
    }

private:
    void connect() {
        // Each is owned by a handler that the next one may be owned by.
        auto inner = staff_.empty() ? Connection{} : std::move(staff_.front());
        const std::uint64_t from = channel_.info().published;
        staff_.push_back(channel_.on_message(
            [&findings = findings_, inner = std::move(inner), canary = Specimen{from + 1},
             line = std::make_unique<Line>(findings_)](const Specimen& message) {
                line->pass(message);
                findings.expect(canary.number() != 0 && inner.connected() == inner.connected());
            },
            {.bound = 1 + random_.below(20)}));
        if (staff_.size() > 8) staff_.erase(staff_.begin());
        findings_.count();
    }

    void look(runnel::Subscription<Specimen>& view) {
        const auto batch = view.try_read();
        if (!batch) return;
        for (const Specimen& message : batch) findings_.expect(message.number() != 0);
    }

    const SpecimenChannel& channel_;
    Findings& findings_;
    Random random_;
    std::vector<Connection> staff_;
    std::vector<runnel::Subscription<Specimen>> views_;
};

}  // namespace

TEST_CASE("handlers subscribe, connect, and destroy others", "[channel][handler][race]") {
    Findings findings{"handlers subscribe, connect, and destroy others"};
    const std::size_t rounds = scaled(40, 4);
    for (std::size_t round = 0; round != rounds && findings.is_good(); ++round) {
        const SpecimenChannel channel;
        auto manager = channel.on_message(Manager{channel, findings, round});
        {
            std::vector<std::jthread> threads;
            for (std::uint64_t publisher = 1; publisher <= 3; ++publisher)
                threads.emplace_back([&, publisher] {
                    for (std::uint64_t number = 1; number <= 500; ++number)
                        findings.expect(channel.publish(Specimen{(publisher << 40U) + number}) !=
                                        0);
                });
        }
        manager.disconnect();
        findings.expect(channel.subscribers() == 0);
        // What was left to them goes with them.
        findings.expect(channel.info().retained == 0);
    }
    findings.tell("connected");
}

TEST_CASE("a handler waits for a thread that disconnects its neighbours",
          "[channel][handler][race]") {
    Findings findings{"a handler waits for a thread that disconnects"};
    const std::size_t rounds = scaled(1'500, 100);
    for (std::size_t round = 0; round != rounds && findings.is_good(); ++round) {
        const SpecimenChannel channel;
        std::array<Connection, 4> neighbours;
        std::size_t late = 0;
        const auto connect = [&](std::size_t which) {
            neighbours.at(which) = channel.on_message([&](const Specimen&) { ++late; });
        };
        const auto disconnect_elsewhere = [&](std::size_t which) {
            std::jthread{[&, which] { neighbours.at(which).disconnect(); }}.join();
            findings.count();
        };
        // Joins in its destructor.
        struct Joiner {
            std::unique_ptr<std::jthread> thread = std::make_unique<std::jthread>();
            std::atomic<bool>* is_dying;
            ~Joiner() {
                if (thread == nullptr) return;
                *is_dying = true;
                thread.reset();
            }
            Joiner(std::atomic<bool>& flag, std::jthread made)
                : thread{std::make_unique<std::jthread>(std::move(made))}, is_dying{&flag} {}
            Joiner(Joiner&&) = default;
            Joiner& operator=(Joiner&&) = delete;
        };
        std::atomic<bool> is_dying = false;
        Connection self;
        connect(0);
        const auto calling = channel.on_message([&](const Specimen& message) {
            if (message.number() == 2) disconnect_elsewhere(0);
            if (message.number() == 2) disconnect_elsewhere(1);
        });
        connect(1);
        // When this one dies, in the thread that runs the handlers, another thread disconnects the
        // one that is next.
        self =
            channel.on_message([&, joiner = Joiner{is_dying, std::jthread{[&] {
                                                       eventually([&] { return is_dying.load(); });
                                                       neighbours.at(2).disconnect();
                                                   }}}](const Specimen& message) {
                findings.expect(joiner.thread != nullptr);
                if (message.number() == 3) self.disconnect();
            });
        connect(2);
        connect(3);
        for (std::uint64_t number = 1; number <= 4; ++number)
            (void)channel.publish(Specimen{number});
        // Of the four messages: 0 got two, 1 one, 2 two, 3 all.
        findings.expect(late == 2 + 1 + 2 + 4);
        findings.expect(channel.info().handlers == 2);
    }
    findings.tell("disconnected elsewhere");
}

TEST_CASE("the last handle goes inside a handler, or while one runs", "[channel][handler][race]") {
    Findings findings{"the last handle goes"};
    const std::size_t rounds = scaled(2'000, 100);
    for (std::size_t round = 0; round != rounds && findings.is_good(); ++round) {
        Random random{findings.seed, round};
        auto handle = std::make_unique<SpecimenChannel>();
        std::vector<std::unique_ptr<SpecimenChannel>> copies;
        for (std::size_t copy = 0; copy != 2; ++copy)
            copies.push_back(std::make_unique<SpecimenChannel>(*handle));
        std::vector<Connection> connections;
        std::atomic<std::size_t> calls = 0;
        const bool goes_inside = random.percent(50);
        const std::size_t last = 1 + random.below(20);
        const bool stays = random.percent(50);
        connections.push_back(handle->on_message(
            [&, canary = Specimen{1}](const Specimen& message) {
                findings.expect(message.number() != 0 && canary.number() == 1);
                if (++calls == last && goes_inside) handle.reset();
            },
            {.bound = 1 + random.below(3)}));
        connections.push_back(handle->on_message([](const Specimen&) {}));
        std::optional<runnel::Subscription<Specimen>> view;
        if (random.percent(50)) view.emplace(handle->subscribe());
        std::vector<std::jthread> threads;
        for (auto& copy : copies)
            threads.emplace_back([&, mine = std::move(copy), count = 1 + random.below(30)] {
                for (std::uint64_t number = 1; number <= count; ++number)
                    (void)mine->publish(Specimen{number});
                findings.count();
            });
        if (random.percent(30)) connections.pop_back();
        if (!goes_inside) handle.reset();
        if (!stays) connections.clear();
        threads.clear();
        connections.clear();
        handle.reset();
        if (view) {
            while (const auto batch = view->try_read()) {
                for (const Specimen& message : batch) findings.expect(message.number() != 0);
            }
            view.reset();
        }
        findings.expect(Specimen::alive() == 0);
    }
    findings.tell("publishers");
}

TEST_CASE("the run of the handlers goes from publisher to publisher", "[channel][handler][race]") {
    Findings findings{"the run goes from publisher to publisher"};
    const auto each = static_cast<std::uint64_t>(scaled(20'000, 500));
    std::size_t handed_over = 0;
    std::size_t calls = 0;
    {
        const SpecimenChannel channel;
        Line line{findings};
        std::thread::id runner;
        const auto handler = channel.on_message([&](const Specimen& message) {
            line.pass(message, [&] {
                ++calls;
                const auto self = std::this_thread::get_id();
                if (std::exchange(runner, self) != self) ++handed_over;
            });
        });
        std::vector<std::jthread> threads;
        for (std::uint64_t publisher = 1; publisher <= 4; ++publisher)
            threads.emplace_back([&, publisher,
                                  random = Random{findings.seed, publisher}]() mutable {
                for (std::uint64_t number = 1; number <= each; ++number) {
                    Specimen message{(publisher << 40U) + number};
                    const auto how = random.below(4);
                    auto result = how == 0   ? channel.try_publish(std::move(message))
                                  : how == 1 ? channel.publish(std::move(message),
                                                               {.timeout = random.below(30) * 1us})
                                             : channel.publish(std::move(message));
                    // Whatever has no room now comes next, for the sake of the order.
                    while (result.ending == Push::full)
                        result = channel.publish(std::move(message));
                    findings.expect(result.ending == Push::done);
                    findings.count();
                }
            });
    }
    CHECK(calls == 4 * each);
    std::cout << "  handed over " << handed_over;
    findings.tell("published");
}

TEST_CASE("handlers disconnect each other across channels", "[channel][handler][race]") {
    Findings findings{"handlers disconnect each other"};
    const std::size_t rounds = scaled(1'500, 100);
    std::atomic<std::size_t> running = 0;
    for (std::size_t round = 0; round != rounds && findings.is_good(); ++round) {
        constexpr std::size_t size = 3;
        const std::array<SpecimenChannel, size> channels;
        std::array<std::unique_ptr<Specimen>, size> used;
        std::array<Connection, size> handlers;
        std::atomic<std::size_t> inside = 0;
        for (std::size_t i = 0; i != size; ++i) {
            used.at(i) = std::make_unique<Specimen>(i + 1);
            // Once all of them are in, each disconnects the next one, and destroys what that uses
            // if it has ended.
            handlers.at(i) = channels.at(i).on_message([&, i](const Specimen&) {
                ++inside;
                eventually([&] { return inside == size; });
                const std::size_t next = (i + 1) % size;
                if (handlers.at(next).disconnect() == runnel::Disconnected::running) {
                    ++running;
                } else {
                    used.at(next).reset();
                }
                findings.expect(used.at(i)->number() == i + 1);
            });
        }
        {
            std::vector<std::jthread> threads;
            for (std::size_t i = 0; i != size; ++i)
                threads.emplace_back([&, i] { (void)channels.at(i).publish(Specimen{1}); });
        }
        for (std::size_t i = 0; i != size; ++i)
            findings.expect(channels.at(i).info().handlers == 0);
        findings.count();
    }
    CHECK(running != 0);  // each round has a circle
    std::cout << "  running " << running;
    findings.tell("rounds");
}

TEST_CASE("handlers leave by themselves, or with their owners, while others publish",
          "[channel][handler][race]") {
    Findings findings{"handlers leave by themselves"};
    const std::size_t rounds = scaled(1'000, 100);
    {
        const SpecimenChannel channel;
        const Publishers publishers{channel, 2};
        for (std::size_t round = 0; round != rounds && findings.is_good(); ++round) {
            Random random{findings.seed, round};
            std::atomic<std::size_t> calls = 0;
            auto owner = std::make_shared<Specimen>(7);
            auto once = channel.on_message(
                [&, canary = Specimen{2}](const Specimen&) {
                    findings.expect(canary.number() == 2 && ++calls == 1);
                },
                {.once = true});
            auto owned =
                channel.on_message([&findings, used = owner.get()](
                                       const Specimen&) { findings.expect(used->number() == 7); },
                                   {.owner = owner});
            auto own = channel.on_message([&, last = random.below(3), canary = Specimen{3}](
                                              const Specimen&, Connection& self) mutable {
                if (last-- == 0) (void)self.disconnect();
                findings.expect(canary.number() == 3);
            });
            if (random.percent(50)) eventually([&] { return !own.connected(); });
            owner.reset();
            if (random.percent(50)) eventually([&] { return !owned.connected(); });
            (void)once.disconnect();
            findings.expect(calls <= 1);
            (void)own.disconnect();
            (void)owned.disconnect();
            findings.count();
        }
    }
    findings.tell("rounds");
}

TEST_CASE("publishes that wait end when the last handle goes", "[channel][race]") {
    Findings findings{"publishes that wait end"};
    const std::size_t rounds = scaled(1'500, 100);
    for (std::size_t round = 0; round != rounds && findings.is_good(); ++round) {
        Random random{findings.seed, round};
        std::atomic<std::size_t> done = 0;
        std::vector<std::jthread> threads;  // outlive the handle also if one cannot be started
        auto handle = std::make_unique<SpecimenChannel>();
        auto view = handle->subscribe({.bound = 1, .when_behind = Behind::block});
        (void)handle->publish(Specimen{1});
        const SpecimenChannel& waited_through = *handle;
        for (std::uint64_t publisher = 2; publisher <= 3; ++publisher)
            threads.emplace_back([&, publisher] {
                Specimen message{publisher};
                const auto result = waited_through.publish(std::move(message));
                findings.expect(result.ending == Push::closed || result.ending == Push::done);
                if (result.ending == Push::closed)
                    findings.expect(message.number() == publisher);
                else
                    ++done;
            });
        eventually([&] { return handle->info().waiting == 2; });
        std::optional<std::jthread> reader;
        std::size_t read = 0;
        const bool reads = random.percent(50);
        const auto take = [&] {
            while (const auto batch = view.try_read()) read += batch.size();
        };
        if (reads) reader.emplace(take);
        handle.reset();
        threads.clear();
        reader.reset();
        take();
        findings.expect(read == 1 + done);
        findings.count();
    }
    findings.tell("rounds");
}
