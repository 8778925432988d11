// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/ack.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/dead_letters.hpp>
#include <runnel/deduplicator.hpp>
#include <runnel/delivery_policy.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/forced_unwind.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>
#include <runnel/handled.hpp>
#include <runnel/histogram.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/stream_id.hpp>
#include <runnel/worker/backend.hpp>
#include <runnel/worker/group_backend.hpp>
#include <runnel/worker/job.hpp>
#include <runnel/worker/key_order.hpp>
#include <runnel/worker/once.hpp>
#include <runnel/worker/seat.hpp>
#include <runnel/worker/ticker.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace runnel::inline v0 {

/// A handler that takes long.
struct SlowHandler {
    std::string_view worker;         ///< the name of the Worker
    StreamId id;                     ///< of the entry
    std::chrono::nanoseconds since;  ///< how long it has run
    std::source_location where;      ///< where the Worker was made
};

template <Message T>
struct WorkerOptions {
    /// The name of its consumers: of the first thread `name`, of the next one `name-2`, …
    std::string name = "worker";
    DeliveryPolicy policy{};
    /// Where entries go that were delivered too often or that a handler rejects. Without it they
    /// are acknowledged, and WorkerStats::dropped counts them.
    std::optional<DeadLetters<T>> dead_letters{};
    /// Needed for Guarantee::effectively_once, and only there: see once_by().
    Once<T> once{};
    /// If set, entries of equal key are handled one at a time, in their order: see order_by().
    KeyOrder<T> order{};
    /// Is told of each handler that runs for longer than DeliveryPolicy::slow_after, once: by
    /// whoever runs the clock, at the latest when it has run for twice as long; or by its own
    /// thread, if it ends before. It must not throw.
    std::function<void(const SlowHandler&)> on_slow{};
    /// Is told what a backend threw, by the thread that it was thrown in. It must not throw.
    std::function<void(std::string_view)> on_error{};
};

/// A snapshot of what a Worker has done since it was made. The counts are of deliveries.
struct WorkerStats {
    std::uint64_t processed = 0;       ///< handled, and acknowledged
    std::uint64_t failed = 0;          ///< attempts that threw, or did not say that they are done
    std::uint64_t retried = 0;         ///< of them, those that were given back for another attempt
    std::uint64_t dead_lettered = 0;   ///< that went to the dead letters
    std::uint64_t dropped = 0;         ///< the same, where there are no dead letters
    std::uint64_t duplicates = 0;      ///< acknowledged without the handler: their key was marked
    std::uint64_t stale = 0;           ///< that another consumer had taken meanwhile
    std::uint64_t handed_back = 0;     ///< given back as if they had not been read
    std::uint64_t errors = 0;          ///< calls of the backend that threw
    std::uint64_t in_flight = 0;       ///< read, and not finished, now
    std::uint64_t most_in_flight = 0;  ///< the most of one thread so far, summed over the threads
    std::size_t threads = 0;           ///< that run it now
    HistogramSnapshot latency{};       ///< how long the handler took
};

/// How a Worker came to rest.
struct Stopped {
    bool in_time = true;      ///< all threads left within DeliveryPolicy::stop_within
    std::size_t running = 0;  ///< if not, how many are still in their handlers
    explicit operator bool() const noexcept { return in_time; }
};

/// Runs a handler over the entries of a consumer group: with retries, dead letters and recovery, as
/// a DeliveryPolicy says.
///
///     runnel::Worker<Order> till{orders, "billing", [](const Order& order) { charge(order); },
///                                {.policy = {.deliveries = 5}, .dead_letters = letters}};
///     till.start();   // threads of its own; or till.run(stop) in this one
///
/// The handler takes a `const T&` or a Job&, and returns nothing or a Handled; one that could take
/// either, as with `auto&`, gets the value. If it throws, that attempt has failed. A handler that
/// throws nothing but ends its thread, or hangs for longer than the lease, fails as well: what
/// counts is how often the entry was delivered.
///
/// Thread safety: every member may be called from any thread at any time, except the destructor;
/// stop() and the destructor must not be called by a handler. The handler is called by several
/// threads at once if there are several.
template <Message T, WorkerBackend Backend = GroupBackend<T>>
class Worker {
    using Consumer = typename Backend::Consumer;
    using Batch = typename Consumer::Batch;
    using Delivery = typename Consumer::Delivery;
    using Seat = detail::WorkerSeat;
    using Moment = Clock::Deadline;

public:
    using Job = runnel::Job<Consumer>;
    using Options = WorkerOptions<T>;

