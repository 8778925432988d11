// SPDX-License-Identifier: MIT
#pragma once

// What this test and the compare mode of <runnel/redis/testing/fixture.hpp> share.

#include <runnel/redis/reply.hpp>
#include <runnel/redis/testing/comparable.hpp>
#include <runnel/redis/testing/listener.hpp>

#include "differential/vocabulary.hpp"

namespace runnel::test::differential {

using redis::Reply;
using redis::testing::detail::Comparable;
using redis::testing::detail::Heard;
using redis::testing::detail::in_small_letters;
using redis::testing::detail::Listener;
using redis::testing::detail::name_of;
using redis::testing::detail::time_made;

}  // namespace runnel::test::differential
