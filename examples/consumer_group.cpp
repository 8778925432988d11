// SPDX-License-Identifier: MIT
//
// An e-mail service: consumers of one group share the mails. One of them dies with a mail in hand;
// once that mail has been idle for five minutes, another consumer claims it. A ManualClock tells
// the time, so the five minutes pass at once.

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
// Takes over what other consumers have had in hand for five minutes. One call looks at a part of
// what is pending. It may find nothing to take there, and next() tells where the next call goes on.
void send_lost(const runnel::Consumer<Mail>& medic, std::multiset<std::string>& sent) {
    runnel::StreamId start{};  // 0-0
    do {
        const auto some = medic.autoclaim({.min_idle = 5min, .start = start, .count = 100});
        for (const auto& lost : some) {
            send(lost.value, "medic", sent);  // its second attempt
            lost.ack();
        }
        start = some.next();
    } while (start != runnel::StreamId{});  // 0-0 again: all were looked at
}
// [/readme]

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
    send_lost(senders.consumer("medic"), sent);
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
