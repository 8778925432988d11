// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/error.hpp>

#include <optional>

namespace runnel::test {

/// Nothing: `call` throws no Error.
template <typename Function>
std::optional<ErrorCode> error_of(Function call) {
    try {
        (void)call();
    } catch (const Error& error) {
        return error.code();
    }
    return std::nullopt;
}

}  // namespace runnel::test
