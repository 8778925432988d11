// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/reserve.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/pending_entries.hpp>
#include <runnel/stream_id.hpp>

#include <string_view>
#include <variant>
#include <vector>

namespace runnel::inline v0::detail {

// Takes back what a command has done to groups, unless it is kept. What a command does to an entry
// depends on what it has done before, to other entries and in other streams. Meanwhile it builds
// its reply, and memory may run out.
//
// A note is made before the change that it is about. The command may drop pending entries only when
// nothing more can throw.
class GroupUndo {
public:
    GroupUndo() = default;
    GroupUndo(const GroupUndo&) = delete;
    GroupUndo& operator=(const GroupUndo&) = delete;
    ~GroupUndo() {
        for (; !notes_.empty(); notes_.pop_back()) std::visit(TakeBack{}, notes_.back());
    }

    void keep() noexcept { notes_.clear(); }

    // All that follow throw std::bad_alloc, and then have changed nothing.

    // The consumer that calls now; made if there is none. Changes of it are noted.
    ConsumerRecord& caller(GroupState& group, std::string_view name, Milliseconds now) {
        reserve_one_more(notes_);
        const bool is_new = group.find(name) == nullptr;
        ConsumerRecord& consumer = group.consumer({{}, name}, now);
        if (is_new)
            notes_.emplace_back(Made{&group, &consumer});
        else
            notes_.emplace_back(Called{&group, consumer});
        consumer.seen = now;
        return consumer;
    }

    // Before a change of last_delivered() or entries_read().
    void note_position(GroupState& group) { notes_.emplace_back(Moved{&group, group.position()}); }

    // Before the entry is made pending, delivered or released.
    void note_entry(GroupState& group, const StreamId& id) {
        const auto place = group.pending().find(id);
        if (place)
            notes_.emplace_back(Stood{&group, group.pending().stand(place)});
        else
            notes_.emplace_back(Inserted{&group, id});
    }

private:
    struct Made {
        GroupState* group;
        const ConsumerRecord* consumer;
    };
    struct Called {
        GroupState* group;
        ConsumerRecord was;
    };
    struct Moved {
        GroupState* group;
        GroupState::Position from;
    };
    struct Inserted {
        GroupState* group;
        StreamId id;
    };
    struct Stood {
        GroupState* group;
        PendingEntries::Stand was;
    };
    using Note = std::variant<Made, Called, Moved, Inserted, Stood>;

    struct TakeBack {
        void operator()(const Made& note) const noexcept {
            RUNNEL_ASSERT(note.consumer->pending == 0);
            note.group->remove_consumer(*note.consumer->name);
        }
        void operator()(const Called& note) const noexcept { note.group->put_back(note.was); }
        void operator()(const Moved& note) const noexcept { note.group->put_back(note.from); }
        void operator()(const Inserted& note) const noexcept {
            (void)note.group->acknowledge(note.id);
        }
        void operator()(const Stood& note) const noexcept { note.group->put_back(note.was); }
    };

    std::vector<Note> notes_;
};

}  // namespace runnel::inline v0::detail
