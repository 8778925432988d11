// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>

#include "support/catch.hpp"
#include "support/list_reference.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <limits>
#include <memory>
#include <sstream>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using runnel::BlockingList;
using runnel::End;
using runnel::Full;
using runnel::test::Call;
using runnel::test::Ended;
using runnel::test::Item;
using runnel::test::Outcome;
using runnel::test::outcome_of;
using runnel::test::Random;
using runnel::test::Reference;
using runnel::test::Shelf;
using runnel::test::Tally;
using runnel::test::Values;
using runnel::test::values_of;

namespace {

constexpr std::size_t no_bound = std::numeric_limits<std::size_t>::max();
constexpr std::size_t lists_per_world = 3;

std::vector<Item> items_of(const Values& values) {
    std::vector<Item> items;
    for (const int value : values) items.emplace_back(value);
    return items;
}

std::vector<BlockingList<Item>> lists_for(const std::vector<Shelf>& shelves,
                                          runnel::Clock* clock = nullptr) {
    std::vector<BlockingList<Item>> lists;
    for (const Shelf& shelf : shelves)
        lists.emplace_back(runnel::ListOptions{
            .capacity = shelf.capacity, .when_full = shelf.when_full, .clock = clock});
    return lists;
}

std::string options_of(const std::vector<Shelf>& shelves) {
    std::ostringstream text;
    for (const Shelf& shelf : shelves) {
        text << (shelf.capacity == no_bound ? "unbounded" : std::to_string(shelf.capacity)) << ' '
             << (shelf.when_full == Full::block    ? "block"
                 : shelf.when_full == Full::reject ? "reject"
                                                   : "drop")
             << "; ";
    }
    return text.str();
}

// ------------------------------------------------------------------ one thread, nobody waits

// Random calls on three lists and on three shelves; a call that would wait ends at once, in one of
// the ways in which it can.
class OneThread {
public:
    OneThread(Random& random, Tally& tally, std::vector<Shelf> shelves)
        : random_{random},
          tally_{tally},
          shelves_{std::move(shelves)},
          lists_{lists_for(shelves_)},
          options_{options_of(shelves_)} {
        stopped_.request_stop();
    }

    void run(std::size_t steps) {
        for (std::size_t step = 0; step != steps; ++step) {
            // Now more comes in, now more goes out: so lists grow over several blocks.
            if (step % 256 == 0) pushes_ = random_.percent(50) ? 65 : 35;
            at_ = random_.below(lists_per_world);
            end_ = random_.percent(50) ? End::front : End::back;
            manner_ = random_.one_of(manners);
            one_step();
            compare(step);
        }
        for (at_ = 0; at_ != lists_per_world; ++at_) compare_data();
    }

private:
    // How a call that would have to wait is kept from it.
    enum class Manner : std::uint8_t { never_waits, no_time, stopped };
    static constexpr std::array manners{Manner::never_waits, Manner::no_time, Manner::stopped};

    [[nodiscard]] runnel::WaitOptions wait_options() const {
        if (manner_ == Manner::no_time) return {.timeout = 0s};
        return {.stop = stopped_.get_token()};
    }
    [[nodiscard]] runnel::MoveOptions move_options(End to) const {
        if (manner_ == Manner::stopped)
            return {.from = end_, .to = to, .stop = stopped_.get_token()};
        return {.from = end_, .to = to, .timeout = 0s};
    }
    [[nodiscard]] Ended refused_pop() const {
        return manner_ == Manner::stopped ? Ended::stopped : Ended::timed_out;
    }
    [[nodiscard]] Ended refused_push() const {
        if (shelf().closed) return Ended::closed;
        const bool waits = shelf().when_full == Full::block && manner_ == Manner::stopped;
        return waits ? Ended::stopped : Ended::full;
    }

    Shelf& shelf() { return shelves_[at_]; }
    [[nodiscard]] const Shelf& shelf() const { return shelves_[at_]; }
    const BlockingList<Item>& list() { return lists_[at_]; }

