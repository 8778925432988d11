// SPDX-License-Identifier: MIT
// Channels, inboxes and patterns against the Pub/Sub of a real Redis: several clients on both, the
// same messages to each of them in the same order, and the same counts to who publishes.
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/connection.hpp>
#include <runnel/glob.hpp>
#include <runnel/inbox.hpp>

#include "support/catch.hpp"
#include "support/channels.hpp"
#include "support/redis_changes.hpp"
#include "support/redis_clients.hpp"
#include "support/redis_server.hpp"
#include "support/redis_transcript.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace runnel::test;
using runnel::Broker;
using runnel::Channel;
using runnel::Inbox;
using runnel::InboxMessages;
using runnel::ManualClock;
using runnel::Subscription;

namespace {

using Text = std::string;

constexpr std::size_t most_clients = 6;

const std::array<Text, 6> channel_names{"news", "news.a", "hello", "hallo", "", "n\n\xff"};
const std::array<Text, 6> pattern_names{"*", "news*", "h?llo", "h[a-d]llo", "*o", "n\\ews*"};

Reply count_reply(std::size_t count) {
    return integer_reply(static_cast<std::int64_t>(count));
}

template <typename Names>
Reply names_reply(const Names& names) {
    Reply reply = array_reply({});
    for (const Text& name : names) reply.elements.push_back(string_reply(name));
    return reply;
}

// In no order there, by name here.
Reply sorted(Reply reply) {
    std::ranges::sort(reply.elements, {}, &Reply::text);
    return reply;
}

Reply message_reply(const Text& channel, const Text& text, const Text& pattern) {
    if (pattern.empty())
        return array_reply({string_reply("message"), string_reply(channel), string_reply(text)});
    return array_reply({string_reply("pmessage"), string_reply(pattern), string_reply(channel),
                        string_reply(text)});
}

// ------------------------------------------------------------------ a client of both

// A connection, which outlives the worlds, and what it has subscribed to.
struct Connected {
    explicit Connected(RedisServer& server) : connection{server.connect()} {}

    RedisClient connection;
    std::set<Text> channels{};
    std::set<Text> patterns{};
};

// What all worlds share.
struct Redis : SharedRedis<Connected> {
    explicit Redis(std::uint64_t seed) : SharedRedis{most_clients, seed} {}
};

// A client of runnel is one of these, for as long as it has subscribed.
struct Handled {
    std::vector<Reply> messages{};
    runnel::Connection connection{};
};

struct Listener {
    std::optional<Inbox<Text>> inbox{};
    std::optional<Subscription<Text>> view{};
    std::unique_ptr<Handled> handler{};

    [[nodiscard]] bool is_any() const { return inbox || view || handler; }
};

// ------------------------------------------------------------------ channels of both

class World {
public:
    World(Random& random, Redis& redis) : random_{random}, redis_{redis} {}

    void run(std::size_t steps) {
        for (std::size_t step = 0; step != steps; ++step) {
            redis_.transcript.next_operation();
            one_step();
            compare_figures();
        }
        for (std::size_t client = 0; client != most_clients; ++client) leave(client);
        begin("the end", {}, {"the", "end"});
        compare_figures();
    }

private:
    // ---------------------------------------------------------------- operations

    void one_step() {
        const std::size_t client = random_.below(most_clients);
        const std::size_t dice = random_.below(100);
        if (dice < 55) return publish();
        Listener& listener = listeners_[client];
        if (!listener.is_any()) return subscribe(client);
        if (dice < 60) return leave(client);
        if (!listener.inbox) return publish();
        random_.percent(60) ? subscribe_more(client) : unsubscribe(client);
    }

    void subscribe(std::size_t client) {
        Listener& listener = listeners_[client];
        const std::size_t dice = random_.below(100);
        if (dice < 25) return open_view(client, listener);
        if (dice < 50) return connect_handler(client, listener);
        runnel::Topics topics{.clock = &clock_};
        for (std::size_t left = random_.below(4); left != 0; --left)
            topics.channels.push_back(random_.one_of(channel_names));
        for (std::size_t left = random_.below(4); left != 0; --left)
            topics.patterns.push_back(random_.one_of(pattern_names));
        if (topics.channels.empty() && topics.patterns.empty())
            topics.channels.push_back(random_.one_of(channel_names));
        // Whichever comes first there, what came directly comes before what came by a pattern.
        const bool by_pattern_first = random_.percent(50);
        if (by_pattern_first) tell(client, "PSUBSCRIBE", topics.patterns);
        tell(client, "SUBSCRIBE", topics.channels);
        if (!by_pattern_first) tell(client, "PSUBSCRIBE", topics.patterns);
        listener.inbox.emplace(broker_.subscribe<Text>(topics));
    }

