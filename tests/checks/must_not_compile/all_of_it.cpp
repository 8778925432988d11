// SPDX-License-Identifier: MIT
// Compiled without something that runnel needs.
#include <runnel/runnel.hpp>
