// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/awaitable.hpp>
#include <runnel/detail/wait/request.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/outcome.hpp>
#include <runnel/redis/dispatch.hpp>
#include <runnel/redis/options.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/server.hpp>
#include <runnel/redis/state.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis {

namespace detail {

class WireClient;

// Waits under the server's lock, for what `Ready` says of `Subject`. It is its own place.
template <typename Subject, bool (*Ready)(const Subject&) noexcept>
class ReadyWait : public Request {
public:
    ReadyWait(ServerState& server, const Subject& subject, WaitQueue& queue) noexcept
        : Request{behaviour, WaitsOn::one, server.clock},
          server_{server},
          subject_{subject},
          queue_{queue} {}

    // For a thread: returns when it is ready, the time is over, or it is to stop.
    void wait(const WaitOptions& options) { try_or_wait(*this, *this, WaitLimits::of(&options)); }

    Served attempt(const WaitNode& /*it has only one*/) noexcept {
        if (!Ready(subject_)) return Served::no;
        return claim(WaitEnd::served) ? Served::yes : Served::elsewhere;
    }

    // ---- its place
    [[nodiscard]] bool try_or_queue(const WaitLimits& /*it waits*/,
                                    WakeChain& /*it serves nobody*/) noexcept {
        const Lock lock{server_.mutex};
        return join(queue_, node_);
    }
    void leave() noexcept {
        const Lock lock{server_.mutex};
        if (node_.queue != nullptr) node_.queue->remove(node_);
    }
    [[nodiscard]] SpinBudget& spin() noexcept { return server_.spin; }

    static constexpr Behaviour behaviour{serve_as<ReadyWait, WaitNode>, unpark<ReadyWait>};

private:
    ServerState& server_;
    const Subject& subject_;
    WaitQueue& queue_;
    WaitNode node_{*this};
};

[[nodiscard]] inline bool is_done(const PendingState& pending) noexcept {
    return pending.is_done.load(std::memory_order_acquire);
}
[[nodiscard]] inline bool has_push_or_is_closed(const SessionState& session) noexcept {
    return session.has_push_to_take() || session.is_closed;
}

// Whether the result is there. On a clock that nobody runs, what is due is seen to first.
[[nodiscard]] inline bool look(const PendingState& pending) {
    if (is_done(pending)) return true;
    const Entering entering{*pending.server};
    pending.server->ring_due();
    return is_done(pending);
}

// Waits until look() is true, each time by wait(options). False: the time is over, or it is to
// stop.
template <typename Look, typename Wait>
[[nodiscard]] bool wait_until(ServerState& server, const WaitOptions& options, const Look& look,
                              const Wait& wait) {
    const auto until = deadline_of(options.timeout, server.clock);
    const std::stop_token& stop = options.stop;
    while (!look()) {
        if (until && *until <= server.clock.now()) return false;
        if (stop.stop_requested()) return false;
        std::optional<Clock::Deadline> next = until;
        if (!is_run(TimersOf::get(server.clock))) {  // then nobody else does what is due
            const Lock lock{server.mutex};
            const auto due = server.next_ring();
            if (due) next = std::min(next.value_or(*due), *due);
        }
        wait(WaitOptions{.timeout = time_left(next, server.clock), .stop = stop});
    }
    return true;
}

// Waits for a result. False: the time is over.
[[nodiscard]] inline bool wait_for(const std::shared_ptr<PendingState>& pending,
                                   const Timeout& timeout) {
    ServerState& server = *pending->server;
    const auto wait = [&](const WaitOptions& options) {
        ReadyWait<PendingState, is_done>{server, *pending, pending->waiters}.wait(options);
    };
    return wait_until(
        server, {.timeout = timeout}, [&] { return look(*pending); }, wait);
}

// What there is of a result: nothing, if there is no reply. Throws: std::bad_alloc if memory ran
// out when the command was carried out.
[[nodiscard]] inline std::optional<Reply> reply_of(const PendingState& pending) {
    if (pending.has_failed) throw std::bad_alloc{};
    return pending.reply;
}

// How a wait without a thread waits for a result.
struct ReplyRecipe {
    class Request : public ReadyWait<PendingState, is_done> {
    public:
        explicit Request(const ReplyRecipe& recipe) noexcept
            : ReadyWait{*recipe.pending->server, *recipe.pending, recipe.pending->waiters},
              pending_{*recipe.pending} {}

        static void take(Request& /*it is there*/) noexcept {}
        static void give_back(Request& /*it stays there*/) noexcept {}

        [[nodiscard]] std::optional<Reply> result() const {
            if (how() != WaitEnd::served) return std::nullopt;
            return reply_of(pending_);
        }

