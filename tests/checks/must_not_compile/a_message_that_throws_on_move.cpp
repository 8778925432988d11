// SPDX-License-Identifier: MIT
#include <runnel/message.hpp>

template <runnel::Message T>
struct Carrier {};

struct ThrowsOnMove {
    ThrowsOnMove(ThrowsOnMove&&) noexcept(false) {}
};

Carrier<ThrowsOnMove> carrier;
