// SPDX-License-Identifier: MIT
//
// An e-mail service: three consumers share the mails of one group. One of them dies with a mail in
// hand; once that has been idle for five minutes, another one claims it. Time is a ManualClock's,
// so nobody waits for the five minutes.

#include <runnel/stream.hpp>

#include <chrono>
#include <cstdio>
#include <set>
#include <string>

namespace {

using namespace std::chrono_literals;

struct Mail {
    std::string to;
    std::string subject;
};

void send(const Mail& mail, const char* consumer, std::multiset<std::string>& sent) {
    std::printf("%-6s sends \"%s\" to %s\n", consumer, mail.subject.c_str(), mail.to.c_str());
    sent.insert(mail.to);
}

// [readme]
void send_mails(runnel::ManualClock& clock, std::multiset<std::string>& sent) {
    runnel::Stream<Mail> mails{{.clock = &clock}};
    const auto senders = mails.group("senders");
    for (const char* name : {"ann", "bob", "eve", "joe"}) mails.add({name, "welcome"});

    auto one = senders.consumer("one").read({.count = 1});  // dies with ann's mail in hand
    for (const char* name : {"two", "three"})
        for (const auto& delivery : senders.consumer(name).try_read({.count = 2})) {
            send(delivery.value, name, sent);
            delivery.ack();
        }

    clock.advance(5min);
    for (const auto& lost : senders.consumer("two").autoclaim({.min_idle = 5min})) {
        send(lost.value, "two", sent);  // its second attempt
        lost.ack();
    }
    if (one[0].ack() == runnel::Ack::stale) std::puts("one    comes back too late");
}
// [/readme]

}  // namespace

int main() {
    runnel::ManualClock clock;
    std::multiset<std::string> sent;
    send_mails(clock, sent);
    return sent == std::multiset<std::string>{"ann", "bob", "eve", "joe"} ? 0 : 1;
}
