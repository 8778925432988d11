// SPDX-License-Identifier: MIT
#pragma once

/// For a program with several files that include <runnel/redis.hpp>. All of them define
/// RUNNEL_REDIS_COMPILED, as by `-DRUNNEL_REDIS_COMPILED`; then the commands of the fake are
/// compiled once, in the one file that includes this.

#include <runnel/redis/all_commands.hpp>
#include <runnel/redis/dispatch.hpp>
