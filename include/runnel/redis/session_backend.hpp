// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/ack.hpp>
#include <runnel/clock.hpp>
#include <runnel/dead_letters.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>
#include <runnel/executor.hpp>
#include <runnel/outcome.hpp>
#include <runnel/redis/server.hpp>
#include <runnel/redis/session.hpp>
#include <runnel/stream_id.hpp>
#include <runnel/worker/backend.hpp>
#include <runnel/worker/coroutine.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis {

/// Which stream and group of a Server a Worker works on.
struct SessionBackendOptions {
    std::string key;
    std::string group;
    /// The stream for dead letters: each has the fields `value`, `id`, `attempts` and `error`.
    std::string dead_letters{};
    /// The field of an entry that is its value.
    std::string field = "value";
    /// The server's, if it has one.
    std::string password{};
};

/// A stream of the fake of Redis, as a Worker sees it: what a service with a Redis behind it would
/// do, command by command. T is std::string: the value of one field.
///
///     runnel::redis::Server server;
///     runnel::Worker<std::string, runnel::redis::SessionBackend> mailer{
///         {server, {.key = "mails", .group = "mailers"}}, send_mail};
///
/// It needs Redis 8.8, which has XNACK and XREADGROUP CLAIM. What Redis cannot do, features() says:
/// - An entry that waits for another attempt stays pending with its consumer, which claims it when
///   it is due. If the consumer leaves before, the entry is given back at once. A delay longer than
///   DeliveryPolicy::lease ends with that, as others may claim the entry then.
/// - Whether an entry is still the consumer's is asked before each step, not in one with it.
///
/// On an executor, only the read waits without a thread. All other commands block the thread that
/// they are sent from until their replies are there, which takes time if a fault delays them. So
/// the executor must not run in the thread that moves the time.
class SessionBackend {
public:
    struct Delivery {
        StreamId id;
        std::string value;
        std::uint64_t attempt = 0;
    };

    /// Entries, or why there are none.
    class Batch {
    public:
        Batch(Ending ending) noexcept : ending_{ending} {}  // NOLINT(*-explicit-*)
        explicit Batch(std::vector<Delivery> all) noexcept : all_{std::move(all)} {}

        [[nodiscard]] explicit operator bool() const noexcept { return !all_.empty(); }
        [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
        [[nodiscard]] const Delivery& operator[](std::size_t index) const { return all_[index]; }
        [[nodiscard]] auto begin() const noexcept { return all_.begin(); }
        [[nodiscard]] auto end() const noexcept { return all_.end(); }
        [[nodiscard]] Ending ending() const noexcept { return ending_; }

    private:
        std::vector<Delivery> all_;
        Ending ending_ = Ending::timed_out;
    };

    /// The session of one thread, and a second one that ends the waits of the first.
    class Consumer {
    public:
        using Value = std::string;
        using Delivery = SessionBackend::Delivery;
        using Batch = SessionBackend::Batch;

        Consumer(Consumer&&) noexcept = default;
        Consumer& operator=(Consumer&&) noexcept = default;
        ~Consumer() {
            if (state_ != nullptr) give_back_all();
        }

        [[nodiscard]] Batch read(const WorkerRead& what) {
            connect_again();
            if (auto due = take_due()) return Batch{std::move(*due)};
            const Pending waiting = begin_read(what);
            std::optional<Reply> reply;
            {
                const std::stop_callback on_stop{what.stop, Unblock{state_, waiting}};
                reply = waiting.wait();
            }
            return end_read(what, reply);
        }
        [[nodiscard]] runnel::detail::Task<Batch> async_read(WorkerRead what,
                                                             AnyExecutor executor) {
            connect_again();
            if (auto due = take_due()) co_return Batch{std::move(*due)};
            const Pending waiting = begin_read(what);
            std::optional<Reply> reply;
            {
                const std::stop_callback on_stop{what.stop, Unblock{state_, waiting}};
                auto wait = waiting.async_wait().on(executor);
                reply = co_await wait;
            }
            co_return end_read(what, reply);
        }

