// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/destruction.hpp>
#include <runnel/detail/blocks/blocks.hpp>
#include <runnel/detail/blocks/id_offset.hpp>
#include <runnel/detail/blocks/radix_tree.hpp>
#include <runnel/detail/blocks/slots.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace runnel::inline v0::detail {

// A block of a log: up to 64 entries, constructed once and never moved.
//
//     [ first id, published | owners and pins, gone, destroyed | offset of each id | values ]
//
// The writer, under the lock of its log, constructs a value in the next slot and publishes it with
// a release-store of the count; readers that have a pin see published values without a lock.
//
// Two counts bound the lifetimes. An owner (the log, a cursor, a kept entry) keeps the memory. A
// pin (an open batch) also keeps the values of entries that are erased meanwhile. Both counts lie
// in one word, so a batch costs one atomic step at either end. The value of an erased entry is
// destroyed once no pin is left that may have seen it: by the eraser, after it has released the
// lock, or by the last reader. Only the thread that takes the right to reap, a bit of the same
// word, destroys such values.
template <Message T>
class LogBlock final : public RadixLeaf, public Destructible {
public:
    static constexpr std::uint32_t most_slots = 64;

    // Throws: std::bad_alloc. The caller is the one owner.
    [[nodiscard]] static LogBlock* make(StreamId first_id, std::uint32_t capacity) {
        void* const memory = BlockMemory::allocate(bytes(capacity), alignment());
        return ::new (memory) LogBlock{first_id, capacity};
    }

    // How many slots the block after one of `count` slots has; 0 stands for none.
    [[nodiscard]] static constexpr std::uint32_t capacity_after(std::uint32_t count,
                                                                std::uint32_t limit) noexcept {
        const auto most = BlockGrowth::most(sizeof(LogBlock), sizeof(T) + sizeof(std::uint64_t));
        return BlockGrowth::after(count, std::min(most, limit), first_capacity);
    }

    // ---- any owner

    [[nodiscard]] std::uint32_t count() const noexcept {
        return published_.load(std::memory_order_acquire) & ~sealed;
    }
    // Nothing more will be appended. If true, a count() after it is final.
    [[nodiscard]] bool is_full() const noexcept {
        return published_.load(std::memory_order_acquire) >= capacity_;
    }
    [[nodiscard]] StreamId id(std::uint32_t slot) const noexcept {
        RUNNEL_ASSERT(slot < count());
        return id_at(key, offsets()[slot]);
    }
    [[nodiscard]] const T& value(std::uint32_t slot) const noexcept { return *place(slot); }

    // The entries that were published and are not erased. Exact under the log's lock. Without the
    // lock, their values stay alive only for a thread that took a pin before the call.
    [[nodiscard]] SlotMask live() const noexcept { return live(slots_before(count())); }
    // The same of `published` slots.
    [[nodiscard]] SlotMask live(SlotMask published) const noexcept {
        return published & ~gone_.load(std::memory_order_seq_cst);
    }

    // Whether that slot has a live entry.
    [[nodiscard]] bool is_live(std::uint32_t slot) const noexcept {
        return slot < count() && live(slot_bit(slot)) != 0;
    }
    // Whether it is the one of that id.
    [[nodiscard]] bool has(std::uint32_t slot, const StreamId& wanted) const noexcept {
        return is_live(slot) && id(slot) == wanted;
    }

    // The first slot whose id is not less than `bound`; count() if there is none.
    [[nodiscard]] std::uint32_t lower_bound(const StreamId& bound) const noexcept {
        if (bound <= key) return 0;
        return first_not_less(offsets(), count(), least_offset(key, bound));
    }

    // The entries that were trimmed, not erased. Final for entries that are not live any more.
    [[nodiscard]] SlotMask trimmed() const noexcept {
        return trimmed_.load(std::memory_order_relaxed);
    }

    void add_owner() noexcept { word_.fetch_add(one_owner, std::memory_order_relaxed); }

    // Called without a lock: the last owner destroys what is left.
    void remove_owner() noexcept {
        // Acquire-release: the last one sees everything that the others did.
        if (owners(word_.fetch_sub(one_owner, std::memory_order_acq_rel)) == 1)
            destroy_nested(*this);
    }

    // A pin is also an owner. Called by an owner, or under the log's lock.
    void pin() noexcept { word_.fetch_add(one_pin, std::memory_order_seq_cst); }

