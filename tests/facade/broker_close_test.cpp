// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/broker.hpp>
#include <runnel/clock.hpp>
#include <runnel/error.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/wait_any.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/elements.hpp"
#include "support/lifetime.hpp"
#include "support/streams.hpp"
#include "support/watches.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using runnel::BlockingList;
using runnel::Broker;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::From;
using runnel::ManualClock;
using runnel::Push;
using runnel::Watch;
using runnel::test::Census;
using runnel::test::elements;
using runnel::test::ending;
using runnel::test::error_of;
using runnel::test::fill;
using runnel::test::MoveOnly;
using runnel::test::popping_front;
using runnel::test::reading;
using runnel::test::value;
using runnel::test::waiting_for_any;
using namespace std::chrono_literals;

using Names = std::vector<std::string>;

namespace {

// Three who wait for what a broker has names for.
struct Waits {
    ManualClock clock;
    std::optional<Broker> broker{Broker{{.clock = &clock}}};
    BlockingList<int> jobs = broker->list<int>("jobs");
    runnel::Stream<int> orders = broker->stream<int>("orders");
    runnel::Consumer<int> ann = broker->stream<int>("shared").group("group").consumer("ann");
};

}  // namespace

TEST_CASE_METHOD(Waits, "to close a broker ends every wait in it", "[broker][close]") {
    auto pop = popping_front(clock, jobs);
    auto read = reading(clock, orders, From::end);
    auto delivery = reading(clock, ann);
    std::vector<Watch> watches;
    watches.emplace_back(jobs);
    watches.emplace_back(ann);
    auto any = waiting_for_any(clock, watches);
    CHECK(pop.waits());
    CHECK_FALSE(broker->closed());
    broker->close();
    CHECK(broker->closed());
    CHECK(ending(pop.result()) == Ending::closed);
    CHECK(ending(read.result()) == Ending::closed);
    CHECK(ending(delivery.result()) == Ending::closed);
    CHECK(ending(any.result()) == Ending::closed);
}

TEST_CASE_METHOD(Waits, "a closed broker makes nothing, and has what it had", "[broker][close]") {
    fill(jobs, {1});
    broker->close();
    broker->close();
    CHECK(error_of([&] { return broker->list<int>("more jobs"); }) == ErrorCode::closed);
    CHECK(error_of([&] { return broker->stream<int>("more orders"); }) == ErrorCode::closed);
    CHECK_FALSE(broker->find_list<int>("more jobs"));
    CHECK(error_of([&] { return broker->list<std::string>("jobs"); }) == ErrorCode::wrong_type);
    CHECK(broker->names() == Names{"jobs", "orders", "shared"});
    CHECK(broker->list<int>("jobs") == jobs);
    CHECK(value(broker->find_list<int>("jobs")->pop_front()) == 1);
    CHECK(ending(jobs.pop_front()) == Ending::closed);
    CHECK(broker->remove("jobs"));
    CHECK(error_of([&] { return broker->list<int>("jobs"); }) == ErrorCode::closed);
}

TEST_CASE_METHOD(Waits, "the last handle of a broker closes it", "[broker][close]") {
    std::optional<Broker> copy{*broker};
    auto pop = popping_front(clock, jobs);
    auto read = reading(clock, orders, From::end);
    fill(broker->list<int>("left"), {1, 2});
    const auto left = broker->list<int>("left");
    broker.reset();
    CHECK(pop.waits());
    CHECK_FALSE(jobs.closed());
    copy.reset();
    CHECK(ending(pop.result()) == Ending::closed);
    CHECK(ending(read.result()) == Ending::closed);
    CHECK(elements(left) == std::vector<int>{1, 2});
    CHECK(left.push_back(3) == Push::closed);
}

TEST_CASE("what nobody holds dies with the broker, or with its name", "[broker][close]") {
    const Census census;
    {
        const Broker broker;
        for (const char* const name : {"a", "b"}) {
            REQUIRE(broker.list<MoveOnly>(name).push_back(1) == Push::done);
            broker.stream<MoveOnly>(std::string{name} + "s").add(1);
        }
        CHECK(census.alive() == 4);
        CHECK(broker.remove("a"));
        CHECK(broker.remove("as"));
        CHECK(census.alive() == 2);
        broker.close();
        CHECK(census.alive() == 2);
    }
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

TEST_CASE("an inbox that outlives its broker keeps nothing of it but what waits there",
          "[broker][close][pattern]") {
    const Census census;
    std::optional<Broker> broker{Broker{}};
    REQUIRE(broker->list<MoveOnly>("jobs").push_back(1) == Push::done);
    auto inbox = broker->subscribe<MoveOnly>({.patterns = {"*"}});
    REQUIRE(broker->publish("a", MoveOnly{2}).reached == 1);
    CHECK(census.alive() == 2);
    broker.reset();
    CHECK(census.alive() == 1);
    CHECK(inbox.try_read().size() == 1);
    CHECK(census.alive() == 0);
    CHECK(ending(inbox.read({.timeout = 0s})) == Ending::closed);
}

TEST_CASE("a message may hold the broker that its death asks", "[broker][close]") {
    struct Asker {
        std::unique_ptr<Broker> broker;
        std::vector<Names>* seen = nullptr;

        Asker(const Broker& of, std::vector<Names>& into)
            : broker{std::make_unique<Broker>(of)}, seen{&into} {}
        Asker(Asker&&) = default;
        ~Asker() {
            if (broker) seen->push_back(broker->names());
        }
    };
    std::vector<Names> seen;
    const Broker broker;
    REQUIRE(broker.list<Asker>("a").push_back(Asker{broker, seen}) == Push::done);
    CHECK(broker.remove("a"));
    CHECK(seen == std::vector<Names>{Names{}});
}
