// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/handle.hpp>

#include <utility>

namespace runnel::inline v0::detail {

// Where a part of a handle is now; null once the part is gone. The handle and its watches share it,
// and one of them uses it at a time: a wait is a use of the handle.
template <typename Part>
struct Whereabouts final : Owned {
    Part* part = nullptr;
};

// A part of a handle that watches find after the handle was moved. The first watch makes the
// whereabouts. Without a watch the handle has a null pointer more, and reading costs nothing more.
template <typename Part>
class Watched {
public:
    explicit Watched(Part&& part) noexcept : part_{std::move(part)} {}
    Watched(Watched&& other) noexcept
        : part_{std::move(other.part_)}, whereabouts_{std::move(other.whereabouts_)} {
        tell();
    }
    // Watches of the old part see it go.
    Watched& operator=(Watched other) noexcept {
        std::swap(part_, other.part_);
        std::swap(whereabouts_, other.whereabouts_);
        tell();
        return *this;
    }
    ~Watched() {
        if (whereabouts_.get() != nullptr) whereabouts_->part = nullptr;
    }

    [[nodiscard]] Part& operator*() noexcept { return part_; }
    [[nodiscard]] const Part& operator*() const noexcept { return part_; }
    [[nodiscard]] Part* operator->() noexcept { return &part_; }
    [[nodiscard]] const Part* operator->() const noexcept { return &part_; }

    // For a watch. Throws: std::bad_alloc.
    [[nodiscard]] Owner<Whereabouts<Part>> whereabouts() {
        if (whereabouts_.get() == nullptr) {
            whereabouts_ = Owner<Whereabouts<Part>>(std::in_place);
            tell();
        }
        return whereabouts_;
    }

private:
    void tell() noexcept {
        if (whereabouts_.get() != nullptr) whereabouts_->part = &part_;
    }

    Part part_;
    Owner<Whereabouts<Part>> whereabouts_;
};

}  // namespace runnel::inline v0::detail
