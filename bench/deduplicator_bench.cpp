// SPDX-License-Identifier: MIT
// The Deduplicator beside what people write by hand: a mutex, a map of keys, and a queue of them in
// the order of their marks. Both keep 100,000 marks, are full, and look at the time for each key.
#include <runnel/deduplicator.hpp>

#include "harness.hpp"
#include "messages.hpp"
#include "program.hpp"
#include "threads.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace runnel::bench {
namespace {

constexpr std::size_t marks_kept = 100'000;

// ---- who remembers ------------------------------------------------------------------------------

template <class Key>
class Runnel {
public:
    using Given = typename Deduplicator<Key>::Given;
    static constexpr const char* name = "runnel";

    /// Whether it was fresh; it is marked then.
    bool handle(Given key) {
        auto turn = keys_.begin(key);
        if (turn) turn.mark();
        return static_cast<bool>(turn);
    }

private:
    Deduplicator<Key> keys_{{.count = marks_kept}};
};

template <class Key>
class ByHand {
public:
    using Given = const Key&;
    static constexpr const char* name = "hand";

    bool handle(Given key) {
        if (!begin(key)) return false;
        mark(key);
        return true;
    }

private:
    using Time = std::chrono::steady_clock::time_point;
    struct Mark {
        Key key;
        Time at;
    };

    bool begin(Given key) {
        const auto now = std::chrono::steady_clock::now();
        const std::lock_guard lock{mutex_};
        drop_expired(now);
        return is_done_.try_emplace(key, false).second;
    }

    void mark(Given key) {
        const auto now = std::chrono::steady_clock::now();
        const std::lock_guard lock{mutex_};
        drop_expired(now);
        is_done_[key] = true;
        order_.push_back({key, now});
        if (order_.size() > marks_kept) drop_oldest();
    }

    void drop_expired(Time now) {
        while (!order_.empty() && now - order_.front().at >= std::chrono::hours{24}) drop_oldest();
    }
    void drop_oldest() {
        is_done_.erase(order_.front().key);
        order_.pop_front();
    }

    std::mutex mutex_;
    std::unordered_map<Key, bool> is_done_;  // false: in work
    std::deque<Mark> order_;
};

template <class Key>
using Both = Peers<Runnel<Key>, ByHand<Key>>;

// ---- keys ---------------------------------------------------------------------------------------

template <class Key>
Key key_of(std::uint64_t number) {
    if constexpr (std::is_same_v<Key, std::string>) {
        return "order-of-the-day-" + std::to_string(10'000'000'000 + number);
    } else {
        return number * 0x9E37'79B9'7F4A'7C15;
    }
}

/// Made beforehand, so that it is not measured.
template <class Key>
std::vector<Key> keys(std::uint64_t first, std::uint64_t count) {
    std::vector<Key> made;
    made.reserve(count);
    for (std::uint64_t number = 0; number < count; ++number)
        made.push_back(key_of<Key>(first + number));
    return made;
}

// ---- workloads ----------------------------------------------------------------------------------

constexpr std::uint64_t calls = 1'000'000;

double per_call(nanoseconds elapsed) {
    return static_cast<double>(elapsed.count()) / static_cast<double>(calls);
}

template <class Peer, class Key>
std::unique_ptr<Peer> full() {
    auto peer = std::make_unique<Peer>();
    for (const Key& key : keys<Key>(0, 2 * marks_kept)) peer->handle(key);
    return peer;
}

/// Keys that are fresh, each of which is begun and marked: an equal share for each thread. Figure:
/// ns per key, of all threads.
template <class Peer, class Key>
Sample fresh(unsigned threads) {
    const auto peer = full<Peer, Key>();
    const std::uint64_t share = calls / threads;
    std::vector<std::vector<Key>> shares;
    for (unsigned thread = 0; thread < threads; ++thread)
        shares.push_back(keys<Key>(calls + thread * share, share));
    std::atomic<std::uint64_t> handled{0};
    const nanoseconds elapsed = run_together(threads, Placement::free, [&](unsigned thread) {
        std::uint64_t count = 0;
        for (const Key& key : shares[thread]) count += peer->handle(key) ? 1 : 0;
        handled += count;
    });
    check(handled == share * threads, "a fresh key was not handled");
    return {elapsed, {per_call(elapsed)}};
}

/// The same with keys that are marked, in an order of chance.
template <class Peer, class Key>
Sample duplicates(unsigned threads) {
    const auto peer = full<Peer, Key>();
    const std::vector<Key> there = keys<Key>(marks_kept, marks_kept);
    const std::uint64_t share = calls / threads;
    std::atomic<std::uint64_t> handled{0};
    const nanoseconds elapsed = run_together(threads, Placement::free, [&](unsigned thread) {
        std::uint64_t count = 0;
        std::uint64_t at = thread;
        for (std::uint64_t call = 0; call < share; ++call) {
            at = (at + 61'803) % marks_kept;
            count += peer->handle(there[at]) ? 1 : 0;
        }
        handled += count;
    });
    check(handled == 0, "a key was handled twice");
    return {elapsed, {per_call(elapsed)}};
}

// ---- groups -------------------------------------------------------------------------------------

template <class Key>
void add_keys(Suite& suite, const std::string& kind) {
    for (const unsigned threads : {1U, 4U}) {
        const std::string crew = ", " + kind + ", threads: " + std::to_string(threads);
        const Metric metric{"ns", Better::less, {{"D1", 1.0, "hand"}}};
        suite.add({"fresh keys" + crew,
                   {metric},
                   cases(Both<Key>{}, [=]<class Peer>(std::type_identity<Peer> /*which*/) {
                       return fresh<Peer, Key>(threads);
                   })});
        suite.add({"duplicates" + crew,
                   {metric},
                   cases(Both<Key>{}, [=]<class Peer>(std::type_identity<Peer> /*which*/) {
                       return duplicates<Peer, Key>(threads);
                   })});
    }
}

}  // namespace
}  // namespace runnel::bench

int main(int argc, char** argv) {
    using namespace runnel::bench;
    return run_program("deduplicator_bench", argc > 1 ? argv[1] : "", [](Suite& suite) {
        add_keys<std::uint64_t>(suite, "u64");
        add_keys<std::string>(suite, "string");
    });
}
