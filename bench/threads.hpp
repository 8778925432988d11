// SPDX-License-Identifier: MIT
// What a measurement asks of the machine: time, cores, threads that start together.
#pragma once

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <sched.h>
#include <thread>
#include <time.h>
#include <vector>

namespace runnel::bench {

using std::chrono::nanoseconds;

/// Nanoseconds of the monotonic clock; a number, so that it can travel as a message.
inline std::uint64_t now() {
    return static_cast<std::uint64_t>(
        nanoseconds{std::chrono::steady_clock::now().time_since_epoch()}.count());
}

/// How long the calling thread has been running, in nanoseconds.
inline std::uint64_t own_time() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<std::uint64_t>(
        (std::chrono::seconds{time.tv_sec} + nanoseconds{time.tv_nsec}).count());
}

/// Makes the compiler believe that `value` is read here.
template <class T>
void keep(const T& value) {
    asm volatile("" : : "g"(&value) : "memory");
}

/// Small blocks that were freed lie in heaps until somebody asks for a large one, who then has to
/// merge them: so that it is not the next measurement that pays for the one before.
inline void tidy_heap() {
    const std::unique_ptr<std::byte[]> large{new std::byte[4096]};
    keep(large);
}

inline unsigned core_count() {
    return std::max(1U, std::thread::hardware_concurrency());
}

/// The calling thread runs on this core from now on; numbers beyond the last core start again.
inline void pin_to(unsigned core) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core % core_count(), &cores);
    sched_setaffinity(0, sizeof cores, &cores);
}

/// The calling thread may run on every core from now on, whatever it inherited.
inline void unpin() {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    for (unsigned core = 0; core < core_count(); ++core) CPU_SET(core, &cores);
    sched_setaffinity(0, sizeof cores, &cores);
}

/// A moment's rest between two looks at what another core writes.
inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    asm volatile("yield");
#endif
}

/// Waits, leaving the core to whoever needs it.
template <class Condition>
void yield_until(Condition holds) {
    while (!holds()) sched_yield();
}

/// pinned: thread i runs on core i. free: the scheduler decides.
enum class Placement { pinned, free };

/// Runs `body(index)` on `count` threads that a barrier releases together; the time from the first
/// start to the last end, so that starting and joining threads is not measured.
template <class Body>
nanoseconds run_together(unsigned count, Placement placement, const Body& body) {
    struct Span {
        std::uint64_t start, end;
    };
    std::vector<Span> spans(count);
    std::barrier start_line{static_cast<std::ptrdiff_t>(count)};
    {
        std::vector<std::jthread> threads;
        threads.reserve(count);
        for (unsigned index = 0; index < count; ++index) {
            threads.emplace_back([&, index] {
                placement == Placement::pinned ? pin_to(index) : unpin();
                tidy_heap();
                start_line.arrive_and_wait();
                spans[index].start = now();
                body(index);
                spans[index].end = now();
            });
        }
    }
    const auto first = std::ranges::min_element(spans, {}, &Span::start);
    const auto last = std::ranges::max_element(spans, {}, &Span::end);
    return nanoseconds{last->end - first->start};
}

/// How long a cache line travels from core to core right now, one way, in nanoseconds; 0 on one
/// core. It drifts by a factor of two on shared machines, and figures of two threads with it.
inline double cache_line_latency() {
    if (core_count() < 2) return 0;
    constexpr unsigned rounds = 20'000;
    alignas(128) std::atomic<unsigned> turn{0};
    const nanoseconds elapsed = run_together(2, Placement::pinned, [&](unsigned side) {
        for (unsigned round = 0; round < rounds; ++round) {
            while (turn.load(std::memory_order_acquire) != (2 * round) + side) {
            }
            turn.store((2 * round) + side + 1, std::memory_order_release);
        }
    });
    return static_cast<double>(elapsed.count()) / (2.0 * rounds);
}

}  // namespace runnel::bench
