// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/reserve.hpp>
#include <runnel/detail/blocks/log_block.hpp>
#include <runnel/detail/blocks/pin.hpp>
#include <runnel/detail/blocks/slots.hpp>
#include <runnel/detail/core/missed.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream_id.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace runnel::inline v0 {

template <Message T>
class DeadLetters;

/// One entry of a stream, kept alive as long as this object lives, even when the stream erases or
/// trims the entry or is destroyed. Copies refer to the same entry. For entries that have to
/// outlive a batch, such as dead letters. It keeps its block of up to 64 entries: the memory is not
/// freed, and values of the block that are erased meanwhile are not destroyed.
///
/// Thread safety: as a std::shared_ptr.
template <Message T>
class KeptEntry {
public:
    KeptEntry(const KeptEntry&) noexcept = default;
    KeptEntry(KeptEntry&&) noexcept = default;
    KeptEntry& operator=(KeptEntry other) noexcept {
        std::swap(entry_, other.entry_);
        return *this;
    }
    /// May destroy values that were erased meanwhile, and so runs destructors of T.
    ~KeptEntry() = default;

    /// The id in the stream that the entry was read from; the value. They require: not moved from.
    [[nodiscard]] StreamId id(detail::Caller caller = {}) const noexcept {
        RUNNEL_EXPECT(has_entry(), "id() of a KeptEntry that was moved from", caller);
        return entry_.id();
    }
    [[nodiscard]] const T& value(detail::Caller caller = {}) const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(has_entry(), "value() of a KeptEntry that was moved from", caller);
        return entry_.value();
    }
    [[nodiscard]] const T& operator*() const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(has_entry(), "* of a KeptEntry that was moved from", detail::Caller{});
        return entry_.value();
    }
    [[nodiscard]] const T* operator->() const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(has_entry(), "-> of a KeptEntry that was moved from", detail::Caller{});
        return std::addressof(entry_.value());
    }
    const T& value(detail::Caller caller = {}) const&& = delete;
    const T& operator*() const&& = delete;
    const T* operator->() const&& = delete;

    // For the stream and for batches, which make them.
    KeptEntry(detail::LogBlock<T>& block, std::uint32_t slot) noexcept
        : entry_{detail::Pin{block}, slot} {}

private:
    friend class DeadLetters<T>;

    [[nodiscard]] bool has_entry() const noexcept { return entry_.pin.block() != nullptr; }

    detail::PinnedEntry<T> entry_;
};

/// The entry that a stream was asked for, or nothing. Has `*`, `->` and the test of a
/// std::optional<KeptEntry<T>>, and converts to one.
///
///     if (const auto entry = orders.find(id)) print(entry->id(), entry->value());
///
/// `*` of a temporary returns the kept entry itself. `->` of a temporary does not compile, because
/// the entry may die with it: write `(*orders.find(id)).id()`.
template <Message T>
class [[nodiscard]] FoundEntry {
public:
    FoundEntry(std::nullopt_t /*none*/) noexcept {}                        // NOLINT(*-explicit-*)
    FoundEntry(KeptEntry<T> entry) noexcept : entry_{std::move(entry)} {}  // NOLINT(*-explicit-*)

    [[nodiscard]] explicit operator bool() const noexcept { return entry_.has_value(); }
    [[nodiscard]] bool has_value() const noexcept { return entry_.has_value(); }

    /// The entry. They require: there is one.
    [[nodiscard]] KeptEntry<T>& operator*() & noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(has_value(), "* of a FoundEntry without an entry", detail::Caller{});
        return *entry_;
    }
    [[nodiscard]] const KeptEntry<T>& operator*() const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(has_value(), "* of a FoundEntry without an entry", detail::Caller{});
        return *entry_;
    }
    [[nodiscard]] KeptEntry<T> operator*() && noexcept {
        RUNNEL_EXPECT(has_value(), "* of a FoundEntry without an entry", detail::Caller{});
        return std::move(*entry_);
    }
    [[nodiscard]] const KeptEntry<T>* operator->() const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(has_value(), "-> of a FoundEntry without an entry", detail::Caller{});
        return &*entry_;
    }
    KeptEntry<T> operator*() const&& = delete;
    const KeptEntry<T>* operator->() const&& = delete;

    // NOLINTNEXTLINE(*-explicit-*)
    operator std::optional<KeptEntry<T>>() const noexcept { return entry_; }

