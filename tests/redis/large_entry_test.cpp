// SPDX-License-Identifier: MIT

#include <runnel/redis.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <string>

using runnel::redis::Reply;

TEST_CASE("an entry of more than a gibibyte is refused, and makes no stream", "[redis][streams]") {
    constexpr std::size_t eighth = std::size_t{1} << 27U;
    const std::string part(eighth, 'x');
    runnel::redis::Server server;
    runnel::redis::Session session{server};
    CHECK(session.execute({"XADD", "s", "*", part, part, part, part, part, part, part, part, "f",
                           "v"}) == Reply::error("ERR Elements are too large to be stored"));
    CHECK(session.execute({"EXISTS", "s"}) == Reply::integer(0));
}
