// SPDX-License-Identifier: MIT
#pragma once

// Waits for several objects, under a ManualClock.

#include <runnel/clock.hpp>
#include <runnel/outcome.hpp>
#include <runnel/wait_any.hpp>

#include "support/calls.hpp"

#include <cstddef>
#include <optional>
#include <stop_token>
#include <vector>

namespace runnel::test {

inline Call<WaitedAny> waiting_for_any(ManualClock& clock, const std::vector<Watch>& watches,
                                       Timeout timeout = {}) {
    return {clock, [&watches, timeout](const std::stop_token& stop) {
                return wait_any(watches, {timeout, stop});
            }};
}

/// Nothing: none has anything.
inline std::optional<std::size_t> which(const WaitedAny& any) {
    return any ? std::optional{any.which()} : std::nullopt;
}

}  // namespace runnel::test
