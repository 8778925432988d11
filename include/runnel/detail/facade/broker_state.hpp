// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/type_key.hpp>
#include <runnel/detail/facade/names.hpp>
#include <runnel/detail/facade/patterns.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/error.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::detail {

// The name spaces of a broker.
enum class Space : std::uint8_t {
    keys,  // lists and streams
    channels,
    sharded_channels,
};

// The names of a broker, the objects they stand for, and the patterns that are matched with
// channels. Its lock is taken before those of the objects. Under it, nothing that a user can see is
// made, closed or destroyed.
//
// Invariant outside the lock: each channel that is open is attached to each pattern that it
// matches.
class RUNNEL_VISIBLE BrokerState final : public Shared {
public:
    static constexpr std::array spaces{Space::keys, Space::channels, Space::sharded_channels};

    explicit BrokerState(Clock* time) noexcept : clock{time} {}

    // Inboxes may keep this state. The objects that the names stood for go now, without the lock.
    void last_handle_gone() noexcept override {
        close();
        std::array<Names, spaces.size()> gone;
        const Lock lock{mutex};
        gone.swap(names_);
    }

    void close() noexcept {
        {
            const Lock lock{mutex};
            closed = true;
        }
        end_patterns();
        for (const Space space : spaces) visit(space, [](const Named& named) { named.close(); });
    }

    // Calls visit(named) for each, one after the other, without the lock. Those made or removed
    // meanwhile may be visited or not.
    template <typename Visit>
    void visit(Space space, Visit visit) const {
        Owner<Named> last;
        for (;;) {
            Owner<Named> next;
            {
                const Lock lock{mutex};
                next = names(space).next(last.get());
            }
            if (next.get() == nullptr) return;
            visit(*next.get());
            last = std::move(next);
        }
    }

    // ---- names

    template <typename Handle>
    [[nodiscard]] std::optional<Handle> find(Space space, std::string_view name, Kind kind) const {
        const Lock lock{mutex};
        if (const auto* const found = names(space).template find<Handle>(name, kind)) return *found;
        return std::nullopt;
    }

    // The object with that name or, if there is none, what make() returns. make() is called without
    // the lock. If another thread is faster, the result is what that thread made.
    template <typename Handle, typename Make>
    [[nodiscard]] Handle find_or_make(Space space, std::string_view name, Kind kind, Make make) {
        if (auto found = find<Handle>(space, name, kind)) return *std::move(found);
        const Owner<NamedHandle<Handle>> made(std::in_place, name, kind, make());
        WakeChain nobody;
        const Lock lock{mutex};
        if (const auto* const found = names(space).template find<Handle>(name, kind)) return *found;
        refuse_if_closed();
        if (space == Space::channels) {
            patterns_.visit_matching(
                name, kind.message, [&](Pattern& pattern) { pattern.attach(*made.get(), nobody); });
        }
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

    // ---- patterns

    // Throws: Error{closed}; std::bad_alloc, and then the caller has to remove the pattern.
    void add(const Owner<Pattern>& pattern) {
        WakeAtEnd wake;
        const Lock lock{mutex};
        refuse_if_closed();
        patterns_.insert(pattern);
        visit_matching(*pattern.get(),
                       [&](const Named& channel) { pattern->attach(channel, wake.chain); });
    }

    void remove(Pattern& pattern) noexcept {
        WakeChain chain;
        bool was_there = false;
        {
            const Lock lock{mutex};
            was_there = patterns_.erase(pattern);
            visit_matching(pattern, [&](const Named& channel) { pattern.detach(channel, chain); });
        }
        if (was_there) pattern.end(chain);
        chain.resume_all();
    }

    [[nodiscard]] bool is_awaited(std::string_view name, TypeKey message) const noexcept {
        const Lock lock{mutex};
        return patterns_.any_matches(name, message);
    }

    [[nodiscard]] std::vector<std::string> patterns() const {
        const Lock lock{mutex};
        return patterns_.texts();
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
    struct WakeAtEnd {
        WakeAtEnd() = default;
        WakeAtEnd(const WakeAtEnd&) = delete;
        WakeAtEnd& operator=(const WakeAtEnd&) = delete;
        ~WakeAtEnd() { chain.resume_all(); }

        WakeChain chain;
    };

    void refuse_if_closed() const RUNNEL_REQUIRES(mutex) {
        if (closed) throw Error{ErrorCode::closed, "Broker: it is closed, and makes nothing more"};
    }

    // The channels that match.
    template <typename Visit>
    void visit_matching(const Pattern& pattern, Visit visit) const RUNNEL_REQUIRES(mutex) {
        names(Space::channels).visit(pattern.prefix(), [&](const Named& channel) {
            if (pattern.matches(channel.name, channel.kind.message)) visit(channel);
        });
    }

    void end_patterns() noexcept {
        WakeChain chain;
        for (;;) {
            Owner<Pattern> pattern;  // outlives the lock
            {
                const Lock lock{mutex};
                pattern = patterns_.extract_any();
            }
            if (pattern.get() == nullptr) break;
            pattern->end(chain);
        }
        chain.resume_all();
    }

    std::array<Names, spaces.size()> names_ RUNNEL_GUARDED_BY(mutex);
    Patterns patterns_ RUNNEL_GUARDED_BY(mutex);
};

}  // namespace runnel::inline v0::detail
