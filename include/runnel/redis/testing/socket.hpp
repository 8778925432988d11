// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/error.hpp>
#include <runnel/redis/reply_decoder.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace runnel::inline v0::redis::testing::detail {

using RealTime = std::chrono::steady_clock::time_point;

// What is wrong with the server at this socket.
[[noreturn]] inline void fail_at(const std::string& path, const std::string& what) {
    throw Error{ErrorCode::unavailable, "Redis at " + path + ": " + what};
}

// A stream to a server that listens at a unix socket.
class Socket {
public:
    // Throws: Error{unavailable} if nobody listens there.
    explicit Socket(std::string path) : path_{std::move(path)} {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path_.size() >= sizeof address.sun_path) fail_at(path_, "the path is too long");
        path_.copy(static_cast<char*>(address.sun_path), path_.size());
        descriptor_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (descriptor_ < 0) fail();
        const auto* const any = reinterpret_cast<const sockaddr*>(&address);
        if (::connect(descriptor_, any, sizeof address) == 0) return;
        const int error = errno;
        ::close(descriptor_);
        fail_at(path_, "cannot connect: " + std::generic_category().message(error));
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket() { ::close(descriptor_); }

    [[nodiscard]] const std::string& path() const noexcept { return path_; }

    // False: the other end has closed it.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR) continue;
            if (sent < 0 && is_closed_error()) return false;
            if (sent < 0) fail();
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }

    // Takes what has come, without waiting. False: the other end has closed it.
    bool receive(ReplyDecoder& decoder) {
        std::array<char, 65536> bytes;  // NOLINT(*-member-init): recv() writes it
        for (;;) {
            const ssize_t size = ::recv(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT);
            if (size > 0)
                decoder.feed({bytes.data(), static_cast<std::size_t>(size)});
            else if (size == 0 || is_closed_error())
                return false;
            else if (errno == EAGAIN || errno == EWOULDBLOCK)
                return true;
            else if (errno != EINTR)
                fail();
        }
    }

    // Returns when something has come, or the time is over.
    void await(RealTime until) const {
        using std::chrono::milliseconds;
        const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
        constexpr milliseconds longest{60'000};  // the caller comes again
        const auto ms = std::clamp(left, milliseconds{0}, longest);
        pollfd readable{descriptor_, POLLIN, 0};
        (void)::poll(&readable, 1, static_cast<int>(ms.count()));
    }

    // As if the other end had closed it. From any thread.
    void shut_down() const noexcept { (void)::shutdown(descriptor_, SHUT_RDWR); }

private:
    static bool is_closed_error() noexcept { return errno == EPIPE || errno == ECONNRESET; }
    [[noreturn]] void fail() const { fail_at(path_, std::generic_category().message(errno)); }

    std::string path_;
    int descriptor_ = -1;
};

}  // namespace runnel::inline v0::redis::testing::detail
