// SPDX-License-Identifier: MIT
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"
#include "support/stress_shop.hpp"
#include "support/stress_specimen.hpp"
#include "support/stress_stream.hpp"
#include "support/stress_stream_audit.hpp"
#include "support/stress_stream_worker.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using runnel::Ack;
using runnel::Deliveries;
using runnel::Ending;
using runnel::Entries;
using runnel::From;
using runnel::KeptEntry;
using runnel::StreamId;
using runnel::test::Audit;
using runnel::test::Deeds;
using runnel::test::GroupBoard;
using runnel::test::Parcel;
using runnel::test::Progress;
using runnel::test::Random;
using runnel::test::Role;
using runnel::test::Round;
using runnel::test::Shelf;
using runnel::test::Specimen;
using runnel::test::Tally;
using runnel::test::Traveller;
using runnel::test::Worker;

namespace {

using Stream = runnel::Stream<Specimen>;

constexpr std::array crew{Role::writer,   Role::writer,   Role::traveller, Role::traveller,
                          Role::browser,  Role::consumer, Role::consumer,  Role::consumer,
                          Role::consumer, Role::medic,    Role::remover};

// Each with the count of its deliveries.
using PendingAtTheEnd = std::map<std::pair<std::size_t, StreamId>, std::uint64_t>;

PendingAtTheEnd pending_of(const GroupBoard& groups) {
    PendingAtTheEnd pending;
    for (const auto& life : groups.all())
        for (const auto& entry : life->group.pending(runnel::PendingOptions{}))
            pending[{life->number, entry.id}] = entry.deliveries;
    return pending;
}

// The stream has gone, and what lies on the shelf still works.
void clear_after_the_end(Shelf& shelf, PendingAtTheEnd pending, Random& random, Tally& tally) {
    for (Shelf::Item item = shelf.take(random); item.index() != 0; item = shelf.take(random)) {
        bool is_right = true;
        if (const auto* const batch = std::get_if<Entries<Specimen>>(&item)) {
            for (const auto& entry : *batch) is_right &= entry.value.number() != 0;
        } else if (const auto* const kept = std::get_if<KeptEntry<Specimen>>(&item)) {
            is_right = (*kept)->number() != 0;
        } else {
            const auto parcel = std::get<std::shared_ptr<const Parcel>>(item);
            for (const auto& delivery : parcel->deliveries) {
                is_right &= delivery.value.number() != 0;
                if (delivery.ack() == Ack::stale) continue;
                const auto found = pending.find({parcel->life, delivery.id});
                is_right &= found != pending.end() && found->second == delivery.attempt;
                if (found != pending.end()) pending.erase(found);
            }
        }
        tally.add("after the end", is_right ? "right" : "WRONG");
    }
}

class Game {
public:
    explicit Game(std::uint64_t seed) : seed_{seed} {}

    void play_round() {
        Random random{seed_, ++rounds_ << 8U};
        runnel::StreamOptions options{.block_entries =
                                          4 + static_cast<std::uint32_t>(random.below(61))};
        const bool has_remover = rounds_ % 2 == 0;
        if (rounds_ % 4 >= 2) options.keep.count = random.below(random.percent(20) ? 5 : 500);
        Shelf shelf;
        auto round =
            std::make_unique<Round>(options, has_remover, shelf, crew.size(), progress, random);
        for (const bool with_cursor : {true, true, true, false}) {
            auto traveller = std::make_unique<Traveller>();
            if (with_cursor) traveller->cursor = round->stream.cursor();
            round->travellers.add(std::move(traveller));
        }
        Deeds deeds = run(*round, random);
        added += deeds.added.size();
        check(*round, std::move(deeds), options.keep.count == GroupBoard::unlimited);

        if (random.percent(50)) {
            while (shelf.take(random).index() != 0) {
            }
            const bool is_right = Specimen::alive() == static_cast<long>(round->stream.size());
            tally.add("alive is what is in the stream", is_right ? "right" : "WRONG");
            round.reset();
        } else {
            auto pending = pending_of(round->groups);
            round.reset();
            clear_after_the_end(shelf, std::move(pending), random, tally);
        }
        tally.add("in the end all are dead", Specimen::alive() == 0 ? "right" : "WRONG");
    }