    /// Over the group of that name, which is made if there is none. Runs nothing yet.
    ///
    /// Throws: Error{invalid_argument} that names what is wrong with the options.
    template <typename Handler>
    Worker(const Stream<T>& stream, std::string_view group, Handler handler, Options options = {},
           std::source_location where =
               std::source_location::current()) requires std::same_as<Backend, GroupBackend<T>>
        : Worker{Backend{stream, group, checked_alone(options).dead_letters}, std::move(handler),
                 std::move(options), where} {}

    /// Over a backend of your own.
    template <typename Handler>
    Worker(Backend backend, Handler handler, Options options = {},
           std::source_location where = std::source_location::current())
        : where_{where},
          backend_{std::move(backend)},
          clock_{backend_.clock()},
          options_{checked(std::move(options))},
          buries_{backend_.has_dead_letters()},
          handler_{handler_of(std::move(handler))},
          gate_{{.capacity = 1, .clock = &clock_}},
          left_{{.capacity = 1, .clock = &clock_}} {}

    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Stops it, and waits for the handlers of its own threads, however long they take. Threads of
    /// others must have left run().
    ~Worker() {
        ask_to_leave();
        threads_.clear();
        manual_threads_.clear();
        ticker_.reset();
        RUNNEL_EXPECT(seated_.load(std::memory_order_acquire) == 0,
                      "a Worker is destroyed while a thread is in run()", detail::Caller{});
    }

    // ------------------------------------------------------------------ running

    /// Handles entries in the calling thread. Returns when it is to stop, or when nothing can come
    /// any more: the stream is closed and nothing is pending, or the group was removed and the
    /// policy says that this is the end. May run in several threads at once.
    ///
    /// Throws: Error{clock_not_run} if the policy has `extend_up_to` or `slow_after`, and nobody
    /// runs the clock: see Runner; std::bad_alloc. What the backend throws, `on_error` is told.
    // NOLINTNEXTLINE(performance-unnecessary-value-param)
    void run(std::stop_token stop = {}) {
        if (watches()) begin_to_watch();
        SeatHolder holder{*this};
        const std::stop_callback on_stop{stop, [&]() noexcept { holder.seat.leave(); }};
        if (is_stopped_.load(std::memory_order_acquire)) return;
        Turner turner{*this, holder.seat};
        turner.run();
    }

    /// Starts DeliveryPolicy::threads threads that run() it. To be called once.
    ///
    /// Throws: as run(); Error{invalid_argument} if it was called before; std::system_error if the
    /// system starts no thread.
    void start() {
        expect_no_threads();
        if (watches()) begin_to_watch();
        for (std::size_t count = options_.policy.threads; count != 0; --count)
            threads_.emplace_back([this] { run(); });
    }
    /// The same for a test, with threads that the clock knows.
    void start(ManualClock& clock) {
        expect_no_threads();
        if (watches()) begin_to_watch();
        for (std::size_t count = options_.policy.threads; count != 0; --count)
            manual_threads_.push_back(clock.thread(options_.name, [this] { run(); }));
    }

    /// Nothing new is begun. Entries that were read and not begun are handed back, and handlers
    /// that run see it by Job::stop(). Waits until all threads have left run(), but no longer than
    /// DeliveryPolicy::stop_within. It cannot be started again.
    Stopped stop() {
        ask_to_leave();
        const Moment deadline = detail::later(clock_.now(), options_.policy.stop_within);
        for (;;) {
            const std::size_t running = seated_.load(std::memory_order_acquire);
            if (running == 0) {
                (void)left_.try_push_back(0);  // for others who wait here
                return {};
            }
            const auto left = std::max(deadline - clock_.now(), Moment::duration{0});
            if (!left_.pop_front({.timeout = left}) && left_.closed()) return {};
            if (left == Moment::duration{0}) return {false, running};
        }
    }

    /// Nothing new is begun until resume(). Entries that were read and not begun are handed back.
    void pause() {
        is_paused_.store(true, std::memory_order_release);
        for_each_seat([](Seat& seat) { seat.interrupt(); });
    }
    void resume() {
        is_paused_.store(false, std::memory_order_release);
        (void)gate_.try_push_back(0);
    }

