// SPDX-License-Identifier: MIT
// What it costs that many are there: each operation by which something comes or goes, or begins or
// ends to wait, with few and with many of its kind, beside a std::map of as many.
//
//   growth_bench [part of an operation's name]   REPS=7 in the environment: repetitions
//                                                LARGE=100000, WAITS=1000: how many are many
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/inbox.hpp>
#include <runnel/stream.hpp>

#include "coroutines.hpp"
#include "crowds.hpp"
#include "growth.hpp"
#include "heap.hpp"
#include "messages.hpp"
#include "program.hpp"
#include "threads.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace runnel::bench {
namespace {

using namespace std::chrono_literals;

/// "<text>0", "<text>1", ... in an order of chance.
std::vector<std::string> names(std::size_t count, const std::string& text = "name-") {
    std::vector<std::string> made;
    made.reserve(count);
    for (std::size_t index = 0; index < count; ++index)
        made.push_back(text + std::to_string(index));
    Chance{}.shuffle(made);
    return made;
}

/// The cost of step() between a come() and the going of what came, and of one right after it. To
/// read the clock is a part of it. The longest hundredth does not count: something else ran then.
template <class Come, class Step>
double between_comings(const Come& come, const Step& step) {
    constexpr std::size_t rounds = 1000;
    std::vector<uint64_t> times;
    times.reserve(2 * rounds);
    const auto timed = [&] {
        const uint64_t start = now();
        step();
        times.push_back(now() - start);
    };
    for (std::size_t round = 0; round < rounds; ++round) {
        {
            const auto one = come();
            timed();
        }
        timed();
    }
    std::ranges::sort(times);
    times.resize(times.size() - (times.size() / 100));
    const uint64_t total = std::accumulate(times.begin(), times.end(), uint64_t{0});
    return per_message(nanoseconds{total}, times.size());
}

/// Calls a function when it goes.
template <class Function>
struct AtEnd {
    Function function;
    ~AtEnd() { function(); }
};
template <class Function>
AtEnd(Function) -> AtEnd<Function>;

// ---- channel ------------------------------------------------------------------------------------

Series subscriptions(std::size_t count, Behind when_behind, bool bounds_differ) {
    const Channel<uint64_t> channel;
    Chance chance;
    const auto subscribe = [&] {
        const std::size_t bound = bounds_differ ? 1 + (chance.number() % 1024) : 1024;
        return channel.subscribe({.bound = bound, .when_behind = when_behind});
    };
    double publishing = 0;
    Series costs = come_and_go(
        count, [&](std::size_t /*index*/) { return subscribe(); },
        [&] {
            check(channel.publish(0).reached == count, "a publish did not reach all");
            if (when_behind == Behind::block) return;  // it would be refused soon
            publishing = between_comings(subscribe, [&] {
                check(channel.publish(1).reached >= count, "a publish did not reach all");
            });
        });
    check(channel.subscribers() == 0, "somebody is subscribed still");
    if (when_behind != Behind::block) costs.push_back(publishing);
    return costs;
}

Series handlers(std::size_t count) {
    const Channel<uint64_t> channel;
    uint64_t sum = 0;
    Series costs = come_and_go(
        count,
        [&](std::size_t /*index*/) {
            return channel.on_message([&sum](const uint64_t& number) { sum += number; });
        },
        [&] { check(channel.publish(1).reached == count, "a publish did not reach all"); });
    check(sum == count, "the handlers were not called once each");
    check(channel.subscribers() == 0, "a handler is connected still");
    return costs;
}

Series inboxes_of_one_channel(std::size_t count) {
    const Channel<uint64_t> channel;
    std::vector<Inbox<uint64_t>> inboxes(count);
    const double joins =
        time_of_each(count, [&](std::size_t index) { inboxes[index].join(channel); });
    check(channel.publish(1).reached == count, "a publish did not reach all");
    Chance{}.shuffle(inboxes);
    const double goes = time_of_each(count, [&](std::size_t /*one*/) { inboxes.pop_back(); });
    check(channel.subscribers() == 0, "an inbox is there still");
    return {joins, goes};
}

Series channels_of_one_inbox(std::size_t count) {
    std::vector<Channel<uint64_t>> channels;
    while (channels.size() < count) channels.emplace_back(ChannelOptions<uint64_t>{});
    std::optional<Inbox<uint64_t>> inbox{std::in_place};
    const auto join = [&](std::size_t index) { inbox->join(channels[index]); };
    const double joins = time_of_each(count, join);
    Chance{}.shuffle(channels);
    const double leaves = time_of_each(count, [&](std::size_t index) {
        check(inbox->leave(channels[index]), "an inbox had not joined a channel");
    });
    check(channels.front().subscribers() == 0, "the inbox is there still");
    for (std::size_t index = 0; index < count; ++index) join(index);
    const double goes = time_of_each(1, [&](std::size_t /*once*/) { inbox.reset(); });
    check(channels.front().subscribers() == 0, "the inbox is there still");
    return {joins, leaves, goes / static_cast<double>(count)};
}

Series patterns_of_one_inbox(std::size_t count) {
    const Broker broker;
    const Topics topics{.patterns = names(count, "*")};
    std::optional<Inbox<uint64_t>> inbox;
    const double comes =
        time_of_each(1, [&](std::size_t /*once*/) { inbox = broker.subscribe<uint64_t>(topics); });
    check(broker.patterns().size() == count, "a pattern is missing");
    const double goes = time_of_each(1, [&](std::size_t /*once*/) { inbox.reset(); });
    check(broker.patterns().empty(), "a pattern is left");
    return {comes / static_cast<double>(count), goes / static_cast<double>(count)};
}

Series patterns_of_many_inboxes(std::size_t count) {
    const Broker broker;
    std::vector<Topics> topics;
    for (const std::string& pattern : names(count + 1, "*"))
        topics.push_back({.patterns = {pattern}});
    const auto subscribe = [&](std::size_t index) {
        return broker.subscribe<uint64_t>(topics[index]);
    };
    const auto channel = broker.channel<uint64_t>("no pattern's");
    double publishing = 0;
    Series costs = come_and_go(count, subscribe, [&] {
        check(broker.patterns().size() == count, "a pattern is missing");
        publishing = between_comings([&] { return subscribe(count); },
                                     [&] {
                                         const auto published =
                                             broker.publish("no pattern's", uint64_t{1});
                                         check(published.ending == Push::done, "not published");
                                     });
    });
    check(broker.patterns().empty(), "a pattern is left");
    costs.push_back(publishing);
    return costs;
}

// ---- stream -------------------------------------------------------------------------------------

Series groups(std::size_t count) {
    const Stream<uint64_t> stream{{.keep = {.count = 1000}}};
    stream.add(1);
    double adding = 0;
    Series costs = come_and_go_by_name(
        names(count), [&](const std::string& name) { keep(stream.group(name)); },
        [&](const std::string& name) { check(stream.remove_group(name), "a group is missing"); },
        [&] {
            check(stream.info().groups == count, "a group is missing");
            const auto come = [&] {
                keep(stream.group("another"));
                return AtEnd{[&] { check(stream.remove_group("another"), "no group"); }};
            };
            adding = between_comings(come, [&] { stream.add(2); });
        });
    check(stream.info().groups == 0, "a group is left");
    costs.push_back(adding);
    return costs;
}

Series consumers(std::size_t count, std::size_t pending) {
    const Stream<uint64_t> stream;
    for (std::size_t number = 0; number < count * pending; ++number) stream.add(number);
    const auto group = stream.group("group");
    const auto all = names(count);
    Series costs = come_and_go_by_name(
        all, [&](const std::string& name) { keep(group.consumer(name)); },
        [&](const std::string& name) {
            check(group.remove_consumer(name) == pending, "not what it had pending was dropped");
        },
        [&] {
            check(group.info().consumers == count, "a consumer is missing");
            if (pending == 0) return;
            for (const std::string& name : all)
                check(group.consumer(name).try_read({.count = pending}).size() == pending,
                      "a consumer has read nothing");
        });
    check(group.info().consumers == 0 && group.info().pending == 0, "a consumer is left");
    return costs;
}

/// A stream with a group.
struct Grouped {
    explicit Grouped(std::size_t count, Clock* clock = nullptr) : stream{{.clock = clock}} {
        for (std::size_t number = 0; number < count; ++number) ids.push_back(stream.add(number));
    }

