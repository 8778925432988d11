// SPDX-License-Identifier: MIT
// Random steps over two streams, and over what each of them has to be; after each step both must
// look the same.
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using runnel::Ack;
using runnel::ConsumerGroup;
using runnel::Deliveries;
using runnel::ManualClock;
using runnel::Nack;
using runnel::Stream;
using runnel::StreamId;
using runnel::test::Random;
using runnel::test::Tally;

namespace {

using Number = std::unique_ptr<int>;

// A delivery as it was made: of which stream, to whom.
struct Handed {
    StreamId id;
    std::string consumer;
    std::uint64_t attempt;
};

// What a stream has to be.
struct StreamModel {
    struct Pending {
        std::string consumer;  // empty: it was given back
        std::uint64_t deliveries;
    };

    [[nodiscard]] StreamId next_id(std::uint64_t now) const {
        return now > last.ms ? StreamId{now} : StreamId{last.ms, last.seq + 1};
    }
    void add(std::uint64_t now, int number) {
        last = next_id(now);
        entries[last] = number;
        while (entries.size() > keep) entries.erase(entries.begin());
    }
    [[nodiscard]] bool is_held(const Handed& delivery) const {
        const auto found = pending.find(delivery.id);
        return found != pending.end() && found->second.consumer == delivery.consumer &&
               found->second.deliveries == delivery.attempt;
    }

    std::size_t keep;
    std::map<StreamId, int> entries{};
    std::map<StreamId, Pending> pending{};
    StreamId last{};
    StreamId read{};  // the position of the group
    bool closed = false;
};

class TwoStreams {
public:
    TwoStreams(std::uint64_t seed, std::uint64_t number, Tally& tally)
        : random_{seed, number}, tally_{tally} {}

    void run(std::size_t steps) {
        for (std::size_t step = 0; step != steps; ++step) {
            one_step();
            compare(0);
            compare(1);
        }
    }

private:
    // A stream, its group, and batches that were read there and are still open.
    struct Side {
        Side(ManualClock& clock, std::size_t keep)
            : stream{{.keep = {.count = keep}, .block_entries = 4, .clock = &clock}}, model{keep} {}

        struct Batch {
            Deliveries<Number> deliveries;
            std::string consumer;
        };

        Stream<Number> stream;
        ConsumerGroup<Number> group = stream.group("group");
        std::vector<Batch> batches;
        StreamModel model;
    };

