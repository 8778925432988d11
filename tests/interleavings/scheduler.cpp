// SPDX-License-Identifier: MIT
#include "interleavings/scheduler.hpp"

#include "interleavings/fiber.hpp"
#include "interleavings/orders.hpp"
#include "interleavings/pickers.hpp"
#include "support/scale.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::test {

namespace {

// An order that takes more steps than this is taken for one that does not end.
constexpr std::size_t most_steps = 20'000;
constexpr Moment at_first{std::chrono::hours{1}};
// Of the environment: which order of which scenario is to be run.
constexpr auto variable = "RUNNEL_TEST_ORDER";

struct Place {
    const char* what = "starts";
    detail::Caller at{};
};

std::ostream& operator<<(std::ostream& out, const Place& place) {
    std::string_view file = place.at.file;
    for (const std::string_view folder : {"/include/", "/tests/"})
        if (const auto found = file.rfind(folder); found != std::string_view::npos)
            file.remove_prefix(found + folder.size());
    return out << place.what << ", " << file << ':' << place.at.line;
}

struct Thread {
    enum class State { ready, waiting, ended };

    std::function<void()> body{};
    State state = State::ready;
    const void* awaited = nullptr;
    std::optional<Moment> until{};
    std::size_t waiting_since = 0;  // in steps
    Place last{};                   // the step that it is about to take, or in which it waits
    Fiber fiber{};
    std::map<const void*, std::shared_ptr<void>> own{};

    [[nodiscard]] bool may_run() const noexcept {
        return state == State::ready || (state == State::waiting && until);
    }
};

}  // namespace

// ---------------------------------------------------------------------- the scheduler

// Runs one order after the other. The scenario has a stack of its own, too (thread 0), so that an
// order that fails can be left where it is.
class Explorer {
public:
    Explorer(std::string_view name, const std::function<void(Order&)>& scenario)
        : name_{name}, scenario_{scenario} {
        current_explorer() = this;
        struct sigaction action {};
        action.sa_handler = print_order;
        for (std::size_t at = 0; at != signals.size(); ++at)
            sigaction(signals[at], &action, &actions_before_[at]);
    }
    Explorer(const Explorer&) = delete;
    Explorer& operator=(const Explorer&) = delete;
    ~Explorer() { end(); }

    // From now on, another one may run orders.
    void end() noexcept {
        if (current_explorer() != this) return;
        restore_actions();
        current_explorer() = nullptr;
    }

    static Explorer*& current_explorer() noexcept {
        static Explorer* explorer = nullptr;
        return explorer;
    }
    // Null unless the threads of an order run.
    static Explorer* running() noexcept {
        Explorer* const explorer = current_explorer();
        return explorer != nullptr && explorer->current_ != 0 ? explorer : nullptr;
    }

    // False: it failed, which failure() explains.
    bool run(Picker& picker) {
        picker_ = &picker;
        picker.begin();
        count_ = 0;
        now_ = at_first;
        steps_ = 0;
        failure_.clear();
        Thread& scenario = threads_[0];
        scenario.body = [this] {
            Order order;
            scenario_(order);
        };
        prepare(scenario);
        outside_.go_to(scenario.fiber);
        current_ = 0;
        picker_ = nullptr;
        if (!failure_.empty()) order_ = words_of(picker);
        return failure_.empty();
    }

    // Tells each step from now on.
    void trace_to(std::ostream* out) noexcept { trace_ = out; }

    [[nodiscard]] const std::string& failure() const noexcept { return failure_; }
    // In which it failed.
    [[nodiscard]] const std::string& order() const noexcept { return order_; }
    [[nodiscard]] std::map<std::string, std::size_t>& outcomes() noexcept { return outcomes_; }

    // ---- for the scenario

    void add(std::function<void()> body) {
        if (++count_ == threads_.size()) throw std::logic_error{"too many threads in an order"};
        threads_[count_].body = std::move(body);
    }
    void run_threads() {
        for (std::size_t at = 1; at <= count_; ++at) prepare(threads_[at]);
        threads_[0].state = Thread::State::waiting;  // until all have ended
        threads_[0].until.reset();
        begun_ = 0;
        has_picked_ = false;
        go_on_with_another();
        count_ = 0;
    }
    [[noreturn]] void fail(const std::string& why) noexcept {
        failure_ = why;
        threads_[current_].fiber.leave_for(outside_);  // what is on the stacks stays there
    }

