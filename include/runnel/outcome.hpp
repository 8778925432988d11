// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/stop_option.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace runnel::inline v0 {

/// How long a call may wait: for ever, unless it is made from a duration. Zero or less means not at
/// all. The longest Duration there is means for ever, too.
class Timeout {
public:
    /// For ever.
    constexpr Timeout() = default;

    constexpr Timeout(Duration duration) noexcept  // NOLINT(*-explicit-*)
        : short_of_ever_{ever - std::max(duration.nanoseconds(), std::chrono::nanoseconds{0})} {}

    template <typename Rep, typename Period>
    constexpr Timeout(std::chrono::duration<Rep, Period> duration) noexcept  // NOLINT(*-explicit-*)
        : Timeout{Duration{duration}} {}

    /// A number is no time-out: write `10ms`, with `using namespace std::chrono_literals`.
    template <typename Number>
    requires std::is_arithmetic_v<Number> Timeout(Number needs_a_unit_such_as_ms)
    = delete;

    /// std::nullopt means for ever.
    [[nodiscard]] constexpr std::optional<std::chrono::nanoseconds> duration() const noexcept {
        if (short_of_ever_ == std::chrono::nanoseconds{0}) return std::nullopt;
        return ever - short_of_ever_;
    }

private:
    static constexpr auto ever = std::chrono::nanoseconds::max();

    // Not the duration itself, so that zero bits mean for ever: memory that no constructor has run
    // for yet holds those.
    std::chrono::nanoseconds short_of_ever_{0};
};

/// What ends a wait besides its success. In a loop, make the WaitOptions once before the loop: to
/// copy a stop token takes an atomic increment.
struct WaitOptions {
    /// A push that times out returns Push::full.
    Timeout timeout{};
    /// A stop ends only a wait. A call that need not wait succeeds even after the stop: a worker
    /// goes on while there is something to take. A worker that should leave elements in the list
    /// checks stop.stop_requested() in its loop.
    detail::StopOption stop{};
};

namespace detail {

// For an object with static storage: it is there before any constructor runs, and as long as the
// program does, so that constructors and destructors of other static objects may use it.
template <typename T>
union Everlasting {
    T value;

    constexpr Everlasting() : value() {}
    constexpr ~Everlasting() {}
};

inline constinit const Everlasting<WaitOptions> no_options;

}  // namespace detail

/// The options of a call without options. They are made once, so that a call that need not wait
/// pays nothing for them.
// NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access)
inline constinit const WaitOptions& wait_for_ever = detail::no_options.value;

/// Why nothing came.
enum class Ending : std::uint8_t {
    timed_out,     ///< nothing came in the time given; also when a try_… found nothing
    stopped,       ///< the stop token was asked to stop
    closed,        ///< closed, and nothing is left to take
    full,          ///< of a move: the target is full and has Full::reject
    gone,          ///< of a read: its group was removed; of wait_any(): see there
    disconnected,  ///< of a subscription: it was too far behind
};

/// The name of `ending` as it is spelled in the source, such as "timed_out".
[[nodiscard]] constexpr std::string_view to_string(Ending ending) noexcept {
    switch (ending) {
    case Ending::timed_out:
        return "timed_out";
    case Ending::stopped:
        return "stopped";
    case Ending::closed:
        return "closed";
    case Ending::full:
        return "full";
    case Ending::gone:
        return "gone";
    case Ending::disconnected:
        return "disconnected";
    }
    return "unknown";
}

/// How a reader of a stream or a channel reads.
struct ReadOptions {
    /// At most so many entries or messages at a time, at least 1. A cursor or a subscription reads
    /// one block of memory at a time, so it may return fewer than are there. Read again for more.
    std::size_t count = std::numeric_limits<std::size_t>::max();
    Timeout timeout{};
    detail::StopOption stop{};
};

/// What became of a push or a publish. Unless `done`, the message is untouched and still the
/// sender's.
enum class [[nodiscard]] Push : std::uint8_t{
    done,     ///< it is in the list, or published
    full,     ///< there was no room: refused, or none came in the time given
    absent,   ///< of push_…_if_exists: the list is empty
    stopped,  ///< the stop token was asked to stop
    closed,   ///< closed: nothing is taken any more
};

