// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <cstdint>

namespace runnel::inline v0 {

/// What became of an acknowledgement, a release or an extension.
enum class Ack : std::uint8_t {
    done,
    stale,  ///< nothing was changed: the entry is no longer pending by this delivery
};

/// What the release of an entry says about the attempt. Redis: the mode of XNACK.
enum class Nack : std::uint8_t {
    fail,    ///< it counts as a delivery
    silent,  ///< it does not count: the count of deliveries goes back by one
    fatal,   ///< it can never succeed: the count of deliveries goes to the greatest number
};

}  // namespace runnel::inline v0
