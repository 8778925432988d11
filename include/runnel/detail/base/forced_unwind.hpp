// SPDX-License-Identifier: MIT
#pragma once

#include <exception>  // says which standard library this is

#if defined(__GLIBCXX__)
#    include <cxxabi.h>
#endif

namespace runnel::inline v0::detail {

// The exception that unwinds a thread that is cancelled or calls pthread_exit(). Code that catches
// every exception of a user's code has to let it pass, or the C library aborts:
//
//     } catch (const ForcedUnwind&) {
//         throw;
//     } catch (...) {
#if defined(__GLIBCXX__)
using ForcedUnwind = abi::__forced_unwind;
#else
struct ForcedUnwind {};  // never thrown
#endif

// For functions that catch it: libstdc++ binds the reference to null, which
// UndefinedBehaviorSanitizer would report.
#define RUNNEL_CATCHES_FORCED_UNWIND __attribute__((no_sanitize("null")))

}  // namespace runnel::inline v0::detail
