// SPDX-License-Identifier: MIT
#pragma once

// Two operations of one object, of which the first is stopped in each of its windows in turn.

#include <runnel/clock.hpp>
#include <runnel/detail/base/futex.hpp>
#include <runnel/detail/base/mutex.hpp>

#include "support/gate.hpp"
#include "support/reveal.hpp"

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <thread>
#include <type_traits>
#include <vector>

namespace runnel::test {

/// Whether somebody may sleep at this lock: it has looked some thirty times, found the lock held,
/// and marked its word.
[[nodiscard]] inline bool is_waited_for(const detail::Mutex& mutex) noexcept {
    static_assert(sizeof(detail::Mutex) == sizeof(detail::FutexWord));
    constexpr std::uint32_t held_and_waited_for = 2;
    const auto& word = reinterpret_cast<const detail::FutexWord&>(mutex);
    return word.load(std::memory_order_relaxed) == held_and_waited_for;
}

/// Whether anybody holds this lock.
[[nodiscard]] inline bool is_held(const detail::Mutex& mutex) noexcept {
    return reinterpret_cast<const detail::FutexWord&>(mutex).load(std::memory_order_relaxed) != 0;
}

/// What two operations meet in. `locks()` are those of the objects, `clock()` the one that their
/// waits are parked on, `release()` ends every wait that nothing else would end, and `check()`
/// looks at the result once both operations have returned.
template <typename Scene>
concept WindowScene = requires(Scene& scene) {
    { scene.gate() } -> std::same_as<Gate&>;
    { scene.clock() } -> std::same_as<ManualClock&>;
    { scene.locks() } -> std::convertible_to<std::vector<const detail::Mutex*>>;
    scene.release();
    scene.check();
};

/// How many of the two operations wait on the clock. A scene in which others wait there, too, says
/// itself how many there are, by `waiting()`; a scene that looks at the place where the first has
/// stopped does it in `stopped()`.
template <typename Scene>
[[nodiscard]] std::size_t waiting_in(Scene& scene) {
    if constexpr (requires { scene.waiting(); }) {
        return scene.waiting();
    } else {
        return scene.clock().waiting();
    }
}

/// One after the other: `second(scene)` once `first(scene)` has returned or waits. Returns once
/// both have.
template <WindowScene Scene, typename First, typename Second>
void run_in_turn(Scene& scene, First first, Second second) {
    std::atomic<std::size_t> returned = 0;
    const auto come_to_rest = [&](std::size_t count) {
        while (returned + waiting_in(scene) < count) std::this_thread::yield();
    };
    std::thread one{[&] {
        first(scene);
        ++returned;
    }};
    come_to_rest(1);
    std::thread two{[&] {
        second(scene);
        ++returned;
    }};
    come_to_rest(2);
    if (returned != 2) scene.release();
    one.join();
    two.join();
}

/// Stops `first(scene)` at its first step, its second, and so on until it has no more of them; each
/// time runs `second(scene)` meanwhile, in another thread, until that has returned, or waits at a
/// lock or on the clock; then lets both go on. A new scene, made by `make()`, for each window.
/// Returns the number of windows. Both may also wait for something: see WindowScene::release().
template <typename Make, typename First, typename Second>
std::size_t for_each_window(Make make, First first, Second second) {
    static_assert(WindowScene<std::remove_reference_t<decltype(*make())>>);
    for (std::size_t windows = 0;; ++windows) {
        const auto made = make();  // a std::unique_ptr
        auto& scene = *made;
        std::atomic<bool> is_first_done = false;
        std::atomic<bool> is_second_done = false;
        const std::size_t parked_before = waiting_in(scene);
        std::thread one{[&] {
            scene.gate().arm(windows + 1);
            first(scene);
            is_first_done = true;
            scene.gate().disarm();
        }};
        // The first may also wait before it comes to a step: then there is no window any more.
        std::atomic<bool> has_stopped = false;
        std::atomic<bool> has_answer = false;
        std::thread watcher{[&] {
            has_stopped = scene.gate().await_stop();
            has_answer = true;
        }};
        while (!has_answer && waiting_in(scene) == parked_before) std::this_thread::yield();
        const bool is_window = has_answer && has_stopped;

        if constexpr (requires { scene.stopped(); }) {
            if (is_window) scene.stopped();
        }
        const std::size_t parked = waiting_in(scene);
        const std::vector<const detail::Mutex*> locks = scene.locks();
        const auto has_arrived = [&] {
            if (is_second_done || waiting_in(scene) > parked) return true;
            for (const detail::Mutex* const lock : locks)
                if (is_waited_for(*lock)) return true;
            return false;
        };
        std::thread two{[&] {
            second(scene);
            is_second_done = true;
        }};
        while (!has_arrived()) std::this_thread::yield();
        scene.gate().open();

        // Both return, or wait for what only release() brings.
        const auto has_come_to_rest = [&] {
            const std::size_t returned = (is_first_done ? 1U : 0U) + (is_second_done ? 1U : 0U);
            return returned + (waiting_in(scene) - parked_before) >= 2;
        };
        while (!has_come_to_rest()) std::this_thread::yield();
        if (!is_first_done || !is_second_done) scene.release();
        one.join();
        two.join();
        watcher.join();
        scene.check();
        if (!is_window) return windows;
    }
}

}  // namespace runnel::test
