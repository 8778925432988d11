// SPDX-License-Identifier: MIT
#pragma once

// What dead letters do with streams and groups. A letter is an entry of a stream of its own. It
// stands for an entry of another one, the original.

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/detail/stream/stream_state.hpp>
#include <runnel/detail/stream/two_streams.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace runnel::inline v0::detail {

// When an entry was last delivered; now, if no consumer has it.
template <Message T>
[[nodiscard]] Clock::WallTime last_delivery(const StreamGroup<T>& group, StreamId id) {
    const StreamState<T>& stream = *group.stream.get();
    const Clock::WallTime wall = stream.clock.wall();
    const Lock lock{stream.mutex};
    const auto place = group.rules.pending().find(id);
    if (!place || PendingEntries::owner(place) == PendingEntries::nobody) return wall;
    return wall - std::chrono::milliseconds{GroupState::idle_time(place, stream.now())};
}

// ---------------------------------------------------------------------- steps

// What became of a letter.
enum class LetterEnd : std::uint8_t {
    taken,  // it is no letter any more: its original, or a copy of that, will be delivered
    lost,   // it stays: the stream of the original has lost that
    kept,   // it stays: the group was removed, or the stream is closed
    gone,   // there is no such letter
};

// Erases a letter and makes its original pending again in `group`, with no deliveries, unless that
// is pending or still to be delivered. Calls note(id) before. Throws std::bad_alloc, and then
// nothing has changed.
template <Message T, Message Letter, typename Note>
LetterEnd redeliver_original(StreamState<Letter>& letters, StreamId letter, StreamGroup<T>& group,
                             LogPlace<T> original, Note note) {
    StreamState<T>& stream = *group.stream.get();
    Disposal<Letter> disposal;
    WakeChain chain;
    {
        const LockStreams lock{letters.mutex, stream.mutex};
        const auto place = letters.log.find(letter);
        if (!place) return LetterEnd::gone;
        if (group.is_removed) return LetterEnd::kept;
        const StreamId id = original.id();
        if (stream.log.find(id) != original) return LetterEnd::lost;
        const Effect effect = group.rules.redeliver(id, 0);
        note(id);
        letters.erase(place, disposal);
        if (effect) stream.serve_after(effect, group, chain);
        letters.serve_removed(chain);
    }
    chain.resume_all();
    return LetterEnd::taken;
}

// Erases a letter and adds `copy` to the stream of `group`. Calls note(id) with the new id before.
// Throws: Error{id_exhausted}, std::bad_alloc; then nothing has changed.
template <Message T, Message Letter, typename Note>
LetterEnd add_copy(StreamState<Letter>& letters, StreamId letter, StreamGroup<T>& group, T& copy,
                   Note note) {
    StreamState<T>& stream = *group.stream.get();
    const auto next_id = stream.next_id();
    Disposal<Letter> disposal;
    Disposal<T> trimmed;
    WakeChain chain;
    {
        const LockStreams lock{letters.mutex, stream.mutex};
        const auto place = letters.log.find(letter);
        if (!place) return LetterEnd::gone;
        if (group.is_removed || stream.closed) return LetterEnd::kept;
        const StreamId id = stream.prepare_add(next_id, trimmed);
        note(id);
        stream.commit_add(id, copy, trimmed);
        letters.erase(place, disposal);
        stream.serve_added(chain);
        letters.serve_removed(chain);
    }
    chain.resume_all();
    return LetterEnd::taken;
}

// ---------------------------------------------------------------------- what is remembered

// How often entries were redriven: of the last ones, up to a count.
//
// Its lock is taken last: also under the locks of streams, so that a mark is there before anybody
// can get the entry.
class LetterMarks {
public:
    // Of an entry: the names of its stream and its group, and its id.
    struct Key {
        std::string stream;
        std::string group;
        StreamId id;
    };

private:
    using View = std::tuple<std::string_view, std::string_view, StreamId>;

    struct Less {
        using is_transparent = void;

        static View view(const Key& key) noexcept { return {key.stream, key.group, key.id}; }
        static View view(View key) noexcept { return key; }
        template <typename One, typename Other>
        bool operator()(const One& one, const Other& other) const noexcept {
            return view(one) < view(other);
        }
    };
    struct Mark {
        std::uint64_t redriven = 0;
        const Key* key = nullptr;
        // In the order in which they were put.
        Mark* previous = nullptr;
        Mark* next = nullptr;
    };
    using Marks = std::map<Key, Mark, Less>;

public:
    explicit LetterMarks(std::size_t count) noexcept : most_{count} {}

    // 0: never, or that is forgotten.
    [[nodiscard]] std::uint64_t of(std::string_view stream, std::string_view group,
                                   StreamId id) const noexcept {
        const Lock lock{mutex_};
        const auto found = marks_.find(View{stream, group, id});
        return found == marks_.end() ? 0 : found->second.redriven;
    }

    // A mark that is to be put once the id is known. Throws: std::bad_alloc.
    class Prepared {
    public:
        Prepared(std::string_view stream, std::string_view group, std::uint64_t redriven) {
            Marks one;
            const auto made =
                one.emplace(Key{std::string{stream}, std::string{group}, {}}, Mark{redriven}).first;
            node_ = one.extract(made);
        }

    private:
        friend class LetterMarks;

        Marks::node_type node_;
    };

    // Requires: `prepared` was not put before.
    void put(Prepared& prepared, StreamId id) noexcept {
        const std::uint64_t redriven = prepared.node_.mapped().redriven;
        prepared.node_.key().id = id;
        const Lock lock{mutex_};
        auto put = marks_.insert(std::move(prepared.node_));
        Mark& mark = put.position->second;
        if (!put.inserted) by_age_.remove(mark);
        prepared.node_ = std::move(put.node);  // destroyed without the lock
        mark.redriven = redriven;
        mark.key = &put.position->first;
        by_age_.push_back(mark);
        if (marks_.size() > most_) forget_first();
    }

private:
    void forget_first() noexcept RUNNEL_REQUIRES(mutex_) {
        const Mark* const mark = by_age_.pop_front();
        marks_.erase(marks_.find(*mark->key));
    }

    const std::size_t most_;
    mutable Mutex mutex_;
    Marks marks_ RUNNEL_GUARDED_BY(mutex_);
    LinkedList<Mark> by_age_ RUNNEL_GUARDED_BY(mutex_);
};

// Spreads things over time: one in each interval. After a pause it lets as many pass at once as
// fall into a second.
class Pace {
public:
    using Time = Clock::Deadline;

    // 0: one may pass now, and has been counted. Else how long it takes until then.
    [[nodiscard]] std::chrono::nanoseconds pass(Time now,
                                                std::chrono::nanoseconds interval) noexcept {
        if (interval == interval.zero()) return interval;
        const Lock lock{mutex_};
        const Time due = due_ ? std::max(*due_, now - std::chrono::seconds{1}) : now;
        if (due > now) return due - now;
        due_ = due + interval;
        return interval.zero();
    }

    // One that was counted has not passed.
    void give_back(std::chrono::nanoseconds interval) noexcept {
        const Lock lock{mutex_};
        if (due_) *due_ -= interval;
    }

private:
    Mutex mutex_;
    std::optional<Time> due_ RUNNEL_GUARDED_BY(mutex_);  // the next one; nothing: none has passed
};

// What copies of a DeadLetters share.
struct LetterMemory final : Owned {
    explicit LetterMemory(std::size_t count) noexcept : marks{count} {}

    LetterMarks marks;
    Pace pace;
};

}  // namespace runnel::inline v0::detail
