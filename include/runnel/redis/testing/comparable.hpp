// SPDX-License-Identifier: MIT
#pragma once

// Replies as they can be compared: without what Redis promises nothing about, and what depends on
// the moment or on the version.

#include <runnel/version.hpp>

#include <runnel/redis/reply.hpp>
#include <runnel/redis/testing/listener.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::testing::detail {

// If the id is made of a time between these two, in milliseconds: that time.
[[nodiscard]] inline std::optional<std::int64_t> time_made(const Reply& id, std::int64_t from,
                                                           std::int64_t to) {
    if (id.kind() != Reply::Kind::bulk_string) return std::nullopt;
    const std::string& text = id.text();
    const char* const end = text.data() + text.size();
    std::int64_t ms = 0;
    const auto [dash, error] = std::from_chars(text.data(), end, ms);
    if (error != std::errc{} || dash == end || *dash != '-') return std::nullopt;
    return ms >= from && ms <= to ? std::optional{ms} : std::nullopt;
}

// The time that a server has made an id of, as XADD with `*` does.
[[nodiscard]] inline std::optional<std::int64_t> time_made(const Heard& heard, std::int64_t from,
                                                           std::int64_t to) {
    if (name_of(heard.words) == "xadd") return time_made(heard.reply, from, to);
    if (heard.queued.empty() || heard.reply.kind() != Reply::Kind::array) return std::nullopt;
    for (const Reply& reply : heard.reply.elements()) {
        if (const auto ms = time_made(reply, from, to)) return ms;
    }
    return std::nullopt;
}

// What else two servers may differ in.
struct Leeway {
    // In milliseconds. Times are rounded to multiples of `step`, less `offset`.
    std::int64_t step = 500'000;
    std::int64_t offset = 250'000;
    // Whether what is drawn by lot is all that there is.
    bool draws_all = true;
};

class Comparable {
public:
    // `now`: the wall time in milliseconds, about.
    explicit Comparable(std::int64_t now, const Leeway& leeway = {}) : now_{now}, leeway_{leeway} {}

    [[nodiscard]] Heard of(const Heard& heard) const {
        if (heard.is_push()) return heard;
        return {heard.words, of(heard.words, heard.queued, heard.reply), heard.queued};
    }

    // What is sent in no particular order is sorted.
    static void sort(std::vector<Heard>& all) {
        for (auto first = all.begin(); first != all.end();) {
            auto last = first + 1;
            while (last != all.end() && belong_together(*first, *last)) ++last;
            if (last - first > 1) sort_names(first, last);
            first = last;
        }
    }

private:
    using Kind = Reply::Kind;
    using Make = Reply (Comparable::*)(const Reply& reply) const;
    struct Rule {
        std::string_view name;
        Make make;
    };

    // NOLINTNEXTLINE(misc-no-recursion): no EXEC is queued
    Reply of(const Words& words, const std::vector<Words>& queued, const Reply& reply) const {
        if (reply.is_error()) return reply;
        if (!queued.empty()) return of_all(queued, reply);
        const std::string name = name_of(words);
        // Smaller pages differ.
        if (name.ends_with("scan") && std::ranges::count(words, "1000") == 0)
            return kind_only(reply);
        for (const Rule& rule : rules) {
            if (rule.name == name) return (this->*rule.make)(reply);
        }
        return reply;
    }

    // NOLINTNEXTLINE(misc-no-recursion): see of()
    Reply of_all(const std::vector<Words>& queued, const Reply& reply) const {
        if (reply.kind() != Kind::array || reply.elements().size() != queued.size()) return reply;
        std::vector<Reply> elements;
        for (std::size_t at = 0; at != queued.size(); ++at)
            elements.push_back(of(queued[at], {}, reply[at]));
        return Reply::array(std::move(elements));
    }

    // ------------------------------------------------------------------ order

    // The messages of one PUBLISH by several patterns, or what an UNSUBSCRIBE without names says.
    static bool belong_together(const Heard& one, const Heard& other) {
        if (one.reply.kind() != other.reply.kind()) return false;
        if (one.is_push() != other.is_push()) return false;
        if (one.is_push()) {
            return is_list_of(one.reply, 4) && is_list_of(other.reply, 4) &&
                   one.reply[2] == other.reply[2] && one.reply[3] == other.reply[3];
        }
        return one.words.size() == 1 && one.words == other.words && is_list_of(one.reply, 3) &&
               is_list_of(other.reply, 3) && one.reply[0] == other.reply[0];
    }
    static bool is_list_of(const Reply& reply, std::size_t size) {
        const bool is_list = reply.kind() == Kind::array || reply.kind() == Kind::push;
        return is_list && reply.elements().size() == size;
    }

