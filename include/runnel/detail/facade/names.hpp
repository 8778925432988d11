// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/type_key.hpp>
#include <runnel/error.hpp>
#include <runnel/model.hpp>
#include <runnel/snapshot.hpp>
#include <runnel/stats.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace runnel::inline v0::detail {

// A model and its type of message.
struct Kind {
    Model model;
    TypeKey message;

    friend bool operator==(Kind, Kind) noexcept = default;
};

[[nodiscard]] inline std::string to_string(Kind kind) {
    return std::string{to_string(kind.model)} + " of " + std::string{kind.message.name()};
}

// What a name stands for. Keeps that open.
class RUNNEL_VISIBLE Named : public Owned {
public:
    Named(std::string_view called, Kind of) : name{called}, kind{of} {}

    virtual void close() const noexcept = 0;
    // Adds how the object stands; sharded channels count as channels.
    virtual void add_stats(BrokerSnapshot& snapshot, const StatsOptions& options) const = 0;
    // For channels. Does what is due by time, and returns how many things that were. Whether there
    // are direct subscribers, not counting those by patterns.
    virtual std::size_t do_what_is_due() const noexcept { return 0; }
    [[nodiscard]] virtual bool has_subscribers() const noexcept { return false; }

    const std::string name;
    const Kind kind;
};

template <typename Handle>
class RUNNEL_VISIBLE NamedHandle final : public Named {
public:
    NamedHandle(std::string_view called, Kind of, Handle&& handed)
        : Named{called, of}, handle{std::move(handed)} {}

    void close() const noexcept override { handle.close(); }
    void add_stats(BrokerSnapshot& snapshot, const StatsOptions& options) const override {
        if constexpr (requires { handle.stats(options); }) {
            add_to(snapshot, name, handle.stats(options));
        } else {
            add_to(snapshot, name, handle.stats());
        }
    }

    const Handle handle;
};

// A name space. Guarded by its owner's lock, under which nothing that it held may be destroyed.
class Names {
public:
    [[nodiscard]] const Named* find(std::string_view name) const noexcept {
        const auto found = named_.find(name);
        return found == named_.end() ? nullptr : found->second.get();
    }

    // The same, if it is of that kind. Throws: Error{wrong_type} if it is of another.
    template <typename Handle>
    [[nodiscard]] const Handle* find(std::string_view name, Kind kind) const {
        const Named* const found = find(name);
        if (found == nullptr) return nullptr;
        if (found->kind == kind) return &static_cast<const NamedHandle<Handle>&>(*found).handle;
        throw Error{ErrorCode::wrong_type, "Broker: \"" + found->name + "\" is a " +
                                               to_string(found->kind) + ", not a " +
                                               to_string(kind)};
    }

    // Requires: the name is free.
    void insert(const Owner<Named>& made) { named_.emplace(made.get()->name, made); }

    // Nothing if there is none.
    [[nodiscard]] Owner<Named> extract(std::string_view name) noexcept {
        const auto found = named_.find(name);
        if (found == named_.end()) return {};
        Owner<Named> extracted(std::move(found->second));
        named_.erase(found);
        return extracted;
    }

    // The first one behind `before`, whether that is still there or not; null: the first of all.
    [[nodiscard]] Owner<Named> next(const Named* before) const noexcept {
        const auto found = before == nullptr ? named_.begin() : named_.upper_bound(before->name);
        return found == named_.end() ? Owner<Named>{} : found->second;
    }

    // Visits those whose names begin with `prefix`, in the order of their names.
    template <typename Visit>
    void visit(std::string_view prefix, Visit visit) const {
        auto at = named_.lower_bound(prefix);
        for (; at != named_.end() && at->first.starts_with(prefix); ++at)
            visit(std::as_const(*at->second.get()));
    }

private:
    std::map<std::string_view, Owner<Named>> named_;  // the keys view Named::name
};

}  // namespace runnel::inline v0::detail
