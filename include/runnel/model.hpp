// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <cstdint>
#include <string_view>

namespace runnel::inline v0 {

/// What a name stands for. Redis: TYPE.
enum class Model : std::uint8_t { list, stream, channel };

/// As it is spelled in the source, such as "list".
[[nodiscard]] constexpr std::string_view to_string(Model model) noexcept {
    switch (model) {
    case Model::list:
        return "list";
    case Model::stream:
        return "stream";
    case Model::channel:
        return "channel";
    }
    return "unknown";
}

}  // namespace runnel::inline v0