    // Few different ones, so that remove() finds several.
    int value() { return static_cast<int>(random_.below(12)); }

    void one_step() {
        const std::size_t dice = random_.below(1000);
        if (dice < 150) return move();
        if (dice < 220) return pop_first();
        if (dice < 260) return remove();
        if (dice < 320) return range();
        if (dice < 321) return close();
        if (dice < 322) return pop_none();
        if (random_.percent(pushes_)) {
            const std::size_t which = random_.below(10);
            which < 6 ? push() : which < 8 ? push_many() : push_if_exists();
        } else {
            random_.percent(75) ? pop() : pop_many();
        }
    }

    void expect(const char* operation, const Outcome& real, const Outcome& expected) {
        tally_.add(operation, runnel::test::name_of(expected.how));
        if (real == expected) return;
        FAIL(options_ << "list " << at_ << ", " << operation << ": " << real << "\nexpected "
                      << expected);
    }

    void expect(const char* what, bool holds) {
        if (!holds) FAIL(options_ << "list " << at_ << ", does not hold: " << what);
    }

    void push() {
        Item item{value()};
        const int sent = item.value;
        const bool back = end_ == End::back;
        const runnel::Push real = manner_ == Manner::never_waits
                                      ? (back ? list().try_push_back(std::move(item))
                                              : list().try_push_front(std::move(item)))
                                      : (back ? list().push_back(std::move(item), wait_options())
                                              : list().push_front(std::move(item), wait_options()));
        const bool in = !shelf().closed && shelf().put(end_, sent);
        expect(back ? "push_back" : "push_front", outcome_of(real),
               {.how = in ? Ended::done : refused_push()});
        expect("a refused message is untouched", item.value == (in ? Item::taken : sent));
    }

    void push_many() {
        if (manner_ == Manner::never_waits) manner_ = Manner::no_time;
        Values sent(random_.below(random_.percent(5) ? 200 : 6));
        for (int& each : sent) each = value();
        std::vector<Item> items = items_of(sent);
        const bool back = end_ == End::back;
        const runnel::Pushed real = back ? list().push_back_many(items, wait_options())
                                         : list().push_front_many(items, wait_options());
        std::size_t in = 0;
        while (in != sent.size() && !shelf().closed && shelf().put(end_, sent[in]))
            sent[in++] = Item::taken;
        expect(back ? "push_back_many" : "push_front_many", outcome_of(real),
               {.how = in == sent.size() ? Ended::done : refused_push(), .count = in});
        expect("refused messages are untouched", values_of(items) == sent);
    }

    void push_if_exists() {
        Item item{value()};
        const int sent = item.value;
        const bool back = end_ == End::back;
        const runnel::Push real = back ? list().push_back_if_exists(std::move(item))
                                       : list().push_front_if_exists(std::move(item));
        Outcome expected;
        if (shelf().closed) {
            expected.how = Ended::closed;
        } else if (shelf().empty()) {
            expected.how = Ended::absent;
        } else if (!shelf().put(end_, sent)) {
            expected.how = Ended::full;
        }
        expect(back ? "push_back_if_exists" : "push_front_if_exists", outcome_of(real), expected);
        expect("a refused message is untouched",
               item.value == (expected.how == Ended::done ? Item::taken : sent));
    }

    [[nodiscard]] Outcome popped(Values values) const {
        if (!values.empty()) return {.values = std::move(values)};
        return {.how = shelf().closed ? Ended::closed : refused_pop()};
    }

    void pop() {
        const bool front = end_ == End::front;
        const runnel::Popped<Item> real =
            manner_ == Manner::never_waits
                ? (front ? list().try_pop_front() : list().try_pop_back())
                : (front ? list().pop_front(wait_options()) : list().pop_back(wait_options()));
        expect(front ? "pop_front" : "pop_back", outcome_of(real),
               popped(shelf().take_many(end_, 1)));
    }

