// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/glob.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace runnel::inline v0::redis::detail {

struct SessionState;

// The three worlds of names that a session can subscribe to.
enum class SubscriptionKind : std::uint8_t { channel, pattern, shard_channel };

// What one session subscribes to.
class Subscriptions {
public:
    using Names = std::set<std::string, std::less<>>;

    [[nodiscard]] const Names& names(SubscriptionKind kind) const noexcept {
        return names_[index(kind)];
    }
    // How many of that kind, as confirmations count them: channels and patterns together.
    [[nodiscard]] std::size_t count(SubscriptionKind kind) const noexcept {
        if (kind == SubscriptionKind::shard_channel) return names(kind).size();
        return names(SubscriptionKind::channel).size() + names(SubscriptionKind::pattern).size();
    }
    [[nodiscard]] bool empty() const noexcept {
        return std::ranges::all_of(names_, [](const Names& names) { return names.empty(); });
    }

private:
    friend class Subscribers;

    [[nodiscard]] static std::size_t index(SubscriptionKind kind) noexcept {
        return static_cast<std::size_t>(kind);
    }

    std::array<Names, 3> names_;
};

// Who subscribes to what, on a whole server. Names stand in the order in which somebody first
// subscribed to them, and so do the sessions of a name.
class Subscribers {
public:
    struct Named {
        std::string name;
        std::vector<SessionState*> sessions;
    };

    // False: the session has subscribed to it already. Throws: std::bad_alloc, and then nothing has
    // changed.
    bool subscribe(SubscriptionKind kind, std::string_view name, SessionState& session,
                   Subscriptions& of_session) {
        auto& names = of_session.names_[Subscriptions::index(kind)];
        const auto [own, is_new] = names.emplace(name);
        if (!is_new) return false;
        try {
            add(kind, name, session);
        } catch (...) {
            names.erase(own);
            throw;
        }
        return true;
    }

    // False: the session has not subscribed to it.
    bool unsubscribe(SubscriptionKind kind, std::string_view name, SessionState& session,
                     Subscriptions& of_session) noexcept {
        auto& names = of_session.names_[Subscriptions::index(kind)];
        const auto own = names.find(name);
        if (own == names.end()) return false;
        remove(kind, name, session);  // before the name, which `name` may refer to
        names.erase(own);
        return true;
    }
    void unsubscribe_all(SessionState& session, Subscriptions& of_session) noexcept {
        for (const auto kind : {SubscriptionKind::channel, SubscriptionKind::pattern,
                                SubscriptionKind::shard_channel}) {
            auto& names = of_session.names_[Subscriptions::index(kind)];
            while (!names.empty()) unsubscribe(kind, *names.begin(), session, of_session);
        }
    }

    // In the order of subscription.
    [[nodiscard]] const std::list<Named>& all(SubscriptionKind kind) const noexcept {
        return kinds_[index(kind)].named;
    }
    // Null: nobody has subscribed to it.
    [[nodiscard]] const Named* find(SubscriptionKind kind, std::string_view name) const noexcept {
        const auto& by_name = kinds_[index(kind)].by_name;
        const auto found = by_name.find(name);
        return found == by_name.end() ? nullptr : &*found->second;
    }

private:
    struct Kind {
        std::list<Named> named;
        std::map<std::string_view, std::list<Named>::iterator, std::less<>> by_name;  // in `named`
    };

    [[nodiscard]] static std::size_t index(SubscriptionKind kind) noexcept {
        return static_cast<std::size_t>(kind);
    }

    void add(SubscriptionKind kind, std::string_view name, SessionState& session) {
        Kind& of = kinds_[index(kind)];
        if (const auto found = of.by_name.find(name); found != of.by_name.end()) {
            found->second->sessions.push_back(&session);
            return;
        }
        std::list<Named> made;
        made.push_back({std::string{name}, {&session}});
        of.by_name.emplace(made.front().name, made.begin());
        of.named.splice(of.named.end(), made);
    }

    void remove(SubscriptionKind kind, std::string_view name, SessionState& session) noexcept {
        Kind& of = kinds_[index(kind)];
        const auto found = of.by_name.find(name);
        const auto named = found->second;
        std::erase(named->sessions, &session);
        if (!named->sessions.empty()) return;
        of.by_name.erase(found);
        of.named.erase(named);
    }

    std::array<Kind, 3> kinds_;
};

}  // namespace runnel::inline v0::redis::detail