/// The name of `push` as it is spelled in the source, such as "done".
[[nodiscard]] constexpr std::string_view to_string(Push push) noexcept {
    switch (push) {
    case Push::done:
        return "done";
    case Push::full:
        return "full";
    case Push::absent:
        return "absent";
    case Push::stopped:
        return "stopped";
    case Push::closed:
        return "closed";
    }
    return "unknown";
}

/// What became of a push of many: the first `count` messages are in the list, the others are
/// untouched. `ending` is `done` if all are in, else the reason why not.
struct [[nodiscard]] Pushed {
    std::size_t count = 0;
    Push ending = Push::done;
};

/// One value, or the reason why there is none.
///
///     while (auto job = jobs.pop_front()) run(*job);
///
/// `*` of a temporary returns the value itself, so that `const Job& job = *jobs.pop_front();` keeps
/// it. `->` of a temporary does not compile, because the value dies with the temporary: write
/// `(*jobs.pop_front()).id`.
template <typename T>
class [[nodiscard]] Popped {
public:
    Popped(Ending ending) noexcept : ending_{ending} {}  // NOLINT(*-explicit-*)
    Popped(std::in_place_t, T&& value) noexcept : value_(std::in_place, std::move(value)) {}

    [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }
    [[nodiscard]] bool has_value() const noexcept { return value_.has_value(); }

    /// Requires: there is a value.
    [[nodiscard]] T& operator*() & noexcept RUNNEL_LIFETIMEBOUND {
        return checked("* of a Popped without a value");
    }
    [[nodiscard]] const T& operator*() const& noexcept RUNNEL_LIFETIMEBOUND {
        return checked("* of a Popped without a value");
    }
    [[nodiscard]] T operator*() && noexcept {
        return std::move(checked("* of a Popped without a value"));
    }
    [[nodiscard]] T* operator->() & noexcept RUNNEL_LIFETIMEBOUND {
        return std::addressof(checked("-> of a Popped without a value"));
    }
    [[nodiscard]] const T* operator->() const& noexcept RUNNEL_LIFETIMEBOUND {
        return std::addressof(checked("-> of a Popped without a value"));
    }
    T operator*() const&& = delete;
    const T* operator->() const&& = delete;

    /// As `*`, but always checked.
    ///
    /// Throws: Error{no_value} if there is none.
    [[nodiscard]] T& value(detail::Caller caller = {}) & RUNNEL_LIFETIMEBOUND {
        require_value(caller);
        return *value_;
    }
    [[nodiscard]] const T& value(detail::Caller caller = {}) const& RUNNEL_LIFETIMEBOUND {
        require_value(caller);
        return *value_;
    }
    [[nodiscard]] T value(detail::Caller caller = {}) && {
        require_value(caller);
        return std::move(*value_);
    }
    T value(detail::Caller caller = {}) const&& = delete;

    /// The value, copied, or moved out of a temporary; `other` if there is none.
    template <std::convertible_to<T> Other = T>
    [[nodiscard]] T value_or(Other&& other) const& requires std::copy_constructible<T> {
        return value_.value_or(std::forward<Other>(other));
    }
    template <std::convertible_to<T> Other = T>
    [[nodiscard]] T value_or(Other&& other) && {
        return std::move(value_).value_or(std::forward<Other>(other));
    }

    /// Why there is no value. Requires: there is none.
    [[nodiscard]] Ending ending(detail::Caller caller = {}) const noexcept {
        RUNNEL_EXPECT(!has_value(), "ending() of a Popped that has a value", caller);
        return ending_;
    }

private:
    void require_value(detail::Caller caller) const {
        if (!value_) [[unlikely]]
            detail::refuse_no_value(caller);
    }
    [[nodiscard]] T& checked([[maybe_unused]] const char* mistake) noexcept {
        RUNNEL_EXPECT(has_value(), mistake, detail::Caller{});
        return *value_;
    }
    [[nodiscard]] const T& checked([[maybe_unused]] const char* mistake) const noexcept {
        RUNNEL_EXPECT(has_value(), mistake, detail::Caller{});
        return *value_;
    }

    std::optional<T> value_;
    Ending ending_ = Ending::timed_out;
};