    // ------------------------------------------------------------------ seeing

    [[nodiscard]] WorkerStats stats() const {
        WorkerStats all;
        const detail::Lock lock{mutex_};
        for (const auto& seat : seats_) {
            const detail::WorkerCounts& counts = seat->counts;
            all.processed += counts.processed.value();
            all.failed += counts.failed.value();
            all.retried += counts.retried.value();
            all.dead_lettered += counts.dead_lettered.value();
            all.dropped += counts.dropped.value();
            all.duplicates += counts.duplicates.value();
            all.stale += counts.stale.value();
            all.handed_back += counts.handed_back.value();
            all.errors += counts.errors.value();
            all.in_flight += counts.in_flight.value();
            all.most_in_flight += counts.most_in_flight.value();
            all.latency += counts.latency.snapshot();
            all.threads += seat->is_taken ? 1 : 0;
        }
        return all;
    }

    [[nodiscard]] const DeliveryPolicy& policy() const noexcept { return options_.policy; }
    [[nodiscard]] Backend& backend() noexcept { return backend_; }

private:
    // Nothing is done again and again without a pause.
    static constexpr std::chrono::nanoseconds shortest = std::chrono::milliseconds{1};

    // ---- what it was made with

    void expect_no_threads() const {
        if (!threads_.empty() || !manual_threads_.empty()) refuse("start() was called before");
    }
    [[noreturn]] static void refuse(const char* why) {
        throw Error{ErrorCode::invalid_argument, std::string{"Worker: "} + why};
    }
    // What needs no backend.
    static const Options& checked_alone(const Options& options) {
        options.policy.check();
        if (options.name.empty()) refuse("the name is empty");
        const bool once = options.policy.guarantee == Guarantee::effectively_once;
        if (once && !options.once)
            refuse("the guarantee is effectively_once, but `once` is not set: see once_by()");
        if (!once && options.once)
            refuse("`once` is set, but the guarantee is not effectively_once");
        // NOLINTNEXTLINE(bugprone-return-const-ref-from-parameter)
        return options;
    }
    Options checked(Options options) {
        (void)checked_alone(options);
        if (options.order && !backend_.features().delays)
            refuse("`order` is set, but the backend has no delays");
        if (options.dead_letters && !backend_.has_dead_letters())
            refuse("`dead_letters` is set, but the backend does not use it");
        return options;
    }

    template <typename Handler>
    static std::function<Handled(Job&)> handler_of(Handler handler) {
        // Shared, as std::function copies.
        auto shared = std::make_shared<Handler>(std::move(handler));
        return [shared](Job& job) -> Handled {
            const auto call = [&]() -> decltype(auto) {
                if constexpr (std::invocable<Handler&, const T&>)
                    return (*shared)(job.value());
                else
                    return (*shared)(job);
            };
            if constexpr (std::is_void_v<decltype(call())>) {
                call();
                return Handled::done();
            } else {
                return call();
            }
        };
    }

    // ---- seats

    struct GiveTurn {
        ~GiveTurn() { (void)turn.try_push_back(0); }

        const BlockingList<char>& turn;
    };
    struct SeatHolder {
        explicit SeatHolder(Worker& of) : worker{of}, seat{of.sit_down()} {}
        SeatHolder(const SeatHolder&) = delete;
        SeatHolder& operator=(const SeatHolder&) = delete;
        ~SeatHolder() { worker.stand_up(seat); }

        Worker& worker;
        Seat& seat;
    };

    Seat& sit_down() {
        std::stop_source reading;
        std::stop_source leaving;
        const detail::Lock lock{mutex_};
        auto free = std::ranges::find_if(seats_, [](const auto& seat) { return !seat->is_taken; });
        if (free == seats_.end()) {
            seats_.push_back(std::make_unique<Seat>(seats_.size()));
            free = seats_.end() - 1;
        }
        Seat& seat = **free;
        seat.take(std::move(reading), std::move(leaving));
        seat.is_taken = true;
        seated_.fetch_add(1, std::memory_order_relaxed);
        return seat;
    }
    void stand_up(Seat& seat) noexcept {
        seat.counts.in_flight.set(0);
        const BlockingList<char> left = left_;
        {
            const detail::Lock lock{mutex_};
            seat.is_taken = false;
        }
        seated_.fetch_sub(1, std::memory_order_release);  // from here on the Worker may be gone
        try {
            (void)left.try_push_back(0);  // one is enough: stop() counts anew
        } catch (const std::bad_alloc&) {
            left.close();  // stop() looks at the count then
        }
    }

