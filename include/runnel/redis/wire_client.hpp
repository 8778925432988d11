// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/event_fd.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/error.hpp>
#include <runnel/redis/command_decoder.hpp>
#include <runnel/redis/encode.hpp>
#include <runnel/redis/outputs.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/session.hpp>
#include <runnel/redis/sockets.hpp>
#include <runnel/redis/state.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// How much memory a client may take.
struct WireLimits {
    std::size_t most_output;
    std::size_t most_input;
};

// Bytes on their way to a client.
class WireText {
public:
    [[nodiscard]] std::size_t size() const noexcept { return text_.size() - written_; }
    [[nodiscard]] std::string_view rest() const noexcept {
        return std::string_view{text_}.substr(written_);
    }

    // Throws: std::bad_alloc, and then nothing has changed.
    void append(const Reply& reply, Protocol protocol) { append_reply(text_, reply, protocol); }

    // Bytes are moved to the front only when most of them are gone.
    void drop_front(std::size_t count) noexcept {
        constexpr std::size_t most_kept = std::size_t{1024} * 1024;
        written_ += count;
        if (written_ != text_.size()) {
            if (written_ <= text_.size() / 2) return;
            text_.erase(0, written_);
        } else if (text_.capacity() > most_kept) {
            text_ = std::string{};
        } else {
            text_.clear();
        }
        written_ = 0;
    }

private:
    std::string text_{};
    std::size_t written_ = 0;
};

// A client at the other end of a descriptor: its bytes become commands of a session, and what the
// session is sent becomes bytes. Used by the thread of its carrier alone, once that knows it.
class WireClient : public Wire {
public:
    // Throws: std::bad_alloc; otherwise it takes the descriptor over.
    WireClient(Carrier& by, int descriptor, const WireLimits& limits)
        : Wire{by}, limits_{limits}, session_{by.server, *this}, socket_{descriptor} {
        // A node of a cluster that has failed: the client is to see that.
        if (session_.is_closed()) end_connection(descriptor);
    }
    WireClient(const WireClient&) = delete;
    WireClient& operator=(const WireClient&) = delete;
    ~WireClient() {
        session_.close();  // before the client can see that
        end_connection(descriptor());
        const Lock lock{session_.server_->mutex};
        fetched_.clear();
    }

    [[nodiscard]] int descriptor() const noexcept { return socket_.number(); }

    // Does all that can be done now. `is_readable`: something has come, if only the end.
    void go_on(bool is_readable, std::span<char> buffer) noexcept {
        try {
            if (is_readable) read(buffer);
            carry_out_all();
            if (nobody_reads_) {  // then what it has sent before is the rest
                read(buffer);
                carry_out_all();
            }
            tell_unwritten();
        } catch (...) {  // no memory, as if the connection had broken
            is_broken_ = true;
        }
        if (is_over() && !is_broken_) forget_input(descriptor(), buffer);
    }

    // Nothing will come or go any more.
    [[nodiscard]] bool is_over() const noexcept {
        return is_broken_ || (has_ended_ && text_.size() == 0);
    }
    [[nodiscard]] std::uint32_t awaited_events() const noexcept {
        const std::uint32_t readable = has_ended_ || input_has_ended_ ? 0 : EPOLLIN | EPOLLRDHUP;
        return readable | (text_.size() != 0 ? std::uint32_t{EPOLLOUT} : 0);
    }

private:
    static constexpr std::size_t most_fetched = 32;
    static constexpr std::size_t write_at = std::size_t{64} * 1024;

    // ---- what it sends

    void read(std::span<char> buffer) {
        if (has_ended_ || input_has_ended_) return;
        const Moved came = receive(descriptor(), buffer);
        input_has_ended_ = came.is_over || (nobody_reads_ && came.bytes == 0);
        decoder_.feed({buffer.data(), came.bytes});
    }

