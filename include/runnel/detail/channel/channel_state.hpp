// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/asymmetric.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/forced_unwind.hpp>
#include <runnel/detail/base/futex.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/channel/handler.hpp>
#include <runnel/detail/channel/handler_run.hpp>
#include <runnel/detail/channel/inbox_state.hpp>
#include <runnel/detail/channel/later_run.hpp>
#include <runnel/detail/channel/seat.hpp>
#include <runnel/detail/core/channel_log.hpp>
#include <runnel/detail/core/log_cursor.hpp>
#include <runnel/detail/wait/blocked_time.hpp>
#include <runnel/detail/wait/core_offers.hpp>
#include <runnel/detail/wait/request.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/detail/wait/system_clock.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/error.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stats.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace runnel::inline v0::detail {

// The place of a wait in one of a channel's queues. Keeps the channel's memory meanwhile.
template <Message T>
struct ChannelNode : WaitNode {
    ChannelNode(Waiter& of, ChannelState<T>& in) noexcept : WaitNode{of}, keep{in} {}

    const Owner<ChannelState<T>> keep;
};

// What the publisher of a message has to do after it has released the lock.
template <Message T>
struct Sent {
    std::size_t reached = 0;
    std::uint64_t number = 0;
    bool runs_handlers = false;   // until nothing is left to them, or another publisher goes on
    bool goes_on = false;         // with the run of another thread, when that releases it
    Handler<T>* first = nullptr;  // first and last to call directly, if it was not logged
    Handler<T>* last = nullptr;
};

// A channel: its log, its subscribers, the waits in it, and what wakes them.
//
// A message goes into the log if a subscriber will look for it there, and by reference from there
// to the inboxes. The publisher runs the handlers, without the lock. One thread at a time runs
// them: a message that is published meanwhile is left to that thread, in the log.
//
// The run of the handlers goes from thread to thread. After some messages the runner offers it. The
// next publisher that may wait for handlers accepts the offer and waits (GoOnWithRun) until the
// runner has finished the message in hand and releases the run. A runner that is cancelled releases
// it, too; if no publisher waits for it then, the next one goes on.
//
// Invariant outside the lock: a message and a read that it would end never coexist, nor do a
// waiting publish and room for it.
template <Message T>
class ChannelState final : public HandlerRun {
public:
    using Entry = Logged<T>;
    using Link = InboxLink<T>;

    ChannelState(const ChannelOptions<T>& options, std::string called)
        : name{std::move(called)},
          clock{options.clock != nullptr ? *options.clock : SystemClock::instance()},
          is_real{clock.is_real()},
          weigh{options.weigh} {}

    // ---- closing

    // May be called inside a handler, or while one runs elsewhere. Listed handlers own this state,
    // and are taken out only when the run is over.
    void last_handle_gone() noexcept override { close(); }

    void close() noexcept {
        InboxLinks<T> gone;  // outlives the lock
        WakeChain chain;
        {
            const Lock lock{mutex};
            closed = true;
            ask_all(readers, chain);
            ask_publishers(chain);
            ask_all(watchers, chain);
            note_publishers();
            gone.swap(links);
        }
        gone.visit([&](Link& link) { link.inbox->remove_source(chain); });
        chain.resume_all();
    }

    // ---- publishing

    // How many bytes a message counts. Throws: what the user's function does.
    [[nodiscard]] std::size_t bytes_of(const T& message) const {
        return weigh ? weigh(message) : sizeof(T);
    }

    // Whether a message has to wait for a reader or handler that is behind.
    [[nodiscard]] bool hold_back(std::size_t bytes) noexcept RUNNEL_REQUIRES(mutex) {
        return are_handlers_behind() || seats.hold_back(log, bytes);
    }
    [[nodiscard]] bool are_handlers_behind() noexcept RUNNEL_REQUIRES(mutex) {
        return is_on() && handlers.size() != 0 &&
               log.last() - handled_at_least_ >= handlers_bound_ && is_run_behind();
    }
    [[nodiscard]] [[gnu::noinline]] bool is_run_behind() noexcept RUNNEL_REQUIRES(mutex) {
        const std::uint64_t last = log.last();
        handled_at_least_ = handled_.load(std::memory_order_seq_cst);
        return last - handled_at_least_ >= handlers_bound_ &&
               handlers.is_any_behind(last, handled_at_least_);
    }

    // Whether a publish inside a handler is refused: it does not wait for handlers.
    [[nodiscard]] bool is_any_handler_behind() noexcept RUNNEL_REQUIRES(mutex) {
        return are_handlers_behind() || seats.is_handler_behind(log);
    }

