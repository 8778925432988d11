// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/options.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace runnel::inline v0::redis::detail {

// What CONFIG SET can change: at first as the server's options say. Guarded by its lock.
struct Settings {
    explicit Settings(const ServerOptions& options)
        : password{options.password},
          stream_node_max_entries{options.stream_node_max_entries},
          stream_node_max_bytes{options.stream_node_max_bytes},
          stream_idmp_duration{options.stream_idmp_duration.count()},
          stream_idmp_maxsize{static_cast<std::int64_t>(options.stream_idmp_maxsize)},
          pubsub_limit{options.pubsub_limit} {}

    // Without a password, any does.
    [[nodiscard]] bool accepts(std::string_view given) const noexcept {
        return password.empty() || given == password;
    }

    std::string password;
    std::size_t stream_node_max_entries;
    std::size_t stream_node_max_bytes;
    std::int64_t stream_idmp_duration;  // seconds
    std::int64_t stream_idmp_maxsize;
    OutputLimit pubsub_limit;
};

}  // namespace runnel::inline v0::redis::detail
