// SPDX-License-Identifier: MIT
//
// A service that talks to Redis, and its unit test. The service takes any client that has
// `command(words)`: in production one of a Redis library, here a session of the fake. The test
// needs no server, no port and no sleep: the time of the fake stands still until the test moves
// it, so an hour passes at once.

#include <runnel/redis.hpp>

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;

// ---- the service: it sends mails that stand in a stream, and tries again when that fails

template <typename Client>
class Mailer {
public:
    Mailer(Client client, std::string name) : client_{std::move(client)}, name_{std::move(name)} {
        client_.command({"XGROUP", "CREATE", "mails", "mailers", "0", "MKSTREAM"});
    }

    // Sends what is due, and waits up to a minute for a mail. `send` says whether it has worked.
    template <typename Send>
    void run_once(Send send) {
        // What was delivered a minute ago, to whomever, and has not been acknowledged.
        const auto claimed =
            client_.command({"XAUTOCLAIM", "mails", "mailers", name_, "60000", "0", "COUNT", "10"});
        if (claimed) send_all(claimed->elements()[1], send);
        const auto read = client_.command({"XREADGROUP", "GROUP", "mailers", name_, "COUNT", "10",
                                           "BLOCK", "60000", "STREAMS", "mails", ">"});
        if (!read || read->is_null()) return;  // a minute without a mail
        for (const auto& stream : read->elements()) send_all(stream[1], send);
    }

private:
    template <typename Entries, typename Send>
    void send_all(const Entries& entries, Send& send) {
        for (const auto& entry : entries.elements())
            if (send(entry[1].strings()[1]))
                client_.command({"XACK", "mails", "mailers", entry[0].text()});
    }

    Client client_;
    std::string name_;
};

// ---- its test

// The client of the test: each command goes to a session of the fake.
struct FakeClient {
    runnel::redis::Session* session;

    std::optional<runnel::redis::Reply> command(const std::vector<std::string>& words) const {
        return session->execute(words);
    }
};

// What the fake is like.
bool first_steps() {
    // [readme]
    runnel::redis::Server server;  // its time stands still until it is moved
    runnel::redis::Session service{server};
    const auto job = service.submit({"BLPOP", "jobs", "3600"});  // waits, and blocks no thread
    server.advance(1h);                                          // times it out, at once
    const bool timed_out = job.ready() && job.try_get()->is_null();
    // [/readme]
    return timed_out;
}

// How messages come to a handler.
bool hears_what_is_published() {
    runnel::redis::Server server;
    runnel::redis::Session session{server};
    std::vector<std::string> heard;
    // [readme]
    session.on_push([&](const runnel::redis::Reply& push) {  // must not throw
        // The first push is the confirmation: "subscribe", "news", 1.
        if (push[0].text() == "message") heard.push_back(push[2].text());
    });
    session.execute({"SUBSCRIBE", "news"});
    // [/readme]
    runnel::redis::Session{server}.execute({"PUBLISH", "news", "hello"});
    return heard == std::vector<std::string>{"hello"};
}

bool expect(bool holds, const char* what) {
    std::printf("%s: %s\n", holds ? "holds" : "BROKEN", what);
    return holds;
}

}  // namespace

int main() {
    runnel::ManualClock clock;  // whose advance() and settle() know when its threads wait
    runnel::redis::Server server{{.clock = &clock}};
    runnel::redis::Session session{server};
    session.execute({"XADD", "mails", "*", "to", "ann"});

    int attempts = 0;
    const auto fails_four_times = [&](const std::string& /*to*/) { return ++attempts == 5; };
    bool holds = expect(first_steps(), "an hour passes at once");
    holds = expect(hears_what_is_published(), "a message comes to its handler") && holds;
    {
        runnel::redis::Session of_mailer{server};
        Mailer mailer{FakeClient{&of_mailer}, "mailer-1"};
        const auto thread = clock.thread([&] {
            for (int round = 0; round != 6; ++round) mailer.run_once(fails_four_times);
        });
        clock.settle();  // returns once the mailer waits for a mail
        holds = expect(attempts == 1, "the mail is tried at once") && holds;
        clock.advance(59s);
        holds = expect(attempts == 1, "not again within a minute") && holds;
        clock.advance(1s);
        holds = expect(attempts == 2, "a minute later it is") && holds;
        clock.advance(3min);
        holds = expect(attempts == 5, "and again, each minute") && holds;
        holds =
            expect(server.blocked_sessions() == 1, "the mailer waits for the next one") && holds;
        clock.advance(1h);  // nothing comes, so its rounds end
    }
    const auto pending = session.execute({"XPENDING", "mails", "mailers"});
    holds = expect((*pending)[0].integer() == 0, "nothing is left to be sent") && holds;
    return holds ? 0 : 1;
}
