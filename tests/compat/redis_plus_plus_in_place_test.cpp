// SPDX-License-Identifier: MIT
// Code that names sw::redis::Redis itself, and not a template parameter: a header of the test
// stands in the place of that of redis-plus-plus.

#include "support/catch.hpp"

#include <iterator>
#include <string>
#include <sw/redis++/redis++.h>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using sw::redis::Redis;

// ---- the service, as it is in production

using Attributes = std::unordered_map<std::string, std::string>;
using Mails = std::unordered_map<std::string, std::vector<std::pair<std::string, Attributes>>>;

class Mailer {
public:
    explicit Mailer(sw::redis::Redis& redis) : redis_{redis} {
        try {
            redis_.xgroup_create("mails", "mailers", "$", true);
        } catch (const sw::redis::ReplyError& error) {
            if (std::string{error.what()}.rfind("BUSYGROUP", 0) != 0) throw;
        }
    }

    std::vector<std::string> send_all() {
        Mails mails;
        redis_.xreadgroup("mailers", "me", "mails", ">", 10, std::inserter(mails, mails.end()));
        std::vector<std::string> sent;
        for (const auto& [id, attributes] : mails["mails"]) {
            sent.push_back(attributes.at("to"));
            redis_.xack("mails", "mailers", id);
        }
        return sent;
    }

private:
    sw::redis::Redis& redis_;
};

// ---- its test

TEST_CASE("a service that names sw::redis::Redis runs on the fake as it is") {
    runnel::redis::Server server;
    Redis redis{server};
    Mailer mailer{redis};
    CHECK_NOTHROW(Mailer{redis});
    redis.xadd("mails", "*", {std::make_pair("to", "ann")});
    CHECK(mailer.send_all() == std::vector<std::string>{"ann"});
    CHECK(mailer.send_all().empty());
    std::vector<std::pair<std::string, std::string>> consumers;
    CHECK(std::get<0>(redis.xpending("mails", "mailers", std::back_inserter(consumers))) == 0);
}

}  // namespace
