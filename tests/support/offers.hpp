// SPDX-License-Identifier: MIT
#pragma once

// Stands in for the system's call by which a thread offers its core to others. To be included by
// one file of a program.

#include <functional>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace runnel::test {

/// As long as it lives, `call` is made instead of each offer of this thread.
class Offers {
public:
    explicit Offers(std::function<void()> call) { instead() = std::move(call); }
    Offers(const Offers&) = delete;
    Offers& operator=(const Offers&) = delete;
    ~Offers() { instead() = nullptr; }

    static std::function<void()>& instead() {
        thread_local std::function<void()> call;
        return call;
    }
};

}  // namespace runnel::test

// NOLINTNEXTLINE(misc-definitions-in-headers): a definition of the program's own
extern "C" int sched_yield() noexcept {
    const auto& instead = runnel::test::Offers::instead();
    if (!instead) return static_cast<int>(syscall(SYS_sched_yield));
    instead();
    return 0;
}
