// SPDX-License-Identifier: MIT
#pragma once

// The old name of subscription.hpp.

#include <runnel/version.hpp>

#include <runnel/subscription.hpp>  // IWYU pragma: export
