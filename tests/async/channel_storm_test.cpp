// SPDX-License-Identifier: MIT
// Coroutines of several threads publish to channels, read from them and wait for subscribers. They
// are served, stopped, timed out, closed, disconnected and destroyed at random. Each message is
// published once, and all who get the messages of a channel get them in the same order.
#include <runnel/awaitable.hpp>
#include <runnel/channel.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/clock.hpp>
#include <runnel/connection.hpp>
#include <runnel/error.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>
#include <runnel/subscription.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/scale.hpp"
#include "support/storm.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

using runnel::Behind;
using runnel::Channel;
using runnel::Ending;
using runnel::Inbox;
using runnel::ManualClock;
using runnel::Published;
using runnel::Push;
using runnel::ReadOptions;
using runnel::Subscription;
using runnel::WaitOptions;
using runnel::test::Coroutine;
using runnel::test::in_threads;
using runnel::test::scaled;
using runnel::test::seed_for;
using runnel::test::StormCounts;
using runnel::test::StormLoop;
using namespace std::chrono_literals;

namespace {

using Note = std::uint64_t;

// A channel, and its messages in their order, as a handler gets them.
struct Room {
    explicit Room(ManualClock& clock) : channel{{.clock = &clock}} {}

    Channel<Note> channel;
    std::vector<Note> record;
    runnel::Connection recorder =
        channel.on_message([this](const Note& note) { record.push_back(note); }, {.bound = 3});
};

// What a reader gets of one room, in its order.
struct Got {
    Note note;
    std::uint64_t missed;  // just before it
    bool after_loss;       // a read was given up before it, with the messages that it was served
};

struct Log {
    std::shared_ptr<Room> room;
    std::vector<Got> all;
    bool is_complete = false;  // it was read to the end of the room
    bool has_lost = false;     // since the last one

    void add(Note note, std::uint64_t missed) {
        all.push_back({note, missed, std::exchange(has_lost, false)});
    }
};

// What becomes of a message.
enum class Outcome : std::uint8_t { unused, published, refused, unknown };  // unknown: given up

class House {
public:
    explicit House(std::size_t notes)
        : outcomes_(notes), places_(notes, nowhere), rooms_of_(notes) {
        for (auto& room : rooms_) room = made();
    }

    [[nodiscard]] std::shared_ptr<Room> room(std::size_t at) const {
        const std::lock_guard lock{mutex_};
        return rooms_[at];
    }

    // Closes a channel, and puts another one in its place.
    void replace(std::size_t at) {
        auto next = made();
        {
            const std::lock_guard lock{mutex_};
            std::swap(rooms_[at], next);
            closed_.push_back(next);
        }
        next->channel.close();
    }

    // Each is written by one thread.
    void set(Note note, Outcome outcome) { outcomes_[note] = outcome; }

    void keep(Log log) {
        const std::lock_guard lock{mutex_};
        logs_.push_back(std::move(log));
    }
    void keep_inbox(std::vector<Note> notes) {
        const std::lock_guard lock{mutex_};
        inboxes_.push_back(std::move(notes));
    }

    // These when nothing goes on any more.

    // How many messages are not in the records as often as they should be.
    [[nodiscard]] std::size_t wrong_notes() {
        std::size_t count = 0;
        for (const auto& room : closed_) count += enter(*room);
        for (const auto& room : rooms_) count += enter(*room);
        for (std::size_t note = 0; note != outcomes_.size(); ++note) {
            const bool is_there = places_[note] != nowhere;
            const bool is_right = outcomes_[note] == Outcome::unknown ||
                                  is_there == (outcomes_[note] == Outcome::published);
            count += is_right ? 0U : 1U;
        }
        return count;
    }
    // How many messages did not come to a subscription where they should.
    [[nodiscard]] std::size_t wrong_reads() const {
        std::size_t count = 0;
        for (const Log& log : logs_) count += wrong_reads(log);
        return count;
    }
    // How many came to an inbox against the order of their channel.
    [[nodiscard]] std::size_t wrong_in_inboxes() const {
        std::size_t count = 0;
        for (const auto& notes : inboxes_) {
            std::map<const Room*, std::size_t> last;
            for (const Note note : notes) {
                const auto [at, is_first] = last.try_emplace(rooms_of_[note], places_[note]);
                count += !is_first && places_[note] <= at->second ? 1U : 0U;
                at->second = places_[note];
            }
        }
        return count;
    }

    static constexpr std::size_t size = 5;

