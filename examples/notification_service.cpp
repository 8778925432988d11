// SPDX-License-Identifier: MIT
//
// A service that sends e-mails: three threads share the work, one of them dies, an address is
// wrong, and more comes than they can send. A test: an hour passes on a ManualClock.

#include <runnel/clock.hpp>
#include <runnel/dead_letters.hpp>
#include <runnel/lag_monitor.hpp>
#include <runnel/stream.hpp>
#include <runnel/worker.hpp>

#include <chrono>
#include <cstdio>
#include <pthread.h>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using Mail = std::string;  // whom it goes to

// NOLINTNEXTLINE(readability-function-size)
int main() {
    runnel::ManualClock clock{{.seed = 1}};  // threads take turns, the same ones in every run
    const runnel::Stream<Mail> mails{{.clock = &clock}};
    const runnel::DeadLetters<Mail> dead{{.clock = &clock}};
    const runnel::BlockingList<int> slow_network{{.clock = &clock}};
    int sent = 0;
    int alarms = 0;
    int deaths = 0;
    const auto send = [&](const Mail& mail) {
        if (mail == "fatal@x.org" && deaths++ == 0) pthread_exit(nullptr);
        if (mail == "nobody@") throw std::invalid_argument{"no such address: " + mail};
        (void)slow_network.pop_front({.timeout = 1s});
        ++sent;
    };

    // [readme]
    const runnel::WorkerOptions<Mail> options{
        .policy = {.deliveries = 5, .lease = 5min, .threads = 3}, .dead_letters = dead};
    runnel::Worker<Mail> mailer{mails, "mailers", send, options};  // send() may throw
    mailer.start(clock);                                           // without a ManualClock: start()
    // [/readme]
    runnel::LagMonitor monitor{mails.group("mailers"), [&](const runnel::LagReport& report) {
                                   // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage)
                                   std::printf("lag %s: %zu\n", to_string(report.state).data(),
                                               report.backlog.lag);
                                   ++alarms;
                               }};  // above 1,000 entries, unless told otherwise
    monitor.start();

    for (const char* to : {"fatal@x.org", "nobody@"}) mails.add(Mail{to});
    for (int number = 0; number != 1500; ++number) mails.add(std::to_string(number) + "@x.org");
    clock.advance(1h);

    for (const auto& [id, letter] : dead.stream().range())
        std::printf("dead after %d attempts: %s\n", int(letter.attempts), letter.error.c_str());
    std::printf("%d mails sent, by %zu of 3 threads in the end\n", sent, mailer.stats().threads);
    return sent == 1501 && dead.size() == 1 && alarms == 2 && mailer.stats().threads == 2 ? 0 : 1;
}