private:
    std::optional<KeptEntry<T>> entry_;
};

/// One entry of a batch, in place: valid as long as the batch is. Structured bindings see an id and
/// a value: `for (const auto& [id, value] : orders.range()) print(id, value);`
template <Message T>
class Entry {
public:
    StreamId id;
    const T& value;

    /// A reference that outlives the batch. Nothing is copied.
    [[nodiscard]] KeptEntry<T> keep() const noexcept { return {*block_, slot_}; }

    Entry(detail::LogBlock<T>& block, std::uint32_t slot) noexcept
        : id{block.id(slot)}, value{block.value(slot)}, block_{&block}, slot_{slot} {}

private:
    detail::LogBlock<T>* block_;
    std::uint32_t slot_;
};

}  // namespace runnel::inline v0

template <runnel::Message T>
struct std::tuple_size<runnel::Entry<T>> : std::integral_constant<std::size_t, 2> {};
template <std::size_t Index, runnel::Message T>
struct std::tuple_element<Index, runnel::Entry<T>>
    : std::tuple_element<Index, std::tuple<runnel::StreamId, const T&>> {};

namespace runnel::inline v0 {

/// By index, what structured bindings see of an entry: its id, its value.
template <std::size_t Index, Message T>
[[nodiscard]] std::tuple_element_t<Index, Entry<T>> get(const Entry<T>& entry) noexcept {
    if constexpr (Index == 0)
        return entry.id;
    else
        return entry.value;
}

/// Some entries of a stream, in place and in order, or the reason why there are none. Nothing is
/// copied: the batch keeps its entries alive, even when they are erased or trimmed meanwhile, and
/// also what is erased of the same blocks. Destroy it before you wait for the next one.
///
///     for (const auto& [id, value] : orders.range({.count = 10})) print(id, value);
///
/// Its destructor may destroy values that were erased meanwhile, and so run destructors of T.
template <Message T>
class [[nodiscard]] Entries {
public:
    class Iterator;
    using Reference = const Entry<T>;  ///< a value; const, so that `auto&` may refer to it

    Entries(Ending ending) noexcept : ending_{ending} {}  // NOLINT(*-explicit-*)
    Entries(Entries&& other) noexcept = default;
    Entries& operator=(Entries other) noexcept {
        std::swap(first_, other.first_);
        std::swap(others_, other.others_);
        std::swap(missed_, other.missed_);
        std::swap(is_reverse_, other.is_reverse_);
        std::swap(ending_, other.ending_);
        return *this;
    }
    ~Entries() = default;

    [[nodiscard]] explicit operator bool() const noexcept { return !empty(); }
    [[nodiscard]] bool empty() const noexcept { return first_.block() == nullptr; }

    /// Complexity: linear, one step for 64 entries.
    [[nodiscard]] std::size_t size() const noexcept {
        std::size_t count = detail::count_slots(first_.mask);
        for (const auto& part : others_) count += detail::count_slots(part.mask);
        return count;
    }

    /// Requires: index < size().
    /// Complexity: linear, one step for 64 entries.
    [[nodiscard]] Reference operator[](std::size_t index) const& noexcept RUNNEL_LIFETIMEBOUND {
        const detail::PinnedSlots<T>* part = &first_;
        for (const auto& other : others_) {
            const std::size_t count = detail::count_slots(part->mask);
            if (index < count) break;
            index -= count;
            part = &other;
        }
        RUNNEL_EXPECT(index < detail::count_slots(part->mask), "[] of Entries behind their end",
                      detail::Caller{});
        if (is_reverse_) index = detail::count_slots(part->mask) - 1 - index;
        return {*part->block(), detail::slot_at(part->mask, index)};
    }
    Reference operator[](std::size_t index) const&& = delete;

    [[nodiscard]] Iterator begin() const& noexcept RUNNEL_LIFETIMEBOUND { return Iterator{*this}; }
    [[nodiscard]] Iterator end() const& noexcept { return Iterator{}; }
    Iterator begin() const&& = delete;
    Iterator end() const&& = delete;

