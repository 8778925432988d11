// SPDX-License-Identifier: MIT
#pragma once

// A real Redis, spoken to by plain sockets.

#include <runnel/redis/codec.hpp>

#include "differential/target.hpp"
#include "support/redis_server.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace runnel::test::differential {

/// A connection that is never waited for: RedisServer::settle() tells when all has arrived.
class Connection {
public:
    explicit Connection(const std::string& path)
        : socket_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        const auto* const any = reinterpret_cast<const sockaddr*>(&address);
        if (socket_ < 0 || connect(socket_, any, sizeof address) != 0) fail("connect");
    }
    Connection(Connection&& other) noexcept
        : socket_{std::exchange(other.socket_, -1)}, decoder_{std::move(other.decoder_)} {}
    Connection& operator=(Connection&& other) noexcept {
        std::swap(socket_, other.socket_);
        std::swap(decoder_, other.decoder_);
        return *this;
    }
    ~Connection() {
        if (socket_ >= 0) close(socket_);
    }

    void send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent < 0) fail("send");
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }

    std::vector<Reply> arrived() {
        std::array<char, 65536> bytes;  // NOLINT(*-member-init): recv writes it
        for (;;) {
            const ssize_t size = recv(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT);
            if (size > 0) {
                decoder_.feed({bytes.data(), static_cast<std::size_t>(size)});
                continue;
            }
            if (size < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != ECONNRESET)
                fail("recv");
            break;
        }
        std::vector<Reply> replies;
        while (auto reply = decoder_.take()) replies.push_back(std::move(*reply));
        return replies;
    }

private:
    [[noreturn]] static void fail(const char* what) {
        throw std::system_error{errno, std::generic_category(), what};
    }

    int socket_;
    redis::ReplyDecoder decoder_;
};

class RealRedis final : public Target {
public:
    explicit RealRedis(const Words& options) : server_{options} {}

    void begin() override {
        connections_.clear();
        ids_.clear();
        server_.settle();
        (void)server_.command({"FLUSHALL"});
        for (std::size_t session = 0; session != session_count; ++session) {
            connections_.emplace_back(server_.socket());
            ids_.push_back(ask_id(connections_.back()));
        }
    }

    void reopen(std::size_t session) override {
        connections_[session] = Connection{server_.socket()};
        ids_[session] = ask_id(connections_[session]);
    }

    void send(std::size_t session, const std::vector<Request>& requests) override {
        std::string bytes;
        for (const Request& request : requests) redis::append_command(bytes, request.words);
        connections_[session].send(bytes);
        server_.settle();
    }

    void pause(std::int64_t) override {
        (void)server_.command({"DEBUG", "SLEEP", "0.003"});
        server_.settle();
    }

    std::vector<Reply> arrived(std::size_t session) override {
        return connections_[session].arrived();
    }

    std::string client_id(std::size_t session) override { return ids_[session]; }

private:
    std::string ask_id(Connection& connection) {
        std::string bytes;
        redis::append_command(bytes, Words{"CLIENT", "ID"});
        connection.send(bytes);
        server_.settle();
        return std::to_string(connection.arrived().at(0).integer());
    }

    RedisServer server_;
    std::vector<Connection> connections_;
    std::vector<std::string> ids_;
};

}  // namespace runnel::test::differential
