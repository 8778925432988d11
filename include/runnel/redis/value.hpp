// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/core/group_state.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace runnel::inline v0::redis::detail {

// The fake is built from the library's own parts.
using namespace runnel::v0::detail;

enum class ValueType : std::uint8_t { string, list, stream, set, hash, sorted_set };

// What a key holds.
class Value {
public:
    Value() = default;
    Value(const Value&) = delete;
    Value& operator=(const Value&) = delete;
    virtual ~Value() = default;

    [[nodiscard]] virtual ValueType type() const noexcept = 0;
    // As TYPE prints it.
    [[nodiscard]] virtual std::string_view type_name() const noexcept = 0;
    // Throws: std::bad_alloc.
    [[nodiscard]] virtual std::unique_ptr<Value> copy() const = 0;
};

class StringValue final : public Value {
public:
    static constexpr ValueType kind = ValueType::string;

    explicit StringValue(std::string bytes) noexcept : bytes_{std::move(bytes)} {}

    [[nodiscard]] ValueType type() const noexcept override { return kind; }
    [[nodiscard]] std::string_view type_name() const noexcept override { return "string"; }
    [[nodiscard]] std::unique_ptr<Value> copy() const override {
        return std::make_unique<StringValue>(bytes_);
    }

    [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }
    void swap(std::string& bytes) noexcept { bytes_.swap(bytes); }

private:
    std::string bytes_;
};

}  // namespace runnel::inline v0::redis::detail
