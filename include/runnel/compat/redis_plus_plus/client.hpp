// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/compat/redis_plus_plus/parse.hpp>
#include <runnel/compat/redis_plus_plus/words.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace runnel::inline v0::compat::sw {

class Redis;
template <typename Client>
class AllCommands;

namespace detail {

// Each method of a command is written once, for two kinds of client: a Redis, which returns the
// reply as a value or puts its elements where an output iterator says; and a Pipeline or a
// Transaction, whose method takes no output iterator and returns the client itself.
template <typename Client>
inline constexpr bool is_queued = !std::same_as<Client, Redis>;

template <typename Client, typename T>
using Answer = std::conditional_t<is_queued<Client>, Client&, T>;

// Whether `output` is what the methods of this client end with that have elements to put somewhere:
// one output iterator, or none.
template <typename Client, typename... Output>
concept FitOutputs = sizeof...(Output) == (is_queued<Client> ? 0 : 1);

// Which commands have a reply that QueuedReplies has to see in another way than others.
enum class Special { none, set, empty_is_null };

// What the methods below do with the words of a command; a friend of the clients.
class Ask {
public:
    // The words of a command that takes a range. Throws: Error if it is empty.
    template <typename Input, typename... Words>
    [[nodiscard]] static CmdArgs with_range(Input first, Input last, const Words&... front) {
        CmdArgs words{front...};
        words.append_range(first, last);
        return words;
    }

    // For the reply as a value. `words` may be CmdArgs.
    template <typename T, typename Client, typename... Words>
    static Answer<Client, T> value(Client& client, Words&&... words) {
        if constexpr (is_queued<Client>)
            return client.queue(CmdArgs{std::forward<Words>(words)...});
        else
            return reply_to<T>(client.call(CmdArgs{std::forward<Words>(words)...}));
    }
    // For its elements. Nothing found, and nothing is put there.
    template <typename Client, typename... Output>
    static Answer<Client, void> elements(Client& client, CmdArgs words, Output... output) {
        if constexpr (is_queued<Client>) {
            return client.queue(std::move(words));
        } else {
            const Reply reply = client.call(std::move(words));
            if (!reply.is_null()) (elements_to(reply, output), ...);
        }
    }
    // What SCAN and its like are asked for, unless it is told.
    static constexpr long long scan_count = 10;
    // For a cursor, and what was found.
    template <typename Client, typename... Output>
    static Answer<Client, long long> scanned(Client& client, CmdArgs words, Output... output) {
        if constexpr (is_queued<Client>)
            return client.queue(std::move(words));
        else
            return scanned_to(client.call(std::move(words)), output...);
    }
    // For the short form of XPENDING, whose last element is a list, or null.
    template <typename Client, typename... Output>
    static Answer<Client, PendingSummary> pending(Client& client, CmdArgs words, Output... output) {
        if constexpr (is_queued<Client>)
            return client.queue(std::move(words));
        else
            return pending_to(client.call(std::move(words)), output...);
    }
    template <typename Client>
    static Answer<Client, bool> has_set(Client& client, CmdArgs words) {
        if constexpr (is_queued<Client>)
            return client.queue(std::move(words), Special::set);
        else
            return detail::has_set(client.call(std::move(words)));
    }
    template <typename T, typename Client>
    static Answer<Client, T> value_unless_empty(Client& client, CmdArgs words) {
        if constexpr (is_queued<Client>)
            return client.queue(std::move(words), Special::empty_is_null);
        else
            return reply_to<T>(null_if_empty(client.call(std::move(words))));
    }
};

}  // namespace detail

}  // namespace runnel::inline v0::compat::sw
