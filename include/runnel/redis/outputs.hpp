// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/linked.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/value.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

struct SessionState;

// What a session is sent: a reply, or a push. Allocated before a command changes anything.
struct Output {
    explicit Output(SessionState* session, Reply what = {}, std::size_t size = 0) noexcept
        : to{session}, reply{std::move(what)}, bytes{size} {}

    SessionState* to;
    Reply reply;
    std::size_t bytes;        // as it counts for the limit of a subscriber
    bool is_kept = false;     // for Session::outputs()
    bool is_waiting = false;  // a push that nobody has taken yet
    Output* next = nullptr;   // among those that are kept, or prepared
    Output* next_push = nullptr;
};

// Outputs that were made and not sent yet.
class Prepared {
public:
    Prepared() = default;
    Prepared(const Prepared&) = delete;
    Prepared& operator=(const Prepared&) = delete;
    ~Prepared() {
        while (!outputs_.empty()) delete &outputs_.pop_front();
    }

    [[nodiscard]] bool empty() const noexcept { return outputs_.empty(); }
    // Throws: std::bad_alloc.
    void add(SessionState& to, Reply reply, std::size_t bytes) {
        outputs_.push_back(*new Output(&to, std::move(reply), bytes));
    }
    // Takes it over.
    void add(Output& output) noexcept { outputs_.push_back(output); }
    // Requires: not empty. The caller takes it over.
    [[nodiscard]] Output& take_first() noexcept { return outputs_.pop_front(); }
    void append(Prepared& others) noexcept {
        while (!others.empty()) outputs_.push_back(others.take_first());
    }

private:
    LinkedQueue<Output, &Output::next> outputs_;
};

// What a session was sent: the latest outputs, in their order, and the pushes that nobody has taken
// yet.
class Outbox {
public:
    explicit Outbox(std::size_t keep) noexcept : keep_{keep} {}
    Outbox(const Outbox&) = delete;
    Outbox& operator=(const Outbox&) = delete;
    ~Outbox() {
        while (!pushes_.empty()) (void)take_push();
        while (!kept_.empty()) drop_first();
    }

    // Both take over the output.
    void add_reply(Output& output) noexcept {
        keep(output);
        drop_if_done(output);
    }
    void add_push(Output& output) noexcept {
        output.is_waiting = true;
        pushes_.push_back(output);
        waiting_bytes_ += output.bytes;
        keep(output);
    }

    [[nodiscard]] bool has_push() const noexcept { return !pushes_.empty(); }
    // Requires: there is one.
    [[nodiscard]] Reply take_push() noexcept {
        Output& output = pushes_.pop_front();
        waiting_bytes_ -= output.bytes;
        output.is_waiting = false;
        Reply reply = output.reply;
        drop_if_done(output);
        return reply;
    }
    void drop_pushes() noexcept {
        while (has_push()) (void)take_push();
    }
    [[nodiscard]] std::size_t waiting_bytes() const noexcept { return waiting_bytes_; }

    // Throws: std::bad_alloc.
    [[nodiscard]] std::vector<Reply> kept() const {
        std::vector<Reply> all;
        all.reserve(count_);
        for (const Output* one = count_ != 0 ? kept_.first() : nullptr; all.size() != count_;
             one = one->next)
            all.push_back(one->reply);
        return all;
    }

private:
    void keep(Output& output) noexcept {
        output.is_kept = keep_ != 0;
        if (!output.is_kept) return;
        kept_.push_back(output);
        if (count_++ == keep_) drop_first();
    }
    void drop_first() noexcept {
        Output& first = kept_.pop_front();
        --count_;
        first.is_kept = false;
        drop_if_done(first);
    }
    static void drop_if_done(Output& output) noexcept {
        if (!output.is_kept && !output.is_waiting) delete &output;
    }

    const std::size_t keep_;
    std::size_t count_ = 0;
    std::size_t waiting_bytes_ = 0;
    LinkedQueue<Output, &Output::next> kept_;
    LinkedQueue<Output, &Output::next_push> pushes_;
};

}  // namespace runnel::inline v0::redis::detail
