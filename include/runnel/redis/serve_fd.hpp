// SPDX-License-Identifier: MIT
#pragma once

// The fake of Redis for clients that talk to a descriptor: hiredis, redis-plus-plus, Boost.Redis,
// redis-cli.

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/blocked_signals.hpp>
#include <runnel/detail/base/futex.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/process.hpp>
#include <runnel/detail/wait/timers.hpp>
#include <runnel/error.hpp>
#include <runnel/redis/outputs.hpp>
#include <runnel/redis/server.hpp>
#include <runnel/redis/sockets.hpp>
#include <runnel/redis/state.hpp>
#include <runnel/redis/wire_client.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <memory>
#include <optional>
#include <pthread.h>
#include <span>
#include <string>
#include <sys/types.h>
#include <thread>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis {

/// How much memory of an FdServer a client may take.
struct FdServerOptions {
    /// The commands of a client that has left so many bytes of replies unread wait until it reads
    /// on. At least 1.
    std::size_t most_output = std::size_t{16} * 1024 * 1024;
    /// A client is disconnected when so many bytes wait that it has sent: the beginning of a
    /// command, or commands behind one that waits. Redis: `client-query-buffer-limit`.
    std::size_t most_input = std::size_t{1024} * 1024 * 1024;
};

namespace detail {

// The thread of an FdServer, and all that it works on.
class FdThread {
public:
    FdThread(std::shared_ptr<ServerState> server, const WireLimits& limits)
        : server_{std::move(server)},
          limits_{limits},
          carrier_{std::make_shared<Carrier>(server_)},
          alarm_{carrier_->event} {
        if (!carrier_->event.is_open()) refuse_descriptor("eventfd()", errno);
        poll_.add(carrier_->event.number(), alarm_, EPOLLIN);
        const BlockedSignals blocked;
        thread_ = std::thread{[this]() noexcept { run(); }};
    }
    FdThread(const FdThread&) = delete;
    FdThread& operator=(const FdThread&) = delete;
    ~FdThread() {
        goes_.store(true, std::memory_order_release);
        carrier_->event.make_readable();
        thread_.join();
    }

    // Takes the descriptor over, also if it throws.
    void add_client(int descriptor) RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        std::list<Client> made;
        try {
            made.emplace_back(*this, descriptor);
        } catch (...) {
            const Descriptor closed{descriptor};
            throw;
        }
        clients_.splice(clients_.end(), made);
        Client& client = clients_.back();
        client.place = std::prev(clients_.end());
        try {
            poll_.add(descriptor, client, client.awaited);
        } catch (...) {
            made.splice(made.end(), clients_, client.place);
            throw;
        }
    }
    void add_path(std::string path, std::unique_ptr<SocketFolder> folder) RUNNEL_EXCLUDES(mutex_) {
        auto made = std::make_unique<Listener>(*this, std::move(path), std::move(folder));
        const Lock lock{mutex_};
        listeners_.reserve(listeners_.size() + 1);
        poll_.add(made->socket.number(), *made, EPOLLIN);
        listeners_.push_back(std::move(made));
    }

    [[nodiscard]] std::size_t client_count() RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        return clients_.size();
    }

    // Returns when all that was sent before is dealt with.
    void settle() noexcept RUNNEL_EXCLUDES(settling_) {
        const Lock one_at_a_time{settling_};
        const std::uint32_t before = settles_done_.load(std::memory_order_relaxed);
        is_to_settle_.store(true, std::memory_order_release);
        carrier_->event.make_readable();
        while (settles_done_.load(std::memory_order_acquire) == before)
            futex_wait(settles_done_, before);
    }

