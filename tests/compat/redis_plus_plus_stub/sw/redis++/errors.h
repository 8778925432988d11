// SPDX-License-Identifier: MIT
#pragma once

// Stands for the header of redis-plus-plus, which cannot be installed here: the same names and
// descent.

#include <exception>
#include <string>
#include <utility>

namespace sw::redis {

class Error : public std::exception {
public:
    explicit Error(std::string text) : text_(std::move(text)) {}
    [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

private:
    std::string text_;
};
class IoError : public Error {
public:
    using Error::Error;
};
class TimeoutError : public IoError {
public:
    using IoError::IoError;
};
class ClosedError : public Error {
public:
    using Error::Error;
};
class ProtoError : public Error {
public:
    using Error::Error;
};
class OomError : public Error {
public:
    using Error::Error;
};
class ReplyError : public Error {
public:
    using Error::Error;
};
class WatchError : public Error {
public:
    WatchError() : Error{"watched"} {}
};

}  // namespace sw::redis
