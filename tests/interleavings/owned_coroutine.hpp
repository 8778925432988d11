// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/executor.hpp>

#include "interleavings/scheduler.hpp"
#include "support/coroutines.hpp"

#include <utility>
#include <vector>

namespace runnel::test {

/// A coroutine that goes on where its owner runs it. So the owner can destroy it at any time: what
/// comes for it then is thrown away.
struct OwnedCoroutine {
    struct Executor {
        void execute(Continuation function) const {
            step("execute", {});
            if (!owner->is_destroyed) owner->functions.push_back(function);
        }

        OwnedCoroutine* owner;
    };

    [[nodiscard]] Executor executor() { return {this}; }

    void run() {
        step("run", {});
        for (const Continuation function : std::exchange(functions, {})) function();
    }
    void destroy() {
        is_destroyed = true;
        functions.clear();
        coroutine.destroy();
    }
    // Where it stands then.
    void run_or_destroy() {
        run();
        destroy();
    }

    Coroutine coroutine;
    std::vector<Continuation> functions;
    bool is_destroyed = false;
};

}  // namespace runnel::test
