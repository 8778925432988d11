// SPDX-License-Identifier: MIT
#pragma once

// Messages that own memory.

#include <cstddef>
#include <string>
#include <vector>

namespace runnel::test {

using Words = std::vector<std::string>;

// Too long to be kept without memory, so that a copy needs some.
inline std::string word(std::size_t number) {
    return "a message that is long, number " + std::to_string(number);
}

inline Words words(std::size_t first, std::size_t count) {
    Words made;
    for (std::size_t number = first; number != first + count; ++number)
        made.push_back(word(number));
    return made;
}

}  // namespace runnel::test