    void pop_many() {
        const std::size_t count = 1 + random_.below(random_.percent(5) ? 200 : 6);
        const bool front = end_ == End::front;
        const runnel::Batch<Item> real =
            manner_ == Manner::never_waits
                ? (front ? list().try_pop_front_many(count) : list().try_pop_back_many(count))
                : (front ? list().pop_front_many(count, wait_options())
                         : list().pop_back_many(count, wait_options()));
        expect(front ? "pop_front_many" : "pop_back_many", outcome_of(real),
               popped(shelf().take_many(end_, count)));
    }

    void pop_none() {
        try {
            (void)list().pop_front_many(0);
            expect("a pop of none throws", false);
        } catch (const runnel::Error& error) {
            expect("a pop of none throws", error.code() == runnel::ErrorCode::invalid_argument);
        }
    }

    void pop_first() {
        std::vector<std::size_t> asked = random_.subset(lists_per_world);
        if (random_.percent(20)) asked.push_back(random_.one_of(asked));
        std::vector<BlockingList<Item>> lists;
        for (const std::size_t at : asked) lists.push_back(lists_[at]);
        runnel::FirstOptions options{.from = end_, .timeout = 0s};
        if (manner_ == Manner::stopped) options = {.from = end_, .stop = stopped_.get_token()};
        Outcome expected{.how = Ended::closed};
        for (std::size_t which = 0; which != asked.size(); ++which) {
            Shelf& source = shelves_[asked[which]];
            if (!source.empty()) {
                expected = {.values = {source.take(end_)}, .which = which};
                break;
            }
            if (!source.closed) expected.how = refused_pop();
        }
        expect("pop_first", outcome_of(runnel::pop_first(lists, options)), expected);
    }

    void move() {
        const std::size_t to_list = random_.below(lists_per_world);
        const End to = random_.percent(50) ? End::front : End::back;
        Shelf& target = shelves_[to_list];
        const bool onto_itself = to_list == at_;
        Outcome expected;
        if (!onto_itself && target.closed) {
            expected.how = Ended::closed;
        } else if (shelf().empty()) {
            expected.how = shelf().closed ? Ended::closed : refused_pop();
        } else if (!onto_itself && !target.takes_more()) {
            expected.how = target.when_full == Full::reject ? Ended::full : refused_pop();
        } else {
            const int element = shelf().take(end_);
            expected.values = {element};
            if (!onto_itself) {
                (void)target.put(to, element);
            } else {
                to == End::front ? shelf().items.push_front(element)
                                 : shelf().items.push_back(element);
            }
        }
        const runnel::Moved<Item> real = manner_ == Manner::never_waits
                                             ? list().try_move_to(lists_[to_list], move_options(to))
                                             : list().move_to(lists_[to_list], move_options(to));
        expect(onto_itself ? "move_to itself" : "move_to", outcome_of(real), expected);
    }

    void remove() {
        const int wanted = value();
        const std::size_t count = random_.percent(30) ? no_bound : random_.below(4);
        const std::size_t real = list().remove(Item{wanted}, end_, count);
        const std::size_t expected = shelf().remove(wanted, end_, count);
        tally_.add("remove", expected == 0 ? "none" : "some");
        expect("remove() tells how many", real == expected);
    }

    void range() {
        const auto size = static_cast<std::int64_t>(shelf().items.size());
        const std::int64_t first = random_.between(-size - 3, size + 3);
        const std::int64_t last = random_.between(-size - 3, size + 3);
        const Values expected = shelf().range(first, last);
        tally_.add("range", expected.empty() ? "empty" : "some");
        expect("range(first, last)", values_of(list().range(first, last)) == expected);
    }

    void close() {
        list().close();
        shelf().closed = true;
        tally_.add("close", "done");
    }

    // Everything after each step if it is short, else after some.
    void compare(std::size_t step) {
        for (at_ = 0; at_ != lists_per_world; ++at_) {
            expect("size()", list().size() == shelf().items.size());
            if (shelf().items.size() < 16 || step % 64 == 0) compare_data();
        }
    }

