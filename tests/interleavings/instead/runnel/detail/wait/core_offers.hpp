// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace runnel::inline v0::detail {

// An offer of the core is a look: other threads may go on before any step.
class CoreOffers {
public:
    template <typename HasCome, typename Gathered>
    void make(std::size_t /*read*/, HasCome has_come, Gathered gathered) {
        if (!has_come()) (void)gathered();
    }
};

}  // namespace runnel::inline v0::detail
