// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

// The exceptions of redis-plus-plus: its own if its headers are there, and others of the same names
// and descent if not. In a program, all files must find its headers, or none.

#if __has_include(<sw/redis++/errors.h>)
#    include <sw/redis++/errors.h>

namespace runnel::inline v0::compat::sw {

using ::sw::redis::ClosedError;
using ::sw::redis::Error;
using ::sw::redis::IoError;
using ::sw::redis::OomError;
using ::sw::redis::ProtoError;
using ::sw::redis::ReplyError;
using ::sw::redis::TimeoutError;
using ::sw::redis::WatchError;

}  // namespace runnel::inline v0::compat::sw

#else

#    include <exception>
#    include <stdexcept>
#    include <string>

namespace runnel::inline v0::compat::sw {

/// What all the others are.
class Error : public std::exception {
public:
    // NOLINTNEXTLINE(bugprone-throw-keyword-missing): it is there for its text
    explicit Error(const std::string& text) : text_{text} {}

    [[nodiscard]] const char* what() const noexcept override { return text_.what(); }

private:
    std::runtime_error text_;  // copies of it share the text, so a copy does not throw
};

class IoError : public Error {
public:
    using Error::Error;
};

/// No reply within ConnectionOptions::socket_timeout. The connection is given up.
class TimeoutError : public IoError {
public:
    using IoError::IoError;
};

/// The connection has ended before the reply came, as a fault of the server may have it. The next
/// command gets another connection.
class ClosedError : public Error {
public:
    using Error::Error;
};

/// The reply is not of the type that was asked for.
class ProtoError : public Error {
public:
    using Error::Error;
};

/// Never thrown here: memory that runs out is std::bad_alloc.
class OomError : public Error {
public:
    using Error::Error;
};

/// The reply is an error; what() is its text, such as "BUSYGROUP Consumer Group name already
/// exists".
class ReplyError : public Error {
public:
    using Error::Error;
};

/// A transaction was not carried out, as a key that it watches has changed.
class WatchError : public Error {
public:
    WatchError() : Error{"Watched key has been modified"} {}
};

}  // namespace runnel::inline v0::compat::sw

#endif
