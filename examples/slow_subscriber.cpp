// SPDX-License-Identifier: MIT
//
// A subscriber says what happens when it does not keep up. Here ten ticks are published to four
// subscribers before any of them reads; each may be four messages behind.

#include <runnel/channel.hpp>
#include <runnel/inbox.hpp>

#include <cstdio>
#include <string>

namespace {

using runnel::Behind;
using Ticks = runnel::Channel<int>;

// "missed 6, then 7 8 9 10": what a subscription has to say.
std::string story(runnel::Subscription<int>& view) {
    std::string text;
    while (const auto batch = view.try_read()) {
        if (batch.missed() != 0) text += "missed " + std::to_string(batch.missed()) + ", then ";
        for (const int tick : batch) text += std::to_string(tick) + ' ';
    }
    if (!view.connected()) text += "disconnected, lost " + std::to_string(view.missed());
    return text;
}

std::string story(runnel::Inbox<int>& inbox) {
    std::string text;
    for (const auto& message : inbox.try_read()) text += std::to_string(message.value) + ' ';
    return text + "and missed " + std::to_string(inbox.missed());
}

bool is(const char* who, const std::string& told, const std::string& expected) {
    std::printf("%-12s %s\n", who, told.c_str());
    return told == expected;
}

bool without_waiting() {
    const Ticks ticks;
    auto skipping = ticks.subscribe({.bound = 4, .when_behind = Behind::skip_oldest});
    auto cut_off = ticks.subscribe({.bound = 4, .when_behind = Behind::disconnect});
    runnel::Inbox<int> inbox{{.bound = 4, .when_behind = Behind::drop_newest}};
    inbox.join(ticks);
    for (int tick = 1; tick <= 10; ++tick) ticks.publish(tick);
    return is("skip_oldest", story(skipping), "missed 6, then 7 8 9 10 ") &&
           is("disconnect", story(cut_off), "disconnected, lost 5") &&
           is("drop_newest", story(inbox), "1 2 3 4 and missed 6");
}

// The subscriber that must not miss a tick makes the publisher wait. A publisher may refuse to
// wait.
bool with_waiting() {
    const Ticks ticks;
    auto patient = ticks.subscribe({.bound = 4, .when_behind = Behind::block});
    std::string told;
    for (int tick = 1; tick <= 10; ++tick) {
        if (ticks.try_publish(tick).ending != runnel::Push::full) continue;
        told += story(patient) + "| ";
        ticks.publish(tick);
    }
    return is("block", told + story(patient), "1 2 3 4 | 5 6 7 8 | 9 10 ");
}

}  // namespace

int main() {
    return without_waiting() && with_waiting() ? 0 : 1;
}