    void compare_data() {
        const Values real = values_of(list().range());
        const runnel::ListStats stats = list().stats();
        expect("range()",
               std::equal(real.begin(), real.end(), shelf().items.begin(), shelf().items.end()));
        expect("stats().size", stats.size == shelf().items.size());
        expect("stats().dropped", stats.dropped == shelf().dropped);
        expect("nobody waits", stats.blocked_pops == 0 && stats.blocked_pushes == 0);
        expect("closed()", list().closed() == shelf().closed);
        expect("drained()", list().drained() == (shelf().closed && shelf().empty()));
    }

    Random& random_;
    Tally& tally_;
    std::vector<Shelf> shelves_;
    const std::vector<BlockingList<Item>> lists_;
    const std::string options_;
    std::stop_source stopped_;

    // Of the present step.
    std::size_t pushes_ = 50;
    std::size_t at_ = 0;
    End end_ = End::front;
    Manner manner_ = Manner::never_waits;
};

constexpr std::array policies{Full::block, Full::reject, Full::drop_other_end};

}  // namespace

TEST_CASE("a list does what a deque does", "[list][model]") {
    const std::uint64_t seed = runnel::test::seed_for("a list does what a deque does");
    Random random{seed};
    Tally tally;
    constexpr std::array capacities{no_bound, std::size_t{1}, std::size_t{2}, std::size_t{7}};
    constexpr std::size_t steps_per_world = 2'000;
    const std::size_t worlds = runnel::test::scaled(550, 24);

    for (std::size_t world = 0; world != worlds; ++world) {
        std::vector<Shelf> shelves(lists_per_world);
        for (Shelf& shelf : shelves)
            shelf = {.capacity = random.one_of(capacities), .when_full = random.one_of(policies)};
        shelves[0].capacity = capacities[world % 4];  // so that each pair is sure to come
        shelves[0].when_full = policies[world / 4 % 3];
        OneThread{random, tally, shelves}.run(steps_per_world);
    }

    std::cout << worlds * steps_per_world << " operations, among them\n" << tally;
    for (const char* row : {"push_back", "push_front", "push_back_many", "push_front_many"}) {
        for (const char* column : {"done", "full", "stopped", "closed"})
            CHECK(tally.of(row, column) > 0);
    }
    for (const char* row : {"pop_front", "pop_back", "pop_front_many", "pop_back_many", "move_to",
                            "move_to itself", "pop_first"}) {
        for (const char* column : {"done", "timed out", "stopped", "closed"}) {
            CAPTURE(row, column);
            CHECK(tally.of(row, column) > 0);
        }
    }
    CHECK(tally.of("move_to", "full") > 0);
    CHECK(tally.of("push_back_if_exists", "absent") > 0);
    CHECK(tally.of("push_front_if_exists", "full") > 0);
    CHECK(tally.of("remove", "some") > 0);
}

// ------------------------------------------------------------------ calls that wait

namespace {

// A call that a thread of its own makes, or the script itself, and what became of it.
struct Running {
    Running(Call made, std::string what)
        : call{std::move(made)}, items{items_of(call.messages)}, name{std::move(what)} {}

    Call call;
    std::vector<Item> items;
    std::string name;
    std::stop_source stop{};
    bool back = false;  // the call has returned
    Outcome outcome{};
    runnel::ManualClock::Thread thread{};
};

// Threads wait on three lists, and a script disturbs them. After each step all threads have come to
// rest, and what became of them must be what the rules lead to.
class Script {
public:
    Script(Random& random, Tally& tally, std::vector<Shelf> shelves)
        : random_{random}, tally_{tally}, lists_{lists_for(shelves, &clock_)} {
        log_ << options_of(shelves) << '\n';
        reference_.shelves = std::move(shelves);
        reference_.now = clock_.now();
    }