    /// The first one and the last one. They require: not empty.
    [[nodiscard]] Reference front(detail::Caller caller = {}) const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(!empty(), "front() of empty Entries", caller);
        const auto mask = first_.mask;
        return {*first_.block(), is_reverse_ ? detail::last_slot(mask) : detail::first_slot(mask)};
    }
    [[nodiscard]] Reference back(detail::Caller caller = {}) const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(!empty(), "back() of empty Entries", caller);
        const auto& part = others_.empty() ? first_ : others_.back();
        return {*part.block(),
                is_reverse_ ? detail::first_slot(part.mask) : detail::last_slot(part.mask)};
    }
    Reference front(detail::Caller caller = {}) const&& = delete;
    Reference back(detail::Caller caller = {}) const&& = delete;

    /// How many entries, just before these, were trimmed before the reader got to them. With
    /// Ending::closed, how many at the end. Entries that were erased by id do not count. Always 0
    /// of a range.
    [[nodiscard]] std::uint64_t missed() const noexcept { return missed_.count; }

    /// Whether missed() is exact. False: it may be more, because the read began after an id that
    /// the caller gave, and entries after that id had been trimmed already. Always true of a
    /// cursor that has read something, and of reads from From::start and From::end.
    [[nodiscard]] bool missed_is_exact() const noexcept { return missed_.is_exact; }

    /// Why there is nothing. Requires: there is nothing.
    [[nodiscard]] Ending ending(detail::Caller caller = {}) const noexcept {
        RUNNEL_EXPECT(empty(), "ending() of Entries that have entries", caller);
        return ending_;
    }

    // What reads fill. After the first, add() needs reserve(), which may throw.
    enum class Order : bool { ascending, descending };
    explicit Entries(Order order) noexcept : is_reverse_{order == Order::descending} {}
    [[nodiscard]] Order order() const noexcept {
        return is_reverse_ ? Order::descending : Order::ascending;
    }
    void reserve() {
        if (first_.block() != nullptr) detail::reserve_one_more(others_);
    }
    void tell(detail::Missed missed) noexcept { missed_ = missed; }
    void add(detail::PinnedSlots<T> part) noexcept {
        if (first_.block() == nullptr) {
            first_ = std::move(part);
        } else {
            others_.push_back(std::move(part));
        }
    }

private:
    detail::PinnedSlots<T> first_;
    std::vector<detail::PinnedSlots<T>> others_;
    detail::Missed missed_;
    bool is_reverse_ = false;
    Ending ending_ = Ending::timed_out;
};

template <Message T>
class Entries<T>::Iterator {
public:
    using value_type = Entry<T>;
    using difference_type = std::ptrdiff_t;

    Iterator() = default;
    explicit Iterator(const Entries& of RUNNEL_LIFETIMEBOUND) noexcept
        : of_{&of}, block_{of.first_.block()}, slots_{of.first_.mask} {}

    [[nodiscard]] Reference operator*() const noexcept {
        RUNNEL_EXPECT(block_ != nullptr, "* of the end of Entries", detail::Caller{});
        return {*block_, slot()};
    }

    Iterator& operator++() noexcept {
        RUNNEL_EXPECT(block_ != nullptr, "++ of the end of Entries", detail::Caller{});
        slots_ &= ~detail::slot_bit(slot());
        if (slots_ != 0) return *this;
        const bool is_last = part_ == of_->others_.size();
        block_ = is_last ? nullptr : of_->others_[part_].block();
        slots_ = is_last ? 0 : of_->others_[part_].mask;
        ++part_;
        return *this;
    }
    Iterator operator++(int) noexcept {
        const Iterator before = *this;
        ++*this;
        return before;
    }

    // Of one batch; the end is where no slots are left.
    friend bool operator==(const Iterator& one, const Iterator& other) noexcept {
        return one.block_ == other.block_ && one.slots_ == other.slots_;
    }

private:
    [[nodiscard]] std::uint32_t slot() const noexcept {
        return of_->is_reverse_ ? detail::last_slot(slots_) : detail::first_slot(slots_);
    }

    const Entries* of_ = nullptr;
    detail::LogBlock<T>* block_ = nullptr;
    detail::SlotMask slots_ = 0;
    std::size_t part_ = 0;  // of `others_`, the one after this
};

}  // namespace runnel::inline v0