    void open_view(std::size_t client, Listener& listener) {
        const Text name = random_.one_of(channel_names);
        tell(client, "SUBSCRIBE", {name});
        listener.view.emplace(broker_.channel<Text>(name).subscribe());
    }

    void connect_handler(std::size_t client, Listener& listener) {
        const Text name = random_.one_of(channel_names);
        tell(client, "SUBSCRIBE", {name});
        listener.handler = std::make_unique<Handled>();
        listener.handler->connection = broker_.channel<Text>(name).on_message(
            [name, handled = listener.handler.get()](const Text& text) {
                handled->messages.push_back(message_reply(name, text, {}));
            });
    }

    // Only inboxes know of a second subscription; Redis takes the same one twice for one.
    void subscribe_more(std::size_t client) {
        const Text name = random_.one_of(channel_names);
        const bool is_new = !redis_.clients[client].channels.contains(name);
        tell(client, "SUBSCRIBE", {name});
        if (is_new) listeners_[client].inbox->join(broker_.channel<Text>(name));
    }

    void unsubscribe(std::size_t client) {
        const Text name = random_.one_of(channel_names);
        const bool was_there = redis_.clients[client].channels.contains(name);
        tell(client, "UNSUBSCRIBE", {name});
        const bool has_left = listeners_[client].inbox->leave(broker_.channel<Text>(name));
        compare({"UNSUBSCRIBE", name}, count_reply(was_there ? 1 : 0),
                count_reply(has_left ? 1 : 0));
    }

    void leave(std::size_t client) {
        listeners_[client] = {};
        tell(client, "UNSUBSCRIBE", {});
        tell(client, "PUNSUBSCRIBE", {});
    }

    // What Redis confirms is what the test knows.
    void tell(std::size_t client, const Text& command, const std::vector<Text>& names) {
        if (names.empty() && command.find("UNS") == Text::npos) return;
        Connected& connected = redis_.clients[client];
        Words words{command};
        words.insert(words.end(), names.begin(), names.end());
        begin(command, client_name(client), words);
        connected.connection.send(words);
        redis_.server.settle();
        std::set<Text>& known = command.starts_with('P') ? connected.patterns : connected.channels;
        if (names.empty()) {
            while (connected.connection.arrived()) continue;
            return known.clear();
        }
        for (const Text& name : names) {
            if (command.ends_with("UNSUBSCRIBE"))
                known.erase(name);
            else
                known.insert(name);
            Text confirmed;
            for (const char letter : command) confirmed += static_cast<char>(letter - 'A' + 'a');
            const Reply expected =
                array_reply({string_reply(confirmed), string_reply(name),
                             count_reply(connected.channels.size() + connected.patterns.size())});
            const Reply theirs = connected.connection.arrived().value_or(nil_reply());
            if (theirs != expected)
                redis_.transcript.differ(words, "Redis, foretold otherwise", theirs, expected);
        }
    }

    // To a channel by its handle or by name, while some of those who read wait for it.
    void publish() {
        const Text name = random_.one_of(channel_names);
        const Text text = std::to_string(++published_);
        const Words words{"PUBLISH", name, text};
        begin("PUBLISH", {}, words);
        const Reply theirs = redis_.server.command(words);
        redis_.server.settle();

        std::array<std::optional<Call<std::vector<Reply>>>, most_clients> reads;
        for (std::size_t client = 0; client != most_clients; ++client)
            if (random_.percent(8)) wait_to_read(listeners_[client], reads[client]);
        const bool by_name = random_.percent(50);
        const std::size_t reached = by_name ? broker_.publish(name, Text{text})
                                            : broker_.channel<Text>(name).publish(Text{text});
        compare(words, theirs, count_reply(reached));
        redis_.tally.add("PUBLISH", reached == 0 ? "to nobody" : "reached",
                         std::max<std::size_t>(reached, 1));
        for (std::size_t client = 0; client != most_clients; ++client) {
            std::vector<Reply> ours;
            if (reads[client]) {
                reads[client]->stop();
                ours = reads[client]->result();
                if (!ours.empty()) redis_.tally.add("PUBLISH", "to who waits");
            }
            compare_messages(client, std::move(ours));
        }
    }