    // Whether the publisher may call the handlers without putting the message into the log first.
    enum class CallsDirectly : bool { no, yes };

    // Makes send() possible. Throws: std::bad_alloc, and then nothing has changed.
    void prepare(CallsDirectly calls, Disposal<Entry>& disposal) RUNNEL_REQUIRES(mutex) {
        if (goes_into_log(calls)) log.reserve(disposal);
    }

    // Sends the message and reports in `sent`, which is new. A run that it begins is the calling
    // thread's. Requires: prepared, and not held back.
    void send(T& message, std::size_t bytes, CallsDirectly calls, Sent<T>& sent,
              Disposal<Entry>& disposal, WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        sent.reached = seats.size() + handlers.size();
        sent.number = log.last() + 1;
        const bool is_logged = goes_into_log(calls);
        if (is_logged) {
            log.append(std::move(message), bytes);
            sent.reached += deliver(bytes, chain);
            if (const std::size_t cut = seats.disconnect(log, bytes, clock); cut != 0) {
                disconnected += cut;
                note_reached(cut);
                update_window();
            }
            log.trim(disposal);
            if (!readers.empty()) [[unlikely]]
                ask_all(readers, chain);
        } else {
            log.pass(bytes);
            if (log.entries().size() != 0) [[unlikely]]
                log.trim(disposal);
        }
        if (handlers.size() == 0) return;
        if (!is_on())
            begin_run(sent, is_logged);
        else if (!do_others_publish_ && !is_mine())
            do_others_publish_ = true;
    }

    // Runs the handlers, in the publisher's thread, until nothing is left to them or another
    // publisher goes on. `message` is the one that was sent; null: it was logged. What it has
    // pushed out of the log dies before that, but in the frame: a destructor of T may disconnect
    // handlers, and must find out that this thread runs them.
    // Requires: the run is this thread's. Throws: ForcedUnwind.
    RUNNEL_CATCHES_FORCED_UNWIND void run_handlers(const Sent<T>& sent, const T* message,
                                                   Disposal<Entry>& disposal)
        RUNNEL_EXCLUDES(mutex) {
        LinkedStack<Handler<T>> dead;  // destroyed outside of the run
        try {
            const HandlerFrame<> frame{*this};
            disposal.dispose();
            if (sent.first != nullptr) run_all(sent.first, sent.last, *message, sent.number, frame);
            while (run_next_batch(frame, dead)) {
            }
        } catch (const ForcedUnwind&) {
            let_go(dead);
            Handlers<T>::disown(dead);
            throw;
        }
        Handlers<T>::disown(dead);
    }

    // The same when all messages are in the log.
    void run_logged() RUNNEL_EXCLUDES(mutex) {
        Disposal<Entry> nothing;
        run_handlers({}, nullptr, nothing);
    }
    // That when this thread goes on with what needs no thread.
    void run_handlers_later(WakeChain& chain) noexcept RUNNEL_EXCLUDES(mutex) {
        this->add_owner();
        chain.go_on_later(later_run_);
    }

    // ---- going on with the run of another thread

