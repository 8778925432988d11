// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/value.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// All of this is guarded by the server's lock, but where it says otherwise.

struct SessionState;
class Outbox;

// Objects of which some are kept, when they are not needed any more, for the next ones: what one
// thread allocates and another one frees costs as much as all the rest of a message.
template <typename Object>
class Spares {
public:
    Spares() = default;
    Spares(const Spares&) = delete;
    Spares& operator=(const Spares&) = delete;
    ~Spares() {
        while (!spares_.empty()) delete &spares_.pop();
    }

    // As it was made, or given back. Throws: std::bad_alloc.
    [[nodiscard]] Object& take() {
        if (spares_.empty()) return *new Object;
        --count_;
        return spares_.pop();
    }
    void give_back(Object& object) noexcept {
        if (count_ == most) {
            delete &object;
            return;
        }
        ++count_;
        spares_.push(object);
    }

private:
    static constexpr std::size_t most = 64;

    LinkedStack<Object> spares_;
    std::size_t count_ = 0;
};

// What sessions are sent: a reply, or a push. Those who get the same push share it.
class Output {
public:
    struct Shared {
        Reply reply{};
        std::size_t bytes = 0;
        std::size_t users = 0;
        Spares<Shared>* memory = nullptr;
        Shared* next = nullptr;  // among spares
    };

    Output() = default;
    // `bytes`: as it counts for the limit of a subscriber. Throws: std::bad_alloc.
    explicit Output(Spares<Shared>& memory, Reply reply = {}, std::size_t bytes = 0)
        : shared_{&memory.take()} {
        shared_->reply = std::move(reply);
        shared_->bytes = bytes;
        shared_->users = 1;
        shared_->memory = &memory;
    }
    Output(const Output& other) noexcept : shared_{other.shared_} {
        if (shared_ != nullptr) ++shared_->users;
    }
    Output(Output&& other) noexcept : shared_{std::exchange(other.shared_, nullptr)} {}
    Output& operator=(Output other) noexcept {
        std::swap(shared_, other.shared_);
        return *this;
    }
    ~Output() {
        if (shared_ == nullptr || --shared_->users != 0) return;
        shared_->reply = {};
        shared_->memory->give_back(*shared_);
    }

    // Whoever has an output may look at it without the lock.
    [[nodiscard]] const Reply& reply() const noexcept { return shared_->reply; }
    [[nodiscard]] std::size_t bytes() const noexcept { return shared_->bytes; }
    // Requires: nobody shares it.
    [[nodiscard]] Reply& own_reply() noexcept {
        RUNNEL_ASSERT(shared_->users == 1);
        return shared_->reply;
    }

private:
    Shared* shared_ = nullptr;
};

// First in, first out, in memory that can be had before.
class OutputQueue {
public:
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    // Room for so many. Throws: std::bad_alloc.
    void reserve(std::size_t count) {
        if (count <= places_.size()) return;
        std::vector<Output> places(std::max<std::size_t>(8, std::bit_ceil(count)));
        for (std::size_t index = 0; index != size_; ++index) places[index] = std::move(at(index));
        places_.swap(places);
        first_ = 0;
    }
    // Require: there is room.
    void push_back(Output output) noexcept { at(size_++) = std::move(output); }
    void push_front(Output output) noexcept {
        --first_;
        ++size_;
        at(0) = std::move(output);
    }
    // Requires: it is not empty.
    Output pop_front() noexcept {
        Output output = std::move(at(0));
        ++first_;
        --size_;
        return output;
    }
    void clear() noexcept {
        while (size_ != 0) (void)pop_front();
    }

    // In their order, from 0.
    [[nodiscard]] const Output& operator[](std::size_t index) const noexcept {
        return places_[(first_ + index) & (places_.size() - 1)];
    }

private:
    [[nodiscard]] Output& at(std::size_t index) noexcept {
        RUNNEL_ASSERT(size_ <= places_.size());
        return places_[(first_ + index) & (places_.size() - 1)];
    }

    std::vector<Output> places_{};  // a power of two of them, or none
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

// A push for one session, which has room for it in its outbox.
struct UnsentPush {
    Outbox* to = nullptr;
    Output output{};
    UnsentPush* next = nullptr;
};

// Where a server's outputs come from.
struct OutputMemory {
    Spares<Output::Shared> outputs;
    Spares<UnsentPush> pushes;
};

// What a session was sent: the latest outputs, in their order, and the pushes that nobody has taken
// yet.
class Outbox {
public:
    Outbox(SessionState& of, std::size_t keep) noexcept : session{of}, keep_{keep} {}

    SessionState& session;

