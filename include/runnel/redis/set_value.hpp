// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/value.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace runnel::inline v0::redis::detail {

// A set, as the value of a key. Its members stand in the order of their bytes, so that replies are
// the same in every run.
class SetValue final : public Value {
public:
    using Members = std::set<std::string, std::less<>>;

    static constexpr ValueType kind = ValueType::set;

    [[nodiscard]] ValueType type() const noexcept override { return kind; }
    [[nodiscard]] std::string_view type_name() const noexcept override { return "set"; }
    [[nodiscard]] std::unique_ptr<Value> copy() const override {
        auto copied = std::make_unique<SetValue>();
        copied->members_ = members_;
        return copied;
    }

    [[nodiscard]] const Members& members() const noexcept { return members_; }
    [[nodiscard]] bool contains(std::string_view member) const noexcept {
        return members_.contains(member);
    }

    // To commit: those that it has not yet.
    void add(Members& others) noexcept { members_.merge(others); }
    // False: there is none of that name.
    bool remove(std::string_view member) noexcept {
        const auto found = members_.find(member);
        if (found == members_.end()) return false;
        members_.erase(found);
        return true;
    }

private:
    Members members_{};
};

}  // namespace runnel::inline v0::redis::detail