    // Calls function(seat) without the lock: seats stay where they are, as long as the Worker is.
    template <typename Function>
    void for_each_seat(Function function) {
        for (std::size_t index = 0;; ++index) {
            Seat* seat = nullptr;
            {
                const detail::Lock lock{mutex_};
                if (index == seats_.size()) return;
                seat = seats_[index].get();
            }
            function(*seat);
        }
    }

    void ask_to_leave() noexcept {
        is_stopped_.store(true, std::memory_order_release);
        for_each_seat([](Seat& seat) { seat.leave(); });
    }

    // ---- handlers that take long

    [[nodiscard]] bool extends() const noexcept {
        return options_.policy.extend_up_to > std::chrono::nanoseconds{0};
    }
    [[nodiscard]] bool watches() const noexcept {
        return extends() || options_.policy.slow_after > std::chrono::nanoseconds{0};
    }
    [[nodiscard]] bool is_slow(std::chrono::nanoseconds since) const {
        const auto limit = options_.policy.slow_after.nanoseconds();
        return options_.on_slow && limit > std::chrono::nanoseconds{0} && since >= limit;
    }
    void begin_to_watch() {
        std::unique_ptr<detail::Ticker> made;  // is destroyed after the lock, if it is one too many
        auto period = options_.policy.lease.nanoseconds() / 3;
        if (options_.policy.slow_after > std::chrono::nanoseconds{0})
            period = std::min(period, options_.policy.slow_after.nanoseconds());
        period = std::max(period, shortest);
        {
            const detail::Lock lock{mutex_};
            if (ticker_ != nullptr) return;
        }
        made = std::make_unique<detail::Ticker>(clock_, period, [this] { look_at_handlers(); });
        const detail::Lock lock{mutex_};
        if (ticker_ == nullptr) ticker_ = std::move(made);
    }
    void look_at_handlers() {
        std::vector<SlowHandler> slow;
        const auto& policy = options_.policy;
        for_each_seat([&](Seat& seat) {
            seat.look_at_running([&](detail::RunningHandler& handler) {
                const auto since = clock_.now() - handler.begun;
                if (since < policy.extend_up_to.nanoseconds()) handler.extend();
                if (handler.is_told_of || !is_slow(since)) return;
                slow.push_back({options_.name, handler.id, since, where_});
                handler.is_told_of = true;
            });
        });
        for (const SlowHandler& handler : slow) options_.on_slow(handler);
    }

    // ---- one thread

    // What one thread does from run() to its end.
    class Turner {
    public:
        Turner(Worker& worker, Seat& seat)
            : worker_{worker},
              policy_{worker.options_.policy},
              clock_{worker.clock_},
              seat_{seat},
              counts_{seat.counts},
              name_{seat.index() == 0
                        ? worker.options_.name
                        : worker.options_.name + '-' + std::to_string(seat.index() + 1)},
              leaving_{seat.leaving().get_token()},
              never_{{.clock = &clock_}} {}

        RUNNEL_CATCHES_FORCED_UNWIND void run() {
            std::uint64_t errors = 0;  // in a row
            while (!leaving_.stop_requested()) {
                try {
                    if (!consumer_) consumer_.emplace(worker_.backend_.consumer(name_));
                    if (!go_through_a_batch()) return;
                    errors = 0;
                    continue;
                } catch (const detail::ForcedUnwind&) {
                    throw;
                } catch (const std::exception& error) {
                    tell(error.what());
                } catch (...) {
                    tell("something that is no std::exception");
                }
                rest(errors++);
            }
        }

    private:
        // False: nothing can come any more.
        bool go_through_a_batch() {
            if (worker_.is_paused()) {
                wait_until_resumed();
                return true;
            }
            const Batch batch = read();
            if (reaps() && (batch || batch.ending() == Ending::timed_out)) reap();
            if (batch) {
                handle_all(batch);
                return true;
            }
            switch (batch.ending()) {
            case Ending::timed_out:
                return true;
            case Ending::stopped:  // by a pause that may be over already
                seat_.go_on([&] { return worker_.is_paused(); });
                return true;
            case Ending::gone:
                return begin_again();
            default:
                return false;
            }
        }

