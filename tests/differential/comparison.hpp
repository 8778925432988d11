// SPDX-License-Identifier: MIT
#pragma once

// The same steps for two servers, and what they say to each session.

#include "differential/figures.hpp"
#include "differential/forms.hpp"
#include "differential/known_differences.hpp"
#include "differential/listener.hpp"
#include "differential/target.hpp"
#include "differential/vocabulary.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::test::differential {

/// What one session sends at once.
struct Step {
    std::size_t session = 0;
    std::vector<Words> commands{};
    std::vector<Words> after_a_moment{};  ///< the same session's, after a few milliseconds
    bool has_moment = false;
    bool reopens = false;                ///< the session ends then, and another one takes its place
    std::optional<std::size_t> kills{};  ///< the same of the session that it may have killed
};

/// A difference that nothing explains.
struct Finding {
    std::size_t session = 0;
    Difference difference;
};

class Comparison {
public:
    Comparison(Target& redis, Target& other, Figures& figures)
        : redis_{redis}, other_{other}, figures_{figures} {
        redis_.begin();
        other_.begin();
    }

    /// False when the two can be compared no further: see finding().
    bool play(const Step& step) {
        moment_ = wall_time();
        send(step.session, step.commands);
        if (step.has_moment) {
            redis_.pause(moment_);
            moment_ = wall_time();
            other_.pause(moment_);
            send(step.session, step.after_a_moment);
        }
        hear_redis();
        compare();
        if (step.reopens) reopen(step.session);
        if (step.kills) reopen(*step.kills);
        return !is_over_;
    }

    [[nodiscard]] const std::optional<Finding>& finding() const { return finding_; }

    /// What the session waits for.
    [[nodiscard]] const Listener& session(std::size_t session) const {
        return sides_[session].redis;
    }

    /// Whether a session has sent more than it waits for. When it is woken, Redis may carry that
    /// out before or after what is behind the command that has woken it.
    [[nodiscard]] bool has_backlog() const {
        return std::ranges::any_of(sides_,
                                   [](const Side& side) { return side.redis.has_backlog(); });
    }

    /// A stream where a group was looked for in vain, if there was one since the last call.
    std::string take_lacking_groups() { return std::exchange(lacks_groups_, {}); }

private:
    // One session, as both servers see it.
    struct Side {
        Listener redis{};
        Listener other{};
        std::vector<Heard> from_redis{};
        std::vector<Heard> from_other{};
    };

    static std::int64_t wall_time() {
        const auto now = std::chrono::system_clock::now().time_since_epoch();
        return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    }

    // What subcommands there are not, are not told apart.
    static std::string row_of(const Words& words) {
        std::string name = name_of(words);
        const bool is_one = std::ranges::count(all_forms(), name, &Form::name) != 0;
        return is_one ? name : "(none)";
    }

    // ------------------------------------------------------------------ sending

    void send(std::size_t session, const std::vector<Words>& commands) {
        if (commands.empty()) return;
        Side& side = sides_[session];
        std::vector<Request> requests;
        std::vector<Request> others;
        for (const Words& words : commands) {
            requests.push_back({resolved(words, redis_), {}});
            others.push_back({resolved(words, other_), moment_});
            side.redis.sent(words);
            side.other.sent(words);
            ++figures_.of(row_of(words)).sent;
        }
        redis_.send(session, requests);
        const std::size_t heard_before = side.from_redis.size();
        hear_redis();
        time(others, {side.from_redis.begin() + static_cast<std::ptrdiff_t>(heard_before),
                      side.from_redis.end()});
        other_.send(session, others);
    }

    void hear_redis() {
        for (std::size_t session = 0; session != session_count; ++session) {
            Side& side = sides_[session];
            for (Heard& heard : side.redis.heard(redis_.arrived(session))) {
                remember_ids(heard);
                side.from_redis.push_back(std::move(heard));
            }
        }
    }

    // An id that the server has made of its time tells when that was.
    void time(std::vector<Request>& requests, const std::vector<Heard>& heard) const {
        std::size_t at = 0;
        for (const Heard& one : heard) {
            if (one.is_push()) continue;
            if (at == requests.size()) return;
            if (const auto ms = time_of(one)) requests[at].at = ms;
            ++at;
        }
    }
    template <typename Said>
    [[nodiscard]] std::optional<std::int64_t> time_of(const Said& said) const {
        return time_made(said, moment_, wall_time());
    }

