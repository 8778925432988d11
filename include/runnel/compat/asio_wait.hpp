// SPDX-License-Identifier: MIT

// What <runnel/compat/asio.hpp> and <runnel/compat/boost_asio.hpp> offer, each in a namespace of
// its own. It is included by these two, so it has no guard: they say by macros which Asio it is.
#if !defined(RUNNEL_ASIO_)
#    include <runnel/compat/asio.hpp>
#else

#    include <runnel/abstract_clock.hpp>
#    include <runnel/awaitable.hpp>
#    include <runnel/detail/base/annotations.hpp>
#    include <runnel/detail/base/atomic.hpp>
#    include <runnel/detail/base/forced_unwind.hpp>
#    include <runnel/detail/base/futex.hpp>
#    include <runnel/detail/base/linked.hpp>
#    include <runnel/detail/base/mutex.hpp>
#    include <runnel/detail/wait/operation.hpp>
#    include <runnel/detail/wait/system_clock.hpp>
#    include <runnel/detail/wait/timers.hpp>
#    include <runnel/detail/wait/wait_queue.hpp>
#    include <runnel/executor.hpp>
#    include <runnel/outcome.hpp>
#    include <runnel/runner.hpp>

#    include <chrono>
#    include <concepts>
#    include <cstdint>
#    include <exception>
#    include <memory>
#    include <optional>
#    include <type_traits>
#    include <utility>

namespace runnel::inline v0::RUNNEL_WITH_ASIO_ {

namespace detail {

namespace asio = RUNNEL_ASIO_;
using namespace runnel::detail;

// ---------------------------------------------------------------------- of one execution context

// A wait that has begun, and that nobody has begun to complete.
struct OpenWait {
    explicit OpenWait(void (*how)(OpenWait&) noexcept) noexcept : destroy{how} {}

    void (*destroy)(OpenWait&) noexcept;
    bool is_listed = false;  // this and the links are guarded by the mutex of its OpenWaits
    OpenWait* previous = nullptr;
    OpenWait* next = nullptr;
};

// A Runner whose timer is one of this context.
class Alarm;

// Knows the waits that are open in a context, as that may go before they have ended: then it
// destroys them, and their handlers are not called.
class OpenWaits final : public asio::execution_context::service {
public:
    inline static asio::execution_context::id id;

    explicit OpenWaits(asio::execution_context& context) : service{context} {}

    void add(OpenWait& wait) noexcept RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        wait.is_listed = true;
        waits_.push_back(wait);
    }
    void remove(OpenWait& wait) noexcept RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        (void)take(wait);
    }

    // For a thread that has ended `wait`. True: it may complete the wait, and the context stays
    // until it calls end_departure(). False: the context goes, and destroys the wait.
    [[nodiscard]] bool begin_departure(OpenWait& wait) noexcept RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        if (!take(wait)) return false;
        departures_.fetch_add(1, std::memory_order_relaxed);
        return true;
    }
    void end_departure() noexcept RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        if (departures_.fetch_sub(1, std::memory_order_relaxed) == 1 && is_going_)
            futex_wake_one(departures_);
    }

    void add(Alarm& alarm) noexcept RUNNEL_EXCLUDES(mutex_);
    void remove(Alarm& alarm) noexcept RUNNEL_EXCLUDES(mutex_);
    // After a wait with a time-out: its timer need not keep the context at work any more.
    void stop_idle_alarms() noexcept RUNNEL_EXCLUDES(mutex_);

private:
    [[nodiscard]] bool take(OpenWait& wait) noexcept RUNNEL_REQUIRES(mutex_) {
        if (!std::exchange(wait.is_listed, false)) return false;
        waits_.remove(wait);
        return true;
    }

    void shutdown() noexcept override RUNNEL_EXCLUDES(mutex_) {
        LinkedList<OpenWait> left;
        {
            const Lock lock{mutex_};
            is_going_ = true;
            left.swap(waits_);
            for (OpenWait* wait = left.first(); wait != nullptr; wait = wait->next)
                wait->is_listed = false;
        }
        while (OpenWait* const wait = left.pop_front()) wait->destroy(*wait);
        while (const std::uint32_t count = count_departures()) futex_wait(departures_, count);
    }
    // Under the lock: then the thread that has ended the last one touches this no more.
    [[nodiscard]] std::uint32_t count_departures() noexcept RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        return departures_.load(std::memory_order_relaxed);
    }

    Mutex mutex_;
    bool is_going_ RUNNEL_GUARDED_BY(mutex_) = false;
    LinkedList<OpenWait> waits_ RUNNEL_GUARDED_BY(mutex_);
    LinkedList<Alarm> alarms_ RUNNEL_GUARDED_BY(mutex_);
    FutexWord departures_ = 0;  // written under the mutex
};

