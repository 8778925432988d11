// SPDX-License-Identifier: MIT
#include <runnel/channel.hpp>
#include <runnel/inbox.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/stress_channel.hpp"
#include "support/stress_channel_worker.hpp"
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
#include <iostream>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using runnel::Behind;
using runnel::Ending;
using runnel::test::ChannelRole;
using runnel::test::ChannelRound;
using runnel::test::ChannelWorker;
using runnel::test::ListenerLife;
using runnel::test::Random;
using runnel::test::Score;
using runnel::test::Specimen;
using runnel::test::Tally;

namespace {

constexpr std::size_t auditors = 3;  // the first ones: one for each channel
constexpr std::array crew{ChannelRole::auditor,   ChannelRole::auditor,   ChannelRole::auditor,
                          ChannelRole::publisher, ChannelRole::publisher, ChannelRole::publisher,
                          ChannelRole::visitor,   ChannelRole::visitor,   ChannelRole::visitor,
                          ChannelRole::collector, ChannelRole::collector, ChannelRole::connector};

class ChannelGame {
public:
    explicit ChannelGame(std::uint64_t seed) : seed_{seed} {}

    void play_round() {
        Random random{seed_, ++rounds_ << 8U};
        runnel::ChannelOptions<Specimen> options;
        if (random.percent(50))
            options.weigh = [](const Specimen& message) { return 1 + message.number() % 50; };
        auto round = std::make_unique<ChannelRound>(options, crew.size());
        std::vector<std::unique_ptr<ChannelWorker>> workers;
        for (const ChannelRole role : crew) {
            const std::size_t number = workers.size();
            workers.push_back(std::make_unique<ChannelWorker>(
                *round, role, number, Random{seed_, (rounds_ << 8U) + 1 + number}));
        }
        for (std::size_t which = 0; which != auditors; ++which)
            workers.at(which)->subscribe_to(which, 1 + random.below(random.percent(50) ? 8 : 300));
        // Handlers that hear everything.
        std::vector<std::unique_ptr<ListenerLife>> lives;
        for (std::size_t which = 0; which != auditors; ++which)
            if (random.percent(50)) lives.push_back(listen(*round, which, 1 + random.below(20)));
        run(*round, workers, random);

        for (const auto& life : lives) {
            life->diary.is_complete = true;
            workers.front()->end(*life);
        }
        check(*round, workers);
        lives.clear();
        round.reset();
        for (const auto& worker : workers) clear(*worker);
        workers.clear();
        expect("in the end all are dead", Specimen::alive() == 0);
    }

    Tally tally;
    std::size_t published = 0;

private:
    void expect(const char* what, bool holds) { tally.add(what, holds ? "right" : "WRONG"); }

    static void run(ChannelRound& round, std::vector<std::unique_ptr<ChannelWorker>>& workers,
                    Random& random) {
        std::vector<std::jthread> threads;
        for (const auto& worker : workers) threads.emplace_back([&worker] { worker->run(); });
        std::uint64_t until = 0;
        for (const std::size_t which : {0U, 1U, 2U}) {
            until += 500 + random.below(1'000);
            while (round.published() < until && Specimen::faults() == 0) {
                round.stops.request_stop(random.below(crew.size()));
                runnel::test::pass(random.below(100) * 1us);
            }
            round.channels.at(which).close();
        }
        round.over = true;
        round.stops.stop_all();
    }

    void check(const ChannelRound& round, std::vector<std::unique_ptr<ChannelWorker>>& workers) {
        std::vector<Score> scores;
        std::vector<std::vector<std::uint64_t>> sent(auditors);
        for (std::size_t which = 0; which != auditors; ++which)
            scores.emplace_back(workers.at(which)->heard);
        std::vector<std::uint64_t> counts(auditors);
        for (const auto& worker : workers) {
            std::vector<std::uint64_t> last(auditors);
            for (const auto& [channel, number] : worker->sent) {
                const std::uint64_t at = scores.at(channel).position(number);
                expect("order of a publisher", at > std::exchange(last.at(channel), at));
                ++counts.at(channel);
            }
        }
        for (std::size_t which = 0; which != auditors; ++which) {
            const auto info = round.channels.at(which).info();
            expect("published", scores.at(which).size() == counts.at(which));
            expect("info: published", info.published == counts.at(which));
            expect("info: all have gone", info.subscriptions == 0 && info.handlers == 0 &&
                                              info.inboxes == 0 && info.waiting == 0);
            published += counts.at(which);
        }
        for (const auto& worker : workers) {
            for (const auto& diary : worker->diaries) {
                tally.add(diary.kind, scores.at(diary.channel).agrees(diary) ? "agrees" : "WRONG");
                for (const auto& part : diary.parts)
                    if (part.missed != 0) tally.add(diary.kind, "skipped");
            }
            for (const auto& diary : worker->inbox_diaries) {
                tally.add(diary.kind, agree(scores, diary) ? "agrees" : "WRONG");
                if (diary.is_complete) tally.add(diary.kind, "to the end");
                if (diary.missed != 0) tally.add(diary.kind, "missed some");
            }
            tally.add(worker->tally);
        }
    }

    // The channels have gone, and what was read of them still lives.
    void clear(ChannelWorker& worker) {
        for (const auto& [batch, numbers] : worker.kept)
            expect("after the end", ChannelWorker::is_still(batch, numbers));
        for (const auto& [batch, numbers] : worker.kept_of_inboxes)
            expect("after the end", ChannelWorker::is_still(batch, numbers));
    }

    const std::uint64_t seed_;
    std::uint64_t rounds_ = 0;
};

}  // namespace

TEST_CASE("all see one order, and know what they have missed", "[channel][inbox][race]") {
    const std::uint64_t seed = runnel::test::seed_for("all see one order");
    const std::size_t messages = runnel::test::scaled(40'000, 3'000);

    ChannelGame game{seed};
    const auto has_seen_all = [&] {
        constexpr std::array kinds{"skip_oldest", "disconnect",         "block",
                                   "handler",     "inbox: drop_newest", "inbox: was disconnected"};
        return std::all_of(kinds.begin(), kinds.end(),
                           [&](const char* kind) { return game.tally.of(kind, "agrees") != 0; });
    };
    while ((game.published < messages || !has_seen_all()) && Specimen::faults() == 0 &&
           game.tally.all("WRONG") == 0)
        game.play_round();

    std::cout << game.tally << "  in all " << game.published << " published" << std::endl;
    CHECK(Specimen::faults() == 0);
    CHECK(game.tally.all("WRONG") == 0);
}

namespace {

// Questions and answers go to and fro between channels, so that a wake-up that is missed shows as a
// test that does not end: no wait has a time-out.
struct Talk {
    runnel::Channel<Specimen> questions;
    runnel::Channel<Specimen> answers;

