// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/wait/continuations.hpp>
#include <runnel/detail/wait/manual_clock.hpp>
#include <runnel/detail/wait/request.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/detail/wait/timers.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/client_facts.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/command_log.hpp>
#include <runnel/redis/database.hpp>
#include <runnel/redis/entry_history.hpp>
#include <runnel/redis/fault_rules.hpp>
#include <runnel/redis/interceptor.hpp>
#include <runnel/redis/options.hpp>
#include <runnel/redis/outputs.hpp>
#include <runnel/redis/profile.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/settings.hpp>
#include <runnel/redis/statistics.hpp>
#include <runnel/redis/subscribers.hpp>
#include <runnel/redis/waiting_command.hpp>
#include <runnel/redis/waits.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

class ServerState;
class ClusterState;
class Parked;
class ExecReplies;
struct Block;

// The result of a command that was submitted. Guarded by the server's lock; once it is done, the
// result may be read without it.
struct PendingState : std::enable_shared_from_this<PendingState> {
    explicit PendingState(std::shared_ptr<ServerState> of) noexcept : server{std::move(of)} {}

    const std::shared_ptr<ServerState> server;
    Atomic<bool> is_done = false;  // written (release) after the result, so that it can be read
    bool has_failed = false;       // memory ran out; nothing was changed
    std::optional<Reply> reply{};
    std::shared_ptr<Parked> parked{};  // while it is
    WaitQueue waiters;
    std::unique_ptr<const SeenCommand> seen{};  // null: no interceptor sees it
    // For the thread that tells the interceptor: the next one, and this one.
    PendingState* next_to_tell = nullptr;
    std::shared_ptr<PendingState> kept_to_tell{};
};

// Tells the server that a moment has come, once. Guarded by the server's lock, but for what the
// clock does with it.
class Alarm final : public Waiter {
public:
    // Throws: std::bad_alloc, as make_shared() does.
    explicit Alarm(std::shared_ptr<ServerState> of) noexcept
        : Waiter{behaviour, WaitsOn::several}, server{std::move(of)} {
        share();  // whoever disarms it may come before whoever arms it
    }

    const std::shared_ptr<ServerState> server;
    Timer timer{*this};
    Clock::Deadline at{};
    Parked* parked = nullptr;       // whose moment it is; null: the server's
    bool is_over = false;           // it has rung, or is not wanted any more
    std::shared_ptr<Alarm> self{};  // while the clock may know it
    // For the thread that arms it: the next one, and this one.
    Alarm* next = nullptr;
    std::shared_ptr<Alarm> kept_to_arm{};

private:
    static Served serve_nobody(WaitNode& /*it stands in no line*/) noexcept { return Served::no; }
    static void resume(Waiter& waiter, WakeChain& chain) noexcept { chain.go_on_later(waiter); }
    static void ring(Waiter& waiter) noexcept;
    static void stand_in(Waiter& /*nobody withdraws it*/, Continuations& /*list*/) noexcept {}

    static constexpr Behaviour behaviour{serve_nobody, resume, false, ring, stand_in};
};

// Where a parked command waits.
struct ParkedNode : WaitNode {
    ParkedNode(Waiter& of, KeyWaits& at) noexcept : WaitNode{of}, waits{&at} {}

    KeyWaits* waits;
};

// A command between MULTI and EXEC, or one that is carried out later: behind a parked one, or
// because a fault delays it. `strike`: what was decided of it when it was sent.
struct QueuedCommand {
    const CommandInfo* info = nullptr;
    OwnedWords words;
};
struct LaterCommand {
    OwnedWords words;
    std::shared_ptr<PendingState> pending;
    std::optional<Strike> strike{};
};

// A command that waits for something to come: an operation of the wait protocol, whose request is
// the command itself. To serve it is to carry it out again, with its words as they were. Guarded by
// the server's lock, under which alone it is claimed.
class Parked final : public Waiter {
public:
    Parked(SessionState& of, const CommandInfo& command, Words words)
        : Waiter{behaviour, WaitsOn::several}, session{of}, info{command}, owned{words} {}