    [[nodiscard]] bool is_run_on_offer() const noexcept RUNNEL_REQUIRES(mutex) {
        return is_run_on_offer_;
    }
    // Called by the publisher of message `number`, which then waits for the run with GoOnWithRun.
    void accept_run(std::uint64_t number) noexcept RUNNEL_REQUIRES(mutex) {
        is_run_on_offer_ = false;
        successor_ = number;
    }
    // True: that publisher still has to wait, and the runner has been asked for the run.
    [[nodiscard]] bool ask_for_run(std::uint64_t number) noexcept RUNNEL_REQUIRES(mutex) {
        if (successor_ != number || !is_on()) return false;
        is_run_wanted_.store(true, std::memory_order_relaxed);
        return true;
    }
    // True: `thread` has to go on with the run. False: there is nothing to go on with.
    // Requires: ask_for_run(number) has returned false.
    [[nodiscard]] bool take_run(std::uint64_t number, ThreadId thread) noexcept
        RUNNEL_REQUIRES(mutex) {
        if (successor_ != number) return false;
        go_on_with_rest(thread);
        return true;
    }
    // Called by that publisher, when it does not wait any more.
    void decline_run(std::uint64_t number) noexcept RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        if (successor_ != number) return;
        successor_ = 0;
        is_run_on_offer_ = is_on();
        is_run_wanted_.store(false, std::memory_order_relaxed);
    }

    // ---- waiting

    // Carries out `request` or, if it may wait, puts it into that line, as `node`. True: this
    // thread has ended it.
    template <typename Kind>
    [[nodiscard]] bool try_or_queue(Kind& request, WaitQueue ChannelState::*line, bool may_wait,
                                    std::optional<ChannelNode<T>>& node) RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        if (request.attempt(*this) != Served::no) return true;
        if (!may_wait) {
            if (line == &ChannelState::publishers) ++refused_outside;
            return false;
        }
        if (line == &ChannelState::publishers) {
            // Announces that a publisher waits, and then looks once more how far readers and
            // handlers are: see Seat::tell_position() and begin_with().
            note_publishers(true);
            if (request.attempt(*this) != Served::no) {
                note_publishers();
                return true;
            }
            publish_time.begin(clock.now(), publishers.empty());
        }
        (this->*line).insert(node.emplace(request, *this));
        return false;
    }

    // Puts `node`, of a wait over several objects, into the line of the readers unless the wait
    // ends at once. True if this thread has claimed it.
    [[nodiscard]] bool enter(ChannelNode<T>& node) noexcept RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        return join(readers, node);
    }

    // Takes `node` out of line if it still stands in it. `line` is where it stood.
    void leave(ChannelNode<T>& node, WaitQueue ChannelState::*line = nullptr) noexcept
        RUNNEL_EXCLUDES(mutex) {
        WakeChain chain;
        {
            const Lock lock{mutex};
            if (line == &ChannelState::publishers && node.waiter->how() == WaitEnd::timed_out)
                ++refused_outside;
            if (node.queue == &publishers) publish_time.end(clock.now());
            if (node.queue != nullptr) node.queue->remove(node);
            serve_publishers(chain);  // it may have held up others
        }
        chain.resume_all();
    }

    // Called after a reader or a handler has gone on, or has left.
    void wake_publishers() noexcept RUNNEL_EXCLUDES(mutex) {
        WakeChain chain;
        {
            const Lock lock{mutex};
            serve_publishers(chain);
        }
        chain.resume_all();
    }

    // ---- subscribers

    // Whether the seat's reader may go on without the lock.
    // Not analysed, as it needs no lock: it reads only an atomic of the log, by last().
    [[nodiscard]] bool
    is_within_window(const Seat<T>& seat) const noexcept RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        return seat.is_within_window(log);
    }

    // Throws: std::bad_alloc, and then nothing has changed.
    void add_seat(Seat<T>& seat, WakeChain& chain) RUNNEL_REQUIRES(mutex) {
        note_reached();
        seats.add(seat, log);
        update_window();
        ask_watchers(chain);
    }

    void remove_seat(Seat<T>& seat) noexcept RUNNEL_EXCLUDES(mutex) {
        Disposal<Entry> disposal;
        WakeChain chain;
        {
            const Lock lock{mutex};
            if (seat.is_disconnected.load(std::memory_order_relaxed)) return;
            note_reached();
            seats.remove(seat);
            update_window();
            log.trim(disposal);
            serve_publishers(chain);
        }
        chain.resume_all();
    }

    // False if it is closed. Throws: std::bad_alloc.
    [[nodiscard]] bool add_link(const Owner<Link>& link, WakeChain& chain) RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        if (closed) return false;
        links.add(link);
        link->inbox->add_source();
        ask_watchers(chain);
        return true;
    }

    // Throws: std::bad_alloc; Error{closed}.
    void add_link(const Owner<Link>& link) RUNNEL_EXCLUDES(mutex) {
        WakeChain chain;
        const bool is_open = add_link(link, chain);
        chain.resume_all();
        if (!is_open) refuse();
    }

    // Takes out the links to `inbox` by that pattern (null: the direct ones); returns how many.
    std::size_t remove_links(const InboxState<T>& inbox, const std::string* by,
                             WakeChain& chain) noexcept RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        return links.remove(inbox, by, [&](Link& link) { link.inbox->remove_source(chain); });
    }
    std::size_t remove_direct_links(const InboxState<T>& inbox) noexcept RUNNEL_EXCLUDES(mutex) {
        WakeChain chain;
        const std::size_t count = remove_links(inbox, nullptr, chain);
        chain.resume_all();
        return count;
    }

    void add_handler(Handler<T>& handler) RUNNEL_EXCLUDES(mutex) {
        WakeChain chain;
        {
            const Lock lock{mutex};
            refuse_if_closed();
            handler.from = log.last();
            note_reached();
            handlers.add(handler);
            update_handlers_bound();
            ask_watchers(chain);
        }
        chain.resume_all();
    }

    // From now on `handler` is not started. True: it may still run.
    [[nodiscard]] bool kill(Handler<T>& handler) noexcept RUNNEL_EXCLUDES(mutex) {
        bool runs = false;
        bool needs_barrier = false;
        std::uint64_t batch = 0;
        LinkedStack<Handler<T>> dead;
        Disposal<Entry> disposal;
        WakeChain chain;
        {
            const Lock lock{mutex};
            if (handler.is_live()) {
                note_reached();
                handlers.kill(handler);
                update_handlers_bound();
                log.trim(disposal);
            }
            if (!is_on()) handlers.take_out_dead(dead);
            needs_barrier = is_on() && !is_mine() && handlers.needs_barrier();
            batch = batch_number_;
            runs = may_run(handler);
            serve_publishers(chain);
        }
        chain.resume_all();
        Handlers<T>::disown(dead);
        return needs_barrier ? pass_barrier(handler, batch) : runs;
    }

    // Whether a handler that was killed may still run, or be dropped by its runner.
    [[nodiscard]] bool may_run(const Handler<T>& handler) const noexcept RUNNEL_REQUIRES(mutex) {
        if (handler.is_executing || handler.is_left_to_runner) return true;
        return is_on() && (handler.unsure_in == batch_number_ || handlers.is_running(handler));
    }

    [[nodiscard]] bool is_to_be_awaited(const Owned& handler) const noexcept override
        RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        return may_run(static_cast<const Handler<T>&>(handler));
    }

    // Not analysed, as it needs no lock: only the run's thread changes that.
    [[nodiscard]] bool is_in_handler() const noexcept override RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        return handlers.is_any_running();
    }

    // Leaves a killed handler to the thread that runs it, which drops it. False: it has ended.
    [[nodiscard]] bool leave_to_runner(Handler<T>& handler) noexcept RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        if (!may_run(handler)) return false;
        handler.is_left_to_runner = true;
        return true;
    }

    // Drops a handler that does not run any more, unless another thread does so.
    void drop(Handler<T>& handler) noexcept RUNNEL_EXCLUDES(mutex) {
        {
            const Lock lock{mutex};
            if (std::exchange(handler.is_dropped, true)) return;
        }
        handler.drop();
    }

    // For a handler that was disconnected while it ran, or just before.
    void after_death_of(Handler<T>& handler) noexcept RUNNEL_EXCLUDES(mutex) {
        if (is_left_to_runner(handler)) drop(handler);
        WakeChain chain;
        {
            const Lock lock{mutex};
            handler.is_left_to_runner = false;
            ask_all(leavers, chain);
        }
        chain.resume_all();
    }

    // Disconnects subscribers that are over their soft limit for too long; returns how many.
    std::size_t do_what_is_due() noexcept RUNNEL_EXCLUDES(mutex) {
        Disposal<Entry> disposal;
        WakeChain chain;
        std::size_t count = 0;
        {
            const Lock lock{mutex};
            count = seats.disconnect_now(log, clock);
            disconnected += count;
            note_reached(count);
            if (count != 0) update_window();
            log.trim(disposal);
            links.visit([&](Link& link) { count += link.inbox->do_what_is_due(chain) ? 1U : 0U; });
        }
        chain.resume_all();
        return count;
    }

    [[nodiscard]] ChannelStats stats() noexcept RUNNEL_REQUIRES(mutex) {
        ChannelStats stats;
        stats.published = log.last();
        note_reached();
        stats.delivered = delivered;
        stats.missed = missed;
        stats.disconnected = disconnected;
        stats.refused = refused + refused_outside;
        stats.retained = log.entries().size();
        stats.high_water = log.entries().high_water();
        stats.limit = window_.messages;
        stats.behind = static_cast<std::size_t>(furthest_behind());
        stats.subscriptions = seats.size() - seats.handlers();
        stats.handlers = handlers.size() + seats.handlers();
        stats.inboxes = inboxes();
        stats.blocked_reads = readers.size() - idle_handlers;
        stats.blocked_publishes = publishers.size();
        stats.blocked_for = publish_time.total(clock.now(), publishers.empty());
        stats.is_closed = closed;
        return stats;
    }

    [[nodiscard]] std::size_t subscribers() const noexcept RUNNEL_REQUIRES(mutex) {
        return seats.size() + handlers.size() + inboxes();
    }
    // Whether there are at least so many. Walks the inboxes only if it depends on how many of them
    // were disconnected.
    [[nodiscard]] bool has_subscribers(std::size_t count) const noexcept RUNNEL_REQUIRES(mutex) {
        const std::size_t others = seats.size() + handlers.size();
        if (others >= count) return true;
        return others + links.size() >= count && subscribers() >= count;
    }
    // Called for a wait that goes on: it is not asked again before there may be so many.
    void await_subscribers(std::size_t count) noexcept RUNNEL_REQUIRES(mutex) {
        least_awaited_ = std::min(least_awaited_, count);
    }
    // The links to inboxes that were not disconnected. Linear.
    [[nodiscard]] std::size_t inboxes() const noexcept RUNNEL_REQUIRES(mutex) {
        std::size_t count = 0;
        links.visit([&](const Link& link) { count += link.inbox->is_connected() ? 1U : 0U; });
        return count;
    }

    // Inboxes that are linked by a pattern do not count.
    [[nodiscard]] bool has_direct_subscribers() const noexcept RUNNEL_REQUIRES(mutex) {
        const auto is_connected = [](const Link& link) { return link.inbox->is_connected(); };
        return seats.size() + handlers.size() != 0 || links.any_direct(is_connected);
    }

    void refuse_if_closed() const RUNNEL_REQUIRES(mutex) {
        if (closed) refuse();
    }
    [[noreturn]] void refuse() const {
        throw Error{ErrorCode::closed, "Channel" + shown_name() + ": it is closed"};
    }
    [[nodiscard]] std::string shown_name() const {
        return name.empty() ? std::string{} : " \"" + name + '"';
    }

    const std::string name;
    Clock& clock;
    const bool is_real;
    const std::function<std::size_t(const T&)> weigh;
    mutable Mutex mutex;
    ChannelLog<T> log RUNNEL_GUARDED_BY(mutex);
    Seats<T> seats RUNNEL_GUARDED_BY(mutex);
    Handlers<T> handlers RUNNEL_GUARDED_BY(mutex);
    InboxLinks<T> links RUNNEL_GUARDED_BY(mutex);
    WaitQueue readers RUNNEL_GUARDED_BY(mutex);
    WaitQueue publishers RUNNEL_GUARDED_BY(mutex);
    WaitQueue watchers RUNNEL_GUARDED_BY(mutex);             // for subscribers
    WaitQueue leavers RUNNEL_GUARDED_BY(mutex);              // for the end of a handler
    WaitQueue successors RUNNEL_GUARDED_BY(mutex);           // for the run of the handlers
    std::size_t idle_handlers RUNNEL_GUARDED_BY(mutex) = 0;  // on executors: they are in `readers`
    std::uint64_t refused RUNNEL_GUARDED_BY(mutex) = 0;      // publishes inside handlers
    std::uint64_t refused_outside RUNNEL_GUARDED_BY(mutex) = 0;
    // Messages, times whom each has reached: see note_reached().
    std::uint64_t delivered RUNNEL_GUARDED_BY(mutex) = 0;
    std::uint64_t missed RUNNEL_GUARDED_BY(mutex) = 0;        // messages, by all subscribers
    std::uint64_t disconnected RUNNEL_GUARDED_BY(mutex) = 0;  // seats
    BlockedTime publish_time RUNNEL_GUARDED_BY(mutex);        // of those that wait for room
    bool closed RUNNEL_GUARDED_BY(mutex) = false;
    // Whether a publisher may wait for readers or handlers; see Seat::tell_position(),
    // begin_with().
    Atomic<bool> has_publishers = false;
    SpinBudget spin;
    CoreOffers offers;

