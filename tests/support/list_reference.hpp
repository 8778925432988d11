// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/blocking_list.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <ostream>
#include <utility>
#include <vector>

// What a BlockingList has to do, written as plainly as possible: the data of a list is a
// std::deque, and who waits stands in one line, in the order of arrival.
namespace runnel::test {

using Values = std::vector<int>;

/// An element that shows whether it was moved from.
struct Item {
    static constexpr int taken = -1;

    explicit Item(int number) noexcept : value{number} {}
    Item(const Item&) = default;
    Item(Item&& other) noexcept : value{std::exchange(other.value, taken)} {}
    Item& operator=(const Item&) = default;
    Item& operator=(Item&& other) noexcept {
        value = std::exchange(other.value, taken);
        return *this;
    }
    ~Item() = default;
    bool operator==(const Item&) const = default;

    int value;
};

inline Values values_of(const std::vector<Item>& items) {
    Values values;
    for (const Item& item : items) values.push_back(item.value);
    return values;
}

/// Why a call on a list came back.
enum class Ended : std::uint8_t { done, full, absent, timed_out, stopped, closed };

inline const char* name_of(Ended how) {
    constexpr const char* names[] = {"done", "full", "absent", "timed out", "stopped", "closed"};
    return names[static_cast<std::size_t>(how)];
}

inline Ended ended_by(Push push) {
    switch (push) {
    case Push::done: return Ended::done;
    case Push::full: return Ended::full;
    case Push::absent: return Ended::absent;
    case Push::stopped: return Ended::stopped;
    case Push::closed: return Ended::closed;
    }
    return Ended::done;
}

inline Ended ended_by(Ending ending) {
    switch (ending) {
    case Ending::timed_out: return Ended::timed_out;
    case Ending::stopped: return Ended::stopped;
    case Ending::closed: return Ended::closed;
    case Ending::full: return Ended::full;
    }
    return Ended::done;
}

/// Everything that a call hands back.
struct Outcome {
    Ended how = Ended::done;
    Values values{};        // popped or moved
    std::size_t which = 0;  // of pop_first
    std::size_t count = 0;  // of push_…_many
    Clock::Deadline at{};   // when; only of calls that were made by a thread of a ManualClock

    bool operator==(const Outcome&) const = default;

    friend std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
        out << name_of(outcome.how) << ", values:";
        for (const int value : outcome.values) out << ' ' << value;
        return out << ", which " << outcome.which << ", count " << outcome.count << ", at "
                   << outcome.at.time_since_epoch().count();
    }
};

inline Outcome outcome_of(Push push) { return {.how = ended_by(push)}; }

inline Outcome outcome_of(Pushed pushed) {
    return {.how = ended_by(pushed.ending), .count = pushed.count};
}

inline Outcome outcome_of(const Popped<Item>& popped) {
    if (popped) return {.values = {popped->value}};
    return {.how = ended_by(popped.ending())};
}

inline Outcome outcome_of(const PoppedFrom<Item>& popped) {
    if (popped) return {.values = {popped->value}, .which = popped.which()};
    return {.how = ended_by(popped.ending())};
}

inline Outcome outcome_of(const Batch<Item>& batch) {
    if (!batch) return {.how = ended_by(batch.ending())};
    Outcome outcome;
    for (const Item& item : batch) outcome.values.push_back(item.value);
    return outcome;
}

inline End other_end(End end) { return end == End::front ? End::back : End::front; }

/// The data of one list.
struct Shelf {
    std::size_t capacity = std::numeric_limits<std::size_t>::max();
    Full when_full = Full::block;
    std::deque<int> items{};
    bool closed = false;
    std::uint64_t dropped = 0;

    [[nodiscard]] bool empty() const { return items.empty(); }
    [[nodiscard]] bool full() const { return items.size() >= capacity; }
    [[nodiscard]] bool takes_more() const { return !full() || when_full == Full::drop_other_end; }

    int take(End end) {
        const int value = end == End::front ? items.front() : items.back();
        end == End::front ? items.pop_front() : items.pop_back();
        return value;
    }

