// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/channel.hpp>
#include <runnel/inbox.hpp>

#include "support/stress_channel.hpp"
#include "support/stress_random.hpp"
#include "support/stress_shop.hpp"
#include "support/stress_specimen.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <utility>
#include <vector>

namespace runnel::test {

using namespace std::chrono_literals;

/// Some channels, and those who use them meanwhile.
struct ChannelRound {
    ChannelRound(const ChannelOptions<Specimen>& options, std::size_t workers) : stops{workers} {
        for (std::size_t count = 0; count != 3; ++count) channels.emplace_back(options);
    }

    [[nodiscard]] std::uint64_t published() const {
        std::uint64_t all = 0;
        for (const auto& channel : channels) all += channel.info().published;
        return all;
    }

    std::vector<Channel<Specimen>> channels;
    StopBoard stops;
    std::atomic<bool> over = false;  // all channels are closed
};

/// A handler that keeps a diary, as long as it is connected.
struct ListenerLife {
    Diary diary;
    std::size_t wrong = 0;
    std::size_t thrown = 0;
    std::size_t caught = 0;
    std::atomic<bool> is_busy = false;
    bool is_over = false;
    Connection connection;
};

inline std::unique_ptr<ListenerLife> listen(const ChannelRound& round, std::size_t which,
                                            std::size_t bound) {
    auto life = std::make_unique<ListenerLife>();
    const Channel<Specimen>& channel = round.channels.at(which);
    life->diary.kind = "handler";
    life->diary.channel = which;
    life->diary.parts.push_back({});
    life->diary.before = channel.info().published;
    const auto call = [](ListenerLife& mine, const Specimen& message) {
        const bool is_alone = !mine.is_busy.exchange(true, std::memory_order_relaxed);
        mine.wrong += is_alone && !mine.is_over ? 0 : 1;
        mine.diary.parts.front().numbers.push_back(message.number());
        mine.is_busy.store(false, std::memory_order_relaxed);
        if (message.number() % 8 != 0) return;
        ++mine.thrown;
        throw std::runtime_error{"an eighth"};
    };
    life->connection = channel.on_message(
        [&mine = *life, call, canary = Specimen{1}](const Specimen& message) {
            mine.wrong += canary.number() == 1 ? 0 : 1;
            call(mine, message);
        },
        {.bound = bound,
         .on_error = [&mine = *life](const std::exception_ptr&) { ++mine.caught; }});
    life->diary.after = channel.info().published;
    return life;
}

/// What a worker does.
enum class ChannelRole : std::uint8_t { auditor, publisher, visitor, collector, connector };

/// A thread that uses the channels.
class ChannelWorker {
public:
    ChannelWorker(ChannelRound& round, ChannelRole role, std::size_t number, Random random)
        : round_{round}, role_{role}, number_{number}, random_{random} {}

    void run() {
        if (role_ == ChannelRole::auditor) return audit();
        while (!is_done_) one_step();
    }

    /// An auditor's: it is there from the beginning, and gets all messages of its channel.
    void subscribe_to(std::size_t which, std::size_t bound) {
        channel_ = which;
        full_view_.emplace(
            round_.channels.at(which).subscribe({.bound = bound, .when_behind = Behind::block}));
    }

    /// What the main thread reads in the end.
    std::vector<std::uint64_t> heard;                         // an auditor's
    std::vector<std::pair<std::size_t, std::uint64_t>> sent;  // a publisher's
    std::vector<Diary> diaries;
    std::vector<InboxDiary> inbox_diaries;
    // Read again when the channels are gone.
    std::vector<std::pair<Messages<Specimen>, std::vector<std::uint64_t>>> kept;
    std::vector<std::pair<InboxMessages<Specimen>, std::vector<std::uint64_t>>> kept_of_inboxes;
    Tally tally;

private:
    void one_step() {
        switch (role_) {
        case ChannelRole::auditor:
            return;
        case ChannelRole::publisher:
            return publish();
        case ChannelRole::visitor:
            return visit();
        case ChannelRole::collector:
            return collect();
        case ChannelRole::connector:
            return connect();
        }
    }

    void expect(const char* what, bool holds) { tally.add(what, holds ? "right" : "WRONG"); }

    void pause_now_and_then(std::size_t chance) {
        if (random_.percent(chance)) pass(random_.below(100) * 1us);
    }

    WaitOptions any_wait() {
        WaitOptions options;
        if (random_.percent(50)) options.timeout = random_.below(150) * 1us;
        if (random_.percent(50)) options.stop = round_.stops.token(number_);
        return options;
    }
    ReadOptions any_read() {
        const WaitOptions wait = any_wait();
        ReadOptions options{.timeout = wait.timeout, .stop = wait.stop};
        if (random_.percent(50)) options.count = 1 + random_.below(10);
        return options;
    }
    std::size_t any_channel() { return random_.below(round_.channels.size()); }

