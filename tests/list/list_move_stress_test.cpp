// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/stress_ledger.hpp"
#include "support/stress_random.hpp"
#include "support/stress_shop.hpp"
#include "support/stress_tally.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// Locks that are taken in the wrong order, and moves that nobody serves, show as a test that does
// not end.

using namespace std::chrono_literals;
using runnel::BlockingList;
using runnel::End;
using runnel::Full;
using runnel::test::balance_of;
using runnel::test::Numbers;
using runnel::test::Random;
using runnel::test::Tally;

namespace {

using Token = std::uint64_t;
using Shop = runnel::test::Shop<Token>;

struct Mover {
    std::size_t moved = 0;
    Tally tally{};
    Numbers in_hand{};  // taken out and not put back
};

End any_end(Random& random) {
    return random.percent(50) ? End::front : End::back;
}

runnel::Timeout any_timeout(Random& random) {
    const std::size_t dice = random.below(10);
    if (dice < 1) return 0s;
    if (dice < 5) return random.below(100) * 1us;
    return {};
}

// Moves from anywhere to anywhere; now and then takes one out and puts it back elsewhere.
void move_about(Shop& shop, runnel::test::StopBoard& stops, std::size_t number, Random random,
                const std::atomic<bool>& over, std::atomic<std::size_t>& all_moved, Mover& mover) {
    const auto any_list = [&] { return shop.at(random.below(shop.size())); };
    while (!over.load(std::memory_order_relaxed)) {
        const std::stop_token stop = stops.token(number);
        if (random.percent(10)) {
            if (const auto token = any_list().pop_front({any_timeout(random), stop}))
                mover.in_hand.push_back(*token);
        } else if (!mover.in_hand.empty() && random.percent(30)) {
            Token token = mover.in_hand.back();
            const auto pushed = any_list().push_back(std::move(token), {any_timeout(random), stop});
            if (pushed == runnel::Push::done) mover.in_hand.pop_back();
        } else if (random.percent(20)) {
            if (const auto token = any_list().try_pop_front()) mover.in_hand.push_back(*token);
        } else {
            const BlockingList<Token> from = any_list();
            const BlockingList<Token> to = any_list();
            const runnel::MoveOptions options{any_end(random), any_end(random), any_timeout(random),
                                              stop};
            const auto moved =
                random.percent(30) ? from.try_move_to(to, options) : from.move_to(to, options);
            mover.tally.add("moves", moved ? "value" : to_string(moved.ending()));
            if (!moved) continue;
            ++mover.moved;
            all_moved.fetch_add(1, std::memory_order_relaxed);
        }
    }
}

Numbers tokens_in(const Shop& shop) {
    Numbers all;
    for (const BlockingList<Token>& list : shop.all()) {
        const std::vector<Token> tokens = list.range();
        all.insert(all.end(), tokens.begin(), tokens.end());
    }
    return all;
}

// Movers over these lists until enough was moved; then all tokens must be somewhere.
void check_conservation(const std::string& what, const std::vector<runnel::ListOptions>& options,
                        std::size_t token_count, std::size_t moves, bool closes) {
    const std::uint64_t seed = runnel::test::seed_for(what);
    constexpr std::size_t movers = 6;
    Shop shop{options};
    Random random{seed, movers};
    Numbers sent;
    while (sent.size() != token_count) {
        const Token token = sent.size() + 1;
        const auto pushed = shop.at(random.below(shop.size())).try_push_back(Token{token});
        if (pushed == runnel::Push::done) sent.push_back(token);
    }

    runnel::test::StopBoard stops{movers};
    std::atomic<bool> over = false;
    std::atomic<std::size_t> all_moved = 0;
    std::vector<std::unique_ptr<Mover>> crew;
    std::vector<std::jthread> threads;
    for (std::size_t at = 0; at != movers; ++at) {
        crew.push_back(std::make_unique<Mover>());
        threads.emplace_back([&, at, &mover = *crew.back()] {
            move_about(shop, stops, at, Random{seed, at}, over, all_moved, mover);
        });
    }
    std::size_t added = 0;
    while (all_moved.load() < moves) {
        stops.request_stop(random.below(movers));
        if (closes && random.percent(20)) {
            // What is in the old list stays there, so the new one is given something.
            const std::size_t which = random.below(shop.size());
            shop.replace(which, random.percent(50));
            const Token token = token_count + ++added;
            if (shop.at(which).try_push_front(Token{token}) == runnel::Push::done)
                sent.push_back(token);
        }
        runnel::test::pass(random.below(100) * 1us);
    }
    over = true;
    shop.close_all();
    stops.stop_all();
    threads.clear();

    Numbers found = tokens_in(shop);
    Tally tally;
    for (const auto& mover : crew) {
        found.insert(found.end(), mover->in_hand.begin(), mover->in_hand.end());
        tally.add(mover->tally);
    }
    const auto balance = balance_of(sent, found);
    std::cout << tally;
    CAPTURE(what);
    CHECK(balance.lost == 0);
    CHECK(balance.invented == 0);
    CHECK(sent.size() == found.size());
    CHECK(tally.of("moves", "timed_out") > 0);
    CHECK(tally.of("moves", "stopped") > 0);
    if (closes) CHECK(tally.of("moves", "closed") > 0);
    for (const BlockingList<Token>& list : shop.all()) {
        const auto stats = list.stats();
        if (stats.blocked_pops + stats.blocked_pushes != 0) FAIL("somebody stands in line still");
    }
}

}  // namespace

