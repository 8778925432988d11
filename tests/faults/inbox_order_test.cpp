// SPDX-License-Identifier: MIT
// Before: fails: "news 1 by n\*", "news 1" \}
//
// An inbox that had joined a channel by a pattern first and by its name later got each message by
// the pattern first. In Redis those who have subscribed to the name come before the patterns.
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>
#include <runnel/inbox.hpp>

#include "support/catch.hpp"
#include "support/inboxes.hpp"

using namespace runnel;
using namespace runnel::test;

TEST_CASE("an inbox gets a message by the name of its channel before it gets it by a pattern") {
    const Broker broker;
    const auto news = broker.channel<int>("news");
    auto inbox = broker.subscribe<int>({.patterns = {"n*"}});
    inbox.join(news);
    CHECK(news.publish(1).reached == 2);
    CHECK(received(inbox) == Received{"news 1", "news 1 by n*"});
}