    // Waits for the answer to each question.
    template <typename Read>
    void ask(Read read, std::uint64_t first, std::uint64_t count) const {
        for (auto number = first; number != first + count; ++number) {
            (void)questions.publish(Specimen{number});
            while (read() != number) {
            }
        }
    }
};

}  // namespace

TEST_CASE("no read and no publish misses what it waits for", "[channel][inbox][race]") {
    const auto each = static_cast<std::uint64_t>(runnel::test::scaled(15'000, 500));
    std::atomic<std::uint64_t> heard = 0;
    {
        const Talk talk;
        std::vector<std::jthread> others;
        // By a subscription that holds the askers back, with room for one: so all of them wait.
        others.emplace_back([&, view = talk.questions.subscribe(
                                    {.bound = 1, .when_behind = Behind::block})]() mutable {
            while (const auto batch = view.read())
                for (const Specimen& question : batch)
                    (void)talk.answers.publish(Specimen{question.number()});
        });
        const auto listener = talk.questions.on_message(
            [&](const Specimen& question) { heard += question.number() != 0 ? 1 : 0; },
            {.bound = 1});
        {
            std::vector<std::jthread> askers;
            for (const std::uint64_t asker : {1U, 2U}) {
                // It must not skip its answer, however long it is kept from its core.
                auto view = talk.answers.subscribe({.bound = 3 * each});
                askers.emplace_back([&, asker, view = std::move(view)]() mutable {
                    const auto read = [&] {
                        const auto batch = view.read({.count = 1});
                        return batch.front().number();
                    };
                    talk.ask(read, asker << 40U, each);
                });
            }
            runnel::Inbox<Specimen> inbox{{.bound = 3 * each}};
            inbox.join(talk.answers);
            askers.emplace_back([&, inbox = std::move(inbox)]() mutable {
                const auto read = [&] {
                    const auto batch = inbox.read({.count = 1});
                    return batch[0].value.number();
                };
                talk.ask(read, std::uint64_t{3} << 40U, each);
            });
        }
        talk.questions.close();
        others.clear();
        CHECK(heard == 3 * each);
        CHECK(talk.questions.info().waiting == 0);
        CHECK(talk.answers.info().published == 3 * each);
    }
    CHECK(Specimen::alive() == 0);
    CHECK(Specimen::faults() == 0);
}

TEST_CASE("an inbox goes while channels deliver to it and close", "[channel][inbox][race]") {
    const std::uint64_t seed = runnel::test::seed_for("an inbox goes");
    const std::size_t rounds = runnel::test::scaled(1'000, 50);
    std::size_t delivered = 0;
    for (std::size_t round = 0; round != rounds && Specimen::faults() == 0; ++round) {
        Random random{seed, round};
        auto channels = std::make_unique<std::array<runnel::Channel<Specimen>, 2>>();
        auto inbox = std::make_unique<runnel::Inbox<Specimen>>(
            runnel::InboxOptions{.bound = 1 + random.below(50)});
        for (const auto& channel : *channels) inbox->join(channel);
        std::optional<runnel::InboxMessages<Specimen>> batch;
        std::vector<std::jthread> threads;
        for (const std::uint64_t publisher : {0U, 1U})
            threads.emplace_back([publisher, channel = channels->at(publisher)] {
                for (std::uint64_t count = 1; count <= 20; ++count)
                    (void)channel.publish(Specimen{runnel::test::numbered(publisher, count)});
            });
        if (random.percent(50)) threads.emplace_back([copy = channels->front()] { copy.close(); });
        if (random.percent(50)) batch.emplace(inbox->read({.count = 3, .timeout = 50us}));
        if (random.percent(50)) channels.reset();
        inbox.reset();
        threads.clear();
        channels.reset();
        if (batch) {
            delivered += batch->size();
            for (const auto& message : *batch) delivered += message.value.number() != 0 ? 0 : 1;
            batch.reset();
        }
        REQUIRE(Specimen::alive() == 0);
    }
    std::cout << "  delivered " << delivered << std::endl;
    CHECK(Specimen::faults() == 0);
}
