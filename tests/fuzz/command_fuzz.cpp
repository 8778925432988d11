// SPDX-License-Identifier: MIT
// Commands under libFuzzer: see README.md.

#include "fuzz/command_input.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    runnel::test::check_commands({reinterpret_cast<const char*>(bytes), size});
    return 0;
}
