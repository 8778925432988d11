// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/value.hpp>

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace runnel::inline v0::redis::detail {

// A hash, as the value of a key. Its fields stand in the order in which they came, as those of a
// short hash of Redis do.
class HashValue final : public Value {
public:
    struct Field {
        std::string name;
        std::string value;
    };

    // Fields that are not in the hash yet.
    class New {
    public:
        [[nodiscard]] std::size_t size() const noexcept { return fields_.size(); }
        // Of a field that is named twice, the last value stays. Throws: std::bad_alloc.
        void set(std::string_view name, std::string_view value) {
            if (const auto found = by_name_.find(name); found != by_name_.end()) {
                found->second->value = value;
                return;
            }
            fields_.push_back({std::string{name}, std::string{value}});
            by_name_.emplace(fields_.back().name, std::prev(fields_.end()));
        }

    private:
        friend class HashValue;

        std::list<Field> fields_{};
        std::map<std::string_view, std::list<Field>::iterator, std::less<>> by_name_{};
    };

    static constexpr ValueType kind = ValueType::hash;

    [[nodiscard]] ValueType type() const noexcept override { return kind; }
    [[nodiscard]] std::string_view type_name() const noexcept override { return "hash"; }
    [[nodiscard]] std::unique_ptr<Value> copy() const override {
        auto copied = std::make_unique<HashValue>();
        for (const Field& field : fields()) copied->all_.set(field.name, field.value);
        return copied;
    }

    [[nodiscard]] const std::list<Field>& fields() const noexcept { return all_.fields_; }
    // Null: there is none of that name.
    [[nodiscard]] Field* find(std::string_view name) noexcept {
        const auto found = all_.by_name_.find(name);
        return found == all_.by_name_.end() ? nullptr : &*found->second;
    }

    // To commit.
    void add(New& others) noexcept {
        all_.by_name_.merge(others.by_name_);
        all_.fields_.splice(all_.fields_.end(), others.fields_);
    }
    // False: there is none of that name.
    bool remove(std::string_view name) noexcept {
        const auto found = all_.by_name_.find(name);
        if (found == all_.by_name_.end()) return false;
        const auto field = found->second;
        all_.by_name_.erase(found);
        all_.fields_.erase(field);
        return true;
    }

private:
    New all_{};
};

}  // namespace runnel::inline v0::redis::detail