    // ---- for the stand-ins

    [[nodiscard]] ThreadNumber current() const noexcept { return current_; }
    [[nodiscard]] Moment now() const noexcept { return now_; }

    void step(const Place& place) noexcept {
        threads_[current_].last = place;
        if (++steps_ > most_steps) fail("it does not end");
        go_on_with_another();
        if (trace_ != nullptr) *trace_ << "  thread " << current_ << ": " << place << '\n';
    }
    void give_way(const Place& place) noexcept {
        gives_way_ = true;
        step(place);
    }
    [[nodiscard]] std::shared_ptr<void>& own(const void* key) noexcept {
        return threads_[current_].own[key];
    }
    void move_time(Moment to) noexcept { now_ = std::max(now_, to); }

    void await(const void* object, std::optional<Moment> until) noexcept {
        if (current_ == 0) return fail("it would wait for ever outside of run()");
        Thread& self = threads_[current_];
        self.state = Thread::State::waiting;
        self.awaited = object;
        self.until = until;
        self.waiting_since = ++steps_;
        if (trace_ != nullptr) *trace_ << "  thread " << current_ << " waits\n";
        go_on_with_another();
    }
    // False: nothing waits for it.
    bool wake_one(const void* object) noexcept {
        Thread* first = nullptr;
        for (Thread& thread : all()) {
            const bool waits = thread.state == Thread::State::waiting && thread.awaited == object;
            if (waits && (first == nullptr || thread.waiting_since < first->waiting_since))
                first = &thread;
        }
        if (first == nullptr) return false;
        first->state = Thread::State::ready;
        first->awaited = nullptr;
        return true;
    }

private:
    [[nodiscard]] static std::string words_of(const Picker& picker) {
        std::ostringstream out;
        picker.print(out);
        return out.str();
    }

    [[nodiscard]] std::span<Thread> all() noexcept {
        return std::span{threads_}.subspan(1, count_);
    }

    void prepare(Thread& thread) {
        thread.state = Thread::State::ready;
        thread.awaited = nullptr;
        thread.until.reset();
        thread.last = {};
        thread.fiber.prepare(run_body);
    }

    static void run_body() noexcept { current_explorer()->run_current(); }
    void run_current() noexcept {
        Thread& self = threads_[current_];
        self.fiber.begin(current_ == 0 ? &outside_ : nullptr);
        try {
            const auto body = std::exchange(self.body, nullptr);
            body();
            self.own.clear();
        } catch (const std::exception& error) {
            fail(std::string{"it throws: "} + error.what());
        }
        if (current_ == 0) self.fiber.leave_for(outside_);
        self.state = Thread::State::ended;
        go_on_with_another();
    }

    // Chooses the thread that goes on; perhaps the one that calls this. First each begins, and
    // comes to its first step.
    void go_on_with_another() noexcept {
        if (begun_ != count_) return switch_to(static_cast<ThreadNumber>(++begun_));
        std::array<ThreadNumber, most_threads> row{};
        std::size_t length = 0;
        const bool gives_way = std::exchange(gives_way_, false);
        const bool can_go_on = std::exchange(has_picked_, true) && !gives_way &&
                               threads_[current_].state == Thread::State::ready;
        if (can_go_on) row[length++] = current_;
        for (ThreadNumber number = 1; number <= count_; ++number) {
            const bool is_apart = number == current_ && (can_go_on || gives_way);
            if (!is_apart && threads_[number].may_run()) row[length++] = number;
        }
        if (length == 0 && gives_way) return;  // there is nobody else
        if (length == 0) return end_order();
        const auto next = picker_->pick(std::span{row}.first(length), can_go_on);
        if (!next) return fail("the scenario does not do the same as before");
        switch_to(*next);
    }
    void end_order() noexcept {
        const auto has_ended = [](const Thread& thread) {
            return thread.state == Thread::State::ended;
        };
        if (!std::ranges::all_of(all(), has_ended)) return fail(who_waits());
        threads_[0].state = Thread::State::ready;
        switch_to(0);
    }
    [[nodiscard]] std::string who_waits() {
        std::ostringstream out;
        out << "threads wait for ever:";
        for (ThreadNumber number = 1; number <= count_; ++number)
            if (threads_[number].state == Thread::State::waiting)
                out << "\n  thread " << number << ": " << threads_[number].last;
        return out.str();
    }

