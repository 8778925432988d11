// SPDX-License-Identifier: MIT
#pragma once

// Steps that change two streams, or one stream twice, under the locks of both: each does all of it
// or nothing, and no thread sees half of it.

#include <runnel/ack.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/detail/stream/stream_state.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <functional>

namespace runnel::inline v0::detail {

// The locks of two streams, which may be the same. This is the only place that takes two of them,
// in the order of their addresses. Waits are served under both: no request takes a further lock of
// a stream.
class RUNNEL_SCOPED_CAPABILITY LockStreams {
public:
    LockStreams(Mutex& one, Mutex& other) noexcept RUNNEL_ACQUIRE(one, other)
        : low_{std::min(&one, &other, std::less<>{})},
          high_{std::max(&one, &other, std::less<>{})} {
        low_->lock();
        if (high_ != low_) high_->lock();
    }
    ~LockStreams() RUNNEL_RELEASE() {
        if (high_ != low_) high_->unlock();
        low_->unlock();
    }
    LockStreams(const LockStreams&) = delete;
    LockStreams& operator=(const LockStreams&) = delete;

private:
    Mutex* const low_;
    Mutex* const high_;
};

// Adds `message` to a stream, under the id that next_id(last id) returns, and acknowledges an entry
// of a group. Unless the result is Ack::done, and if it throws, nothing has changed.
template <Message T, Message U, typename NextId>
Ack forward(StreamGroup<T>& group, const StreamId& entry, const Fence& fence, StreamState<U>& to,
            U& message, NextId next_id) {
    StreamState<T>& from = *group.stream.get();
    Disposal<U> disposal;
    WakeChain chain;
    {
        const LockStreams lock{from.mutex, to.mutex};
        if (!group.rules.holds(entry, fence)) return Ack::stale;
        if (to.closed) return Ack::closed;
        const StreamId id = to.prepare_add(next_id, disposal);
        to.commit_add(id, message, disposal);
        const Effect effect = group.rules.acknowledge(entry);
        to.serve_added(chain);
        from.serve_after(effect, group, chain);
    }
    chain.resume_all();
    return Ack::done;
}

}  // namespace runnel::inline v0::detail
