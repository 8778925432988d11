// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/channel.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

// What a channel has to do, written down as plainly as can be: every message is put into a queue of
// its own for each subscriber.
namespace runnel::test {

using Moment = std::chrono::nanoseconds;

/// What a message counts.
inline std::size_t weight_of(int value) {
    return static_cast<std::size_t>(value % 8);
}

/// A message that a handler publishes in answer to another one.
inline constexpr int first_echo = 1'000'000'000;

/// What became of a publish.
enum class Sent : std::uint8_t { done, full, closed };

/// What a handler did: it got a message, or published one.
struct Deed {
    int handler;
    int value;
    Sent sent = Sent::done;
    std::size_t reached = 0;

    friend bool operator==(const Deed&, const Deed&) = default;
};

/// What a read has to give: some of `values`, or `ending`.
struct Expected {
    std::vector<int> values{};
    std::uint64_t missed = 0;
    Ending ending = Ending::timed_out;
};

/// Since when too many bytes wait.
struct OverdueReference {
    ByteBound bytes;
    std::optional<Moment> since{};

    [[nodiscard]] bool after(std::size_t waiting, Moment now) {
        if (waiting < bytes.soft) {
            since.reset();
        } else if (!since) {
            since = now;
        }
        return since && now - *since > bytes.soft_for;
    }
};

struct ViewReference {
    explicit ViewReference(const SubscribeOptions& with) : options{with}, overdue{with.bytes} {}

    [[nodiscard]] bool holds_back(std::size_t weight) const {
        if (options.when_behind != Behind::block) return false;
        return waiting.size() >= options.bound ||
               (!waiting.empty() && bytes + weight >= options.bytes.hard);
    }

    [[nodiscard]] bool is_behind() const {
        return waiting.size() > options.bound || bytes >= options.bytes.hard;
    }

    void get(int value, Moment now) {
        waiting.push_back(value);
        bytes += weight_of(value);
        if (options.when_behind == Behind::skip_oldest) {
            for (; is_behind(); ++skipped) drop();
        } else if (options.when_behind == Behind::disconnect) {
            if (!overdue.after(bytes, now) && !is_behind()) return;
            connected = false;
            skipped = waiting.size();
            waiting.clear();
        }
    }

    void drop() {
        bytes -= weight_of(waiting.front());
        waiting.pop_front();
    }

    // What a read of so many messages has to give.
    [[nodiscard]] Expected look(std::size_t count, bool closed) const {
        if (!connected) return {{}, skipped, Ending::disconnected};
        if (waiting.empty()) return closed ? Expected{{}, skipped, Ending::closed} : Expected{};
        const auto end =
            waiting.begin() + static_cast<std::ptrdiff_t>(std::min(count, waiting.size()));
        return {{waiting.begin(), end}, skipped};
    }
    // It gave so many, and told `missed`.
    void took(std::size_t count, std::uint64_t missed, Moment now) {
        for (; count != 0; --count) drop();
        told += missed;
        skipped -= missed;
        (void)overdue.after(bytes, now);
    }

    const SubscribeOptions options;
    std::deque<int> waiting{};
    std::size_t bytes = 0;
    std::uint64_t skipped = 0;  // and not told yet
    std::uint64_t told = 0;
    bool connected = true;
    OverdueReference overdue;
};

struct InboxReference {
    struct Item {
        int value;
        std::size_t channel;
        std::uint64_t missed;
    };

    explicit InboxReference(const InboxOptions& with) : options{with}, overdue{with.bytes} {}

    [[nodiscard]] bool get(int value, std::size_t channel, Moment now) {
        if (!connected) return false;
        const std::size_t weight = weight_of(value);
        const bool fits = waiting.size() < options.bound && bytes + weight < options.bytes.hard;
        if (options.when_behind == Behind::drop_newest && !fits) {
            ++missed;
            ++gap;
            return false;
        }
        waiting.push_back({value, channel, gap});
        gap = 0;
        bytes += weight;
        const bool is_behind = waiting.size() > options.bound || bytes >= options.bytes.hard;
        if (options.when_behind == Behind::disconnect && (overdue.after(bytes, now) || is_behind)) {
            connected = false;
            missed += waiting.size();
            waiting.clear();
        }
        return true;
    }

    [[nodiscard]] Ending ending() const {
        if (!connected) return Ending::disconnected;
        return sources == 0 ? Ending::closed : Ending::timed_out;
    }

