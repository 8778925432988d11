// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/wait/manual_clock.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>
#include <runnel/redis/options.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/server.hpp>
#include <runnel/redis/session.hpp>
#include <runnel/redis/testing/backend.hpp>
#include <runnel/redis/testing/client.hpp>
#include <runnel/redis/testing/comparable.hpp>
#include <runnel/redis/testing/environment.hpp>
#include <runnel/redis/testing/listener.hpp>
#include <runnel/redis/testing/real_server.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::testing::detail {

class ComparedBackend;
class ComparedLink;

// A command that both have got.
struct TwiceSent {
    std::size_t number;  // of the commands of the test, from 1
    Words words;
    std::shared_ptr<SentToReal> real;
    Pending fake;
    bool is_compared = false;
    std::optional<Reply> reply{};
};

// Under the mutex of the backend, but for wait().
class SentToBoth final : public Sent {
public:
    SentToBoth(std::shared_ptr<ComparedLink> link, std::shared_ptr<TwiceSent> sent)
        : link_{std::move(link)}, sent_{std::move(sent)} {}

    [[nodiscard]] bool ready() override;
    [[nodiscard]] std::optional<Reply> try_get() override;
    [[nodiscard]] std::optional<Reply> wait(Timeout timeout) override;

private:
    std::shared_ptr<ComparedLink> link_;
    std::shared_ptr<TwiceSent> sent_;
};