    // The threads must not outlive the clock, also when a check fails.
    ~Script() {
        for (const auto& list : lists_) list.close();
        for (const auto& call : running_) call->stop.request_stop();
    }
    Script(const Script&) = delete;
    Script& operator=(const Script&) = delete;

    void run(std::size_t steps) {
        for (std::size_t step = 0; step != steps; ++step) {
            one_step();
            compare();
        }
        while (!running_.empty()) {
            stop(*running_[random_.below(running_.size())]);
            compare();
        }
        CHECK(reference_.line.empty());
        CHECK(clock_.waiting() == 0);
    }

private:
    static constexpr std::size_t most_threads = 12;

    void one_step() {
        const std::size_t dice = random_.below(100);
        if (dice < 50 && running_.size() < most_threads) return begin(random_call());
        if (dice < 78) return change();
        if (dice < 90) return advance();
        if (dice < 99) {
            if (!running_.empty()) stop(*random_.one_of(running_));
            return;
        }
        if (random_.percent(60)) close();
    }

    End any_end() { return random_.percent(50) ? End::front : End::back; }
    std::size_t any_list() { return random_.below(lists_per_world); }

    Values messages(std::size_t most) {
        Values values(1 + random_.below(most));
        for (int& value : values) value = ++last_value_;
        return values;
    }

    Call random_call() {
        Call call{.end = any_end(), .lists = {any_list()}};
        switch (random_.below(10)) {
        case 0:
        case 1:
            call.kind = Call::Kind::pop;
            break;
        case 2:
            call.kind = Call::Kind::pop_many;
            call.count = 1 + random_.below(4);
            break;
        case 3:
        case 4:
            call.kind = Call::Kind::pop_first;
            call.lists = random_.subset(lists_per_world);
            if (random_.percent(10)) call.lists.push_back(random_.one_of(call.lists));
            break;
        case 5:
            call.kind = Call::Kind::push;
            call.messages = messages(1);
            break;
        case 6:
            call.kind = Call::Kind::push_many;
            call.messages = messages(6);
            break;
        default:
            call.kind = Call::Kind::move;
            call.target = any_list();
            call.to = any_end();
        }
        return call;
    }

    static std::string name_of(const Call& call) {
        constexpr const char* kinds[] = {"pop",  "pop_many",  "pop_first",
                                         "push", "push_many", "move_to"};
        return kinds[static_cast<std::size_t>(call.kind)];
    }

    void note(const std::string& name, const Call& call) {
        const auto side = [](End end) { return end == End::front ? " front" : " back"; };
        log_ << name << ": " << name_of(call) << ' ' << side(call.end) << " of";
        for (const std::size_t list : call.lists) log_ << ' ' << list;
        if (call.kind == Call::Kind::pop_many) log_ << ", " << call.count;
        if (call.kind == Call::Kind::move) log_ << " to" << side(call.to) << " of " << call.target;
        for (const int value : call.messages) log_ << ' ' << value;
        if (call.deadline) log_ << ", with time-out";
        log_ << '\n';
    }

    // ---- what a step does, here and in the reference

    void begin(Call call) {
        runnel::Timeout timeout;
        if (random_.percent(50)) {
            const auto duration = random_.below(6) * 10ms;  // ties are wanted
            timeout = duration;
            call.deadline = clock_.now() + duration;
        }
        call.id = reference_.arrive(call);
        const std::string name = "call " + std::to_string(call.id);
        note(name, call);
        Running& running = *running_.emplace_back(std::make_unique<Running>(std::move(call), name));
        running.thread = clock_.thread(name, [this, &running, timeout] {
            running.outcome = make(running, timeout);
            running.outcome.at = clock_.now();
            running.back = true;
        });
    }

