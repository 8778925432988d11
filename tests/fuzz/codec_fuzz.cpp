// SPDX-License-Identifier: MIT
// The codec under libFuzzer: see README.md.

#include "fuzz/codec_input.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    runnel::test::check_codec({reinterpret_cast<const char*>(bytes), size});
    return 0;
}