    ManualClock clock;
    StormCounts counts;

private:
    static constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();

    [[nodiscard]] std::shared_ptr<Room> made() { return std::make_shared<Room>(clock); }

    // Returns how many messages are there twice.
    [[nodiscard]] std::size_t enter(const Room& room) {
        std::size_t twice = 0;
        for (std::size_t place = 0; place != room.record.size(); ++place) {
            const Note note = room.record[place];
            twice += places_[note] != nowhere ? 1U : 0U;
            places_[note] = place;
            rooms_of_[note] = &room;
        }
        return twice;
    }

    [[nodiscard]] std::size_t wrong_reads(const Log& log) const {
        std::size_t count = 0;
        for (std::size_t at = 0; at != log.all.size(); ++at) {
            const auto& [note, missed, after_loss] = log.all[at];
            const std::size_t place = places_[note];
            bool is_right = rooms_of_[note] == log.room.get();
            if (at != 0) {
                const std::size_t next = places_[log.all[at - 1].note] + 1 + missed;
                is_right = is_right && (after_loss ? place >= next : place == next);
            }
            count += is_right ? 0U : 1U;
        }
        if (!log.is_complete || log.has_lost || log.all.empty()) return count;
        return count + (places_[log.all.back().note] + 1 == log.room->record.size() ? 0U : 1U);
    }

    mutable std::mutex mutex_;
    std::array<std::shared_ptr<Room>, size> rooms_;
    std::vector<std::shared_ptr<Room>> closed_;
    std::vector<Outcome> outcomes_;
    std::vector<Log> logs_;
    std::vector<std::vector<Note>> inboxes_;
    std::vector<std::size_t> places_;  // in the record of its room
    std::vector<const Room*> rooms_of_;
};

// Says that a coroutine reads, and whether that has come to its end.
class Reading {
public:
    Reading(bool& reads, bool& has_lost) : reads_{reads}, has_lost_{has_lost} { reads_ = true; }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
    ~Reading() {
        reads_ = false;
        if (!is_finished_) has_lost_ = true;
    }
    void finish() { is_finished_ = true; }

private:
    bool& reads_;
    bool& has_lost_;
    bool is_finished_ = false;
};

// A subscription of a thread.
struct View {
    View(House& house, const std::shared_ptr<Room>& room, const runnel::SubscribeOptions& options)
        : of{house}, log{room, {}}, subscription{room->channel.subscribe(options)} {}
    View(const View&) = delete;
    View& operator=(const View&) = delete;
    ~View() { of.keep(std::move(log)); }

    House& of;
    Log log;
    Subscription<Note> subscription;
    bool reads = false;
    bool is_over = false;
};

// An inbox of a thread.
struct Desk {
    explicit Desk(House& house) : of{house}, inbox{{.bound = 8, .clock = &house.clock}} {}
    Desk(const Desk&) = delete;
    Desk& operator=(const Desk&) = delete;
    ~Desk() { of.keep_inbox(std::move(notes)); }

    House& of;
    std::vector<Note> notes;
    Inbox<Note> inbox;
    bool reads = false;
    bool is_over = false;
    bool has_lost = false;
};

// One thread, its loop, its subscriptions, and the coroutines that go on there.
class Guest : runnel::test::StormHand {
public:
    Guest(House& house, std::uint64_t seed, std::size_t number, Note first, std::size_t steps)
        : StormHand{seed, number}, house_{house}, next_{first}, steps_{steps} {}

    void run() {
        for (; steps_ != 0; --steps_) step();
        end_all();
    }

private:
    using Executor = StormLoop::Executor;

    static constexpr std::array<runnel::SubscribeOptions, 4> kinds_of_views{
        {{.bound = 3, .when_behind = Behind::block},
         {.bound = 1, .when_behind = Behind::block},
         {.bound = 2, .when_behind = Behind::skip_oldest},
         {.bound = 2, .when_behind = Behind::disconnect}}};

    void step() {
        switch (random_.below(16)) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4:
            return look();
        case 5:
            return look_into_inbox();
        case 6:
        case 7:
        case 8:
        case 9:
            return loop_.start(
                [this](Executor on) { return publish(house_, any(), next_++, options(), on); });
        case 10:
            return loop_.start([this](Executor on) {
                return count(house_, any(), random_.below(10), options(), on);
            });
        case 11:
            return give_up(house_.counts);
        case 12:
            return stop();
        case 13:
            return house_.clock.advance(1ms);
        case 14:
            return random_.percent(4) ? house_.replace(random_.below(House::size)) : loop_.run();
        default:
            return loop_.run();
        }
    }

