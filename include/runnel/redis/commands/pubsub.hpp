// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/glob.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/state.hpp>
#include <runnel/redis/subcommands.hpp>
#include <runnel/redis/subscribers.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// What SUBSCRIBE and the like answer for each name.
[[nodiscard]] inline Reply confirmation(const Call& call, std::string_view verb, Reply name,
                                        std::size_t count) {
    return Call::push({bulk(verb), std::move(name), reply_count(count)}, call.session().protocol);
}

// What a command subscribes to. Taken back unless the command keeps it.
class NewSubscriptions {
public:
    NewSubscriptions(const Call& call, SubscriptionKind kind, std::size_t most)
        : call_{call}, kind_{kind} {
        names_.reserve(most);
    }
    NewSubscriptions(const NewSubscriptions&) = delete;
    NewSubscriptions& operator=(const NewSubscriptions&) = delete;
    ~NewSubscriptions() {
        for (; !names_.empty(); names_.pop_back())
            (void)call_.subscribers().unsubscribe(kind_, names_.back(), call_.session(),
                                                  call_.session().subscriptions);
    }

    // Throws: std::bad_alloc.
    void add(std::string_view name) {
        if (call_.subscribers().subscribe(kind_, name, call_.session(),
                                          call_.session().subscriptions))
            names_.push_back(name);
    }
    void keep() noexcept { names_.clear(); }

private:
    const Call& call_;
    const SubscriptionKind kind_;
    std::vector<std::string_view> names_;
};

inline Reply subscribe_to(Call& call, SubscriptionKind kind, std::string_view verb) {
    const Words names = call.words_from(1);
    std::vector<Reply> answers;
    answers.reserve(names.size());
    NewSubscriptions made{call, kind, names.size()};
    for (const std::string_view name : names) {
        made.add(name);
        const std::size_t count = call.session().subscriptions.count(kind);
        answers.push_back(confirmation(call, verb, bulk(name), count));
    }
    Reply reply = call.answer_with(std::move(answers));
    made.keep();
    return reply;
}

// Without names: from all of that kind.
inline Reply unsubscribe_from(Call& call, SubscriptionKind kind, std::string_view verb) {
    Subscriptions& subscriptions = call.session().subscriptions;
    const Subscriptions::Names& own = subscriptions.names(kind);
    std::vector<std::string_view> names{call.words_from(1).begin(), call.words_from(1).end()};
    if (names.empty()) names.assign(own.begin(), own.end());
    std::size_t count = subscriptions.count(kind);
    std::set<std::string_view> gone;
    std::vector<Reply> answers;
    for (const std::string_view name : names) {
        if (own.contains(name) && gone.insert(name).second) --count;
        answers.push_back(confirmation(call, verb, bulk(name), count));
    }
    if (names.empty()) answers.push_back(confirmation(call, verb, call.null(), count));
    Reply reply = call.answer_with(std::move(answers));
    for (const std::string_view name : gone)
        (void)call.subscribers().unsubscribe(kind, name, call.session(), subscriptions);
    return reply;
}

