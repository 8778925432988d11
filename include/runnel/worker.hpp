// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/awaitable.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/delivery_policy.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/error.hpp>
#include <runnel/executor.hpp>
#include <runnel/histogram.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/worker/backend.hpp>
#include <runnel/worker/coroutine.hpp>
#include <runnel/worker/coroutine_loop.hpp>
#include <runnel/worker/group_backend.hpp>
#include <runnel/worker/job.hpp>
#include <runnel/worker/seat.hpp>
#include <runnel/worker/state.hpp>
#include <runnel/worker/thread_loop.hpp>
#include <runnel/worker/ticker.hpp>
#include <runnel/worker_options.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace runnel::inline v0 {

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
    std::size_t threads = 0;           ///< threads and coroutines that run it now
    HistogramSnapshot latency{};       ///< how long the handler took
};

/// How a Worker came to rest.
struct Stopped {
    bool in_time = true;      ///< all threads and coroutines left within stop_within
    std::size_t running = 0;  ///< if not, how many have not left
    explicit operator bool() const noexcept { return in_time; }
};

/// Runs a handler over the entries of a consumer group: with retries, dead letters and recovery, as
/// a DeliveryPolicy says.
///
///     runnel::Worker<Order> till{orders, "billing", [](const Order& order) { charge(order); },
///                                {.policy = {.deliveries = 5}, .dead_letters = letters}};
///     till.start();   // threads of its own; or till.run(stop) in this one; or till.start(pool)
///
/// The handler takes a `const T&` or a Job&, and returns nothing or a Handled; one that could take
/// either, as with `auto&`, gets the value. If it throws, that attempt has failed. A handler that
/// throws nothing but ends its thread, or hangs for longer than the lease, fails as well: what
/// counts is how often the entry was delivered.
///
/// The handler may be a coroutine: a function that returns something that can be awaited and gives
/// nothing or a Handled. What it was given stays valid until then. Such a Worker is started on an
/// executor, and handles DeliveryPolicy::threads entries at a time, without a thread that waits.
///
/// Thread safety: every member may be called from any thread at any time, except the destructor;
/// stop(), async_stop() and the destructor must not be called by a handler. The handler is called
/// by several threads at once if there are several.
template <Message T, WorkerBackend Backend = GroupBackend<T>>
class Worker {
    using Consumer = typename Backend::Consumer;
    using Seat = detail::WorkerSeat;
    using Coroutine = detail::WorkerCoroutine<T, Backend>;

public:
    using Job = runnel::Job<Consumer>;
    using Options = WorkerOptions<T>;

    /// Over the group of that name, which is made if there is none. Runs nothing yet.
    ///
    /// Throws: Error{invalid_argument} that names what is wrong with the options.
    template <typename Handler>
    Worker(const Stream<T>& stream, std::string_view group, Handler handler, Options options = {},
           detail::Caller where = {}) requires std::same_as<Backend, GroupBackend<T>>
        : Worker{Backend{stream, group, checked(options).dead_letters}, std::move(handler),
                 std::move(options), where} {}

    /// Over a backend of your own.
    template <typename Handler>
    Worker(Backend backend, Handler handler, Options options = {}, detail::Caller where = {})
        : state_{where,
                 backend,
                 backend.clock(),
                 checked_for(backend, std::move(options)),
                 backend.has_dead_letters(),
                 typename State::Handler{std::move(handler)},
                 BlockingList<char>{{.capacity = 1, .clock = &backend.clock()}}},
          left_{{.clock = &state_.clock}} {}

    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Stops it, and waits for the handlers of its own threads and coroutines, however long they
    /// take; so the executor must run until then. Threads of others must have left run().
    ~Worker() {
        ask_to_leave();
        threads_.clear();
        manual_threads_.clear();
        if (has_coroutines_) (void)left_.pop_front();
        ticker_.reset();
        RUNNEL_EXPECT(how_many_sit() == 0, "a Worker is destroyed while a thread is in run()",
                      detail::Caller{});
    }

    // ------------------------------------------------------------------ running

    /// Handles entries in the calling thread. Returns when it is to stop, or when nothing can come
    /// any more: the stream is closed and nothing is pending, or the group was removed and the
    /// policy says that this is the end. May run in several threads at once.
    ///
    /// Throws: Error{clock_not_run} if the policy has `extend_up_to` or `slow_after`, and nobody
    /// runs the clock: see Runner; Error{invalid_argument} if the handler is a coroutine;
    /// std::bad_alloc. What the backend throws, `on_error` is told.
    // NOLINTNEXTLINE(performance-unnecessary-value-param)
    void run(std::stop_token stop = {}) {
        prepare_threads();
        Seat* const seat = sit_down();
        if (seat == nullptr) return;
        const StandUp stand_up{*this, *seat};
        const std::stop_callback on_stop{stop, [&]() noexcept { seat->leave(); }};
        detail::WorkerThread<T, Backend>{state_, *seat}.run();
    }