        Batch read() {
            const std::size_t share = policy_.in_flight / policy_.threads;
            WorkerRead what{std::clamp<std::size_t>(share, 1, policy_.batch),
                            policy_.lease,
                            {},
                            seat_.reading().get_token()};
            if (reaps()) what.timeout = policy_.reap_after;
            return is_ordered() ? read_in_turn(what) : consumer_->read(what);
        }

        // One thread at a time, so that the entries of a key come to their lane in their order.
        Batch read_in_turn(WorkerRead& what) {
            const BlockingList<char>& turn = worker_.options_.order.turn(clock_);
            if (!turn.pop_front({.stop = what.stop})) return Ending::stopped;
            const GiveTurn give_turn{turn};
            leave_those_that_are_gone();
            if (!reaps()) what.timeout = policy_.lease;
            Batch batch = consumer_->read(what);
            waits_.assign(batch.size(), false);
            std::size_t index = 0;
            for (const auto& delivery : batch) {
                waits_[index++] = !enters_lane(delivery);
            }
            return batch;
        }

        // False: the entry was put aside, or its key threw.
        bool enters_lane(const Delivery& delivery) {
            try {
                auto* const lane = lanes().enter(delivery.id, delivery.value);
                if (lane == nullptr) return true;
                put_aside(*lane, delivery);
            } catch (const detail::ForcedUnwind&) {
                throw;
            } catch (const std::bad_alloc&) {
                throw;
            } catch (const std::exception& error) {
                finish(delivery, Handled::retry(std::string{"its key: "} + error.what()));
            }
            return false;
        }

        void put_aside(typename detail::KeyLanes<T>::Lane& lane, const Delivery& delivery) {
            const StreamId id = delivery.id;
            // Not for ever: if nobody makes it ready, it comes again.
            (void)consumer_->nack(delivery, Nack::silent, policy_.lease);
            if (lanes().put_aside(lane, id)) make_ready(id);
        }
        void make_ready(StreamId id) {
            for (std::optional<StreamId> next = id; next && !worker_.backend_.make_ready(*next);)
                next = lanes().leave(*next);  // it was acknowledged by others
        }
        // The entry is done or dead, or somebody else has ended it.
        void leave_lane(StreamId id) {
            if (!is_ordered()) return;
            if (const auto next = lanes().leave(id)) make_ready(*next);
        }
        // What others wait for may have been trimmed, or acknowledged by others.
        void leave_those_that_are_gone() {
            const Moment now = clock_.now();
            if (now - looked_ < policy_.lease.nanoseconds()) return;
            looked_ = now;
            for (const StreamId id : lanes().awaited())
                if (!worker_.backend_.may_come_back(id)) leave_lane(id);
        }

        // Before the handler begins.
        [[nodiscard]] bool is_acknowledged() const noexcept {
            return policy_.guarantee == Guarantee::at_most_once;
        }
        [[nodiscard]] bool is_ordered() const noexcept {
            return static_cast<bool>(worker_.options_.order);
        }
        [[nodiscard]] detail::KeyLanes<T>& lanes() const noexcept {
            return worker_.options_.order.lanes();
        }
        [[nodiscard]] bool reaps() const noexcept {
            return policy_.reap_after > std::chrono::nanoseconds{0};
        }

        void reap() {
            const Moment now = clock_.now();
            if (now - reaped_ < policy_.reap_after.nanoseconds()) return;
            reaped_ = now;
            (void)worker_.backend_.reap(policy_.reap_after);
        }

        bool begin_again() {
            if (policy_.when_gone == WhenGone::end) return false;
            worker_.backend_.make_again();
            consumer_.emplace(worker_.backend_.consumer(name_));
            return true;
        }

        // All that wait here get through one after the other: each puts back what lets it through.
        void wait_until_resumed() {
            if (worker_.gate_.pop_front({.stop = leaving_}) && !worker_.is_paused())
                (void)worker_.gate_.try_push_back(0);
            seat_.go_on([&] { return worker_.is_paused(); });
        }