// Whether the two say the same, but for what Redis promises nothing about. Of times, those are the
// same that are less than a second apart: they are equal in one of two roundings.
[[nodiscard]] inline bool say_the_same(const std::vector<Heard>& real,
                                       const std::vector<Heard>& fake, std::int64_t now) {
    constexpr std::array<Leeway, 2> roundings{Leeway{2'000, 500, false},
                                              Leeway{2'000, 1'500, false}};
    return std::ranges::any_of(roundings, [&](const Leeway& leeway) {
        const Comparable comparable{now, leeway};
        const auto prepared = [&](const std::vector<Heard>& all) {
            std::vector<Heard> made;
            made.reserve(all.size());
            for (const Heard& one : all) made.push_back(comparable.of(one));
            Comparable::sort(made);
            return made;
        };
        return std::ranges::equal(prepared(real), prepared(fake), {}, &Heard::reply, &Heard::reply);
    });
}

[[nodiscard]] inline std::string said(const std::optional<Reply>& reply) {
    return reply ? to_string(*reply) : std::string{"(no reply)"};
}
[[nodiscard]] inline std::string said(const std::vector<Heard>& pushes) {
    std::vector<Reply> replies;
    replies.reserve(pushes.size());
    for (const Heard& push : pushes) replies.push_back(push.reply);
    return to_string(Reply::array(std::move(replies)));
}

// One connection to each of the two.
class ComparedLink final : public Link, public std::enable_shared_from_this<ComparedLink> {
public:
    ComparedLink(std::shared_ptr<ComparedBackend> backend, std::size_t number,
                 std::shared_ptr<RealLink> real, Server& fake)
        : backend_{std::move(backend)}, number_{number}, real_{std::move(real)}, fake_{fake} {}

    [[nodiscard]] std::shared_ptr<Sent> submit(const Words& words) override;
    std::optional<Reply> execute(const Words& words) override { return submit(words)->wait({}); }
    [[nodiscard]] std::optional<Reply> next_push(Timeout timeout) override;
    void close() noexcept override;
    [[nodiscard]] bool is_closed() override { return real_->is_closed(); }
    [[nodiscard]] std::int64_t id() const override { return real_->id(); }

private:
    friend class ComparedBackend;
    friend class SentToBoth;

    [[nodiscard]] std::optional<Reply> take_push();

    // Of the backend, under its mutex.
    [[nodiscard]] std::shared_ptr<TwiceSent> send(const Words& words, std::size_t command);
    void compare();
    void compare_replies();
    void compare_pushes();
    [[nodiscard]] bool have_both_ended(const TwiceSent& sent);
    [[noreturn]] void differ(std::size_t command, const std::string& what, const std::string& real,
                             const std::string& fake);
    [[nodiscard]] std::vector<Heard> pushes_of_fake(const std::vector<Heard>& of_real);

    const std::shared_ptr<ComparedBackend> backend_;
    const std::size_t number_;  // of the connections of the test, from 1
    const std::shared_ptr<RealLink> real_;
    Session fake_;
    std::deque<std::shared_ptr<TwiceSent>> sent_;
    std::deque<Reply> pushes_;
};

// The fake beside a real server. One command at a time goes to both, in one order. The clock of the
// fake is set to the time of the real one before.
class ComparedBackend final : public Backend, public std::enable_shared_from_this<ComparedBackend> {
public:
    ComparedBackend(const ServerOptions& options, const Environment& environment)
        : real_{environment},
          clock_{Clock::WallTime{std::chrono::milliseconds{real_.server().now()}}},
          fake_{beside(real_, clock_, options)} {}

    [[nodiscard]] std::shared_ptr<Link> connect() override {
        const std::lock_guard lock{mutex_};
        auto link = std::make_shared<ComparedLink>(shared_from_this(), ++connections_,
                                                   real_.connect_to_real(), fake_);
        links_.add(link);
        return link;
    }

    [[nodiscard]] std::vector<std::string> finish(bool has_failed) override {
        if (difference_.empty() && !has_failed) {
            try {
                const std::lock_guard lock{mutex_};
                (void)follow_time();
                compare_all();
            } catch (const Error&) {
                if (difference_.empty()) throw;
            }
        }
        links_.close_all();
        std::vector<std::string> texts = real_.finish(has_failed);
        if (!difference_.empty() && !has_failed) texts.push_back(difference_);
        return texts;
    }

private:
    friend class ComparedLink;
    friend class SentToBoth;

    // The fake stands for the version of the real one.
    static ServerOptions beside(RealBackend& real, Clock& clock, ServerOptions options) {
        options.clock = &clock;
        options.version = real.server().like();
        return options;
    }

    // After a difference the two hold different data, and are compared no further.
    void expect_no_difference() const {
        if (!difference_.empty()) throw Error{ErrorCode::wrong_reply, difference_};
    }
    void compare_all() {
        expect_no_difference();
        for (const auto& link : links_.all()) link->compare();
    }

    // Sets the fake's clock to the real time, and returns that.
    std::int64_t follow_time() {
        const std::int64_t now = real_.server().now();
        set_time(now);
        return now;
    }
    void set_time(std::int64_t ms) {
        const Clock::WallTime then{std::chrono::milliseconds{ms}};
        if (const auto now = clock_.wall(); now < then) clock_.advance(then - now);
    }

    // The id of a client as the fake knows it: CLIENT UNBLOCK names one.
    [[nodiscard]] Words for_fake(const Words& words) const {
        Words made = words;
        if (name_of(words) != "client|unblock" || words.size() < 3) return made;
        for (const auto& link : links_.all()) {
            if (std::to_string(link->real_->id()) == words[2])
                made[2] = std::to_string(link->fake_.id());
        }
        return made;
    }

    RealBackend real_;
    ManualClock clock_;
    Server fake_;
    std::mutex mutex_;
    Links<ComparedLink> links_;
    std::size_t connections_ = 0;
    std::size_t commands_ = 0;
    std::string difference_;
};

// ---- sending

inline std::shared_ptr<Sent> ComparedLink::submit(const Words& words) {
    const std::lock_guard lock{backend_->mutex_};
    backend_->expect_no_difference();
    auto sent = send(words, ++backend_->commands_);
    backend_->compare_all();
    return std::make_shared<SentToBoth>(shared_from_this(), std::move(sent));
}

// To the real one first: an id that it has made of its time tells when that was.
inline std::shared_ptr<TwiceSent> ComparedLink::send(const Words& words, std::size_t command) {
    const std::int64_t before = backend_->follow_time();
    auto real = real_->send(words);
    if (real->ready()) {
        const Heard heard{words, real->try_get().value_or(Reply{}), real->queued()};
        if (const auto ms = time_made(heard, before, backend_->real_.server().now()))
            backend_->set_time(*ms);
    }
    auto sent = std::make_shared<TwiceSent>(
        TwiceSent{command, words, std::move(real), fake_.submit(backend_->for_fake(words))});
    sent_.push_back(sent);
    return sent;
}

// ---- comparing

inline void ComparedLink::compare() {
    compare_replies();
    compare_pushes();
}

inline void ComparedLink::compare_replies() {
    while (!sent_.empty()) {
        TwiceSent& sent = *sent_.front();
        if (!have_both_ended(sent)) return;
        const std::int64_t now = backend_->real_.server().now();
        auto real = sent.real->try_get();
        const auto fake = sent.fake.try_get();
        const auto heard = [&](const std::optional<Reply>& reply) {
            return Heard{sent.words, reply.value_or(Reply{}), sent.real->queued()};
        };
        if (real.has_value() != fake.has_value() ||
            !say_the_same({heard(real)}, {heard(fake)}, now))
            differ(sent.number, printed(sent.words), said(real), said(fake));
        sent.reply = std::move(real);
        sent.is_compared = true;
        sent_.pop_front();
    }
}

// False: neither has. A time-out ends on the fake when its clock is set to the real time, and on
// the real one up to a tenth of a second late.
inline bool ComparedLink::have_both_ended(const TwiceSent& sent) {
    if (sent.real->ready() && !sent.fake.ready()) (void)backend_->follow_time();
    const bool has_fake = sent.fake.ready();
    const auto reply = sent.fake.try_get();
    if (has_fake && !sent.real->ready() && reply && reply->is_null())
        (void)sent.real->wait(std::chrono::seconds{1});
    const bool has_real = sent.real->ready();
    if (has_real == has_fake) return has_real;
    const std::string waits = "(nothing yet: the command waits)";
    differ(sent.number, printed(sent.words), has_real ? said(sent.real->try_get()) : waits,
           has_fake ? said(reply) : waits);
}

inline void ComparedLink::differ(std::size_t command, const std::string& what,
                                 const std::string& real, const std::string& fake) {
    const RealServer& server = backend_->real_.server();
    std::string text = "The fake and Redis " + server.version() + " at " + server.path() +
                       " differ.\nCommand " + std::to_string(command) + ", of connection " +
                       std::to_string(number_) + ": " + what;
    if (command != backend_->commands_)
        text += "\nIt is seen after command " + std::to_string(backend_->commands_);
    text += "\nRedis says:\n" + real + "\nThe fake says:\n" + fake;
    backend_->difference_ = std::move(text);
    throw Error{ErrorCode::wrong_reply, backend_->difference_};
}

inline void ComparedLink::compare_pushes() {
    const std::vector<Heard> real = real_->take_pushes();
    const std::vector<Heard> fake = pushes_of_fake(real);
    if (!say_the_same(real, fake, 0))
        differ(backend_->commands_, "what is pushed then", said(real), said(fake));
    for (const Heard& push : real) pushes_.push_back(push.reply);
}

// With the commands that the real one's belong to, as their order depends on these.
inline std::vector<Heard> ComparedLink::pushes_of_fake(const std::vector<Heard>& of_real) {
    std::vector<Heard> pushes;
    while (auto push = fake_.next_push()) {
        const std::size_t at = pushes.size();
        pushes.push_back({at < of_real.size() ? of_real[at].words : Words{}, *std::move(push)});
    }
    return pushes;
}

// ---- what a test sees

inline std::optional<Reply> ComparedLink::take_push() {
    const std::lock_guard lock{backend_->mutex_};
    (void)backend_->follow_time();
    backend_->compare_all();
    if (pushes_.empty()) return std::nullopt;
    Reply push = std::move(pushes_.front());
    pushes_.pop_front();
    return push;
}

inline std::optional<Reply> ComparedLink::next_push(Timeout timeout) {
    auto push = take_push();
    if (push || timeout.duration() == std::chrono::nanoseconds{0}) return push;
    real_->await_push(timeout);
    return take_push();
}

inline void ComparedLink::close() noexcept {
    const std::lock_guard lock{backend_->mutex_};
    real_->close();
    fake_.close();
}

inline bool SentToBoth::ready() {
    ComparedBackend& backend = *link_->backend_;
    const std::lock_guard lock{backend.mutex_};
    if (sent_->is_compared) return true;
    (void)backend.follow_time();
    backend.compare_all();
    return sent_->is_compared;
}

inline std::optional<Reply> SentToBoth::try_get() {
    return ready() ? sent_->reply : std::nullopt;
}

inline std::optional<Reply> SentToBoth::wait(Timeout timeout) {
    if (!ready()) (void)sent_->real->wait(timeout);
    return try_get();
}

}  // namespace runnel::inline v0::redis::testing::detail