    void switch_to(ThreadNumber next) noexcept {
        Thread& to = threads_[next];
        if (to.state == Thread::State::waiting) time_out(to);
        if (next == current_) return;
        Thread& from = threads_[current_];
        current_ = next;
        from.fiber.go_to(to.fiber);
    }
    void time_out(Thread& thread) noexcept {
        now_ = std::max(now_, *thread.until);
        thread.state = Thread::State::ready;
        thread.awaited = nullptr;
    }

    // Tells in which order the program crashes, and leaves the rest to who was there before.
    static void print_order(int signal) noexcept {
        const Explorer& self = *current_explorer();
        self.restore_actions();
        std::cerr << "in the order " << variable << "='" << self.name_ << '=';
        if (self.picker_ != nullptr) self.picker_->print(std::cerr);
        std::cerr << "'\n";
        std::raise(signal);
    }
    void restore_actions() const noexcept {
        for (std::size_t at = 0; at != signals.size(); ++at)
            sigaction(signals[at], &actions_before_[at], nullptr);
    }

    static constexpr std::size_t most_threads = 5;
    static constexpr std::array signals{SIGABRT, SIGSEGV, SIGBUS};

    const std::string name_;
    const std::function<void(Order&)>& scenario_;
    std::array<Thread, most_threads> threads_;
    std::size_t count_ = 0;  // without the scenario
    std::size_t begun_ = 0;
    bool has_picked_ = false;
    bool gives_way_ = false;
    ThreadNumber current_ = 0;
    Fiber outside_;
    Picker* picker_ = nullptr;
    Moment now_ = at_first;
    std::size_t steps_ = 0;
    std::string failure_;
    std::string order_;
    std::ostream* trace_ = nullptr;
    std::map<std::string, std::size_t> outcomes_;
    std::array<struct sigaction, signals.size()> actions_before_{};
};

ThreadNumber current_thread() noexcept {
    const Explorer* const explorer = Explorer::running();
    return explorer != nullptr ? explorer->current() : 0;
}
void step(const char* what, detail::Caller at) noexcept {
    if (Explorer* const explorer = Explorer::running()) explorer->step({what, at});
}
void give_way(detail::Caller at) noexcept {
    if (Explorer* const explorer = Explorer::running()) explorer->give_way({"gives way", at});
}
std::shared_ptr<void>& own_of_thread(const void* key) noexcept {
    static std::map<const void*, std::shared_ptr<void>> outside;
    Explorer* const explorer = Explorer::current_explorer();
    return explorer != nullptr ? explorer->own(key) : outside[key];
}
void move_time(Moment to, detail::Caller at) noexcept {
    step("move_time", at);
    Explorer::current_explorer()->move_time(to);
}
void await(const void* object) noexcept {
    Explorer::current_explorer()->await(object, std::nullopt);
}
void await_until(const void* object, Moment until) noexcept {
    Explorer::current_explorer()->await(object, until);
}
void wake_one(const void* object) noexcept {
    if (Explorer* const explorer = Explorer::running()) (void)explorer->wake_one(object);
}
void wake_all(const void* object) noexcept {
    if (Explorer* const explorer = Explorer::running())
        while (explorer->wake_one(object)) {
        }
}
Moment present() noexcept {
    const Explorer* const explorer = Explorer::current_explorer();
    return explorer != nullptr ? explorer->now() : at_first;
}

// ---------------------------------------------------------------------- orders

void Order::add(std::function<void()> body) {
    Explorer::current_explorer()->add(std::move(body));
}
void Order::run_all() {
    Explorer::current_explorer()->run_threads();
}
void Order::expect(bool truth, const std::string& what) {
    if (!truth) Explorer::current_explorer()->fail("not so: " + what);
}
void Order::ends(const std::string& outcome) {
    ++Explorer::current_explorer()->outcomes()[outcome];
}

