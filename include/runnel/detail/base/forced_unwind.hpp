// SPDX-License-Identifier: MIT
#pragma once

#include <exception>  // says which standard library this is

#if defined(__GLIBCXX__)
#    include <cxxabi.h>
#endif

namespace runnel::inline v0::detail {

// What passes through the frames of a thread that is cancelled or calls pthread_exit(). Whoever
// catches everything around a user's code has to let it pass, or the C library aborts:
//
//     } catch (const ForcedUnwind&) {
//         throw;
//     } catch (...) {
#if defined(__GLIBCXX__)
using ForcedUnwind = abi::__forced_unwind;
#else
struct ForcedUnwind {};  // nothing that can be caught
#endif

// For functions that catch it: nothing is what libstdc++ binds the reference to, which
// UndefinedBehaviorSanitizer would report.
#define RUNNEL_CATCHES_FORCED_UNWIND __attribute__((no_sanitize("null")))

}  // namespace runnel::inline v0::detail