    // Called without a lock: the last pin destroys what was erased under it.
    void unpin() noexcept {
        auto word = word_.load(std::memory_order_relaxed);
        while ((word & garbage) == 0) {
            if (!word_.compare_exchange_weak(word, word - one_pin, std::memory_order_seq_cst,
                                             std::memory_order_relaxed))
                continue;
            if (owners(word) == 1) destroy_nested(*this);
            return;
        }
        // Remains an owner for now, as a thread that reaps must be one.
        word_.fetch_sub(only_pin, std::memory_order_seq_cst);
        begin_reap() ? finish_reap() : remove_owner();
    }

    // ---- the writer, under the log's lock

    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }

    // Whether `id` can be appended here.
    [[nodiscard]] bool takes(StreamId id) const noexcept {
        const auto word = published_.load(std::memory_order_relaxed);
        return word < capacity_ && has_offset(key, id);  // a sealed word is greater
    }

    // Requires: takes(id), and it is greater than all that are here.
    void append(StreamId id, T&& value) noexcept {
        const auto slot = published_.load(std::memory_order_relaxed);
        RUNNEL_ASSERT(slot < capacity_);
        std::construct_at(place(slot), std::move(value));
        offsets()[slot] = least_offset(key, id);
        published_.store(slot + 1, std::memory_order_release);
    }

    // Nothing will be appended any more.
    void seal() noexcept {
        const auto word = published_.load(std::memory_order_relaxed);
        published_.store(word | sealed, std::memory_order_release);
    }

    // Called before erase(), which publishes it.
    void note_trimmed(SlotMask mask) noexcept {
        trimmed_.store(trimmed() | mask, std::memory_order_relaxed);
    }

    // Whether the block has owners besides the log and the thread that reaps. Under the log's lock
    // false is final, as all new owners come under that lock.
    [[nodiscard]] bool is_shared() const noexcept {
        const auto word = word_.load(std::memory_order_relaxed);
        return owners(word) != ((word & reaping) != 0 ? 2 : 1);
    }

    // Hides the slots of `mask` from all later pins. True: the caller has to call finish_reap()
    // after releasing the lock.
    [[nodiscard]] bool erase(SlotMask mask) noexcept {
        gone_.fetch_or(mask, std::memory_order_seq_cst);
        word_.fetch_or(garbage, std::memory_order_seq_cst);
        if (!begin_reap()) return false;
        add_owner();
        return true;
    }

    // Destroys the values that no thread can see any more. Gives up the right to reap and one
    // owner. Called without a lock.
    void finish_reap() noexcept { destroy_nested(*this); }

    // Links the blocks that a Disposal has the right to reap.
    [[nodiscard]] LogBlock* next_to_reap() const noexcept { return static_cast<LogBlock*>(next_); }
    void set_next_to_reap(LogBlock* block) noexcept { next_ = block; }

    // Guarded by the log's lock. Once the block has left the log, `next` belongs to the thread that
    // took it out.
    LogBlock* previous = nullptr;
    LogBlock* next = nullptr;
    bool has_left = false;

    // How many entries its stream had trimmed in all when this block left the log.
    [[nodiscard]] std::uint64_t trimmed_when_it_left() const noexcept {
        return trimmed_when_it_left_;
    }
    void set_trimmed_when_it_left(std::uint64_t count) noexcept { trimmed_when_it_left_ = count; }

