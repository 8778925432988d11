// SPDX-License-Identifier: MIT
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"
#include "support/gate.hpp"
#include "support/windows.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iostream>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

using namespace runnel;
using namespace runnel::test;

namespace runnel::test {

struct ChannelStateOf {
    friend auto reveal(ChannelStateOf);
};
struct InboxStateOf {
    friend auto reveal(InboxStateOf);
};
template struct Reveal<ChannelStateOf, &Channel<Gated>::state_>;
template struct Reveal<InboxStateOf, &Inbox<Gated>::state_>;

}  // namespace runnel::test

namespace {

using Values = std::vector<int>;

enum class Situation {
    busy,       // everybody has a message
    held_back,  // publishers wait for a subscription that has one
    last,       // each operation lets go of its handle, and there is no other one
};

// A channel with all kinds of subscribers. What only one thread may use is there twice: for the
// operation that is stopped, and for the one beside it.
class Scene {
public:
    explicit Scene(Situation situation) : situation_{situation} {
        const Channel<Gated> channel{{.weigh =
                                          [this](const Gated& /*message*/) {
                                              gate_.pass(Step::weigh);
                                              return std::size_t{1};
                                          },
                                      .clock = &clock_}};
        locks_.push_back(&((channel.*reveal(ChannelStateOf{}))->mutex));
        audit_.emplace(channel.subscribe());
        audited_ = channel.on_message([this](const Gated& message) {
            gate_.pass(Step::handle);
            handled_.push_back(message.get());
        });
        for (Side& side : sides_) {
            side.channel.emplace(channel);
            side.view.emplace(channel.subscribe());
            side.inbox.emplace(InboxOptions{.clock = &clock_});
            side.inbox->join(channel);
            inboxes_.push_back(*side.inbox.*reveal(InboxStateOf{}));
            locks_.push_back(&inboxes_.back()->mutex);
            side.handler =
                channel.on_message([this](const Gated& /*message*/) { gate_.pass(Step::handle); });
            side.control_handler = side.control.on_message(
                [&side](int /*command*/) { (void)side.handler.disconnect(); });
        }
        if (situation == Situation::held_back)
            slow_.emplace(channel.subscribe({.bound = 1, .when_behind = Behind::block}));
        send(0, 1);
    }

    Gate& gate() { return gate_; }
    ManualClock& clock() { return clock_; }
    std::vector<const detail::Mutex*> locks() { return locks_; }
    void release() {
        // Those that wait hold on to their handles, and nobody else touches these now.
        for (Side& side : sides_)
            if (side.channel) side.channel->close();
    }

    // What was published has come to all that were there from the beginning, in one order.
    void check() {
        Values published;
        for (Side& side : sides_)
            published.insert(published.end(), side.published.begin(), side.published.end());
        Values seen;
        while (const auto batch = audit_->try_read())
            for (const Gated& message : batch) seen.push_back(message.get());
        const bool is_one_order = handled_ == seen;
        std::ranges::sort(seen);
        std::ranges::sort(published);
        const bool is_complete = seen == published && audit_->missed() == 0;
        std::size_t waiting = 0;
        for (const Side& side : sides_)
            if (side.channel) waiting += side.channel->info().waiting;
        is_right = is_one_order && is_complete && waiting == 0 && clock_.waiting() == 0;
    }

    // ---- what the operations do

    void publish(std::size_t which) { send(which, 2); }
    void try_publish(std::size_t which) {
        Side& side = sides_.at(which);
        Gated message{value(which, 3), &gate_};
        if (side.channel->try_publish(std::move(message)).ending == Push::done)
            side.published.push_back(value(which, 3));
    }
    void subscribe(std::size_t which) {
        try {
            sides_.at(which).more.emplace(sides_.at(which).channel->subscribe());
        } catch (const Error& error) {
            is_refused = error.code() == ErrorCode::closed;
        }
    }
    void read(std::size_t which) { (void)sides_.at(which).view->read({.count = 1}); }
    void try_read(std::size_t which) { (void)sides_.at(which).view->try_read(); }
    void unsubscribe(std::size_t which) { sides_.at(which).view.reset(); }
    void on_message(std::size_t which) { connect(which, {}); }
    void on_message_once(std::size_t which) { connect(which, {.once = true}); }
    void disconnect(std::size_t which) { (void)sides_.at(which).handler.disconnect(); }
    void disconnect_inside(std::size_t which) { (void)sides_.at(which).control.publish(1); }
    void join(std::size_t which) {
        try {
            sides_.at(which).inbox->join(*sides_.at(which).channel);
        } catch (const Error& error) {
            is_refused = error.code() == ErrorCode::closed;
        }
    }
    void leave(std::size_t which) {
        (void)sides_.at(which).inbox->leave(*sides_.at(which).channel);
    }
    void read_inbox(std::size_t which) { (void)sides_.at(which).inbox->read({.count = 1}); }
    void try_read_inbox(std::size_t which) { (void)sides_.at(which).inbox->try_read(); }
    void drop_inbox(std::size_t which) { sides_.at(which).inbox.reset(); }
    void close(std::size_t which) { sides_.at(which).channel->close(); }
    void info(std::size_t which) { (void)sides_.at(which).channel->info(); }
    void subscribers(std::size_t which) { (void)sides_.at(which).channel->subscribers(); }
    void wait_for_subscribers(std::size_t which) {
        (void)sides_.at(which).channel->wait_for_subscribers(100);
    }
    void let_go(std::size_t /*which*/) {}  // see end()