    Values take_many(End end, std::size_t count) {
        Values values;
        while (values.size() != count && !empty()) values.push_back(take(end));
        return values;
    }

    /// False if there is no room and none is made.
    bool put(End end, int value) {
        if (!takes_more()) return false;
        if (full()) {
            (void)take(other_end(end));
            ++dropped;
        }
        end == End::front ? items.push_front(value) : items.push_back(value);
        return true;
    }

    std::size_t remove(int value, End from, std::size_t count) {
        if (from == End::back) std::reverse(items.begin(), items.end());
        std::size_t removed = 0;
        std::erase_if(items, [&](int item) { return item == value && removed++ < count; });
        if (from == End::back) std::reverse(items.begin(), items.end());
        return std::min(removed, count);
    }

    [[nodiscard]] Values range(std::int64_t first, std::int64_t last) const {
        const auto size = static_cast<std::int64_t>(items.size());
        if (first < 0) first += size;
        if (last < 0) last += size;
        Values values;
        for (std::int64_t at = 0; at != size; ++at) {
            if (at >= first && at <= last) values.push_back(items[static_cast<std::size_t>(at)]);
        }
        return values;
    }
};

/// A call that may wait.
struct Call {
    enum class Kind : std::uint8_t { pop, pop_many, pop_first, push, push_many, move };

    Kind kind = Kind::pop;
    End end = End::front;              // where it takes from or, a push, where it puts
    std::vector<std::size_t> lists{};  // that it takes from or puts on, in the order it named them
    std::size_t count = 1;             // of pop_many
    Values messages{};                 // of a push
    std::size_t target = 0;            // of a move
    End to = End::back;                // of a move
    std::optional<Clock::Deadline> deadline{};

    // Where it stands.
    std::size_t pushed = 0;
    std::vector<std::size_t> open{};  // of `lists`, those that are not known to be closed
    std::optional<Outcome> outcome{};

    [[nodiscard]] bool puts() const { return kind == Kind::push || kind == Kind::push_many; }
    [[nodiscard]] bool takes_from(std::size_t list) const {
        return !puts() && std::find(open.begin(), open.end(), list) != open.end();
    }
    [[nodiscard]] bool puts_on(std::size_t list) const {
        if (kind == Kind::move) return target == list && lists.front() != list;
        return puts() && lists.front() == list;
    }
};

/// Some lists and those who wait on them.
///
/// After every change of a list those who stand in line there are served: first those who take, in
/// the order of arrival, then those who put, and again while that brought something. Whoever cannot
/// be served keeps his place and holds nobody up. A move that was carried out changes two lists;
/// they are served after everybody at the present one, in the order in which moves were made.
class Reference {
public:
    std::vector<Shelf> shelves;
    Clock::Deadline now{};

    /// Those without an outcome yet, in the order of arrival.
    [[nodiscard]] const std::vector<std::shared_ptr<Call>>& line() const { return line_; }

    /// Makes the call; it may wait afterwards.
    void make(const std::shared_ptr<Call>& call) {
        call->open = call->lists;
        line_.push_back(call);
        // pop_first looks at one list after the other, and everybody else at one or two.
        for (const std::size_t list : call->lists) {
            if (!call->outcome) serve(list);
        }
        if (call->kind == Call::Kind::move) serve(call->target);
        if (!call->outcome && (!may_wait(*call) || (call->deadline && *call->deadline <= now)))
            time_out(*call);
        forget_ended();
    }

    /// After the data of `list` was changed from outside.
    void changed(std::size_t list) {
        serve(list);
        forget_ended();
    }

    void close(std::size_t list) {
        shelves[list].closed = true;
        changed(list);
    }

    void stop(Call& call) {
        end(call, Ended::stopped);
        forget_ended();
    }

    void give_up(Call& call) {
        time_out(call);
        forget_ended();
    }

    void advance(Clock::Deadline until) {
        for (;;) {
            Call* due = nullptr;
            for (const auto& call : line_) {
                if (!call->deadline || *call->deadline > until) continue;
                if (due == nullptr || *call->deadline < *due->deadline) due = call.get();
            }
            if (due == nullptr) break;
            now = std::max(now, *due->deadline);
            give_up(*due);
        }
        now = until;
    }

