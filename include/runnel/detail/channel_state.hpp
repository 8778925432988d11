// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/channel_options.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/annotations.hpp>
#include <runnel/detail/await.hpp>
#include <runnel/detail/channel_log.hpp>
#include <runnel/detail/handle.hpp>
#include <runnel/detail/handler.hpp>
#include <runnel/detail/inbox_state.hpp>
#include <runnel/detail/log_cursor.hpp>
#include <runnel/detail/mutex.hpp>
#include <runnel/detail/request.hpp>
#include <runnel/detail/seat.hpp>
#include <runnel/detail/spin.hpp>
#include <runnel/detail/wait_queue.hpp>
#include <runnel/error.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
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

// What the publisher of a message has to do once he has let go of the lock.
template <Message T>
struct Sent {
    std::size_t reached = 0;
    std::uint64_t number = 0;
    bool runs_handlers = false;   // it is he who runs them, until nothing is left to them
    Handler<T>* first = nullptr;  // with the message in his hands, if it was not logged
    Handler<T>* last = nullptr;
};

// A channel: its log, who reads it, and what wakes whom.
//
// A message goes into the log if anybody will look for it there, and by reference from there to
// the inboxes; handlers are run by the publisher without the lock. One thread at a time runs them:
// who publishes meanwhile leaves his message to it, in the log.
//
// Invariant outside the lock: a message and a read that it would end never coexist, nor do a
// waiting publish and room for it.
template <Message T>
class ChannelState final : public Shared {
public:
    using Entry = Logged<T>;
    using Link = InboxLink<T>;

    ChannelState(const ChannelOptions<T>& options, std::string called)
        : name{std::move(called)},
          clock{options.clock != nullptr ? *options.clock : SystemClock::instance()},
          is_real{clock.is_real()},
          weigh{options.weigh} {}

    // ---- closing

    // Also inside a handler, or while one runs elsewhere: those that are listed own this state, and
    // are taken out only when the run is over.
    void last_handle_gone() noexcept override { close(); }

    void close() noexcept {
        InboxLinks<T> gone;  // outlives the lock
        WakeChain chain;
        {
            const Lock lock{mutex};
            closed = true;
            ask_all(readers, chain);
            ask_all(publishers, chain);
            ask_all(watchers, chain);
            note_publishers();
            std::swap(gone, links);
        }
        gone.visit([&](Link& link) { link.inbox->remove_source(chain); });
        chain.resume_all();
    }

    // ---- publishing

    // Whether a message has to wait for who is behind.
    [[nodiscard]] bool is_held_back(std::size_t bytes) noexcept RUNNEL_REQUIRES(mutex) {
        return are_handlers_behind() || seats.hold_back(log, bytes);
    }
    [[nodiscard]] bool are_handlers_behind() const noexcept RUNNEL_REQUIRES(mutex) {
        if (!is_running_ || handlers.size() == 0) return false;
        const std::uint64_t last = log.last();
        const std::uint64_t handled = handled_.load(std::memory_order_seq_cst);
        return last - handled >= handlers_bound_ && handlers.is_any_behind(last, handled);
    }

    // Whether the publisher may call the handlers with the message in his hands.
    enum class CallsDirectly : bool { no, yes };

    // Makes send() possible. Throws: std::bad_alloc, and then nothing has changed.
    void prepare(CallsDirectly calls, Disposal<Entry>& disposal) RUNNEL_REQUIRES(mutex) {
        if (goes_into_log(calls)) log.reserve(disposal);
    }

    // Requires: prepared, and not held back.
    Sent<T> send(T& message, std::size_t bytes, CallsDirectly calls, Disposal<Entry>& disposal,
                 WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        Sent<T> sent{seats.size() + handlers.size(), log.last() + 1};
        const bool is_logged = goes_into_log(calls);
        if (is_logged) {
            log.append(std::move(message), bytes);
            sent.reached += deliver(bytes, chain);
            if (seats.disconnect(log, bytes, clock) != 0) update_reach();
            log.trim(disposal);
            if (!readers.empty()) [[unlikely]]
                ask_all(readers, chain);
        } else {
            log.pass(bytes);
            if (log.entries().size() != 0) [[unlikely]]
                log.trim(disposal);
        }
        if (handlers.size() != 0 && !is_running_) begin_run(sent, is_logged);
        return sent;
    }