        void tell(const char* what) {
            counts_.errors += 1;
            if (worker_.options_.on_error) worker_.options_.on_error(what);
        }

        // After a call of the backend that threw.
        void rest(std::uint64_t errors) {
            const auto delay = std::max(policy_.backoff.delay(errors), shortest);
            (void)never_.pop_front({.timeout = delay, .stop = leaving_});
        }

        // ---- entries

        // An entry that was claimed comes last: if it ends this thread, or holds it up, as it may
        // have done before, it takes no others with it.
        void handle_all(const Batch& batch) {
            counts_.most_in_flight.set(
                std::max<std::uint64_t>(counts_.most_in_flight.value(), batch.size()));
            const Moment read_at = clock_.now();
            Moment now = read_at;
            Moment extended_at = read_at;
            const std::size_t first = batch[0].attempt > 1 ? 1 : 0;
            Rest rest{*this, batch, first};
            for (std::size_t left = batch.size(); left != 0; --left) {
                counts_.in_flight.set(left);
                if (leaving_.stop_requested() || worker_.is_paused()) break;
                if (now - extended_at >= policy_.lease.nanoseconds() / 3) {
                    rest.extend();
                    extended_at = now;
                }
                const std::size_t index = rest.take();
                if (!waits(index)) now = handle(batch[index], read_at, now);
            }
        }

        // The entries of a batch that are not begun. Hands them back at the end, also if the thread
        // ends in a handler.
        class Rest {
        public:
            Rest(Turner& of, const Batch& batch, std::size_t first) noexcept
                : turner_{of}, batch_{batch}, next_{first} {}
            Rest(const Rest&) = delete;
            Rest& operator=(const Rest&) = delete;
            ~Rest() {
                try {
                    while (taken_ != batch_.size()) {
                        const std::size_t index = take();
                        if (!turner_.waits(index)) turner_.hand_back(batch_[index]);
                    }
                    // NOLINTNEXTLINE(bugprone-empty-catch)
                } catch (...) {  // they are claimed when their lease is over
                }
                turner_.counts_.in_flight.set(0);
            }

            // They wait for those before them, and are not to be claimed meanwhile.
            void extend() {
                for (std::size_t left = batch_.size() - taken_; left != 0; --left) {
                    const std::size_t index = (next_ + left - 1) % batch_.size();
                    if (!turner_.waits(index)) (void)turner_.consumer_->extend(batch_[index]);
                }
            }

            [[nodiscard]] std::size_t take() noexcept {
                ++taken_;
                return next_++ % batch_.size();
            }

        private:
            Turner& turner_;
            const Batch& batch_;
            std::size_t next_;
            std::size_t taken_ = 0;
        };

        // Whether the entry of the batch was put aside.
        [[nodiscard]] bool waits(std::size_t index) const { return is_ordered() && waits_[index]; }

        void hand_back(const Delivery& delivery) {
            if (consumer_->nack(delivery, Nack::silent, no_time) == Ack::done)
                counts_.handed_back += 1;
        }

        // Returns what time it is then.
        Moment handle(const Delivery& delivery, Moment read_at, Moment now) {
            const bool is_too_late = delivery.attempt > policy_.deliveries;
            if (!is_too_late && !is_still_mine(delivery, read_at, now)) return now;
            if (worker_.options_.once) return handle_once(delivery, is_too_late, now);
            if (is_too_late) return bury_unhandled(delivery), now;
            return run_handler(delivery, now);
        }

        // Entries of a batch wait for those before them, perhaps for longer than their lease.
        bool is_still_mine(const Delivery& delivery, Moment read_at, Moment now) {
            if (is_acknowledged()) {
                const bool is_mine = keeps(consumer_->ack(delivery));
                if (!is_mine) leave_lane(delivery.id);
                return is_mine;
            }
            if (now - read_at < policy_.lease.nanoseconds() / 2) return true;
            return keeps(consumer_->extend(delivery));
        }
        bool keeps(Ack ack) noexcept {
            if (ack != Ack::done) counts_.stale += 1;
            return ack == Ack::done;
        }

