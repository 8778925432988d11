// SPDX-License-Identifier: MIT
#pragma once

// For tests of code that names sw::redis::Redis: this stands in its include path where the header
// of redis-plus-plus is in production.

#include <runnel/compat/redis_plus_plus.hpp>

namespace sw {
namespace redis = runnel::compat::sw;
}
