// SPDX-License-Identifier: MIT
#pragma once

// The threads of an order are fibers of one thread of the machine, as it takes far less time to go
// from one to another.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <link.h>
#include <memory>
#include <span>
#include <ucontext.h>
#include <vector>

#if defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define RUNNEL_FIBERS_UNDER_ASAN 1
#    endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#    define RUNNEL_FIBERS_UNDER_ASAN 1
#endif
#if defined(RUNNEL_FIBERS_UNDER_ASAN)
#    include <sanitizer/asan_interface.h>
#    include <sanitizer/common_interface_defs.h>
#endif

namespace runnel::test {

// What is thread_local in this program. Its libraries keep theirs.
inline std::span<std::byte> thread_locals() {
    std::span<std::byte> found;
    const auto look = [](dl_phdr_info* image, std::size_t /*size*/, void* result) {
        for (const auto& part : std::span{image->dlpi_phdr, image->dlpi_phnum})
            if (part.p_type == PT_TLS && image->dlpi_tls_data != nullptr)
                *static_cast<std::span<std::byte>*>(result) = {
                    static_cast<std::byte*>(image->dlpi_tls_data), part.p_memsz};
        return 1;  // the program comes first
    };
    dl_iterate_phdr(look, &found);
    return found;
}

// What a thread has of its own, and a fiber has not: it is exchanged when another one goes on.
class OwnVariables {
public:
    OwnVariables() : variables_(all().begin(), all().end()) {}

    void save() noexcept {
        std::ranges::copy(all(), variables_.begin());
        std::memcpy(exceptions_.data(), abi::__cxa_get_globals(), exceptions_.size());
    }
    void restore() const noexcept {
        std::ranges::copy(variables_, all().begin());
        std::memcpy(abi::__cxa_get_globals(), exceptions_.data(), exceptions_.size());
    }

private:
    [[nodiscard]] static std::span<std::byte> all() noexcept {
        static const std::span<std::byte> found = thread_locals();
        return found;
    }

    std::vector<std::byte> variables_;
    // The exceptions that are caught, and how many fly.
    std::array<std::byte, sizeof(void*) + sizeof(unsigned int)> exceptions_{};
};

class Fiber {
public:
    // Without a stack: it is what has been running up to now.
    Fiber() = default;
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    // It will begin with `entry`, which must not return.
    void prepare(void (*entry)()) {
        if (!memory_) memory_ = std::make_unique<std::byte[]>(stack_size);
        stack_ = {memory_.get(), stack_size};
        forget_frames();
        variables_.save();  // as those of whoever prepares it
        getcontext(&context_);
        context_.uc_stack.ss_sp = memory_.get();
        context_.uc_stack.ss_size = stack_.size();
        context_.uc_link = nullptr;
        makecontext(&context_, entry, 0);
    }

    // From this one, which runs, to another; returns when somebody goes to this one.
    void go_to(Fiber& other) noexcept {
        announce(other, &fake_stack_);
        variables_.save();
        other.variables_.restore();
        swapcontext(&context_, &other.context_);
        has_come(nullptr);
    }
    // The same, but nobody comes back to this one.
    [[noreturn]] void leave_for(Fiber& other) noexcept {
        announce(other, nullptr);
        other.variables_.restore();
        setcontext(&other.context_);
        std::abort();
    }
    // The first thing that `entry` does. `outside`: where it comes from, if that has no stack of
    // its own.
    void begin(Fiber* outside) noexcept { has_come(outside); }

private:
    static constexpr std::size_t stack_size = 256 * 1024;

#if defined(RUNNEL_FIBERS_UNDER_ASAN)
    // An order that failed has left some there.
    void forget_frames() noexcept {
        ASAN_UNPOISON_MEMORY_REGION(memory_.get(), stack_size);
    }
    static void announce(const Fiber& other, void** fake_stack) noexcept {
        __sanitizer_start_switch_fiber(fake_stack, other.stack_.data(), other.stack_.size());
    }
    void has_come(Fiber* outside) noexcept {
        const void* bottom = nullptr;
        std::size_t size = 0;
        __sanitizer_finish_switch_fiber(fake_stack_, &bottom, &size);
        fake_stack_ = nullptr;
        if (outside != nullptr) outside->stack_ = {static_cast<const std::byte*>(bottom), size};
    }
#else
    void forget_frames() noexcept {}
    static void announce(const Fiber& /*other*/, void** /*fake_stack*/) noexcept {}
    void has_come(Fiber* /*outside*/) noexcept {}
#endif

    ucontext_t context_{};
    std::unique_ptr<std::byte[]> memory_{};  // NOLINT(*-avoid-c-arrays)
    std::span<const std::byte> stack_{};
    void* fake_stack_ = nullptr;  // of the sanitizer
    OwnVariables variables_{};
};

}  // namespace runnel::test