        // NOLINTNEXTLINE(readability-function-size)
        Moment handle_once(const Delivery& delivery, bool is_too_late, Moment now) {
            bool is_fresh = false;
            std::optional<Outcome> outcome;
            // Only the handler: its entry is acknowledged after the mark.
            const auto handle = [&] {
                is_fresh = true;
                if (is_too_late) return false;
                outcome = call_timed(delivery, now);
                return outcome->is_done();
            };
            KeyState state = KeyState::fresh;
            try {
                state = worker_.options_.once(delivery.value, std::ref(handle));
            } catch (const detail::ForcedUnwind&) {
                throw;
            } catch (const std::exception& error) {
                if (is_fresh) throw;
                finish(delivery, Handled::retry(std::string{"its key: "} + error.what()));
                return now;
            }
            if (outcome) {
                finish(delivery, *outcome);
                return outcome->ended;
            }
            if (state == KeyState::fresh) bury_unhandled(delivery);
            if (state == KeyState::done && keeps(consumer_->ack(delivery))) {
                counts_.duplicates += 1;
                leave_lane(delivery.id);
            }
            // Another thread is at it now; this is no attempt.
            if (state == KeyState::busy &&
                keeps(consumer_->nack(delivery, Nack::silent,
                                      std::max(policy_.backoff.base.nanoseconds(), shortest))))
                counts_.handed_back += 1;
            return now;
        }

        // As long as a handler runs, its entry is not taken for one that is gone. One that is
        // acknowledged already does not come back: it leaves its lane even if the handler ends the
        // thread.
        class InHandler {
        public:
            InHandler(Turner& of, StreamId id) noexcept : turner_{of}, id_{id} {
                if (turner_.is_ordered()) turner_.lanes().begin_handler(id_);
            }
            InHandler(const InHandler&) = delete;
            InHandler& operator=(const InHandler&) = delete;
            ~InHandler() {
                if (!turner_.is_ordered()) return;
                turner_.lanes().end_handler(id_);
                if (!turner_.is_acknowledged()) return;
                try {
                    turner_.leave_lane(id_);
                    // NOLINTNEXTLINE(bugprone-empty-catch)
                } catch (...) {  // the next look at what is gone finds it
                }
            }

        private:
            Turner& turner_;
            const StreamId id_;
        };

        // What became of a call of the handler.
        struct Outcome {
            Handled handled;
            bool is_forwarded;  // and so acknowledged
            Moment ended;

            [[nodiscard]] bool is_done() const noexcept {
                return is_forwarded || handled.is_done();
            }
        };

        Outcome call_timed(const Delivery& delivery, Moment begun) {
            const InHandler in_handler{*this, delivery.id};
            Job job{*consumer_, delivery, leaving_, is_acknowledged()};
            Handled handled = worker_.watches() ? call_watched(job, delivery, begun) : call(job);
            const Moment ended = clock_.now();
            counts_.latency.record(ended - begun);
            const std::optional<Ack> forwarded = job.forwarded();
            if (forwarded && *forwarded != Ack::done && handled.is_done())
                handled = Handled::retry("forward: " + std::string{to_string(*forwarded)});
            return {std::move(handled), forwarded == Ack::done, ended};
        }

        Moment run_handler(const Delivery& delivery, Moment begun) {
            const Outcome outcome = call_timed(delivery, begun);
            finish(delivery, outcome);
            return outcome.ended;
        }

        // Shows itself to the thread that looks at handlers, as long as it runs.
        class Running final : public detail::RunningHandler {
        public:
            Running(Turner& of, const Delivery& delivery, Moment now) noexcept
                : RunningHandler{delivery.id, now}, turner_{of}, delivery_{delivery} {
                turner_.seat_.set_running(this);
            }
            Running(const Running&) = delete;
            Running& operator=(const Running&) = delete;
            ~Running() { end(); }
            void end() noexcept { turner_.seat_.set_running(nullptr); }
            void extend() noexcept override {
                try {
                    (void)turner_.consumer_->extend(delivery_);
                    // NOLINTNEXTLINE(bugprone-empty-catch)
                } catch (...) {  // the lease may be over then
                }
            }

        private:
            Turner& turner_;
            const Delivery& delivery_;
        };

        Handled call_watched(Job& job, const Delivery& delivery, Moment begun) {
            Running running{*this, delivery, begun};
            Handled handled = call(job);
            running.end();
            const auto since = clock_.now() - begun;
            if (worker_.is_slow(since) && !running.is_told_of)
                worker_.options_.on_slow(
                    {worker_.options_.name, delivery.id, since, worker_.where_});
            return handled;
        }

