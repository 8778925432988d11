// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <cstdlib>

// RUNNEL_ASSERT(expression) states what only a bug can make false: a bug in runnel, or in a caller
// that does not meet a requirement. If RUNNEL_ASSERTS is defined and not 0, it checks, and aborts
// with the place and the expression. Otherwise the expression is not evaluated. No member or base
// class may depend on RUNNEL_ASSERTS: files built with and without it share objects.
#if defined(RUNNEL_ASSERTS) && RUNNEL_ASSERTS + 0

namespace runnel::inline v0::detail {

// Not constexpr: an assertion that fails in a constant expression does not compile.
[[noreturn]] inline void assertion_failed(const char* expression, const char* file,
                                          int line) noexcept {
    std::fprintf(stderr, "%s:%d: runnel: assertion failed: %s\n", file, line, expression);
    std::abort();
}

}  // namespace runnel::inline v0::detail

#    define RUNNEL_ASSERT(...)                                                                     \
        ((__VA_ARGS__) ? static_cast<void>(0)                                                      \
                       : ::runnel::detail::assertion_failed(#__VA_ARGS__, __FILE__, __LINE__))
#else
// sizeof keeps the operands "used", so that a build without asserts does not warn of them.
#    define RUNNEL_ASSERT(...) static_cast<void>(sizeof((__VA_ARGS__) ? 1 : 0))
#endif
