// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/error.hpp>

#include <cstddef>
#include <string>

namespace runnel::inline v0::detail {

[[noreturn]] [[gnu::noinline]] inline void refuse_count(const char* call) {
    throw Error{ErrorCode::invalid_argument,
                std::string{call} + " with count 0; it must be at least 1"};
}

// Of a call that asks for up to `count` things; `call` says whose it is: "Stream: a read".
inline void check_count(std::size_t count, const char* call) {
    if (count == 0) [[unlikely]]
        refuse_count(call);
}

}  // namespace runnel::inline v0::detail