    Progress progress;
    Tally tally;
    std::size_t added = 0;

private:
    [[nodiscard]] Deeds run(Round& round, Random& random) {
        std::vector<std::unique_ptr<Worker>> workers;
        for (const Role role : crew) {
            const std::size_t number = workers.size();
            workers.push_back(std::make_unique<Worker>(
                round, role, number, Random{seed_, (rounds_ << 8U) + 1 + number}));
        }
        std::vector<std::jthread> threads;
        for (const auto& worker : workers) threads.emplace_back([&worker] { worker->run(); });
        disturb(round, random);
        round.over = true;
        round.stream.close();
        runnel::test::pass(100us);
        round.stops.stop_all();
        threads.clear();

        Deeds deeds;
        for (const auto& worker : workers) {
            deeds.add(worker->deeds);
            tally.add(worker->tally);
        }
        return deeds;
    }

    static void disturb(Round& round, Random& random) {
        constexpr std::size_t adds = 4'000;
        while (round.added.load() < adds && Specimen::faults() == 0) {
            round.stops.request_stop(random.below(crew.size()));
            if (random.percent(15))
                round.groups.renew(random.below(GroupBoard::names.size()), random);
            runnel::test::pass(random.below(100) * 1us);
        }
    }

    void check(const Round& round, Deeds deeds, bool keeps_all) {
        Audit audit{round.stream, std::move(deeds), tally};
        audit.check_stream(round.stream, keeps_all);
        for (const auto& traveller : round.travellers.arrived()) audit.check(*traveller);
        for (const auto& life : round.groups.all()) audit.check(*life);
    }

    const std::uint64_t seed_;
    std::uint64_t rounds_ = 0;
};

}  // namespace

TEST_CASE("readers see what lives, in order, and each delivery ends once", "[stream][race]") {
    const std::uint64_t seed = runnel::test::seed_for("readers see what lives");
    const std::size_t each = runnel::test::scaled(300, 20);
    const std::size_t adds = runnel::test::scaled(300'000, 10'000);

    Game game{seed};
    while ((!game.progress.reached(each) || game.added < adds) && Specimen::faults() == 0)
        game.play_round();

    std::cout << game.tally << "  in all " << game.added << " added";
    for (std::size_t at = 0; at != runnel::test::result_names.size(); ++at)
        std::cout << "  " << runnel::test::result_names[at] << ' '
                  << game.progress.results[at].load();
    std::cout << std::endl;
    CHECK(Specimen::faults() == 0);
    CHECK(game.tally.all("WRONG") == 0);
    CHECK(game.progress.reached(each));
}

namespace {

// Handles on the heap, so that they can go while other threads wait through them; and what was read
// before.
struct Handles {
    explicit Handles(Random& random) {
        using Consumer = runnel::Consumer<Specimen>;
        const auto slots = 4 + static_cast<std::uint32_t>(random.below(61));
        stream = std::make_unique<Stream>(runnel::StreamOptions{.block_entries = slots});
        for (std::uint64_t number = 2 + random.below(60); number != 0; --number)
            stream->add(Specimen{number});
        const auto wide = stream->group("wide");
        batch.emplace(wide.consumer("ann").try_read());
        const char* const name = "bob, whose name is too long to lie in the handle";
        idle = std::make_unique<Consumer>(wide.consumer(name));
        full =
            std::make_unique<Consumer>(stream->group("narrow").consumer(name, {.max_pending = 1}));
        (void)full->try_read();
        kept.emplace(batch->front().keep());
        range.emplace(stream->reverse_range());
        cursor.emplace(stream->cursor(From::end));
    }

    void let_go(Random& random) {
        for (const std::size_t which : {random.below(3), 0UL, 1UL, 2UL}) {
            if (which == 0) stream.reset();
            if (which == 1) idle.reset();
            if (which == 2) full.reset();
        }
    }

    std::unique_ptr<Stream> stream;
    std::unique_ptr<runnel::Consumer<Specimen>> idle;
    std::unique_ptr<runnel::Consumer<Specimen>> full;  // has as much as it may
    std::optional<runnel::Cursor<Specimen>> cursor;
    std::optional<Deliveries<Specimen>> batch;
    std::optional<KeptEntry<Specimen>> kept;
    std::optional<Entries<Specimen>> range;
};

}  // namespace