    // Runs the handlers, in the publisher's thread, until nothing is left to them. `message` is the
    // one that was sent, if it was not logged.
    // Requires: sent.runs_handlers.
    void run_handlers(const Sent<T>& sent, const T& message) noexcept RUNNEL_EXCLUDES(mutex) {
        const HandlerFrame<> frame;
        if (sent.first != nullptr) run_all(sent.first, sent.last, message, sent.number);
        while (run_next_batch()) {
        }
    }

    // ---- waiting

    // Carries out `request` at once or, unless `timeout` is null, once somebody else can. It stands
    // in `queue` meanwhile.
    template <typename Kind>
    void run(Kind& request, WaitQueue ChannelState::*queue, const Timeout* timeout,
             const std::stop_token& stop) RUNNEL_EXCLUDES(mutex) {
        std::optional<ChannelNode<T>> node;
        if (!stands_in_line(request, queue, timeout != nullptr, node)) return;
        await(request, clock, spin, *timeout, stop);
        if (!may_stand_in_line(request)) return;
        WakeChain chain;
        {
            const Lock lock{mutex};
            if (node->queue != nullptr) node->queue->remove(*node);
            serve_publishers(chain);  // it may have held up others
        }
        chain.resume_all();
    }

    // After a reader or a handler has gone on, or somebody has left.
    void make_room() noexcept RUNNEL_EXCLUDES(mutex) {
        WakeChain chain;
        {
            const Lock lock{mutex};
            serve_publishers(chain);
        }
        chain.resume_all();
    }

    // ---- who gets the messages

