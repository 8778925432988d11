// SPDX-License-Identifier: MIT
//
// A service that uses redis-plus-plus, and its unit test. The service takes its client as a
// template parameter: in production sw::redis::Redis, here a client of the fake, which has the same
// methods. Neither redis-plus-plus nor a server is needed.

#include <runnel/clock.hpp>
#include <runnel/compat/redis_plus_plus.hpp>
#include <runnel/redis.hpp>

#include <chrono>
#include <cstdio>
#include <exception>
#include <iterator>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;

// ---- the service: it sends mails that stand in a stream, and publishes what it has sent

template <typename Redis>
class Mailer {
    using Fields = std::unordered_map<std::string, std::string>;
    using Mail = std::pair<std::string, std::optional<Fields>>;  // nothing: it was deleted
    using Mails = std::unordered_map<std::string, std::vector<Mail>>;

public:
    Mailer(Redis& redis, std::string name) : redis_{redis}, name_{std::move(name)} {
        try {
            redis_.xgroup_create("mails", "mailers", "0", true);
        } catch (const std::exception& error) {  // sw::redis::ReplyError in production
            if (!std::string_view{error.what()}.starts_with("BUSYGROUP")) throw;
        }
    }

    // Sends what has been delivered five minutes ago, to whomever; then waits a minute for more.
    template <typename Send>
    void run_once(Send send) {
        std::vector<Row> rows;
        redis_.xpending("mails", "mailers", "-", "+", 10, std::back_inserter(rows));
        for (const auto& row : rows) {
            std::vector<Mail> claimed;
            redis_.xclaim("mails", "mailers", name_, 5min, std::get<0>(row),
                          std::back_inserter(claimed));
            send_all(claimed, send);
        }
        Mails mails;
        redis_.xreadgroup("mailers", name_, "mails", ">", 1min, 10,
                          std::inserter(mails, mails.end()));
        for (const auto& [key, of_stream] : mails) send_all(of_stream, send);
    }

private:
    using Row = std::tuple<std::string, std::string, long long, long long>;

    template <typename Send>
    void send_all(const std::vector<Mail>& mails, Send& send) {
        for (const auto& [id, fields] : mails) {
            if (fields && !send(fields->at("to"))) continue;
            redis_.xack("mails", "mailers", id);
            if (fields) redis_.publish("sent", fields->at("to"));
        }
    }

    Redis& redis_;
    std::string name_;
};

// ---- its test

bool expect(bool holds, const char* what) {
    std::printf("%s: %s\n", holds ? "holds" : "BROKEN", what);
    return holds;
}

bool a_mail_is_tried_again() {
    int attempts = 0;
    const auto send = [&](const std::string& /*to*/) { return ++attempts == 2; };
    // [readme]
    runnel::ManualClock clock;
    runnel::redis::Server server{{.clock = &clock}};
    runnel::compat::sw::Redis redis{server};  // in production: sw::redis::Redis redis{options};
    Mailer mailer{redis, "mailer-1"};         // template <typename Redis> class Mailer
    const auto thread = clock.thread([&] {
        for (int round = 0; round != 10; ++round) mailer.run_once(send);
    });
    redis.xadd("mails", "*", {std::make_pair("to", "ann")});
    clock.advance(10min);  // the first attempt fails; after five minutes, the second does not
    // [/readme]
    return expect(attempts == 2, "a mail is tried again after five minutes");
}

bool a_listener_hears_what_is_sent() {
    runnel::ManualClock clock;
    runnel::redis::Server server{{.clock = &clock}};
    runnel::compat::sw::Redis redis{server};
    std::stop_source source;
    const std::stop_token stop = source.get_token();
    std::vector<std::string> heard;
    // [readme]
    auto subscriber = redis.subscriber();
    subscriber.on_message([&](const std::string& channel, const std::string& message) {
        heard.push_back(channel + ": " + message);
    });
    subscriber.subscribe("sent");
    const auto thread = clock.thread([&] {
        while (subscriber.consume(stop)) continue;  // until it is asked to stop
    });
    redis.publish("sent", "ann");
    clock.settle();
    // [/readme]
    source.request_stop();
    return expect(heard == std::vector<std::string>{"sent: ann"}, "a listener hears what is sent");
}

}  // namespace

int main() {
    bool holds = a_mail_is_tried_again();
    holds = a_listener_hears_what_is_sent() && holds;
    return holds ? 0 : 1;
}