        Ack ack(const Delivery& delivery) {
            if (!is_mine(delivery)) return Ack::stale;
            return call({"XACK", options().key, group(), to_string(delivery.id)}).integer() == 1
                       ? Ack::done
                       : Ack::stale;
        }
        Ack nack(const Delivery& delivery, Nack mode, Duration after) {
            if (!is_mine(delivery)) return Ack::stale;
            if (after > std::chrono::nanoseconds{0}) {
                later_.emplace(runnel::detail::later(clock().now(), after), Later{delivery, mode});
                return Ack::done;
            }
            release(delivery.id, mode);
            return Ack::done;
        }
        Ack extend(const Delivery& delivery) {
            if (!is_mine(delivery)) return Ack::stale;
            const Reply reply = call(
                {"XCLAIM", options().key, group(), name_, "0", to_string(delivery.id), "JUSTID"});
            return reply.elements().empty() ? Ack::stale : Ack::done;
        }
        // The letter comes first: EXEC would acknowledge even if the letter was refused.
        Ack bury(const Delivery& delivery, const Burial& why) {
            if (!is_mine(delivery)) return Ack::stale;
            (void)call({"XADD", options().dead_letters, "*", "value", delivery.value, "id",
                        to_string(delivery.id), "attempts",
                        std::to_string(why.attempts.value_or(delivery.attempt)), "error",
                        why.error});
            (void)call({"XACK", options().key, group(), to_string(delivery.id)});
            return Ack::done;
        }

    private:
        friend class SessionBackend;

        struct State {
            State(Server& on, SessionBackendOptions with)
                : server{&on},
                  options{std::move(with)},
                  session{on, session_options(options)},
                  other_session{on, session_options(options)} {}

            Server* server;
            SessionBackendOptions options;
            Session session;
            Session other_session;
        };
        using Words = std::vector<std::string>;

        Consumer(Server& server, const SessionBackendOptions& options, std::string_view name)
            : state_{std::make_shared<State>(server, options)}, name_{name} {
            (void)call({"XGROUP", "CREATECONSUMER", options.key, options.group, name_});
        }

        [[nodiscard]] const SessionBackendOptions& options() const noexcept {
            return state_->options;
        }
        [[nodiscard]] const std::string& group() const noexcept { return options().group; }
        [[nodiscard]] Clock& clock() const noexcept { return state_->server->clock(); }

        Reply call(const Words& words) { return called(state_->session, words); }

        // Ends a read that waits. The consumer may be gone when it has ended. A read that a fault
        // delays does not wait yet: it ends with its session.
        struct Unblock {
            void operator()() const {
                const std::shared_ptr<State> keep = state;
                const Pending read = waiting;
                const auto unblocked = keep->other_session.execute(
                    Words{"CLIENT", "UNBLOCK", std::to_string(keep->session.id())});
                if (unblocked != Reply::integer(1) && !read.ready()) keep->session.close();
            }

            std::shared_ptr<State> state;
            Pending waiting;
        };

        // Whether the entry is pending with this consumer, by that delivery.
        [[nodiscard]] bool is_mine(const Delivery& delivery) {
            const std::string id = to_string(delivery.id);
            const Reply rows = call({"XPENDING", options().key, group(), id, id, "1"});
            if (rows.elements().empty()) return false;
            const Reply row = rows.elements()[0];
            return row.elements()[1].text() == name_ &&
                   static_cast<std::uint64_t>(row.elements()[3].integer()) == delivery.attempt;
        }

        void release(StreamId id, Nack mode) {
            (void)call({"XNACK", options().key, group(), word_of(mode), "IDS", "1", to_string(id)});
        }

        // ---- reading