    Outcome make(Running& running, const runnel::Timeout& timeout) {
        const Call& call = running.call;
        const BlockingList<Item>& list = lists_[call.lists.front()];
        const runnel::WaitOptions options{timeout, running.stop.get_token()};
        const bool front = call.end == End::front;
        switch (call.kind) {
        case Call::Kind::pop:
            return outcome_of(front ? list.pop_front(options) : list.pop_back(options));
        case Call::Kind::pop_many:
            return outcome_of(front ? list.pop_front_many(call.count, options)
                                    : list.pop_back_many(call.count, options));
        case Call::Kind::pop_first: {
            std::vector<BlockingList<Item>> lists;
            for (const std::size_t at : call.lists) lists.push_back(lists_[at]);
            return outcome_of(
                runnel::pop_first(lists, {call.end, timeout, running.stop.get_token()}));
        }
        case Call::Kind::push:
            return outcome_of(front ? list.push_front(std::move(running.items.front()), options)
                                    : list.push_back(std::move(running.items.front()), options));
        case Call::Kind::push_many:
            return outcome_of(front ? list.push_front_many(running.items, options)
                                    : list.push_back_many(running.items, options));
        case Call::Kind::move:
            return outcome_of(list.move_to(lists_[call.target],
                                           {call.end, call.to, timeout, running.stop.get_token()}));
        }
        return {};
    }

    // A change that the script itself makes, without waiting.
    void change() {
        Call call{.end = any_end(), .lists = {any_list()}, .may_wait = false};
        switch (random_.below(9)) {
        case 0:
            return remove();
        case 1:
            return push_if_exists();
        case 2:
            break;
        case 3:
            call.kind = Call::Kind::pop_many;
            call.count = 1 + random_.below(4);
            break;
        case 4:
            call.kind = Call::Kind::move;
            call.target = any_list();
            call.to = any_end();
            break;
        case 5:
        case 6:
            call.kind = Call::Kind::push_many;
            call.messages = messages(6);
            break;
        default:
            call.kind = Call::Kind::push;
            call.messages = messages(1);
        }
        call.id = reference_.arrive(call);
        note("try", call);
        Running& running =
            *running_.emplace_back(std::make_unique<Running>(std::move(call), "try"));
        running.outcome = try_make(running);
        running.outcome.at = reference_.now;
        running.back = true;
    }

    Outcome try_make(Running& running) {
        const Call& call = running.call;
        const BlockingList<Item>& list = lists_[call.lists.front()];
        const bool front = call.end == End::front;
        switch (call.kind) {
        case Call::Kind::pop:
            return outcome_of(front ? list.try_pop_front() : list.try_pop_back());
        case Call::Kind::pop_many:
            return outcome_of(front ? list.try_pop_front_many(call.count)
                                    : list.try_pop_back_many(call.count));
        case Call::Kind::push:
            return outcome_of(front ? list.try_push_front(std::move(running.items.front()))
                                    : list.try_push_back(std::move(running.items.front())));
        case Call::Kind::move:
            return outcome_of(
                list.try_move_to(lists_[call.target], {.from = call.end, .to = call.to}));
        default:
            return make(running, 0s);
        }
    }

    void push_if_exists() {
        const std::size_t at = any_list();
        const End end = any_end();
        Item item{++last_value_};
        Shelf& shelf = reference_.shelves[at];
        Outcome expected;
        if (shelf.closed) {
            expected.how = Ended::closed;
        } else if (shelf.empty()) {
            expected.how = Ended::absent;
        } else if (!shelf.put(end, last_value_)) {
            expected.how = Ended::full;
        }
        log_ << "push_if_exists on " << at << ' ' << last_value_ << '\n';
        const Outcome real =
            outcome_of(end == End::front ? lists_[at].push_front_if_exists(std::move(item))
                                         : lists_[at].push_back_if_exists(std::move(item)));
        tally_.add("push_if_exists", runnel::test::name_of(expected.how));
        expect("push_if_exists", real == expected);
    }

    void remove() {
        const std::size_t at = any_list();
        Shelf& shelf = reference_.shelves[at];
        const int value = shelf.empty() ? 0 : random_.one_of(shelf.items);
        log_ << "remove from " << at << ' ' << value << '\n';
        const std::size_t expected = shelf.remove(value, End::front, no_bound);
        tally_.add("remove", expected == 0 ? "none" : "some");
        expect("remove() tells how many", lists_[at].remove(Item{value}) == expected);
    }