    SessionState& session;
    const CommandInfo& info;
    OwnedWords owned;
    WaitsFor what = WaitsFor::list;
    std::size_t database = 0;
    std::deque<ParkedNode> nodes;
    std::optional<Clock::Deadline> deadline{};
    std::shared_ptr<Alarm> at_deadline{};
    std::shared_ptr<Alarm> again{};  // when it is to be carried out again anyhow
    std::optional<ReplyRoom> room{};
    std::shared_ptr<PendingState> pending{};
    std::shared_ptr<Alarm> next_again{};  // made while it is carried out again
    std::uint64_t looked_at_in = 0;       // the last round of ring_due()
    CommandLog::Entries later_log{};      // an entry for when it ends, if there is a log
    bool loses_reply = false;             // a fault: then the session is closed
    bool is_asking = false;               // it was sent behind ASKING
    // Of a command that a fault delays: it is carried out when the deadline has come.
    std::list<LaterCommand> delayed{};

    [[nodiscard]] bool is_delayed() const noexcept { return !delayed.empty(); }

private:
    static Served serve_again(WaitNode& node) noexcept;
    static void resume(Waiter& /*the server goes on with it*/, WakeChain& /*chain*/) noexcept {}

    static constexpr Behaviour behaviour{serve_again, resume};
};

struct Transaction {
    std::vector<QueuedCommand> commands{};
    bool has_failed = false;
};

struct WatchedKey {
    std::size_t database;
    std::string name;
};

using PushHandler = std::function<void(Reply)>;

// A client's connection. Guarded by the server's lock.
struct SessionState : std::enable_shared_from_this<SessionState> {
    SessionState(ServerState& of, std::int64_t number, const SessionOptions& options, Wire* wire)
        : server{of}, id{number}, outbox{*this, options.keep_outputs, wire} {}

    ServerState& server;
    const std::int64_t id;
    bool is_authenticated = true;
    int protocol = 2;
    std::size_t database = 0;
    std::string name;
    ClientFacts facts{};
    std::optional<Transaction> transaction{};
    std::list<WatchedKey> watched;
    bool is_touched = false;  // something that it watches was
    // In a cluster: it has sent ASKING, for the next command; and READONLY.
    bool is_asking = false;
    bool reads_replicas = false;
    Subscriptions subscriptions;
    std::shared_ptr<Parked> parked{};
    std::list<LaterCommand> backlog;  // behind the parked command
    SessionState* next_unblocked = nullptr;
    bool is_unblocked = false;
    Outbox outbox;
    std::shared_ptr<const PushHandler> on_push{};
    WaitQueue push_waiters;
    std::optional<Clock::Deadline> soft_limit_since{};
    bool is_closed = false;

    // A thread hands pushes to on_push.
    bool is_pushing = false;
    std::shared_ptr<SessionState> keep{};  // for that thread, if it is closed
    // That thread's, also without the lock.
    SessionState* next_to_push = nullptr;
    std::shared_ptr<const PushHandler> handler{};  // on_push, as of when it looked
    // A push that it is about to hand out. Who sets `has_taken` to false, which it does without the
    // lock, has it.
    Output taken{};
    Atomic<bool> has_taken = false;

    [[nodiscard]] bool is_resp3() const noexcept { return protocol == 3; }
    // Waits in a command, and not because a fault delays that.
    [[nodiscard]] bool is_blocked() const noexcept {
        return parked != nullptr && !parked->is_delayed();
    }
    // For whoever asks for pushes: those of a handler are not for them.
    [[nodiscard]] bool has_push_to_take() const noexcept { return !on_push && outbox.has_push(); }
    [[nodiscard]] Reply null_array() const noexcept {
        return is_resp3() ? Reply::null() : Reply::null_array();
    }
};

// What is left to do when the server's lock is released: to wake threads, to tell the clock of
// deadlines, and to hand pushes to their handlers.
class Afterwards {
public:
    Afterwards() = default;
    Afterwards(const Afterwards&) = delete;
    Afterwards& operator=(const Afterwards&) = delete;
    // Without the lock. Does it all, which runs handlers of pushes: the user's code.
    ~Afterwards();

    WakeChain chain;

