// SPDX-License-Identifier: MIT
#pragma once

// Who sends what next.

#include "differential/comparison.hpp"
#include "differential/forms.hpp"
#include "differential/grammar.hpp"
#include "differential/listener.hpp"
#include "differential/target.hpp"
#include "differential/vocabulary.hpp"
#include "support/stress_random.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::test::differential {

/// Draws the steps of one sequence after the other: most commands go where they find something, and
/// who waits is woken sooner or later.
class Director {
public:
    /// `with_time` is for a Vocabulary.
    Director(Random& random, bool with_time) : random_{random}, vocabulary_{random, with_time} {
        for (const Form& form : all_forms()) {
            forms_.push_back({&form, Grammar{form.text}});
            all_weights_ += form.weight;
        }
    }

    /// What a sequence begins with: some data, and who speaks RESP3.
    std::vector<Step> opening() {
        vocabulary_.begin();
        in_multi_ = {};
        std::vector<Step> steps;
        for (std::size_t session = 0; session != session_count; ++session) {
            if (random_.percent(50)) steps.push_back({session, {{"HELLO", "3"}}});
        }
        Step data;
        for (const char* const list : {"l1", "l2", "l3"}) {
            data.commands.push_back({"RPUSH", list, "a", "b", "c", "a"});
        }
        data.commands.push_back({"SET", "t1", "text"});
        data.commands.push_back({"ZADD", "o1", "1", "a", "2", "b", "3", "c"});
        for (const char* const stream : {"s1", "s2", "s3"}) add_groups(data, stream);
        steps.push_back(std::move(data));
        return steps;
    }

    Step next(Comparison& comparison) {
        Step step;
        step.session = random_.below(session_count);
        const bool is_waiting = comparison.session(step.session).waiting() != nullptr;
        if (!is_waiting) in_multi_[step.session] = comparison.session(step.session).is_in_multi();
        if (is_waiting && !random_.percent(5)) return next(comparison);
        if (is_waiting && random_.percent(20)) {
            step.reopens = true;
            in_multi_[step.session] = false;
            return step;
        }
        const std::size_t waiting = count_waiting(comparison);
        if (waiting != 0 && !is_waiting && random_.percent(25) && wake(step, comparison))
            return step;
        if (!is_waiting && !in_multi_[step.session]) {
            if (const std::string stream = comparison.take_lacking_groups(); !stream.empty()) {
                add_groups(step, stream);
                return step;
            }
        }
        if (!is_waiting && !in_multi_[step.session] && random_.percent(1)) {
            kill(step);
            return step;
        }
        // When a client is woken, what it has sent meanwhile may be carried out before or after
        // what is behind the command that has woken it.
        const std::size_t most = comparison.has_backlog() ? 1 : 1 + random_.below(8);
        while (step.commands.size() < most && !step.has_moment && !step.reopens) {
            if (add_command(step, comparison, is_waiting, waiting)) break;
        }
        return step;
    }

private:
    struct Drawn {
        const Form* form;
        Grammar grammar;
    };

    static void add_groups(Step& step, const std::string& stream) {
        for (const char* const group : {"g1", "g2"}) {
            step.commands.push_back({"XGROUP", "CREATE", stream, group, "$", "MKSTREAM"});
            for (const char* const consumer : {"a", "b"})
                step.commands.push_back({"XGROUP", "CREATECONSUMER", stream, group, consumer});
        }
    }

    static std::size_t count_waiting(Comparison& comparison) {
        std::size_t count = 0;
        for (std::size_t session = 0; session != session_count; ++session)
            count += comparison.session(session).waiting() != nullptr ? 1 : 0;
        return count;
    }

    // ------------------------------------------------------------------ commands

    const Drawn& draw_form() {
        std::size_t lot = random_.below(all_weights_);
        for (const Drawn& drawn : forms_) {
            if (lot < drawn.form->weight) return drawn;
            lot -= drawn.form->weight;
        }
        return forms_.back();
    }

    static bool is_blocking(std::string_view name) {
        return name.starts_with("bl") || name.starts_with("br") || name.starts_with("bz") ||
               name == "xread" || name == "xreadgroup";
    }
    static bool is_of_channels(std::string_view name) {
        return name.find("subscribe") != name.npos;
    }
    static bool is_for_subscribers(std::string_view name) {
        return is_of_channels(name) || name == "ping" || name == "reset" || name == "quit";
    }

    // COMMAND without its other words tells of all commands, more than a socket takes at once. And
    // the real server would keep another value.
    static bool is_to_be_spoiled(std::string_view name) {
        return !name.starts_with("command|") && name != "config|set";
    }

