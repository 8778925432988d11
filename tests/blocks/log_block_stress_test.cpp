// SPDX-License-Identifier: MIT
#include <runnel/detail/blocks/log_block.hpp>
#include <runnel/stream_id.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"
#include "support/stress_specimen.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

using runnel::detail::count_slots;
using runnel::detail::first_slot;
using runnel::detail::slot_bit;
using runnel::detail::SlotMask;
using runnel::test::Random;
using runnel::test::Specimen;
using runnel::test::Tally;

using runnel::StreamId;

namespace {

using Block = runnel::detail::LogBlock<Specimen>;

// A block, the lock of its log, and pins that one thread has left for another to take away.
struct Ward {
    explicit Ward(std::uint32_t capacity) : block{Block::make({1, 1}, capacity)} {}

    Block* const block;
    std::mutex mutex;
    std::mutex pins_mutex;
    std::vector<SlotMask> pins;  // what each saw alive
};

// The blocks of one round. All threads are busy with the one at the front and the next.
struct Wards {
    std::vector<std::unique_ptr<Ward>> all;
    std::atomic<std::size_t> front = 0;
};

enum Event : std::uint8_t {
    looked,
    left_pin,
    appended,
    reaped,
    left_to_others,
    wrong,
    event_count
};
constexpr std::array event_names{
    "looked", "left a pin", "appended", "erased, reaped", "erased, left it to others", "WRONG"};

// A thread that owns all blocks, and drops them one by one.
class Nurse {
public:
    Nurse(Wards& wards, Random random) : wards_{wards}, random_{random} {
        for (const auto& ward : wards.all) ward->block->add_owner();
    }

    void run() {
        std::size_t dropped = 0;
        for (;;) {
            const std::size_t front = wards_.front.load();
            while (dropped != front) wards_.all[dropped++]->block->remove_owner();
            if (front == wards_.all.size()) return;
            Ward& ward = *wards_.all[std::min(front + random_.below(2), wards_.all.size() - 1)];
            for (auto steps = 1 + random_.below(8); steps != 0; --steps) one_step(ward);
            const Block& block = *wards_.all[front]->block;
            auto expected = front;
            if (block.is_full() && (block.live() == 0 || random_.percent(2)))
                wards_.front.compare_exchange_strong(expected, front + 1);
        }
    }

    std::array<std::size_t, event_count> events{};

private:
    void one_step(Ward& ward) {
        const std::size_t dice = random_.below(100);
        if (dice < 25) return write(ward);
        if (dice < 35) return take_away(ward);
        Block& block = *ward.block;
        block.pin();
        const SlotMask slots = block.live();
        if (dice < 50) look_at(block, slots);
        if (dice < 75) write(ward);
        look_at(block, slots);
        if (dice < 95) return block.unpin();
        const std::lock_guard lock{ward.pins_mutex};
        ward.pins.push_back(slots);
        ++events[left_pin];
    }

    void write(Ward& ward) {
        Block& block = *ward.block;
        bool has_to_reap = false;
        {
            const std::lock_guard lock{ward.mutex};
            const std::uint32_t count = block.count();
            const StreamId next{1, 1 + count};
            if (block.takes(next) && random_.percent(60)) {
                block.append(next, Specimen{count + 1});
                ++events[appended];
                return;
            }
            const SlotMask some = some_of(block.live());
            if (some == 0) return;
            has_to_reap = block.erase(some);
        }
        ++events[has_to_reap ? reaped : left_to_others];
        if (has_to_reap) block.finish_reap();
    }

    void take_away(Ward& ward) {
        SlotMask slots = 0;
        {
            const std::lock_guard lock{ward.pins_mutex};
            if (ward.pins.empty()) return;
            slots = std::exchange(random_.one_of(ward.pins), ward.pins.back());
            ward.pins.pop_back();
        }
        look_at(*ward.block, slots);
        ward.block->unpin();
    }

    void look_at(const Block& block, SlotMask slots) {
        for (; slots != 0; slots &= slots - 1) {
            const std::uint32_t slot = first_slot(slots);
            if (block.value(slot).number() != slot + 1) ++events[wrong];
            if (block.id(slot) != runnel::StreamId{1, 1 + slot}) ++events[wrong];
        }
        ++events[looked];
    }

    [[nodiscard]] SlotMask some_of(SlotMask slots) {
        SlotMask some = 0;
        const std::size_t chance = 10 + random_.below(100);
        for (; slots != 0; slots &= slots - 1)
            if (random_.percent(chance)) some |= slot_bit(first_slot(slots));
        return some;
    }

    Wards& wards_;
    Random random_;
};

// Takes away the pins that are left. The block may be gone after the last one.
void tidy(Ward& ward) {
    for (const SlotMask pin : ward.pins) {
        for (SlotMask slots = pin; slots != 0; slots &= slots - 1)
            if (ward.block->value(first_slot(slots)).number() == 0) FAIL("moved from");
        ward.block->unpin();
    }
}

}  // namespace

TEST_CASE("a value lives as long as it is in the log or under a pin, and no longer",
          "[log_block][race]") {
    const std::uint64_t seed = runnel::test::seed_for("a value lives as long as");
    constexpr std::size_t blocks = 500;
    constexpr std::size_t crew_size = 4;
    const std::size_t rounds = runnel::test::scaled(700, 20);

    Tally tally;
    std::size_t alive_too_long = 0;
    for (std::size_t round = 0; round != rounds && Specimen::faults() == 0; ++round) {
        Random random{seed, round * (crew_size + 1)};
        Wards wards;
        while (wards.all.size() != blocks) {
            const auto capacity = 1 + random.below(random.percent(80) ? 8 : 64);
            wards.all.push_back(std::make_unique<Ward>(static_cast<std::uint32_t>(capacity)));
        }
        std::vector<std::unique_ptr<Nurse>> crew;
        while (crew.size() != crew_size) {
            const auto stream = round * (crew_size + 1) + crew.size() + 1;
            crew.push_back(std::make_unique<Nurse>(wards, Random{seed, stream}));
        }
        std::vector<std::jthread> threads;
        for (const auto& nurse : crew) threads.emplace_back([&nurse] { nurse->run(); });

        // In half of the rounds somebody else is the last owner.
        const bool is_last = random.percent(50);
        if (!is_last)
            for (const auto& ward : wards.all) ward->block->remove_owner();
        threads.clear();
        for (const auto& ward : wards.all) tidy(*ward);
        if (is_last) {
            long live = 0;
            for (const auto& ward : wards.all) live += count_slots(ward->block->live());
            alive_too_long += Specimen::alive() == live ? 0 : 1;
            for (const auto& ward : wards.all) ward->block->remove_owner();
        }
        alive_too_long += Specimen::alive() == 0 ? 0 : 1;
        for (const auto& nurse : crew)
            for (std::size_t at = 0; at != event_count; ++at)
                tally.add("in all", event_names[at], nurse->events[at]);
    }

    std::cout << tally;
    CHECK(Specimen::faults() == 0);
    CHECK(alive_too_long == 0);
    CHECK(tally.all("WRONG") == 0);
    for (const char* const event : event_names)
        if (event != event_names[wrong]) CHECK(tally.all(event) > 0);
}