inline Reply subscribe(Call& call) {
    return subscribe_to(call, SubscriptionKind::channel, "subscribe");
}
inline Reply psubscribe(Call& call) {
    return subscribe_to(call, SubscriptionKind::pattern, "psubscribe");
}
inline Reply ssubscribe(Call& call) {
    if (!call.may_block()) refuse("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
    return subscribe_to(call, SubscriptionKind::shard_channel, "ssubscribe");
}
inline Reply unsubscribe(Call& call) {
    return unsubscribe_from(call, SubscriptionKind::channel, "unsubscribe");
}
inline Reply punsubscribe(Call& call) {
    return unsubscribe_from(call, SubscriptionKind::pattern, "punsubscribe");
}
inline Reply sunsubscribe(Call& call) {
    return unsubscribe_from(call, SubscriptionKind::shard_channel, "sunsubscribe");
}

// A message in the shapes of both protocols. Those who get it share it.
class MessageForms {
public:
    MessageForms(const Call& call, std::vector<Reply> parts)
        : call_{call}, parts_{std::move(parts)} {
        for (const Reply& part : parts_) bytes_ += bytes_of(part.text().size());
    }

    [[nodiscard]] const Output& in(int protocol) {
        std::optional<Output>& form = protocol == 3 ? resp3_ : resp2_;
        if (!form) form.emplace(call_.output(Call::push(parts_, protocol), bytes_));
        return *form;
    }

private:
    // Of a bulk string: its length and its text, each with the end of its line.
    [[nodiscard]] static std::size_t bytes_of(std::size_t size) {
        return 1 + std::to_string(size).size() + 2 + size + 2;
    }

    const Call& call_;
    std::vector<Reply> parts_;
    std::size_t bytes_ = 4;  // on the wire; of the length of the array
    std::optional<Output> resp2_{};
    std::optional<Output> resp3_{};
};

// Sends a message to all who subscribe to a name. Returns how many they are.
inline std::size_t deliver(Call& call, const Subscribers::Named& named, std::vector<Reply> parts) {
    MessageForms message{call, std::move(parts)};
    for (SessionState* const session : named.sessions)
        call.send(*session, message.in(session->protocol));
    return named.sessions.size();
}

// To those who subscribe to the channel itself.
inline std::size_t deliver_by_name(Call& call, const Subscribers& subscribers,
                                   SubscriptionKind kind, std::string_view verb,
                                   const Reply& channel, const Reply& message) {
    const Subscribers::Named* const named = subscribers.find(kind, call[1]);
    return named == nullptr ? 0 : deliver(call, *named, {bulk(verb), channel, message});
}

// Those who subscribe to the channel come first, then those of each pattern that it matches. So a
// session may get several copies, and each counts.
inline std::size_t deliver_to_channel(Call& call, const Subscribers& subscribers,
                                      const Reply& channel, const Reply& message) {
    std::size_t count =
        deliver_by_name(call, subscribers, SubscriptionKind::channel, "message", channel, message);
    for (const auto& pattern : subscribers.all(SubscriptionKind::pattern)) {
        if (!glob_match(pattern.name, call[1])) continue;
        count += deliver(call, pattern, {bulk("pmessage"), bulk(pattern.name), channel, message});
    }
    return count;
}

// In a cluster each node gets a copy. The reply counts the deliveries of this one.
inline Reply publish(Call& call) {
    const Reply channel = bulk(call[1]);
    const Reply message = bulk(call[2]);
    const std::size_t count = deliver_to_channel(call, call.subscribers(), channel, message);
    call.for_each_node_of(ClusterState::Bus::publish, [&](const Subscribers& subscribers) {
        (void)deliver_to_channel(call, subscribers, channel, message);
    });
    call.count_copies(ClusterState::Bus::publish);
    return reply_count(count);
}

// In a cluster the nodes that serve the same slots get a copy.
inline Reply spublish(Call& call) {
    const Reply channel = bulk(call[1]);
    const Reply message = bulk(call[2]);
    const auto deliver_to = [&](const Subscribers& subscribers) {
        return deliver_by_name(call, subscribers, SubscriptionKind::shard_channel, "smessage",
                               channel, message);
    };
    const std::size_t count = deliver_to(call.subscribers());
    call.for_each_node_of(ClusterState::Bus::publish_shard,
                          [&](const Subscribers& subscribers) { (void)deliver_to(subscribers); });
    call.count_copies(ClusterState::Bus::publish_shard);
    return reply_count(count);
}

// The names that sessions subscribe to themselves, perhaps only those that match a pattern.
inline Reply names_of(Call& call, SubscriptionKind kind) {
    if (call.size() > 3) refuse_subcommand_arguments(call.words());
    std::vector<Reply> names;
    for (const auto& named : call.subscribers().all(kind))
        if (call.size() == 2 || glob_match(call[2], named.name)) names.push_back(bulk(named.name));
    return Reply::array(std::move(names));
}
// How many sessions subscribe to each of these names.
inline Reply counts_of(Call& call, SubscriptionKind kind) {
    std::vector<Reply> counts;
    for (const std::string_view name : call.words_from(2)) {
        const Subscribers::Named* const named = call.subscribers().find(kind, name);
        counts.push_back(bulk(name));
        counts.push_back(reply_count(named == nullptr ? 0 : named->sessions.size()));
    }
    return Reply::array(std::move(counts));
}

inline Reply pubsub_channels(Call& call) {
    return names_of(call, SubscriptionKind::channel);
}
inline Reply pubsub_shardchannels(Call& call) {
    return names_of(call, SubscriptionKind::shard_channel);
}
inline Reply pubsub_numsub(Call& call) {
    return counts_of(call, SubscriptionKind::channel);
}
inline Reply pubsub_shardnumsub(Call& call) {
    return counts_of(call, SubscriptionKind::shard_channel);
}
inline Reply pubsub_numpat(Call& call) {
    return reply_count(call.subscribers().all(SubscriptionKind::pattern).size());
}

inline Reply pubsub_help(Call& call) {
    // NOLINTBEGIN(bugprone-suspicious-missing-comma)
    return help(call.words(),
                {"CHANNELS [<pattern>]",
                 "    Return the currently active channels matching a <pattern> (default: '*').",
                 "NUMPAT", "    Return number of subscriptions to patterns.",
                 "NUMSUB [<channel> ...]",
                 "    Return the number of subscribers for the specified channels, excluding",
                 "    pattern subscriptions(default: no channels).", "SHARDCHANNELS [<pattern>]",
                 "    Return the currently active shard level channels matching a <pattern> "
                 "(default: '*').",
                 "SHARDNUMSUB [<shardchannel> ...]",
                 "    Return the number of subscribers for the specified shard level "
                 "channel(s)"});
    // NOLINTEND(bugprone-suspicious-missing-comma)
}

// The names of shard channels decide about the node of a cluster, as keys do.
inline constexpr auto pubsub_commands = std::to_array<CommandInfo>({
    {"subscribe", -2, Flag::when_subscribed, {}, {2, 0}, subscribe},
    {"psubscribe", -2, Flag::when_subscribed, {}, {2, 0}, psubscribe},
    {"ssubscribe", -2, Flag::when_subscribed | Flag::of_shard, {1, -1, 1}, {7, 0}, ssubscribe},
    {"unsubscribe", -1, Flag::when_subscribed, {}, {2, 0}, unsubscribe},
    {"punsubscribe", -1, Flag::when_subscribed, {}, {2, 0}, punsubscribe},
    {"sunsubscribe", -1, Flag::when_subscribed | Flag::of_shard, {1, -1, 1}, {7, 0}, sunsubscribe},
    {"publish", 3, Flag::none, {}, {2, 0}, publish},
    {"spublish", 3, Flag::of_shard, {1, 1, 1}, {7, 0}, spublish},
    {"pubsub", -2, Flag::container, {}, {2, 8}, nullptr},
    {"pubsub|channels", -2, Flag::none, {}, {2, 8}, pubsub_channels},
    {"pubsub|help", 2, Flag::none, {}, {6, 2}, pubsub_help},
    {"pubsub|numsub", -2, Flag::none, {}, {2, 8}, pubsub_numsub},
    {"pubsub|numpat", 2, Flag::none, {}, {2, 8}, pubsub_numpat},
    {"pubsub|shardchannels", -2, Flag::none, {}, {7, 0}, pubsub_shardchannels},
    {"pubsub|shardnumsub", -2, Flag::none, {}, {7, 0}, pubsub_shardnumsub},
});

}  // namespace runnel::inline v0::redis::detail
