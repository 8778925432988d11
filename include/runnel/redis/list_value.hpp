// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/core/list_core.hpp>
#include <runnel/list_options.hpp>
#include <runnel/redis/value.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace runnel::inline v0::redis::detail {

// A list, as the value of a key.
class ListValue final : public Value {
public:
    using Core = ListCore<std::string>;

    static constexpr ValueType kind = ValueType::list;

    [[nodiscard]] ValueType type() const noexcept override { return kind; }
    [[nodiscard]] std::string_view type_name() const noexcept override { return "list"; }
    [[nodiscard]] std::unique_ptr<Value> copy() const override {
        auto copied = std::make_unique<ListValue>();
        Core to = copied->core();
        const auto add = [&](const std::string& element) {
            to.push(End::back, std::string{element});
        };
        to.reserve_many(End::back, back_.items.size());
        back_.items.visit(0, back_.items.size(), add);
        return copied;
    }

    [[nodiscard]] Core core() noexcept { return {front_, back_}; }
    // Calls visit(const std::string&) for each element, from the front on.
    template <typename Visit>
    void visit(const Visit& visit) const {
        back_.items.visit(0, back_.items.size(), visit);
    }

private:
    // Under one lock all elements are in the back part.
    ListFront<std::string> front_;
    ListBack<std::string> back_;
};

}  // namespace runnel::inline v0::redis::detail
