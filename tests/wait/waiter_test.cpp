// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>

#include "support/catch.hpp"
#include "support/rest.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <list>
#include <random>
#include <set>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

using runnel::detail::Served;
using runnel::detail::WaitEnd;
using runnel::detail::Waiter;
using runnel::detail::WaitNode;
using runnel::detail::WaitPlace;
using runnel::detail::WaitQueue;
using runnel::detail::WakeChain;
using runnel::test::Rest;
using namespace std::chrono_literals;

namespace {

// Asks for nothing; when it is resumed it says so, adds others to the chain, and ends.
struct Guest : Waiter {
    explicit Guest(std::vector<Guest*>* resumed = nullptr) : Waiter{behaviour}, log{resumed} {}

    static Served serve_it(WaitNode& node) noexcept {
        auto& guest = static_cast<Guest&>(*node.waiter);
        ++guest.served;
        if (guest.unhappy) return Served::no;
        return guest.claim() ? Served::yes : Served::elsewhere;
    }

    static void resume_it(Waiter& waiter, WakeChain& chain) noexcept {
        auto& guest = static_cast<Guest&>(waiter);
        for (Guest* friend_of_it : guest.friends) {
            if (friend_of_it->claim()) chain.add(*friend_of_it);
        }
        if (guest.log != nullptr) guest.log->push_back(&guest);
        guest.end();
    }

    static constexpr Behaviour behaviour{serve_it, resume_it};

    std::vector<Guest*>* const log;
    std::vector<Guest*> friends;
    int served = 0;
    bool unhappy = false;
};

// Is gone when it has been resumed.
struct Leaving : Waiter {
    Leaving() : Waiter{behaviour} {}
    static Served serve_it(WaitNode&) noexcept { return Served::elsewhere; }
    static void resume_it(Waiter& waiter, WakeChain&) noexcept {
        waiter.end();
        delete static_cast<Leaving*>(&waiter);
    }
    static constexpr Behaviour behaviour{serve_it, resume_it};
};

// Waits on one object, and has drawn before any wait on several.
struct Single : Waiter {
    Single() : Waiter{Guest::behaviour, runnel::detail::WaitsOn::one} {}
};

struct Place {
    explicit Place(Guest& guest) : node{guest} {}
    WaitNode node;
};

std::vector<std::uint64_t> tickets(const WaitQueue& queue) {
    std::vector<std::uint64_t> in_order;
    for (const WaitNode* node = queue.first(); node != nullptr; node = node->next)
        in_order.push_back(node->waiter->ticket());
    return in_order;
}

std::vector<std::uint64_t> backwards(const WaitQueue& queue) {
    const WaitNode* last = queue.first();
    while (last != nullptr && last->next != nullptr) last = last->next;
    std::vector<std::uint64_t> in_order;
    for (; last != nullptr; last = last != queue.first() ? last->previous : nullptr)
        in_order.insert(in_order.begin(), last->waiter->ticket());
    return in_order;
}

}  // namespace

TEST_CASE("a waiter can be claimed once", "[waiter]") {
    Guest guest;
    CHECK_FALSE(guest.claimed());
    CHECK(guest.claim());
    CHECK(guest.claimed());
    CHECK_FALSE(guest.claim());
    CHECK_FALSE(guest.claim(WaitEnd::timed_out));
    CHECK_FALSE(guest.ended());
}

TEST_CASE("of many threads that claim a waiter in line exactly one succeeds", "[waiter]") {
    constexpr int threads = 4;
    constexpr std::size_t rounds = 2'000;
    std::list<Guest> guests(rounds);
    WaitQueue line;
    std::list<WaitNode> places;
    for (Guest& guest : guests) line.insert(places.emplace_back(guest));
    std::vector<std::atomic<int>> claims(rounds);
    {
        std::latch start{threads};
        std::vector<std::jthread> claimers;
        for (int thread = 0; thread != threads; ++thread) {
            claimers.emplace_back([&] {
                start.arrive_and_wait();
                std::size_t at = 0;
                for (Guest& guest : guests) claims[at++] += guest.claim() ? 1 : 0;
            });
        }
    }
    std::size_t claimed_once = 0;
    for (const auto& count : claims) claimed_once += count == 1 ? 1 : 0;
    CHECK(claimed_once == rounds);
    for (WaitNode& place : places) line.remove(place);
}

TEST_CASE("a waiter that nobody ended otherwise was served", "[waiter]") {
    Guest guest;
    REQUIRE(guest.claim());
    guest.end();
    CHECK(guest.how() == WaitEnd::served);
}

TEST_CASE("who claims a waiter says how it ends", "[waiter]") {
    Guest stopped;
    REQUIRE(stopped.claim(WaitEnd::stopped));
    CHECK_FALSE(stopped.claim(WaitEnd::closed));
    stopped.end();
    CHECK(stopped.ended());
    CHECK(stopped.how() == WaitEnd::stopped);

    Guest failed;
    REQUIRE(failed.claim());
    failed.set_end(WaitEnd::failed);
    failed.end();
    CHECK(failed.how() == WaitEnd::failed);
}