    template <typename Reads>
    void wait_to_read(Listener& listener, Reads& read) {
        if (!listener.inbox && !listener.view) return;
        read.emplace(clock_, [&listener, this](const std::stop_token& stop) {
            std::vector<Reply> replies;
            if (listener.inbox) {
                add(replies, listener.inbox->read({.stop = stop}));
            } else {
                const auto batch = listener.view->read({.stop = stop});
                for (const Text& text : batch)
                    replies.push_back(message_reply(name_of_view(listener), text, {}));
            }
            return replies;
        });
    }

    static void add(std::vector<Reply>& replies, const InboxMessages<Text>& batch) {
        for (const auto& message : batch)
            replies.push_back(message_reply(message.channel, message.value, message.pattern));
    }

    // A view has one channel, and the client no other subscription.
    const Text& name_of_view(const Listener& listener) const {
        const auto client = static_cast<std::size_t>(&listener - listeners_.data());
        return *redis_.clients[client].channels.begin();
    }

    // ---------------------------------------------------------------- comparing

    static Text client_name(std::size_t client) { return "client " + std::to_string(client) + ":"; }

    void begin(const Text& operation, Text client, const Words& words) {
        redis_.tally.add(operation, "times");
        redis_.transcript.remember(words, std::move(client));
    }

    void compare(const Words& words, const Reply& theirs, const Reply& ours) {
        if (theirs != ours) redis_.transcript.differ(words, "Redis", theirs, ours);
    }

    void compare_messages(std::size_t client, std::vector<Reply> ours) {
        std::vector<Reply> theirs;
        while (auto message = redis_.clients[client].connection.arrived())
            theirs.push_back(std::move(*message));
        Listener& listener = listeners_[client];
        if (listener.inbox)
            while (auto batch = listener.inbox->try_read()) add(ours, batch);
        if (listener.view)
            for (const Text& text : drain(*listener.view))
                ours.push_back(message_reply(name_of_view(listener), text, {}));
        if (listener.handler) {
            auto& messages = listener.handler->messages;
            std::ranges::move(std::exchange(messages, {}), std::back_inserter(ours));
        }
        if (theirs == ours) return;
        // The order in which the patterns of one client are served is nobody's promise.
        if (of_patterns(theirs) == of_patterns(ours)) sort_patterns(theirs), sort_patterns(ours);
        if (theirs == ours) return redis_.differences.excuse(orders_patterns);
        redis_.transcript.differ({client_name(client), "gets"}, "Redis",
                                 array_reply(std::move(theirs)), array_reply(std::move(ours)));
    }

    static bool is_by_pattern(const Reply& message) {
        return message.elements.front().text == "pmessage";
    }

    // All of them are of one message, and come last.
    static std::size_t of_patterns(const std::vector<Reply>& messages) {
        return static_cast<std::size_t>(std::ranges::count_if(messages, is_by_pattern));
    }

    static void sort_patterns(std::vector<Reply>& messages) {
        const auto first = std::ranges::find_if(messages, is_by_pattern);
        std::ranges::sort(first, messages.end(), {},
                          [](const Reply& message) { return message.elements.at(1).text; });
    }

    void compare_figures() {
        std::vector<Words> questions{{"PUBSUB", "CHANNELS"}, {"PUBSUB", "NUMPAT"}};
        const Text pattern = random_.one_of(pattern_names);
        questions.push_back({"PUBSUB", "CHANNELS", pattern});
        Words numbers{"PUBSUB", "NUMSUB"};
        numbers.insert(numbers.end(), channel_names.begin(), channel_names.end());
        questions.push_back(std::move(numbers));
        const auto replies = redis_.server.pipeline(questions);
        compare(questions[0], sorted(replies[0]), names_reply(broker_.channels()));
        compare(questions[1], replies[1], count_reply(broker_.patterns().size()));
        compare(questions[2], sorted(replies[2]), names_reply(broker_.channels(pattern)));
        Reply subscribers = array_reply({});
        for (const Text& name : channel_names) {
            subscribers.elements.push_back(string_reply(name));
            const auto channel = broker_.find_channel<Text>(name);
            const std::size_t count = channel ? channel->subscribers() - by_pattern(name) : 0;
            subscribers.elements.push_back(count_reply(count));
        }
        compare(questions[3], replies[3], subscribers);
    }

    // How often clients get what comes to that channel by patterns, which NUMSUB leaves out.
    std::size_t by_pattern(const Text& name) const {
        std::size_t count = 0;
        for (const Connected& client : redis_.clients)
            for (const Text& pattern : client.patterns)
                if (runnel::glob_match(pattern, name)) ++count;
        return count;
    }

