// SPDX-License-Identifier: MIT
// The same with Boost.Asio.
#define RUNNEL_TEST_BOOST

#include "compat/asio_test.cpp"