TEST_CASE("a waiter stays claimed after its end", "[waiter]") {
    Guest guest;
    REQUIRE(guest.claim());
    guest.end();
    CHECK(guest.claimed());
    CHECK_FALSE(guest.claim());
}

TEST_CASE("later waits over several objects have higher tickets", "[waiter]") {
    const Guest first;
    const Guest second;
    CHECK(first.ticket() < second.ticket());
    CHECK(second.ticket() < runnel::detail::Tickets<>::draw());
}

TEST_CASE("the ticket of a wait on one object lies between those drawn before and after",
          "[waiter]") {
    const auto before = runnel::detail::Tickets<>::draw();
    const auto one = runnel::detail::Tickets<>::after_drawn();
    CHECK(before < one);
    CHECK(runnel::detail::Tickets<>::after_drawn() == one);
    CHECK(one < runnel::detail::Tickets<>::draw());
}

TEST_CASE("no two threads draw the same ticket", "[waiter]") {
    constexpr std::size_t threads = 4;
    constexpr std::size_t each = 1'000;
    std::vector<std::vector<std::uint64_t>> drawn(threads);
    {
        std::vector<std::jthread> drawers;
        for (auto& mine : drawn) {
            drawers.emplace_back([&mine] {
                for (std::size_t i = 0; i != each; ++i)
                    mine.push_back(runnel::detail::Tickets<>::draw());
            });
        }
    }
    std::set<std::uint64_t> different;
    for (const auto& mine : drawn) different.insert(mine.begin(), mine.end());
    CHECK(different.size() == threads * each);
}

TEST_CASE("waiters stand in the order of their tickets, whenever they come", "[wait_queue]") {
    Guest first;
    Guest second;
    Guest third;
    Place at_first{first};
    Place at_second{second};
    Place at_third{third};
    WaitQueue queue;
    CHECK(queue.empty());
    queue.insert(at_second.node);
    queue.insert(at_third.node);
    queue.insert(at_first.node);
    CHECK_FALSE(queue.empty());
    CHECK(queue.size() == 3);
    CHECK(tickets(queue) == std::vector{first.ticket(), second.ticket(), third.ticket()});
    CHECK(at_first.node.queue == &queue);

    queue.remove(at_second.node);
    CHECK(tickets(queue) == std::vector{first.ticket(), third.ticket()});
    CHECK(at_second.node.queue == nullptr);
    queue.insert(at_second.node);
    CHECK(tickets(queue) == std::vector{first.ticket(), second.ticket(), third.ticket()});

    queue.remove(at_first.node);
    queue.remove(at_third.node);
    queue.remove(at_second.node);
    CHECK(queue.empty());
    CHECK(queue.first() == nullptr);
}

TEST_CASE("a wait on one object stands behind those that are there", "[wait_queue]") {
    Single early;  // as one of another image, which knows of no ticket
    Guest several;
    WaitNode at_several{several};
    WaitNode at_early{early};
    WaitQueue queue;
    queue.insert(at_several);
    queue.insert(at_early);
    CHECK(queue.first() == &at_several);
    CHECK(several.ticket() < early.ticket());
    queue.remove(at_several);
    queue.remove(at_early);
}

TEST_CASE("waits with equal tickets have different places", "[waiter]") {
    const Guest one;
    const Guest other;
    const WaitPlace twin{one.ticket(), other.place().waiter};
    CHECK(one.place() != twin);
    CHECK(one.place() < other.place());
}

TEST_CASE("one wait can stand in several queues", "[wait_queue]") {
    Guest guest;
    Place here{guest};
    Place there{guest};
    WaitQueue one;
    WaitQueue other;
    one.insert(here.node);
    other.insert(there.node);
    CHECK(one.first()->waiter == other.first()->waiter);
    one.remove(here.node);
    CHECK(other.size() == 1);
    other.remove(there.node);
}

TEST_CASE("a queue of waiters does what a sorted set does", "[wait_queue]") {
    std::mt19937 random{7};
    std::list<Guest> guests(40);
    std::list<Place> places;
    for (Guest& guest : guests) places.emplace_back(guest);
    std::vector<WaitNode*> nodes;
    for (Place& place : places) nodes.push_back(&place.node);

    WaitQueue queue;
    std::set<std::uint64_t> expected;
    for (int step = 0; step != 20'000; ++step) {
        WaitNode& node = *nodes[random() % nodes.size()];
        if (node.queue == nullptr) {
            queue.insert(node);
            expected.insert(node.waiter->ticket());
        } else {
            queue.remove(node);
            expected.erase(node.waiter->ticket());
        }
        const std::vector<std::uint64_t> sorted(expected.begin(), expected.end());
        if (tickets(queue) != sorted || backwards(queue) != sorted || queue.size() != sorted.size())
            FAIL("wrong after step " << step);
    }
    while (!queue.empty()) queue.remove(*queue.first());
    SUCCEED();
}