        // If a session was closed.
        void connect_again() {
            if (state_->session.is_closed() || state_->other_session.is_closed())
                state_ = std::make_shared<State>(*state_->server, options());
        }
        // XREADGROUP CLAIM would claim as many as it is to read: so it reads one, and another
        // command reads new ones behind it. When this returns, it waits: so it can be ended.
        [[nodiscard]] Pending begin_read(const WorkerRead& what) {
            Words words = read_words(1);
            words.insert(words.end(), {"CLAIM", milliseconds_text(what.claim.nanoseconds()),
                                       "BLOCK", block_text(what.timeout)});
            return state_->session.submit(from(std::move(words)));
        }
        [[nodiscard]] Batch end_read(const WorkerRead& what, const std::optional<Reply>& reply) {
            if (!reply && what.stop.stop_requested()) return Ending::stopped;
            if (!reply) throw Error{ErrorCode::closed, "SessionBackend: the session is closed"};
            connect_again();
            if (is_error(*reply, "NOGROUP")) return Ending::gone;
            expect_no_error(*reply);
            if (reply->is_null())
                return what.stop.stop_requested() ? Ending::stopped : Ending::timed_out;
            std::vector<Delivery> all;
            add_entries_of(*reply, all);
            if (what.count > 1) add_entries_of(call(from(read_words(what.count - 1))), all);
            return Batch{std::move(all)};
        }

        // ---- entries that wait for another attempt

        struct Later {
            Delivery delivery;
            Nack mode;
        };

        // The first one that is due, delivered once more.
        [[nodiscard]] std::optional<std::vector<Delivery>> take_due() {
            while (!later_.empty() && later_.begin()->first <= clock().now()) {
                auto [delivery, mode] = later_.extract(later_.begin()).mapped();
                if (!is_mine(delivery)) continue;
                if (mode != Nack::silent) ++delivery.attempt;
                const Reply taken =
                    call({"XCLAIM", options().key, group(), name_, "0", to_string(delivery.id),
                          "RETRYCOUNT", std::to_string(delivery.attempt)});
                if (!taken.elements().empty()) return std::vector{std::move(delivery)};
            }
            return std::nullopt;
        }
        void give_back_all() noexcept {
            try {
                if (!later_.empty()) connect_again();
                for (const auto& [due, later] : later_)
                    if (is_mine(later.delivery)) release(later.delivery.id, later.mode);
                // NOLINTNEXTLINE(bugprone-empty-catch)
            } catch (...) {  // then they are claimed when they have been idle for long enough
            }
        }

        // ---- words and replies

        [[nodiscard]] static const char* word_of(Nack mode) noexcept {
            switch (mode) {
            case Nack::silent:
                return "SILENT";
            case Nack::fatal:
                return "FATAL";
            default:
                return "FAIL";
            }
        }
        // Rounded up. Redis: 0 means for ever, so the shortest time is a millisecond.
        [[nodiscard]] static std::string milliseconds_text(std::chrono::nanoseconds time) {
            return std::to_string(std::chrono::ceil<std::chrono::milliseconds>(time).count());
        }
        [[nodiscard]] std::string block_text(const Timeout& timeout) const {
            auto longest = timeout.duration();
            if (!later_.empty()) {
                const auto due = later_.begin()->first - clock().now();
                longest = std::min(longest.value_or(due), due);
            }
            if (!longest) return "0";
            return milliseconds_text(
                std::max<std::chrono::nanoseconds>(*longest, std::chrono::milliseconds{1}));
        }

        [[nodiscard]] Words read_words(std::size_t count) const {
            return {"XREADGROUP", "GROUP", group(), name_, "COUNT", std::to_string(count)};
        }
        [[nodiscard]] Words from(Words words) const {
            words.insert(words.end(), {"STREAMS", options().key, ">"});
            return words;
        }

