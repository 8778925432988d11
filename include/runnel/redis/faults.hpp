// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/wait/manual_clock.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>
#include <runnel/redis/command_log.hpp>
#include <runnel/redis/command_table.hpp>
#include <runnel/redis/command_words.hpp>
#include <runnel/redis/double_text.hpp>
#include <runnel/redis/fault_rules.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/state.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis {

class Faults;
class FaultAt;

/// A fault that a Server has: see Faults. A handle: dropping it does not remove the fault.
///
/// Thread safety: every member may be called from any thread.
class Fault {
public:
    /// How often it has fired.
    [[nodiscard]] std::uint64_t fired() const noexcept {
        const detail::Lock lock{server_->mutex};
        return rule_->fired;
    }
    /// How many commands were as it wants them, up to now. It fires at some of them, or all.
    [[nodiscard]] std::uint64_t seen() const noexcept {
        const detail::Lock lock{server_->mutex};
        return rule_->seen;
    }
    /// It does not fire any more. A consumer that it has crashed may come back.
    void remove() noexcept {
        const detail::Lock lock{server_->mutex};
        server_->faults().remove(*rule_);
    }
    /// About as it was written, such as `on("XACK").nth(3).drop()`.
    [[nodiscard]] const std::string& text() const noexcept { return rule_->text; }

private:
    friend class FaultAt;

    Fault(std::shared_ptr<detail::ServerState> server,
          std::shared_ptr<detail::FaultRule> rule) noexcept
        : server_{std::move(server)}, rule_{std::move(rule)} {}

    std::shared_ptr<detail::ServerState> server_;
    std::shared_ptr<detail::FaultRule> rule_;
};

/// A fault while it is written: first at which commands, last what happens. All that it is told has
/// to be true of a command.
class FaultAt {
public:
    FaultAt(FaultAt&&) noexcept = default;
    FaultAt& operator=(FaultAt&&) = delete;
    FaultAt(const FaultAt&) = delete;  // there is one fault
    FaultAt& operator=(const FaultAt&) = delete;
    ~FaultAt() = default;

    /// Commands that have this key.
    FaultAt key(std::string name) && {
        return std::move(*this).given(rule_->key, std::move(name), "key");
    }
    /// Commands that name this consumer group, such as XREADGROUP and XACK. Throws:
    /// Error{invalid_argument} if the command names none.
    FaultAt group(std::string name) && {
        expect(detail::can_name(rule_->command, &detail::GroupPlaces::group),
               rule_->text + ": it names no consumer group");
        return std::move(*this).given(rule_->group, std::move(name), "group");
    }
    /// Commands that name this consumer: XREADGROUP, XCLAIM, XAUTOCLAIM, XGROUP CREATECONSUMER and
    /// DELCONSUMER. Throws: Error{invalid_argument} if the command names none.
    FaultAt consumer(std::string name) && {
        expect(detail::can_name(rule_->command, &detail::GroupPlaces::consumer),
               rule_->text + ": it names no consumer");
        return std::move(*this).given(rule_->consumer, std::move(name), "consumer");
    }
    /// Commands of the session that has this id: see Session::id().
    FaultAt session(std::int64_t id) && {
        rule_->session = id;
        return std::move(*this).written("session", std::to_string(id));
    }
    /// Commands of the sessions that have named themselves so, by CLIENT SETNAME or HELLO.
    FaultAt session(std::string name) && {
        return std::move(*this).given(rule_->session_name, std::move(name), "session");
    }

    /// Only the n-th of these commands, counted from 1. Throws: Error{invalid_argument} if it is 0.
    FaultAt nth(std::uint64_t number) && {
        expect(number != 0, "nth(0): the first one is 1");
        rule_->nth = number;
        return std::move(*this).written("nth", std::to_string(number));
    }
    /// No more than so many of them. Throws: Error{invalid_argument} if it is 0.
    FaultAt times(std::uint64_t most) && {
        expect(most != 0, "times(0): it would never fire");
        rule_->most = most;
        return std::move(*this).written("times", std::to_string(most));
    }
    /// Each of them by lot, from 0 (never) to 1 (always). The same commands after the same seed
    /// have the same lot. Throws: Error{invalid_argument} if it is no probability.
    FaultAt chance(double probability, std::uint64_t seed) && {
        expect(probability >= 0 && probability <= 1, "chance(): it is from 0 to 1");
        rule_->chance = probability;
        rule_->random.seed(seed);
        return std::move(*this).written("chance", detail::text_of_double(probability) + ", " +
                                                      std::to_string(seed));
    }

    // What happens. Each throws std::bad_alloc, and then there is no fault.

