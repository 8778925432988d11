// SPDX-License-Identifier: MIT
#pragma once

// A fake of Redis for unit tests: Server, Session, Reply, Faults.

#include <runnel/version.hpp>

#include <runnel/redis/reply.hpp>    // IWYU pragma: export
#include <runnel/redis/server.hpp>   // IWYU pragma: export
#include <runnel/redis/session.hpp>  // IWYU pragma: export
