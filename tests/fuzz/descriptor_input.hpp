// SPDX-License-Identifier: MIT
#pragma once

// What must be true of a server at the other end of a descriptor, whatever bytes its clients send.
// An input is a first byte that says how the server begins, and then steps: a byte that says what
// is done and by which client, and, for bytes that are sent, their number and the bytes.

#include <runnel/error.hpp>
#include <runnel/redis.hpp>
#include <runnel/redis/codec.hpp>
#include <runnel/redis/serve_fd.hpp>

#include "fuzz/codec_input.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace runnel::test {

// What is done, step by step.
class DescriptorSteps {
public:
    enum class What : std::uint8_t { send, pass_time, read, end_sending, connect_anew };
    struct Step {
        What what;
        std::size_t client;
        std::string_view bytes{};
        std::chrono::seconds time{};
    };

    explicit DescriptorSteps(std::string_view input) : left_{input} { first_ = take(); }

    // How the server begins.
    [[nodiscard]] redis::ServerOptions options() const {
        redis::ServerOptions options{.version = static_cast<redis::Version>(first_ % 16 % 11)};
        if (!has_one_client()) options.pubsub_limit = {.hard = 50'000, .soft = 20'000};
        return options;
    }
    [[nodiscard]] redis::FdServerOptions limits() const {
        if (has_one_client()) return {};
        return {.most_output = 20'000, .most_input = 100'000};
    }
    // Then a session without a descriptor is sent the same: no limit is reached.
    [[nodiscard]] bool has_one_client() const noexcept { return (first_ & 0x80U) != 0; }

    [[nodiscard]] std::optional<Step> next() {
        if (left_.empty() || count_++ == most_steps) return std::nullopt;
        const unsigned byte = take();
        const std::size_t client = has_one_client() ? 0 : byte / 8 % client_count;
        switch (byte % 8) {
        case 0:
            return Step{What::pass_time, client, {}, std::chrono::seconds{take()}};
        case 1:
            return Step{What::read, client};
        case 2:
            return Step{What::end_sending, client};
        case 3:
            return Step{What::connect_anew, client};
        default:
            return Step{What::send, client, take_bytes(take() + 1)};
        }
    }

    static constexpr std::size_t client_count = 3;

private:
    static constexpr std::size_t most_steps = 64;

    unsigned take() {
        if (left_.empty()) return 0;
        const auto byte = static_cast<unsigned char>(left_.front());
        left_.remove_prefix(1);
        return byte;
    }
    std::string_view take_bytes(std::size_t count) {
        const std::string_view bytes = left_.substr(0, count);
        left_.remove_prefix(bytes.size());
        return bytes;
    }

    std::string_view left_;
    unsigned first_ = 0;
    std::size_t count_ = 0;
};

// So many members by lot that they fit into no memory are not asked for.
inline redis::Interceptor without_too_much() {
    return {.before = [](const redis::SentCommand& sent) -> std::optional<redis::Reply> {
        if (sent.words[0].size() == 11 && sent.words.size() > 2 && sent.words[2].size() > 4)
            return redis::Reply::error("ERR too many");
        return std::nullopt;
    }};
}

// The time passes from one time-out to the next, so that the thread of an FdServer does what comes
// after each at its time.
template <typename Settle>
void pass_time(redis::Server& server, std::chrono::nanoseconds time, const Settle& settle) {
    while (time.count() > 0) {
        const auto due = server.next_due();
        const auto step = due ? std::min(time, *due->due_in) : time;
        server.advance(step);
        settle();
        time -= step;
    }
}

class DescriptorRun {
public:
    // All that each client has got, and how its connections have ended.
    [[nodiscard]] static std::vector<std::string> of(std::string_view input) {
        DescriptorRun run{input};
        while (const auto step = run.steps_.next()) run.carry_out(*step);
        for (std::size_t client = 0; client != DescriptorSteps::client_count; ++client)
            run.read(client);
        return run.got_;
    }

private:
    explicit DescriptorRun(std::string_view input) : steps_{input} {
        server_.intercept(without_too_much());
        const std::size_t count = steps_.has_one_client() ? 1 : DescriptorSteps::client_count;
        for (std::size_t client = 0; client != count; ++client) connect(client);
    }
    DescriptorRun(const DescriptorRun&) = delete;
    DescriptorRun& operator=(const DescriptorRun&) = delete;
    ~DescriptorRun() {
        for (const int descriptor : descriptors_) close(descriptor);
    }

    void connect(std::size_t client) {
        descriptors_[client] = clients_.connect();
        decoders_[client] = {};
    }

