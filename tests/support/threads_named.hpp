// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

namespace runnel::test {

/// How many threads of this process have that name. One that was joined may count for a moment
/// more.
[[nodiscard]] inline std::size_t threads_named(std::string_view name) {
    std::size_t count = 0;
    std::error_code none;
    for (const auto& task : std::filesystem::directory_iterator{"/proc/self/task", none}) {
        std::string found;
        std::getline(std::ifstream{task.path() / "comm"}, found);
        count += found == name ? 1U : 0U;
    }
    return count;
}

}  // namespace runnel::test
