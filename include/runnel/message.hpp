// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <concepts>
#include <type_traits>

namespace runnel::inline v0 {

/// What runnel asks of a type whose values it carries: an object type without const or volatile
/// that is moved and destroyed without throwing. The no-throw half is what lets an operation fail
/// without losing a message that has already left its sender. Neither copying nor assignment nor a
/// default constructor is needed. A type that cannot promise it travels in a std::unique_ptr.
///
/// Its destructor runs without any lock of runnel's, in the thread that lets go of the value last:
/// that erases or trims it, lets go of the batch that still shows it, or of the last handle. It may
/// use any object, also the one that goes with it, which is then closed and empty; a handle to that
/// must not be kept. A message that owns another object of runnel's, whose messages own others, may
/// go as deep as memory has room: destructions nest up to a depth that is safe on any stack; deeper
/// ones stand in line, and run before the outermost has returned.
template <typename T>
concept Message = std::is_object_v<T> && std::same_as<T, std::remove_cv_t<T>> &&
    std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>;

/// Whether a list's move hands back a copy of what it moved. To be specialised as false for a T
/// that claims to be copyable and is not, as std::vector<std::unique_ptr<X>> does, or whose copies
/// cost too much. The copy is made under locks, also in the thread of a push that serves the move:
/// a copy constructor must not be a cancellation point, at which a thread could end there.
template <typename T>
inline constexpr bool copies_when_moved = std::is_copy_constructible_v<T>;

}  // namespace runnel::inline v0
