// SPDX-License-Identifier: MIT
//
// Each model in a few lines, and time-outs tested with a ManualClock: the short parts of README.md.

#include <runnel/runnel.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <stop_token>
#include <string>
#include <utility>

namespace {

using namespace std::chrono_literals;

struct Job {
    std::string what;
};
struct Order {
    std::string item;
    int count;
};
struct Tick {
    std::string symbol;
    int price;
};
struct Load {
    int percent;
};

void run(const Job& job) {
    std::printf("doing: %s\n", job.what.c_str());
}
void spill(const Job& job) {
    std::printf("no room for: %s\n", job.what.c_str());
}
void explain(runnel::Ending ending) {
    std::puts(ending == runnel::Ending::timed_out ? "no job came in time" : "no more jobs");
}
bool charge(const Order& order) {
    std::printf("charging %d %s\n", order.count, order.item.c_str());
    return order.count < 100;
}
void complain(const Order& order, std::uint64_t attempt) {
    std::printf("attempt %d: %s\n", static_cast<int>(attempt), order.item.c_str());
}
void draw(const Tick& tick) {
    std::printf("%s %d\n", tick.symbol.c_str(), tick.price);
}
void resync(std::uint64_t missed) {
    std::printf("missed %d ticks\n", static_cast<int>(missed));
}
void note(const std::string& channel, const Load& load) {
    std::printf("%s %d %%\n", channel.c_str(), load.percent);
}

// NOLINTBEGIN(bugprone-use-after-move): a refused push leaves the message with its sender
bool show_list(Job job, const std::stop_token& stop) {
    // [readme]
    runnel::BlockingList<Job> jobs{{.capacity = 1000}};  // when full, a push waits for room

    if (jobs.push_back(std::move(job), {.timeout = 10ms}) != runnel::Push::done)
        spill(job);  // no room within 10 ms: the job has not been moved from

    const auto next = jobs.pop_front({.timeout = 1s, .stop = stop});
    if (next)
        run(*next);
    else
        explain(next.ending());  // Ending::timed_out, stopped or closed
    // [/readme]
    return bool{next} && jobs.size() == 0;
}
// NOLINTEND(bugprone-use-after-move)

bool show_stream() {
    // [readme]
    runnel::Stream<Order> orders{{.keep = {.count = 1'000'000}}};  // keeps the last million
    const auto billing = orders.group("billing");
    orders.add({"apple", 3});
    orders.add({"pear", 500});
    orders.close();  // so that the loop below ends when all is read

    const auto till = billing.consumer("till-1");
    while (const auto batch = till.read({.count = 10}))
        for (const auto& delivery : batch)  // has an id, a value and an attempt
            charge(delivery.value) ? delivery.ack() : delivery.nack();
    for (const auto& lost : till.autoclaim({.min_idle = 5min}))  // 100 at most in one call
        complain(lost.value, lost.attempt);  // given back above, or idle for 5 minutes
    // [/readme]
    return billing.pending().count == 1 && orders.size() == 2;
}

bool show_channel() {
    int alarms = 0;
    // [readme]
    runnel::Channel<Tick> ticks;
    auto view = ticks.subscribe({.bound = 1024, .when_behind = runnel::Behind::skip_oldest});
    const auto connection = ticks.on_message([&alarms](const Tick& tick) {
        if (tick.price > 100) ++alarms;  // runs in a thread that publishes: here, in this one
    });

    const std::size_t reached = ticks.publish({"kr", 101});  // 2: the view and the handler
    ticks.close();
    while (const auto batch = view.read()) {  // in any thread, at its own pace
        if (batch.missed() != 0) resync(batch.missed());
        for (const Tick& tick : batch) draw(tick);
    }
    // [/readme]
    return reached == 2 && alarms == 1;
}

bool show_broker() {
    // [readme]
    const runnel::Broker broker;
    const auto jobs = broker.list<Job>("jobs", {.capacity = 1000});
    auto loads = broker.subscribe<Load>({.patterns = {"load:*"}});

    broker.channel<Load>("load:db").publish({90});  // made here; the pattern matches it
    for (const auto& message : loads.try_read()) note(message.channel, message.value);
    broker.close();  // closes jobs, load:db and loads: waits for them end
    // [/readme]
    return loads.try_read().ending() == runnel::Ending::closed && jobs.closed();
}

bool show_clock() {
    // [readme]
    runnel::ManualClock clock;
    runnel::BlockingList<int> jobs{{.clock = &clock}};
    bool timed_out = false;
    auto worker = clock.thread([&] { timed_out = !jobs.pop_front({.timeout = 1h}); });

    clock.advance(59min);              // returns when every thread of the clock waits again
    const bool too_early = timed_out;  // it still waits
    clock.advance(1min);               // the wait times out: at once, and in every run
    worker.join();
    // [/readme]
    return timed_out && !too_early;
}

}  // namespace

int main() {
    const bool all = show_list({"wash"}, std::stop_token{}) && show_stream() && show_channel() &&
                     show_broker() && show_clock();
    return all ? 0 : 1;
}