    // Up to a command that waits, or while it leaves too much unread.
    void carry_out_all() {
        bool is_left = true;
        fetch();
        do {
            while (is_left && can_carry_out()) {
                is_left = carry_out_next();
                fetch();
                if (text_.size() >= std::min(write_at, limits_.most_output)) write();
            }
            write();
        } while (is_left && can_carry_out());
        if (decoder_.waiting_bytes() > limits_.most_input) is_broken_ = true;
        if (!input_has_ended_ || has_ended_ || leaves_too_much()) return;
        // What waits ends with the input, and what is left behind it.
        end();
        fetch();
        write();
    }

    [[nodiscard]] bool can_carry_out() { return !has_ended_ && !leaves_too_much() && !waits(); }
    [[nodiscard]] bool leaves_too_much() const noexcept {
        return text_.size() >= limits_.most_output;
    }
    // Whether its last command does.
    [[nodiscard]] bool waits() {
        if (!last_) return false;
        if (!last_->ready()) return true;
        const Pending ended = *std::exchange(last_, std::nullopt);
        try {
            (void)ended.try_get();
        } catch (const std::bad_alloc&) {
            refuse("OOM no memory");
        }
        return false;
    }

    // False: no command has come completely, or ever will.
    [[nodiscard]] bool carry_out_next() {
        std::optional<std::vector<std::string>> words;
        try {
            words = decoder_.take();
        } catch (const Error& error) {
            refuse(std::string{"ERR "} + error.what());
            end();
            return false;
        }
        if (words) submit(*words);
        return words.has_value();
    }

    void submit(const std::vector<std::string>& words) {
        try {
            last_ = session_.submit(words);
        } catch (const std::bad_alloc&) {
            refuse("OOM no memory");
        } catch (const std::exception& error) {  // strict servers, and interceptors
            refuse(std::string{"ERR "} + error.what());
        }
    }

    // The server has not answered.
    void refuse(std::string why) { text_.append(Reply::error(std::move(why)), Protocol::resp2); }
    void end() noexcept {
        session_.close();
        last_.reset();
        has_ended_ = true;
    }

    // ---- what it is sent

    // All that was sent to it becomes bytes.
    void fetch() {
        while (fetch_some())
            for (const WireOutput& one : fetched_) text_.append(one.output.reply(), one.protocol);
    }
    // False: there is nothing.
    [[nodiscard]] bool fetch_some() noexcept {
        SessionState& session = *session_.state_;
        const Lock lock{session.server.mutex};
        fetched_.clear();
        if (std::exchange(is_told, false)) carrier.told.remove(*this);
        session.outbox.fetch(fetched_);
        std::size_t bytes = text_.size();
        for (const WireOutput& one : fetched_) bytes += one.output.bytes();
        session.server.set_unwritten(session, bytes);
        decoder_.set_unauthenticated(session.server.must_authenticate(session));
        if (session.is_closed) has_ended_ = true;
        if (is_cut) is_broken_ = true;
        return !fetched_.empty();
    }
    void write() noexcept {
        while (text_.size() != 0 && !nobody_reads_) {
            const Moved went = send(descriptor(), text_.rest());
            text_.drop_front(went.bytes);
            nobody_reads_ = went.is_over;
            if (went.bytes == 0) break;
        }
        // What was sent before is carried out, though its replies are lost.
        if (nobody_reads_) text_.drop_front(text_.size());
    }
    // For the limit of a subscriber.
    void tell_unwritten() noexcept {
        if (unwritten == text_.size()) return;
        ServerState& server = *session_.server_;
        const Lock lock{server.mutex};
        server.set_unwritten(*session_.state_, text_.size());
    }

    [[nodiscard]] static std::vector<WireOutput> room_for(std::size_t count) {
        std::vector<WireOutput> room;
        room.reserve(count);
        return room;
    }

    const WireLimits limits_;
    CommandDecoder decoder_{};
    WireText text_{};
    bool input_has_ended_ = false;
    bool nobody_reads_ = false;
    bool has_ended_ = false;  // the session has
    bool is_broken_ = false;
    std::vector<WireOutput> fetched_ = room_for(most_fetched);
    Session session_;
    std::optional<Pending> last_{};  // command; nothing: it has ended
    const Descriptor socket_;        // nothing throws after it
};

}  // namespace runnel::inline v0::redis::detail