    const Stream<uint64_t> stream;
    const ConsumerGroup<uint64_t> group = stream.group("group");
    const Consumer<uint64_t> consumer = group.consumer("consumer");
    std::vector<StreamId> ids;
};

Series deliveries(std::size_t count) {
    Grouped all{count};
    const double comes = time_of_each(count, [&](std::size_t /*one*/) {
        check(all.consumer.try_read({.count = 1}).size() == 1, "an entry is missing");
    });
    check(all.group.info().pending == count, "an entry is not pending");
    Chance{}.shuffle(all.ids);
    const double goes = time_of_each(count, [&](std::size_t index) {
        check(all.group.ack({all.ids[index]}) == 1, "an entry was not pending");
    });
    check(all.group.info().pending == 0, "an entry is pending still");
    return {comes, goes};
}

/// Of entries that were delivered over the last 100 minutes. With `.idle` they look as if delivered
/// at some time in between.
Series claims(std::size_t count) {
    constexpr std::size_t claimed = 1000;
    constexpr std::size_t minutes = 100;
    ManualClock clock;
    Grouped all{count, &clock};
    for (std::size_t minute = 0; minute < minutes; ++minute) {
        const std::size_t some = count / minutes;
        check(all.consumer.try_read({.count = some}).size() == some, "an entry is missing");
        clock.advance(1min);
    }
    Chance chance;
    all.ids.resize(all.group.info().pending);
    chance.shuffle(all.ids);
    const auto claim = [&](const char* name, Duration longest_idle) {
        const auto consumer = all.group.consumer(name);
        const auto most = static_cast<uint64_t>(longest_idle.nanoseconds().count());
        return time_of_each(claimed, [&](std::size_t index) {
            const nanoseconds idle{chance.number() % (most + 1)};
            const auto got = consumer.claim({all.ids[index]}, {.min_idle = 0ms, .idle = idle});
            check(got.size() == 1, "an entry was not claimed");
        });
    };
    const Series costs{claim("other", 0min), claim("another", minutes * 1min)};
    check(all.group.info().pending == all.ids.size(), "an entry is not pending any more");
    return costs;
}

// ---- broker -------------------------------------------------------------------------------------

template <class Make, class Remove, class Find>
Series broker_names(std::size_t count, const Make& make, const Remove& remove, const Find& find) {
    const Broker broker;
    const auto all = names(count);
    Series costs = come_and_go_by_name(
        all, [&](const std::string& name) { keep(make(broker, name)); },
        [&](const std::string& name) { check(remove(broker, name), "a name is missing"); },
        [&] {
            for (const std::string& name : all) check(find(broker, name), "a name is missing");
        });
    for (const std::string& name : all) check(!find(broker, name), "a name is left");
    return costs;
}

// ---- the tables ---------------------------------------------------------------------------------

void add_channel(GrowthTable& table) {
    table.add({{"subscription comes", "subscription goes",
                "publish between a subscription's coming and going"},
               [](std::size_t count) { return subscriptions(count, Behind::skip_oldest, false); }});
    table.add({{"subscription with another bound comes", "subscription with another bound goes",
                "publish between their coming and going"},
               [](std::size_t count) { return subscriptions(count, Behind::skip_oldest, true); }});
    table.add(
        {{"subscription that blocks publishers comes", "subscription that blocks publishers goes"},
         [](std::size_t count) { return subscriptions(count, Behind::block, true); }});
    table.add({{"handler comes", "handler goes"}, handlers});
    table.add({{"inbox joins a channel of many inboxes", "inbox of a channel of many goes"},
               inboxes_of_one_channel});
    table.add({{"inbox of many channels joins one", "inbox of many channels leaves one",
                "inbox of many channels goes, for each"},
               channels_of_one_inbox});
    table.add(
        {{"inbox with many patterns comes, for each", "inbox with many patterns goes, for each"},
         patterns_of_one_inbox});
    table.add({{"inbox with one of many patterns comes", "inbox with one of many patterns goes",
                "publish by name between a pattern's coming and going"},
               patterns_of_many_inboxes});
}

void add_stream(GrowthTable& table) {
    table.add({{"group comes", "group goes", "add between a group's coming and going"}, groups});
    table.add({{"consumer comes", "consumer goes"},
               [](std::size_t count) { return consumers(count, 0); }});
    table.add({{"consumer comes, again", "consumer with a pending entry goes"},
               [](std::size_t count) { return consumers(count, 1); }});
    table.add({{"pending entry comes: a read of one", "pending entry goes: an ack"}, deliveries});
    table.add({{"claim of one", "claim of one with .idle"}, claims});
}

void add_names(GrowthTable& table) {
    table.add(
        {{"name of a list comes", "name of a list goes"}, [](std::size_t count) {
             return broker_names(
                 count,
                 [](const Broker& broker, const std::string& name) {
                     return broker.list<uint64_t>(name);
                 },
                 [](const Broker& broker, const std::string& name) { return broker.remove(name); },
                 [](const Broker& broker, const std::string& name) {
                     return broker.find_list<uint64_t>(name).has_value();
                 });
         }});
    table.add(
        {{"name of a stream comes", "name of a stream goes"}, [](std::size_t count) {
             return broker_names(
                 count,
                 [](const Broker& broker, const std::string& name) {
                     return broker.stream<uint64_t>(name);
                 },
                 [](const Broker& broker, const std::string& name) { return broker.remove(name); },
                 [](const Broker& broker, const std::string& name) {
                     return broker.find_stream<uint64_t>(name).has_value();
                 });
         }});
    table.add({{"name of a channel comes", "name of a channel goes"}, [](std::size_t count) {
                   return broker_names(
                       count,
                       [](const Broker& broker, const std::string& name) {
                           return broker.channel<uint64_t>(name);
                       },
                       [](const Broker& broker, const std::string& name) {
                           return broker.remove_channel(name);
                       },
                       [](const Broker& broker, const std::string& name) {
                           return broker.find_channel<uint64_t>(name).has_value();
                       });
               }});
}

void add_waits(GrowthTable& table) {
    table.add({{"pop of a list waits a moment", "push that ends a pop"}, pops});
    table.add({{"push onto a full list is refused", "push onto a full list waits a moment",
                "pop that ends a push"},
               pushes});
    table.add({{"push and pop of the target of moves", "move from an empty list waits a moment",
                "push and pop after a move has come and gone", "push that ends a move"},
               moves_to_one_target});
    table.add({{"push and pop of the source of moves to full lists", "pop that ends such a move"},
               moves_to_full_targets});
    table.add(
        {{"wait_any of two lists waits a moment", "push that ends a wait_any",
          "workers that such a push wakes, number", "until all workers have popped one, for each"},
         waits_for_any});
    table.add({{"add that ends a wait_any for a group", "workers that such an add wakes, number"},
               waits_for_group});
    table.add({{"read of a cursor waits a moment", "add, for each read of a cursor that it ends",
                "until all cursors have read, for each"},
               cursor_reads});
    table.add(
        {{"read of a consumer waits a moment", "add that ends a read of a consumer"}, group_reads});
    table.add({{"read of a subscription waits a moment",
                "publish, for each read of a subscription that it ends",
                "until all subscriptions have read, for each"},
               subscription_reads});
}

void add_coroutines(GrowthTable& table) {
    table.add(
        {{"pop of a list by a coroutine begins to wait", "such a coroutine is destroyed",
          "push and pop of a list that nobody waits for", "push that ends a pop of a coroutine"},
         coroutines_at_lists});
    table.add({{"pop with a time-out begins to wait", "such a coroutine is destroyed, too"},
               coroutines_with_time_outs});
    table.add({{"read of a cursor by a coroutine begins to wait", "cursor and coroutine go",
                "add, for each coroutine that it ends"},
               coroutines_at_cursors});
    table.add({{"read of a subscription by a coroutine begins to wait",
                "subscription and coroutine go", "publish, for each coroutine that it ends"},
               coroutines_at_subscriptions});
}

/// Without the frame of the coroutine; of a pop of 8 bytes.
void print_bytes_of_a_wait() {
    using Pop = decltype(BlockingList<uint64_t>{}.async_pop_front());
    using Wait = decltype(std::declval<Pop&>().operator co_await());
    std::printf("\nbytes of a pop that waits, without the frame of its coroutine: %zu\n",
                sizeof(Pop) + sizeof(Wait));
}

}  // namespace
}  // namespace runnel::bench