    // ---- publishing

    void publish() {
        const std::size_t which = any_channel();
        const auto& channel = round_.channels.at(which);
        const std::uint64_t number = numbered(number_, ++count_);
        Specimen message{number};
        const WaitOptions options = random_.percent(30) ? any_wait() : WaitOptions{};
        const bool tries = random_.percent(10);
        const Published result = tries ? channel.try_publish(std::move(message))
                                       : channel.publish(std::move(message), options);
        tally.add(tries ? "try_publish" : "publish", to_string(result.ending));
        if (result.ending == Push::done) {
            sent.emplace_back(which, number);
            expect("reached", result.reached >= 1);
        } else {
            expect("not published: untouched", result.reached == 0 && message.number() == number);
        }
        if (result.ending == Push::closed) is_done_ = round_.over.load();
        pause_now_and_then(result.ending == Push::closed ? 100 : 2);
    }

    // ---- reading by cursor

    void audit() {
        for (;;) {
            const auto batch = random_.percent(10) ? full_view_->try_read(any_read())
                                                   : full_view_->read(any_read());
            expect("auditor: missed", batch.missed() == 0);
            for (const Specimen& message : batch) heard.push_back(message.number());
            if (!batch) tally.add("auditor", to_string(batch.ending()));
            if (!batch && batch.ending() == Ending::closed) break;
            pause_now_and_then(1);
        }
        full_view_.reset();
    }

    SubscribeOptions any_subscription() {
        constexpr std::array kinds{Behind::skip_oldest, Behind::disconnect, Behind::block};
        SubscribeOptions options{.bound = 1 + random_.below(random_.percent(50) ? 10 : 200),
                                 .when_behind = random_.one_of(kinds)};
        // Sometimes less than some messages weigh.
        if (random_.percent(30)) options.bytes.hard = 1 + random_.below(500);
        if (options.when_behind == Behind::disconnect && random_.percent(30))
            options.bytes.soft = 1 + random_.below(100);
        return options;
    }

    static const char* kind_of(Behind behind) {
        constexpr std::array names{"skip_oldest", "drop_newest", "disconnect", "block"};
        return names.at(static_cast<std::size_t>(behind));
    }

    void visit() {
        const std::size_t which = any_channel();
        const auto& channel = round_.channels.at(which);
        const SubscribeOptions options = any_subscription();
        Diary diary{.kind = kind_of(options.when_behind), .channel = which};
        diary.may_miss = options.when_behind != Behind::block;
        diary.before = channel.info().published;
        std::optional<Subscription<Specimen>> view;
        try {
            view.emplace(channel.subscribe(options));
        } catch (const Error& error) {
            expect("subscribe: closed", error.code() == ErrorCode::closed);
            is_done_ = round_.over.load();
            return pass(100us);
        }
        diary.after = channel.info().published;
        std::size_t reads = random_.percent(30) ? 100'000'000 : 1 + random_.below(200);
        const std::size_t laziness =
            options.when_behind == Behind::block ? random_.below(3) : random_.below(30);
        std::optional<std::pair<Messages<Specimen>, std::vector<std::uint64_t>>> held;
        std::uint64_t missed = 0;
        for (; reads != 0; --reads) {
            auto batch = random_.percent(20) ? view->try_read(any_read()) : view->read(any_read());
            missed += batch.missed();
            if (!batch) {
                tally.add(diary.kind, to_string(batch.ending()));
                diary.missed_at_the_end += batch.missed();
                diary.is_complete = batch.ending() == Ending::closed;
                diary.was_disconnected = batch.ending() == Ending::disconnected;
                if (diary.is_complete || diary.was_disconnected) break;
            } else {
                auto& part = diary.parts.emplace_back(Diary::Part{batch.missed(), {}});
                for (const Specimen& message : batch) part.numbers.push_back(message.number());
                expect("size", batch.size() == part.numbers.size() &&
                                   batch.front().number() == part.numbers.front() &&
                                   batch.back().number() == part.numbers.back());
                if (random_.percent(5)) held.emplace(std::move(batch), part.numbers);
            }
            if (held && random_.percent(10)) {
                expect("held", is_still(held->first, held->second));
                held.reset();
            }
            pause_now_and_then(laziness);
        }
        expect("missed", view->missed() == missed);
        // It may not have come to know yet.
        expect("connected", !diary.was_disconnected || !view->connected());
        if (random_.percent(50)) view.reset();
        if (held && kept.size() < 20) kept.push_back(std::move(*held));
        diaries.push_back(std::move(diary));
    }

public:
    static bool is_still(const Messages<Specimen>& batch,
                         const std::vector<std::uint64_t>& numbers) {
        return std::equal(batch.begin(), batch.end(), numbers.begin(), numbers.end(),
                          [](const Specimen& message, std::uint64_t number) {
                              return message.number() == number;
                          });
    }
    static bool is_still(const InboxMessages<Specimen>& batch,
                         const std::vector<std::uint64_t>& numbers) {
        bool is_right = batch.size() == numbers.size();
        for (std::size_t at = 0; is_right && at != numbers.size(); ++at)
            is_right = batch[at].value.number() == numbers[at];
        return is_right;
    }

private:
    // ---- reading from several channels