        RUNNEL_CATCHES_FORCED_UNWIND Handled call(Job& job) {
            try {
                return worker_.handler_(job);
            } catch (const detail::ForcedUnwind&) {
                throw;  // the thread ends: its entries stay pending until they are claimed
            } catch (const std::exception& error) {
                return Handled::retry(error.what());
            } catch (...) {
                return Handled::retry("it threw something that is no std::exception");
            }
        }

        void finish(const Delivery& delivery, const Outcome& outcome) {
            if (!outcome.is_forwarded) return finish(delivery, outcome.handled);
            counts_.processed += 1;
            leave_lane(delivery.id);
        }
        void finish(const Delivery& delivery, const Handled& handled) {
            if (!handled.is_done()) counts_.failed += 1;
            if (is_acknowledged()) {
                if (handled.is_done()) counts_.processed += 1;
                return;
            }
            if (handled.is_done()) {
                if (!keeps(consumer_->ack(delivery))) return;
                counts_.processed += 1;
                return leave_lane(delivery.id);
            }
            if (!handled.is_rejected() && leaving_.stop_requested()) return hand_back(delivery);
            if (handled.is_rejected() || delivery.attempt >= policy_.deliveries)
                return bury(delivery, delivery.attempt, handled.reason());
            const auto after = handled.delay() ? *handled.delay()
                                               : policy_.backoff.delay(delivery.attempt - 1,
                                                                       number_of(delivery.id));
            if (keeps(consumer_->nack(delivery, Nack::fail, after))) counts_.retried += 1;
        }

        // For the lot of its delays.
        [[nodiscard]] static std::uint64_t number_of(const StreamId& id) noexcept {
            constexpr std::uint64_t prime = 1'000'003;
            return id.ms * prime + id.seq;
        }

        void bury_unhandled(const Delivery& delivery) {
            const std::uint64_t attempts = delivery.attempt - 1;
            bury(delivery, attempts,
                 "it was delivered " + std::to_string(attempts) + " times, and never acknowledged");
        }
        void bury(const Delivery& delivery, std::uint64_t attempts, std::string error) {
            if (worker_.buries_) {
                const Burial why{.error = std::move(error), .attempts = attempts};
                const Ack ack = consumer_->bury(delivery, why);
                if (ack == Ack::closed)
                    throw Error{ErrorCode::closed, "Worker: the dead letters are closed"};
                if (!keeps(ack)) return;
                counts_.dead_lettered += 1;
            } else {
                if (!keeps(consumer_->ack(delivery))) return;
                counts_.dropped += 1;
            }
            leave_lane(delivery.id);
        }

        static constexpr std::chrono::nanoseconds no_time{0};

        Worker& worker_;
        const DeliveryPolicy& policy_;
        Clock& clock_;
        Seat& seat_;
        detail::WorkerCounts& counts_;
        const std::string name_;
        const std::stop_token leaving_;
        const BlockingList<char> never_;  // gets no element
        std::optional<Consumer> consumer_;
        std::vector<bool> waits_;  // which entries of the batch wait for others of their key
        Moment looked_{};          // for what is gone
        Moment reaped_{};
    };

    [[nodiscard]] bool is_paused() const noexcept {
        return is_paused_.load(std::memory_order_acquire);
    }

    const std::source_location where_;
    Backend backend_;
    Clock& clock_;
    const Options options_;
    const bool buries_;
    const std::function<Handled(Job&)> handler_;
    const BlockingList<char> gate_;  // has an element when those that were paused may go on
    const BlockingList<char> left_;  // gets one when a thread leaves
    detail::Atomic<bool> is_paused_ = false;
    detail::Atomic<bool> is_stopped_ = false;
    detail::Atomic<std::size_t> seated_ = 0;
    mutable detail::Mutex mutex_;
    std::vector<std::unique_ptr<Seat>> seats_ RUNNEL_GUARDED_BY(mutex_);
    std::unique_ptr<detail::Ticker> ticker_ RUNNEL_GUARDED_BY(mutex_);
    std::vector<std::jthread> threads_;
    std::vector<ManualClock::Thread> manual_threads_;
};

}  // namespace runnel::inline v0
