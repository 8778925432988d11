// SPDX-License-Identifier: MIT

#include <runnel/redis.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <string>
#include <sys/mman.h>

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

TEST_CASE("a string does not grow beyond 512 megabytes", "[redis][strings]") {
    constexpr std::size_t most = std::size_t{512} * 1024 * 1024;
    runnel::redis::Server server;
    runnel::redis::Session session{server};
    session.execute({"SET", "s", "v"});
    // Nobody reads it, so it takes no memory.
    const auto size = most;
    void* const memory = mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    CHECK(session.execute({"APPEND", "s", {static_cast<const char*>(memory), size}}) ==
          Reply::error("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    munmap(memory, size);
    CHECK(session.execute({"GET", "s"}) == Reply::bulk_string("v"));
}
