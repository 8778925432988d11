// SPDX-License-Identifier: MIT
#pragma once

// Lists and results as values that can be compared in one line. For the test's thread only.

#include <runnel/blocking_list.hpp>

#include "support/catch.hpp"
#include "support/endings.hpp"

#include <initializer_list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace runnel::test {

template <typename T>
void fill(const BlockingList<T>& list, std::initializer_list<T> elements) {
    for (T element : elements) REQUIRE(list.try_push_back(std::move(element)) == Push::done);
}

/// Front to back.
template <typename T>
std::vector<T> elements(const BlockingList<T>& list) {
    return list.range();
}

/// What a try_pop_front() at a time takes until nothing comes.
template <typename T>
std::vector<T> drain(const BlockingList<T>& list) {
    std::vector<T> taken;
    while (auto popped = list.try_pop_front()) taken.push_back(*std::move(popped));
    return taken;
}

template <typename T>
std::optional<T> value(const Popped<T>& popped) {
    return popped ? std::optional<T>{*popped} : std::nullopt;
}

template <typename T>
std::optional<T> value(const Popped<std::unique_ptr<T>>& popped) {
    return popped ? std::optional<T>{**popped} : std::nullopt;
}

template <typename T>
std::vector<T> values(const Batch<T>& batch) {
    return {batch.begin(), batch.end()};
}

}  // namespace runnel::test