    // The second element of each is a name, and the third of a confirmation how many are left.
    template <typename Iterator>
    static void sort_names(Iterator first, Iterator last) {
        std::vector<Reply> names;
        for (Iterator at = first; at != last; ++at) names.push_back(at->reply[1]);
        sort(names);
        for (std::size_t at = 0; first != last; ++first, ++at) {
            std::vector<Reply> elements = Reply{first->reply}.elements();
            elements[1] = names[at];
            first->reply = first->reply.kind() == Kind::push ? Reply::push(std::move(elements))
                                                             : Reply::array(std::move(elements));
        }
    }

    static void sort(std::vector<Reply>& replies) {
        std::ranges::sort(replies, {}, [](const Reply& reply) { return to_string(reply); });
    }

    // NOLINTNEXTLINE(*-member-functions-to-static): the rules name it
    [[nodiscard]] Reply sorted(const Reply& reply) const {
        if (reply.kind() != Kind::array && reply.kind() != Kind::set) return reply;
        std::vector<Reply> elements = reply.elements();
        sort(elements);
        return reply.kind() == Kind::set ? Reply::set(std::move(elements))
                                         : Reply::array(std::move(elements));
    }

    // A map, or the array that stands for one.
    // NOLINTNEXTLINE(*-member-functions-to-static): the rules name it
    [[nodiscard]] Reply sorted_pairs(const Reply& reply) const {
        if (reply.kind() != Kind::array && reply.kind() != Kind::map) return reply;
        std::vector<Reply> pairs;
        const auto elements = reply.elements();
        for (std::size_t at = 0; at + 1 < elements.size(); at += 2)
            pairs.push_back(Reply::array({elements[at], elements[at + 1]}));
        sort(pairs);
        return reply.kind() == Kind::map ? Reply::set(std::move(pairs))
                                         : Reply::array(std::move(pairs));
    }

    // The cursor, and the names.
    [[nodiscard]] Reply scanned(const Reply& reply) const {
        if (!is_list_of(reply, 2)) return reply;
        return Reply::array({reply[0], sorted(reply[1])});
    }
    // The cursor, and pairs of a name and a score.
    [[nodiscard]] Reply scanned_scores(const Reply& reply) const {
        if (!is_list_of(reply, 2)) return reply;
        return Reply::array({reply[0], sorted_pairs(scores(reply[1]))});
    }

    // ------------------------------------------------------------------ scores

    // 7.2: a score is written with the fewest digits that read back. Before, with 17 of them.
    // NOLINTNEXTLINE(misc-no-recursion): as deep as the reply is
    [[nodiscard]] Reply scores(const Reply& reply) const {
        if (reply.kind() == Kind::bulk_string) return score(reply);
        if (reply.kind() != Kind::array) return reply;
        std::vector<Reply> elements;
        for (const Reply& element : reply.elements()) elements.push_back(scores(element));
        return Reply::array(std::move(elements));
    }
    static Reply score(const Reply& reply) {
        const std::string& text = reply.text();
        double number = 0;
        const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (problem != std::errc{} || end != text.data() + text.size()) return reply;
        return Reply::double_(number);
    }

    // ------------------------------------------------------------------ time

