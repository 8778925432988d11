// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/event_fd.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/redis/encode.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/value.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// All of this is guarded by the server's lock, but where it says otherwise.

struct SessionState;
class ServerState;
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
template <typename Element>
class OutputQueue {
public:
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    // Room for so many. Throws: std::bad_alloc.
    void reserve(std::size_t count) {
        if (count <= places_.size()) return;
        std::vector<Element> places(std::max<std::size_t>(8, std::bit_ceil(count)));
        for (std::size_t index = 0; index != size_; ++index) places[index] = std::move(at(index));
        places_.swap(places);
        first_ = 0;
    }
    // Require: there is room.
    void push_back(Element output) noexcept { at(size_++) = std::move(output); }
    void push_front(Element output) noexcept {
        --first_;
        ++size_;
        at(0) = std::move(output);
    }
    // Requires: it is not empty.
    Element pop_front() noexcept {
        Element output = std::move(at(0));
        ++first_;
        --size_;
        return output;
    }
    void clear() noexcept {
        while (size_ != 0) (void)pop_front();
    }

    // In their order, from 0.
    [[nodiscard]] const Element& operator[](std::size_t index) const noexcept {
        return places_[(first_ + index) & (places_.size() - 1)];
    }

private:
    [[nodiscard]] Element& at(std::size_t index) noexcept {
        RUNNEL_ASSERT(size_ <= places_.size());
        return places_[(first_ + index) & (places_.size() - 1)];
    }

    std::vector<Element> places_{};  // a power of two of them, or none
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

struct Wire;

// A thread that writes what sessions are sent to the descriptors of their clients, as the server
// knows it. The other threads tell it which sessions have something new.
struct Carrier : std::enable_shared_from_this<Carrier> {
    explicit Carrier(std::shared_ptr<ServerState> of) noexcept : server{std::move(of)} {}

    const std::shared_ptr<ServerState> server;
    const EventFd event{};  // readable: it is to wake up; written without the lock
    LinkedList<Wire> told;
    bool sleeps = false;          // or is about to
    bool is_to_be_woken = false;  // a thread will write `event` when it has released the lock
    // For that thread: the next one, and this one.
    Carrier* next_to_wake = nullptr;
    std::shared_ptr<Carrier> kept_to_wake{};
};

// An output in the form in which its client gets it.
struct WireOutput {
    Output output{};
    Protocol protocol = Protocol::resp2;
};

// Of a session whose client is at the other end of a descriptor: what the carrier has not fetched
// yet.
struct Wire {
    explicit Wire(Carrier& by) noexcept : carrier{by} {}

    Carrier& carrier;
    OutputQueue<WireOutput> unsent;
    std::size_t unwritten = 0;  // bytes that the carrier has fetched, and the client has not taken
    bool is_cut = false;        // the client does not even get these
    bool is_told = false;       // stands in the carrier's list
    Wire* previous = nullptr;
    Wire* next = nullptr;
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
// yet. With a wire, pushes wait there, between replies, and nowhere else.
class Outbox {
public:
    // `wire`: null, or where the carrier fetches what is sent.
    Outbox(SessionState& of, std::size_t keep, Wire* wire) noexcept
        : session{of}, keep_{keep}, wire_{wire} {}

    SessionState& session;

    // Make room for one, so that the call that sends it cannot fail. Throw: std::bad_alloc.
    void reserve_reply() {
        reserve_kept();
        ++replies_to_come_;
    }
    void reserve_push() {
        reserve_kept();
        // And for one that was taken, and is given back.
        if (wire_ == nullptr) waiting_.reserve(waiting_.size() + pushes_to_come_ + 2);
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
        if (wire_ == nullptr) waiting_.push_back(std::move(push));
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
    // What has not reached the client never does.
    void cut() noexcept {
        waiting_.clear();
        waiting_bytes_ = 0;
        if (wire_ == nullptr) return;
        wire_->unsent.clear();
        wire_->is_cut = true;
    }
    [[nodiscard]] std::size_t waiting_bytes() const noexcept {
        return waiting_bytes_ + (wire_ != nullptr ? wire_->unwritten : 0);
    }

    // Null: there is none.
    [[nodiscard]] Wire* wire() const noexcept { return wire_; }
    // For the carrier: moves outputs to the end of `to`, as far as that has room. Requires: there
    // is a wire.
    void fetch(std::vector<WireOutput>& to) noexcept {
        while (wire_->unsent.size() != 0 && to.size() != to.capacity()) {
            to.push_back(wire_->unsent.pop_front());
            waiting_bytes_ -= to.back().output.bytes();
        }
    }

    // Throws: std::bad_alloc.
    [[nodiscard]] std::vector<Reply> kept() const {
        std::vector<Reply> all;
        all.reserve(kept_.size());
        for (std::size_t index = 0; index != kept_.size(); ++index)
            all.push_back(kept_[index].reply());
        return all;
    }

    // Before it goes, and the wire with it.
    void clear() noexcept {
        cut();
        kept_.clear();
        if (wire_ != nullptr && wire_->is_told) wire_->carrier.told.remove(*wire_);
        wire_ = nullptr;
    }

private:
    void reserve_kept() {
        const std::size_t to_come = replies_to_come_ + pushes_to_come_ + 1;
        kept_.reserve(std::min(keep_, kept_.size() + to_come));
        if (wire_ != nullptr) wire_->unsent.reserve(wire_->unsent.size() + to_come);
    }
    void keep(Output output) noexcept {
        if (wire_ != nullptr) put_on_wire(output);
        if (keep_ == 0) return;
        if (kept_.size() == keep_) (void)kept_.pop_front();
        kept_.push_back(std::move(output));
    }
    void put_on_wire(Output output) noexcept;

    const std::size_t keep_;
    Wire* wire_;
    std::size_t replies_to_come_ = 0;
    std::size_t pushes_to_come_ = 0;
    std::size_t waiting_bytes_ = 0;
    OutputQueue<Output> kept_;
    OutputQueue<Output> waiting_;
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
