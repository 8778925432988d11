// SPDX-License-Identifier: MIT
#pragma once

// The one file that knows Catch2 v2 from v3: tests include "support/catch.hpp", nothing of Catch2.

#if __has_include(<catch2/catch.hpp>)
#    include <catch2/catch.hpp>  // v2, Debian's package `catch2`
#elif __has_include(<catch2/catch_all.hpp>)
#    include <catch2/catch_all.hpp>  // v3: accepted, but nobody has tried it yet
#else
#    error "the tests need Catch2: apt-get install catch2, or tests/run --install"
#endif