    /// Starts DeliveryPolicy::threads threads that run() it. To be called once.
    ///
    /// Throws: as run(); Error{invalid_argument} if it was called before, or the clock of the
    /// stream is a ManualClock; std::system_error if the system starts no thread.
    void start() {
        if (state_.clock.starts_threads())
            refuse("start() of a Worker on a ManualClock, which has to know the threads: "
                   "start(clock)");
        prepare_threads();
        begin_to_start();
        for (std::size_t count = policy().threads; count != 0; --count)
            threads_.emplace_back([this] { run(); });
    }
    /// The same for a test, with threads that the clock knows: it is that of the stream.
    void start(ManualClock& clock) {
        if (!state_.clock.is_same_as(clock))
            refuse("start(clock) with another clock than that of its stream");
        prepare_threads();
        begin_to_start();
        for (std::size_t count = policy().threads; count != 0; --count)
            manual_threads_.push_back(clock.thread(state_.options.name, [this] { run(); }));
    }

    /// Starts as many coroutines instead, which need no thread while they wait: they go on by
    /// executor.execute(), and call the handler there. Before each batch they let the executor do
    /// what else it has. A coroutine of the handler itself goes on wherever what it awaits says;
    /// when it has ended, its Worker goes on by the executor.
    ///
    /// A handler must not end the thread that it runs in. If nobody runs the clock any more, the
    /// coroutines end.
    ///
    /// Throws: Error{clock_not_run} if nobody runs the clock: see Runner; Error{invalid_argument}
    /// if it was started before, or there is no executor; std::bad_alloc.
    void start(const AnyExecutor& executor) requires AsyncWorkerConsumer<Consumer> {
        if (!executor) refuse("start() with an executor that is none");
        expect_runner();
        if (state_.watches()) begin_to_watch();
        begin_to_start();
        has_coroutines_ = true;
        for (std::size_t count = policy().threads; count != 0; --count) begin_coroutine(executor);
    }

    /// Waits until the threads that start() has started have ended by themselves: see run(). To
    /// drain a stream, close it and call this. To be called by one thread.
    void join() {
        for (std::jthread& thread : threads_)
            if (thread.joinable()) thread.join();
        for (ManualClock::Thread& thread : manual_threads_)
            if (thread.joinable()) thread.join();
    }

    /// Nothing new is begun. Entries that were read and not begun are handed back, and handlers
    /// that run see it by Job::stop(), which they give to their waits. Waits until all threads have
    /// left run(), but no longer than DeliveryPolicy::stop_within. It cannot be started again.
    Stopped stop() {
        ask_to_leave();
        return stopped(left_.pop_front({.timeout = policy().stop_within}).ending());
    }
    /// The same for a coroutine, which waits without a thread:
    ///
    ///     const runnel::Stopped how = co_await mailer.async_stop().on(loop);
    ///
    /// It returns an Awaitable. If nobody runs the clock any more, it ends as if the time were
    /// over. Throws, when it is awaited: Error{clock_not_run}, after it has asked all to leave.
    [[nodiscard]] auto async_stop() {
        using Parts = detail::PartsOfAwaitable;
        auto leaving = left_.async_pop_front({.timeout = policy().stop_within});
        auto recipe = Parts::take_recipe(leaving);
        return Awaitable{StopRecipe<decltype(recipe)>{std::move(recipe), *this},
                         Parts::take_options(leaving)};
    }

    /// Nothing new is begun until resume(). Entries that were read and not begun are handed back.
    void pause() {
        state_.paused.store(true, std::memory_order_release);
        for_each_seat([](Seat& seat) { seat.interrupt(); });
    }
    void resume() {
        state_.paused.store(false, std::memory_order_release);
        (void)state_.gate.try_push_back(0);
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
        }
        all.threads = seated_;
        return all;
    }

    [[nodiscard]] const DeliveryPolicy& policy() const noexcept { return state_.policy(); }
    [[nodiscard]] Backend& backend() noexcept { return state_.backend; }

