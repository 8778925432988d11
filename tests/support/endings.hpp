// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/outcome.hpp>

#include <optional>

namespace runnel::test {

/// Nothing: there is something in it.
template <typename Outcome>
std::optional<Ending> ending(const Outcome& outcome) {
    return outcome ? std::nullopt : std::optional{outcome.ending()};
}

}  // namespace runnel::test
