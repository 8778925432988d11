// SPDX-License-Identifier: MIT
#pragma once

namespace runnel::inline v0::detail {

// For a clock that decides which thread runs. A thread that has woken others lets them run when it
// has woken all it had to: not in the middle of it, as others may wait for the rest.
class SwitchPoint {
public:
    using LetOthersRun = void (*)(void* thread) noexcept;

    // By the clock, when `thread`, the calling one, wakes another.
    static void note(LetOthersRun function, void* thread) noexcept { due() = {function, thread}; }

    // Where the thread holds no lock, and no other one waits for what it does.
    static void pass() noexcept {
        if (due().function != nullptr) [[unlikely]] {
            const Due now = due();
            skip();
            now.function(now.thread);
        }
    }
    static void skip() noexcept { due() = {}; }

private:
    struct Due {
        LetOthersRun function = nullptr;
        void* thread = nullptr;
    };
    [[nodiscard]] static Due& due() noexcept {
        thread_local constinit Due here{};
        return here;
    }
};

}  // namespace runnel::inline v0::detail
