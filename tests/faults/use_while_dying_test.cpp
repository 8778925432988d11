// SPDX-License-Identifier: MIT
// Before: crashes: SIGSEGV|SIGABRT
//
// A message whose destructor uses the very handle that is being destroyed, the last one, made the
// object end a second time inside of its end, and freed it twice.
#include <runnel/blocking_list.hpp>
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"

#include <functional>
#include <memory>
#include <utility>

using runnel::BlockingList;
using runnel::Broker;
using runnel::Channel;
using runnel::Ending;
using runnel::Inbox;
using runnel::Push;
using runnel::Stream;

namespace {

// Calls `then` when it dies.
class Last {
public:
    explicit Last(std::function<void()> then) : then_{std::move(then)} {}
    Last(const Last&) = delete;
    Last& operator=(const Last&) = delete;
    ~Last() {
        if (then_) then_();
    }

private:
    std::function<void()> then_;
};
using Message = std::unique_ptr<Last>;

Message at_the_end(std::function<void()> then) {
    return std::make_unique<Last>(std::move(then));
}
Message nothing() {
    return nullptr;
}

}  // namespace

TEST_CASE("an element that uses its list while the list dies finds it closed and empty",
          "[list][lifetime]") {
    int died = 0;
    {
        const BlockingList<Message> list;
        const auto use = [&] {
            ++died;
            const BlockingList<Message> copy{list};
            CHECK(copy.closed());
            CHECK(copy.size() == 0);
            CHECK(list.pop_front().ending() == Ending::closed);
            CHECK(list.push_back(nothing()) == Push::closed);
        };
        (void)list.push_back(nothing());
        for (int count = 0; count != 3; ++count) (void)list.push_back(at_the_end(use));
        (void)list.try_pop_front();  // so that some are at the front and some at the back
        (void)list.push_back(at_the_end(use));
    }
    CHECK(died == 4);
}

TEST_CASE("an entry that uses its stream while the stream dies finds it closed and empty",
          "[stream][lifetime]") {
    int died = 0;
    {
        const Stream<Message> stream;
        const auto use = [&] {
            ++died;
            const Stream<Message> copy{stream};
            CHECK(copy.closed());
            CHECK(copy.size() == 0);
            CHECK_FALSE(stream.range());
            CHECK(stream.cursor().read().ending() == Ending::closed);
            (void)stream.group("late");
        };
        for (int count = 0; count != 100; ++count) (void)stream.add(at_the_end(use));
        (void)stream.group("billing");
    }
    CHECK(died == 100);
}

TEST_CASE("a message that uses its subscription or inbox while that dies finds nothing more",
          "[channel][inbox][lifetime]") {
    int died = 0;
    const Channel<Message> channel;
    SECTION("a subscription") {
        auto subscription = channel.subscribe();
        const auto use = [&] {
            ++died;
            CHECK_FALSE(subscription.try_read());
            CHECK(channel.publish(nothing()).reached == 0);
        };
        for (int count = 0; count != 100; ++count) (void)channel.publish(at_the_end(use));
    }
    SECTION("an inbox") {
        Inbox<Message> inbox;
        inbox.join(channel);
        const auto use = [&] {
            ++died;
            CHECK_FALSE(inbox.try_read());
            CHECK(channel.publish(nothing()).reached == 0);
        };
        for (int count = 0; count != 100; ++count) (void)channel.publish(at_the_end(use));
    }
    CHECK(died == 100);
}

TEST_CASE("a message that uses its broker while the broker dies finds it closed and empty",
          "[broker][lifetime]") {
    int died = 0;
    {
        const Broker broker;
        const auto use = [&] {
            ++died;
            const Broker copy{broker};
            CHECK(copy.closed());
            CHECK(copy.names().empty());
            CHECK_FALSE(copy.remove("jobs"));
        };
        (void)broker.list<Message>("jobs").push_back(at_the_end(use));
        (void)broker.stream<Message>("orders").add(at_the_end(use));
    }
    CHECK(died == 2);
}
