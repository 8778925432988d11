// SPDX-License-Identifier: MIT
// A server at the other end of a descriptor under libFuzzer: see README.md.

#include "fuzz/descriptor_input.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    runnel::test::check_descriptor({reinterpret_cast<const char*>(bytes), size});
    return 0;
}