    void arm(std::shared_ptr<Alarm> alarm) noexcept {
        Alarm& one = *alarm;
        one.self = alarm;
        one.kept_to_arm = std::move(alarm);
        alarms_.push_back(one);
    }
    // Requires: no other thread is about to wake it.
    void wake(const std::shared_ptr<Carrier>& carrier) noexcept {
        carrier->is_to_be_woken = true;
        carrier->kept_to_wake = carrier;
        carriers_.push_back(*carrier);
    }
    // Requires: no thread calls the handler of the session; this one will.
    void hand_out_pushes(SessionState& session) noexcept;
    // The interceptor that has seen the command is told that it has ended.
    void tell(PendingState& ended) noexcept {
        ended.kept_to_tell = ended.shared_from_this();
        ended_.push_back(ended);
    }

private:
    void wake_all() noexcept;
    void arm_all() noexcept;
    void tell_all() noexcept;
    [[nodiscard]] bool take_pushes() noexcept;
    void call_handlers() noexcept;

    LinkedQueue<Carrier, &Carrier::next_to_wake> carriers_;
    LinkedQueue<Alarm, &Alarm::next> alarms_;
    LinkedQueue<PendingState, &PendingState::next_to_tell> ended_;
    LinkedQueue<SessionState, &SessionState::next_to_push> sessions_;
    std::size_t session_count_ = 0;
    // Of these sessions: a handler may drop the last handle.
    std::shared_ptr<ServerState> server_{};
};

// A server, for the list of those that have somebody to serve.
struct ServerLink {
    ServerLink* next_to_serve = nullptr;
    bool is_to_serve = false;
};

// The lock of a server and what it guards, which all nodes of a cluster share: so they carry out
// one command at a time between them.
struct Gate {
    Mutex mutex;

    // Guarded by the mutex:
    Afterwards* after = nullptr;  // of the thread that has entered
    OutputMemory memory{};
    std::uint64_t round = 0;  // the last one of ring_due()
    LinkedQueue<ServerLink, &ServerLink::next_to_serve> to_serve{};
};

struct ServerPlace {
    std::shared_ptr<Gate> gate = std::make_shared<Gate>();
    std::shared_ptr<ServerState> data{};   // of a replica: the node that holds the data; or null
    std::shared_ptr<ManualClock> clock{};  // null: it has a clock of its own, or is given one
    ClusterState* cluster = nullptr;       // null: it stands alone
    std::size_t node = 0;                  // its number there
};

// All of a server, behind one lock: one command at a time.
class ServerState final : public ServerLink, public std::enable_shared_from_this<ServerState> {
public:
    explicit ServerState(const ServerOptions& given, ServerPlace place = {});
    ServerState(const ServerState&) = delete;
    ServerState& operator=(const ServerState&) = delete;
    ~ServerState() = default;

    // ---- sessions

    // `wire`: null, or what carries its outputs, until remove() has returned.
    [[nodiscard]] std::shared_ptr<SessionState> open(const SessionOptions& options,
                                                     Wire* wire = nullptr) RUNNEL_EXCLUDES(mutex);
    void close(SessionState& session) noexcept RUNNEL_EXCLUDES(mutex);
    // The same for one that goes: nobody will see its outputs any more.
    void remove(SessionState& session) noexcept RUNNEL_EXCLUDES(mutex);
    void close_all() noexcept RUNNEL_EXCLUDES(mutex);
    void end_session(SessionState& session) noexcept RUNNEL_REQUIRES(mutex);
    void end_all_sessions() noexcept RUNNEL_REQUIRES(mutex);

    // ---- commands

    // What has come of a command.
    struct Answer {
        bool is_parked = false;
        std::optional<Reply> reply{};
    };
    // Carries out a command, and serves those that wait for what it has done. If it has to wait
    // it is parked, and `pending` gets its reply; without it, one is made. Throws: std::bad_alloc,
    // and then nothing has changed.
    // `decided`: what faults and interceptors have decided of it; nothing: faults have not yet.
    Answer carry_out(SessionState& session, Words words, std::shared_ptr<PendingState>& pending,
                     const std::optional<Strike>& decided = {}) RUNNEL_REQUIRES(mutex);
    // The same, or puts it behind a parked one.
    void submit(SessionState& session, Words words, const std::shared_ptr<PendingState>& pending,
                std::optional<Strike> decided = {}) RUNNEL_REQUIRES(mutex);

