// SPDX-License-Identifier: MIT
#pragma once

namespace runnel::test {

/// Hands out a private member, which the language allows an explicit instantiation to name:
///
///     template struct Reveal<StateOf, &BlockingList<Gated>::state_>;
///
/// with `struct StateOf { friend auto reveal(StateOf); };` gives `reveal(StateOf{})`, a pointer to
/// the member.
template <typename Tag, auto Member>
struct Reveal {
    friend auto reveal(Tag) { return Member; }
};

}  // namespace runnel::test