private:
    // For a thread that has killed `handler` during that batch of another thread. From the next
    // batch on, the runner knows of it from the lock. True: it may still run.
    [[gnu::noinline]] [[nodiscard]] bool pass_barrier(Handler<T>& handler,
                                                      std::uint64_t batch) noexcept
        RUNNEL_EXCLUDES(mutex) {
        const bool is_sure = AsymmetricBarrier::heavy();  // a system call: not under the lock
        const Lock lock{mutex};
        if (!is_sure) {
            handlers.do_without_barrier();
            handler.unsure_in = batch;
        }
        return may_run(handler);
    }

    [[nodiscard]] bool goes_into_log(CallsDirectly calls) const noexcept RUNNEL_REQUIRES(mutex) {
        if (seats.size() != 0 || !links.empty()) return true;
        if (handlers.size() == 0) return false;
        return is_on() || is_left_over_ || calls == CallsDirectly::no;
    }

    std::size_t deliver(std::size_t bytes, WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        if (links.empty()) [[likely]]
            return 0;
        std::size_t count = 0;
        std::uint64_t count_missed = 0;
        const auto message = log.entries().last();
        links.visit([&](Link& link) {
            if (link.inbox->deliver(link, message, bytes, count_missed, chain)) ++count;
        });
        missed += count_missed;
        delivered += count;
        return count;
    }

    void begin_run(Sent<T>& sent, bool is_logged) noexcept RUNNEL_REQUIRES(mutex) {
        sent.runs_handlers = true;
        if (is_left_over_) [[unlikely]]
            return go_on_with_rest(this_thread());
        set_thread(this_thread());
        begin_batch();
        const std::uint64_t handled = is_logged ? sent.number - 1 : sent.number;
        handled_.store(handled, std::memory_order_relaxed);
        if (is_logged) return;
        sent.first = handlers.first();
        sent.last = handlers.last();
    }

    // Goes on with what is left of another thread's run.
    void go_on_with_rest(ThreadId thread) noexcept RUNNEL_REQUIRES(mutex) {
        set_thread(thread);
        is_left_over_ = false;
        successor_ = 0;
        begin_batches();
        begin_batch();
    }
    void begin_batch() noexcept RUNNEL_REQUIRES(mutex) {
        ++batch_number_;
        handlers.begin_batch();
    }

    // What the runner of the handlers takes from under the lock.
    struct Batch {
        PinnedSlots<Entry> messages{};
        Handler<T>* first = nullptr;
        Handler<T>* last = nullptr;
        bool do_others_publish = false;
    };

    // Runs the handlers with some of the messages that were left to them. False: the run is over or
    // another thread's, and this state may be gone when the caller disowns `dead`: until then, they
    // own it.
    [[nodiscard]] bool run_next_batch(const HandlerFrame<>& frame, LinkedStack<Handler<T>>& dead)
        RUNNEL_EXCLUDES(mutex) {
        Batch batch;
        WakeChain chain;
        {
            const Lock lock{mutex};
            next_batch(batch, chain, dead);
            serve_publishers(chain);
        }
        chain.resume_all();
        if (batch.messages.mask == 0) return false;
        run_batch(batch, frame);
        if (batch.do_others_publish) let_messages_gather();
        return true;
    }

    // While other threads publish, each batch takes the lock, and what it guards, from core to core
    // and back. So the runner waits for more messages, about as long as ten publishes take, unless
    // a thread waits for the run, or for room.
    [[gnu::noinline]] void let_messages_gather() const noexcept {
        for (int i = 0; i != pauses_between_batches; ++i) {
            if (is_run_wanted_.load(std::memory_order_relaxed)) return;
            if (has_publishers.load(std::memory_order_relaxed)) return;
            pause();
        }
    }

    // Ends early if another thread wants the run.
    [[gnu::noinline]] void run_batch(const Batch& batch, const HandlerFrame<>& frame)
        RUNNEL_EXCLUDES(mutex) {
        LogBlock<Entry>& block = *batch.messages.block();
        for (SlotMask mask = batch.messages.mask; mask != 0; mask &= mask - 1) {
            const std::uint32_t slot = first_slot(mask);
            const std::uint64_t number = block.id(slot).seq;
            begin_with(number);
            if (batch.first != nullptr)
                run_all(batch.first, batch.last, block.value(slot).value, number, frame);
            if (is_run_wanted_.load(std::memory_order_relaxed)) [[unlikely]]
                return;
        }
    }

    // Tells publishers which message is handled. Sequential consistency: of the runner and a
    // publisher that has announced that it waits, at least one sees the other.
    void begin_with(std::uint64_t number) noexcept RUNNEL_EXCLUDES(mutex) {
        handled_.store(number, std::memory_order_seq_cst);
        if (has_publishers.load(std::memory_order_seq_cst)) [[unlikely]]
            wake_publishers();
    }

    void next_batch(Batch& batch, WakeChain& chain, LinkedStack<Handler<T>>& dead) noexcept
        RUNNEL_REQUIRES(mutex) {
        const bool is_any_left = seek_unhandled();
        if (!is_any_left) end_run(chain);
        handlers.take_out_dead(dead);  // this thread does not walk the list now
        if (is_any_left) take_batch(batch, chain);
        if (!leavers.empty()) [[unlikely]]
            ask_all(leavers, chain);  // some wait for the next batch
    }

    // Takes nothing if another thread goes on with the run.
    [[gnu::noinline]] void take_batch(Batch& batch, WakeChain& chain) noexcept
        RUNNEL_REQUIRES(mutex) {
        if (!successors.empty() && hand_over(chain)) return;
        begin_batch();
        batch.messages = unhandled_.take(
            until_offer_ != 0 ? until_offer_ : std::size_t{LogBlock<Entry>::most_slots});
        batch.first = handlers.first();
        batch.last = handlers.last();
        batch.do_others_publish = std::exchange(do_others_publish_, false);
        is_run_on_offer_ = until_offer_ == 0 && successor_ == 0;
        until_offer_ -= std::min<std::size_t>(until_offer_, count_slots(batch.messages.mask));
    }

    // Goes to the first message after the one in hand that is left to the handlers. False: none is.
    [[nodiscard]] bool seek_unhandled() noexcept RUNNEL_REQUIRES(mutex) {
        const std::uint64_t handled = handled_.load(std::memory_order_relaxed);
        return handled < log.last() && seek_after(handled);
    }
    [[gnu::noinline]] bool seek_after(std::uint64_t handled) noexcept RUNNEL_REQUIRES(mutex) {
        // The last batch may have ended early.
        if (unhandled_.position().seq != handled) unhandled_.reset(ChannelLog<T>::id(handled));
        return static_cast<bool>(unhandled_.seek(log.entries()));
    }

    void end_run(WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        set_thread(no_thread);
        if (until_offer_ != most_before_offer) [[unlikely]]
            end_batches(chain);
    }

    // Only a run that has taken messages of others is ever offered, and accepted.
    [[gnu::noinline]] void end_batches(WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        begin_batches();
        if (successor_ == 0) return;
        successor_ = 0;  // its message is handled
        is_run_wanted_.store(false, std::memory_order_relaxed);
        ask_all(successors, chain);
    }
    void begin_batches() noexcept RUNNEL_REQUIRES(mutex) {
        until_offer_ = most_before_offer;
        is_run_on_offer_ = false;
        unhandled_.reset({});  // it owns a block of the log
    }

    // Releases the run for the thread that waits for it. False: that thread has just given up.
    [[gnu::noinline]] [[nodiscard]] bool hand_over(WakeChain& chain) noexcept
        RUNNEL_REQUIRES(mutex) {
        const ThreadId self = this_thread();
        is_run_wanted_.store(false, std::memory_order_relaxed);
        set_thread(no_thread);
        ask_all(successors, chain);
        if (is_on()) return true;
        set_thread(self);
        successor_ = 0;
        return false;
    }

    // Called when the runner is cancelled. The message in hand was handled. The publisher that
    // waits for the run goes on with the others or, if none waits, the next publisher.
    [[gnu::noinline]] void let_go(LinkedStack<Handler<T>>& dead) noexcept RUNNEL_EXCLUDES(mutex) {
        WakeChain chain;
        {
            const Lock lock{mutex};
            handlers.take_out_dead(dead);
            is_left_over_ = seek_unhandled();
            if (is_left_over_) {
                set_thread(no_thread);
                is_run_on_offer_ = false;
                is_run_wanted_.store(false, std::memory_order_relaxed);
                ask_all(successors, chain);
            } else {
                end_run(chain);
            }
            ask_all(leavers, chain);
            serve_publishers(chain);
        }
        chain.resume_all();
    }

    // Not analysed, as it needs no lock: from `first` to `last` the list stays as it is while a
    // batch runs. Handlers are appended, and the dead ones are taken out when the run is over.
    void run_all(Handler<T>* first, Handler<T>* last, const T& message, std::uint64_t number,
                 const HandlerFrame<>& frame) RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        handlers.run_all(first, last, message, number, frame,
                         [this](Handler<T>& dead) { after_death_of(dead); });
    }

    [[nodiscard]] bool is_left_to_runner(const Handler<T>& handler) const noexcept
        RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        return handler.is_left_to_runner;
    }

    // To be called after a handler has come or gone.
    void update_handlers_bound() noexcept RUNNEL_REQUIRES(mutex) {
        handlers_bound_ = handlers.least_bound();
        update_window();
    }
    // To be called after a subscriber with a window has come or gone.
    void update_window() noexcept RUNNEL_REQUIRES(mutex) {
        Window all = seats.window();
        if (handlers.size() != 0) {
            const Window window = window_of_handler(handlers.greatest_bound());
            all.messages = std::max(all.messages, window.messages);
            all.bytes = std::max(all.bytes, window.bytes);
        }
        if (all == window_) return;
        window_ = all;
        log.keep(all);
    }
    // One more than its bound: a publisher that takes up a released run logs its own message before
    // the others are handled.
    [[nodiscard]] static Window window_of_handler(std::uint64_t bound) noexcept {
        return {bound + (bound != Window::unlimited ? 1 : 0)};
    }

    // After a subscriber has come. Those that go on waiting lower the bound again.
    void ask_watchers(WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        if (seats.size() + handlers.size() + links.size() < least_awaited_) return;
        least_awaited_ = no_watcher;
        ask_all(watchers, chain);
    }

    // In the order in which they came: the first one without room holds up the others.
    void serve_publishers(WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        if (!publishers.empty()) [[unlikely]]
            serve_waiting_publishers(chain);
        note_publishers();
    }
    [[gnu::noinline]] void serve_waiting_publishers(WakeChain& chain) noexcept
        RUNNEL_REQUIRES(mutex) {
        bool any = false;
        while (!publishers.empty() && ask_publisher(*publishers.first(), chain)) any = true;
        // The others keep their places; but publishes inside handlers are refused while handlers
        // are behind.
        if (!publishers.empty() && is_any_handler_behind()) ask_publishers(chain);
        if (any) ask_all(readers, chain);
    }

    // Seats and handlers are not counted at each message, but before there are more of them or
    // fewer. `gone`: so many seats have just left, which the last message has still reached.
    // Inboxes are counted by deliver().
    void note_reached(std::size_t gone = 0) noexcept RUNNEL_REQUIRES(mutex) {
        delivered += (log.last() - reached_up_to_) * (seats.size() + handlers.size() + gone);
        reached_up_to_ = log.last();
    }

    bool ask_publisher(WaitNode& node, WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        const bool has_left = ask(publishers, node, chain);
        if (has_left) publish_time.end(clock.now());
        return has_left;
    }
    void ask_publishers(WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        for (WaitNode* node = publishers.first(); node != nullptr;) {
            WaitNode* const next = node->next;
            (void)ask_publisher(*node, chain);
            node = next;
        }
    }

    // How many messages wait for the handlers, or for the seat that is furthest behind.
    [[nodiscard]] std::uint64_t furthest_behind() const noexcept RUNNEL_REQUIRES(mutex) {
        const std::uint64_t handled = handled_.load(std::memory_order_relaxed);
        const std::uint64_t last = log.last();
        const bool is_run_on = handlers.size() != 0 && (is_on() || is_left_over_);
        return std::max(seats.furthest_behind(log),
                        is_run_on && handled < last ? last - handled : 0);
    }

    void note_publishers(bool one_more = false) noexcept RUNNEL_REQUIRES(mutex) {
        const bool any = one_more || !publishers.empty();
        if (has_publishers.load(std::memory_order_relaxed) != any)
            has_publishers.store(any, std::memory_order_seq_cst);
    }

    // After this many messages of others the runner offers the run.
    static constexpr std::size_t most_before_offer = 64;
    static constexpr int pauses_between_batches = 64;
    static constexpr std::size_t no_watcher = std::numeric_limits<std::size_t>::max();

    Window window_ RUNNEL_GUARDED_BY(mutex){0, 0};
    std::size_t least_awaited_ RUNNEL_GUARDED_BY(mutex) = no_watcher;  // a lower bound
    std::uint64_t reached_up_to_ RUNNEL_GUARDED_BY(mutex) = 0;  // the last message counted as such
    // The run of the handlers: how far it has got, and which publisher goes on with it.
    std::uint64_t handlers_bound_ RUNNEL_GUARDED_BY(mutex) = 0;
    LogCursor<Entry> unhandled_ RUNNEL_GUARDED_BY(mutex);
    // A lower bound of handled_: publishers leave the runner's line alone while it will do.
    std::uint64_t handled_at_least_ RUNNEL_GUARDED_BY(mutex) = 0;
    bool do_others_publish_ RUNNEL_GUARDED_BY(mutex) = false;  // since the runner's last batch
    // The message in hand; written by the runner, and alone on its line.
    alignas(64) Atomic<std::uint64_t> handled_ = 0;
    alignas(64) std::uint64_t batch_number_ RUNNEL_GUARDED_BY(mutex) = 0;
    std::size_t until_offer_ RUNNEL_GUARDED_BY(mutex) = most_before_offer;
    std::uint64_t successor_ RUNNEL_GUARDED_BY(mutex) = 0;  // number of its message; 0: none
    bool is_run_on_offer_ RUNNEL_GUARDED_BY(mutex) = false;
    bool is_left_over_ RUNNEL_GUARDED_BY(mutex) = false;  // it was released, and some is left
    Atomic<bool> is_run_wanted_ = false;                  // by the successor: it waits
    LaterRun<ChannelState> later_run_{*this};             // used by the thread that has the run
};

}  // namespace runnel::inline v0::detail
