// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <cstdlib>

namespace runnel::inline v0::detail {

// A place in the source: where it is made. As a default argument, `Caller caller = {}` is where the
// call stands that leaves the argument out. (clang 14 has no std::source_location.)
struct Caller {
    const char* file = __builtin_FILE();
    int line = __builtin_LINE();
};

// Not constexpr: an assertion that fails in a constant expression does not compile.
[[noreturn]] [[gnu::cold]] inline void assertion_failed(const char* mistake, const char* expression,
                                                        Caller at) noexcept {
    std::fprintf(stderr, "%s:%d: runnel: %s (not true: %s)\n", at.file, at.line, mistake,
                 expression);
    std::abort();
}

}  // namespace runnel::inline v0::detail

// RUNNEL_ASSERT(expression) states what only a bug in runnel can make false.
//
// RUNNEL_EXPECT(expression, mistake, caller) states what a caller has to meet; `mistake` says what
// is wrong if it does not, and `caller` is a Caller. An operator, which has no default arguments,
// passes Caller{}, its own place.
//
// Both abort with a message if the expression is false. They check unless NDEBUG is defined;
// RUNNEL_ASSERTS, if it is defined, decides instead, 0 or 1. Without the check the expression is
// not evaluated. No member or base class may depend on it: files built with and without it share
// objects.
#if (defined(RUNNEL_ASSERTS) && RUNNEL_ASSERTS + 0) ||                                             \
    (!defined(RUNNEL_ASSERTS) && !defined(NDEBUG))
#    define RUNNEL_EXPECT(expression, mistake, caller)                                             \
        ((expression) ? static_cast<void>(0)                                                       \
                      : ::runnel::detail::assertion_failed(mistake, #expression, caller))
#    define RUNNEL_ASSERT(...)                                                                     \
        ((__VA_ARGS__) ? static_cast<void>(0)                                                      \
                       : ::runnel::detail::assertion_failed("a bug in runnel", #__VA_ARGS__,       \
                                                            ::runnel::detail::Caller{}))
#else
// sizeof keeps the operands "used", so that a build without asserts does not warn of them.
#    define RUNNEL_EXPECT(expression, mistake, caller)                                             \
        static_cast<void>(sizeof((expression) ? sizeof(caller) : sizeof(mistake)))
#    define RUNNEL_ASSERT(...) static_cast<void>(sizeof((__VA_ARGS__) ? 1 : 0))
#endif
