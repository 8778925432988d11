// SPDX-License-Identifier: MIT
#pragma once

// The locks of a list, for tests that see at them how far another thread has come.

#include <runnel/blocking_list.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/list/list_state.hpp>

#include "support/gate.hpp"
#include "support/windows.hpp"

#include <vector>

namespace runnel::test {

struct StateOfList {
    friend auto reveal(StateOfList);
};
template struct Reveal<StateOfList, &BlockingList<Gated>::state_>;

[[nodiscard]] inline detail::ListState<Gated>& state_of(const BlockingList<Gated>& list) {
    return *(list.*reveal(StateOfList{}));
}

[[nodiscard]] inline std::vector<const detail::Mutex*> locks_of(const BlockingList<Gated>& list) {
    const auto& state = state_of(list);
    return {&state.back.mutex, &state.front.mutex};
}

}  // namespace runnel::test
