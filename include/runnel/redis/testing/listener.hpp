// SPDX-License-Identifier: MIT
#pragma once

// Which command of a connection each reply belongs to.

#include <runnel/version.hpp>

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/reply.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::testing::detail {

using Words = std::vector<std::string>;

using redis::detail::in_small_letters;

// "lpush", or "xgroup|create".
[[nodiscard]] inline std::string name_of(const Words& words) {
    static constexpr std::array<std::string_view, 9> with_subcommands{
        "xgroup", "xinfo", "client", "pubsub", "object", "memory", "config", "command", "cluster"};
    std::string name = in_small_letters(words.front());
    if (words.size() > 1 && std::ranges::count(with_subcommands, name) != 0)
        name += '|' + in_small_letters(words[1]);
    return name;
}

// A reply with its command; a message has none.
struct Heard {
    Words words{};
    Reply reply;
    std::vector<Words> queued{};   // of EXEC
    bool is_confirmation = false;  // of SUBSCRIBE and the like, which a Session takes for a push
    bool is_last = true;           // of the command

    [[nodiscard]] bool is_push() const { return words.empty(); }
};

class Listener {
public:
    void sent(const Words& words) { waiting_.push_back({words, name_of(words)}); }

    // The command that has no reply yet, if there is one: it waits.
    [[nodiscard]] const Words* waiting() const {
        return waiting_.empty() ? nullptr : &waiting_.front().words;
    }
    // Commands that are sent and not carried out yet, behind the one that waits.
    [[nodiscard]] bool has_backlog() const { return waiting_.size() > 1; }
    [[nodiscard]] bool is_in_multi() const { return queued_.has_value(); }
    // Whether it may do little but subscribe.
    [[nodiscard]] bool is_restricted() const { return !is_resp3_ && is_subscribed(); }
    [[nodiscard]] bool is_resp3() const { return is_resp3_; }
    [[nodiscard]] bool is_subscribed() const {
        return std::ranges::any_of(names_, [](const auto& kind) { return !kind.second.empty(); });
    }

    [[nodiscard]] std::vector<Heard> heard(const std::vector<Reply>& replies) {
        std::vector<Heard> all;
        all.reserve(replies.size());
        for (const Reply& reply : replies) all.push_back(heard(reply));
        return all;
    }

    [[nodiscard]] Heard heard(const Reply& reply) {
        if (waiting_.empty() || is_message(reply)) return {{}, reply};
        Sent& sent = waiting_.front();
        Heard heard{sent.words, reply};
        heard.is_confirmation = is_confirmation(reply, sent.name);
        const std::size_t expected = heard.is_confirmation ? confirmations(sent) : 1;
        if (heard.is_confirmation) confirm(reply);
        follow_protocol(sent, reply);
        follow_multi(sent, heard);
        heard.is_last = ++sent.replies >= expected;
        if (heard.is_last) waiting_.pop_front();
        return heard;
    }

private:
    struct Sent {
        Words words;
        std::string name;
        std::size_t replies = 0;  // that were heard
    };

    // The text that an aggregate begins with.
    static std::string_view kind_of(const Reply& reply) {
        using Kind = Reply::Kind;
        if (reply.kind() != Kind::array && reply.kind() != Kind::push) return {};
        const auto elements = reply.elements();
        if (elements.empty() || elements.front().kind() != Kind::bulk_string) return {};
        return elements[0].text();
    }
    // In RESP2 a message is an array, as a reply may be, too. But who hears messages then, may send
    // nothing that has such a reply.
    [[nodiscard]] bool is_message(const Reply& reply) const {
        if (reply.kind() != Reply::Kind::push && !is_restricted()) return false;
        const std::string_view kind = kind_of(reply);
        return kind == "message" || kind == "pmessage" || kind == "smessage";
    }
    static bool is_confirmation(const Reply& reply, std::string_view name) {
        return name.find("subscribe") != name.npos && kind_of(reply) == name;
    }

    // How many replies the command has.
    std::size_t confirmations(const Sent& sent) {
        if (sent.words.size() > 1) return sent.words.size() - 1;
        if (sent.replies != 0) return sent.replies + names_of(sent.name).size();
        return std::max<std::size_t>(1, names_of(sent.name).size());
    }

    // "subscribe" and "unsubscribe" are about the same names.
    std::set<std::string>& names_of(std::string name) {
        if (const std::size_t at = name.find("un"); at != name.npos) name.erase(at, 2);
        return names_[name];
    }

    void confirm(const Reply& reply) {
        const std::string kind{kind_of(reply)};
        if (reply[1].is_null()) return;
        if (kind.find("un") != kind.npos)
            names_of(kind).erase(reply[1].text());
        else
            names_of(kind).insert(reply[1].text());
    }

    void follow_protocol(const Sent& sent, const Reply& reply) {
        if (sent.name == "hello" &&
            (reply.kind() == Reply::Kind::map || reply.kind() == Reply::Kind::array))
            is_resp3_ = reply.kind() == Reply::Kind::map;
        if (sent.name != "reset" || reply.kind() != Reply::Kind::simple_string) return;
        is_resp3_ = false;
        names_.clear();
        queued_.reset();
    }
    void follow_multi(const Sent& sent, Heard& heard) {
        const Reply& reply = heard.reply;
        const bool is_status = reply.kind() == Reply::Kind::simple_string;
        if (is_status && reply.text() == "QUEUED") {
            if (queued_) queued_->push_back(sent.words);
        } else if (sent.name == "multi" && is_status) {
            queued_.emplace();
        } else if (sent.name == "exec" || sent.name == "discard") {
            if (queued_ && reply.kind() == Reply::Kind::array) end_exec(heard);
            if (!reply.is_error() || reply.code() == "EXECABORT") queued_.reset();
        }
    }

    void end_exec(Heard& heard) {
        heard.queued = std::move(*queued_);
        for (const Reply& one : heard.reply.elements()) {
            if (kind_of(one).find("subscribe") != std::string_view::npos) confirm(one);
        }
    }

    std::deque<Sent> waiting_;
    std::optional<std::vector<Words>> queued_;
    std::map<std::string, std::set<std::string>> names_;
    bool is_resp3_ = false;
};

}  // namespace runnel::inline v0::redis::testing::detail
