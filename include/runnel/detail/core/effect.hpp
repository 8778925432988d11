// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace runnel::inline v0::detail {

// What a change of a stream or of a group has done. Used by the waits for room, for the counts that
// calls return and, later, by a journal.
struct Effect {
    std::size_t appended = 0;      // entries that are new in the stream
    std::size_t removed = 0;       // entries that were erased or trimmed
    std::size_t acknowledged = 0;  // entries that are no longer pending
    std::size_t released = 0;      // entries that are still pending, but have no owner
    std::size_t extended = 0;      // entries whose idle time was restarted

    Effect& operator+=(const Effect& other) noexcept {
        appended += other.appended;
        removed += other.removed;
        acknowledged += other.acknowledged;
        released += other.released;
        extended += other.extended;
        return *this;
    }
    friend bool operator==(const Effect&, const Effect&) = default;

    // Whether it has changed anything.
    [[nodiscard]] explicit operator bool() const noexcept { return *this != Effect{}; }
};

}  // namespace runnel::inline v0::detail