    void close() {
        const std::size_t at = any_list();
        log_ << "close " << at << '\n';
        reference_.shelves[at].closed = true;
        lists_[at].close();
    }

    void advance() {
        const auto duration = random_.below(5) * 5ms;
        log_ << "advance " << duration.count() << " ms\n";
        reference_.advance(clock_.now() + duration);
        clock_.advance(duration);
    }

    void stop(Running& running) {
        log_ << "stop " << running.name << '\n';
        reference_.stop(running.call.id);
        running.stop.request_stop();
    }

    // ---- whether both agree

    void compare() {
        clock_.settle();
        runnel::test::Seen seen;
        for (const auto& running : running_) {
            if (running->back) seen.back.emplace(running->call.id, running->outcome);
        }
        for (const auto& list : lists_) {
            seen.data.push_back(values_of(list.range()));
            seen.dropped.push_back(list.stats().dropped);
        }
        const auto ended = reference_.explain(seen);
        if (!ended) FAIL(log_.str() << difference(seen));
        for (const Call& call : *ended) judge(call);
        std::erase_if(running_, [](const auto& running) { return running->back; });
        for (std::size_t at = 0; at != lists_per_world; ++at) {
            const runnel::ListStats stats = lists_[at].stats();
            expect("stats().size", stats.size == reference_.shelves[at].items.size());
            expect("stats().blocked_pops", stats.blocked_pops == reference_.takers(at));
            expect("stats().blocked_pushes", stats.blocked_pushes == reference_.putters(at));
        }
    }

    // Of a call that came back as it should.
    void judge(const Call& call) {
        const auto running = std::find_if(running_.begin(), running_.end(), [&](const auto& each) {
            return each->call.id == call.id;
        });
        const bool tried = (*running)->name == "try";
        tally_.add(tried ? "try " + name_of(call) : name_of(call),
                   runnel::test::name_of(call.outcome->how));
        Values left = call.messages;
        std::fill_n(left.begin(), call.pushed, Item::taken);
        expect((*running)->name + ": what was not pushed is untouched",
               values_of((*running)->items) == left);
    }

    [[nodiscard]] std::string difference(const runnel::test::Seen& seen) const {
        const Reference usual = reference_.usual_end();
        std::ostringstream text;
        const auto list = [&](const char* what, const auto& values) {
            text << what;
            for (const int value : values) text << ' ' << value;
            text << '\n';
        };
        for (std::size_t at = 0; at != lists_per_world; ++at) {
            list("list before:", reference_.shelves[at].items);
            list("  now:", seen.data[at]);
            list("  expected:", usual.shelves[at].items);
        }
        for (const Call& call : usual.line) {
            text << "call " << call.id << ": ";
            const auto back = seen.back.find(call.id);
            back != seen.back.end() ? text << back->second : text << "waits";
            text << "\n  expected: ";
            call.outcome ? text << *call.outcome : text << "waits";
            text << '\n';
        }
        return text.str();
    }

    void expect(const std::string& what, bool holds) {
        if (!holds) FAIL(log_.str() << "does not hold: " << what);
    }

    Random& random_;
    Tally& tally_;
    std::ostringstream log_;
    Reference reference_;
    int last_value_ = 0;

    runnel::ManualClock clock_;
    std::vector<BlockingList<Item>> lists_;
    std::vector<std::unique_ptr<Running>> running_;
};

}  // namespace

