// SPDX-License-Identifier: MIT
// The same source in another shared object: same names of all types, and in its unnamed namespace
// other types.
#include "type_key_a.cpp"  // NOLINT(bugprone-suspicious-include)