    // The same for a command with a word of more than most_word_bytes.
    void submit_too_long(SessionState& session, const std::shared_ptr<PendingState>& pending)
        RUNNEL_REQUIRES(mutex);

    // Carries out what was queued since MULTI, and fills `replies`, which has an element for each
    // command. A command that finds no memory is refused; the others are carried out.
    void carry_out_queued(Call& exec, Transaction& transaction,
                          std::vector<Reply>& replies) noexcept RUNNEL_REQUIRES(mutex);

    // ---- parked commands

    [[nodiscard]] std::size_t blocked_sessions() const noexcept RUNNEL_REQUIRES(mutex) {
        return blocked_ - delayed_;
    }
    // Null: there is none.
    [[nodiscard]] SessionState* find_session(std::int64_t id) noexcept RUNNEL_REQUIRES(mutex);
    using Sessions = std::map<std::int64_t, std::shared_ptr<SessionState>>;
    // Those that are not closed, by their ids.
    [[nodiscard]] const Sessions& sessions() const noexcept RUNNEL_REQUIRES(mutex) {
        return sessions_;
    }
    // For a command: as CLIENT UNBLOCK does with that session.
    void unblock(SessionState& session, Reply reply) noexcept RUNNEL_REQUIRES(mutex) {
        answer_parked(session, std::move(reply));
    }
    // Ends the wait of a parked command with that reply; nothing: it gets none.
    // `what`: as the log tells it; if it has failed, memory ran out.
    void end_parked(SessionState& session, std::optional<Reply> reply,
                    LoggedCommand::What what) noexcept RUNNEL_REQUIRES(mutex);
    // For a session's thread: the reply of a command that need not wait. If it has to wait, or
    // stands behind one that does, `pending` gets its reply.
    [[nodiscard]] std::optional<Reply> execute(SessionState& session, Words words,
                                               std::shared_ptr<PendingState>& pending)
        RUNNEL_REQUIRES(mutex);
    // On a clock that nobody runs, for a thread that looks: does what the alarms would do whose
    // moments have come, in their order, on all nodes of the cluster.
    void ring_due() noexcept RUNNEL_REQUIRES(mutex);
    // The same on any clock, and removes the keys that have expired.
    void do_due() noexcept RUNNEL_REQUIRES(mutex);
    // When it has to do so next, if nothing happens before; nothing: never.
    [[nodiscard]] std::optional<Clock::Deadline> next_ring() const noexcept RUNNEL_REQUIRES(mutex);
    // Ends it if its deadline has come.
    bool end_if_overdue(Parked& parked) noexcept RUNNEL_REQUIRES(mutex);
    // What a clock calls.
    void on_alarm(Alarm& alarm) noexcept RUNNEL_REQUIRES(mutex);
    Served serve_again(Parked& parked) noexcept RUNNEL_REQUIRES(mutex);
    // ---- data

    [[nodiscard]] Database& database(std::size_t number) noexcept RUNNEL_REQUIRES(mutex) {
        ServerState& owner = data();
        owner.mutex.assert_held();
        return owner.databases_[number];
    }
    [[nodiscard]] std::size_t database_count() const noexcept RUNNEL_REQUIRES(mutex) {
        return databases_.size();
    }
    void swap_databases(std::size_t one, std::size_t other) noexcept RUNNEL_REQUIRES(mutex) {
        databases_[one].swap(databases_[other]);
        history_.swap(one, other);
    }
    // Tells all who listen to changes.
    void tell(const Change& change, ChangedIn in) noexcept RUNNEL_REQUIRES(mutex);
    // A key with a time to live may have come, or gone.
    void arm_expiry_alarm() noexcept RUNNEL_REQUIRES(mutex);
    // Removes a key, and tells it.
    void erase(std::size_t number, Database::Keys::value_type& key) noexcept RUNNEL_REQUIRES(mutex);

    // Milliseconds since 1970.
    [[nodiscard]] Milliseconds wall() const noexcept {
        return std::chrono::floor<std::chrono::milliseconds>(clock.wall().time_since_epoch())
            .count();
    }

    // ---- WATCH