    void took(std::size_t count, Moment now) {
        for (; count != 0; --count) {
            bytes -= weight_of(waiting.front().value);
            waiting.pop_front();
        }
        (void)overdue.after(bytes, now);
    }

    const InboxOptions options;
    std::deque<Item> waiting{};
    std::size_t bytes = 0;
    std::uint64_t missed = 0;
    std::uint64_t gap = 0;  // before the next one
    bool connected = true;
    std::size_t sources = 0;
    OverdueReference overdue;
};

/// When a handler goes, unless it is disconnected from outside.
enum class Leaves : std::uint8_t { never, after_one, by_itself, with_its_owner };

/// One that leaves by itself does so with such a message, after its answers.
[[nodiscard]] inline bool makes_leave(int value) {
    return value % 5 == 0;
}

/// A handler that answers some messages with others.
struct HandlerReference {
    int name;
    std::size_t bound;
    int echoes;     // so many for a message that is no echo itself and can be divided by 3
    bool may_wait;  // publish() with no time, else try_publish()
    std::uint64_t from = 0;
    Leaves leaves = Leaves::never;
    bool is_owner_gone = false;
};

struct ChannelReference {
    struct Result {
        Sent sent = Sent::done;
        std::size_t reached = 0;

        friend bool operator==(const Result&, const Result&) = default;
    };

    [[nodiscard]] std::size_t connected_inboxes() const {
        return static_cast<std::size_t>(
            std::ranges::count_if(links, [](const auto& inbox) { return inbox->connected; }));
    }

    // While the handlers run, any publish is one of theirs.
    Result publish(int value, Moment now) {
        if (closed) return {Sent::closed};
        if (are_handlers_behind()) {
            ++refused;
            return {Sent::full};
        }
        const std::size_t weight = weight_of(value);
        for (const auto& view : views)
            if (view->holds_back(weight)) return {Sent::full};
        ++published;
        std::size_t reached = views.size() + handlers.size();
        for (const auto& inbox : links) reached += inbox->get(value, number, now) ? 1 : 0;
        for (const auto& view : views) view->get(value, now);
        std::erase_if(views, [](const auto& view) { return !view->connected; });
        if (!handlers.empty()) left.push_back({published, value});
        if (!is_running) run(now);
        return {Sent::done, reached};
    }

    [[nodiscard]] bool are_handlers_behind() const {
        return is_running && std::ranges::any_of(handlers, [this](const auto& handler) {
                   return published - std::max(handled, handler.from) >= handler.bound;
               });
    }

    void run(Moment now) {
        is_running = true;
        for (; !left.empty(); left.pop_front()) {
            const auto [at, value] = left.front();
            handled = at;
            const std::vector<HandlerReference> present = handlers;
            for (const HandlerReference& handler : present) {
                if (handler.leaves == Leaves::after_one || handler.is_owner_gone)
                    disconnect(handler.name);
                if (handler.is_owner_gone) continue;
                log.push_back({handler.name, value});
                answer(handler, value, now);
                if (handler.leaves == Leaves::by_itself && makes_leave(value))
                    disconnect(handler.name);
            }
        }
        is_running = false;
    }

    void answer(const HandlerReference& handler, int value, Moment now) {
        if (value >= first_echo || value % 3 != 0) return;
        for (int echo = 1; echo <= handler.echoes; ++echo) {
            const int answer = first_echo + value + echo;
            const Result result = publish(answer, now);
            log.push_back({handler.name, answer, result.sent, result.reached});
        }
    }

    [[nodiscard]] bool has_handler(int name) const {
        return std::ranges::any_of(handlers, [&](const auto& each) { return each.name == name; });
    }
    void disconnect(int name) {
        std::erase_if(handlers, [&](const auto& each) { return each.name == name; });
    }

    void close() {
        closed = true;
        for (const auto& inbox : links) --inbox->sources;
        links.clear();
    }

    struct Left {
        std::uint64_t at;
        int value;
    };

    std::size_t number = 0;  // its place in the scene
    bool closed = false;
    std::uint64_t published = 0;
    std::uint64_t refused = 0;
    std::vector<std::shared_ptr<ViewReference>> views{};  // those that are connected
    std::vector<HandlerReference> handlers{};
    std::vector<std::shared_ptr<InboxReference>> links{};
    std::vector<Deed> log{};
    std::deque<Left> left{};
    bool is_running = false;
    std::uint64_t handled = 0;
};

}  // namespace runnel::test