    Random& random_;
    Redis& redis_;
    ManualClock clock_;
    Broker broker_{{.clock = &clock_}};
    std::array<Listener, most_clients> listeners_;
    std::size_t published_ = 0;
};

// ------------------------------------------------------------------ patterns

// A byte by which patterns and names may differ, and those that mean something in patterns.
Text some_bytes(Random& random, const Text& among, std::size_t most) {
    Text bytes;
    for (std::size_t left = random.below(most + 1); left != 0; --left)
        bytes += random.one_of(among);
    return bytes;
}

}  // namespace

TEST_CASE("channels and inboxes do what the Pub/Sub of a real Redis does", "[channel][redis]") {
    const std::uint64_t seed = seed_for("channels against Redis");
    Random random{seed};
    Redis redis{seed};
    for (std::size_t left = scaled(12'000, 1'000); left != 0;) {
        const std::size_t steps = std::min(left, 20 + random.below(300));
        World{random, redis}.run(steps);
        left -= steps;
    }
    std::cout << redis.tally << redis.differences;
    SUCCEED();
}

TEST_CASE("patterns match what those of a real Redis match", "[glob][redis]") {
    const std::uint64_t seed = seed_for("patterns against Redis");
    Random random{seed};
    Redis redis{seed};
    RedisClient listener = redis.server.connect();
    std::set<Text> names;
    while (names.size() != 400) names.insert(some_bytes(random, "abc-]^\\*", 5));
    Words words{"SUBSCRIBE"};
    words.insert(words.end(), names.begin(), names.end());
    listener.send(words);
    redis.server.settle();
    std::size_t matched = 0;
    for (std::size_t left = scaled(6'000, 500); left != 0; --left) {
        redis.transcript.next_operation();
        const Text pattern = some_bytes(random, "aabc***???[[[]]]^-\\", 9);
        const Words question{"PUBSUB", "CHANNELS", pattern};
        Reply ours = array_reply({});
        for (const Text& name : names)
            if (runnel::glob_match(pattern, name)) ours.elements.push_back(string_reply(name));
        const Reply theirs = sorted(redis.server.command(question));
        if (theirs != ours) redis.transcript.differ(question, "Redis", theirs, ours);
        matched += ours.elements.size();
    }
    std::cout << "  names that matched: " << matched << '\n';
    CHECK(matched != 0);
}

TEST_CASE("ranges of bytes above 127 are the one difference of patterns", "[glob][redis]") {
    const std::uint64_t seed = seed_for("ranges of bytes against Redis");
    Redis redis{seed};
    RedisClient listener = redis.server.connect();
    Words words{"SUBSCRIBE"};
    for (int byte = 0; byte != 256; ++byte) words.emplace_back(1, static_cast<char>(byte));
    listener.send(words);
    redis.server.settle();
    const auto names_in = [](auto first, auto last) {
        Reply names = array_reply({});
        if (first > last) std::swap(first, last);
        for (int byte = 0; byte != 256; ++byte) {
            const char name = static_cast<char>(byte);
            const auto value = static_cast<decltype(first)>(name);
            if (value >= first && value <= last) names.elements.push_back(string_reply({name}));
        }
        return names;
    };
    Random random{seed};
    for (std::size_t left = scaled(300, 100); left != 0; --left) {
        redis.transcript.next_operation();
        const char first = static_cast<char>('_' + random.below(160));
        const char last = static_cast<char>('_' + random.below(160));
        if (first == '\\' || first == ']' || first == '^') continue;
        const Text pattern{'[', first, '-', last, ']'};
        const Words question{"PUBSUB", "CHANNELS", pattern};
        const Reply theirs = sorted(redis.server.command(question));
        Reply ours = array_reply({});
        for (int byte = 0; byte != 256; ++byte)
            if (const char name = static_cast<char>(byte); runnel::glob_match(pattern, {&name, 1}))
                ours.elements.push_back(string_reply({name}));
        const Reply bytewise =
            names_in(static_cast<unsigned char>(first), static_cast<unsigned char>(last));
        if (ours != bytewise) redis.transcript.differ(question, "bytewise", bytewise, ours);
        // By the sign of a char of the machine.
        if (theirs == ours) continue;
        if (!redis.differences.excuses(compares_bytes, theirs == names_in(first, last)))
            redis.transcript.differ(question, "Redis", theirs, ours);
    }
    std::cout << redis.differences;
    SUCCEED();
}
