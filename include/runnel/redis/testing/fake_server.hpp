// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/error.hpp>
#include <runnel/outcome.hpp>
#include <runnel/redis/options.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/server.hpp>
#include <runnel/redis/session.hpp>
#include <runnel/redis/testing/backend.hpp>
#include <runnel/redis/testing/client.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::testing::detail {

// For the thread that moves the time: it would wait for ever.
[[noreturn]] inline void refuse_wait(const std::string& call, const std::string& instead) {
    throw Error{ErrorCode::invalid_argument,
                call +
                    ": it waits, and would for ever, as this thread is the one that moves the "
                    "time: " +
                    instead};
}

class SentToFake final : public Sent {
public:
    // `mover`: the thread that moves the time.
    SentToFake(Pending pending, std::thread::id mover) noexcept
        : pending_{std::move(pending)}, mover_{mover} {}

    [[nodiscard]] bool ready() override { return pending_.ready(); }
    [[nodiscard]] std::optional<Reply> try_get() override { return pending_.try_get(); }
    [[nodiscard]] std::optional<Reply> wait(Timeout timeout) override {
        if (std::this_thread::get_id() == mover_ && !pending_.ready())
            refuse_wait("PendingReply::wait()", "use advance(), and then try_get()");
        return pending_.wait(timeout);
    }

private:
    Pending pending_;
    std::thread::id mover_;
};

class FakeLink final : public Link {
public:
    // `mover`: the thread that moves the time.
    FakeLink(Server& server, std::thread::id mover) : session_{server}, mover_{mover} {}

    [[nodiscard]] std::shared_ptr<Sent> submit(const Words& words) override {
        return std::make_shared<SentToFake>(session_.submit(words), mover_);
    }
    std::optional<Reply> execute(const Words& words) override {
        const Pending pending = session_.submit(words);
        if (std::this_thread::get_id() == mover_ && !pending.ready())
            refuse_wait("Client::execute(): " + printed(words), "use submit()");
        return pending.wait();
    }
    [[nodiscard]] std::optional<Reply> next_push(Timeout timeout) override {
        auto push = session_.next_push();
        const bool waits = !push && timeout.duration() != std::chrono::nanoseconds{0};
        if (!waits || session_.is_closed()) return push;
        if (std::this_thread::get_id() == mover_)
            refuse_wait("Client::next_push()", "use advance(), and no time-out");
        return session_.next_push(timeout);
    }
    void close() noexcept override { session_.close(); }
    [[nodiscard]] bool is_closed() override { return session_.is_closed(); }
    [[nodiscard]] std::int64_t id() const override { return session_.id(); }

private:
    Session session_;
    std::thread::id mover_;
};

class FakeBackend final : public Backend {
public:
    // A clock that was given is moved by whoever has given it.
    explicit FakeBackend(const ServerOptions& options)
        : server_{options},
          mover_{options.clock == nullptr ? std::this_thread::get_id() : std::thread::id{}} {}

    [[nodiscard]] Server& server() noexcept { return server_; }

    [[nodiscard]] std::shared_ptr<Link> connect() override {
        auto link = std::make_shared<FakeLink>(server_, mover_);
        links_.add(link);
        return link;
    }
    [[nodiscard]] std::vector<std::string> finish(bool /*has_failed*/) override {
        links_.close_all();
        return {};
    }

private:
    Server server_;
    std::thread::id mover_;
    Links<FakeLink> links_;
};

}  // namespace runnel::inline v0::redis::testing::detail