// Null: the executor does not say which context it is of. Then waits must end before it goes.
template <typename Executor>
[[nodiscard]] asio::execution_context* context_of(const Executor& executor) noexcept {
    using Context = asio::execution::context_as_t<asio::execution_context&>;
    if constexpr (asio::can_query<const Executor&, Context>::value)
        return std::addressof(asio::query(executor, Context{}));
    else if constexpr (requires { asio::use_service<OpenWaits>(executor.context()); })
        return std::addressof(executor.context());
    else
        return nullptr;
}
template <typename Executor>
[[nodiscard]] OpenWaits* open_waits_of(const Executor& executor) {
    asio::execution_context* const context = context_of(executor);
    return context != nullptr ? &asio::use_service<OpenWaits>(*context) : nullptr;
}

// ---------------------------------------------------------------------- one wait

// Its request is always carried out at its place. What is taken without one cannot go back, and a
// wait may be given up even if it was done at once: when its handler is not called.
template <typename Recipe>
struct AtPlace : Recipe {
    explicit AtPlace(Recipe&& recipe) : Recipe(std::move(recipe)) {}

    template <typename Request>
    bool try_now(Request&) = delete;
};

// A publish has work to do in the thread that begins it, if it is done there. Nothing of it goes
// back.
template <typename Recipe>
concept LeavesRest = Recipe::leaves_rest_to_result;

template <typename Recipe>
using Placed = std::conditional_t<LeavesRest<Recipe>, Recipe, AtPlace<Recipe>>;

template <typename Recipe>
using ResultOf = std::decay_t<decltype(std::declval<typename Recipe::Request&>().result())>;

// What a handler gets beside an exception: nothing came, or was done.
template <typename Result>
[[nodiscard]] Result no_result() {
    if constexpr (std::same_as<Result, Push>) {
        return Push::stopped;
    } else if constexpr (std::constructible_from<Result, Ending>) {
        return Result(Ending::stopped);
    } else {
        Result result{};
        if constexpr (requires { result.ending = Push::stopped; }) result.ending = Push::stopped;
        return result;
    }
}

#    if RUNNEL_ASIO_VERSION_ >= 102200
using DefaultAllocator = asio::recycling_allocator<void>;
#    else
using DefaultAllocator = std::allocator<void>;
#    endif

// A wait and its handler. Until it has ended it belongs to nobody: the thread that ends it gives it
// to the executor, or the context destroys it.
template <typename Recipe, typename Handler, typename Fallback>
class PendingWait final : private OpenWait {
    struct Free {
        void operator()(PendingWait* wait) const noexcept { PendingWait::free(*wait); }
    };
    using Owned = std::unique_ptr<PendingWait, Free>;

    using HandlerAllocator = typename asio::associated_allocator<Handler, DefaultAllocator>::type;
    using Allocator =
        typename std::allocator_traits<HandlerAllocator>::template rebind_alloc<PendingWait>;
    using Memory = std::allocator_traits<Allocator>;
    using Executor = typename asio::associated_executor<Handler, Fallback>::type;
    using Result = ResultOf<Recipe>;

    static constexpr bool has_executor_given = !std::same_as<Fallback, asio::system_executor>;

public:
    // Throws: what the allocator throws, or an executor that has to call the handler at once.
    static void begin(Handler&& handler, const Fallback& fallback, Awaitable<Recipe>& awaitable) {
        Owned wait = make(handler, fallback, awaitable);
        WakeChain chain;
        const bool waits = wait->starts(chain);
        if (waits) (void)wait.release();  // it may be gone by now
        chain.resume_all();
        if (waits) return;
        if constexpr (LeavesRest<Recipe>) wait->take_result();
        post(std::move(wait));
    }

private:
    // Ends the wait of a handler whose signal is emitted. Either of the two may go first.
    class Canceller {
    public:
        explicit Canceller(PendingWait& wait) noexcept : wait_{&wait} { wait.canceller_ = this; }
        Canceller(const Canceller&) = delete;
        Canceller& operator=(const Canceller&) = delete;
        ~Canceller() {
            if (wait_ != nullptr) wait_->canceller_ = nullptr;
        }