    private:
        const PendingState& pending_;
    };
    using Place = Request&;

    [[nodiscard]] static Place place(Request& request) noexcept { return request; }

    std::shared_ptr<PendingState> pending;
};

}  // namespace detail

/// The reply to a command that was submitted. A handle: copies share it. Dropping it cancels
/// nothing.
///
/// Thread safety: every member may be called from any thread.
class Pending {
public:
    /// Whether the command has ended: it has replied, or never will.
    [[nodiscard]] bool ready() const { return detail::look(*state_); }

    /// Its reply. Nothing: it has not ended yet; or it has no reply, because the session was closed
    /// first or its answers are pushes. Throws: std::bad_alloc if memory ran out when it was
    /// carried out; then it has changed nothing.
    [[nodiscard]] std::optional<Reply> try_get() const {
        if (!detail::look(*state_)) return std::nullopt;
        return detail::reply_of(*state_);
    }

    /// As try_get(), but waits until the command has ended, on the server's clock; for ever, unless
    /// a time-out is given.
    [[nodiscard]] std::optional<Reply> wait(Timeout timeout = {}) const {
        if (!detail::wait_for(state_, timeout)) return std::nullopt;
        return try_get();
    }

    /// As wait(), for a coroutine: see Awaitable. It goes on inside the call that ends the command,
    /// or on an executor. On a clock that nobody runs, a command whose time is over ends only when
    /// somebody looks.
    [[nodiscard]] auto async_wait(const WaitOptions& options = {}) const {
        return Awaitable{detail::ReplyRecipe{state_}, options};
    }

private:
    friend class Session;

    explicit Pending(std::shared_ptr<detail::PendingState> state) noexcept
        : state_{std::move(state)} {}

    std::shared_ptr<detail::PendingState> state_;
};

/// A client's connection to a Server. Sends commands, and gets replies and pushes, in the order in
/// which Redis would send them.
///
///     redis::Session session{server};
///     session.execute({"RPUSH", "jobs", "one"});            // (integer) 1
///     auto job = session.submit({"BLPOP", "jobs", "0"});     // waits, but blocks no thread
///     if (job.ready()) use(job.try_get()->elements()[1].text());
///
/// When it goes it is closed, as a client that disconnects.
///
/// Thread safety: any thread may use a session, one at a time; close() may be called from any
/// thread at any time.
class Session {
public:
    explicit Session(Server& server, const SessionOptions& options = {})
        : server_{server.state_}, state_{server_->open(options)} {}
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() { server_->remove(*state_); }

    /// Sends a command; its name is the first word. Never waits: a command that blocks, such as
    /// BLPOP, stays parked in the server, and commands that are sent after it are carried out after
    /// it. Throws: Error{invalid_argument} without a word, std::bad_alloc; then nothing has
    /// changed. A word of more than 512 MiB is refused as by Redis: with an error, and the session
    /// is closed. Error{unsupported}: see ServerOptions::strict.
    Pending submit(std::initializer_list<std::string_view> words) {
        return submit_words({words.begin(), words.size()});
    }
    Pending submit(const std::vector<std::string>& words) { return submit_words(views_of(words)); }

    /// The same, and waits for the reply. Nothing: the session is closed, or the answers are
    /// pushes, as those of SUBSCRIBE are.
    ///
    /// Blocks: as long as the command does, on the server's clock. In the thread that moves the
    /// time that is for ever, which a ManualClock prints after ten seconds: submit() does not wait.
    std::optional<Reply> execute(std::initializer_list<std::string_view> words) {
        return execute_words({words.begin(), words.size()});
    }
    std::optional<Reply> execute(const std::vector<std::string>& words) {
        return execute_words(views_of(words));
    }

    /// From now on each push (a message, the answer to SUBSCRIBE) goes to `handler`, also those
    /// that wait already. It is called by the thread that causes the push, without a lock, one call
    /// at a time and in their order; it may use any session. If another thread calls it at that
    /// moment, that one goes on with this push, perhaps after the command that has caused it has
    /// returned. It must not throw. Empty: pushes wait for next_push() again.
    ///
    /// What is captured must live until the handler has returned: a call that another thread has
    /// begun is not waited for, neither here nor when the session goes.
    void on_push(std::function<void(Reply)> handler) {
        using Handler = const detail::PushHandler;
        auto kept = handler ? std::make_shared<Handler>(std::move(handler)) : nullptr;
        std::shared_ptr<Handler> called;  // both are destroyed without the lock
        const detail::Entering entering{*server_};
        detail::ServerState::take_back(*state_);
        state_->on_push.swap(kept);
        if (!state_->is_pushing) state_->handler.swap(called);
        server_->hand_out_pushes(*state_);
    }

