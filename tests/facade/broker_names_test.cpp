// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/broker.hpp>
#include <runnel/clock.hpp>
#include <runnel/error.hpp>
#include <runnel/list_options.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/stream_options.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/elements.hpp"
#include "support/streams.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using Catch::Matchers::Contains;
using runnel::BlockingList;
using runnel::Broker;
using runnel::Ending;
using runnel::Error;
using runnel::ErrorCode;
using runnel::Full;
using runnel::ListOptions;
using runnel::ManualClock;
using runnel::Model;
using runnel::Push;
using runnel::Stream;
using runnel::StreamOptions;
using runnel::SystemClock;
using runnel::test::elements;
using runnel::test::ending;
using runnel::test::error_of;
using runnel::test::fill;
using runnel::test::popping_front;
using runnel::test::reading;
using runnel::test::value;
using namespace std::chrono_literals;

using Names = std::vector<std::string>;

namespace shop {
struct Job {
    int number = 0;
};
struct Order {
    int number = 0;
};
}  // namespace shop

namespace {

std::string text_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.what();
    }
    return {};
}

}  // namespace

// ------------------------------------------------------------------ names

TEST_CASE("a name stands for one list, whoever asks for it", "[broker]") {
    const Broker broker;
    const Broker copy = broker;
    CHECK(copy == broker);
    CHECK_FALSE(Broker{} == broker);

    const auto jobs = broker.list<int>("jobs");
    CHECK(copy.list<int>("jobs") == jobs);
    CHECK_FALSE(copy.list<int>("other jobs") == jobs);
    fill(jobs, {1, 2});
    CHECK(elements(copy.list<int>("jobs")) == std::vector<int>{1, 2});
}

TEST_CASE("a name stands for one stream, whoever asks for it", "[broker]") {
    const Broker broker;
    const auto orders = broker.stream<int>("orders");
    orders.add(1);
    CHECK(broker.stream<int>("orders") == orders);
    CHECK(broker.stream<int>("orders").size() == 1);
    CHECK_FALSE(broker.stream<int>("other orders") == orders);
}

TEST_CASE("to look for a name makes nothing", "[broker]") {
    const Broker broker;
    CHECK_FALSE(broker.find_list<int>("jobs"));
    CHECK_FALSE(broker.find_stream<int>("orders"));
    CHECK(broker.names().empty());

    const auto jobs = broker.list<int>("jobs");
    const auto orders = broker.stream<int>("orders");
    CHECK(broker.find_list<int>("jobs") == jobs);
    CHECK(broker.find_stream<int>("orders") == orders);
}

TEST_CASE("what the first one asks for is made by its options", "[broker]") {
    const Broker broker;
    const ListOptions one_or_none{.capacity = 1, .when_full = Full::reject};
    const auto jobs = broker.list<int>("jobs", one_or_none);
    const auto same = broker.list<int>("jobs");
    CHECK(same.push_back(1) == Push::done);
    CHECK(same.push_back(2) == Push::full);
    CHECK(broker.list<int>("jobs", one_or_none) == jobs);
    CHECK(same.options() == ListOptions{1, Full::reject, &SystemClock::instance()});

    const StreamOptions last_one{.keep = {.count = 1}, .block_entries = 8};
    const auto orders = broker.stream<int>("orders", last_one);
    CHECK(broker.stream<int>("orders") == orders);
    for (const int number : {1, 2, 3}) orders.add(int{number});
    CHECK(orders.size() == 1);
    CHECK(broker.stream<int>("orders", last_one) == orders);
    CHECK(orders.options() == StreamOptions{{1}, 8, &SystemClock::instance()});
}

TEST_CASE("who asks for other options than something was made with is told so", "[broker]") {
    const Broker broker;
    ManualClock clock;
    (void)broker.list<int>("jobs", {.capacity = 10});
    CHECK(error_of([&] { return broker.list<int>("jobs", {.capacity = 20}); }) ==
          ErrorCode::invalid_argument);
    CHECK(text_of([&] { (void)broker.list<int>("jobs", {.capacity = 20}); }) ==
          R"(Broker: the list "jobs" is there with other options: capacity is 10, not 20)");
    CHECK_THAT(text_of([&] { (void)broker.list<int>("jobs", {}); }),
               Contains("capacity is 10, not unlimited"));
    CHECK_THAT(text_of([&] {
                   (void)broker.list<int>("jobs", {.capacity = 10, .when_full = Full::reject});
               }),
               Contains("when_full is block, not reject"));
    CHECK_THAT(text_of([&] { (void)broker.list<int>("jobs", {.capacity = 10, .clock = &clock}); }),
               Contains("it has another clock"));

    (void)broker.stream<int>("orders", {.keep = {.count = 5}});
    CHECK(text_of([&] { (void)broker.stream<int>("orders", {}); })
              .starts_with(
                  R"(Broker: the stream "orders" is there with other options: keep.count is 5, )"));
    CHECK_THAT(text_of([&] {
                   (void)broker.stream<int>("orders", {.keep = {.count = 5}, .block_entries = 8});
               }),
               Contains("block_entries is 64, not 8"));

    (void)broker.channel<int>("ticks");
    CHECK(text_of([&] { (void)broker.channel<int>("ticks", {.clock = &clock}); }) ==
          R"(Broker: the channel "ticks" is there with other options: it has another clock)");
    CHECK(broker.names() == Names{"jobs", "orders"});
}