    // Throws: std::bad_alloc.
    void watch(SessionState& session, std::string_view key) RUNNEL_REQUIRES(mutex);
    void unwatch(SessionState& session) noexcept RUNNEL_REQUIRES(mutex);

    // ---- outputs

    // A push that a thread is about to hand out waits again, if its handler was not called yet.
    static void take_back(SessionState& session) noexcept {
        if (!session.has_taken.exchange(false, std::memory_order_acquire)) return;
        session.outbox.give_back(std::move(session.taken));
    }
    // Has its handler called if pushes wait.
    void hand_out_pushes(SessionState& session) noexcept RUNNEL_REQUIRES(mutex) {
        if (session.on_push && !session.is_pushing && session.outbox.has_push())
            after().hand_out_pushes(session);
    }
    // Sends what a command has prepared for other sessions, and perhaps for its own.
    void send(Prepared& outputs) noexcept RUNNEL_REQUIRES(mutex);
    [[nodiscard]] bool must_authenticate(const SessionState& session) const noexcept
        RUNNEL_REQUIRES(mutex) {
        return !session.is_authenticated && !settings.password.empty();
    }
    // By the carrier of a session: so many bytes were fetched, and the client has not taken them.
    void set_unwritten(SessionState& session, std::size_t bytes) const noexcept
        RUNNEL_REQUIRES(mutex);
    // The carrier of a session, if it has one, is to look at it.
    void tell_carrier(const SessionState& session) noexcept RUNNEL_REQUIRES(mutex);

    void add_listener(ChangeListener& listener) RUNNEL_REQUIRES(mutex) {
        ServerState& owner = data();
        owner.mutex.assert_held();
        owner.listeners_.push_back(&listener);
    }

    // ---- in a cluster

    // Null: it stands alone, or the cluster is gone.
    [[nodiscard]] ClusterState* cluster() const noexcept RUNNEL_REQUIRES(mutex) {
        return place_.cluster;
    }
    [[nodiscard]] std::size_t node() const noexcept { return place_.node; }
    // The cluster goes. Requires: all sessions are closed.
    void leave_cluster() noexcept RUNNEL_REQUIRES(mutex) {
        place_.cluster = nullptr;
        replicas_.clear();
    }
    // Another server that shows its data. Throws: std::bad_alloc.
    void add_replica(ServerState& replica) RUNNEL_REQUIRES(mutex) { replicas_.push_back(&replica); }
    // Serves all who wait for what was done, on all nodes of the cluster.
    void serve_all() noexcept RUNNEL_REQUIRES(mutex);
    // For what is sent outside of a command.
    void set_command_time() noexcept RUNNEL_REQUIRES(mutex) { command_time_ = wall(); }

    // ---- faults, and what is told of commands

