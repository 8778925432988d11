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
// For a function whose caller holds the lock, where the analysis cannot see that.
#define RUNNEL_ASSERT_CAPABILITY(...) RUNNEL_TSA(assert_capability(__VA_ARGS__))
#define RUNNEL_NO_THREAD_SAFETY_ANALYSIS RUNNEL_TSA(no_thread_safety_analysis)

// Marks a parameter or, behind the qualifiers of a member function, the object itself: the result
// refers to it. Clang warns where the result would outlive that (-Wdangling, on by default).
#if defined(__clang__) && defined(__has_cpp_attribute)
#    if __has_cpp_attribute(clang::lifetimebound)
#        define RUNNEL_LIFETIMEBOUND [[clang::lifetimebound]]
#    endif
#endif
#if !defined(RUNNEL_LIFETIMEBOUND)
#    define RUNNEL_LIFETIMEBOUND
#endif

// RUNNEL_VISIBLE: for types that are thrown, and objects that are compared by address, across
// shared objects. All of these must see the same one, even if built with -fvisibility=hidden.
// RUNNEL_HIDDEN: for what must exist once in each shared object.
#if defined(__GNUC__)
#    define RUNNEL_VISIBLE __attribute__((visibility("default")))
#    define RUNNEL_HIDDEN __attribute__((visibility("hidden")))
#else
#    define RUNNEL_VISIBLE
#    define RUNNEL_HIDDEN
#endif
