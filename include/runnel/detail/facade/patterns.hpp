// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/type_key.hpp>
#include <runnel/detail/facade/names.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/glob.hpp>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::detail {

// A subscription to all channels of one type of message whose names match a pattern.
class RUNNEL_VISIBLE Pattern : public Owned {
public:
    Pattern(std::string_view pattern, TypeKey of) : text{pattern}, message{of} {}

    // Called under the broker's lock, for a channel that matches.
    virtual void attach(const Named& channel, WakeChain& chain) = 0;
    virtual void detach(const Named& channel, WakeChain& chain) noexcept = 0;
    // Whether the subscriber still takes messages.
    [[nodiscard]] virtual bool is_connected() const noexcept = 0;
    // Called without that lock: no more messages come by this pattern.
    virtual void end(WakeChain& chain) noexcept = 0;

    [[nodiscard]] bool matches(std::string_view name, TypeKey of) const noexcept {
        return message == of && glob_match(text, name);
    }

    // What every name that matches begins with.
    [[nodiscard]] std::string_view prefix() const noexcept {
        const std::string_view all{text};
        return all.substr(0, all.find_first_of("*?[\\"));
    }

    const std::string text;
    const TypeKey message;
    std::uint64_t number = 0;  // in the order of coming; guarded by the broker's lock
};

// The patterns of a broker, by the literal text they begin with. So a name is compared only with
// patterns that begin like it, and with all that begin with a wildcard. Guarded by its owner's
// lock, under which no pattern that it held may be destroyed.
class Patterns {
public:
    // To be called once for each. Throws: std::bad_alloc.
    void insert(const Owner<Pattern>& pattern) {
        pattern->number = ++count_;
        by_prefix_.emplace(key(*pattern.get()), pattern);
    }

    // False if it is not there.
    bool erase(const Pattern& pattern) noexcept { return by_prefix_.erase(key(pattern)) != 0; }

    // Nothing if there are none left.
    [[nodiscard]] Owner<Pattern> extract_any() noexcept {
        if (by_prefix_.empty()) return {};
        Owner<Pattern> extracted(std::move(by_prefix_.begin()->second));
        by_prefix_.erase(by_prefix_.begin());
        return extracted;
    }

    template <typename Visit>
    void visit_matching(std::string_view name, TypeKey message, Visit visit) const {
        if (by_prefix_.empty()) return;
        for (std::size_t size = 0; size <= name.size(); ++size) {
            const std::string_view prefix = name.substr(0, size);
            auto one = by_prefix_.lower_bound({prefix, 0});
            for (; one != by_prefix_.end() && one->first.prefix == prefix; ++one)
                if (one->second->matches(name, message)) visit(*one->second.get());
        }
    }

    // The text of each pattern, once, in order.
    [[nodiscard]] std::vector<std::string> texts() const {
        std::set<std::string> all;
        for (const auto& [key, pattern] : by_prefix_) all.insert(pattern->text);
        return {all.begin(), all.end()};
    }

    // Whether one matches whose subscriber still takes messages.
    [[nodiscard]] bool any_matches(std::string_view name, TypeKey message) const noexcept {
        bool any = false;
        visit_matching(name, message,
                       [&](const Pattern& pattern) { any = any || pattern.is_connected(); });
        return any;
    }

private:
    struct Key {
        std::string_view prefix;
        std::uint64_t number;

        friend auto operator<=>(const Key&, const Key&) noexcept = default;
    };

    [[nodiscard]] static Key key(const Pattern& pattern) noexcept {
        return {pattern.prefix(), pattern.number};
    }

    std::map<Key, Owner<Pattern>> by_prefix_;
    std::uint64_t count_ = 0;  // of all that there were
};

}  // namespace runnel::inline v0::detail