TEST_CASE("reads end when the last handle goes, and what was read lives on", "[stream][race]") {
    const std::uint64_t seed = runnel::test::seed_for("reads end when the last handle goes");
    const std::size_t rounds = runnel::test::scaled(1'500, 100);
    std::atomic<std::size_t> right = 0;
    std::atomic<std::size_t> wrong = 0;
    const auto expect = [&](bool holds) { ++(holds ? right : wrong); };
    const auto expect_closed = [&](const auto& nothing) {
        expect(!nothing && nothing.ending() == Ending::closed);
    };

    for (std::size_t round = 0; round != rounds && Specimen::faults() == 0; ++round) {
        Random random{seed, round};
        Handles handles{random};
        std::vector<std::jthread> threads;
        threads.emplace_back([&, &stream = *handles.stream] {
            expect_closed(stream.read(From::end));
            for (const auto& entry : *handles.range) expect(entry.value.number() != 0);
            handles.range.reset();
        });
        threads.emplace_back([&, &consumer = *handles.idle] {
            expect_closed(consumer.read());
            expect((*handles.kept)->number() != 0);
            handles.kept.reset();
        });
        threads.emplace_back([&, &consumer = *handles.full] { expect_closed(consumer.read()); });
        threads.emplace_back([&] {
            expect_closed(handles.cursor->read());
            handles.cursor.reset();
        });
        while (handles.stream->info().waiting != 4) runnel::test::pass(10us);
        // Acknowledges while the handles go.
        threads.emplace_back([&] {
            for (const auto& delivery : *handles.batch) {
                expect(delivery.value.number() != 0);
                expect(delivery.ack() == Ack::done);
                expect(delivery.ack() == Ack::stale);
            }
            handles.batch.reset();
        });
        handles.let_go(random);
        threads.clear();
        expect(Specimen::alive() == 0);
    }

    std::cout << "  right " << right << "  WRONG " << wrong << std::endl;
    CHECK(Specimen::faults() == 0);
    CHECK(wrong == 0);
}

namespace {

// Two streams, between which one message after the other goes to and fro. No wait has a time-out:
// a wake-up that is missed shows as a test that does not end.
struct Conversation {
    Stream questions{{.block_entries = 8}};
    Stream answers{{.block_entries = 4}};
    std::atomic<std::size_t> seen = 0;

    // Waits for the answer to each question.
    void ask(std::uint64_t first, std::uint64_t count) {
        auto cursor = answers.cursor(From::end);
        for (auto number = first; number != first + count; ++number) {
            questions.add(Specimen{number});
            for (bool is_answered = false; !is_answered;)
                for (const auto& answer : cursor.read({.count = 2}))
                    is_answered |= answer.value.number() == number;
        }
    }

    // Erases each question at once, while others look at it.
    void answer(const char* name) {
        const auto me = questions.group("all").consumer(name);
        while (const auto batch = me.read({.count = 2})) {
            for (const auto& question : batch) {
                questions.erase({question.id});
                answers.add(Specimen{question.value.number()});
                question.ack();
            }
        }
    }

    // Reads what is about to be erased.
    template <typename Read>
    void watch(Read read) {
        std::size_t count = 0;
        while (const auto batch = read())
            for (const auto& entry : batch) count += entry.value.number() != 0 ? 1 : 0;
        seen += count;
    }
    void watch_by_cursor() {
        watch([cursor = questions.cursor()]() mutable { return cursor.read({.count = 1}); });
    }
    void watch_by_id() {
        watch([this, last = StreamId{}]() mutable {
            auto batch = questions.read(last, {.count = 3});
            if (batch) last = batch.back().id;
            return batch;
        });
    }
};

}  // namespace

TEST_CASE("no read misses what it waits for, or sees it die", "[stream][race]") {
    constexpr std::uint64_t askers = 3;
    const auto each = static_cast<std::uint64_t>(runnel::test::scaled(20'000, 500));
    {
        Conversation conversation;
        std::vector<std::jthread> others;
        for (const char* const name : {"ann", "bob"})
            others.emplace_back([&conversation, name] { conversation.answer(name); });
        others.emplace_back([&] { conversation.watch_by_cursor(); });
        others.emplace_back([&] { conversation.watch_by_cursor(); });
        others.emplace_back([&] { conversation.watch_by_id(); });
        {
            std::vector<std::jthread> crew_of_askers;
            for (std::uint64_t asker = 0; asker != askers; ++asker)
                crew_of_askers.emplace_back(
                    [&, asker] { conversation.ask(1 + (asker << 40U), each); });
        }
        conversation.questions.close();
        others.clear();
        const auto group = conversation.questions.group("all");
        CHECK(group.info().pending == 0);
        CHECK(group.lag() == 0);
        CHECK(conversation.questions.size() == 0);
        CHECK(conversation.answers.size() == askers * each);
        CHECK(Specimen::alive() == static_cast<long>(askers * each));
        CHECK(conversation.questions.info().waiting == 0);
        std::cout << "questions seen by others " << conversation.seen << " of " << 3 * askers * each
                  << std::endl;
    }
    CHECK(Specimen::alive() == 0);
    CHECK(Specimen::faults() == 0);
}