        template <typename Type>
        void operator()(Type type) const noexcept {
            if (wait_ != nullptr && wait_->operation_ && type != Type::none)
                (void)wait_->operation_->cancel(WaitEnd::stopped);
        }
        void forget() noexcept { wait_ = nullptr; }

    private:
        PendingWait* wait_;
    };

    // What the thread does that has ended a wait, once the wait may have gone.
    class Departure {
    public:
        explicit Departure(PendingWait& wait) noexcept : open_waits_{wait.open_waits_} {
            if (open_waits_ == nullptr || open_waits_->begin_departure(wait)) wait_ = &wait;
        }
        Departure(const Departure&) = delete;
        Departure& operator=(const Departure&) = delete;
        ~Departure() {
            if (wait_ != nullptr && open_waits_ != nullptr) open_waits_->end_departure();
        }

        void operator()() noexcept {
            if (wait_ == nullptr) return;
            try {
                post(Owned{wait_});
                // NOLINTNEXTLINE(bugprone-empty-catch)
            } catch (...) {  // the executor refuses the wait, which is given up
            }
        }

    private:
        OpenWaits* open_waits_;
        PendingWait* wait_ = nullptr;
    };

    struct Next {
        static constexpr bool is_known_to_others = true;

        [[nodiscard]] Departure detach() const noexcept { return Departure{*wait}; }

        PendingWait* wait;
    };

    // What the executor runs. If it is destroyed instead, the wait is given up.
    class Completion {
    public:
        using allocator_type = HandlerAllocator;

        explicit Completion(Owned wait) noexcept
            : allocator_{wait->allocator_}, wait_{std::move(wait)} {}

        [[nodiscard]] allocator_type get_allocator() const noexcept { return allocator_; }
        void operator()() { complete(std::move(wait_)); }

    private:
        [[no_unique_address]] HandlerAllocator allocator_;
        Owned wait_;
    };

    PendingWait(Handler& handler, const Fallback& fallback, const HandlerAllocator& allocator,
                Awaitable<Recipe>& awaitable)
        : OpenWait{destroy_it},
          allocator_{allocator},
          work_{asio::associated_executor<Handler, Fallback>::get(handler, fallback)},
          given_work_{fallback},
          open_waits_{has_executor_given ? open_waits_of(fallback)
                                         : open_waits_of(work_.get_executor())},
          recipe_{PartsOfAwaitable::take_recipe(awaitable)},
          options_{PartsOfAwaitable::take_options(awaitable)},
          handler_(std::move(handler)) {}
    ~PendingWait() {
        if (canceller_ != nullptr) canceller_->forget();
    }

public:
    PendingWait(const PendingWait&) = delete;
    PendingWait& operator=(const PendingWait&) = delete;

private:
    [[nodiscard]] static Owned make(Handler& handler, const Fallback& fallback,
                                    Awaitable<Recipe>& awaitable) {
        const HandlerAllocator of_handler =
            asio::associated_allocator<Handler, DefaultAllocator>::get(handler, {});
        Allocator allocator{of_handler};
        PendingWait* const memory = Memory::allocate(allocator, 1);
        try {
            return Owned{::new (static_cast<void*>(memory))
                             PendingWait(handler, fallback, of_handler, awaitable)};
        } catch (...) {
            Memory::deallocate(allocator, memory, 1);
            throw;
        }
    }
    static void free(PendingWait& wait) noexcept {
        Allocator allocator{wait.allocator_};
        wait.~PendingWait();
        Memory::deallocate(allocator, &wait, 1);
    }
    static void destroy_it(OpenWait& wait) noexcept { free(static_cast<PendingWait&>(wait)); }

