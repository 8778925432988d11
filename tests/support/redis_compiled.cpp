// SPDX-License-Identifier: MIT
// The commands of the fake of Redis, for tests that do not compile them themselves.

#include <runnel/redis/compiled.hpp>