private:
    struct Client final : EventSource, WireClient {
        Client(FdThread& of, int descriptor)
            : WireClient{*of.carrier_, descriptor, of.limits_}, thread{of} {}

        void on_events(std::uint32_t events) noexcept override {
            thread.go_on(*this, (events & ~std::uint32_t{EPOLLOUT}) != 0);
        }

        FdThread& thread;
        std::uint32_t awaited = awaited_events();
        std::list<Client>::iterator place{};
    };

    struct Listener final : EventSource {
        Listener(FdThread& of, std::string path, std::unique_ptr<SocketFolder> in)
            : thread{of}, folder{std::move(in)}, socket{std::move(path)} {}

        void on_events(std::uint32_t /*events*/) noexcept override { thread.accept_all(*this); }

        FdThread& thread;
        std::unique_ptr<SocketFolder> folder;  // null: the path is in one of the user's
        PathSocket socket;
    };

    struct WakeUp final : EventSource {
        explicit WakeUp(const EventFd& by) noexcept : event{by} {}

        void on_events(std::uint32_t /*events*/) noexcept override { event.make_unreadable(); }

        const EventFd& event;
    };

    void run() noexcept {
        pthread_setname_np(pthread_self(), "runnel-redis-fd");
        EventPoll::Events space{};
        while (!goes_.load(std::memory_order_acquire)) {
            const bool settles = is_to_settle_.load(std::memory_order_acquire);
            const int sleep = begin_sleep();
            const auto events = poll_.wait(space, settles ? 0 : sleep);
            const bool is_told = end_sleep();
            for (const epoll_event& event : events)
                static_cast<EventSource*>(event.data.ptr)->on_events(event.events);
            if (is_told) go_on_with_told();
            accept_again();
            if (settles && events.empty() && !is_told) end_settling();
        }
    }
    void end_settling() noexcept {
        is_to_settle_.store(false, std::memory_order_relaxed);
        settles_done_.fetch_add(1, std::memory_order_release);
        futex_wake_one(settles_done_);
    }

    // ---- sleep

    // For how many milliseconds it may sleep; -1: until something happens.
    [[nodiscard]] int begin_sleep() noexcept {
        std::optional<Clock::Deadline> due;
        {
            const Entering entering{*server_};
            // Where nobody runs the clock, whoever looks does what is due.
            server_->ring_due();
            if (server_->clock.is_real() || !is_run(TimersOf::get(server_->clock)))
                due = server_->next_ring();
            carrier_->sleeps = carrier_->told.empty();
            if (!carrier_->sleeps) return 0;
        }
        const int most = rests_until_ ? milliseconds_until(*rests_until_) : -1;
        if (!due) return most;
        // What is overdue is about to be done by who runs the clock.
        const int until_due =
            std::max(1, milliseconds_until(TimersOf::next_look(server_->clock, *due)));
        return most < 0 ? until_due : std::min(most, until_due);
    }
    [[nodiscard]] static int
    milliseconds_until(std::chrono::steady_clock::time_point time) noexcept {
        using std::chrono::milliseconds;
        const auto left =
            runnel::v0::detail::time_between(std::chrono::steady_clock::now(), time).nanoseconds();
        const auto most = std::min<std::chrono::nanoseconds>(left, std::chrono::hours{1});
        return static_cast<int>(
            std::max(milliseconds{0}, std::chrono::ceil<milliseconds>(most)).count());
    }
    // Whether it was told of clients.
    [[nodiscard]] bool end_sleep() noexcept {
        const Lock lock{server_->mutex};
        carrier_->sleeps = false;
        return !carrier_->told.empty();
    }

    // ---- clients

    // Those whose sessions were sent something: not all of them, as more may be told of meanwhile.
    void go_on_with_told() noexcept {
        constexpr int most = 64;
        for (int count = 0; count != most; ++count) {
            Client* const client = first_told();
            if (client == nullptr) return;
            go_on(*client, false);
        }
    }
    // Null: there is none.
    [[nodiscard]] Client* first_told() noexcept RUNNEL_EXCLUDES(mutex_) {
        // Others may have closed the session of a client that another thread is adding.
        const Lock added{mutex_};
        const Lock lock{server_->mutex};
        return static_cast<Client*>(carrier_->told.first());
    }

    void go_on(Client& client, bool is_readable) noexcept RUNNEL_EXCLUDES(mutex_) {
        client.go_on(is_readable, buffer_);
        if (client.is_over()) return remove(client);
        const std::uint32_t awaited = client.awaited_events();
        if (awaited == client.awaited) return;
        client.awaited = awaited;
        poll_.change(client.descriptor(), client, awaited);
    }
    void remove(Client& client) noexcept RUNNEL_EXCLUDES(mutex_) {
        std::list<Client> gone;
        poll_.remove(client.descriptor());
        const Lock lock{mutex_};
        gone.splice(gone.end(), clients_, client.place);
    }

    // ---- those who connect

    void accept_all(Listener& listener) noexcept {
        for (;;) {
            const int client = listener.socket.accept();
            if (client >= 0) {
                accept(client);
            } else if (errno != ECONNABORTED && errno != EINTR) {
                if (errno != EAGAIN && errno != EWOULDBLOCK) rest(listener);
                return;
            }
        }
    }
    void accept(int client) noexcept {
        try {
            add_client(client);
            // NOLINTNEXTLINE(bugprone-empty-catch)
        } catch (...) {  // no memory, or no descriptor: it is disconnected
        }
    }
    // The system gives no descriptor. Clients that try to connect wait meanwhile.
    void rest(Listener& listener) noexcept {
        poll_.change(listener.socket.number(), listener, 0);
        rests_until_ = std::chrono::steady_clock::now() + std::chrono::milliseconds{50};
    }
    void accept_again() noexcept RUNNEL_EXCLUDES(mutex_) {
        if (!rests_until_ || milliseconds_until(*rests_until_) > 0) return;
        rests_until_.reset();
        const Lock lock{mutex_};
        for (const auto& listener : listeners_)
            poll_.change(listener->socket.number(), *listener, EPOLLIN);
    }

    const std::shared_ptr<ServerState> server_;
    const WireLimits limits_;
    const std::shared_ptr<Carrier> carrier_;
    const EventPoll poll_{};
    WakeUp alarm_;
    Atomic<bool> goes_ = false;
    Mutex settling_;
    Atomic<bool> is_to_settle_ = false;
    FutexWord settles_done_ = 0;

    // The thread's own.
    std::vector<char> buffer_ = std::vector<char>(std::size_t{64} * 1024);
    std::optional<std::chrono::steady_clock::time_point> rests_until_{};

    // The thread alone removes clients, and uses them without the lock. It is taken before the
    // server's.
    Mutex mutex_;
    std::list<Client> clients_ RUNNEL_GUARDED_BY(mutex_);
    std::vector<std::unique_ptr<Listener>> listeners_ RUNNEL_GUARDED_BY(mutex_);
    std::thread thread_{};
};

}  // namespace detail