private:
    using State = detail::WorkerState<T, Backend>;

    // ---- what it was made with

    [[noreturn]] static void refuse(const char* why) {
        throw Error{ErrorCode::invalid_argument, std::string{"Worker: "} + why};
    }
    // What needs no backend.
    static const Options& checked(const Options& options) {
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
    static Options checked_for(Backend& backend, Options options) {
        (void)checked(options);
        if (options.order && !backend.features().delays)
            refuse("`order` is set, but the backend has no delays");
        if (options.dead_letters && !backend.has_dead_letters())
            refuse("`dead_letters` is set, but the backend does not use it");
        return options;
    }

    // ---- starting

    void prepare_threads() {
        if (state_.handler.is_coroutine())
            refuse("its handler is a coroutine: start it on an executor, by start(executor)");
        if (state_.watches()) begin_to_watch();
    }
    void begin_to_start() {
        const detail::Lock lock{mutex_};
        if (std::exchange(is_started_, true)) refuse("start() was called before");
    }
    // Throws: Error{clock_not_run}.
    void expect_runner() const {
        const BlockingList<char> nothing{{.clock = &state_.clock}};
        auto wait = nothing.async_pop_front({.timeout = policy().lease});
        (void)wait.operator co_await();  // throws before it begins to wait
    }
    void begin_coroutine(const AnyExecutor& executor) {
        Seat* const seat = sit_down();
        if (seat == nullptr) return;
        try {
            auto coroutine = std::make_unique<Coroutine>(state_, *seat, executor);
            auto run = coroutine->run();
            run_coroutine(*this, *seat, std::move(coroutine), std::move(run));
        } catch (...) {
            stand_up(*seat);
            throw;
        }
    }
    // What it needs besides its frame is made before: in here nothing may throw.
    static detail::Detached run_coroutine(Worker& self, Seat& seat,
                                          std::unique_ptr<Coroutine> coroutine,
                                          detail::Task<std::monostate> run) {
        (void)co_await run;
        coroutine.reset();
        self.stand_up(seat);
    }

    // ---- seats

    struct StandUp {
        StandUp(Worker& of, Seat& from) noexcept : worker{of}, seat{from} {}
        StandUp(const StandUp&) = delete;
        StandUp& operator=(const StandUp&) = delete;
        ~StandUp() { worker.stand_up(seat); }

        Worker& worker;
        Seat& seat;
    };

    // Null: it was stopped.
    [[nodiscard]] Seat* sit_down() {
        std::stop_source reading;
        std::stop_source leaving;
        const detail::Lock lock{mutex_};
        if (is_stopped_) return nullptr;
        auto free = std::ranges::find_if(seats_, [](const auto& seat) { return !seat->is_taken; });
        if (free == seats_.end()) {
            seats_.push_back(std::make_unique<Seat>(seats_.size()));
            free = seats_.end() - 1;
        }
        Seat& seat = **free;
        seat.take(std::move(reading), std::move(leaving));
        seat.is_taken = true;
        ++seated_;
        return &seat;
    }
    void stand_up(Seat& seat) noexcept {
        seat.counts.in_flight.set(0);
        const BlockingList<char> left = left_;
        bool is_last = false;
        {
            const detail::Lock lock{mutex_};
            seat.is_taken = false;
            is_last = --seated_ == 0 && is_stopped_;
        }  // from here on the Worker may be gone
        if (is_last) left.close();
    }
    [[nodiscard]] std::size_t how_many_sit() const noexcept {
        const detail::Lock lock{mutex_};
        return seated_;
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
        {
            const detail::Lock lock{mutex_};
            is_stopped_ = true;
        }
        for_each_seat([](Seat& seat) { seat.leave(); });
        if (how_many_sit() == 0) left_.close();
    }
    // After the wait for all to leave.
    [[nodiscard]] Stopped stopped(Ending ending) const noexcept {
        if (ending == Ending::closed) return {};
        const std::size_t running = how_many_sit();
        return {running == 0, running};
    }

    // The wait for all to leave, without a thread.
    template <typename Leaving>
    struct StopRecipe : Leaving {
        class Request : public Leaving::Request {
        public:
            explicit Request(const StopRecipe& recipe)
                : Leaving::Request{recipe}, worker_{recipe.worker} {
                worker_.ask_to_leave();
            }
            [[nodiscard]] Stopped result() const { return worker_.stopped(this->ending()); }

        private:
            Worker& worker_;
        };

        Worker& worker;
    };

    // ---- handlers that take long

    void begin_to_watch() {
        std::unique_ptr<detail::Ticker> made;  // is destroyed after the lock, if it is one too many
        {
            const detail::Lock lock{mutex_};
            if (ticker_ != nullptr) return;
        }
        made = std::make_unique<detail::Ticker>(state_.clock, state_.watch_period(),
                                                [this] { look_at_handlers(); });
        const detail::Lock lock{mutex_};
        if (ticker_ == nullptr) ticker_ = std::move(made);
    }
    void look_at_handlers() {
        std::vector<SlowHandler> slow;
        for_each_seat([&](Seat& seat) {
            seat.look_at_running([&](detail::RunningHandler& handler) {
                const auto since = state_.clock.now() - handler.begun;
                if (since < policy().extend_up_to.nanoseconds()) handler.extend();
                if (handler.is_told_of || !state_.is_slow(since)) return;
                slow.push_back(
                    {state_.options.name, handler.id, since, state_.where.file, state_.where.line});
                handler.is_told_of = true;
            });
        });
        for (const SlowHandler& handler : slow) state_.options.on_slow(handler);
    }

    State state_;
    const BlockingList<char> left_;  // gets no element; closed when it was stopped, and all left
    mutable detail::Mutex mutex_;
    bool is_started_ RUNNEL_GUARDED_BY(mutex_) = false;
    bool is_stopped_ RUNNEL_GUARDED_BY(mutex_) = false;
    std::size_t seated_ RUNNEL_GUARDED_BY(mutex_) = 0;
    std::vector<std::unique_ptr<Seat>> seats_ RUNNEL_GUARDED_BY(mutex_);
    std::unique_ptr<detail::Ticker> ticker_ RUNNEL_GUARDED_BY(mutex_);
    bool has_coroutines_ = false;
    std::vector<std::jthread> threads_;
    std::vector<ManualClock::Thread> manual_threads_;
};

}  // namespace runnel::inline v0
