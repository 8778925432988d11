// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/clock.hpp>
#include <runnel/detail/annotations.hpp>
#include <runnel/detail/handle.hpp>
#include <runnel/detail/mutex.hpp>
#include <runnel/detail/names.hpp>
#include <runnel/error.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace runnel::inline v0::detail {

// The name spaces of a broker.
enum class Space : std::uint8_t {
    keys,  // lists and streams
};

// The names of a broker, and what they stand for. Its lock is taken before those of what the names
// stand for; under it nothing is made, closed or destroyed.
class RUNNEL_VISIBLE BrokerState final : public Shared {
public:
    explicit BrokerState(Clock* time) noexcept : clock{time} {}

    void last_handle_gone() noexcept override { close(); }

    // What a name stands for is closed without the lock, one after the other. Nothing is made any
    // more: so the names that there are can be gone through.
    void close() noexcept {
        {
            const Lock lock{mutex};
            closed = true;
        }
        for (std::size_t space = 0; space != spaces; ++space) close_all(static_cast<Space>(space));
    }

    template <typename Handle>
    [[nodiscard]] std::optional<Handle> find(Space space, std::string_view name, Kind kind) const {
        const Lock lock{mutex};
        if (const auto* const found = names(space).template find<Handle>(name, kind)) return *found;
        return std::nullopt;
    }

    // What is there or, if nothing is, what make() gives, which is called without the lock. Another
    // thread may be faster: then its one is taken.
    template <typename Handle, typename Make>
    [[nodiscard]] Handle find_or_make(Space space, std::string_view name, Kind kind, Make make) {
        if (auto found = find<Handle>(space, name, kind)) return *std::move(found);
        const Owner<NamedHandle<Handle>> made(std::in_place, name, kind, make());
        const Lock lock{mutex};
        if (const auto* const found = names(space).template find<Handle>(name, kind)) return *found;
        if (closed)
            throw Error{ErrorCode::closed,
                        "Broker: it is closed, and has no \"" + std::string{name} + '"'};
        names(space).insert(Owner<Named>{*made.get()});
        return made->handle;
    }

    // Frees the name and closes what it stood for; false if there was nothing.
    bool remove(Space space, std::string_view name) noexcept {
        Owner<Named> removed;  // outlives the lock
        {
            const Lock lock{mutex};
            removed = names(space).extract(name);
        }
        if (removed.get() == nullptr) return false;
        removed->close();
        return true;
    }

    [[nodiscard]] Names& names(Space space) noexcept RUNNEL_REQUIRES(mutex) {
        return names_[static_cast<std::size_t>(space)];
    }
    [[nodiscard]] const Names& names(Space space) const noexcept RUNNEL_REQUIRES(mutex) {
        return names_[static_cast<std::size_t>(space)];
    }

    Clock* const clock;  // of what is made here, unless its options name one
    mutable Mutex mutex;
    bool closed RUNNEL_GUARDED_BY(mutex) = false;

private:
    static constexpr std::size_t spaces = 1;

    void close_all(Space space) noexcept {
        Owner<Named> last;
        for (;;) {
            Owner<Named> next;
            {
                const Lock lock{mutex};
                next = names(space).next(last.get());
            }
            if (next.get() == nullptr) return;
            next->close();
            last = std::move(next);
        }
    }

    std::array<Names, spaces> names_ RUNNEL_GUARDED_BY(mutex);
};

}  // namespace runnel::inline v0::detail