TEST_CASE("whom a waker has claimed is resumed in the order of claiming", "[wait_queue]") {
    std::vector<Guest*> resumed;
    Guest first{&resumed};
    Guest second{&resumed};
    Guest third{&resumed};
    WakeChain chain;
    chain.resume_all();
    for (Guest* guest : {&second, &first, &third}) {
        REQUIRE(guest->claim());
        chain.add(*guest);
    }
    CHECK(resumed.empty());
    chain.resume_all();
    CHECK(resumed == std::vector<Guest*>{&second, &first, &third});
    CHECK(first.ended());
}

TEST_CASE("whoever is woken by one that is woken is resumed in the same go", "[wait_queue]") {
    std::vector<Guest*> resumed;
    Guest first{&resumed};
    Guest second{&resumed};
    Guest third{&resumed};
    Guest fourth{&resumed};
    first.friends = {&second, &third};
    third.friends = {&fourth, &first};  // who has been claimed already
    WakeChain chain;
    REQUIRE(first.claim());
    chain.add(first);
    chain.resume_all();
    CHECK(resumed == std::vector<Guest*>{&first, &second, &third, &fourth});
}

TEST_CASE("a waiter may be gone as soon as it was resumed", "[wait_queue]") {
    WakeChain chain;
    for (int i = 0; i != 3; ++i) {
        auto* const leaving = new Leaving;
        REQUIRE(leaving->claim());
        chain.add(*leaving);
    }
    chain.resume_all();
    SUCCEED();
}

TEST_CASE("a thousand waiters that wake each other in turn need no recursion", "[wait_queue]") {
    std::vector<Guest*> resumed;
    std::list<Guest> guests;
    for (int i = 0; i != 1'000; ++i) {
        Guest* const before = guests.empty() ? nullptr : &guests.back();
        Guest& next = guests.emplace_back(&resumed);
        if (before != nullptr) before->friends.push_back(&next);
    }
    WakeChain chain;
    REQUIRE(guests.front().claim());
    chain.add(guests.front());
    chain.resume_all();
    CHECK(resumed.size() == 1'000);
}

TEST_CASE("a request that cannot be satisfied leaves its waiter as it is", "[waiter]") {
    Guest guest;
    guest.unhappy = true;
    Place place{guest};
    CHECK(guest.serve(place.node) == Served::no);
    CHECK_FALSE(guest.claimed());
    guest.unhappy = false;
    CHECK(guest.serve(place.node) == Served::yes);
    CHECK(guest.serve(place.node) == Served::elsewhere);
    CHECK(guest.served == 3);
}

TEST_CASE("a wait sees what its waker did before it ended it", "[waiter]") {
    constexpr int rounds = 500;
    int seen = 0;
    for (int round = 0; round != rounds; ++round) {
        Rest rest{runnel::SystemClock::instance()};
        int written = 0;
        std::jthread waker{[&] {
            written = round + 1;
            rest.wake();
        }};
        rest.wait();
        seen += written == round + 1 ? 1 : 0;
    }
    CHECK(seen == rounds);
}

TEST_CASE("a wait without its event ends by time-out", "[waiter]") {
    Rest rest{runnel::SystemClock::instance()};
    const auto before = rest.clock.now();
    CHECK(rest.wait(2ms) == WaitEnd::timed_out);
    CHECK(rest.ended());
    CHECK(rest.clock.now() - before >= 2ms);
}

TEST_CASE("a wait ends when its stop token is asked to stop, before it or meanwhile", "[waiter]") {
    std::stop_source stop;
    Rest meanwhile{runnel::SystemClock::instance()};
    {
        std::jthread stopper{[&] { stop.request_stop(); }};
        CHECK(meanwhile.wait({}, stop.get_token()) == WaitEnd::stopped);
    }
    Rest before{runnel::SystemClock::instance()};
    CHECK(before.wait({}, stop.get_token()) == WaitEnd::stopped);
}

TEST_CASE("a wait that was served stays served, whatever else has come", "[waiter]") {
    std::stop_source stop;
    stop.request_stop();
    Rest rest{runnel::SystemClock::instance()};
    rest.wake();
    CHECK(rest.wait(0s, stop.get_token()) == WaitEnd::served);
}

TEST_CASE("a wait that may not block ends at once", "[waiter]") {
    Rest rest{runnel::SystemClock::instance()};
    CHECK(rest.wait(runnel::detail::WaitLimits{}) == WaitEnd::timed_out);
}

TEST_CASE("only who timed out or was stopped may still stand in line", "[waiter]") {
    for (const WaitEnd how : {WaitEnd::served, WaitEnd::timed_out, WaitEnd::stopped,
                              WaitEnd::closed, WaitEnd::failed}) {
        Guest guest;
        REQUIRE(guest.claim(how));
        guest.end();
        const bool may = how == WaitEnd::timed_out || how == WaitEnd::stopped;
        CHECK(runnel::detail::may_stand_in_line(guest) == may);
    }
}