    void end(std::size_t which) {
        if (situation_ == Situation::last) sides_.at(which).channel.reset();
    }

    inline static bool is_right = true;
    inline static bool is_refused = true;

private:
    struct Side {
        std::optional<Channel<Gated>> channel;
        std::optional<Subscription<Gated>> view;
        std::optional<Subscription<Gated>> more;
        std::optional<Inbox<Gated>> inbox;
        Connection handler;
        Connection another;
        Channel<int> control;
        Connection control_handler;
        Values published;
    };

    static int value(std::size_t which, int number) {
        return (100 * static_cast<int>(which)) + number;
    }
    void send(std::size_t which, int number) {
        Side& side = sides_.at(which);
        Gated message{value(which, number), &gate_};
        if (side.channel->publish(std::move(message)).ending == Push::done)
            side.published.push_back(value(which, number));
    }
    void connect(std::size_t which, HandlerOptions options) {
        Side& side = sides_.at(which);
        try {
            side.another = side.channel->on_message(
                [this](const Gated& /*message*/) { gate_.pass(Step::handle); }, std::move(options));
        } catch (const Error& error) {
            is_refused = error.code() == ErrorCode::closed;
        }
    }

    const Situation situation_;
    Gate gate_;
    ManualClock clock_;
    // Those whose locks are looked at, also once an inbox is gone.
    std::vector<detail::Owner<detail::InboxState<Gated>>> inboxes_;
    std::vector<const detail::Mutex*> locks_;
    Values handled_;
    std::array<Side, 2> sides_;
    std::optional<Subscription<Gated>> audit_;
    std::optional<Subscription<Gated>> slow_;
    Connection audited_;
};

struct Operation {
    std::string_view name;
    void (Scene::*carry_out)(std::size_t which);
    bool may_wait = false;
    std::size_t windows = 0;  // of it, all in all
};

std::vector<Operation> operations() {
    return {{"publish", &Scene::publish, true},
            {"try_publish", &Scene::try_publish},
            {"subscribe", &Scene::subscribe},
            {"read", &Scene::read, true},
            {"try_read", &Scene::try_read},
            {"unsubscribe", &Scene::unsubscribe},
            {"on_message", &Scene::on_message},
            {"on_message once", &Scene::on_message_once},
            {"disconnect", &Scene::disconnect},
            {"disconnect inside a handler", &Scene::disconnect_inside},
            {"join", &Scene::join},
            {"leave", &Scene::leave},
            {"read an inbox", &Scene::read_inbox, true},
            {"try_read an inbox", &Scene::try_read_inbox},
            {"an inbox goes", &Scene::drop_inbox},
            {"close", &Scene::close},
            {"info", &Scene::info},
            {"subscribers", &Scene::subscribers},
            {"wait_for_subscribers", &Scene::wait_for_subscribers, true},
            {"a handle goes", &Scene::let_go}};
}

}  // namespace

TEST_CASE("two operations of a channel, of which one is stopped inside its lock or in a handler",
          "[channel][gate]") {
    auto firsts = operations();
    std::size_t pairs = 0;
    std::size_t windows = 0;
    for (const Situation situation : {Situation::busy, Situation::held_back, Situation::last}) {
        for (Operation& first : firsts) {
            for (const Operation& second : operations()) {
                // In the last situation nobody could end a wait.
                if (situation == Situation::last && (first.may_wait || second.may_wait)) continue;
                const auto run = [](Scene& scene, const Operation& operation, std::size_t which) {
                    (scene.*operation.carry_out)(which);
                    scene.end(which);
                };
                const std::size_t found =
                    for_each_window([&] { return std::make_unique<Scene>(situation); },
                                    [&](Scene& scene) { run(scene, first, 0); },
                                    [&](Scene& scene) { run(scene, second, 1); });
                ++pairs;
                windows += found;
                first.windows += found;
                if (Scene::is_right && Scene::is_refused) continue;
                FAIL("stopped: " << first.name << "; beside it: " << second.name << "; situation "
                                 << static_cast<int>(situation));
            }
        }
    }
    std::cout << pairs << " pairs, " << windows << " windows:\n";
    for (const Operation& each : firsts)
        if (each.windows != 0) std::cout << "  " << each.name << ' ' << each.windows << '\n';
    CHECK(windows != 0);
}
