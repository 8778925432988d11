// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/value.hpp>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace runnel::inline v0::redis::detail {

// A sorted set, as the value of a key: members with scores, in the order of their scores and, if
// these are equal, of their bytes.
class SortedSetValue final : public Value {
public:
    struct Member {
        std::string name;
        double score;
    };
    struct IsBefore {
        [[nodiscard]] bool operator()(const Member& one, const Member& other) const noexcept {
            return one.score < other.score || (one.score == other.score && one.name < other.name);
        }
    };
    using Members = std::set<Member, IsBefore>;

    static constexpr ValueType kind = ValueType::sorted_set;

    [[nodiscard]] ValueType type() const noexcept override { return kind; }
    [[nodiscard]] std::string_view type_name() const noexcept override { return "zset"; }
    [[nodiscard]] std::unique_ptr<Value> copy() const override {
        auto copied = std::make_unique<SortedSetValue>();
        for (const Member& member : members_) copied->set(member.name, member.score);
        return copied;
    }

    [[nodiscard]] const Members& members() const noexcept { return members_; }
    // Null: there is none of that name.
    [[nodiscard]] const Member* find(std::string_view name) const noexcept {
        const auto found = by_name_.find(name);
        return found == by_name_.end() ? nullptr : &*found->second;
    }

    // For one that nobody else knows yet: adds a member, or changes its score. If it throws, the
    // whole of it is of no use. Requires: the score is a number.
    void set(std::string_view name, double score) {
        if (const auto found = by_name_.find(name); found != by_name_.end())
            return change_score(found, score);
        const auto made = members_.insert({std::string{name}, unsigned_zero(score)}).first;
        by_name_.emplace(made->name, made);
    }

    // To commit: the members of the other with their scores, be they new or not.
    void take(SortedSetValue& other) noexcept {
        for (const Member& member : other.members_)
            if (const auto found = by_name_.find(member.name); found != by_name_.end())
                change_score(found, member.score);
        by_name_.merge(other.by_name_);
        members_.merge(other.members_);
    }
    // To commit. False: there is none of that name.
    bool remove(std::string_view name) noexcept {
        const auto found = by_name_.find(name);
        if (found == by_name_.end()) return false;
        const auto member = found->second;
        by_name_.erase(found);
        members_.erase(member);
        return true;
    }

private:
    using ByName = std::map<std::string_view, Members::const_iterator, std::less<>>;

    // A short sorted set of Redis keeps whole numbers as integers.
    [[nodiscard]] static double unsigned_zero(double score) noexcept {
        return score == 0 ? 0 : score;
    }

    void change_score(ByName::iterator found, double score) noexcept {
        auto node = members_.extract(found->second);
        node.value().score = unsigned_zero(score);
        found->second = members_.insert(std::move(node)).position;
    }

    Members members_{};
    ByName by_name_{};  // by the names in members_
};

}  // namespace runnel::inline v0::redis::detail
