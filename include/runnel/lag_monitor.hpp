// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/thread_id.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>
#include <runnel/message.hpp>
#include <runnel/stats.hpp>
#include <runnel/worker/ticker.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace runnel::inline v0 {

/// Whether a group is too far behind, as a LagMonitor sees it.
enum class LagState : std::uint8_t { calm, raised };

/// The name of `state` as it is spelled in the source, such as "raised".
[[nodiscard]] constexpr std::string_view to_string(LagState state) noexcept {
    return state == LagState::raised ? "raised" : "calm";
}

struct LagMonitorOptions {
    /// The alarm is raised while the group has more entries than this to deliver.
    std::size_t above = 1000;
    /// It stays raised until there are at most so many, so that it does not come and go. Not more
    /// than `above`; std::nullopt means four fifths of that, rounded up.
    std::optional<std::size_t> below{};
    /// Also while the oldest entry that the group has not delivered is older than this; see
    /// Backlog. Not negative. std::nullopt: whatever its age is.
    std::optional<Duration> older_than{};
    /// It is raised only when it has been so for that long. Not negative.
    Duration hold = std::chrono::nanoseconds{0};
    /// After start(): how long until the next check. More than 0.
    Duration every = std::chrono::seconds{1};
};

/// What a LagMonitor tells.
struct LagReport {
    LagState state = LagState::calm;  ///< the new one
    Backlog backlog{};                ///< at this check; without Backlog::attempts
    /// Of `raised`: the check that found the group too far behind first, before `hold` was over. Of
    /// `calm`: this check. By the wall clock of the stream.
    Clock::WallTime since{};

    friend bool operator==(const LagReport&, const LagReport&) = default;
};

/// Calls a function when a group falls too far behind, and when it has caught up.
///
///     runnel::LagMonitor monitor{billing,
///                                [](const runnel::LagReport& report) {
///                                    log(to_string(report.state), report.backlog.lag);
///                                },
///                                {.above = 10'000, .older_than = 5min, .hold = 30s}};
///     monitor.start();  // a check a second, by whoever runs the clock: a TimerThread or a Runner
///
/// The function is called once when the alarm is raised and once when that is over: by the thread
/// that checks, without a lock, and never twice at a time. It must not throw, and must not destroy
/// the monitor, start it or stop it. It may use the stream, or call check(), which then only
/// returns the state.
///
/// Has a handle of the group, and so keeps the stream open. All times go by the stream's clock.
///
/// Thread safety: every member may be called from any thread.
class LagMonitor {
public:
    using Callback = std::function<void(const LagReport&)>;

    /// Throws: Error{invalid_argument}, which names the option, or if `callback` is empty;
    /// std::bad_alloc.
    template <Message T>
    LagMonitor(const ConsumerGroup<T>& group, Callback callback,
               const LagMonitorOptions& options = {})
        : LagMonitor{group.clock(), [group] { return group.backlog(); }, std::move(callback),
                     options} {}
    LagMonitor(const LagMonitor&) = delete;
    LagMonitor& operator=(const LagMonitor&) = delete;

    /// As stop(): the function does not run any more.
    ~LagMonitor() { stop(); }

    /// Looks at the group now, and calls the function if the state changes. Returns the state.
    /// While another check runs, it does nothing but return the state.
    ///
    /// Complexity: as ConsumerGroup::backlog().
    LagState check() noexcept RUNNEL_EXCLUDES(mutex_);

    /// What the last check has found; calm before the first one.
    [[nodiscard]] LagState state() const noexcept RUNNEL_EXCLUDES(mutex_) {
        const detail::Lock lock{mutex_};
        return state_;
    }

    /// From now on whoever runs the clock (see Runner; a ManualClock runs itself) checks, the first
    /// time after `every`. Does nothing if it has begun already. When nobody runs the clock any
    /// more, the checks end; stop() and start() begin anew.
    ///
    /// Throws: Error{clock_not_run}; std::bad_alloc.
    void start() RUNNEL_EXCLUDES(mutex_);

    /// Ends what start() has begun. Waits for a check of the clock that runs in another thread. The
    /// state stays; check() still works.
    void stop(detail::Caller caller = {}) noexcept RUNNEL_EXCLUDES(mutex_);

private:
    using Look = std::function<Backlog()>;