TEST_CASE("the system clock of a plug-in is no other clock", "[broker][time]") {
    struct OfPlugIn final : runnel::Clock {
        [[nodiscard]] Deadline now() const noexcept override {
            return SystemClock::instance().now();
        }
        [[nodiscard]] WallTime wall() const noexcept override {
            return SystemClock::instance().wall();
        }
        [[nodiscard]] bool is_real() const noexcept override { return true; }
        [[nodiscard]] bool is_system() const noexcept override { return true; }
    };
    OfPlugIn clock;
    const Broker broker;
    const auto jobs = broker.list<int>("jobs");
    CHECK(broker.list<int>("jobs", {.clock = &clock}) == jobs);
    const auto ticks = broker.channel<int>("ticks");
    CHECK(broker.channel<int>("ticks", {.clock = &clock}) == ticks);
}

TEST_CASE("options without a clock fit whatever clock there is", "[broker][time]") {
    const Broker broker;
    ManualClock clock;
    const auto jobs = broker.list<int>("jobs", {.capacity = 2, .clock = &clock});
    CHECK(broker.list<int>("jobs", {.capacity = 2}) == jobs);
    const auto orders = broker.stream<int>("orders", {.clock = &clock});
    CHECK(broker.stream<int>("orders", {.keep = {}}) == orders);
    const auto ticks = broker.channel<int>("ticks", {.clock = &clock});
    CHECK(broker.channel<int>("ticks", {}) == ticks);
    CHECK(ticks.options().clock == &clock);
}

TEST_CASE("options that cannot be meant make nothing", "[broker]") {
    const Broker broker;
    CHECK(error_of([&] { return broker.list<int>("jobs", {.capacity = 0}); }) ==
          ErrorCode::invalid_argument);
    CHECK(error_of([&] { return broker.stream<int>("orders", {.block_entries = 1}); }) ==
          ErrorCode::invalid_argument);
    CHECK(broker.names().empty());
    (void)broker.list<int>("jobs");
    CHECK(error_of([&] { return broker.list<int>("jobs", {.capacity = 0}); }) ==
          ErrorCode::invalid_argument);
}

TEST_CASE("what can only be moved goes through a broker", "[broker]") {
    const Broker broker;
    CHECK(broker.list<std::unique_ptr<int>>("a").push_back(std::make_unique<int>(1)) == Push::done);
    CHECK(value(broker.list<std::unique_ptr<int>>("a").try_pop_front()) == 1);
}

TEST_CASE("a name is any bytes", "[broker]") {
    const Broker broker;
    const std::string zero{"a\0b", 3};
    for (const std::string& name : {std::string{}, zero, std::string{"\xff"}})
        fill(broker.list<std::string>(name), {name});
    CHECK(elements(broker.list<std::string>("")) == Names{""});
    CHECK(elements(broker.list<std::string>(zero)) == Names{zero});
    CHECK_FALSE(broker.find_list<std::string>("a"));
    CHECK(broker.names() == Names{"", zero, "\xff"});
}

TEST_CASE("a name keeps what it stands for, whoever lets go of it", "[broker]") {
    const Broker broker;
    fill(broker.list<int>("jobs"), {1});
    broker.stream<int>("orders").add(2);
    CHECK_FALSE(broker.list<int>("jobs").closed());
    CHECK(value(broker.list<int>("jobs").try_pop_front()) == 1);
    CHECK(broker.stream<int>("orders").size() == 1);
    CHECK(broker.names() == Names{"jobs", "orders"});
}

// ------------------------------------------------------------------ kinds

TEST_CASE("a name that stands for something of another kind is an error", "[broker][error]") {
    const Broker broker;
    (void)broker.list<shop::Job>("jobs");
    (void)broker.stream<shop::Order>("orders");
    const auto wrong = ErrorCode::wrong_type;
    CHECK(error_of([&] { return broker.list<shop::Order>("jobs"); }) == wrong);
    CHECK(error_of([&] { return broker.stream<shop::Job>("jobs"); }) == wrong);
    CHECK(error_of([&] { return broker.find_list<shop::Order>("jobs"); }) == wrong);
    CHECK(error_of([&] { return broker.find_stream<shop::Job>("jobs"); }) == wrong);
    CHECK(error_of([&] { return broker.stream<shop::Job>("orders"); }) == wrong);
    CHECK(error_of([&] { return broker.list<shop::Order>("orders"); }) == wrong);
    CHECK(broker.names() == Names{"jobs", "orders"});
}

