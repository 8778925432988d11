// SPDX-License-Identifier: MIT
// runnel's Channel beside what people would use instead: a list of handlers that is copied when it
// changes, a mailbox for each subscriber and a shared ring, written by hand; Boost.Signals2; and
// moodycamel's blocking queue as a mailbox.
//
//   channel_bench [part of "group/fan"]      REPS=7 in the environment: repetitions
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>

#include "fanouts.hpp"
#include "harness.hpp"
#include "heap.hpp"
#include "messages.hpp"
#include "program.hpp"
#include "threads.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <numeric>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace runnel::bench {
namespace {

// ---- workloads ----------------------------------------------------------------------------------

/// Calls publish(number) for the numbers from 1 to `warm_up` + `messages` and measures the last
/// ones, by the time that this thread runs, which never waits here: what else the machine does is
/// left out.
template <class Publish>
nanoseconds time_publishing(uint64_t warm_up, uint64_t messages, const Publish& publish) {
    uint64_t number = 0;
    while (number < warm_up) publish(++number);
    const uint64_t start = own_time();
    while (number < warm_up + messages) publish(++number);
    return nanoseconds{own_time() - start};
}

/// The price of a publish to handlers in the same thread. Messages are made one by one, as strings
/// have to be; handlers add up the numbers that they find. Figure: ns per publish.
template <class Fan>
Sample call_back(unsigned handlers) {
    using T = typename Fan::value_type;
    const uint64_t messages = handlers > 4 ? 50'000 : 200'000;
    const uint64_t warm_up = messages / 10;
    const auto fan = std::make_unique<Fan>();
    std::vector<uint64_t> sums(handlers);
    for (uint64_t& sum : sums) fan->subscribe([&sum](const T& value) { sum += number_in(value); });
    const nanoseconds elapsed = time_publishing(
        warm_up, messages, [&](uint64_t number) { fan->publish(message<T>(number)); });
    check(std::accumulate(sums.begin(), sums.end(), uint64_t{0}) ==
              handlers * sum_to(warm_up + messages),
          "what the handlers were called with is not what was published");
    return {elapsed, {per_message(elapsed, messages)}};
}

/// The price of a publish to 4 handlers when several threads publish, and one of them at a time
/// runs the handlers. Figure: ns per publish.
template <class Fan>
Sample call_back_together(unsigned publishers) {
    using T = typename Fan::value_type;
    const uint64_t each = 200'000 / publishers;
    const auto fan = std::make_unique<Fan>();
    std::vector<uint64_t> sums(4);
    for (uint64_t& sum : sums) fan->subscribe([&sum](const T& value) { sum += number_in(value); });
    const nanoseconds elapsed = run_together(publishers, Placement::free, [&](unsigned /*thread*/) {
        for (uint64_t number = 1; number <= each; ++number) fan->publish(message<T>(number));
    });
    check(std::accumulate(sums.begin(), sums.end(), uint64_t{0}) ==
              sums.size() * publishers * sum_to(each),
          "what the handlers were called with is not what was published");
    return {elapsed, {per_message(elapsed, each * publishers)}};
}

/// Where each of many subscribers costs microseconds, fewer messages are enough.
template <class Fan>
constexpr uint64_t messages_for(unsigned subscribers) {
    return Fan::sends_to_each && subscribers > 1 ? 480'000 / subscribers : 500'000;
}

/// Throughput from one publisher to subscribers that each pull everything, as fast as they can. The
/// publisher goes on once all have its first message: else it would be done before many of them
/// have begun. Figures: M deliveries/s to all together; ns that a publish takes, in which whoever
/// loses nothing and has a bound also waits for the slowest; what was delivered, of all.
template <class Fan>
Sample deliver(unsigned subscribers) {
    using T = typename Fan::value_type;
    const uint64_t messages = messages_for<Fan>(subscribers);
    const auto fan = std::make_unique<Fan>(subscribers);
    std::atomic<unsigned> present{0};
    std::atomic<uint64_t> delivered{0};
    nanoseconds publishing{};
    const auto publish = [&] {
        fan->publish(message<T>(1));
        yield_until([&] { return present == subscribers; });
        const uint64_t start = now();
        for (uint64_t number = 2; number <= messages; ++number) fan->publish(message<T>(number));
        publishing = nanoseconds{now() - start};
    };
    const auto pull = [&](unsigned index) {
        typename Fan::Subscriber subscriber{*fan, index};
        uint64_t sum = 0;
        const auto see = [&](const T& value) { sum += number_in(value); };
        uint64_t count = subscriber.read(see);
        ++present;
        while (count + subscriber.missed() < messages) count += subscriber.read(see);
        check(count + subscriber.missed() == messages, "a subscriber has more than was published");
        check(subscriber.missed() > 0 || sum == sum_to(messages),
              "what a subscriber got is not what was published");
        delivered += count;
    };
    const nanoseconds elapsed =
        run_together(1 + subscribers, subscribers == 1 ? Placement::pinned : Placement::free,
                     [&](unsigned thread) { thread == 0 ? publish() : pull(thread - 1); });
    return {elapsed,
            {1e3 / per_message(elapsed, delivered), per_message(publishing, messages - 1),
             100.0 * static_cast<double>(delivered) / static_cast<double>(subscribers * messages)}};
}

/// Reads until the last of `messages` has come.
template <class Fan>
void check_that_the_last_arrives(Fan& fan, uint64_t messages) {
    typename Fan::Subscriber subscriber{fan, 0};
    uint64_t last = 0;
    while (last < messages)
        subscriber.read([&](const typename Fan::value_type& value) { last = number_in(value); });
}

/// The price of a publish when subscribers stand still, each of them far behind. Nobody sleeps.
/// Figure: ns per publish.
template <class Fan>
Sample publish_past(unsigned subscribers) {
    using T = typename Fan::value_type;
    constexpr uint64_t warm_up = 2 * bound_of_fan;
    const uint64_t messages =
        Fan::sends_to_each ? std::max(1'000U, 200'000U / subscribers) : 200'000;
    const auto fan = std::make_unique<Fan>(subscribers);
    const nanoseconds elapsed = time_publishing(
        warm_up, messages, [&](uint64_t number) { fan->publish(message<T>(number)); });
    check_that_the_last_arrives(*fan, warm_up + messages);
    return {elapsed, {per_message(elapsed, messages)}};
}

/// Latency when all subscribers sleep and a message comes now and then, 200 in all: each time they
/// have been waiting for 200 us. Mostly what it costs to wake threads. The publisher has a core of
/// its own: else those who wake up may take it away in the middle of the call, or not, as the
/// scheduler likes. Figures: p50 of the publish, and until the last one has the message.
template <class Fan>
Sample wake_all(unsigned subscribers) {
    using T = typename Fan::value_type;
    constexpr uint64_t messages = 200;
    const auto fan = std::make_unique<Fan>(subscribers);
    std::vector<uint64_t> calls;
    std::vector<uint64_t> rounds;
    std::atomic<uint64_t> delivered{0};
    const auto publish = [&] {
        pin_to(0);
        for (uint64_t number = 1; number <= messages; ++number) {
            yield_until([&] { return fan->all_wait(); });
            const uint64_t idle_from = now();
            yield_until([&] { return now() - idle_from >= 200'000; });
            const uint64_t start = now();
            fan->publish(message<T>(number));
            calls.push_back(now() - start);
            yield_until([&] { return delivered == number * subscribers; });
            rounds.push_back(now() - start);
        }
    };
    const auto pull = [&](unsigned index) {
        pin_to(1 + (index % std::max(1U, core_count() - 1)));
        typename Fan::Subscriber subscriber{*fan, index};
        uint64_t last = 0;
        const auto see = [&](const T& value) {
            check(number_in(value) == ++last, "a subscriber got another message than was sent");
        };
        for (uint64_t count = 0; count < messages;) {
            const uint64_t more = subscriber.read(see);
            count += more;
            delivered += more;
        }
    };
    const nanoseconds elapsed =
        run_together(1 + subscribers, Placement::free,
                     [&](unsigned thread) { thread == 0 ? publish() : pull(thread - 1); });
    return {elapsed, {percentile(calls, 50) / 1e3, percentile(rounds, 50) / 1e3}};
}

/// What 10,000,000 messages leave behind when they went past one subscriber that stands still.
/// Figure: bytes, of the whole fan.
template <class Fan>
Sample memory() {
    using T = typename Fan::value_type;
    constexpr uint64_t messages = 10'000'000;
    const uint64_t start = now();
    const HeapCount heap;
    const auto fan = std::make_unique<Fan>(1);
    for (uint64_t number = 1; number <= messages; ++number) fan->publish(message<T>(number));
    const std::size_t bytes = heap.bytes();
    check_that_the_last_arrives(*fan, messages);
    return {nanoseconds{now() - start}, {static_cast<double>(bytes)}};
}

// ---- groups -------------------------------------------------------------------------------------

std::string counted(unsigned count, const char* what) {
    return std::to_string(count) + ' ' + what + (count == 1 ? "" : "s");
}

template <class T>
void add_callbacks(Suite& suite) {
    const auto add = [&](unsigned handlers, std::vector<Target> targets) {
        suite.add({"one thread, " + counted(handlers, "handler") + ", " + kind_of_message<T>,
                   {{"ns", Better::less, std::move(targets)}},
                   cases(handler_lists<T>(), [=]<class Fan>(std::type_identity<Fan> /*which*/) {
                       return call_back<Fan>(handlers);
                   })});
    };
    add(1, {{"C1", 0.6, "Signals2"}});
    add(4, {});
    add(16, {{"C1", 0.2, "Signals2"}});
}

void add_callbacks_together(Suite& suite) {
    for (const unsigned publishers : {2U, 4U}) {
        suite.add({counted(publishers, "publisher") + ", 4 handlers, " + kind_of_message<uint64_t>,
                   {{"ns", Better::less, {}}},
                   cases(Peers<RunnelHandlers<uint64_t>>{},
                         [=]<class Fan>(std::type_identity<Fan> /*which*/) {
                             return call_back_together<Fan>(publishers);
                         })});
    }
}

void add_deliveries(Suite& suite) {
    const auto add = [&](unsigned subscribers, std::vector<Target> targets) {
        const auto fans = lossless_fans<std::string>() + Peers<RunnelSkippingFan<std::string>>{};
        suite.add({"1:" + std::to_string(subscribers) + ", each pulls all, 64-byte strings",
                   {{"M/s", Better::more, std::move(targets)},
                    {"ns per publish", Better::less, {}},
                    {"% delivered", Better::more, {}}},
                   cases(fans, [=]<class Fan>(std::type_identity<Fan> /*which*/) {
                       return deliver<Fan>(subscribers);
                   })});
    };
    add(1, {{"C2", 1.0, "hand mailboxes"}});
    add(4, {});
    add(16, {{"C2", 10.0, "hand mailboxes"}, {"C2", 1.0, "hand ring"}});
}

std::string name_of_still(unsigned subscribers) {
    return "publish past " + counted(subscribers, "subscriber") + " standing still";
}

void add_still_subscribers(Suite& suite) {
    for (const unsigned subscribers : {1U, 4U, 16U, 64U, 1000U}) {
        std::vector<Target> targets;
        if (subscribers == 1000) targets.push_back({"C3", 2.0, "runnel", name_of_still(1)});
        suite.add(
            {name_of_still(subscribers),
             {{"ns", Better::less, std::move(targets)}},
             cases(skipping_fans<std::string>(), [=]<class Fan>(std::type_identity<Fan> /*which*/) {
                 return publish_past<Fan>(subscribers);
             })});
    }
}

void add_wake_ups(Suite& suite) {
    for (const unsigned subscribers : {1U, 4U, 16U}) {
        std::vector<Target> targets;
        if (subscribers == 16) targets.push_back({"C4", 0.7, "hand mailboxes"});
        suite.add(
            {"publish to " + counted(subscribers, "subscriber") + " asleep",
             {{"publish p50 us", Better::less, std::move(targets)},
              {"all have it p50 us", Better::less, {}}},
             cases(lossless_fans<std::string>(), [=]<class Fan>(std::type_identity<Fan> /*which*/) {
                 return wake_all<Fan>(subscribers);
             })});
    }
}

/// The price of a publish to one subscription that stands still, when the channel belongs to a
/// broker where others have subscribed to `patterns` patterns that do not match its name. Figure:
/// ns per publish.
Sample publish_beside_patterns(unsigned patterns) {
    constexpr uint64_t messages = 200'000;
    using T = std::string;
    runnel::Broker broker;
    std::vector<runnel::Inbox<T>> strangers;
    strangers.reserve(patterns);
    for (unsigned number = 0; number < patterns; ++number) {
        strangers.push_back(broker.subscribe<T>(
            {.patterns = {"foreign:" + std::to_string(number) + ":*"}, .bound = 16}));
    }
    const auto channel = broker.channel<T>("ticks");
    const auto subscription = channel.subscribe({.bound = bound_of_fan});
    const nanoseconds elapsed = time_publishing(2 * bound_of_fan, messages, [&](uint64_t number) {
        const runnel::Published published = channel.publish(message<T>(number));
        check(published.reached == 1, "a message did not go where it should, and only there");
    });
    return {elapsed, {per_message(elapsed, messages)}};
}

std::string name_of_patterns(unsigned patterns) {
    return "publish in a broker with " + counted(patterns, "foreign pattern");
}

void add_broker(Suite& suite) {
    for (const unsigned patterns : {0U, 10'000U}) {
        std::vector<Target> targets;
        if (patterns != 0) targets.push_back({"patterns", 1.1, "runnel", name_of_patterns(0)});
        suite.add({name_of_patterns(patterns),
                   {{"ns", Better::less, std::move(targets)}},
                   {{"runnel", [=] { return publish_beside_patterns(patterns); }, {}}}});
    }
}

/// What one message takes as the heap counts it.
std::size_t bytes_of_message() {
    const HeapCount heap;
    const auto one = message<std::string>(1);
    keep(one);
    return sizeof(std::string) + heap.bytes();
}

void add_memory(Suite& suite) {
    constexpr std::size_t slack = 128;  // messages that a block may hold on to
    const auto most = (bound_of_fan + slack) * bytes_of_message() + std::size_t{16} * 1024;
    suite.add({"10^7 messages past 1 subscriber standing still",
               {{"bytes", Better::less, {{"memory", static_cast<double>(most)}}}},
               cases(skipping_fans<std::string>(),
                     []<class Fan>(std::type_identity<Fan> /*which*/) { return memory<Fan>(); })});
}

}  // namespace
}  // namespace runnel::bench

int main(int argc, char** argv) {
    using namespace runnel::bench;
    keep_heap();
    if (!RUNNEL_BENCH_SIGNALS2) {
        std::puts("Boost.Signals2 was not installed, its rows are missing; "
                  "to have them: apt-get install libboost-dev");
    }
    return run_program("channel_bench", argc > 1 ? argv[1] : "", [](Suite& suite) {
        add_callbacks<uint64_t>(suite);
        add_callbacks<std::string>(suite);
        add_callbacks_together(suite);
        add_deliveries(suite);
        add_still_subscribers(suite);
        add_wake_ups(suite);
        add_broker(suite);
        add_memory(suite);
    });
}