    LagMonitor(Clock& clock, Look look, Callback callback, const LagMonitorOptions& options)
        : clock_{clock},
          look_{std::move(look)},
          callback_{std::move(callback)},
          options_{checked(options, callback_)},
          below_{options.below.value_or(options.above - options.above / 5)} {}

    [[nodiscard]] static LagMonitorOptions checked(const LagMonitorOptions& options,
                                                   const Callback& callback) {
        constexpr Duration none = std::chrono::nanoseconds{0};
        if (!callback) refuse("there is no function to call");
        if (options.below > options.above) refuse("below is greater than above");
        if (options.older_than && *options.older_than < none) refuse("older_than is negative");
        if (options.hold < none) refuse("hold is negative");
        if (options.every <= none) refuse("every is not more than 0");
        // NOLINTNEXTLINE(bugprone-return-const-ref-from-parameter)
        return options;
    }
    [[noreturn]] static void refuse(const char* why) {
        throw Error{ErrorCode::invalid_argument, std::string{"LagMonitor: "} + why};
    }

    // True: this thread checks from now on, until the check has ended.
    [[nodiscard]] bool begin_check() noexcept RUNNEL_EXCLUDES(mutex_) {
        const detail::Lock lock{mutex_};
        if (checker_ != detail::no_thread) return false;
        checker_ = detail::this_thread();
        return true;
    }

    [[nodiscard]] bool is_too_old(const Backlog& backlog) const noexcept {
        return options_.older_than && backlog.undelivered_age &&
               *backlog.undelivered_age > options_.older_than->nanoseconds();
    }

    // What is to be told of a new state, if this is one.
    [[nodiscard]] std::optional<LagReport> note(const Backlog& backlog) noexcept
        RUNNEL_EXCLUDES(mutex_);

    Clock& clock_;
    const Look look_;
    const Callback callback_;
    const LagMonitorOptions options_;
    const std::size_t below_;
    mutable detail::Mutex mutex_;
    LagState state_ RUNNEL_GUARDED_BY(mutex_) = LagState::calm;
    detail::ThreadId checker_ RUNNEL_GUARDED_BY(mutex_) = detail::no_thread;
    std::unique_ptr<detail::Ticker> ticker_ RUNNEL_GUARDED_BY(mutex_);

    // Since when it has been too far behind, while it is. For the thread that checks.
    struct Behind {
        Clock::Deadline at;
        Clock::WallTime wall;
    };
    std::optional<Behind> behind_;
};

inline LagState LagMonitor::check() noexcept {
    if (!begin_check()) return state();
    const Backlog backlog = look_();
    if (const auto report = note(backlog)) callback_(*report);
    const detail::Lock lock{mutex_};
    checker_ = detail::no_thread;
    return state_;
}

inline std::optional<LagReport> LagMonitor::note(const Backlog& backlog) noexcept {
    const Clock::Deadline now = clock_.now();
    const Clock::WallTime wall = clock_.wall();
    const detail::Lock lock{mutex_};
    const std::size_t most = state_ == LagState::raised ? below_ : options_.above;
    if (backlog.lag <= most && !is_too_old(backlog)) {
        behind_.reset();
        if (state_ == LagState::calm) return std::nullopt;
        state_ = LagState::calm;
        return LagReport{state_, backlog, wall};
    }
    if (!behind_) behind_ = Behind{now, wall};
    if (state_ == LagState::raised || now - behind_->at < options_.hold.nanoseconds())
        return std::nullopt;
    state_ = LagState::raised;
    return LagReport{state_, backlog, behind_->wall};
}

inline void LagMonitor::start() {
    {
        const detail::Lock lock{mutex_};
        if (ticker_) return;
    }
    auto ticker =
        std::make_unique<detail::Ticker>(clock_, options_.every, [this] { (void)check(); });
    const detail::Lock lock{mutex_};
    if (!ticker_) ticker_.swap(ticker);
}

inline void LagMonitor::stop([[maybe_unused]] detail::Caller caller) noexcept {
    std::unique_ptr<detail::Ticker> ticker;  // outlives the lock
    const detail::Lock lock{mutex_};
    RUNNEL_EXPECT(checker_ != detail::this_thread(), "a LagMonitor is stopped by its own function",
                  caller);
    ticker_.swap(ticker);
}

}  // namespace runnel::inline v0