/// One value out of several lists, and which of them it came from.
template <typename T>
class [[nodiscard]] PoppedFrom : public Popped<T> {
public:
    PoppedFrom(Ending ending) noexcept : Popped<T>{ending} {}  // NOLINT(*-explicit-*)
    PoppedFrom(std::size_t which, T&& value) noexcept
        : Popped<T>(std::in_place, std::move(value)), which_{which} {}

    /// The position of the list among the arguments. Requires: there is a value.
    [[nodiscard]] std::size_t which(detail::Caller caller = {}) const noexcept {
        RUNNEL_EXPECT(this->has_value(), "which() of a PoppedFrom without a value", caller);
        return which_;
    }

private:
    std::size_t which_ = 0;
};

/// Some values, or the reason why there are none.
///
///     while (auto batch = jobs.pop_front_many(32))
///         for (Job& job : batch) run(job);
///
/// `[]`, front() and back() of a temporary return the value itself, and begin() of a temporary does
/// not compile. A range-for keeps the batch that it runs through.
template <typename T>
class [[nodiscard]] Batch {
public:
    using Reference = typename std::vector<T>::reference;
    using ConstReference = typename std::vector<T>::const_reference;

    Batch(Ending ending) noexcept : ending_{ending} {}  // NOLINT(*-explicit-*)
    // Parentheses: braces would make one element of them if T is made from such a vector.
    explicit Batch(std::vector<T>&& values) noexcept : values_(std::move(values)) {}

    [[nodiscard]] explicit operator bool() const noexcept { return !empty(); }
    [[nodiscard]] bool empty() const noexcept { return values_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return values_.size(); }

    /// Requires: index < size().
    [[nodiscard]] Reference operator[](std::size_t index) & noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(index < size(), "[] of a Batch behind its end", detail::Caller{});
        return values_[index];
    }
    [[nodiscard]] ConstReference
    operator[](std::size_t index) const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(index < size(), "[] of a Batch behind its end", detail::Caller{});
        return values_[index];
    }
    [[nodiscard]] T operator[](std::size_t index) && noexcept {
        RUNNEL_EXPECT(index < size(), "[] of a Batch behind its end", detail::Caller{});
        return std::move(values_[index]);
    }
    T operator[](std::size_t index) const&& = delete;

    /// The first one and the last one. They require: not empty.
    [[nodiscard]] Reference front(detail::Caller caller = {}) & noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(!empty(), "front() of an empty Batch", caller);
        return values_.front();
    }
    [[nodiscard]] Reference back(detail::Caller caller = {}) & noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(!empty(), "back() of an empty Batch", caller);
        return values_.back();
    }
    [[nodiscard]] ConstReference
    front(detail::Caller caller = {}) const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(!empty(), "front() of an empty Batch", caller);
        return values_.front();
    }
    [[nodiscard]] ConstReference
    back(detail::Caller caller = {}) const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(!empty(), "back() of an empty Batch", caller);
        return values_.back();
    }
    [[nodiscard]] T front(detail::Caller caller = {}) && noexcept {
        RUNNEL_EXPECT(!empty(), "front() of an empty Batch", caller);
        return std::move(values_.front());
    }
    [[nodiscard]] T back(detail::Caller caller = {}) && noexcept {
        RUNNEL_EXPECT(!empty(), "back() of an empty Batch", caller);
        return std::move(values_.back());
    }
    T front(detail::Caller caller = {}) const&& = delete;
    T back(detail::Caller caller = {}) const&& = delete;

    [[nodiscard]] auto begin() & noexcept RUNNEL_LIFETIMEBOUND { return values_.begin(); }
    [[nodiscard]] auto end() & noexcept RUNNEL_LIFETIMEBOUND { return values_.end(); }
    [[nodiscard]] auto begin() const& noexcept RUNNEL_LIFETIMEBOUND { return values_.begin(); }
    [[nodiscard]] auto end() const& noexcept RUNNEL_LIFETIMEBOUND { return values_.end(); }
    void begin() const&& = delete;
    void end() const&& = delete;

    /// Why there are no values. Requires: there are none.
    [[nodiscard]] Ending ending(detail::Caller caller = {}) const noexcept {
        RUNNEL_EXPECT(empty(), "ending() of a Batch that has values", caller);
        return ending_;
    }

private:
    std::vector<T> values_;
    Ending ending_ = Ending::timed_out;
};

}  // namespace runnel::inline v0
