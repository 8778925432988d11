// SPDX-License-Identifier: MIT
//
// Parts of a service that know each other only by name. Each machine publishes its load on a
// channel of its own, which nobody has set up before. The control room reads all of these channels
// by a pattern, and does the jobs that others push onto a list. It does both in one thread.

#include <runnel/broker.hpp>
#include <runnel/wait_any.hpp>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <thread>
#include <utility>

namespace {

struct Load {
    int percent;
};
struct Job {
    std::string what;
};

class ControlRoom {
public:
    explicit ControlRoom(const runnel::Broker& broker)
        : jobs_{broker.list<Job>("jobs")},
          loads_{broker.subscribe<Load>({.patterns = {"load:*"}})},
          thread_{[this] { work(); }} {}

    void join() { thread_.join(); }
    [[nodiscard]] const std::map<std::string, int>& highest() const { return highest_; }
    [[nodiscard]] int done() const { return done_; }

private:
    void work();
    void run(const Job& job) {
        std::printf("the control room does: %s\n", job.what.c_str());
        ++done_;
    }
    void note(const std::string& machine, const Load& load) {
        int& highest = highest_[machine];
        highest = std::max(highest, load.percent);
    }

    runnel::BlockingList<Job> jobs_;
    runnel::Inbox<Load> loads_;
    std::map<std::string, int> highest_;
    int done_ = 0;
    std::jthread thread_;
};

// [readme]
void ControlRoom::work() {
    while (const auto any = runnel::wait_any({jobs_, loads_})) {  // until the broker is closed
        if (any.which() == 0)
            if (const auto job = jobs_.try_pop_front()) run(*job);
        if (any.which() == 1)
            for (const auto& message : loads_.try_read()) note(message.channel, message.value);
    }
}
// [/readme]

void run_machine(const runnel::Broker& broker, const std::string& name) {
    const auto load = broker.channel<Load>("load:" + name);
    for (int percent = 1; percent <= 90; ++percent) load.publish({percent});
    if (broker.list<Job>("jobs").push_back({"look after " + name}) != runnel::Push::done)
        std::puts("nobody looks after it");
}

}  // namespace

int main() {
    runnel::Broker broker;
    ControlRoom room{broker};
    std::jthread db{[&] { run_machine(broker, "db"); }};
    std::jthread web{[&] { run_machine(broker, "web"); }};
    db.join();
    web.join();
    broker.close();  // the control room does what is left, and ends
    room.join();
    for (const auto& [machine, percent] : room.highest())
        std::printf("%s: %d %% at most\n", machine.c_str(), percent);
    const bool all =
        room.highest() == std::map<std::string, int>{{"load:db", 90}, {"load:web", 90}};
    return all && room.done() == 2 ? 0 : 1;
}
