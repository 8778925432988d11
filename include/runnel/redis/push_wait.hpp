// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/request.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/redis/state.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// The wait of a thread for a push to one of several sessions at the nodes of a cluster, which share
// a lock. It ends also when all of them are closed.
class PushWait : public Request {
public:
    using Sessions = std::vector<std::shared_ptr<SessionState>>;

    // Any node, and at least one session. Throws: std::bad_alloc.
    PushWait(ServerState& node, Sessions sessions)
        : Request{behaviour, WaitsOn::several, node.clock},
          node_{node},
          sessions_{std::move(sessions)} {
        for (std::size_t count = sessions_.size(); count != 0; --count) nodes_.emplace_back(*this);
    }

    // For no sessions, too.
    [[nodiscard]] static bool is_over(const Sessions& sessions) noexcept {
        const auto has_push = [](const auto& one) { return one->has_push_to_take(); };
        const auto is_closed = [](const auto& one) { return one->is_closed; };
        return std::ranges::any_of(sessions, has_push) || std::ranges::all_of(sessions, is_closed);
    }

    void wait(const WaitOptions& options) { try_or_wait(*this, *this, WaitLimits::of(&options)); }

    Served attempt(const WaitNode& /*any of them*/) noexcept {
        if (!is_over(sessions_)) return Served::no;
        return claim(WaitEnd::served) ? Served::yes : Served::elsewhere;
    }

    // ---- its place
    [[nodiscard]] bool try_or_queue(const WaitLimits& /*it waits*/,
                                    WakeChain& /*it serves nobody*/) noexcept {
        const Lock lock{node_.mutex};
        if (attempt(nodes_.front()) == Served::yes) return true;
        for (std::size_t at = 0; at != nodes_.size(); ++at)
            sessions_[at]->push_waiters.insert(nodes_[at]);
        return false;
    }
    void leave() noexcept {
        const Lock lock{node_.mutex};
        for (WaitNode& place : nodes_)
            if (place.queue != nullptr) place.queue->remove(place);
    }
    [[nodiscard]] SpinBudget& spin() noexcept { return node_.spin; }

    static constexpr Behaviour behaviour{serve_as<PushWait, WaitNode>, unpark<PushWait>};

private:
    ServerState& node_;
    const Sessions sessions_;
    std::deque<WaitNode> nodes_;
};

}  // namespace runnel::inline v0::redis::detail
