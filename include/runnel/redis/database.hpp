// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/value.hpp>

#include <compare>
#include <cstddef>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace runnel::inline v0::redis::detail {

// Of wall times, either of which may be as far away as there is time: then the greatest or the
// least.
[[nodiscard]] constexpr Milliseconds time_between(Milliseconds from, Milliseconds to) noexcept {
    using Limits = std::numeric_limits<Milliseconds>;
    if (from < 0 && to > Limits::max() + from) return Limits::max();
    if (from > 0 && to < Limits::min() + from) return Limits::min();
    return to - from;
}

// A key's value, when it expires, and when it was used last: wall times.
struct Entry {
    std::unique_ptr<Value> value;
    std::optional<Milliseconds> expires{};
    Milliseconds used = 0;
};

// The keys of one database, in the order of their names: so replies that list them are the same in
// every run. What may throw is done before a change: a key or a time to live is made as a node,
// which the change puts into its place.
class Database {
public:
    using Keys = std::map<std::string, Entry, std::less<>>;

    // `expiring`: how many keys of all databases have a time to live.
    explicit Database(std::size_t& expiring) noexcept : expiring_{&expiring} {}

    [[nodiscard]] const Keys& keys() const noexcept { return keys_; }
    [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }

    // Null: there is none.
    [[nodiscard]] Keys::value_type* find(std::string_view name) noexcept {
        const auto found = keys_.find(name);
        return found == keys_.end() ? nullptr : &*found;
    }

    // ---- keys; the time to live goes with them

    // A key that is not in the database yet. Throws: std::bad_alloc.
    [[nodiscard]] static Keys::node_type make(std::string_view name, std::unique_ptr<Value> value) {
        Keys maker;
        maker.emplace(std::string{name}, Entry{std::move(value)});
        return maker.extract(maker.begin());
    }

    // Requires: no key has that name, and the node has no time to live.
    Keys::value_type& insert(Keys::node_type&& node) noexcept {
        return *keys_.insert(std::move(node)).position;
    }

    // The key, without a time to live.
    Keys::node_type take(Keys::value_type& key) noexcept {
        remove_expiry(key);
        return keys_.extract(keys_.find(key.first));
    }

    // Gives `key` another name, or another database. Requires: no key there has that name.
    Keys::value_type& move(Keys::value_type& key, std::string&& name, Database& to) noexcept {
        auto expiry = expiries_.extract(Expiry::of(key));
        auto node = keys_.extract(keys_.find(key.first));
        node.key() = std::move(name);
        Keys::value_type& moved = to.insert(std::move(node));
        if (!expiry.empty()) {
            expiry.value().key = &moved;
            to.expiries_.insert(std::move(expiry));
            --*expiring_;
            ++*to.expiring_;
        }
        return moved;
    }

    void swap(Database& other) noexcept {
        keys_.swap(other.keys_);
        expiries_.swap(other.expiries_);
    }

    // ---- time to live

    struct Expiry {
        Milliseconds at;
        Keys::value_type* key;

        [[nodiscard]] static Expiry of(Keys::value_type& key) noexcept {
            return {key.second.expires.value_or(0), &key};
        }
        [[nodiscard]] friend bool operator<(const Expiry& one, const Expiry& other) noexcept {
            return one.at != other.at ? one.at < other.at : std::less<>{}(one.key, other.key);
        }
    };
    using Expiries = std::set<Expiry>;

    // Room for a time to live. Throws: std::bad_alloc.
    [[nodiscard]] static Expiries::node_type make_expiry() {
        Expiries maker;
        maker.insert({0, nullptr});
        return maker.extract(maker.begin());
    }
    void set_expiry(Keys::value_type& key, Milliseconds at, Expiries::node_type&& node) noexcept {
        remove_expiry(key);
        key.second.expires = at;
        node.value() = Expiry::of(key);
        expiries_.insert(std::move(node));
        ++*expiring_;
    }
    // False: it had none.
    bool remove_expiry(Keys::value_type& key) noexcept {
        if (!key.second.expires) return false;
        expiries_.erase(Expiry::of(key));
        key.second.expires.reset();
        --*expiring_;
        return true;
    }

    // The keys that have one, in the order in which they expire.
    [[nodiscard]] const Expiries& expiries() const noexcept { return expiries_; }
    // The next one that expires; null: there is none.
    [[nodiscard]] const Expiry* first_expiry() const noexcept {
        return expiries_.empty() ? nullptr : &*expiries_.begin();
    }

private:
    std::size_t* expiring_;
    Keys keys_;
    Expiries expiries_;
};

}  // namespace runnel::inline v0::redis::detail