/// Serves a Server to clients that talk to a socket, as they talk to Redis: the client stays as it
/// is in production, and nothing of it knows that it is a test.
///
///     redis::Server server;
///     redis::FdServer clients{server};
///     redisContext* one = redisConnectFd(clients.connect());                // hiredis
///     redisContext* other = redisConnectUnix(clients.listen().c_str());     // or by a path
///
/// Each client has a session of its own, and gets what Redis would send it: RESP2 or, after
/// HELLO 3, RESP3; replies and pushes in their order; for what is no command, the error of Redis
/// and an end. A client that closes its socket, or only its sending half, disconnects: it still
/// gets the replies to what it has sent, but a command that waits ends without effect. Faults break
/// the connection.
///
/// The server's time stays as it is: Server::advance() ends the waits of clients, whose replies are
/// then sent by the thread. It does not wait for the thread: what a client has sent behind a
/// command that times out is carried out a moment later, perhaps after the time has moved on; call
/// settle() between two steps where that matters. A client that waits for a reply, in a system
/// call, is unknown to a ManualClock: do not let it wait in a thread of that clock.
///
/// There is one thread for all clients, `runnel-redis-fd`, which blocks all signals. It calls the
/// interceptor of the server for their commands, and the handlers of pushes that these cause. What
/// an interceptor throws is the client's reply, as an error; so is what ServerOptions::strict
/// refuses, and memory that runs out. When this object goes, so do the thread, the connections, the
/// paths; it must not be destroyed by the thread.
///
/// Memory: see FdServerOptions. A subscriber that does not read is disconnected as by Redis, see
/// ServerOptions::pubsub_limit.
///
/// A child of fork() has no such thread. The copy of this object there may be destroyed, and does
/// nothing.
///
/// Thread safety: every member may be called from any thread.
class FdServer {
public:
    /// `server` must outlive it. Throws: Error{invalid_argument} for an option that has no
    /// meaning, Error{no_descriptor} if the system gives none, std::system_error if it starts no
    /// thread, std::bad_alloc.
    explicit FdServer(Server& server, const FdServerOptions& options = {})
        : thread_{make(server, options)} {}
    FdServer(const FdServer&) = delete;
    FdServer& operator=(const FdServer&) = delete;
    ~FdServer() {
        // There is nothing to join in a child, and a lock may be held there for ever.
        if (process_ == detail::Process::id()) delete thread_;
    }