TEST_CASE("moves in all directions lose nothing and double nothing", "[list][move][race]") {
    const std::size_t moves = runnel::test::scaled(60'000, 2'000);
    check_conservation("moves between roomy lists", {{}, {}, {}, {}}, 12, moves, false);
    check_conservation("moves between narrow lists",
                       {{.capacity = 1}, {.capacity = 2}, {.capacity = 3}, {.capacity = 1}}, 5,
                       moves, false);
    check_conservation(
        "moves between lists that are closed",
        {{.capacity = 2}, {}, {.capacity = 4, .when_full = Full::reject}, {.capacity = 1}}, 6,
        moves, true);
}

TEST_CASE("a chain of moves keeps the order", "[list][move][race]") {
    const auto count = runnel::test::scaled(40'000, 1'000);
    constexpr std::size_t stages = 5;
    std::vector<BlockingList<Token>> lists;
    for (std::size_t at = 0; at != stages; ++at)
        lists.emplace_back(runnel::ListOptions{.capacity = at % 2 == 0 ? 1U : 3U});

    std::vector<std::jthread> threads;
    threads.emplace_back([&] {
        for (Token token = 1; token <= count; ++token) (void)lists[0].push_back(Token{token});
    });
    for (std::size_t at = 0; at + 1 != stages; ++at) {
        threads.emplace_back([&, at] {
            for (std::size_t moved = 0; moved != count; ++moved)
                if (!lists[at].move_to(lists[at + 1])) return;
        });
    }
    std::size_t out_of_order = 0;
    for (Token expected = 1; expected <= count; ++expected) {
        const auto token = lists.back().pop_front();
        out_of_order += token && *token == expected ? 0 : 1;
    }
    threads.clear();
    CHECK(out_of_order == 0);
    for (const auto& list : lists) CHECK(list.size() == 0);
}

TEST_CASE("a ring of moves goes on for ever", "[list][move][race]") {
    const std::uint64_t seed = runnel::test::seed_for("a ring of moves");
    const std::size_t rounds = runnel::test::scaled(30'000, 1'000);
    constexpr std::size_t stages = 4;
    for (const std::size_t tokens : {1U, 3U}) {
        std::vector<BlockingList<Token>> lists(
            stages, BlockingList<Token>{});  // handles of one list: replaced below
        for (auto& list : lists) list = BlockingList<Token>{{.capacity = 1}};
        for (std::size_t at = 0; at != tokens; ++at) (void)lists[at].try_push_back(at + 1);

        // Each stage has two movers, of whom one may be given up at any time.
        std::stop_source over;
        std::atomic<std::size_t> moved = 0;
        std::vector<std::jthread> threads;
        for (std::size_t at = 0; at != 2 * stages; ++at) {
            threads.emplace_back([&, at] {
                Random random{seed, at};
                while (!over.stop_requested()) {
                    const runnel::Timeout timeout =
                        at < stages ? runnel::Timeout{} : random.below(50) * 1us;
                    const auto token = lists[at % stages].move_to(
                        lists[(at + 1) % stages], {.timeout = timeout, .stop = over.get_token()});
                    if (token && moved.fetch_add(1) + 1 == rounds) over.request_stop();
                }
            });
        }
        threads.clear();
        std::size_t left = 0;
        for (const auto& list : lists) left += list.size();
        CAPTURE(tokens);
        CHECK(left == tokens);
        CHECK(moved.load() >= rounds);
    }
}