    // False: it has ended, or failed. True: it waits, and may have gone.
    [[nodiscard]] bool starts(WakeChain& chain) {
        note_failure([&] {
            connect_slot();
            operation_.emplace(recipe_, options_, Next{this});
        });
        if (failure_ || operation_->is_finished()) return false;
        if (open_waits_ != nullptr) open_waits_->add(*this);
        try {
            if (operation_->start(chain)) return true;
        } catch (...) {  // no code of users has run
            failure_ = std::current_exception();
        }
        if (open_waits_ != nullptr) open_waits_->remove(*this);
        return false;
    }

    // Calls `function`. What it throws is for the handler.
    template <typename Function>
    RUNNEL_CATCHES_FORCED_UNWIND void note_failure(const Function& function) {
        try {
            function();
        } catch (const ForcedUnwind&) {  // a handler of a channel has ended the thread
            throw;
        } catch (...) {
            failure_ = std::current_exception();
        }
    }

    // From then on it has to do with the executor of the handler only: the context that was given
    // may go before the handler has run.
    static void post(Owned wait) {
        const auto given = std::move(wait->given_work_);
        const Executor executor = wait->work_.get_executor();
        asio::post(executor, Completion{std::move(wait)});
    }

    // Frees the memory before the handler is called, which may need as much again.
    static void complete(Owned wait) {
        const auto work = std::move(wait->work_);
        wait->take_result();
        Result result(wait->result_ ? *std::move(wait->result_) : no_result<Result>());
        std::exception_ptr failure = std::move(wait->failure_);
        wait->disconnect_slot();
        if (wait->has_deadline()) stop_idle_alarms(work.get_executor());
        Handler handler(std::move(wait->handler_));
        wait.reset();
        std::move(handler)(std::move(failure), std::move(result));
    }

    // Unless it has failed, or has it already.
    void take_result() {
        if (failure_ || result_) return;
        note_failure([this] {
            operation_->finish();
            result_.emplace(operation_->result());
        });
    }

    [[nodiscard]] bool has_deadline() const noexcept {
        const auto timeout = options_.timeout.duration();
        return timeout && *timeout != std::chrono::nanoseconds{0};
    }
    static void stop_idle_alarms(const Executor& executor) {
        asio::execution_context* const context = context_of(executor);
        if (context != nullptr && asio::has_service<OpenWaits>(*context))
            asio::use_service<OpenWaits>(*context).stop_idle_alarms();
    }

    void connect_slot() {
#    if RUNNEL_ASIO_VERSION_ >= 101900
        auto slot = asio::get_associated_cancellation_slot(handler_);
        if (slot.is_connected()) slot.template emplace<Canceller>(*this);
#    endif
    }
    void disconnect_slot() noexcept {
#    if RUNNEL_ASIO_VERSION_ >= 101900
        if (canceller_ != nullptr) asio::get_associated_cancellation_slot(handler_).clear();
#    endif
    }

    [[no_unique_address]] HandlerAllocator allocator_;
    asio::executor_work_guard<Executor> work_;
    asio::executor_work_guard<Fallback> given_work_;
    OpenWaits* open_waits_;
    Canceller* canceller_ = nullptr;  // in the slot of the handler
    std::exception_ptr failure_;
    Placed<Recipe> recipe_;
    KeptOptions options_;
    Handler handler_;
    std::optional<Operation<Placed<Recipe>, Next>> operation_;
    std::optional<Result> result_;
};

template <typename Executor>
class Initiation {
public:
    using executor_type = Executor;

    explicit Initiation(Executor executor) : executor_(std::move(executor)) {}

    [[nodiscard]] executor_type get_executor() const noexcept { return executor_; }

    template <typename Handler, typename Recipe>
    void operator()(Handler&& handler, Awaitable<Recipe> awaitable) const {
        using Pending = PendingWait<Recipe, std::decay_t<Handler>, Executor>;
        std::decay_t<Handler> own(std::forward<Handler>(handler));
        Pending::begin(std::move(own), executor_, awaitable);
    }

private:
    Executor executor_;
};

// ---------------------------------------------------------------------- time-outs

// A timer that goes off when the Runner has something to do. Functions that a context has may
// outlive it, and know that by a std::weak_ptr.
class Alarm : public std::enable_shared_from_this<Alarm> {
public:
    template <typename Executor>
    Alarm(const Executor& executor, Clock& clock)
        : open_waits_{asio::use_service<OpenWaits>(
              asio::query(executor, asio::execution::context))},
          clock_{clock},
          timer_{executor},
          runner_{clock} {
        open_waits_.add(*this);
    }
    Alarm(const Alarm&) = delete;
    Alarm& operator=(const Alarm&) = delete;
    ~Alarm() { open_waits_.remove(*this); }

