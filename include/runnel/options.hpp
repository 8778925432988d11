// SPDX-License-Identifier: MIT
#pragma once

// The old name of list_options.hpp.

#include <runnel/version.hpp>

#include <runnel/list_options.hpp>  // IWYU pragma: export