    /// The command is refused with this error, such as "LOADING Redis is loading the dataset in
    /// memory", and is not carried out. Between MULTI and EXEC, EXEC then refuses the transaction.
    /// Throws: Error{invalid_argument} if the error is empty.
    Fault fail(std::string error) && {
        expect(!error.empty(), "fail(): an error has a text");
        const std::string text = quoted(error);
        rule_->strike.answer = Reply::error(std::move(error));
        rule_->strike.refuses = true;
        return std::move(*this).made("fail", text);
    }
    /// The command gets this reply, and is not carried out. Between MULTI and EXEC it is not
    /// queued.
    Fault answer(Reply reply) && {
        rule_->strike.answer = std::move(reply);
        return std::move(*this).made("answer", "…");
    }
    /// The command is carried out so much later, by the server's clock; those that the session
    /// sends after it come after it. Throws: Error{invalid_argument} if the time is negative.
    Fault delay(Duration time) && {
        expect(time.nanoseconds().count() >= 0, "delay(): the time is negative");
        rule_->strike.delay = time.nanoseconds();
        return std::move(*this).made("delay", text_of(time));
    }
    /// The connection breaks before the command is carried out: the session is closed.
    Fault drop() && {
        rule_->strike.drops = true;
        return std::move(*this).made("drop", {});
    }
    /// The connection breaks after the command was carried out, and before its reply has come: the
    /// session is closed, and what the command did stays.
    Fault lose_reply() && {
        rule_->strike.loses_reply = true;
        return std::move(*this).made("lose_reply", {});
    }
    /// The command is carried out twice, as if its client had sent it again: an entry is added
    /// twice, a message is delivered twice. The client gets the last reply. Has no effect on a
    /// command that waits, and does not fire between MULTI and EXEC. If memory runs out the second
    /// time, the first one stays.
    Fault twice() && {
        rule_->strike.is_twice = true;
        return std::move(*this).made("twice", {});
    }
    /// The consumer that the command names crashes with what it was given: as lose_reply(), and
    /// later commands that name a consumer so, in whatever group, break their connection, until the
    /// fault is removed.
    Fault crash() && {
        rule_->strike.loses_reply = true;
        rule_->crashes = true;
        return std::move(*this).made("crash", {});
    }
    /// The wall clock of the server is moved before the command is carried out, back if the time is
    /// negative; time-outs do not mind. Throws: Error{invalid_argument} if the server does not
    /// have a ManualClock, or it is a step of more than a hundred years.
    Fault step_clock(Duration time) && {
        expect(server_->manual_clock() != nullptr, "step_clock(): the server has no ManualClock");
        constexpr std::chrono::hours most{24 * 365 * 100};
        expect(time <= most && time >= -most, "step_clock(): more than a hundred years");
        rule_->strike.step = time.nanoseconds();
        return std::move(*this).made("step_clock", text_of(time));
    }

private:
    friend class Faults;

    FaultAt(std::shared_ptr<detail::ServerState> server, std::string_view command)
        : server_{std::move(server)}, rule_{std::make_shared<detail::FaultRule>()} {
        rule_->text = "on(" + quoted(command) + ')';
        rule_->command = detail::CommandTable::name_of(command);
        expect(rule_->command == "*" || detail::CommandTable::get().find(rule_->command) != nullptr,
               "on(" + quoted(command) + "): the fake has no such command");
    }

    static void expect(bool is_so, const std::string& otherwise) {
        if (!is_so) throw Error{ErrorCode::invalid_argument, "Faults: " + otherwise};
    }
    [[nodiscard]] static std::string quoted(std::string_view word) {
        return detail::quoted_bytes(word);
    }
    [[nodiscard]] static std::string text_of(Duration time) {
        constexpr std::int64_t in_millisecond = 1'000'000;
        const std::int64_t count = time.nanoseconds().count();
        if (count % in_millisecond != 0) return std::to_string(count) + "ns";
        return std::to_string(count / in_millisecond) + "ms";
    }

    FaultAt given(std::optional<std::string>& field, std::string name, std::string_view called) && {
        const std::string text = quoted(name);
        field = std::move(name);
        return std::move(*this).written(called, text);
    }
    FaultAt written(std::string_view called, std::string_view argument) && {
        rule_->text.append(".").append(called).append("(").append(argument).append(")");
        return std::move(*this);
    }
    Fault made(std::string_view called, std::string_view argument) && {
        FaultAt all = std::move(*this).written(called, argument);
        const detail::Lock lock{all.server_->mutex};
        all.server_->faults().add(all.rule_);
        return {all.server_, all.rule_};
    }

    std::shared_ptr<detail::ServerState> server_;
    std::shared_ptr<detail::FaultRule> rule_;
};

/// What goes wrong at a Server: see Server::faults().
///
///     server.faults().on("XACK").key("orders").nth(3).fail("LOADING …");
///     auto lost = server.faults().on("XADD").chance(0.1, 42).lose_reply();
///     …
///     CHECK(lost.fired() != 0);
///     CHECK(server.faults().unfired().empty());
///
/// A fault looks at each command when it is to be carried out, also if memory then runs out.
/// Commands between MULTI and EXEC are looked at when they are queued, those that were parked not
/// again.
///
/// Thread safety: every member may be called from any thread.
class Faults {
public:
    /// Begins a fault at this command, in capital or small letters. "XGROUP CREATE" is a
    /// subcommand, "XGROUP" stands for all of its subcommands, "*" for all commands. There is no
    /// fault until it is said what happens. Throws: Error{invalid_argument} if the fake has no such
    /// command, std::bad_alloc.
    [[nodiscard]] FaultAt on(std::string_view command) const { return {server_, command}; }

    /// The faults that have never fired, as they were written: nothing was tested by them.
    [[nodiscard]] std::vector<std::string> unfired() const {
        std::vector<std::string> texts;
        const detail::Lock lock{server_->mutex};
        for (const auto& rule : server_->faults().all())
            if (rule->fired == 0) texts.push_back(rule->text);
        return texts;
    }

    /// Removes all.
    void clear() const noexcept {
        const detail::Lock lock{server_->mutex};
        server_->faults().clear();
    }

private:
    friend class Server;

    explicit Faults(std::shared_ptr<detail::ServerState> server) noexcept
        : server_{std::move(server)} {}

    std::shared_ptr<detail::ServerState> server_;
};

}  // namespace runnel::inline v0::redis