    [[nodiscard]] Reply about(const Reply& reply) const {
        if (reply.kind() != Kind::integer) return reply;
        constexpr std::int64_t since_1970 = 100'000'000'000;
        const auto [step, offset, draws_all] = leeway_;
        std::int64_t time = reply.integer();
        if (time > since_1970)
            time -= now_;
        else if (time < 0)
            return reply;
        return Reply::integer((time + 1'000 * step + offset) / step - 1'000);
    }

    [[nodiscard]] Reply about_seconds(const Reply& reply) const {
        if (reply.kind() != Kind::integer || reply.integer() < 0) return reply;
        return about(Reply::integer(reply.integer() * 1000));
    }

    // Those of XPENDING, and of XINFO STREAM FULL: the one before the last is a time.
    [[nodiscard]] Reply pending(const Reply& reply) const {
        if (reply.kind() != Kind::array) return reply;
        std::vector<Reply> rows;
        for (const Reply& row : reply.elements()) {
            if (row.kind() != Kind::array || row.elements().size() < 3) return reply;
            std::vector<Reply> elements = Reply{row}.elements();
            Reply& time = elements[elements.size() - 2];
            time = about(time);
            rows.push_back(Reply::array(std::move(elements)));
        }
        return Reply::array(std::move(rows));
    }

    // ------------------------------------------------------------------ what is told

    [[nodiscard]] Reply drawn(const Reply& reply) const {
        return leeway_.draws_all ? sorted(reply) : kind_only(reply);
    }

    // NOLINTNEXTLINE(*-member-functions-to-static): the rules name it
    [[nodiscard]] Reply kind_only(const Reply& reply) const {
        return Reply::simple_string(std::string{to_string(reply.kind())});
    }

    // Of maps, also in RESP2, where they are arrays.
    // NOLINTNEXTLINE(misc-no-recursion): XINFO's are not deep
    [[nodiscard]] Reply info(const Reply& reply) const {
        if (reply.kind() != Kind::array && reply.kind() != Kind::map) return reply;
        const std::vector<Reply> elements = Reply{reply}.elements();
        std::vector<Reply> made;
        if (!is_dictionary(reply)) {
            for (const Reply& element : elements) made.push_back(info(element));
            return Reply::array(std::move(made));
        }
        for (std::size_t at = 0; at + 1 < elements.size(); at += 2) {
            const std::string key = elements[at].text();
            made.push_back(elements[at]);
            made.push_back(value(key, elements[at + 1]));
        }
        return reply.kind() == Kind::map ? Reply::map(std::move(made))
                                         : Reply::array(std::move(made));
    }
    static bool is_dictionary(const Reply& reply) {
        static constexpr std::array<std::string_view, 3> first{"length", "name", "server"};
        const auto elements = reply.elements();
        return !elements.empty() && elements.size() % 2 == 0 &&
               elements.front().kind() == Kind::bulk_string &&
               std::ranges::count(first, elements.front().text()) != 0;
    }
    // NOLINTNEXTLINE(misc-no-recursion): see info()
    [[nodiscard]] Reply value(std::string_view key, const Reply& reply) const {
        if (key == "idle" || key == "seen-time") return about(reply);
        if (key == "pending") return pending(reply);
        if (key == "groups" || key == "consumers") return info(reply);
        static constexpr std::array<std::string_view, 4> of_the_server{
            "radix-tree-keys", "radix-tree-nodes", "version", "id"};
        return std::ranges::count(of_the_server, key) != 0 ? kind_only(reply) : reply;
    }

    static constexpr auto rules = std::to_array<Rule>({
        {"keys", &Comparable::sorted},
        {"smembers", &Comparable::sorted},
        {"spop", &Comparable::sorted},
        {"srandmember", &Comparable::drawn},
        {"hrandfield", &Comparable::drawn},
        {"hkeys", &Comparable::sorted},
        {"hvals", &Comparable::sorted},
        {"hgetall", &Comparable::sorted_pairs},
        {"zadd", &Comparable::scores},
        {"zincrby", &Comparable::scores},
        {"zscore", &Comparable::scores},
        {"zmscore", &Comparable::scores},
        {"zrange", &Comparable::scores},
        {"zrevrange", &Comparable::scores},
        {"zrangebyscore", &Comparable::scores},
        {"zrevrangebyscore", &Comparable::scores},
        {"zpopmin", &Comparable::scores},
        {"zpopmax", &Comparable::scores},
        {"zmpop", &Comparable::scores},
        {"bzpopmin", &Comparable::scores},
        {"bzpopmax", &Comparable::scores},
        {"bzmpop", &Comparable::scores},
        {"pubsub|channels", &Comparable::sorted},
        {"pubsub|shardchannels", &Comparable::sorted},
        {"scan", &Comparable::scanned},
        {"hscan", &Comparable::scanned},
        {"sscan", &Comparable::scanned},
        {"zscan", &Comparable::scanned_scores},
        {"ttl", &Comparable::about_seconds},
        {"expiretime", &Comparable::about_seconds},
        {"pttl", &Comparable::about},
        {"pexpiretime", &Comparable::about},
        {"xpending", &Comparable::pending},
        {"xinfo|stream", &Comparable::info},
        {"xinfo|groups", &Comparable::info},
        {"xinfo|consumers", &Comparable::info},
        {"hello", &Comparable::info},
        {"time", &Comparable::kind_only},
        {"client|id", &Comparable::kind_only},
        {"randomkey", &Comparable::kind_only},
        {"xgroup|help", &Comparable::kind_only},
        {"xinfo|help", &Comparable::kind_only},
        {"pubsub|help", &Comparable::kind_only},
        {"object|encoding", &Comparable::kind_only},
        {"object|help", &Comparable::kind_only},
        {"object|idletime", &Comparable::kind_only},
        {"object|refcount", &Comparable::kind_only},
        {"memory|help", &Comparable::kind_only},
        {"memory|usage", &Comparable::kind_only},
        {"info", &Comparable::kind_only},
        {"command|count", &Comparable::kind_only},
        {"command|docs", &Comparable::kind_only},
        {"command|help", &Comparable::kind_only},
        {"command|info", &Comparable::kind_only},
        {"command|list", &Comparable::kind_only},
        {"config|get", &Comparable::kind_only},
        {"config|help", &Comparable::kind_only},
        {"client|help", &Comparable::kind_only},
        {"client|info", &Comparable::kind_only},
        {"client|list", &Comparable::kind_only},
    });

    std::int64_t now_;
    Leeway leeway_;
};

}  // namespace runnel::inline v0::redis::testing::detail