int main(int argc, char** argv) {
    using namespace runnel::bench;
    keep_heap();
    const std::size_t repetitions = repetitions_wanted("growth_bench");
    const std::size_t large = number_in_environment("LARGE", 100'000);
    const std::size_t waits = number_in_environment("WAITS", 1000);
    if (repetitions == 0 || large == 0 || waits == 0) return 2;

    GrowthTable things{"of a kind are there [ns]", {1000, large}, Caches::empty};
    add_channel(things);
    add_stream(things);
    add_names(things);
    GrowthTable crowds{"threads wait [ns]", {10, waits}, Caches::warm};
    add_waits(crowds);
    GrowthTable coroutines{"coroutines wait [ns]", {1000, large}, Caches::empty};
    add_coroutines(coroutines);
    if (argc > 1) {
        things.keep_only(argv[1]);
        crowds.keep_only(argv[1]);
        coroutines.keep_only(argv[1]);
    }

    pin_to(0);
    print_environment(repetitions);
    std::puts("factor = median of the ratios within a repetition; limit: 3, or what the std::map "
              "grows by if that is more");
    for (std::size_t done = 1; done <= repetitions; ++done) {
        things.measure();
        crowds.measure();
        coroutines.measure();
        std::fprintf(stderr, "repetition %zu of %zu done\n", done, repetitions);
    }
    things.print();
    crowds.print();
    coroutines.print();
    print_bytes_of_a_wait();
    return 0;
}