    // Whether the step has to end here.
    bool add_command(Step& step, Comparison& comparison, bool is_waiting, std::size_t waiting) {
        const std::string_view name = draw_name(step.session, comparison, waiting);
        const Drawn& drawn =
            *std::ranges::find(forms_, name, [](const Drawn& one) { return one.form->name; });
        const bool in_multi = in_multi_[step.session];
        vocabulary_.begin_command(!is_waiting && !in_multi);
        Words words = drawn.grammar.draw(vocabulary_);
        // Before 7.2, a HELLO that was refused in the end had set the name that came before.
        const bool sets_name = name == "hello" && words.size() > 2;
        // These draw by lot, unless they take all.
        const bool may_draw = name == "spop" || name == "srandmember" || name == "hrandfield";
        if (!sets_name && random_.percent(4) && !may_draw && is_to_be_spoiled(name))
            vocabulary_.spoil(words);
        if (in_multi && is_of_channels(name)) have_one_reply(step.session, words);
        follow(step, name, words);
        step.commands.push_back(std::move(words));
        if (vocabulary_.is_momentary()) return end_in_a_moment(step, name), true;
        return is_blocking(name) || is_of_channels(name);
    }

    // One that makes sense there and then.
    std::string_view draw_name(std::size_t session, Comparison& comparison, std::size_t waiting) {
        if (in_multi_[session] && random_.percent(17))
            return random_.percent(12) ? "discard" : "exec";
        for (;;) {
            const std::string_view name = draw_form().form->name;
            if (fits(name, session, comparison, waiting)) return name;
        }
    }
    bool fits(std::string_view name, std::size_t session, Comparison& comparison,
              std::size_t waiting) {
        const bool in_multi = in_multi_[session];
        if (name == "client|kill") return false;  // see kill()
        // The time of an id has to be known: it is not if another client decides when that is.
        if (name == "xadd" && comparison.session(session).waiting() != nullptr) return false;
        const bool is_subscribed = comparison.session(session).is_subscribed();
        if (is_subscribed && in_multi && name.ends_with("publish")) return false;
        if (is_of_channels(name) && !comparison.session(session).is_resp3() && !is_subscribed &&
            !random_.percent(30))
            return false;
        if (comparison.session(session).is_restricted() && !is_for_subscribers(name))
            return random_.percent(1);
        if (name == "publish" || name == "spublish")
            return !in_multi || !subscribes_in_multi_[session];
        if (name == "flushall" || name == "flushdb" || name == "swapdb") return random_.percent(50);
        if (name == "exec" || name == "discard") return in_multi || random_.percent(1);
        if (name == "multi" || name == "watch") return !in_multi || random_.percent(10);
        // Somebody has to stay who can wake the others.
        if (is_blocking(name) && !in_multi) return waiting + 1 < session_count;
        return true;
    }

    // Nothing else is sent with it: a client that is killed may lose what it was sent at that
    // moment.
    void kill(Step& step) {
        const auto form = std::ranges::find(forms_, "client|kill",
                                            [](const Drawn& drawn) { return drawn.form->name; });
        vocabulary_.begin_command(false);
        Words words = form->grammar.draw(vocabulary_);
        step.kills = Vocabulary::client_of(words[3]);
        if (step.kills) in_multi_[*step.kills] = false;
        step.commands.push_back(std::move(words));
    }

    // EXEC tells how many replies it has, and counts one for each command: what says more, or is
    // pushed meanwhile, breaks the replies of Redis.
    void have_one_reply(std::size_t session, Words& words) {
        words.resize(2, "c1");
        subscribes_in_multi_[session] = true;
    }

    void follow(Step& step, std::string_view name, const Words& words) {
        bool& in_multi = in_multi_[step.session];
        if (name == "quit") {
            in_multi = false;
            step.reopens = true;
        }
        if (words.size() != 1) return;
        if (name == "multi") {
            if (!in_multi) subscribes_in_multi_[step.session] = false;
            in_multi = true;
        }
        if (name == "exec" || name == "discard" || name == "reset") in_multi = false;
    }

    // What has expired is looked at, as the server may remove it then or later.
    static void end_in_a_moment(Step& step, std::string_view name) {
        step.has_moment = true;
        if (!is_blocking(name))
            step.after_a_moment.push_back({"EXISTS", step.commands.back().at(1)});
    }

    // ------------------------------------------------------------------ wake-ups

    // Gives something to one that waits.
    bool wake(Step& step, Comparison& comparison) {
        if (in_multi_[step.session]) return false;
        for (std::size_t session = 0; session != session_count; ++session) {
            const Words* const waits_for = comparison.session(session).waiting();
            if (waits_for == nullptr || !random_.percent(50)) continue;
            for (const std::string& word : *waits_for) {
                if (word == "l1" || word == "l2" || word == "l3") {
                    step.commands.push_back({"RPUSH", word, "a", "b"});
                    return true;
                }
                if (word == "o1" || word == "o2") {
                    step.commands.push_back({"ZADD", word, "1", "a", "2", "b"});
                    return true;
                }
                if (word == "s1" || word == "s2" || word == "s3") {
                    step.commands.push_back({"XADD", word, vocabulary_.id_for(word), "f", "a"});
                    return true;
                }
            }
        }
        return false;
    }

    Random& random_;
    Vocabulary vocabulary_;
    std::vector<Drawn> forms_;
    std::size_t all_weights_ = 0;
    std::array<bool, session_count> in_multi_{};
    std::array<bool, session_count> subscribes_in_multi_{};
};

}  // namespace runnel::test::differential