    // To be called once. Throws: std::bad_alloc.
    void begin() {
        // Without memory for the request the time-out would not come: then the program ends.
        runner_.on_earlier([this, self = weak_from_this()]() noexcept { request_look(self); });
        request_look(weak_from_this());
    }
    void end() noexcept RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        is_over_ = true;
        timer_.cancel();
    }

    // Cancels the timer if no wait has a deadline.
    void stop_if_idle() noexcept RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        if (is_set_ && !runner_.next_deadline()) cancel();
    }

    Alarm* previous = nullptr;  // in the list of its OpenWaits
    Alarm* next = nullptr;

private:
    void request_look(std::weak_ptr<Alarm> self) {
        if (is_requested_.exchange(true, std::memory_order_acq_rel)) return;
        asio::post(timer_.get_executor(), [self = std::move(self)] {
            if (const auto alarm = self.lock()) alarm->look();
        });
    }

    void look() {
        // What is told from now on is looked at once more.
        is_requested_.exchange(false, std::memory_order_acq_rel);
        runner_.run_due();
        set();
    }

    void set() RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        const auto deadline = runner_.next_deadline();
        if (!deadline || is_over_) return cancel();
        timer_.expires_at(TimersOf::next_look(clock_, *deadline));
        is_set_ = true;
        timer_.async_wait([self = weak_from_this()](const auto& error) {
            if (error) return;
            if (const auto alarm = self.lock()) alarm->look();
        });
    }
    void cancel() RUNNEL_REQUIRES(mutex_) {
        if (std::exchange(is_set_, false)) timer_.cancel();
    }

    OpenWaits& open_waits_;
    Clock& clock_;
    Atomic<bool> is_requested_ = false;
    Mutex mutex_;
    bool is_over_ RUNNEL_GUARDED_BY(mutex_) = false;
    bool is_set_ RUNNEL_GUARDED_BY(mutex_) = false;
    // The mutex guards what is done with the timer.
    asio::steady_timer timer_;
    runnel::Runner runner_;  // the last one: it goes first, and then nobody asks for a look
};

inline void OpenWaits::add(Alarm& alarm) noexcept {
    const Lock lock{mutex_};
    alarms_.push_back(alarm);
}
inline void OpenWaits::remove(Alarm& alarm) noexcept {
    const Lock lock{mutex_};
    alarms_.remove(alarm);
}
inline void OpenWaits::stop_idle_alarms() noexcept {
    const Lock lock{mutex_};
    for (Alarm* alarm = alarms_.first(); alarm != nullptr; alarm = alarm->next)
        alarm->stop_if_idle();
}

template <typename Context>
concept ExecutionContext = std::derived_from<Context, asio::execution_context> &&
    requires(Context& context) {
    context.get_executor();
};

}  // namespace detail

