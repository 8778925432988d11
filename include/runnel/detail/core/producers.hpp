// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::detail {

// How long, and how many, ids a stream remembers of each producer.
struct ProducerLimits {
    std::int64_t seconds = 100;
    std::int64_t ids = 100;

    friend bool operator==(const ProducerLimits&, const ProducerLimits&) = default;
};

// What the producers of a stream have sent: which entry each id of theirs has become, so that a
// message that is sent once more is not added once more. An id is known until it is too old or its
// producer has sent too many others, whether or not the entry is still in the stream.
//
//     producers   p1 -> ids, oldest first     [ i1 5-0 ]-[ i2 6-0 ]-[ i3 6-1 ]
//                       by text                 i1 i2 i3, each tells where it stands in the list
//
// Guarded by its owner's lock. A call that throws has changed nothing.
class Producers {
    struct Sent {
        std::string id;
        StreamId entry{};
    };
    using List = std::list<Sent>;
    using ByText = std::map<std::string_view, List::iterator>;  // text of the list's nodes
    struct Producer {
        List sent;
        ByText by_text;
    };
    using ByName = std::map<std::string, Producer, std::less<>>;

public:
    explicit Producers(ProducerLimits limits = {}) noexcept : limits_{limits} {}
    Producers(Producers&&) = delete;
    Producers& operator=(Producers&&) = delete;
    ~Producers() = default;

    // The copy of another stream's producers. Throws: std::bad_alloc.
    Producers(const Producers& other)
        : limits_{other.limits_},
          added_{other.added_},
          duplicates_{other.duplicates_},
          oldest_ms_{other.oldest_ms_} {
        for (const auto& [name, producer] : other.producers_)
            for (const Sent& sent : producer.sent) {
                Prepared prepared = prepare(name, sent.id);
                insert(std::move(prepared), sent.entry);
            }
    }
    Producers& operator=(const Producers&) = delete;

    // ---- sending: look, prepare, commit

    // The entry that this id has become; null: it is not known.
    [[nodiscard]] const StreamId* find(std::string_view producer,
                                       std::string_view id) const noexcept {
        const auto known = producers_.find(producer);
        if (known == producers_.end()) return nullptr;
        const auto sent = known->second.by_text.find(id);
        return sent == known->second.by_text.end() ? nullptr : &sent->second->entry;
    }

    // An id that can be added without any more memory.
    class Prepared {
    public:
        Prepared() = default;
        [[nodiscard]] explicit operator bool() const noexcept { return !sent_.empty(); }

    private:
        friend class Producers;

        ByName::iterator producer_{};
        ByName::node_type new_producer_;
        List sent_;
        ByText::node_type by_text_;
    };

    // Throws: std::bad_alloc. Requires: the id is not known.
    [[nodiscard]] Prepared prepare(std::string_view producer, std::string_view id) {
        RUNNEL_ASSERT(find(producer, id) == nullptr);
        Prepared prepared;
        prepared.sent_.push_back({std::string{id}, {}});
        ByText by_text;
        by_text.emplace(prepared.sent_.front().id, prepared.sent_.begin());
        prepared.by_text_ = by_text.extract(by_text.begin());
        prepared.producer_ = producers_.find(producer);
        if (prepared.producer_ == producers_.end()) {
            ByName one;
            one.try_emplace(std::string{producer});
            prepared.new_producer_ = one.extract(one.begin());
        }
        return prepared;
    }

    // The prepared id has become `entry`. If that is more than the producer may have, its oldest id
    // is forgotten. Requires: nothing was changed since prepare().
    void add(Prepared prepared, StreamId entry) noexcept {
        ++added_;
        oldest_ms_ = std::min(oldest_ms_, entry.ms);
        Producer& producer = insert(std::move(prepared), entry);
        if (producer.sent.size() > static_cast<std::size_t>(limits_.ids))
            forget(producer, producer.sent.begin());
    }

    // The id of a message was known, so it was not added.
    void count_duplicate() noexcept { ++duplicates_; }

    // ---- forgetting

    // Forgets all ids, if the limits change by this.
    void set_limits(ProducerLimits limits) noexcept {
        if (limits == limits_) return;
        limits_ = limits;
        producers_.clear();
        oldest_ms_ = never;
    }

    // Forgets the ids whose entries are too old at `now_ms`. Costs nothing if there can be none.
    void expire(std::int64_t now_ms) noexcept {
        if (limits_.seconds > now_ms / 1'000) return;  // nothing can be as old as that
        const auto too_old = static_cast<std::uint64_t>(now_ms - limits_.seconds * 1'000);
        if (oldest_ms_ > too_old) return;
        oldest_ms_ = never;
        for (auto producer = producers_.begin(); producer != producers_.end();) {
            expire(producer->second, too_old);
            producer =
                producer->second.sent.empty() ? producers_.erase(producer) : std::next(producer);
        }
    }

    // ---- looking

    [[nodiscard]] ProducerLimits limits() const noexcept { return limits_; }
    [[nodiscard]] std::size_t size() const noexcept { return producers_.size(); }
    [[nodiscard]] std::size_t ids() const noexcept {
        std::size_t count = 0;
        for (const auto& [name, producer] : producers_) count += producer.sent.size();
        return count;
    }
    [[nodiscard]] std::uint64_t added() const noexcept { return added_; }
    [[nodiscard]] std::uint64_t duplicates() const noexcept { return duplicates_; }

private:
    static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

    Producer& insert(Prepared prepared, StreamId entry) noexcept {
        if (prepared.new_producer_)
            prepared.producer_ = producers_.insert(std::move(prepared.new_producer_)).position;
        Producer& producer = prepared.producer_->second;
        prepared.sent_.front().entry = entry;
        producer.sent.splice(producer.sent.end(), prepared.sent_);
        producer.by_text.insert(std::move(prepared.by_text_));
        return producer;
    }

    static List::iterator forget(Producer& producer, List::iterator sent) noexcept {
        producer.by_text.erase(sent->id);
        return producer.sent.erase(sent);
    }

    void expire(Producer& producer, std::uint64_t too_old) noexcept {
        for (auto sent = producer.sent.begin(); sent != producer.sent.end();) {
            if (sent->entry.ms <= too_old) {
                sent = forget(producer, sent);
            } else {
                oldest_ms_ = std::min(oldest_ms_, sent->entry.ms);
                ++sent;
            }
        }
    }

    ProducerLimits limits_;
    std::uint64_t added_ = 0;
    std::uint64_t duplicates_ = 0;
    std::uint64_t oldest_ms_ = never;  // no known id has an older entry
    ByName producers_;
};

// An id made of the words of an entry: a name, a value, a name, … Entries with the same pairs of
// name and value have the same id, in whatever order they are. Throws: std::bad_alloc.
template <typename Words>
[[nodiscard]] std::string id_of_words(const Words& words) {
    std::vector<std::pair<std::string_view, std::string_view>> pairs;
    std::size_t count = 0;
    for (const std::string_view word : words) {
        if (count++ % 2 == 0) {
            pairs.emplace_back(word, std::string_view{});
        } else {
            pairs.back().second = word;
        }
    }
    std::ranges::sort(pairs);
    std::string id;
    const auto add = [&id](std::string_view word) {
        id.append(std::to_string(word.size())).append(1, ':').append(word);
    };
    for (const auto& [name, value] : pairs) {
        add(name);
        add(value);
    }
    return id;
}

}  // namespace runnel::inline v0::detail