TEST_CASE("who waits is served as the rules say", "[list][model]") {
    const std::uint64_t seed = runnel::test::seed_for("who waits is served as the rules say");
    Random random{seed};
    Tally tally;
    constexpr std::array capacities{no_bound, std::size_t{1}, std::size_t{2}, std::size_t{3}};
    constexpr std::array often{Full::block, Full::block, Full::reject, Full::drop_other_end};
    constexpr std::size_t steps_per_world = 120;
    const std::size_t worlds = runnel::test::scaled(400, 20);

    for (std::size_t world = 0; world != worlds; ++world) {
        std::vector<Shelf> shelves(lists_per_world);
        for (Shelf& shelf : shelves)
            shelf = {.capacity = random.one_of(capacities), .when_full = random.one_of(often)};
        Script{random, tally, shelves}.run(steps_per_world);
    }

    std::cout << worlds * steps_per_world << " steps, among them\n" << tally;
    for (const char* row : {"pop", "pop_many", "pop_first", "move_to"}) {
        for (const char* column : {"done", "timed out", "stopped", "closed"}) {
            CAPTURE(row, column);
            CHECK(tally.of(row, column) > 0);
        }
    }
    for (const char* row : {"push", "push_many"}) {
        for (const char* column : {"done", "full", "stopped", "closed"}) {
            CAPTURE(row, column);
            CHECK(tally.of(row, column) > 0);
        }
    }
}

// ------------------------------------------------------------------ what such scripts have found

namespace {

// Moves that wait, each in a thread of its own.
class WaitingMoves {
public:
    void add(const BlockingList<int>& from, const BlockingList<int>& to) {
        threads_.push_back(clock.thread(
            [from, to, stop = stop_.get_token()] { (void)from.move_to(to, {.stop = stop}); }));
        clock.settle();
    }

    [[nodiscard]] std::size_t waiting() {
        clock.settle();
        return clock.waiting();
    }

    ~WaitingMoves() { stop_.request_stop(); }
    WaitingMoves() = default;
    WaitingMoves(const WaitingMoves&) = delete;
    WaitingMoves& operator=(const WaitingMoves&) = delete;

    runnel::ManualClock clock{};

private:
    std::stop_source stop_{};
    std::vector<runnel::ManualClock::Thread> threads_{};
};

}  // namespace

TEST_CASE("a push onto a list that drops succeeds also while a move waits to put there",
          "[list][move]") {
    WaitingMoves moves;
    const BlockingList<int> empty{{.clock = &moves.clock}};
    const BlockingList<int> full{
        {.capacity = 1, .when_full = Full::drop_other_end, .clock = &moves.clock}};
    CHECK(full.push_back(1) == runnel::Push::done);
    moves.add(empty, full);

    CHECK(full.push_back(2) == runnel::Push::done);

    CHECK(full.range() == std::vector{2});
    CHECK(moves.waiting() == 1);
}

TEST_CASE("a move gets the room that comes while others before it cannot go", "[list][move]") {
    WaitingMoves moves;
    const BlockingList<int> full{{.capacity = 1, .clock = &moves.clock}};
    const BlockingList<int> middle{{.capacity = 2, .clock = &moves.clock}};
    const BlockingList<int> source{{.clock = &moves.clock}};
    for (const auto* list : {&full, &middle, &middle, &source})
        CHECK(list->push_back(7) == runnel::Push::done);
    moves.add(middle, full);
    moves.add(middle, full);
    moves.add(source, middle);

    CHECK(middle.try_pop_front());

    CHECK(moves.waiting() == 2);
    CHECK(source.size() == 0);
    CHECK(middle.size() == 2);
}

TEST_CASE("a move ends when somebody else takes the last element of its closed list",
          "[list][move][close]") {
    for (const bool removed : {true, false}) {
        WaitingMoves moves;
        const BlockingList<int> full{{.capacity = 1, .clock = &moves.clock}};
        const BlockingList<int> source{{.clock = &moves.clock}};
        CHECK(full.push_back(1) == runnel::Push::done);
        CHECK(source.push_back(2) == runnel::Push::done);
        moves.add(source, full);
        source.close();
        CHECK(moves.waiting() == 1);

        if (removed) {
            CHECK(source.remove(2) == 1);
        } else {
            CHECK(source.try_pop_front());
        }

        CAPTURE(removed);
        CHECK(moves.waiting() == 0);
    }
}