/// Waits as an operation of Asio: `awaitable` is what one of runnel's calls named async_… returns,
/// and `token` any completion token of Asio.
///
///     auto job = co_await with_asio::wait(jobs.async_pop_front(), asio::use_awaitable);
///     with_asio::wait(io, jobs.async_pop_front({.stop = stop}),
///                     [](std::exception_ptr failure, runnel::Popped<Job> job) { … });
///
/// Completion signature: void(std::exception_ptr, Result), where Result is what the call returns.
/// So asio::use_awaitable and asio::use_future give the result. The exception is what co_await
/// would throw: Error{clock_not_run}, std::bad_alloc, or what a copy of a message has thrown; most
/// handlers may ignore it. Beside one the result is that of a stop.
///
/// The handler runs on its associated executor, never inside this call. If it has none, it runs on
/// `executor`, or on asio::system_executor if none is given. The wait counts as work of `executor`
/// until it has ended, and of that of the handler until the handler has returned: so
/// io_context::run() does not return. The wait is kept in memory from the handler's associated
/// allocator, which is free again when the handler is called.
///
/// An emission to the handler's cancellation slot (Asio 1.19, Boost 1.77), of any type but none,
/// stops the wait: the result is then Ending::stopped, unless the wait was served before. As for
/// all of Asio, signals are emitted where handlers of the same executor could run, one at a time.
///
/// The io_context of `executor`, or of the handler's executor if none is given, may go first. Then
/// the handler is destroyed without a call, and the wait ends as that of a coroutine that is
/// destroyed: what it was served with goes back; see Awaitable. So it does if the executor throws
/// when it is given the handler. Any other executor has to outlive the wait, and so has one that
/// does not tell its asio::execution_context.
///
/// What the call borrows has to stay until the handler is called, as buffers of Asio have: a cursor
/// or a subscription, and the message of a push or publish, if it is given as an rvalue. `co_await`
/// keeps a temporary for so long. A message that is given as an lvalue is copied.
///
/// Time-outs need somebody who runs their clock, such as the Runner below.
template <typename Executor, typename Recipe, typename Token>
requires(!detail::ExecutionContext<Executor>) auto wait(const Executor& executor,
                                                        Awaitable<Recipe> awaitable,
                                                        Token&& token) {
    using Signature = void(std::exception_ptr, detail::ResultOf<Recipe>);
    return detail::asio::async_initiate<Token, Signature>(detail::Initiation<Executor>{executor},
                                                          token, std::move(awaitable));
}
template <detail::ExecutionContext Context, typename Recipe, typename Token>
auto wait(Context& context, Awaitable<Recipe> awaitable, Token&& token) {
    return RUNNEL_WITH_ASIO_::wait(context.get_executor(), std::move(awaitable),
                                   std::forward<Token>(token));
}
template <typename Recipe, typename Token>
auto wait(Awaitable<Recipe> awaitable, Token&& token) {
    return RUNNEL_WITH_ASIO_::wait(detail::asio::system_executor{}, std::move(awaitable),
                                   std::forward<Token>(token));
}

/// An Executor of runnel that posts to one of Asio, for Awaitable::on() and HandlerOptions. It
/// counts as work there while it or a copy of it exists, as in a wait: io_context::run() does not
/// return.
///
/// If the context goes first, what it was given is not called.
template <typename Executor>
class Posting {
public:
    explicit Posting(const Executor& executor) : work_{executor} {}

    void execute(Continuation function) const {
        detail::asio::post(work_.get_executor(), function);
    }

private:
    detail::asio::executor_work_guard<Executor> work_;
};

///     while (auto job = co_await jobs.async_pop_front().on(with_asio::executor(io))) run(*job);
///
/// In a coroutine that is Asio's own, take wait() instead.
template <typename Executor>
requires(!detail::ExecutionContext<Executor>)
    [[nodiscard]] Posting<Executor> executor(const Executor& executor) {
    return Posting<Executor>{executor};
}
template <detail::ExecutionContext Context>
[[nodiscard]] auto executor(Context& context) {
    return Posting<typename Context::executor_type>{context.get_executor()};
}

/// Lets an io_context run a clock while this object lives: there the waits that need no thread end
/// when their time-outs have come, whether they are waits of Asio or not. See runnel::Runner.
///
///     asio::io_context io;
///     const runnel::with_asio::Runner timers{io};
///
/// It sets one timer of the context, to the earliest deadline, which counts as work until then: so
/// io_context::run() does not return before. When a wait with a time-out has completed in this
/// context, and no deadline is left, the timer is cancelled.
///
/// When it goes, and nobody else runs the clock, waits with a time-out that are left end with
/// Ending::stopped: in the thread that destroys it or, if a thread is just ending waits for it, in
/// that one. May be destroyed in any thread, also by what goes on after a time-out.
class Runner {
public:
    /// The context of `executor`, and `clock`, must outlive it.
    template <typename Executor>
    requires(
        !detail::ExecutionContext<Executor> &&
        !std::same_as<Executor, Runner>) explicit Runner(const Executor& executor,
                                                         Clock& clock = SystemClock::instance())
        : alarm_{std::make_shared<detail::Alarm>(executor, clock)} {
        alarm_->begin();
    }
    template <detail::ExecutionContext Context>
    explicit Runner(Context& context, Clock& clock = SystemClock::instance())
        : Runner{context.get_executor(), clock} {}
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;
    ~Runner() { alarm_->end(); }

private:
    std::shared_ptr<detail::Alarm> alarm_;
};

}  // namespace runnel::inline v0::RUNNEL_WITH_ASIO_

#endif
