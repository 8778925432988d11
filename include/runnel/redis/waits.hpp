// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/value.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace runnel::inline v0::redis::detail {

// What a parked command waits for at its keys.
enum class WaitsFor : std::uint8_t {
    list,
    longer_list,  // a list of at least two elements: it is to be told of each one
    stream,
    group,  // a stream, and to be told when it or a group of it goes
    sorted_set,
};

[[nodiscard]] constexpr ValueType type_of(WaitsFor what) noexcept {
    switch (what) {
    case WaitsFor::list:
    case WaitsFor::longer_list:
        return ValueType::list;
    case WaitsFor::sorted_set:
        return ValueType::sorted_set;
    case WaitsFor::stream:
    case WaitsFor::group:
        break;
    }
    return ValueType::stream;
}

// The commands that are parked at one key, in the order in which they came.
struct KeyWaits {
    WaitQueue queue;
    std::size_t database = 0;
    const std::string* name = nullptr;
    std::uint64_t newest = 0;      // the ticket of the command that came last
    std::size_t groups = 0;        // how many of them wait for WaitsFor::group
    std::size_t longer_lists = 0;  // and for WaitsFor::longer_list
    bool is_ready = false;
    bool is_being_served = false;
    KeyWaits* next_ready = nullptr;
};

// The parked commands of a server by the keys that they wait at, and the keys that are ready: at
// which something has happened that may end a wait.
class Waits {
public:
    using AtKeys = std::map<std::string, KeyWaits, std::less<>>;

    explicit Waits(std::size_t databases) : databases_(databases) {}

    // The place where commands wait for that key, made if there is none. Throws: std::bad_alloc.
    [[nodiscard]] KeyWaits& at(std::size_t database, std::string_view key) {
        AtKeys& keys = databases_[database];
        if (const auto found = keys.find(key); found != keys.end()) return found->second;
        const auto made = keys.try_emplace(std::string{key}).first;
        made->second.database = database;
        made->second.name = &made->first;
        return made->second;
    }
    // Drops the place if nobody waits there.
    void drop_if_empty(KeyWaits& waits) noexcept {
        if (!waits.queue.empty() || waits.is_ready || waits.is_being_served) return;
        AtKeys& keys = databases_[waits.database];
        keys.erase(keys.find(*waits.name));
    }

    // Notes that a key is ready if the change may end the wait of a command there.
    void note(const Change& change, ChangedIn in) noexcept {
        AtKeys& keys = databases_[in.database];
        if (keys.empty()) return;
        const auto found = keys.find(change.key);
        if (found != keys.end() && may_end_wait(change, found->second)) signal(found->second);
    }
    void signal(KeyWaits& waits) noexcept {
        if (waits.is_ready) return;
        waits.is_ready = true;
        ready_.push_back(waits);
    }

    [[nodiscard]] bool has_ready() const noexcept { return !ready_.empty(); }
    // The key that has been ready for longest; null: none is.
    [[nodiscard]] KeyWaits* take_ready() noexcept {
        if (ready_.empty()) return nullptr;
        KeyWaits& first = ready_.pop_front();
        first.is_ready = false;
        return &first;
    }

private:
    [[nodiscard]] static bool may_end_wait(const Change& change, const KeyWaits& waits) noexcept {
        switch (change.what) {
        case Change::What::key_made:
            return change.type == ValueType::list || change.type == ValueType::stream ||
                   change.type == ValueType::sorted_set;
        case Change::What::key_gone:
            return change.type == ValueType::stream && waits.groups != 0;
        case Change::What::entry_added:
        case Change::What::group_removed:
        case Change::What::released:
            return true;
        case Change::What::pushed:
            return waits.longer_lists != 0;
        default:
            return false;
        }
    }

    std::vector<AtKeys> databases_;
    LinkedQueue<KeyWaits, &KeyWaits::next_ready> ready_;
};

}  // namespace runnel::inline v0::redis::detail
