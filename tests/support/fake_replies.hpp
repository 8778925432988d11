// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/reply.hpp>

#include <string>
#include <string_view>

namespace runnel::test {

/// A string as the fake of Redis answers with it.
inline redis::Reply bulk(std::string_view bytes) {
    return redis::Reply::bulk_string(std::string{bytes});
}

}  // namespace runnel::test