    void collect() {
        InboxOptions options{.bound = 1 + random_.below(random_.percent(50) ? 10 : 500)};
        if (random_.percent(40)) options.when_behind = Behind::disconnect;
        if (random_.percent(30)) options.bytes.hard = 1 + random_.below(500);
        InboxDiary diary{.kind = options.when_behind == Behind::disconnect ? "inbox: disconnect"
                                                                           : "inbox: drop_newest"};
        Inbox<Specimen> inbox{options};
        for (const std::size_t which : random_.subset(round_.channels.size())) {
            const auto& channel = round_.channels.at(which);
            const std::uint64_t before = channel.info().published;
            try {
                inbox.join(channel);
                diary.channels.push_back(which);
                diary.before += before;
                diary.after += channel.info().published;
            } catch (const Error& error) {
                expect("join: closed", error.code() == ErrorCode::closed);
            }
        }
        if (diary.channels.empty()) {
            expect("joined none", inbox.read().ending() == Ending::closed);
            is_done_ = round_.over.load();
            return pass(100us);
        }
        read_inbox(inbox, diary);
        inbox_diaries.push_back(std::move(diary));
    }

    void read_inbox(Inbox<Specimen>& inbox, InboxDiary& diary) {
        std::size_t reads = random_.percent(40) ? 100'000'000 : 1 + random_.below(100);
        const std::size_t laziness = random_.below(30);
        bool has_left = false;
        for (; reads != 0; --reads) {
            auto batch = random_.percent(20) ? inbox.try_read(any_read()) : inbox.read(any_read());
            if (!batch) {
                tally.add(diary.kind, to_string(batch.ending()));
                diary.is_complete = batch.ending() == Ending::closed && !has_left;
                if (batch.ending() == Ending::closed || batch.ending() == Ending::disconnected)
                    break;
            } else {
                std::vector<std::uint64_t> numbers;
                std::uint64_t missed = 0;
                for (const auto& message : batch) {
                    numbers.push_back(message.value.number());
                    missed += message.missed;
                    expect("by name", message.channel.empty() && message.pattern.empty());
                }
                expect("inbox: missed", missed == batch.missed());
                diary.numbers.insert(diary.numbers.end(), numbers.begin(), numbers.end());
                if (random_.percent(2) && kept_of_inboxes.size() < 20)
                    kept_of_inboxes.emplace_back(std::move(batch), std::move(numbers));
            }
            pause_now_and_then(laziness);
            if (random_.below(500) == 0) {
                (void)inbox.leave(round_.channels.at(random_.one_of(diary.channels)));
                has_left = true;
            }
        }
        diary.missed = inbox.missed();
        diary.kind = inbox.connected() ? diary.kind : "inbox: was disconnected";
    }

    // ---- handlers that come and go

    void connect() {
        try {
            lives_.push_back(listen(round_, any_channel(), 1 + random_.below(20)));
        } catch (const Error& error) {
            expect("connect: closed", error.code() == ErrorCode::closed);
            is_done_ = round_.over.load();
        }
        pass(random_.below(300) * 1us);
        while (lives_.size() > random_.below(5) || (is_done_ && !lives_.empty())) {
            std::swap(random_.one_of(lives_), lives_.back());
            end(*lives_.back());
            lives_.pop_back();
        }
    }

public:
    void end(ListenerLife& life) {
        life.connection.disconnect();
        life.is_over = true;
        expect("handler: calls", life.wrong == 0);
        expect("handler: thrown", life.thrown == life.caught);
        diaries.push_back(std::move(life.diary));
    }

private:
    ChannelRound& round_;
    const ChannelRole role_;
    const std::uint64_t number_;
    Random random_;
    std::size_t channel_ = 0;
    std::optional<Subscription<Specimen>> full_view_;
    std::uint64_t count_ = 0;
    std::vector<std::unique_ptr<ListenerLife>> lives_;
    bool is_done_ = false;
};

}  // namespace runnel::test