    /// A descriptor that is connected to the server: one end of a socketpair(). It is the caller's,
    /// who closes it or gives it to a client that does. Throws: Error{no_descriptor},
    /// std::bad_alloc.
    [[nodiscard]] int connect() {
        const detail::SocketPair ends = detail::make_socket_pair();
        try {
            thread_->add_client(ends.one);
        } catch (...) {
            const detail::Descriptor closed{ends.other};
            throw;
        }
        return ends.other;
    }

    /// Serves the client at the other end of a connected stream socket. Takes the descriptor over,
    /// also if it throws. Throws: Error{invalid_argument} if it is no stream socket,
    /// Error{no_descriptor}, std::bad_alloc.
    void serve(int descriptor) {
        if (!detail::is_stream_socket(descriptor)) {
            const detail::Descriptor closed{descriptor};
            throw Error{ErrorCode::invalid_argument,
                        "FdServer::serve(): the descriptor is no stream socket"};
        }
        thread_->add_client(descriptor);
    }

    /// Lets clients connect to a path, which is returned: of a socket (AF_UNIX) in a new folder in
    /// $TMPDIR or /tmp. Both go with this object. Throws: Error{invalid_argument} if they cannot be
    /// made, Error{no_descriptor}, std::bad_alloc.
    [[nodiscard]] std::string listen() {
        auto folder = std::make_unique<detail::SocketFolder>();
        std::string path = folder->path();
        thread_->add_path(path, std::move(folder));
        return path;
    }
    /// The same for a path that the caller chooses. Throws: Error{invalid_argument} also if there
    /// is something at that path.
    void listen(const std::string& path) { thread_->add_path(path, nullptr); }

    /// How many clients are connected.
    [[nodiscard]] std::size_t connections() const { return thread_->client_count(); }

    /// Returns when what clients have sent before is carried out, or waits, and the replies to it
    /// and to what has ended before are where the clients can read them. Must not be called by the
    /// thread.
    ///
    ///     redisAsyncCommand(client, on_job, nullptr, "BLPOP jobs 60");
    ///     …                                // write what the client has to write
    ///     clients.settle();                // now it waits in the server
    ///     server.advance(60s);
    ///     clients.settle();                // and now it has its reply
    void settle() const noexcept { thread_->settle(); }

private:
    [[nodiscard]] static detail::FdThread* make(Server& server, const FdServerOptions& options) {
        if (options.most_output == 0)
            throw Error{ErrorCode::invalid_argument, "FdServer: most_output is 0"};
        return new detail::FdThread{server.state_,
                                    detail::WireLimits{options.most_output, options.most_input}};
    }

    const pid_t process_ = detail::Process::id();
    detail::FdThread* const thread_;
};

}  // namespace runnel::inline v0::redis