TEST_CASE("the error names the name, what is there and what was asked for", "[broker][error]") {
    const Broker broker;
    (void)broker.list<shop::Job>("jobs");
    const auto other_model = text_of([&] { (void)broker.stream<shop::Order>("jobs"); });
    CHECK_THAT(other_model, Contains("\"jobs\" is a list of shop::Job") &&
                                Contains("not a stream of shop::Order"));
    const auto other_type = text_of([&] { (void)broker.find_list<int>("jobs"); });
    CHECK_THAT(other_type, Contains("list of shop::Job") && Contains("not a list of int"));
}

TEST_CASE("a broker tells what a name stands for", "[broker]") {
    const Broker broker;
    (void)broker.list<int>("jobs");
    (void)broker.stream<int>("orders");
    CHECK(broker.model("jobs") == Model::list);
    CHECK(broker.model("orders") == Model::stream);
    CHECK_FALSE(broker.model("nothing"));
    CHECK(to_string(Model::list) == "list");
    CHECK(to_string(Model::stream) == "stream");
    CHECK(to_string(Model::channel) == "channel");
    CHECK(to_string(static_cast<Model>(77)) == "unknown");
}

// ------------------------------------------------------------------ listing

TEST_CASE("names are listed in order, by the patterns of Redis", "[broker]") {
    const Broker broker;
    for (const char* const name : {"job:2", "job:10", "Job:1", "", "order:1"})
        (void)broker.list<int>(name);
    (void)broker.stream<int>("job:1");
    CHECK(broker.names() == Names{"", "Job:1", "job:1", "job:10", "job:2", "order:1"});
    CHECK(broker.names("job:*") == Names{"job:1", "job:10", "job:2"});
    CHECK(broker.names("[jJ]ob:?") == Names{"Job:1", "job:1", "job:2"});
    CHECK(broker.names("job:1") == Names{"job:1"});
    CHECK(broker.names("nothing").empty());
}

TEST_CASE("only the pattern of one star matches the empty name", "[broker]") {
    const Broker broker;
    (void)broker.list<int>("");
    (void)broker.list<int>("a");
    CHECK(broker.names("*") == Names{"", "a"});
    CHECK(broker.names("**") == Names{"a"});
    CHECK(broker.names("") == Names{""});
}

// ------------------------------------------------------------------ removing

TEST_CASE("a name that is removed is free", "[broker][remove]") {
    const Broker broker;
    const auto jobs = broker.list<int>("jobs");
    CHECK(broker.remove("jobs"));
    CHECK_FALSE(broker.remove("jobs"));
    CHECK(broker.names().empty());
    CHECK_FALSE(broker.find_list<int>("jobs"));
    CHECK_FALSE(broker.list<int>("jobs") == jobs);
    CHECK(broker.remove("jobs"));
    CHECK(broker.stream<std::string>("jobs").size() == 0);
}

TEST_CASE("what is removed is closed, and whoever holds it takes what is left",
          "[broker][remove]") {
    const Broker broker;
    const auto jobs = broker.list<int>("jobs");
    fill(jobs, {1});
    CHECK(broker.remove("jobs"));
    CHECK(jobs.push_back(2) == Push::closed);
    CHECK(value(jobs.pop_front()) == 1);
    CHECK(ending(jobs.pop_front()) == Ending::closed);
    CHECK(broker.list<int>("jobs").push_back(2) == Push::done);
}

TEST_CASE("who waits for what is removed hears of it", "[broker][remove][wait]") {
    ManualClock clock;
    const Broker broker{{.clock = &clock}};
    auto jobs = broker.list<int>("jobs");
    const auto orders = broker.stream<int>("orders");
    auto pop = popping_front(clock, jobs);
    auto read = reading(clock, orders, runnel::From::end);
    CHECK(broker.remove("orders"));
    CHECK(pop.waits());
    CHECK(ending(read.result()) == Ending::closed);
    CHECK(broker.remove("jobs"));
    CHECK(ending(pop.result()) == Ending::closed);
}

// ------------------------------------------------------------------ time

TEST_CASE("what a broker makes has its clock, unless the options name another", "[broker][time]") {
    ManualClock clock;
    ManualClock other;
    const Broker broker{{.clock = &clock}};
    auto jobs = broker.list<int>("jobs");
    auto late = broker.list<int>("late", {.clock = &other});
    auto pop = popping_front(clock, jobs, 1h);
    auto late_pop = popping_front(other, late, 1h);
    const auto id = broker.stream<int>("orders").add(1);
    CHECK(id.ms == 1'700'000'000'000);
    clock.advance(1h);
    CHECK(ending(pop.result()) == Ending::timed_out);
    CHECK(late_pop.waits());
    other.advance(1h);
    CHECK(ending(late_pop.result()) == Ending::timed_out);
}
