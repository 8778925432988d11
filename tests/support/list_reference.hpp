// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/blocking_list.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
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
    case Push::done:
        return Ended::done;
    case Push::full:
        return Ended::full;
    case Push::absent:
        return Ended::absent;
    case Push::stopped:
        return Ended::stopped;
    case Push::closed:
        return Ended::closed;
    }
    return Ended::done;
}

inline Ended ended_by(Ending ending) {
    switch (ending) {
    case Ending::timed_out:
        return Ended::timed_out;
    case Ending::stopped:
        return Ended::stopped;
    case Ending::closed:
        return Ended::closed;
    case Ending::full:
        return Ended::full;
    case Ending::gone:
    case Ending::disconnected:
        break;  // of streams and channels
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

inline Outcome outcome_of(Push push) {
    return {.how = ended_by(push)};
}

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

inline End other_end(End end) {
    return end == End::front ? End::back : End::front;
}

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
    bool may_wait = true;
    std::optional<Clock::Deadline> deadline{};

    std::size_t id = 0;  // in the order of arrival
    std::size_t pushed = 0;
    std::vector<std::size_t> open{};  // of `lists`, those that something can still come from
    std::optional<Outcome> outcome{};

    [[nodiscard]] bool puts() const { return kind == Kind::push || kind == Kind::push_many; }
    [[nodiscard]] bool onto_itself() const { return kind == Kind::move && target == lists.front(); }
    [[nodiscard]] bool takes_from(std::size_t list) const {
        return !puts() && std::find(open.begin(), open.end(), list) != open.end();
    }
    [[nodiscard]] bool puts_on(std::size_t list) const {
        if (kind == Kind::move) return target == list && !onto_itself();
        return puts() && lists.front() == list;
    }
};

/// What was seen of the real lists after an event: the calls that have come back, and the data.
struct Seen {
    std::map<std::size_t, Outcome> back{};
    std::vector<Values> data{};
    std::vector<std::uint64_t> dropped{};
};

/// Some lists and those who wait on them.
///
/// After an event one call after the other is carried out until none can be. At each list the one
/// who has waited longest among those who can be served there is next: first those who take, then
/// those who put. A wait that cannot be served keeps its place and holds nobody up. Which of
/// several lists is next is left open, and so is whether a move that could only be made because of
/// another move in the same event comes before those behind it: explain() looks for a way that
/// leads to what was seen.
class Reference {
public:
    std::vector<Shelf> shelves{};
    Clock::Deadline now{};
    std::vector<Call> line{};  // who waits, in the order of arrival

    /// A call arrives. Returns its id.
    std::size_t arrive(Call call) {
        call.id = ++last_id_;
        call.open = call.lists;
        if (call.deadline && *call.deadline <= now) call.may_wait = false;
        if (call.kind == Call::Kind::pop_first) take_first(call);
        if (call.puts() && shelves[call.lists.front()].when_full != Full::block) put_now(call);
        line.push_back(std::move(call));
        return last_id_;
    }

    void stop(std::size_t id) {
        for (Call& call : line)
            if (call.id == id) end(call, Ended::stopped);
    }

    void advance(Clock::Deadline until) {
        for (;;) {
            Call* due = nullptr;
            for (Call& call : line) {
                if (call.outcome || !call.deadline || *call.deadline > until) continue;
                if (due == nullptr || *call.deadline < *due->deadline) due = &call;
            }
            if (due == nullptr) break;
            now = std::max(now, *due->deadline);
            time_out(*due);
        }
        now = until;
    }

    /// Whether the rules can lead from the last event to what was `seen`. If so, what they lead to
    /// stands here, and the calls that have ended are returned; if not, nothing has changed.
    [[nodiscard]] std::optional<std::vector<Call>> explain(const Seen& seen) {
        looks_ = 0;
        auto found = search(*this, seen);
        if (!found) return std::nullopt;
        *this = *std::move(found);
        std::vector<Call> ended;
        for (Call& call : line)
            if (call.outcome) ended.push_back(std::move(call));
        std::erase_if(line, [](const Call& call) { return call.outcome.has_value(); });
        moved_.clear();
        return ended;
    }

    /// What the rules lead to if the lists are served in their order.
    [[nodiscard]] Reference usual_end() const {
        Reference state = *this;
        for (;;) {
            state.end_hopeless();
            const auto choices = state.choices();
            if (choices.empty()) break;
            state.carry_out(choices.front());
        }
        state.end_impatient();
        return state;
    }

    [[nodiscard]] std::size_t takers(std::size_t list) const {
        return static_cast<std::size_t>(std::count_if(
            line.begin(), line.end(), [&](const Call& call) { return call.takes_from(list); }));
    }

    [[nodiscard]] std::size_t putters(std::size_t list) const {
        return static_cast<std::size_t>(std::count_if(
            line.begin(), line.end(), [&](const Call& call) { return call.puts_on(list); }));
    }

private:
    // A call that may be next, and the list where it is its turn.
    struct Choice {
        std::size_t call;
        std::size_t list;
    };

    static constexpr std::size_t most_looks = 100'000;

    std::optional<Reference> search(Reference state, const Seen& seen) {
        if (++looks_ > most_looks) return std::nullopt;
        state.end_hopeless();
        if (!state.agrees_so_far(seen)) return std::nullopt;
        const std::vector<Choice> choices = state.choices();
        if (choices.empty()) {
            state.end_impatient();
            if (!state.agrees(seen)) return std::nullopt;
            return state;
        }
        for (const Choice& choice : choices) {
            Reference next = state;
            next.carry_out(choice);
            if (auto found = search(std::move(next), seen)) return found;
        }
        if (!state.refuse()) return std::nullopt;
        return search(std::move(state), seen);
    }

    // A push of many onto a list that rejects may be refused what does not fit at once, or find the
    // room that those who are served make meanwhile.
    bool refuse() {
        const auto refused = std::find_if(line.begin(), line.end(), [&](const Call& call) {
            return !call.outcome && call.puts() &&
                   shelves[call.lists.front()].when_full == Full::reject;
        });
        if (refused == line.end()) return false;
        end(*refused, Ended::full);
        return true;
    }

    [[nodiscard]] bool agrees_so_far(const Seen& seen) const {
        return std::all_of(line.begin(), line.end(), [&](const Call& call) {
            if (!call.outcome) return true;
            const auto found = seen.back.find(call.id);
            return found != seen.back.end() && found->second == *call.outcome;
        });
    }

    [[nodiscard]] bool agrees(const Seen& seen) const {
        for (std::size_t at = 0; at != shelves.size(); ++at) {
            const Shelf& shelf = shelves[at];
            if (shelf.dropped != seen.dropped[at]) return false;
            if (!std::equal(shelf.items.begin(), shelf.items.end(), seen.data[at].begin(),
                            seen.data[at].end()))
                return false;
        }
        return agrees_so_far(seen) && std::all_of(line.begin(), line.end(), [&](const Call& call) {
                   return call.outcome.has_value() == seen.back.contains(call.id);
               });
    }

    // Who may be next.
    [[nodiscard]] std::vector<Choice> choices() const {
        std::vector<Choice> all;
        for (std::size_t list = 0; list != shelves.size(); ++list) {
            const std::size_t before = all.size();
            add_first(all, list, &Call::takes_from);
            if (all.size() == before) add_first(all, list, &Call::puts_on);
        }
        return all;
    }

    void add_first(std::vector<Choice>& all, std::size_t list,
                   bool (Call::*stands)(std::size_t) const) const {
        for (std::size_t at = 0; at != line.size(); ++at) {
            const Call& call = line[at];
            if (call.outcome || !(call.*stands)(list) || !can_go(call, list)) continue;
            all.push_back({at, list});
            if (call.kind != Call::Kind::move || call.onto_itself()) return;
            const std::size_t other = list == call.target ? call.lists.front() : call.target;
            if (std::find(moved_.begin(), moved_.end(), other) == moved_.end()) return;
        }
    }

    [[nodiscard]] bool can_go(const Call& call, std::size_t list) const {
        if (call.puts()) return shelves[list].takes_more();
        if (call.kind != Call::Kind::move || call.onto_itself()) return !shelves[list].empty();
        const Shelf& target = shelves[call.target];
        return !shelves[call.lists.front()].empty() &&
               (target.takes_more() || target.when_full == Full::reject);
    }

    void carry_out(const Choice& choice) {
        Call& call = line[choice.call];
        if (call.kind == Call::Kind::move) return move(call);
        call.puts() ? put(call) : take(call, choice.list);
    }

    void put(Call& call) {
        Shelf& shelf = shelves[call.lists.front()];
        while (call.pushed != call.messages.size() &&
               shelf.put(call.end, call.messages[call.pushed]))
            ++call.pushed;
        if (call.pushed == call.messages.size()) end(call, Ended::done);
    }

    // Where a full list refuses or drops nobody waits to push.
    void put_now(Call& call) {
        call.may_wait = false;
        if (shelves[call.lists.front()].closed) return end(call, Ended::closed);
        put(call);
    }

    // A pop of several lists looks through all of them once more.
    void take(Call& call, std::size_t list) {
        auto named = std::find(call.lists.begin(), call.lists.end(), list);
        if (call.kind == Call::Kind::pop_first)
            named = std::find_if(call.lists.begin(), call.lists.end(),
                                 [this](std::size_t each) { return !shelves[each].empty(); });
        const std::size_t count = call.kind == Call::Kind::pop_many ? call.count : 1;
        end(call, Ended::done, shelves[*named].take_many(call.end, count),
            static_cast<std::size_t>(named - call.lists.begin()));
    }

    // For who arrives the order of the lists that it names counts.
    void take_first(Call& call) {
        for (const std::size_t list : call.lists) {
            if (!shelves[list].empty()) return take(call, list);
        }
    }

    void move(Call& call) {
        Shelf& source = shelves[call.lists.front()];
        Shelf& target = shelves[call.target];
        if (!call.onto_itself() && !target.takes_more()) return end(call, Ended::full);
        const int value = source.take(call.end);
        if (call.onto_itself()) {
            call.to == End::front ? source.items.push_front(value) : source.items.push_back(value);
        } else {
            (void)target.put(call.to, value);
        }
        end(call, Ended::done, {value});
        moved_.push_back(call.lists.front());
        moved_.push_back(call.target);
    }

    // Ends those who wait for what cannot come any more.
    void end_hopeless() {
        for (Call& call : line) {
            if (call.outcome) continue;
            const bool nowhere_to_put = (call.puts() && shelves[call.lists.front()].closed) ||
                                        (call.kind == Call::Kind::move && !call.onto_itself() &&
                                         shelves[call.target].closed);
            std::erase_if(call.open, [&](std::size_t list) {
                return shelves[list].closed && shelves[list].empty();
            });
            if (nowhere_to_put || call.open.empty()) end(call, Ended::closed);
        }
    }

    void end_impatient() {
        for (Call& call : line)
            if (!call.outcome && !call.may_wait) time_out(call);
    }

    void time_out(Call& call) { end(call, call.puts() ? Ended::full : Ended::timed_out); }

    void end(Call& call, Ended how, Values values = {}, std::size_t which = 0) {
        const std::size_t count = call.kind == Call::Kind::push_many ? call.pushed : 0;
        call.outcome = Outcome{how, std::move(values), which, count, now};
    }

    std::size_t last_id_ = 0;
    std::vector<std::size_t> moved_{};  // lists that moves have changed in the present event
    std::size_t looks_ = 0;
};

}  // namespace runnel::test
