// SPDX-License-Identifier: MIT
#include <runnel/message.hpp>

#include "support/catch.hpp"

#include <array>
#include <memory>
#include <string>

using runnel::Message;

namespace {

struct MovedOnce {
    explicit MovedOnce(int /*number*/) {}
    MovedOnce(MovedOnce&&) noexcept = default;
    MovedOnce& operator=(MovedOnce&&) = delete;
};

struct ThrowsOnMove {
    ThrowsOnMove(ThrowsOnMove&& /*other*/) noexcept(false) {}
};

struct ThrowsOnAssignment {
    ThrowsOnAssignment(ThrowsOnAssignment&&) noexcept = default;
    ThrowsOnAssignment& operator=(ThrowsOnAssignment&& /*other*/) noexcept(false) { return *this; }
};

struct ThrowsOnDestruction {
    ThrowsOnDestruction(ThrowsOnDestruction&&) noexcept = default;
    ~ThrowsOnDestruction() noexcept(false) {}  // NOLINT(modernize-use-equals-default)
};

struct Pinned {
    Pinned(Pinned&&) = delete;
};

struct OnlyCopies {
    OnlyCopies(const OnlyCopies& /*other*/) noexcept {}  // NOLINT(modernize-use-equals-default)
};

struct Abstract {
    virtual ~Abstract() = default;
    virtual void act() = 0;
};

}  // namespace

TEST_CASE("values of everyday types are messages", "[message]") {
    STATIC_REQUIRE(Message<int>);
    STATIC_REQUIRE(Message<std::string>);
    STATIC_REQUIRE(Message<std::array<int, 8>>);
    STATIC_REQUIRE(Message<const int*>);
}

TEST_CASE("a message need not be copyable", "[message]") {
    STATIC_REQUIRE(Message<std::unique_ptr<int>>);
}

TEST_CASE("a message needs neither assignment nor a default constructor", "[message]") {
    STATIC_REQUIRE(Message<MovedOnce>);
    STATIC_REQUIRE(Message<ThrowsOnAssignment>);
}

TEST_CASE("a copy that does not throw will do for a move", "[message]") {
    STATIC_REQUIRE(Message<OnlyCopies>);
}

TEST_CASE("a type that may throw on move is no message, but a pointer to it is", "[message]") {
    STATIC_REQUIRE_FALSE(Message<ThrowsOnMove>);
    STATIC_REQUIRE(Message<std::unique_ptr<ThrowsOnMove>>);
}

TEST_CASE("a type that may throw on destruction is no message", "[message]") {
    STATIC_REQUIRE_FALSE(Message<ThrowsOnDestruction>);
}

TEST_CASE("a type that cannot be moved is no message", "[message]") {
    STATIC_REQUIRE_FALSE(Message<Pinned>);
    STATIC_REQUIRE_FALSE(Message<Abstract>);
    STATIC_REQUIRE_FALSE(Message<int[3]>);  // NOLINT(*-avoid-c-arrays)
}

TEST_CASE("only unqualified objects are messages", "[message]") {
    STATIC_REQUIRE_FALSE(Message<const int>);
    STATIC_REQUIRE_FALSE(Message<volatile int>);
    STATIC_REQUIRE_FALSE(Message<int&>);
    STATIC_REQUIRE_FALSE(Message<int&&>);
    STATIC_REQUIRE_FALSE(Message<void>);
    STATIC_REQUIRE_FALSE(Message<void()>);
}
