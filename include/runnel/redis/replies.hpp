// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/reply.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace runnel::inline v0::redis::detail {

// Replies that many commands make. Those that may allocate throw std::bad_alloc.

[[nodiscard]] inline Reply reply_ok() {
    return Reply::simple_string("OK");
}
[[nodiscard]] inline Reply reply_count(std::uint64_t count) noexcept {
    return Reply::integer(static_cast<std::int64_t>(count));
}
[[nodiscard]] inline Reply bulk(std::string_view bytes) {
    return Reply::bulk_string(std::string{bytes});
}

}  // namespace runnel::inline v0::redis::detail
