// SPDX-License-Identifier: MIT
#pragma once

// Clang's thread-safety and lifetime analyses as macros; every other compiler sees nothing.
#if defined(__clang__)
#    define RUNNEL_TSA(x) __attribute__((x))
#else
#    define RUNNEL_TSA(x)
#endif

#define RUNNEL_CAPABILITY(name) RUNNEL_TSA(capability(name))
#define RUNNEL_SCOPED_CAPABILITY RUNNEL_TSA(scoped_lockable)
#define RUNNEL_GUARDED_BY(m) RUNNEL_TSA(guarded_by(m))
#define RUNNEL_REQUIRES(...) RUNNEL_TSA(requires_capability(__VA_ARGS__))
#define RUNNEL_EXCLUDES(...) RUNNEL_TSA(locks_excluded(__VA_ARGS__))
#define RUNNEL_ACQUIRE(...) RUNNEL_TSA(acquire_capability(__VA_ARGS__))
#define RUNNEL_RELEASE(...) RUNNEL_TSA(release_capability(__VA_ARGS__))
// For a function that knows, in a way the analysis cannot see, that its caller holds the lock.
#define RUNNEL_ASSERT_CAPABILITY(...) RUNNEL_TSA(assert_capability(__VA_ARGS__))
#define RUNNEL_NO_THREAD_SAFETY_ANALYSIS RUNNEL_TSA(no_thread_safety_analysis)

// Behind a parameter, or behind the qualifiers of a member function for the object itself: the
// result refers into it, and clang warns where the result would outlive it (-Wdangling, on by
// default).
#if defined(__clang__) && defined(__has_cpp_attribute)
#    if __has_cpp_attribute(clang::lifetimebound)
#        define RUNNEL_LIFETIMEBOUND [[clang::lifetimebound]]
#    endif
#endif
#if !defined(RUNNEL_LIFETIMEBOUND)
#    define RUNNEL_LIFETIMEBOUND
#endif

// RUNNEL_VISIBLE: for what is thrown, or compared by address, across shared objects; all of them
// must see one thing, also when they are built with -fvisibility=hidden.
// RUNNEL_HIDDEN: for what each shared object must have its own of.
#if defined(__GNUC__)
#    define RUNNEL_VISIBLE __attribute__((visibility("default")))
#    define RUNNEL_HIDDEN __attribute__((visibility("hidden")))
#else
#    define RUNNEL_VISIBLE
#    define RUNNEL_HIDDEN
#endif