    /// The next push that is not on_push()'s. Waits for one on the server's clock; not at all,
    /// unless a time-out is given. Nothing: none has come, `stop` was asked to stop, or the session
    /// was closed.
    [[nodiscard]] std::optional<Reply> next_push(Timeout timeout = std::chrono::seconds{0},
                                                 const std::stop_token& stop = {}) {
        const auto look = [this] {
            const detail::Entering entering{*server_};
            server_->ring_due();
            return detail::has_push_or_is_closed(*state_);
        };
        const auto wait = [this](const WaitOptions& options) {
            using Wait = detail::ReadyWait<detail::SessionState, detail::has_push_or_is_closed>;
            Wait{*server_, *state_, state_->push_waiters}.wait(options);
        };
        (void)detail::wait_until(*server_, {.timeout = timeout, .stop = stop}, look, wait);
        const detail::Lock lock{server_->mutex};
        if (!state_->has_push_to_take()) return std::nullopt;
        return state_->outbox.take_push().reply();
    }

    /// What the session was sent, replies and pushes, in the order in which they went out; the
    /// latest ones, see SessionOptions.
    [[nodiscard]] std::vector<Reply> outputs() const {
        const detail::Entering entering{*server_};
        server_->ring_due();
        return state_->outbox.kept();
    }

    /// Closes the connection. A command that is parked ends without a reply and has no effect; so
    /// do those behind it. Subscriptions end.
    void close() noexcept { server_->close(*state_); }

    [[nodiscard]] bool is_closed() const noexcept {
        const detail::Entering entering{*server_};
        server_->ring_due();
        return state_->is_closed;
    }

    /// 2, until HELLO chooses 3.
    [[nodiscard]] int protocol() const noexcept {
        const detail::Lock lock{server_->mutex};
        return state_->protocol;
    }

    /// As CLIENT ID returns it.
    [[nodiscard]] std::int64_t id() const noexcept { return state_->id; }

private:
    friend class ClusterSession;
    friend class detail::WireClient;

    // What it is sent is fetched from `wire`, and is not shown here.
    Session(std::shared_ptr<detail::ServerState> server, detail::Wire& wire)
        : server_{std::move(server)}, state_{server_->open({.keep_outputs = 0}, &wire)} {}

    [[nodiscard]] static std::vector<std::string_view>
    views_of(const std::vector<std::string>& words) {
        return {words.begin(), words.end()};
    }

    static void expect_words(detail::Words words) {
        if (words.empty())
            throw Error{ErrorCode::invalid_argument, "Session: a command without a word"};
    }

    Pending submit_words(detail::Words words) {
        expect_words(words);
        auto pending = std::make_shared<detail::PendingState>(server_);
        std::optional<detail::Strike> decided;
        const bool is_too_long = has_too_long(words);
        if (server_->is_intercepted() && !is_too_long) decided = intercept(words, *pending);
        {
            const detail::Entering entering{*server_};
            if (is_too_long)
                server_->submit_too_long(*state_, pending);
            else
                server_->submit(*state_, words, pending, std::move(decided));
        }
        return Pending{std::move(pending)};
    }
    [[nodiscard]] static bool has_too_long(detail::Words words) noexcept {
        return std::ranges::any_of(
            words, [](std::string_view word) { return word.size() > detail::most_word_bytes; });
    }

    // Shows a command to the interceptor, which may answer it.
    std::optional<detail::Strike> intercept(detail::Words words, detail::PendingState& pending) {
        std::shared_ptr<const Interceptor> by;
        {
            const detail::Lock lock{server_->mutex};
            by = server_->interceptor();
        }
        if (!by) return std::nullopt;
        detail::SeenCommand seen{by, {id(), {words.begin(), words.end()}}};
        std::optional<Reply> answer;
        if (by->before) answer = by->before(seen.sent);
        pending.seen = std::make_unique<const detail::SeenCommand>(std::move(seen));
        if (!answer) return std::nullopt;
        return detail::Strike{.answer = std::move(answer)};
    }

    std::optional<Reply> execute_words(detail::Words words) {
        expect_words(words);
        if (server_->is_intercepted() || has_too_long(words)) return submit_words(words).wait();
        std::shared_ptr<detail::PendingState> pending;
        std::optional<Reply> reply;
        {
            const detail::Entering entering{*server_};
            reply = server_->execute(*state_, words, pending);
        }
        if (!pending) return reply;
        return Pending{std::move(pending)}.wait();
    }

    const std::shared_ptr<detail::ServerState> server_;
    const std::shared_ptr<detail::SessionState> state_;
};

}  // namespace runnel::inline v0::redis