    void one_step() {
        const std::size_t dice = random_.below(1'000);
        if (dice < 5) return close();
        if (dice < 200) return add();
        if (dice < 250) return clock_.advance(random_.below(3) * 1ms);
        if (dice < 420) return read();
        if (dice < 520) return claim();
        if (dice < 560) return nack();
        if (dice < 640) return ack();
        if (dice < 680) return erase();
        if (dice < 720) return let_go();
        forward();
    }

    Side& any_side() { return sides_[random_.below(2)]; }
    std::string any_name() { return random_.percent(50) ? "ann" : "bob"; }
    [[nodiscard]] std::uint64_t now() const { return StreamId::at(clock_.wall()).ms; }

    void add() {
        Side& side = any_side();
        if (side.model.closed) return;
        side.stream.add(std::make_unique<int>(++number_));
        side.model.add(now(), number_);
    }

    void read() {
        Side& side = any_side();
        const std::string name = any_name();
        const std::size_t count = 1 + random_.below(4);
        auto batch = side.group.consumer(name).try_read({.count = count});
        StreamModel& model = side.model;
        std::vector<StreamId> expected;
        for (auto at = model.entries.upper_bound(model.read);
             at != model.entries.end() && expected.size() != count; ++at)
            expected.push_back(at->first);
        for (const StreamId id : expected) {
            model.pending[id] = {name, 1};
            model.read = id;
        }
        keep(side, std::move(batch), name, expected);
    }

    // All that is pending; what the stream has lost is dropped.
    void claim() {
        Side& side = any_side();
        const std::string name = any_name();
        std::vector<StreamId> ids;
        for (const auto& [id, pending] : side.model.pending)
            if (random_.percent(50)) ids.push_back(id);
        auto batch = side.group.consumer(name).claim(ids, {.min_idle = 0ms});
        std::vector<StreamId> expected;
        for (const StreamId id : ids) {
            if (!side.model.entries.contains(id)) {
                side.model.pending.erase(id);
                continue;
            }
            expected.push_back(id);
            auto& pending = side.model.pending[id];
            pending = {name, pending.deliveries + 1};
        }
        keep(side, std::move(batch), name, expected);
    }

    void nack() {
        with_any_delivery("nack", [&](Side& side, const auto& delivery, const Handed& handed) {
            const Ack ack = delivery.nack(Nack::fail);
            const bool held = side.model.is_held(handed);
            if (held) side.model.pending[handed.id].consumer.clear();
            return std::pair{ack, held ? Ack::done : Ack::stale};
        });
    }

    void ack() {
        with_any_delivery("ack", [&](Side& side, const auto& delivery, const Handed& handed) {
            const Ack ack = delivery.ack();
            const bool held = side.model.is_held(handed);
            if (held) side.model.pending.erase(handed.id);
            return std::pair{ack, held ? Ack::done : Ack::stale};
        });
    }

    void forward() {
        Side& to = any_side();
        with_any_delivery("forward", [&](Side& side, const auto& delivery, const Handed& handed) {
            auto message = std::make_unique<int>(++number_);
            const Ack ack = delivery.forward(to.stream, std::move(message));
            REQUIRE((message == nullptr) == (ack == Ack::done));
            if (!side.model.is_held(handed)) return std::pair{ack, Ack::stale};
            if (to.model.closed) return std::pair{ack, Ack::closed};
            side.model.pending.erase(handed.id);
            to.model.add(now(), number_);
            return std::pair{ack, Ack::done};
        });
    }

    // `use` returns what the delivery has said, and what it has to say.
    template <typename Use>
    void with_any_delivery(const char* what, Use use) {
        Side& side = any_side();
        if (side.batches.empty()) return;
        const auto& batch = random_.one_of(side.batches);
        const auto& delivery = batch.deliveries[random_.below(batch.deliveries.size())];
        const auto [ack, expected] =
            use(side, delivery, Handed{delivery.id, batch.consumer, delivery.attempt});
        REQUIRE(ack == expected);
        tally_.add(what, std::string{to_string(ack)});
    }

    void erase() {
        Side& side = any_side();
        if (side.model.entries.empty()) return;
        auto at = side.model.entries.begin();
        std::advance(at, random_.below(side.model.entries.size()));
        REQUIRE(side.stream.erase({at->first}) == 1);
        side.model.entries.erase(at);
    }

    void let_go() {
        Side& side = any_side();
        if (side.batches.empty()) return;
        std::swap(random_.one_of(side.batches), side.batches.back());
        side.batches.pop_back();
    }

    // The next one is open, and has other batches.
    void close() {
        Side& side = any_side();
        side.stream.close();
        side.model.closed = true;
        if (random_.percent(50)) side = Side{clock_, 1 + random_.below(20)};
    }

    static void keep(Side& side, Deliveries<Number> batch, const std::string& consumer,
                     const std::vector<StreamId>& expected) {
        std::vector<StreamId> ids;
        for (const auto& delivery : batch) ids.push_back(delivery.id);
        REQUIRE(ids == expected);
        if (batch) side.batches.push_back({std::move(batch), consumer});
    }

    void compare(std::size_t which) {
        const Side& side = sides_[which];
        std::map<StreamId, int> entries;
        for (const auto& [id, number] : side.stream.range()) entries[id] = *number;
        REQUIRE(entries == side.model.entries);
        REQUIRE(side.stream.last_id() == side.model.last);
        using Row = std::tuple<StreamId, std::string, std::uint64_t>;
        std::vector<Row> rows;
        std::vector<Row> expected;
        for (const auto& row : side.group.pending({}))
            rows.emplace_back(row.id, row.consumer, row.deliveries);
        for (const auto& [id, pending] : side.model.pending)
            expected.emplace_back(id, pending.consumer, pending.deliveries);
        REQUIRE(rows == expected);
    }

    Random random_;
    Tally& tally_;
    ManualClock clock_;
    std::array<Side, 2> sides_{Side{clock_, 12}, Side{clock_, 1'000}};
    int number_ = 0;
};

}  // namespace

TEST_CASE("two streams are what they have to be, whatever is forwarded between them",
          "[stream][forward][model]") {
    const std::uint64_t seed = runnel::test::seed_for("forward between two streams");
    Tally tally;
    const std::size_t count = runnel::test::scaled(200, 10);
    for (std::size_t number = 0; number != count; ++number) {
        CAPTURE(number);
        TwoStreams{seed, number, tally}.run(400);
    }
    for (const char* const outcome : {"done", "stale", "closed"}) {
        CAPTURE(outcome);
        CHECK(tally.of("forward", outcome) != 0);
    }
}