    // Whether the seat's reader may go on without the lock.
    [[nodiscard]] bool
    is_within_reach(const Seat<T>& seat) const noexcept RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        return seat.is_within_reach(log);  // of which only last() is read
    }

    void add_seat(Seat<T>& seat, WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        seat.begin(log.last());
        seats.add(seat);
        widen_reach(seat.reach);
        ask_all(watchers, chain);
    }

    void remove_seat(Seat<T>& seat) noexcept RUNNEL_EXCLUDES(mutex) {
        Disposal<Entry> disposal;
        WakeChain chain;
        {
            const Lock lock{mutex};
            if (seat.is_disconnected.load(std::memory_order_relaxed)) return;
            seats.remove(seat);
            update_reach();
            log.trim(disposal);
            serve_publishers(chain);
        }
        chain.resume_all();
    }

    // False if it is closed. Throws: std::bad_alloc.
    [[nodiscard]] bool add_link(Owner<Link> link, WakeChain& chain) RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        if (closed) return false;
        InboxState<T>& inbox = *link->inbox.get();
        links.add(std::move(link));
        inbox.add_source();
        ask_all(watchers, chain);
        return true;
    }

    // Throws: std::bad_alloc; Error{closed}.
    void add_link(Owner<Link> link) RUNNEL_EXCLUDES(mutex) {
        WakeChain chain;
        const bool is_open = add_link(std::move(link), chain);
        chain.resume_all();
        if (!is_open) refuse();
    }

    // Takes out those ways to `inbox` for which is_meant(link) is true; returns how many.
    template <typename IsMeant>
    std::size_t remove_links(const InboxState<T>& inbox, IsMeant is_meant,
                             WakeChain& chain) noexcept RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        const auto goes = [&](const Owner<Link>& link) {
            if (link->inbox.get() != &inbox || !is_meant(*link.get())) return false;
            link->inbox->remove_source(chain);
            return true;
        };
        return links.erase_if(goes);
    }
    template <typename IsMeant>
    std::size_t remove_links(const InboxState<T>& inbox, IsMeant is_meant) noexcept
        RUNNEL_EXCLUDES(mutex) {
        WakeChain chain;
        const std::size_t count = remove_links(inbox, is_meant, chain);
        chain.resume_all();
        return count;
    }

    void add_handler(Handler<T>& handler) RUNNEL_EXCLUDES(mutex) {
        WakeChain chain;
        {
            const Lock lock{mutex};
            refuse_if_closed();
            handler.from = log.last();
            handlers.add(handler);
            handlers_bound_ = handlers.least_bound();
            widen_reach({handler.bound()});
            ask_all(watchers, chain);
        }
        chain.resume_all();
    }

    // How disconnect() leaves a handler.
    enum class Left : std::uint8_t {
        for_good,       // it does not run and will not
        running,        // it runs: wait in `leavers`
        to_its_runner,  // it runs, and who runs it will drop it
    };
    [[nodiscard]] Left disconnect(Handler<T>& handler, bool may_wait) noexcept
        RUNNEL_EXCLUDES(mutex) {
        Left left = Left::for_good;
        Handler<T>* dead = nullptr;
        Disposal<Entry> disposal;
        WakeChain chain;
        {
            const Lock lock{mutex};
            handlers.kill(handler);
            handlers_bound_ = handlers.least_bound();
            update_reach();
            log.trim(disposal);
            if (!is_running_) {
                dead = handlers.take_out_dead();
            } else if (Handlers<T>::settle(); handlers.is_running(handler)) {
                handler.is_left_to_runner = !may_wait;
                left = may_wait ? Left::running : Left::to_its_runner;
            }
            serve_publishers(chain);
        }
        chain.resume_all();
        Handlers<T>::disown(dead);
        return left;
    }

    // Disconnects subscribers that are over their soft limit for too long; returns how many.
    std::size_t do_what_is_due() noexcept RUNNEL_EXCLUDES(mutex) {
        Disposal<Entry> disposal;
        WakeChain chain;
        std::size_t count = 0;
        {
            const Lock lock{mutex};
            count = seats.disconnect_now(log, clock);
            if (count != 0) update_reach();
            log.trim(disposal);
            links.visit([&](Link& link) { count += link.inbox->do_what_is_due(chain) ? 1U : 0U; });
        }
        chain.resume_all();
        return count;
    }

    [[nodiscard]] std::size_t subscribers() const noexcept RUNNEL_REQUIRES(mutex) {
        return seats.size() + handlers.size() + inboxes();
    }
    // The ways to those that were not disconnected. Linear.
    [[nodiscard]] std::size_t inboxes() const noexcept RUNNEL_REQUIRES(mutex) {
        std::size_t count = 0;
        links.visit([&](const Link& link) { count += link.inbox->is_connected() ? 1U : 0U; });
        return count;
    }

    // Not counting those who have come by a pattern.
    [[nodiscard]] bool has_direct_subscribers() const noexcept RUNNEL_REQUIRES(mutex) {
        const auto is_connected = [](const Owner<Link>& link) {
            return link->inbox->is_connected();
        };
        return seats.size() + handlers.size() != 0 ||
               std::ranges::any_of(links.direct(), is_connected);
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
    WaitQueue watchers RUNNEL_GUARDED_BY(mutex);  // for subscribers
    WaitQueue leavers RUNNEL_GUARDED_BY(mutex);   // for the end of a handler
    bool closed RUNNEL_GUARDED_BY(mutex) = false;
    // Whether a publisher may wait for readers or handlers; see Seat::tell_position(),
    // begin_with().
    std::atomic<bool> has_publishers = false;
    SpinBudget spin;

private:
    // Carries out `request` or, if it may wait, puts it into line; true: so it did.
    template <typename Kind>
    [[nodiscard]] bool stands_in_line(Kind& request, WaitQueue ChannelState::*queue, bool may_wait,
                                      std::optional<ChannelNode<T>>& node) RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        if (request.attempt(*this) != Served::no) return false;
        if (!may_wait) {
            request.set_end(WaitEnd::timed_out);
            return false;
        }
        if (queue == &ChannelState::publishers) {
            // First it is said that a publisher waits, and then looked once more how far readers
            // and handlers are: see Seat::tell_position() and begin_with().
            note_publishers(true);
            if (request.attempt(*this) != Served::no) {
                note_publishers();
                return false;
            }
        }
        (this->*queue).insert(node.emplace(request, *this));
        return true;
    }

    [[nodiscard]] bool goes_into_log(CallsDirectly calls) const noexcept RUNNEL_REQUIRES(mutex) {
        if (seats.size() != 0 || !links.empty()) return true;
        return handlers.size() != 0 && (is_running_ || calls == CallsDirectly::no);
    }

    std::size_t deliver(std::size_t bytes, WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        if (links.empty()) [[likely]]
            return 0;
        std::size_t count = 0;
        const auto message = log.entries().last();
        links.visit([&](Link& link) {
            if (link.inbox->deliver(link, message, bytes, chain)) ++count;
        });
        return count;
    }

    void begin_run(Sent<T>& sent, bool is_logged) noexcept RUNNEL_REQUIRES(mutex) {
        is_running_ = sent.runs_handlers = true;
        const std::uint64_t handled = is_logged ? sent.number - 1 : sent.number;
        handled_.store(handled, std::memory_order_relaxed);
        if (unhandled_.position().seq != handled) unhandled_.reset(ChannelLog<T>::id(handled));
        if (is_logged) return;
        sent.first = handlers.first();
        sent.last = handlers.last();
    }

    // What the runner of the handlers takes from under the lock.
    struct Batch {
        PinnedSlots<Entry> messages{};
        Handler<T>* first = nullptr;
        Handler<T>* last = nullptr;
        Handler<T>* dead = nullptr;  // when the run ends
    };

    // Runs the handlers with some of what was left to them. False: nothing was, and the run is
    // over; this state may be gone.
    [[nodiscard]] bool run_next_batch() noexcept RUNNEL_EXCLUDES(mutex) {
        Batch batch;
        WakeChain chain;
        {
            const Lock lock{mutex};
            batch = next_batch();
            serve_publishers(chain);
        }
        chain.resume_all();
        if (batch.messages.slots == 0) {
            Handlers<T>::disown(batch.dead);
            return false;
        }
        run_batch(batch);
        return true;
    }

    void run_batch(const Batch& batch) noexcept RUNNEL_EXCLUDES(mutex) {
        LogBlock<Entry>& block = *batch.messages.block;
        for (SlotMask slots = batch.messages.slots; slots != 0; slots &= slots - 1) {
            const std::uint32_t slot = first_slot(slots);
            const std::uint64_t number = block.id(slot).seq;
            begin_with(number);
            if (batch.first != nullptr)
                run_all(batch.first, batch.last, block.value(slot).value, number);
        }
    }

    // Tells the publishers which message is handled. Sequential consistency: of the runner and a
    // publisher who has said that he waits, at least one sees the other.
    void begin_with(std::uint64_t number) noexcept RUNNEL_EXCLUDES(mutex) {
        handled_.store(number, std::memory_order_seq_cst);
        if (has_publishers.load(std::memory_order_seq_cst)) [[unlikely]]
            make_room();
    }

    [[nodiscard]] Batch next_batch() noexcept RUNNEL_REQUIRES(mutex) {
        Batch batch;
        if (unhandled_.position().seq < log.last() && unhandled_.seek(log.entries()))
            batch.messages = unhandled_.take(LogBlock<Entry>::most_slots);
        batch.first = handlers.first();
        batch.last = handlers.last();
        if (batch.messages.slots != 0) return batch;
        is_running_ = false;
        batch.dead = handlers.take_out_dead();
        return batch;
    }

    void run_all(Handler<T>* first, Handler<T>* last, const T& message,
                 std::uint64_t number) noexcept RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        handlers.run_all(first, last, message, number,
                         [this](Handler<T>& dead) { after_death_of(dead); });
    }

    // Of a handler that was disconnected while it ran, or just before.
    void after_death_of(Handler<T>& handler) noexcept RUNNEL_EXCLUDES(mutex) {
        WakeChain chain;
        bool drops = false;
        {
            const Lock lock{mutex};
            drops = std::exchange(handler.is_left_to_runner, false);
            ask_all(leavers, chain);
        }
        chain.resume_all();
        if (drops) handler.drop();
    }

    void widen_reach(const Reach& reach) noexcept RUNNEL_REQUIRES(mutex) {
        reach_.messages = std::max(reach_.messages, reach.messages);
        reach_.bytes = std::max(reach_.bytes, reach.bytes);
        log.keep(reach_);
    }
    void update_reach() noexcept RUNNEL_REQUIRES(mutex) {
        reach_ = seats.reach();
        if (handlers.size() != 0) widen_reach({handlers.greatest_bound()});
        log.keep(reach_);
    }

    // In the order in which they came: the first one that has no room holds up the others.
    void serve_publishers(WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        bool any = false;
        while (!publishers.empty() && ask(publishers, *publishers.first(), chain)) any = true;
        // The others keep their places, but one who publishes inside a handler must not wait for
        // it.
        if (!publishers.empty() && are_handlers_behind()) ask_all(publishers, chain);
        if (any) ask_all(readers, chain);
        note_publishers();
    }

    void note_publishers(bool one_more = false) noexcept RUNNEL_REQUIRES(mutex) {
        const bool any = one_more || !publishers.empty();
        if (has_publishers.load(std::memory_order_relaxed) != any)
            has_publishers.store(any, std::memory_order_seq_cst);
    }

    Reach reach_ RUNNEL_GUARDED_BY(mutex){0, 0};
    // Of the handlers: whether somebody runs them, and what he has got to.
    bool is_running_ RUNNEL_GUARDED_BY(mutex) = false;
    std::uint64_t handlers_bound_ RUNNEL_GUARDED_BY(mutex) = 0;
    LogCursor<Entry> unhandled_ RUNNEL_GUARDED_BY(mutex);
    std::atomic<std::uint64_t> handled_ = 0;  // written by the runner
};

}  // namespace runnel::inline v0::detail
