// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/list/list_state.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/message.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace runnel::inline v0::detail {

// The places of a wait on several lists, in one block of memory. It keeps the lists' memory. The
// wait itself comes later; another one may come after it.
template <Message T>
class ListPlaces {
public:
    using Place = OneOfListNodes<T>;

    // For at most so many lists. Throws: std::bad_alloc.
    explicit ListPlaces(std::size_t most)
        : entries_{most > most_searched ? std::bit_ceil(2 * most) : 0},
          units_{most + units_of(entries_)},
          places_{std::allocator<Place>{}.allocate(units_)},
          table_{reinterpret_cast<Entry*>(places_ + most)} {
        std::uninitialized_fill_n(table_, entries_, nullptr);
    }
    ListPlaces(ListPlaces&& other) noexcept
        : entries_{other.entries_},
          units_{other.units_},
          places_{std::exchange(other.places_, nullptr)},
          table_{other.table_},
          size_{std::exchange(other.size_, 0)} {}
    ListPlaces& operator=(ListPlaces&&) = delete;
    ~ListPlaces() {
        if (places_ == nullptr) return;
        std::destroy_n(places_, size_);
        std::allocator<Place>{}.deallocate(places_, units_);
    }

    // Names one more list, unless it was named before.
    void add(ListState<T>& list, std::size_t position) noexcept {
        if (is_named(list)) return;
        Place& place = *std::construct_at(places_ + size_, list, position);
        if (size_ != 0) place.several().earlier = &places_[size_ - 1];
        ++size_;
    }

    // For `waiter`, which waits here from now on. Requires: nobody else does.
    void give_to(Waiter& waiter) noexcept {
        RUNNEL_EXPECT(places_->waiter == nullptr,
                      "an awaitable of several objects is awaited twice at the same time",
                      Caller{});
        for (Place& place : *this) {
            place.waiter = &waiter;
            place.several().other = nullptr;
        }
    }
    // It does not wait any more, and stands in no line.
    void take_back() noexcept { places_->waiter = nullptr; }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] Place* begin() const noexcept { return places_; }
    [[nodiscard]] Place* end() const noexcept { return places_ + size_; }

private:
    using Entry = const ListState<T>*;

    // Of more lists than this a hash table tells which were named. It stands behind the places.
    static constexpr std::size_t most_searched = 16;

    [[nodiscard]] static constexpr std::size_t units_of(std::size_t entries) noexcept {
        static_assert(alignof(Place) >= alignof(Entry));
        return (entries * sizeof(Entry) + sizeof(Place) - 1) / sizeof(Place);
    }

    // Notes it, if it was not.
    [[nodiscard]] bool is_named(const ListState<T>& list) noexcept {
        if (entries_ != 0) return !note(list);
        for (const Place& place : *this)
            if (place.list() == &list) return true;
        return false;
    }

    // Multiplicative hashing; twice as many entries as lists, so that one is free. False: it was
    // noted before.
    [[nodiscard]] bool note(const ListState<T>& list) noexcept {
        constexpr std::uint64_t golden_ratio = 0x9E37'79B9'7F4A'7C15;
        const std::uint64_t hash = reinterpret_cast<std::uintptr_t>(&list) * golden_ratio;
        std::size_t at = hash >> (64 - std::countr_zero(entries_));
        while (table_[at] != nullptr && table_[at] != &list) at = (at + 1) & (entries_ - 1);
        return std::exchange(table_[at], &list) == nullptr;
    }

    std::size_t entries_;
    std::size_t units_;
    Place* places_;
    Entry* table_;
    std::size_t size_ = 0;
};

}  // namespace runnel::inline v0::detail
