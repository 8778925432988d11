// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/request.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/redis/state.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <vector>

namespace runnel::inline v0::redis::detail {

// The wait of a thread for a push to one of several sessions at the nodes of a cluster, which share
// a lock. It ends also when all of them are closed.
class PushWait : public Request {
public:
    // Throws: std::bad_alloc.
    PushWait(ServerState& node, const std::vector<SessionState*>& sessions)
        : Request{behaviour, WaitsOn::several, node.clock}, node_{node}, sessions_{sessions} {
        for (std::size_t count = sessions.size(); count != 0; --count) nodes_.emplace_back(*this);
    }

    [[nodiscard]] static bool is_over(const std::vector<SessionState*>& sessions) noexcept {
        const auto has_push = [](const SessionState* one) { return one->outbox.has_push(); };
        const auto is_closed = [](const SessionState* one) { return one->is_closed; };
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
    const std::vector<SessionState*>& sessions_;
    std::deque<WaitNode> nodes_;
};

}  // namespace runnel::inline v0::redis::detail
