// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <concepts>
#include <type_traits>

namespace runnel::inline v0 {

/// A type of messages: an object type, neither const nor volatile, whose move construction and
/// destruction do not throw. Because of that an operation can fail without losing a message that
/// has already left its sender. T need not be copyable, assignable or default constructible. Put
/// any other type into a std::unique_ptr.
///
/// The destructor of T runs without a lock of runnel, in the thread that drops the value last: that
/// erases or trims it, destroys the last batch that shows it, or destroys the last handle. It may
/// use any object, also the object that is being destroyed with it, which is then closed and empty.
/// It must not keep a handle of that object. Messages may own objects of runnel whose messages own
/// others, to any depth: destructions nest up to a depth that is safe on any stack. Deeper ones are
/// queued, and run before the outermost destruction returns.
template <typename T>
concept Message = std::is_object_v<T> && std::same_as<T, std::remove_cv_t<T>> &&
    std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>;

/// Whether move_to() of a list returns a copy of what it has moved. Specialise it as false for a T
/// that claims to be copyable but is not, such as std::vector<std::unique_ptr<X>>, or whose copies
/// cost too much. The copy is made under locks, maybe in the thread of a push that serves the move.
/// So the copy constructor must not be a cancellation point, at which that thread could end.
template <typename T>
inline constexpr bool copies_when_moved = std::is_copy_constructible_v<T>;

}  // namespace runnel::inline v0
