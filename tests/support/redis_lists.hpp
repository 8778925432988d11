// SPDX-License-Identifier: MIT
#pragma once

// Lists of Redis and the clients that wait for them, as plainly as possible.

#include <runnel/list_options.hpp>

#include "support/redis_changes.hpp"
#include "support/redis_server.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace runnel::test {

/// What a client asks for and may wait for: BLPOP, BLMPOP or BLMOVE.
struct ListRequest {
    enum class Kind : std::uint8_t { pop, pop_many, move };

    Kind kind = Kind::pop;
    std::vector<std::size_t> keys{};  ///< of a move: its source
    End from = End::front;
    End to = End::front;     ///< of a move
    std::size_t target = 0;  ///< of a move
    std::size_t count = 1;   ///< of many

    bool operator==(const ListRequest&) const = default;
};

/// Keys are numbers, and so are clients.
class RedisLists {
public:
    using Element = std::string;
    using Elements = std::deque<Element>;

    /// `again`: whether it has the rule looks_through_keys_again.
    RedisLists(std::vector<std::string> names, bool again)
        : names_{std::move(names)}, looks_again_{again}, lists_(names_.size()) {}

    // ------------------------------------------------------------------ what does not wait

    std::size_t push(std::size_t key, End end, const std::vector<Element>& elements) {
        for (const Element& element : elements) put(key, end, element);
        const std::size_t length = lists_[key].size();
        serve();
        return length;
    }

    std::size_t push_if_exists(std::size_t key, End end, const Element& element) {
        return lists_[key].empty() ? 0 : push(key, end, {element});
    }

    std::vector<Element> pop(std::size_t key, End end, std::size_t count) {
        std::vector<Element> popped;
        while (popped.size() != count && !lists_[key].empty()) popped.push_back(take(key, end));
        return popped;
    }

    /// What a request gets at once, if it may not wait.
    std::optional<Reply> try_request(const ListRequest& request) {
        const auto key = std::ranges::find_if(
            request.keys, [this](std::size_t each) { return !lists_[each].empty(); });
        if (key == request.keys.end()) return std::nullopt;
        Reply reply = carry_out(request, *key);
        serve();
        return reply;
    }

    std::size_t remove(std::size_t key, const Element& value, End from, std::size_t count) {
        Elements& list = lists_[key];
        if (from == End::back) std::ranges::reverse(list);
        std::size_t removed = 0;
        std::erase_if(list, [&](const Element& element) {
            return element == value && removed != count && ++removed != 0;
        });
        if (from == End::back) std::ranges::reverse(list);
        return removed;
    }

    bool clear(std::size_t key) { return !std::exchange(lists_[key], {}).empty(); }

    // ------------------------------------------------------------------ what waits

    /// Nothing: the client waits.
    std::optional<Reply> request(std::size_t client, const ListRequest& request) {
        auto reply = try_request(request);
        if (!reply) waiting_.push_back({client, request});
        return reply;
    }

    /// A client that waits does so no more, and gets nothing.
    void unblock(std::size_t client) {
        std::erase_if(waiting_, [client](const Waiting& each) { return each.client == client; });
    }

    /// What clients that waited have got since the last call.
    std::map<std::size_t, Reply> take_served() { return std::exchange(served_, {}); }

    [[nodiscard]] const ListRequest* waits(std::size_t client) const {
        const auto found = std::ranges::find(waiting_, client, &Waiting::client);
        return found == waiting_.end() ? nullptr : &found->request;
    }

    [[nodiscard]] std::size_t waiting_for(std::size_t key) const {
        return static_cast<std::size_t>(std::ranges::count_if(
            waiting_, [key](const Waiting& each) { return names_key(each.request, key); }));
    }

    [[nodiscard]] const Elements& operator[](std::size_t key) const { return lists_[key]; }

    /// Whether the same clients wait, and the lists are the same.
    bool operator==(const RedisLists& other) const {
        return lists_ == other.lists_ && waiting_ == other.waiting_;
    }

private:
    struct Waiting {
        std::size_t client;
        ListRequest request;

        bool operator==(const Waiting&) const = default;
    };

    static bool names_key(const ListRequest& request, std::size_t key) {
        return std::ranges::find(request.keys, key) != request.keys.end();
    }

    void put(std::size_t key, End end, const Element& element) {
        Elements& list = lists_[key];
        if (list.empty() && std::ranges::find(ready_, key) == ready_.end()) ready_.push_back(key);
        end == End::front ? list.push_front(element) : list.push_back(element);
    }

    Element take(std::size_t key, End end) {
        Elements& list = lists_[key];
        Element element = end == End::front ? list.front() : list.back();
        end == End::front ? list.pop_front() : list.pop_back();
        return element;
    }

    Reply carry_out(const ListRequest& request, std::size_t key) {
        using Kind = ListRequest::Kind;
        if (request.kind == Kind::move) {
            const Element element = take(key, request.from);
            put(request.target, request.to, element);
            return string_reply(element);
        }
        Reply elements = array_reply({});
        for (const Element& element : pop(key, request.from, request.count))
            elements.elements.push_back(string_reply(element));
        if (request.kind == Kind::pop) elements = elements.elements.front();
        return array_reply({string_reply(names_[key]), std::move(elements)});
    }

    // Keys that are filled meanwhile come in the next round.
    void serve() {
        while (!ready_.empty()) {
            for (const std::size_t key : std::exchange(ready_, {})) serve(key);
        }
    }

    void serve(std::size_t key) {
        const std::vector<Waiting> line = waiting_;
        for (const Waiting& each : line) {
            if (lists_[key].empty()) return;
            if (!names_key(each.request, key)) continue;
            std::size_t from = key;
            if (looks_again_)
                from = *std::ranges::find_if(
                    each.request.keys, [this](std::size_t one) { return !lists_[one].empty(); });
            served_.emplace(each.client, carry_out(each.request, from));
            unblock(each.client);
        }
    }

    const std::vector<std::string> names_;
    const bool looks_again_;
    std::vector<Elements> lists_;
    std::vector<Waiting> waiting_;  // in the order of coming
    std::vector<std::size_t> ready_;
    std::map<std::size_t, Reply> served_;
};

}  // namespace runnel::test