    [[nodiscard]] FaultRules& faults() noexcept RUNNEL_REQUIRES(mutex) { return faults_; }
    // Null: the server was given a clock of another kind.
    [[nodiscard]] ManualClock* manual_clock() const noexcept {
        return dynamic_cast<ManualClock*>(&clock);
    }
    [[nodiscard]] bool is_intercepted() const noexcept {
        return is_intercepted_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::shared_ptr<const Interceptor> interceptor() const RUNNEL_REQUIRES(mutex) {
        return interceptor_;
    }
    // Returns the one before, to be destroyed without the lock.
    std::shared_ptr<const Interceptor> intercept(std::shared_ptr<const Interceptor> by) noexcept
        RUNNEL_REQUIRES(mutex) {
        is_intercepted_.store(by != nullptr, std::memory_order_relaxed);
        return std::exchange(interceptor_, std::move(by));
    }
    [[nodiscard]] const CommandLog& log() const noexcept RUNNEL_REQUIRES(mutex) { return log_; }
    // NOLINTNEXTLINE(misc-no-recursion): who holds the data is no replica
    [[nodiscard]] const EntryHistory& history() const noexcept RUNNEL_REQUIRES(mutex) {
        if (!place_.data) return history_;
        place_.data->mutex.assert_held();
        return place_.data->history();
    }
    // What clients have asked for that the fake does not have, each once.
    [[nodiscard]] const std::set<std::string>& unsupported() const noexcept RUNNEL_REQUIRES(mutex) {
        return unsupported_;
    }
    // Throw: std::bad_alloc.
    [[nodiscard]] std::vector<WaitingCommand> waiting() const RUNNEL_REQUIRES(mutex);
    [[nodiscard]] std::optional<WaitingCommand> next_due() const RUNNEL_REQUIRES(mutex);
    // Notes that somebody asks for what the fake does not have. Throws: Error{unsupported} if the
    // server is strict, std::bad_alloc.
    void note_unsupported(const std::string& what) RUNNEL_REQUIRES(mutex);
    // Does that if there is no such command.
    void expect_supported(Words words) RUNNEL_REQUIRES(mutex);

    const bool is_strict;
    const Profile& profile;

private:
    std::shared_ptr<ManualClock> own_clock_;

public:
    Clock& clock;
    [[nodiscard]] ManualClock* own_clock() const noexcept { return own_clock_.get(); }
    const Milliseconds started;  // wall time

private:
    ServerPlace place_;  // `cluster` is guarded by the mutex

public:
    Mutex& mutex;
    // Guarded by the mutex, too: Call hands them out, and asserts that it is held.
    OutputMemory& memory;
    std::mt19937_64 random;
    Settings settings;
    Statistics statistics;
    Subscribers subscribers;
    SpinBudget spin;

private:
    friend class Call;
    friend class Entering;

    [[nodiscard]] Afterwards& after() const noexcept RUNNEL_REQUIRES(mutex) {
        return *place_.gate->after;
    }
    // The server that holds the data: itself, unless it is a replica.
    [[nodiscard]] ServerState& data() noexcept RUNNEL_REQUIRES(mutex) {
        return place_.data ? *place_.data : *this;
    }
    [[nodiscard]] const ServerState& data() const noexcept RUNNEL_REQUIRES(mutex) {
        return place_.data ? *place_.data : *this;
    }
    // Of those that watch and wait here.
    void note(const Change& change, ChangedIn in) noexcept RUNNEL_REQUIRES(mutex);
    [[nodiscard]] const CommandInfo& admit(SessionState& session, Words words) const
        RUNNEL_REQUIRES(mutex);
    void expect_served(const SessionState& session, const CommandInfo& info, Words words) const
        RUNNEL_REQUIRES(mutex);
    void fail_transaction(SessionState& session, Words words) noexcept RUNNEL_REQUIRES(mutex);
    [[nodiscard]] Reply reject(SessionState& session, Words words, Reply refusal)
        RUNNEL_REQUIRES(mutex);
    [[nodiscard]] Strike strike(const SessionState& session, Words words) RUNNEL_REQUIRES(mutex);
    Answer carry_out_struck(SessionState& session, Words words,
                            std::shared_ptr<PendingState>& pending, const Strike& strike)
        RUNNEL_REQUIRES(mutex);
    // Whether the session gets the reply: not of the first of two times, and not if a fault loses
    // it; what waits loses it when it ends.
    enum class Heard : std::uint8_t { yes, no, lost };
    // `given`: has the reply, and it is not carried out; null: it is.
    Answer carry_out_now(SessionState& session, Words words, std::shared_ptr<PendingState>& pending,
                         const Strike* given, Heard heard) RUNNEL_REQUIRES(mutex);
    struct RoomForAnswer {
        ReplyRoom reply;
        std::optional<LogRoom> logged{};
    };
    Answer park_call(Call& call, RoomForAnswer& room, Heard heard) noexcept RUNNEL_REQUIRES(mutex);
    Answer send_answer(std::optional<Call>& call, Reply reply, RoomForAnswer& room,
                       Heard heard) noexcept RUNNEL_REQUIRES(mutex);
    // Closes a session, and says so of the command that it has sent.
    Answer drop(SessionState& session, Words words) RUNNEL_REQUIRES(mutex);
    Answer delay(SessionState& session, Words words, std::shared_ptr<PendingState>& pending,
                 const Strike& strike) RUNNEL_REQUIRES(mutex);
    [[nodiscard]] Reply answer_with(SessionState& session, Words words, const Strike& strike)
        RUNNEL_REQUIRES(mutex);
    [[nodiscard]] std::chrono::milliseconds time_since_began() const noexcept {
        return std::chrono::floor<std::chrono::milliseconds>(clock.now() - began_);
    }
    [[nodiscard]] WaitingCommand describe(const Parked& parked) const RUNNEL_REQUIRES(mutex);
    // To commit: `entry` has one, or none if no log is kept.
    void log(CommandLog::Entries& entry, LoggedCommand::What what,
             const std::optional<Reply>& reply = {}) noexcept RUNNEL_REQUIRES(mutex);
    // Ends the wait of a parked command with its reply, which a fault may lose.
    void answer_parked(SessionState& session, Reply reply) noexcept RUNNEL_REQUIRES(mutex);
    [[nodiscard]] std::shared_ptr<Parked> end_wait(SessionState& session) noexcept
        RUNNEL_REQUIRES(mutex);
    void go_on(SessionState& session) noexcept RUNNEL_REQUIRES(mutex);
    // Calls the handler, for the first time.
    [[nodiscard]] Reply run(Call& call) RUNNEL_REQUIRES(mutex);
    // The reply of a command; of no meaning if it is parked, or its answers are pushes.
    [[nodiscard]] Reply reply_to(SessionState& session, Words words, Milliseconds now,
                                 std::optional<Call>& call, std::shared_ptr<PendingState>& pending)
        RUNNEL_REQUIRES(mutex);
    void prepare_wait(Parked& parked, const Block& block) RUNNEL_REQUIRES(mutex);
    [[nodiscard]] std::optional<Clock::Deadline> deadline_at(Milliseconds wall_time) const noexcept;
    [[nodiscard]] std::shared_ptr<Alarm> make_alarm(std::optional<Clock::Deadline> at);
    void add_place(Parked& parked, KeyWaits& at) RUNNEL_REQUIRES(mutex);
    void forget_places(const Parked& parked) noexcept RUNNEL_REQUIRES(mutex);
    void carry_out_one(Call& exec, const QueuedCommand& command, ExecReplies& replies) noexcept
        RUNNEL_REQUIRES(mutex);
    void expire_due(Milliseconds now) noexcept RUNNEL_REQUIRES(mutex);
    void make_spare_alarm() RUNNEL_REQUIRES(mutex);
    // Null: no key expires.
    [[nodiscard]] const Database::Expiry* first_expiry() const noexcept RUNNEL_REQUIRES(mutex);
    // When it is due, if nothing happens before; nothing: never.
    [[nodiscard]] static std::optional<Clock::Deadline> next_look(const Parked& parked) noexcept {
        if (!parked.again) return parked.deadline;
        return std::min(parked.deadline.value_or(parked.again->at), parked.again->at);
    }
    // This one, or all nodes of the cluster.
    template <typename Visit>
    void for_each_server(const Visit& visit) RUNNEL_REQUIRES(mutex);
    template <typename Visit>
    void for_each_server(const Visit& visit) const RUNNEL_REQUIRES(mutex);
    // Of all servers. Null: there is none that will be due.
    [[nodiscard]] Parked* first_of_all_to_look_at(std::uint64_t round) const noexcept
        RUNNEL_REQUIRES(mutex);
    [[nodiscard]] bool is_anybody_blocked() const noexcept RUNNEL_REQUIRES(mutex);
    void expire_all_due() noexcept RUNNEL_REQUIRES(mutex);
    // Somebody who waits here may be served.
    void list_to_serve() noexcept RUNNEL_REQUIRES(mutex);
    void serve_own() noexcept RUNNEL_REQUIRES(mutex);
    // Of those that were not looked at in that round. Null: there is none that will be due.
    [[nodiscard]] Parked* first_to_look_at(std::uint64_t round) const noexcept
        RUNNEL_REQUIRES(mutex);
    void prepare_expiry_alarm() RUNNEL_REQUIRES(mutex);
    void serve_ready(KeyWaits& waits) noexcept RUNNEL_REQUIRES(mutex);
    [[nodiscard]] bool is_to_be_served(const Parked& parked, const KeyWaits& waits) noexcept
        RUNNEL_REQUIRES(mutex);
    void carry_out_later(SessionState& session) noexcept RUNNEL_REQUIRES(mutex);
    void park(std::shared_ptr<Parked> parked) noexcept RUNNEL_REQUIRES(mutex);
    void arm_again(Parked& parked) noexcept RUNNEL_REQUIRES(mutex);
    [[nodiscard]] std::shared_ptr<Parked> unpark(SessionState& session) noexcept
        RUNNEL_REQUIRES(mutex);
    void disarm(std::shared_ptr<Alarm>& alarm) noexcept RUNNEL_REQUIRES(mutex);
    void finish(PendingState& pending, std::optional<Reply> reply, bool has_failed) noexcept
        RUNNEL_REQUIRES(mutex);
    void send_push(UnsentPush& push) noexcept RUNNEL_REQUIRES(mutex);
    void hold_to_limit(SessionState& session) noexcept RUNNEL_REQUIRES(mutex);

    // When the latest command was carried out, or again: the time of what it has sent.
    Milliseconds command_time_ RUNNEL_GUARDED_BY(mutex) = 0;
    std::size_t expiring_ RUNNEL_GUARDED_BY(mutex) = 0;
    std::vector<Database> databases_ RUNNEL_GUARDED_BY(mutex);
    Sessions sessions_ RUNNEL_GUARDED_BY(mutex);
    std::int64_t last_id_ RUNNEL_GUARDED_BY(mutex) = 0;
    Waits waits_ RUNNEL_GUARDED_BY(mutex);
    std::size_t blocked_ RUNNEL_GUARDED_BY(mutex) = 0;
    std::size_t delayed_ RUNNEL_GUARDED_BY(mutex) = 0;  // of these, by faults
    std::size_t blocked_groups_ RUNNEL_GUARDED_BY(mutex) = 0;
    using Watchers = std::map<std::string, std::vector<SessionState*>, std::less<>>;
    std::vector<Watchers> watchers_ RUNNEL_GUARDED_BY(mutex);
    std::vector<ChangeListener*> listeners_ RUNNEL_GUARDED_BY(mutex);
    std::vector<ServerState*> replicas_ RUNNEL_GUARDED_BY(mutex);  // which show its data
    LinkedQueue<SessionState, &SessionState::next_unblocked> unblocked_ RUNNEL_GUARDED_BY(mutex);
    bool is_carrying_out_later_ RUNNEL_GUARDED_BY(mutex) = false;
    std::shared_ptr<Alarm> expiry_alarm_ RUNNEL_GUARDED_BY(mutex);
    std::shared_ptr<Alarm> spare_alarm_ RUNNEL_GUARDED_BY(mutex);
    FaultRules faults_ RUNNEL_GUARDED_BY(mutex);
    Atomic<bool> is_intercepted_ = false;
    std::shared_ptr<const Interceptor> interceptor_ RUNNEL_GUARDED_BY(mutex);
    CommandLog log_ RUNNEL_GUARDED_BY(mutex);
    const Clock::Deadline began_;
    EntryHistory history_ RUNNEL_GUARDED_BY(mutex);
    std::set<std::string> unsupported_ RUNNEL_GUARDED_BY(mutex);
};

inline void Outbox::put_on_wire(Output output) noexcept {
    const Protocol protocol = session.is_resp3() ? Protocol::resp3 : Protocol::resp2;
    wire_->unsent.push_back({std::move(output), protocol});
    session.server.mutex.assert_held();
    session.server.tell_carrier(session);
}

// The server's lock, for a thread that does something there. When it is released, what is left to
// do is done, also if a command has thrown: it may have ended the waits of others before.
class RUNNEL_SCOPED_CAPABILITY Entering {
public:
    explicit Entering(ServerState& server) noexcept RUNNEL_ACQUIRE(server.mutex) : server_{server} {
        server_.mutex.lock();
        server_.place_.gate->after = &after_;
    }
    Entering(const Entering&) = delete;
    Entering& operator=(const Entering&) = delete;
    ~Entering() RUNNEL_RELEASE() {
        server_.serve_all();
        server_.place_.gate->after = nullptr;
        server_.mutex.unlock();
    }

private:
    ServerState& server_;
    Afterwards after_{};
};

}  // namespace runnel::inline v0::redis::detail