    void carry_out(const DescriptorSteps::Step& step) {
        using What = DescriptorSteps::What;
        switch (step.what) {
        case What::pass_time:
            pass_time(server_, step.time, [this] { clients_.settle(); });
            break;
        case What::read:
            read(step.client);
            break;
        case What::end_sending:
            shutdown(descriptors_[step.client], SHUT_WR);
            break;
        case What::connect_anew:
            close(std::exchange(descriptors_[step.client], -1));
            clients_.settle();
            got_[step.client].append("<closed>");
            connect(step.client);
            break;
        case What::send:
            (void)::send(descriptors_[step.client], step.bytes.data(), step.bytes.size(),
                         MSG_NOSIGNAL | MSG_DONTWAIT);
            break;
        }
        clients_.settle();
        must(server_.waiting().size() == server_.blocked_sessions(), "who waits is counted");
        must(clients_.connections() <= DescriptorSteps::client_count, "who has gone is forgotten");
    }

    // What has come is replies.
    void read(std::size_t client) {
        std::array<char, 4096> bytes{};
        for (;;) {
            clients_.settle();
            const auto size = recv(descriptors_[client], bytes.data(), bytes.size(), MSG_DONTWAIT);
            if (size == 0) got_[client].append("<end>");
            if (size <= 0) return;
            const std::string_view came{bytes.data(), static_cast<std::size_t>(size)};
            got_[client].append(came);
            decoders_[client].feed(came);
            while (decoders_[client].take()) continue;
        }
    }

    DescriptorSteps steps_;
    redis::Server server_{steps_.options()};
    redis::FdServer clients_{server_, steps_.limits()};
    std::array<int, DescriptorSteps::client_count> descriptors_{-1, -1, -1};
    std::array<redis::ReplyDecoder, DescriptorSteps::client_count> decoders_{};
    std::vector<std::string> got_ = std::vector<std::string>(DescriptorSteps::client_count);
};

// The same by a session of a server, without a descriptor, for one client.
class SessionRun {
public:
    [[nodiscard]] static std::string of(std::string_view input) {
        SessionRun run{input};
        while (const auto step = run.steps_.next()) run.carry_out(*step);
        run.read();
        return run.got_;
    }

private:
    explicit SessionRun(std::string_view input) : steps_{input} {
        server_.intercept(without_too_much());
    }

    void carry_out(const DescriptorSteps::Step& step) {
        using What = DescriptorSteps::What;
        switch (step.what) {
        case What::pass_time:
            pass_time(server_, step.time, [this] { go_on(); });
            break;
        case What::read:
            read();
            break;
        case What::end_sending:
            end_sending();
            break;
        case What::connect_anew:
            end_sending();
            unread_.clear();
            got_.append("<closed>");
            connection_.emplace(server_);
            break;
        case What::send:
            if (!connection_->has_ended_sending) connection_->decoder.feed(step.bytes);
            go_on();
            break;
        }
    }

    // Carries out what has come, up to a command that waits.
    void go_on() {
        note();
        while (!session().is_closed() && (!connection_->last || connection_->last->ready())) {
            try {
                const auto words = connection_->decoder.take();
                if (!words) return;
                connection_->last = session().submit(*words);
                note();
            } catch (const Error& error) {
                append(redis::Reply::error(std::string{"ERR "} + error.what()));
                session().close();
            }
        }
    }
    void end_sending() {
        connection_->has_ended_sending = true;
        session().close();
    }

    // What was sent since becomes bytes.
    void note() {
        const auto outputs = session().outputs();
        for (; connection_->noted != outputs.size(); ++connection_->noted)
            append(outputs[connection_->noted]);
    }
    void append(const redis::Reply& reply) {
        redis::append_reply(unread_, reply, static_cast<redis::Protocol>(session().protocol()));
    }
    void read() {
        got_.append(std::exchange(unread_, {}));
        if (session().is_closed()) got_.append("<end>");
    }

    struct Connection {
        explicit Connection(redis::Server& server) : session{server, {.keep_outputs = 1'000'000}} {}

        redis::Session session;
        redis::CommandDecoder decoder{};
        std::optional<redis::Pending> last{};
        std::size_t noted = 0;
        bool has_ended_sending = false;
    };
    [[nodiscard]] redis::Session& session() { return connection_->session; }

    DescriptorSteps steps_;
    redis::Server server_{steps_.options()};
    std::optional<Connection> connection_{std::in_place, server_};
    std::string unread_{};
    std::string got_{};
};

inline void check_descriptor(std::string_view input) {
    const auto got = DescriptorRun::of(input);
    must(got == DescriptorRun::of(input), "one input is one run");
    if (DescriptorSteps{input}.has_one_client())
        must(got[0] == SessionRun::of(input), "a client gets what a session is sent");
}

}  // namespace runnel::test