    [[nodiscard]] std::size_t takers(std::size_t list) const {
        return static_cast<std::size_t>(std::count_if(
            line_.begin(), line_.end(), [&](const auto& call) { return call->takes_from(list); }));
    }

    [[nodiscard]] std::size_t putters(std::size_t list) const {
        return static_cast<std::size_t>(std::count_if(
            line_.begin(), line_.end(), [&](const auto& call) { return call->puts_on(list); }));
    }

private:
    [[nodiscard]] bool may_wait(const Call& call) const {
        return !call.puts() || shelves[call.lists.front()].when_full == Full::block;
    }

    void serve(std::size_t list) {
        serve_here(list);
        while (!moved_.empty()) {
            const std::size_t next = moved_.front();
            moved_.pop_front();
            serve_here(next);
        }
    }

    void serve_here(std::size_t list) {
        Shelf& shelf = shelves[list];
        for (bool grew = true; grew;) {
            for (const auto& call : line_) {
                if (shelf.empty() && !shelf.closed) break;
                if (!call->outcome && call->takes_from(list)) attempt(*call, list);
            }
            const std::size_t before = shelf.items.size();
            const std::uint64_t dropped = shelf.dropped;
            for (const auto& call : line_) {
                if (!shelf.takes_more() && !shelf.closed) break;
                if (!call->outcome && call->puts_on(list)) attempt(*call, list);
            }
            grew = shelf.items.size() > before || shelf.dropped != dropped;
        }
    }

    void attempt(Call& call, std::size_t list) {
        if (call.kind == Call::Kind::move) return attempt_move(call);
        Shelf& shelf = shelves[list];
        if (call.puts()) {
            if (shelf.closed) return end(call, Ended::closed);
            while (call.pushed != call.messages.size() &&
                   shelf.put(call.end, call.messages[call.pushed]))
                ++call.pushed;
            if (call.pushed == call.messages.size()) end(call, Ended::done);
            return;
        }
        if (shelf.empty()) return source_closed(call, list);
        const auto named = std::find(call.lists.begin(), call.lists.end(), list);
        const std::size_t count = call.kind == Call::Kind::pop_many ? call.count : 1;
        end(call, Ended::done, shelf.take_many(call.end, count),
            call.kind == Call::Kind::pop_first
                ? static_cast<std::size_t>(named - call.lists.begin())
                : 0);
    }

    void attempt_move(Call& call) {
        Shelf& source = shelves[call.lists.front()];
        Shelf& target = shelves[call.target];
        const bool onto_itself = &source == &target;
        if (!onto_itself && target.closed) return end(call, Ended::closed);
        if (source.empty()) return source.closed ? end(call, Ended::closed) : void();
        if (!onto_itself && !target.takes_more()) {
            return target.when_full == Full::reject ? end(call, Ended::full) : void();
        }
        const int value = source.take(call.end);
        if (onto_itself) {
            call.to == End::front ? source.items.push_front(value) : source.items.push_back(value);
        } else {
            (void)target.put(call.to, value);
        }
        end(call, Ended::done, {value});
        moved_.push_back(call.lists.front());
        if (!onto_itself) moved_.push_back(call.target);
    }

    // Nothing can come from `list` any more.
    void source_closed(Call& call, std::size_t list) {
        std::erase(call.open, list);
        if (call.open.empty()) end(call, Ended::closed);
    }

    void time_out(Call& call) { end(call, call.puts() ? Ended::full : Ended::timed_out); }

    void end(Call& call, Ended how, Values values = {}, std::size_t which = 0) {
        const std::size_t count = call.kind == Call::Kind::push_many ? call.pushed : 0;
        call.outcome = Outcome{how, std::move(values), which, count, now};
    }

    void forget_ended() {
        std::erase_if(line_, [](const auto& call) { return call->outcome.has_value(); });
    }

    std::vector<std::shared_ptr<Call>> line_;
    std::deque<std::size_t> moved_;
};

}  // namespace runnel::test