namespace {

// The order that is asked for, if it is one of this scenario.
std::optional<std::string> given_order(std::string_view name) {
    const char* const text = std::getenv(variable);
    const std::string_view all{text != nullptr ? text : ""};
    const auto end_of_name = all.rfind('=');
    if (end_of_name == std::string_view::npos || all.substr(0, end_of_name) != name) return {};
    return std::string{all.substr(end_of_name + 1)};
}

void run_given(Explorer& explorer, const std::string& order, Explored& all) {
    GivenOrder given{order};
    explorer.trace_to(&std::cerr);
    if (!explorer.run(given)) all.failure = explorer.failure();
    std::cerr << (all.has_failed() ? all.failure : "  it ends well") << std::endl;
}

// What an order that failed has left on its stacks may refer to it, and is never destroyed.
void leave_behind(std::unique_ptr<Explorer> explorer) {
    static auto* const all = new std::vector<std::unique_ptr<Explorer>>;
    all->push_back(std::move(explorer));
}

// Runs the order that failed once more, to tell the steps.
std::string explain(std::string_view name, const std::function<void(Order&)>& scenario,
                    const std::string& why, const std::string& order) {
    std::ostringstream out;
    out << name << ": " << why << "\nin the order " << variable << "='" << name << '=' << order
        << "'\n";
    auto explorer = std::make_unique<Explorer>(name, scenario);
    explorer->trace_to(&out);
    GivenOrder given{order};
    if (explorer->run(given) || explorer->failure() != why)
        out << "  but not when it is run again: " << explorer->failure() << '\n';
    explorer->end();
    leave_behind(std::move(explorer));
    return out.str();
}

bool run_each(Explorer& explorer, const Extent& extent, Explored& all) {
    const std::size_t affordable = scaled(extent.orders);
    for (std::size_t before = 0;; before = all.orders, ++all.preemptions) {
        all.orders = 0;
        explorer.outcomes().clear();
        EachOrder each{all.preemptions};
        do {
            ++all.orders;
            if (!explorer.run(each)) return false;
        } while (each.advance());
        all.are_all = all.orders == before;
        if (all.are_all) return true;
        const bool is_deep_enough = all.preemptions >= extent.least_preemptions;
        // With one preemption more there are about as many times more as there were now.
        if (is_deep_enough &&
            all.orders / std::max<std::size_t>(before, 1) * all.orders > affordable)
            return true;
    }
}

bool run_drawn(Explorer& explorer, const Extent& extent, Explored& all) {
    if (all.are_all) return true;
    static const std::uint64_t seed = seed_for("orders by lot");
    DrawnOrder drawn{seed};
    for (const std::size_t count = scaled(extent.drawn); all.drawn != count;) {
        ++all.drawn;
        if (!explorer.run(drawn)) return false;
    }
    return true;
}

void print(std::string_view name, const Explored& all) {
    std::cout << name << ": " << all.orders;
    if (all.has_failed()) {
        std::cout << " orders, and one of those with " << all.preemptions << " preemptions fails";
    } else if (all.are_all) {
        std::cout << " orders, all there are";
    } else {
        std::cout << " orders, all with up to " << all.preemptions << " preemptions, and "
                  << all.drawn << " by lot";
    }
    const char* separator = "; ";
    for (const auto& [outcome, count] : all.outcomes)
        std::cout << std::exchange(separator, ", ") << outcome << ' ' << count;
    std::cout << std::endl;
}

}  // namespace

Explored explore(std::string_view name, const std::function<void(Order&)>& scenario,
                 const Extent& extent) {
    Explored all;
    auto explorer = std::make_unique<Explorer>(name, scenario);
    // The first time, what is static may be made.
    EachOrder first{0};
    const bool can_be_run = explorer->run(first);
    if (const auto order = given_order(name)) {
        run_given(*explorer, *order, all);
        return all;
    }
    const bool is_well =
        can_be_run && run_each(*explorer, extent, all) && run_drawn(*explorer, extent, all);
    explorer->end();
    all.outcomes = std::move(explorer->outcomes());
    if (!is_well) {
        all.failure = explain(name, scenario, explorer->failure(), explorer->order());
        leave_behind(std::move(explorer));
    }
    print(name, all);
    return all;
}

}  // namespace runnel::test