private:
    static constexpr std::uint32_t first_capacity = 4;
    static constexpr std::uint32_t sealed = std::uint32_t{1} << 31U;

    // word_: 31 bits of pins, the right to reap, 31 bits of owners, whether there may be garbage.
    static constexpr std::uint64_t only_pin = 1;
    static constexpr std::uint64_t all_pins = (std::uint64_t{1} << 31U) - 1;
    static constexpr std::uint64_t reaping = std::uint64_t{1} << 31U;
    static constexpr std::uint64_t one_owner = std::uint64_t{1} << 32U;
    static constexpr std::uint64_t garbage = std::uint64_t{1} << 63U;
    static constexpr std::uint64_t one_pin = only_pin + one_owner;

    LogBlock(StreamId first_id, std::uint32_t capacity) noexcept
        : RadixLeaf{first_id}, capacity_{capacity} {}
    ~LogBlock() override = default;

    [[nodiscard]] static std::uint64_t owners(std::uint64_t word) noexcept {
        return (word & ~garbage) >> 32U;
    }

    [[nodiscard]] bool has_garbage() const noexcept {
        return (gone_.load(std::memory_order_seq_cst) &
                ~destroyed_.load(std::memory_order_seq_cst)) != 0;
    }

    // Takes the right to reap, if there is garbage, no other thread has the right, and no thread
    // has a pin. Otherwise those threads look again when they are done. `gone_` is read before the
    // step that finds no pin, so a later pin does not see these slots. Sequential consistency: of a
    // thread that erases and one that pins, or stops reaping, at least one sees the other.
    [[nodiscard]] bool begin_reap() noexcept {
        while (has_garbage()) {
            auto word = word_.load(std::memory_order_seq_cst);
            if ((word & (all_pins | reaping)) != 0) return false;
            const SlotMask mask = gone_.load(std::memory_order_seq_cst);
            if (!word_.compare_exchange_strong(word, word | reaping, std::memory_order_seq_cst))
                continue;
            reapable_ = mask;
            return true;
        }
        return false;
    }

    void destroy_values(SlotMask mask) noexcept {
        for (; mask != 0; mask &= mask - 1) std::destroy_at(place(first_slot(mask)));
    }

    // A thread that reaps is an owner. So while the bit is set, this is called by finish_reap().
    void destroy() noexcept override {
        (word_.load(std::memory_order_relaxed) & reaping) != 0 ? reap() : destroy_all();
    }

    void reap() noexcept {
        do {
            const SlotMask destroyed = destroyed_.load(std::memory_order_relaxed);
            destroy_values(reapable_ & ~destroyed);
            destroyed_.store(destroyed | reapable_, std::memory_order_relaxed);
            word_.fetch_and(~(reaping | garbage), std::memory_order_seq_cst);
            // A thread that erased meanwhile could not get the right, and relies on this thread to
            // look again.
            if (has_garbage()) word_.fetch_or(garbage, std::memory_order_seq_cst);
        } while (begin_reap());
        remove_owner();
    }

    void destroy_all() noexcept {
        static_assert(sizeof(LogBlock) == 128);  // two lines: see below
        destroy_values(slots_before(count()) & ~destroyed_.load(std::memory_order_relaxed));
        const std::uint32_t capacity = capacity_;
        this->~LogBlock();
        BlockMemory::release(this, bytes(capacity), alignment());
    }

    [[nodiscard]] static constexpr std::size_t alignment() noexcept {
        return std::max(alignof(LogBlock), alignof(T));
    }
    [[nodiscard]] static constexpr std::size_t values_at(std::uint32_t capacity) noexcept {
        const std::size_t end = sizeof(LogBlock) + capacity * sizeof(std::uint64_t);
        return (end + alignof(T) - 1) / alignof(T) * alignof(T);
    }
    [[nodiscard]] static constexpr std::size_t bytes(std::uint32_t capacity) noexcept {
        return values_at(capacity) + capacity * sizeof(T);
    }

    [[nodiscard]] const std::byte* raw() const noexcept {
        return reinterpret_cast<const std::byte*>(this);
    }
    [[nodiscard]] std::byte* raw() noexcept { return reinterpret_cast<std::byte*>(this); }
    [[nodiscard]] const std::uint64_t* offsets() const noexcept {
        return reinterpret_cast<const std::uint64_t*>(raw() + sizeof(LogBlock));
    }
    [[nodiscard]] std::uint64_t* offsets() noexcept {
        return reinterpret_cast<std::uint64_t*>(raw() + sizeof(LogBlock));
    }
    [[nodiscard]] const T* place(std::uint32_t slot) const noexcept {
        return reinterpret_cast<const T*>(raw() + values_at(capacity_)) + slot;
    }
    [[nodiscard]] T* place(std::uint32_t slot) noexcept {
        return reinterpret_cast<T*>(raw() + values_at(capacity_)) + slot;
    }

    Atomic<std::uint32_t> published_ = 0;
    const std::uint32_t capacity_;

    // On a line of their own: readers write them, and the writer writes the one above.
    alignas(64) Atomic<std::uint64_t> word_ = one_owner;
    Atomic<SlotMask> gone_ = 0;
    Atomic<SlotMask> destroyed_ = 0;
    Atomic<SlotMask> trimmed_ = 0;
    SlotMask reapable_ = 0;                   // guarded by the right to reap
    std::uint64_t trimmed_when_it_left_ = 0;  // by the log's lock; here, as there is room for it
};

}  // namespace runnel::inline v0::detail
