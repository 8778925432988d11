// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/blocks/log_block.hpp>
#include <runnel/detail/blocks/pin.hpp>
#include <runnel/detail/blocks/slots.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <cstddef>

namespace runnel::inline v0::detail {

// The live slots of `block` up to `last` or, on the way back, to `first`.
template <Message T>
[[nodiscard]] SlotMask slots_to_the_end(const LogBlock<T>& block, const StreamId& first,
                                        const StreamId& last, bool forward) noexcept {
    using Log = StreamLog<T>;
    return block.live() & (forward ? Log::slots_up_to(block, last) : Log::slots_from(block, first));
}

// Adds the entries from `first` to `last`, up to `count`, in the order of `entries`, which is an
// Entries<T>. Requires: the log's lock. Throws: std::bad_alloc.
template <Message T, typename Batch>
void collect(const StreamLog<T>& log, StreamId first, StreamId last, std::size_t count,
             Batch& entries) {
    const bool forward = entries.order() == Batch::Order::ascending;
    const LogPlace<T> place = forward ? log.lower_bound(first) : log.at_most(last);
    SlotMask ahead = forward ? ~slots_before(place.slot) : slots_before(place.slot + 1);
    for (LogBlock<T>* block = place.block; block != nullptr && count != 0;
         block = forward ? block->next : block->previous) {
        const SlotMask in_range = slots_to_the_end(*block, first, last, forward);
        if (in_range == 0 && block->live() == 0) continue;  // of those somebody stands in
        ahead &= in_range;
        if (ahead == 0) return;
        const SlotMask mask = forward ? lowest_slots(ahead, count) : highest_slots(ahead, count);
        entries.reserve();
        entries.add({Pin{*block}, mask});
        if (mask != ahead) return;
        count -= std::min<std::size_t>(count, count_slots(mask));
        ahead = ~SlotMask{0};
    }
}

}  // namespace runnel::inline v0::detail
