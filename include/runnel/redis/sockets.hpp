// SPDX-License-Identifier: MIT
#pragma once

// The one file of the fake that knows sockets, and how this platform waits for many of them. No
// call blocks, but EventPoll::wait(). Programs that are executed do not get the descriptors.

#include <runnel/detail/base/event_fd.hpp>
#include <runnel/error.hpp>
#include <runnel/redis/value.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#if !defined(__linux__)
#    error                                                                                         \
        "runnel: this platform has no redis/sockets.hpp yet; it needs to wait for many descriptors"
#endif

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace runnel::inline v0::redis::detail {

[[nodiscard]] inline std::string text_of_errno(int number) {
    return std::generic_category().message(number);
}

[[noreturn]] inline void refuse_descriptor(const char* what, int number) {
    throw Error{ErrorCode::no_descriptor,
                std::string{"FdServer: "} + what + ": " + text_of_errno(number)};
}

// ---- waiting for many descriptors

// Something with a descriptor, as a thread that waits for many knows it.
class EventSource {
public:
    EventSource() = default;
    EventSource(const EventSource&) = delete;
    EventSource& operator=(const EventSource&) = delete;
    virtual ~EventSource() = default;

    // By that thread.
    virtual void on_events(std::uint32_t events) noexcept = 0;
};

class EventPoll : public Descriptor {
public:
    using Events = std::array<epoll_event, 64>;

    EventPoll() : Descriptor{::epoll_create1(EPOLL_CLOEXEC)} {
        if (!is_open()) refuse_descriptor("epoll_create1()", errno);
    }

    // `source` is told when one of the events is there. Throws: Error{no_descriptor}.
    void add(int descriptor, EventSource& source, std::uint32_t events) const {
        epoll_event what = description_of(source, events);
        if (::epoll_ctl(number(), EPOLL_CTL_ADD, descriptor, &what) != 0)
            refuse_descriptor("epoll_ctl()", errno);
    }
    // Requires: it was added.
    void change(int descriptor, EventSource& source, std::uint32_t events) const noexcept {
        epoll_event what = description_of(source, events);
        ::epoll_ctl(number(), EPOLL_CTL_MOD, descriptor, &what);
    }

    // Before it is closed: it may be open in a child of fork(), and its events be told for ever.
    void remove(int descriptor) const noexcept {
        ::epoll_ctl(number(), EPOLL_CTL_DEL, descriptor, nullptr);
    }

    // Those that are there; at most so many milliseconds, -1: for ever.
    [[nodiscard]] std::span<const epoll_event> wait(Events& events,
                                                    int milliseconds) const noexcept {
        const int count =
            ::epoll_wait(number(), events.data(), static_cast<int>(events.size()), milliseconds);
        return std::span{events}.first(count > 0 ? static_cast<std::size_t>(count) : 0);
    }

private:
    [[nodiscard]] static epoll_event description_of(EventSource& source,
                                                    std::uint32_t events) noexcept {
        epoll_event what{};
        what.events = events;
        what.data.ptr = &source;
        return what;
    }
};

// ---- connected sockets

struct SocketPair {
    int one = -1;
    int other = -1;
};
// Throws: Error{no_descriptor}.
[[nodiscard]] inline SocketPair make_socket_pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        refuse_descriptor("socketpair()", errno);
    return {ends[0], ends[1]};
}

[[nodiscard]] inline bool is_stream_socket(int descriptor) noexcept {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

// What a try to move bytes has come to.
struct Moved {
    std::size_t bytes = 0;
    bool is_over = false;  // nothing will ever be moved again
};

[[nodiscard]] inline Moved moved(ssize_t result) noexcept {
    if (result > 0) return {.bytes = static_cast<std::size_t>(result)};
    const bool is_later = result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    return {.is_over = !is_later};
}
[[nodiscard]] inline Moved receive(int descriptor, std::span<char> to) noexcept {
    return moved(::recv(descriptor, to.data(), to.size(), MSG_DONTWAIT));
}
// Requires: there is something to send.
[[nodiscard]] inline Moved send(int descriptor, std::string_view bytes) noexcept {
    return moved(::send(descriptor, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

// Ends the connection, though a child of fork() may have the descriptor, too.
inline void end_connection(int descriptor) noexcept {
    ::shutdown(descriptor, SHUT_RDWR);
}
// Before that: what has come and was not read would show there as an error instead of
// an end.
inline void forget_input(int descriptor, std::span<char> buffer) noexcept {
    constexpr int most = 64;
    ::shutdown(descriptor, SHUT_RD);
    for (int reads = 0; reads != most && receive(descriptor, buffer).bytes != 0;) ++reads;
}

// ---- paths

// A socket that others connect to by its path. The path goes with it.
class PathSocket {
public:
    // Throws: Error{invalid_argument} if it cannot be made at that path, Error{no_descriptor}.
    explicit PathSocket(std::string path) : path_{std::move(path)} {
        if (!socket_.is_open()) refuse_descriptor("socket()", errno);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path_.empty() || path_.size() >= sizeof address.sun_path ||
            path_.find('\0') != std::string::npos)
            refuse(ENAMETOOLONG);
        std::memcpy(static_cast<char*>(address.sun_path), path_.data(), path_.size());
        if (::bind(number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            refuse(errno);
        id_ = id_at_path();
        if (::listen(number(), SOMAXCONN) == 0) return;
        const int why = errno;
        remove_path();
        refuse(why);
    }
    PathSocket(const PathSocket&) = delete;
    PathSocket& operator=(const PathSocket&) = delete;
    ~PathSocket() { remove_path(); }

    [[nodiscard]] int number() const noexcept { return socket_.number(); }

    // A client that has connected; negative: errno says why there is none.
    [[nodiscard]] int accept() const noexcept {
        return ::accept4(number(), nullptr, nullptr, SOCK_CLOEXEC);
    }

private:
    using Id = std::pair<dev_t, ino_t>;

    [[noreturn]] void refuse(int why) const {
        throw Error{ErrorCode::invalid_argument,
                    "FdServer: cannot listen at '" + path_ + "': " + text_of_errno(why)};
    }
    [[nodiscard]] Id id_at_path() const noexcept {
        struct stat there {};
        if (::lstat(path_.c_str(), &there) != 0) return {};
        return {there.st_dev, there.st_ino};
    }
    // Another one may stand there by now.
    void remove_path() const noexcept {
        if (id_at_path() == id_) ::unlink(path_.c_str());
    }

    const std::string path_;
    const Descriptor socket_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    Id id_{};
};

// An empty folder for such a path, which goes with it.
class SocketFolder {
public:
    // Throws: Error{invalid_argument} if it cannot be made.
    SocketFolder() {
        const char* const set = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe)
        name_ = std::string{set != nullptr && *set != '\0' ? set : "/tmp"} + "/runnel-XXXXXX";
        if (::mkdtemp(name_.data()) == nullptr)
            throw Error{ErrorCode::invalid_argument,
                        "FdServer: cannot make '" + name_ + "': " + text_of_errno(errno)};
    }
    SocketFolder(const SocketFolder&) = delete;
    SocketFolder& operator=(const SocketFolder&) = delete;
    ~SocketFolder() { ::rmdir(name_.c_str()); }

    [[nodiscard]] std::string path() const { return name_ + "/redis"; }

private:
    std::string name_{};
};

}  // namespace runnel::inline v0::redis::detail
