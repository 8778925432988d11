// SPDX-License-Identifier: MIT
#include <runnel/error.hpp>

#include "support/catch.hpp"

#include <exception>
#include <stdexcept>
#include <string_view>
#include <type_traits>

using runnel::Error;
using runnel::ErrorCode;

TEST_CASE("an error tells programs a code and people a text", "[error]") {
    const Error error{ErrorCode::wrong_type, "orders: a list, not a stream"};
    CHECK(error.code() == ErrorCode::wrong_type);
    CHECK(error.what() == std::string_view{"orders: a list, not a stream"});
}

TEST_CASE("an error is caught as any run-time error", "[error]") {
    try {
        throw Error{ErrorCode::invalid_argument, "capacity: 0"};
    } catch (const std::runtime_error& error) {
        CHECK(error.what() == std::string_view{"capacity: 0"});
    }
}

TEST_CASE("copying an error does not throw another", "[error]") {
    STATIC_REQUIRE(std::is_nothrow_copy_constructible_v<Error>);
    const Error error{ErrorCode::not_settled, "clock"};
    const Error copy{error};  // NOLINT(performance-unnecessary-copy-initialization)
    CHECK(copy.code() == ErrorCode::not_settled);
    CHECK(copy.what() == std::string_view{"clock"});
}

TEST_CASE("every code has the name it has in the source", "[error]") {
    STATIC_REQUIRE(to_string(ErrorCode::invalid_argument) == "invalid_argument");
    STATIC_REQUIRE(to_string(ErrorCode::id_exhausted) == "id_exhausted");
    STATIC_REQUIRE(to_string(ErrorCode::not_settled) == "not_settled");
    STATIC_REQUIRE(to_string(ErrorCode::id_too_small) == "id_too_small");
    STATIC_REQUIRE(to_string(ErrorCode::closed) == "closed");
    STATIC_REQUIRE(to_string(ErrorCode::wrong_type) == "wrong_type");
    STATIC_REQUIRE(to_string(ErrorCode::no_value) == "no_value");
    STATIC_REQUIRE(to_string(ErrorCode::clock_not_run) == "clock_not_run");
    STATIC_REQUIRE(to_string(ErrorCode::no_descriptor) == "no_descriptor");
    STATIC_REQUIRE(to_string(ErrorCode::wrong_reply) == "wrong_reply");
    STATIC_REQUIRE(to_string(ErrorCode::unsupported) == "unsupported");
    STATIC_REQUIRE(to_string(ErrorCode::protocol_error) == "protocol_error");
    STATIC_REQUIRE(to_string(ErrorCode::unavailable) == "unavailable");
}