    void remember_ids(const Heard& heard) {
        if (heard.is_push() || !time_of(heard)) return;
        if (heard.queued.empty()) return remember_id(heard.reply);
        for (const Reply& reply : heard.reply.elements()) {
            if (time_of(reply)) remember_id(reply);
        }
    }
    void remember_id(const Reply& reply) {
        ids_.push_front(reply.text());
        if (ids_.size() > 10) ids_.pop_back();
    }

    // ------------------------------------------------------------------ marks

    Words resolved(Words words, Target& target) const {
        const std::string name = name_of(words);
        const bool is_of_client = name == "client|unblock" || name == "client|kill";
        for (std::string& word : words) {
            replace(word, id_mark, [&](std::int64_t number) {
                const auto at = static_cast<std::size_t>(number);
                return at < ids_.size() ? ids_[at] : "1-1";
            });
            replace(word, client_mark, [&](std::int64_t number) {
                // A word of another place may be quoted in an error.
                return is_of_client ? target.client_id(static_cast<std::size_t>(number)) : "0";
            });
            replace(word, second_mark,
                    [&](std::int64_t number) { return std::to_string(moment_ / 1000 + number); });
            replace(word, millisecond_mark,
                    [&](std::int64_t number) { return std::to_string(moment_ + number * 1000); });
        }
        return words;
    }

    template <typename Text>
    static void replace(std::string& word, std::string_view mark, Text text) {
        const std::size_t at = word.find(mark);
        if (at == word.npos) return;
        const std::size_t end = word.find('>', at);
        const std::size_t number = at + mark.size() + (word[at + mark.size()] == '+' ? 1 : 0);
        std::int64_t value = 0;
        (void)std::from_chars(word.data() + number, word.data() + end, value);
        word.replace(at, end + 1 - at, text(value));
    }

    // ------------------------------------------------------------------ comparing

    void compare() {
        for (std::size_t session = 0; session != session_count; ++session) {
            Side& side = sides_[session];
            side.from_other = side.other.heard(other_.arrived(session));
            count(side.from_redis);
        }
        for (std::size_t session = 0; session != session_count; ++session) {
            compare(session, prepared(sides_[session].from_redis),
                    prepared(sides_[session].from_other));
        }
        for (Side& side : sides_) side.from_redis.clear();
        judge(std::exchange(differences_, {}));
    }

    [[nodiscard]] std::vector<Heard> prepared(const std::vector<Heard>& all) const {
        const Comparable comparable{moment_};
        std::vector<Heard> made;
        for (const Heard& heard : all) made.push_back(comparable.of(heard));
        Comparable::sort(made);
        return made;
    }

    void count(const std::vector<Heard>& all) {
        for (const Heard& heard : all) {
            if (heard.is_push()) continue;
            const bool is_queued =
                heard.reply.kind() == Reply::Kind::simple_string && heard.reply.text() == "QUEUED";
            if (!is_queued) count(heard.words, heard.reply);
            if (heard.queued.empty() || heard.reply.kind() != Reply::Kind::array) continue;
            const std::size_t size = std::min(heard.queued.size(), heard.reply.elements().size());
            for (std::size_t at = 0; at != size; ++at) count(heard.queued[at], heard.reply[at]);
        }
    }
    void count(const Words& words, const Reply& reply) {
        Figure& figure = figures_.of(row_of(words));
        ++(reply.is_error() ? figure.failed : figure.succeeded);
        if (!reply.is_error() || reply.code() != "NOGROUP") return;
        const auto is_stream = [](const std::string& word) {
            return word == "s1" || word == "s2" || word == "s3";
        };
        const auto stream = std::ranges::find_if(words, is_stream);
        if (stream != words.end()) lacks_groups_ = *stream;
    }

    void compare(std::size_t session, const std::vector<Heard>& redis,
                 const std::vector<Heard>& other) {
        if (are_same(redis, other)) return;
        const auto [redis_replies, redis_pushes] = parted(redis);
        const auto [other_replies, other_pushes] = parted(other);
        if (are_same(redis_replies, other_replies) && are_same(redis_pushes, other_pushes))
            return judge_order(session, redis, other);
        compare_all(session, redis_replies, other_replies);
        compare_all(session, redis_pushes, other_pushes);
    }