        // With CLAIM each has the count of its deliveries before this one as its fourth element.
        void add_entries_of(const Reply& reply, std::vector<Delivery>& all) const {
            if (reply.is_null()) return;
            for (const Reply& row : reply.elements()[0].elements()[1].elements()) {
                const auto& parts = row.elements();
                Delivery one{*StreamId::parse(parts[0].text()), {}, 1};
                const auto& fields = parts[1].elements();
                for (std::size_t index = 0; index + 1 < fields.size(); index += 2)
                    if (fields[index].text() == options().field)
                        one.value = fields[index + 1].text();
                if (parts.size() > 3) one.attempt += static_cast<std::uint64_t>(parts[3].integer());
                all.push_back(std::move(one));
            }
        }

        std::shared_ptr<State> state_;
        std::string name_;
        std::multimap<Clock::Deadline, Later> later_;
    };

    /// `server` must outlive it. Makes the stream and the group, if they are not there.
    SessionBackend(Server& server, SessionBackendOptions options)
        : server_{&server}, options_{std::move(options)} {
        make_again();
    }

    [[nodiscard]] static constexpr Features features() noexcept {
        return {.delays = false, .fences = false, .one_step = false};
    }
    [[nodiscard]] Clock& clock() const noexcept { return server_->clock(); }
    [[nodiscard]] bool has_dead_letters() const noexcept { return !options_.dead_letters.empty(); }
    [[nodiscard]] Consumer consumer(std::string_view name) { return {*server_, options_, name}; }
    void make_again() {
        Session session{*server_, session_options(options_)};
        const auto reply =
            session.execute({"XGROUP", "CREATE", options_.key, options_.group, "0", "MKSTREAM"});
        if (reply && !is_error(*reply, "BUSYGROUP")) expect_no_error(*reply);
    }
    [[nodiscard]] bool may_come_back(StreamId id) {
        Session session{*server_, session_options(options_)};
        const std::string text = to_string(id);
        const auto finds = [&](const std::vector<std::string>& words) {
            return !called(session, words).elements().empty();
        };
        return finds({"XRANGE", options_.key, text, text}) &&
               finds({"XPENDING", options_.key, options_.group, text, text, "1"});
    }
    // There are no delays that could end.
    bool make_ready(StreamId id) { return may_come_back(id); }
    // A consumer may read between the look and the removal; what it has pending then is lost to it.
    // So only those go that have been idle for that long.
    std::size_t reap(Duration idle) {
        Session session{*server_, session_options(options_)};
        std::size_t count = 0;
        const auto limit = std::chrono::ceil<std::chrono::milliseconds>(idle.nanoseconds()).count();
        const Reply rows = called(session, {"XINFO", "CONSUMERS", options_.key, options_.group});
        for (const Reply& row : rows.elements()) {
            const auto& parts = row.elements();  // name, pending and idle, each behind its word
            if (parts[3].integer() != 0 || parts[5].integer() < limit) continue;
            (void)called(session, {"XGROUP", "DELCONSUMER", options_.key, options_.group,
                                   std::string{parts[1].text()}});
            ++count;
        }
        return count;
    }

private:
    [[nodiscard]] static SessionOptions session_options(const SessionBackendOptions& options) {
        return {.password = options.password};
    }

    [[nodiscard]] static bool is_error(const Reply& reply, std::string_view code) {
        return reply.kind() == Reply::Kind::error && reply.text().starts_with(code);
    }
    static void expect_no_error(const Reply& reply) {
        if (reply.kind() == Reply::Kind::error)
            throw Error{ErrorCode::wrong_reply, "SessionBackend: " + std::string{reply.text()}};
    }
    static Reply called(Session& session, const std::vector<std::string>& words) {
        auto reply = session.execute(words);
        if (!reply) throw Error{ErrorCode::closed, "SessionBackend: the session is closed"};
        expect_no_error(*reply);
        return std::move(*reply);
    }

    Server* server_;
    SessionBackendOptions options_;
};

}  // namespace runnel::inline v0::redis
