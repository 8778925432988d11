// SPDX-License-Identifier: MIT
#pragma once

// What runnel is, and what it needs of the compiler. Before 1.0 a new minor version may break
// source; the inline namespace `v0` keeps two of them in one program apart.

// Macros, so that #if can ask. NOLINTBEGIN(*-macro-to-enum)
#define RUNNEL_VERSION_MAJOR 0
#define RUNNEL_VERSION_MINOR 1
#define RUNNEL_VERSION_PATCH 0
// NOLINTEND(*-macro-to-enum)
#define RUNNEL_VERSION "0.1.0"

#if defined(_MSVC_LANG)
#    define RUNNEL_LANGUAGE _MSVC_LANG
#else
#    define RUNNEL_LANGUAGE __cplusplus
#endif

// What is missing is told once: compilers go on after an #error, but not after a header that is not
// there.
#if RUNNEL_LANGUAGE < 202002L
#    error "runnel needs C++20: compile with -std=c++20 or later"
#    include <the_error_above_ends_this>
#endif
#undef RUNNEL_LANGUAGE

#if !defined(__cpp_exceptions)
#    error "runnel needs exceptions: compile without -fno-exceptions"
#    include <the_error_above_ends_this>
#endif

#if defined(__SIZEOF_POINTER__) && __SIZEOF_POINTER__ < 8
#    error "runnel needs a 64-bit target"
#    include <the_error_above_ends_this>
#endif

#if __has_include(<version>)
#    include <version>
#endif
#if !defined(__cpp_lib_jthread)
#    error "runnel needs std::jthread: use libstdc++ 12 or newer"
#    include <the_error_above_ends_this>
#endif
