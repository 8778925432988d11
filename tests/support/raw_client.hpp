// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/codec.hpp>
#include <runnel/redis/reply.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace runnel::test {

/// A client that sends bytes to a descriptor, and reads replies.
///
/// Thread safety: one thread at a time.
class RawClient {
public:
    /// Takes the descriptor over.
    explicit RawClient(int descriptor) : descriptor_{descriptor} {}
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;
    ~RawClient() { close(); }

    [[nodiscard]] static int connected_to(const std::string& path) {
        const int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(static_cast<char*>(address.sun_path), path.data(), path.size());
        if (connect(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
            return made;
        ::close(made);
        throw std::runtime_error{"nobody listens at " + path};
    }

    /// All of it, whenever it is taken. False: the other end is closed.
    bool send(std::string_view bytes) const {
        while (!bytes.empty()) {
            const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent < 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }
    bool send(std::initializer_list<std::string_view> words) const {
        std::string bytes;
        redis::append_command(bytes, words);
        return send(bytes);
    }
    /// How many bytes are taken at once.
    [[nodiscard]] std::size_t send_some(std::string_view bytes) const {
        const auto sent =
            ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return sent < 0 ? 0 : static_cast<std::size_t>(sent);
    }

    /// The next reply or push. Waits for it; nothing: the connection has ended.
    std::optional<redis::Reply> take() { return take_with(0); }
    /// The same to a command.
    std::optional<redis::Reply> ask(std::initializer_list<std::string_view> words) {
        send(words);
        return take();
    }
    /// The next one that is there.
    std::optional<redis::Reply> arrived() { return take_with(MSG_DONTWAIT); }

    /// Whether the connection ends, when all that comes before is read. Waits for that. An error
    /// instead of an end does not count.
    [[nodiscard]] bool ends() {
        while (take_with(0)) continue;
        return has_ended_;
    }
    /// Whether nothing is there, nor the end.
    [[nodiscard]] bool hears_nothing() { return !arrived() && !has_ended_; }

    void shut_down_sending() const { shutdown(descriptor_, SHUT_WR); }
    void shut_down_receiving() const { shutdown(descriptor_, SHUT_RD); }
    void close() {
        if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
    }

private:
    std::optional<redis::Reply> take_with(int flags) {
        for (;;) {
            if (auto reply = decoder_.take()) return reply;
            std::array<char, 4096> bytes{};
            const auto size = recv(descriptor_, bytes.data(), bytes.size(), flags);
            has_ended_ = size == 0;
            if (size <= 0) return std::nullopt;
            decoder_.feed({bytes.data(), static_cast<std::size_t>(size)});
        }
    }

    int descriptor_;
    redis::ReplyDecoder decoder_{};
    bool has_ended_ = false;
};

}  // namespace runnel::test
