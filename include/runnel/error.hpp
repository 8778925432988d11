// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace runnel::inline v0 {

/// Why an operation was refused.
enum class ErrorCode {
    /// An argument or an option has no meaning, such as a capacity of 0.
    invalid_argument,
    /// The stream has given out the last id there is (18446744073709551615-18446744073709551615).
    id_exhausted,
    /// The id is not greater than the last one of the stream, or is 0-0.
    id_too_small,
    /// The stream, channel or broker is closed.
    closed,
    /// Threads of a ManualClock did not all wait within the limit of real time.
    not_settled,
    /// The name stands for something of another kind, or of another message type.
    wrong_type,
    /// The value of a result was asked for, and it has none.
    no_value,
    /// A wait that needs no thread has a time-out, and nobody runs its clock: see Runner.
    clock_not_run,
    /// The system gives no file descriptor: see Pollable.
    no_descriptor,
    /// A reply is not what was asked of it: see redis::Reply.
    wrong_reply,
    /// Bytes are no reply or command of Redis, or exceed a limit: see redis::CodecLimits.
    protocol_error,
    /// The fake of Redis does not have the command: see redis::ServerOptions::strict.
    unsupported,
    /// A real server cannot be reached, or does not reply: see redis::testing::Client.
    unavailable,
};

/// The name of `code` as it is spelled in the source, such as "wrong_type".
[[nodiscard]] constexpr std::string_view to_string(ErrorCode code) noexcept {
    switch (code) {
    case ErrorCode::invalid_argument:
        return "invalid_argument";
    case ErrorCode::id_exhausted:
        return "id_exhausted";
    case ErrorCode::id_too_small:
        return "id_too_small";
    case ErrorCode::closed:
        return "closed";
    case ErrorCode::not_settled:
        return "not_settled";
    case ErrorCode::wrong_type:
        return "wrong_type";
    case ErrorCode::no_value:
        return "no_value";
    case ErrorCode::clock_not_run:
        return "clock_not_run";
    case ErrorCode::no_descriptor:
        return "no_descriptor";
    case ErrorCode::wrong_reply:
        return "wrong_reply";
    case ErrorCode::protocol_error:
        return "protocol_error";
    case ErrorCode::unsupported:
        return "unsupported";
    case ErrorCode::unavailable:
        return "unavailable";
    }
    return "unknown";
}

/// What runnel throws on misuse. Nothing else is thrown but std::bad_alloc and what user code
/// throws. The call has had no effect; only ManualClock::advance() may have moved the time by a
/// part. `what()` names the thing and the reason. It is for people and may change; programs use
/// `code()`.
///
/// May be thrown in one shared object and caught in another.
class RUNNEL_VISIBLE Error : public std::runtime_error {
public:
    Error(ErrorCode code, const std::string& what) : std::runtime_error{what}, code_{code} {}

    [[nodiscard]] ErrorCode code() const noexcept { return code_; }

private:
    ErrorCode code_;
};

namespace detail {

[[noreturn]] [[gnu::noinline]] inline void refuse_count(const char* call) {
    throw Error{ErrorCode::invalid_argument,
                std::string{call} + " with count 0; it must be at least 1"};
}

[[noreturn]] [[gnu::noinline]] inline void refuse_no_value(Caller caller) {
    throw Error{ErrorCode::no_value,
                std::string{"Popped: value(), but it has none; ending() tells why; called at "} +
                    caller.file + ':' + std::to_string(caller.line)};
}

// Of a call that asks for up to `count` things; `call` says whose it is: "Stream: a read".
inline void check_count(std::size_t count, const char* call) {
    if (count == 0) [[unlikely]]
        refuse_count(call);
}

}  // namespace detail
}  // namespace runnel::inline v0
