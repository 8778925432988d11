// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/reserve.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/group_undo.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/stream_value.hpp>
#include <runnel/stream_id.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace runnel::inline v0::redis::detail {

// A consumer group as commands name it. Null: there is no such key, or no such group.
struct GroupAt {
    std::string_view key;
    std::string_view name;
    StreamValue* stream = nullptr;
    GroupState* group = nullptr;

    [[nodiscard]] Change change(Change::What what) const noexcept {
        return {.what = what, .key = key, .group = name};
    }
    [[nodiscard]] Change change(Change::What what, const StreamId& id) const noexcept {
        return {.what = what, .key = key, .group = name, .id = id};
    }
};

// Throws: Refusal, if the key holds something else.
[[nodiscard]] inline GroupAt find_group(const Call& call, std::string_view key,
                                        std::string_view name) {
    GroupAt at{key, name, call.find<StreamValue>(key)};
    if (at.stream == nullptr) return at;
    const auto found = at.stream->groups.find(name);
    if (found != at.stream->groups.end()) at.group = &found->second;
    return at;
}

// The same, refused if there is none; `where` ends the text of the error.
[[nodiscard]] inline GroupAt group_of(const Call& call, std::string_view key, std::string_view name,
                                      std::string_view where = {}) {
    const GroupAt at = find_group(call, key, name);
    if (at.group == nullptr)
        refuse("NOGROUP No such key '" + std::string{as_c_string(key)} + "' or consumer group '" +
               std::string{as_c_string(name)} + "'" + std::string{where});
    return at;
}

// For commands that look for a group in a stream that exists.
[[noreturn]] inline void refuse_missing_group(std::string_view key, std::string_view name) {
    refuse("NOGROUP No such consumer group '" + std::string{as_c_string(name)} +
           "' for key name '" + std::string{as_c_string(key)} + "'");
}

// What a command does to groups, step by step while it makes its reply. All of it is taken back
// unless done() is called, which tells it. Each step throws std::bad_alloc, and then has changed
// nothing.
class GroupSteps {
public:
    explicit GroupSteps(const Call& call) noexcept : call_{call} {}

    // The consumer that calls; made if there is none.
    ConsumerRecord& caller(const GroupAt& at, std::string_view name) {
        reserve_one_more(changes_);
        const bool is_new = at.group->find(name) == nullptr;
        ConsumerRecord& consumer = undo_.caller(*at.group, name, call_.now());
        if (is_new) note(at, Change::What::consumer_made, {}, consumer);
        return consumer;
    }

    // Entries are delivered from here on.
    void begin_to_deliver(const GroupAt& at) { undo_.note_position(*at.group); }
    void deliver(const GroupAt& at, const StreamId& id, ConsumerRecord& to, const LogFacts& log,
                 bool acknowledged) {
        reserve_one_more(changes_);
        if (!acknowledged) undo_.note_entry(*at.group, id);
        at.group->deliver(id, to, call_.now(), log, acknowledged);
        note(at, Change::What::delivered, id, to);
    }
    void deliver_again(const GroupAt& at, PendingEntries::Place place, const ConsumerRecord& to) {
        const StreamId id = PendingEntries::id(place);
        reserve_one_more(changes_);
        undo_.note_entry(*at.group, id);
        at.group->deliver_again(place, call_.now());
        note(at, Change::What::delivered, id, to);
    }
    void raise_last_delivered(const GroupAt& at, const StreamId& id) {
        if (id <= at.group->last_delivered()) return;
        changes_.push_back(at.change(Change::What::group_moved, id));
        undo_.note_position(*at.group);
        at.group->raise_last_delivered(id);
    }

    // False: it is not pending, or not idle for long enough. Requires: the entry is in the stream.
    bool claim(const GroupAt& at, const StreamId& id, ConsumerRecord& by, const ClaimRules& rules) {
        reserve_one_more(changes_);
        undo_.note_entry(*at.group, id);
        if (at.group->claim(id, true, by, rules, call_.now()).what != Claim::taken) return false;
        note(at, Change::What::claimed, id, by, rules.delivered);
        return true;
    }
    // Requires: it is pending, and is to be claimed.
    void take(const GroupAt& at, const StreamId& id, ConsumerRecord& by, const ClaimRules& rules) {
        reserve_one_more(changes_);
        undo_.note_entry(*at.group, id);
        at.group->take(id, by, rules, call_.now());
        note(at, Change::What::claimed, id, by, rules.delivered);
    }

    // Pending, without an owner, and never delivered, unless it is pending already.
    void make_pending(const GroupAt& at, const StreamId& id) {
        undo_.note_entry(*at.group, id);
        at.group->make_pending(id, 0);
    }

    // The stream has lost the entry: it is not pending any more once all is done.
    void drop(const GroupAt& at, const StreamId& id) { dropped_.push_back({&at, id}); }

    void done() noexcept {
        undo_.keep();
        for (const Change& change : changes_) call_.tell(change);
        for (const auto& [at, id] : dropped_)
            if (at->group->acknowledge(id)) call_.tell(at->change(Change::What::acknowledged, id));
    }

private:
    struct Dropped {
        const GroupAt* at;
        StreamId id;
    };

    // Requires: there is room for it.
    void note(const GroupAt& at, Change::What what, const StreamId& id, const ConsumerRecord& who,
              Milliseconds time) noexcept {
        Change change = at.change(what, id);
        change.consumer = *who.name;
        change.time = time;
        changes_.push_back(change);
    }
    void note(const GroupAt& at, Change::What what, const StreamId& id,
              const ConsumerRecord& who) noexcept {
        note(at, what, id, who, call_.now());
    }

    const Call& call_;
    GroupUndo undo_;
    std::vector<Change> changes_;
    std::vector<Dropped> dropped_;
};

}  // namespace runnel::inline v0::redis::detail