    [[nodiscard]] std::shared_ptr<Room> any() { return house_.room(random_.below(House::size)); }

    [[nodiscard]] WaitOptions options() { return limited(WaitOptions{}); }
    [[nodiscard]] ReadOptions read_options() {
        const WaitOptions chosen = options();
        return {.count = 1 + random_.below(3), .timeout = chosen.timeout, .stop = chosen.stop};
    }

    void look() {
        const std::size_t at = random_.below(views_.size());
        std::unique_ptr<View>& view = views_[at];
        if (view != nullptr && view->reads) return;
        if (view == nullptr || view->is_over || random_.percent(1)) {
            view.reset();
            const auto room = any();
            if (room->channel.closed()) return;  // it has just been
            try {
                view = std::make_unique<View>(house_, room, kinds_of_views.at(at));
            } catch (const runnel::Error&) {  // now it has
                return;
            }
        }
        loop_.start([&](Executor on) { return read(house_, *view, read_options(), on); });
    }
    void look_into_inbox() {
        if (desk_ != nullptr && desk_->reads) return;
        if (desk_ == nullptr || desk_->is_over || random_.percent(1)) {
            desk_ = std::make_unique<Desk>(house_);
            try {
                const auto one = random_.below(House::size);
                desk_->inbox.join(house_.room(one)->channel);
                desk_->inbox.join(house_.room((one + 1) % House::size)->channel);
            } catch (const runnel::Error&) {  // one was closed meanwhile
            }
        }
        loop_.start([&](Executor on) { return read(house_, *desk_, read_options(), on); });
    }

    // These are static, as a member's coroutine refers to what may have gone.

    static Coroutine read(House& house, View& view, ReadOptions options, Executor on) {
        Reading reading{view.reads, view.log.has_lost};
        const auto batch = co_await view.subscription.async_read(options).on(on);
        reading.finish();
        std::uint64_t missed = batch.missed();
        for (const Note note : batch) view.log.add(note, std::exchange(missed, 0));
        house.counts.add(batch ? "read" : to_string(batch.ending()));
        if (batch) co_return;
        view.is_over = batch.ending() == Ending::closed || batch.ending() == Ending::disconnected;
        view.log.is_complete = batch.ending() == Ending::closed && missed == 0;
    }
    static Coroutine read(House& house, Desk& desk, ReadOptions options, Executor on) {
        Reading reading{desk.reads, desk.has_lost};
        const auto batch = co_await desk.inbox.async_read(options).on(on);
        for (const auto& message : batch) desk.notes.push_back(message.value);
        house.counts.add(batch ? "read of an inbox" : to_string(batch.ending()));
        desk.is_over = !batch && batch.ending() == Ending::closed;
    }
    static Coroutine publish(House& house, std::shared_ptr<Room> room, Note note,
                             WaitOptions options, Executor on) {
        house.set(note, Outcome::unknown);
        const Published published = co_await room->channel.async_publish(note, options).on(on);
        const bool is_done = published.ending == Push::done;
        house.set(note, is_done ? Outcome::published : Outcome::refused);
        house.counts.add(is_done ? "published" : to_string(published.ending));
    }
    static Coroutine count(House& house, std::shared_ptr<Room> room, std::size_t count,
                           WaitOptions options, Executor on) {
        const bool are_there =
            co_await room->channel.async_wait_for_subscribers(count, options).on(on);
        house.counts.add(are_there ? "counted" : "not counted");
    }

    House& house_;
    std::array<std::unique_ptr<View>, kinds_of_views.size()> views_;
    std::unique_ptr<Desk> desk_;
    Note next_;
    std::size_t steps_;
};

}  // namespace

TEST_CASE("all get the messages of channels in their order, however waits of coroutines end") {
    constexpr std::size_t threads = 3;
    const std::size_t steps = scaled(200'000);
    const std::uint64_t seed = seed_for("channel storm");
    House house{threads * steps};
    in_threads(threads, [&](std::size_t number) {
        Guest{house, seed, number, number * steps, steps}.run();
    });
    house.counts.print("channel storm");
    CHECK(house.wrong_notes() == 0);
    CHECK(house.wrong_reads() == 0);
    CHECK(house.wrong_in_inboxes() == 0);
    CHECK(house.counts.kinds() == 11);
}