    // Make room for one, so that the call that sends it cannot fail. Throw: std::bad_alloc.
    void reserve_reply() {
        reserve_kept();
        ++replies_to_come_;
    }
    void reserve_push() {
        reserve_kept();
        // And for one that was taken, and is given back.
        waiting_.reserve(waiting_.size() + pushes_to_come_ + 2);
        ++pushes_to_come_;
    }
    // These use that room, or give it up.
    void add_reply(Output reply) noexcept {
        --replies_to_come_;
        keep(std::move(reply));
    }
    void add_push(Output push) noexcept {
        --pushes_to_come_;
        waiting_bytes_ += push.bytes();
        keep(push);
        waiting_.push_back(std::move(push));
    }
    void no_reply() noexcept { --replies_to_come_; }
    void no_push() noexcept { --pushes_to_come_; }

    [[nodiscard]] bool has_push() const noexcept { return waiting_.size() != 0; }
    // Requires: there is one.
    [[nodiscard]] Output take_push() noexcept {
        Output push = waiting_.pop_front();
        waiting_bytes_ -= push.bytes();
        return push;
    }
    // The one that was taken last: it is the next one again.
    void give_back(Output push) noexcept {
        waiting_bytes_ += push.bytes();
        waiting_.push_front(std::move(push));
    }
    void drop_pushes() noexcept {
        waiting_.clear();
        waiting_bytes_ = 0;
    }
    [[nodiscard]] std::size_t waiting_bytes() const noexcept { return waiting_bytes_; }

    // Throws: std::bad_alloc.
    [[nodiscard]] std::vector<Reply> kept() const {
        std::vector<Reply> all;
        all.reserve(kept_.size());
        for (std::size_t index = 0; index != kept_.size(); ++index)
            all.push_back(kept_[index].reply());
        return all;
    }

    // Before it goes.
    void clear() noexcept {
        drop_pushes();
        kept_.clear();
    }

private:
    void reserve_kept() {
        const std::size_t to_come = replies_to_come_ + pushes_to_come_ + 1;
        kept_.reserve(std::min(keep_, kept_.size() + to_come));
    }
    void keep(Output output) noexcept {
        if (keep_ == 0) return;
        if (kept_.size() == keep_) (void)kept_.pop_front();
        kept_.push_back(std::move(output));
    }

    const std::size_t keep_;
    std::size_t replies_to_come_ = 0;
    std::size_t pushes_to_come_ = 0;
    std::size_t waiting_bytes_ = 0;
    OutputQueue kept_;
    OutputQueue waiting_;
};

// Room for the reply of a command.
class ReplyRoom {
public:
    // Throws: std::bad_alloc.
    ReplyRoom(Outbox& outbox, OutputMemory& memory) : outbox_{&outbox}, output_{memory.outputs} {
        outbox.reserve_reply();
    }
    ReplyRoom(ReplyRoom&& other) noexcept
        : outbox_{std::exchange(other.outbox_, nullptr)}, output_{std::move(other.output_)} {}
    ReplyRoom& operator=(ReplyRoom&&) = delete;
    ~ReplyRoom() {
        if (outbox_ != nullptr) outbox_->no_reply();
    }

    // Requires: it was not called before.
    void send(Reply reply) noexcept {
        output_.own_reply() = std::move(reply);
        std::exchange(outbox_, nullptr)->add_reply(std::move(output_));
    }

private:
    Outbox* outbox_;
    Output output_;
};

// Pushes that were made and not sent yet.
class Prepared {
public:
    explicit Prepared(OutputMemory& memory) noexcept : memory_{memory} {}
    Prepared(const Prepared&) = delete;
    Prepared& operator=(const Prepared&) = delete;
    ~Prepared() {
        while (!empty()) {
            UnsentPush& push = take_first();
            push.to->no_push();
            push.output = {};
            memory_.pushes.give_back(push);
        }
    }

    [[nodiscard]] bool empty() const noexcept { return pushes_.empty(); }
    // Throws: std::bad_alloc.
    void add(Outbox& to, const Output& output) {
        UnsentPush& push = memory_.pushes.take();
        try {
            to.reserve_push();
        } catch (...) {
            memory_.pushes.give_back(push);
            throw;
        }
        push.to = &to;
        push.output = output;
        add(push);
    }
    // Takes it over.
    void add(UnsentPush& push) noexcept { pushes_.push_back(push); }
    // Requires: not empty. The caller takes it over.
    [[nodiscard]] UnsentPush& take_first() noexcept { return pushes_.pop_front(); }
    void append(Prepared& others) noexcept {
        while (!others.empty()) add(others.take_first());
    }

private:
    OutputMemory& memory_;
    LinkedQueue<UnsentPush, &UnsentPush::next> pushes_;
};

}  // namespace runnel::inline v0::redis::detail