    // Only what stands between the first and the last difference.
    void judge_order(std::size_t session, std::vector<Heard> redis, std::vector<Heard> other) {
        while (redis.back().reply == other.back().reply) {
            redis.pop_back();
            other.pop_back();
        }
        const auto first = std::ranges::mismatch(redis, other, {}, &Heard::reply, &Heard::reply);
        const auto same = first.in1 - redis.begin();
        redis.erase(redis.begin(), first.in1);
        other.erase(other.begin(), other.begin() + same);
        differ(session, {std::move(redis), std::move(other)});
    }

    static bool are_same(const std::vector<Heard>& left, const std::vector<Heard>& right) {
        return std::ranges::equal(left, right, {}, &Heard::reply, &Heard::reply);
    }

    // Replies and pushes.
    static std::pair<std::vector<Heard>, std::vector<Heard>> parted(const std::vector<Heard>& all) {
        std::pair<std::vector<Heard>, std::vector<Heard>> parts;
        for (const Heard& heard : all)
            (heard.is_push() ? parts.second : parts.first).push_back(heard);
        return parts;
    }

    void compare_all(std::size_t session, const std::vector<Heard>& redis,
                     const std::vector<Heard>& other) {
        for (std::size_t at = 0; at != std::max(redis.size(), other.size()); ++at) {
            const Heard* const theirs = at < redis.size() ? &redis[at] : nullptr;
            const Heard* const ours = at < other.size() ? &other[at] : nullptr;
            if (theirs != nullptr && ours != nullptr && theirs->reply == ours->reply) continue;
            if (theirs != nullptr && ours != nullptr && is_exec(*theirs, *ours)) {
                compare_elements(session, *theirs, *ours);
            } else {
                const auto one = [](const Heard* heard) {
                    return heard == nullptr ? std::vector<Heard>{} : std::vector<Heard>{*heard};
                };
                differ(session, {one(theirs), one(ours)});
            }
        }
    }
    static bool is_exec(const Heard& theirs, const Heard& ours) {
        const auto is_whole = [](const Heard& heard) {
            return heard.reply.kind() == Reply::Kind::array && !heard.queued.empty() &&
                   heard.reply.elements().size() == heard.queued.size();
        };
        return is_whole(theirs) && is_whole(ours);
    }
    void compare_elements(std::size_t session, const Heard& theirs, const Heard& ours) {
        for (std::size_t at = 0; at != theirs.queued.size(); ++at) {
            if (theirs.reply[at] == ours.reply[at]) continue;
            const Words& words = theirs.queued[at];
            differ(session, {{{words, theirs.reply[at]}}, {{words, ours.reply[at]}}, true});
        }
    }

    void differ(std::size_t session, Difference difference) {
        differences_.push_back({session, std::move(difference)});
    }

    // The first that nothing explains is the finding; but where a known difference has changed what
    // the servers hold, others may follow from it, in sessions that are looked at before.
    void judge(std::vector<Finding> all) {
        const auto ends = [](const Finding& one) {
            const KnownDifference* const known = explanation_of(one.difference);
            return known != nullptr && known->then == Then::ends;
        };
        if (const auto last = std::ranges::find_if(all, ends); last != all.end())
            all = {Finding{*last}};
        for (Finding& one : all) {
            if (is_over_) return;
            judge(std::move(one));
        }
    }
    void judge(Finding one) {
        const KnownDifference* const known = explanation_of(one.difference);
        is_over_ = known == nullptr || known->then == Then::ends;
        if (known == nullptr)
            finding_ = std::move(one);
        else
            figures_.explain(one.difference.name(), known->name);
    }

    void reopen(std::size_t session) {
        redis_.reopen(session);
        other_.reopen(session);
        sides_[session] = {};
        hear_redis();
        compare();
    }

    Target& redis_;
    Target& other_;
    Figures& figures_;
    std::array<Side, session_count> sides_{};
    std::deque<std::string> ids_;  // the latest first
    std::int64_t moment_ = 0;
    std::string lacks_groups_;
    std::vector<Finding> differences_;  // of this step
    bool is_over_ = false;
    std::optional<Finding> finding_;
};

}  // namespace runnel::test::differential
