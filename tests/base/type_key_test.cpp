// SPDX-License-Identifier: MIT
#include <runnel/detail/base/type_key.hpp>

#include "support/catch.hpp"

#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

using runnel::detail::is_ambiguous;
using runnel::detail::type_key;
using runnel::detail::type_name;
using runnel::detail::TypeKey;

namespace shop {

struct Order {
    struct Line {};
};

}  // namespace shop

namespace {

struct Unnamed {};

TypeKey key_of_one_local() {
    struct Local {};
    return type_key<Local>();
}

TypeKey key_of_another_local() {
    struct Local {};
    return type_key<Local>();
}

}  // namespace

TEST_CASE("keys of one type are equal", "[type_key]") {
    CHECK(type_key<int>() == type_key<int>());
    CHECK(type_key<shop::Order>() == type_key<shop::Order>());
    CHECK(type_key<Unnamed>() == type_key<Unnamed>());
    CHECK(key_of_one_local() == key_of_one_local());
}

TEST_CASE("keys of two types differ", "[type_key]") {
    CHECK(type_key<int>() != type_key<long>());
    CHECK(type_key<shop::Order>() != type_key<shop::Order::Line>());
    CHECK(type_key<int>() != type_key<const int*>());
    CHECK(type_key<std::vector<int>>() != type_key<std::vector<long>>());
}

TEST_CASE("namesakes that are local to two functions differ", "[type_key]") {
    CHECK(key_of_one_local() != key_of_another_local());
}

TEST_CASE("a key is made at compile time, and copied and assigned like a number", "[type_key]") {
    constexpr auto constant = type_key<int>();
    STATIC_REQUIRE(std::is_trivially_copyable_v<TypeKey>);
    auto key = constant;
    CHECK(key == type_key<int>());
    key = type_key<long>();
    CHECK(key == type_key<long>());
}

TEST_CASE("a key carries the readable name of its type", "[type_key]") {
    STATIC_REQUIRE(type_key<int>().name() == "int");
    STATIC_REQUIRE(type_key<shop::Order>().name() == "shop::Order");
    STATIC_REQUIRE(type_key<shop::Order::Line>().name() == "shop::Order::Line");
    STATIC_REQUIRE(type_key<double>().name() == "double");
    STATIC_REQUIRE(type_key<std::vector<double>>().name().starts_with("std::vector<double"));
    STATIC_REQUIRE(type_key<std::vector<double>>().name().ends_with(">"));
}

TEST_CASE("the name of a type that has a namesake elsewhere is ambiguous", "[type_key]") {
    auto lambda = [] {};
    STATIC_REQUIRE(is_ambiguous(type_name<Unnamed>()));
    STATIC_REQUIRE(is_ambiguous(type_name<Unnamed*>()));
    STATIC_REQUIRE(is_ambiguous(type_name<std::vector<Unnamed>>()));
    STATIC_REQUIRE(is_ambiguous(type_name<decltype(lambda)>()));
    STATIC_REQUIRE(is_ambiguous(type_name<std::vector<decltype(lambda)>>()));
}

TEST_CASE("the name of a type that all the program knows is not ambiguous", "[type_key]") {
    STATIC_REQUIRE_FALSE(is_ambiguous(type_name<int>()));
    STATIC_REQUIRE_FALSE(is_ambiguous(type_name<shop::Order::Line>()));
    STATIC_REQUIRE_FALSE(is_ambiguous(type_name<std::unique_ptr<std::vector<shop::Order>>>()));
    STATIC_REQUIRE_FALSE(is_ambiguous(type_name<int (*)(shop::Order)>()));
}
