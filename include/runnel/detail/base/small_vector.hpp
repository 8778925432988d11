// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace runnel::inline v0::detail {

// A vector that allocates only for more than one element. Room is made first, by reserve(), so
// adding elements cannot fail.
template <typename T>
class SmallVector {
public:
    SmallVector() = default;
    SmallVector(SmallVector&& other) noexcept { take(other); }
    SmallVector& operator=(SmallVector&& other) noexcept {
        SmallVector old(std::move(*this));
        take(other);
        return *this;
    }
    ~SmallVector() {
        std::destroy_n(elements_, size_);
        release();
    }

    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

    [[nodiscard]] const T* begin() const noexcept { return elements_; }
    [[nodiscard]] const T* end() const noexcept { return elements_ + size_; }
    [[nodiscard]] const T& operator[](std::size_t index) const noexcept {
        RUNNEL_ASSERT(index < size_);
        return elements_[index];
    }
    [[nodiscard]] const T& back() const noexcept { return (*this)[size_ - 1]; }

    // Throws: std::bad_alloc, and then nothing has changed.
    void reserve(std::size_t capacity) {
        if (capacity > capacity_) grow(capacity);
    }

    // Requires: size() < capacity().
    template <typename... Arguments>
    void emplace_back(Arguments&&... arguments) noexcept {
        RUNNEL_ASSERT(size_ < capacity_);
        std::construct_at(elements_ + size_, std::forward<Arguments>(arguments)...);
        ++size_;
    }

private:
    static_assert(std::is_nothrow_move_constructible_v<T>);

    [[nodiscard]] T* room() noexcept { return reinterpret_cast<T*>(room_); }
    [[nodiscard]] bool has_memory() noexcept { return elements_ != room(); }

    [[gnu::noinline]] void grow(std::size_t capacity) {
        move_to(std::allocator<T>{}.allocate(capacity), capacity);
    }

    void move_to(T* elements, std::size_t capacity) noexcept {
        std::uninitialized_move_n(elements_, size_, elements);
        std::destroy_n(elements_, size_);
        release();
        elements_ = elements;
        capacity_ = capacity;
    }

    void release() noexcept {
        if (has_memory()) std::allocator<T>{}.deallocate(elements_, capacity_);
    }

    // Requires: this one is empty and has no memory. Leaves `other` in that state.
    void take(SmallVector& other) noexcept {
        size_ = std::exchange(other.size_, 0);
        if (other.has_memory()) {
            elements_ = std::exchange(other.elements_, other.room());
            capacity_ = std::exchange(other.capacity_, 1);
        } else if (size_ != 0) {
            std::construct_at(elements_, std::move(*other.elements_));
            std::destroy_at(other.elements_);
        }
    }

    T* elements_ = room();
    std::size_t size_ = 0;
    std::size_t capacity_ = 1;
    alignas(T) std::byte room_[sizeof(T)];  // NOLINT(*-avoid-c-arrays)
};

}  // namespace runnel::inline v0::detail
