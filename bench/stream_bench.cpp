// SPDX-License-Identifier: MIT
// runnel's Stream beside what people would use instead: a std::map of entries and one of pending
// ones under a mutex, written by hand, and moodycamel's blocking queue where a queue would do.
//
//   stream_bench [part of "group/log"]       REPS=7 in the environment: repetitions
//                                            LARGE=1: also logs of 10^7 entries (3 GB)
#include "harness.hpp"
#include "heap.hpp"
#include "logs.hpp"
#include "messages.hpp"
#include "program.hpp"
#include "threads.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace runnel::bench {
namespace {

/// The time that several pieces of work take together, for each thing that they did. Counted while
/// the calling thread runs, which never waits here: what else the machine does is left out.
class Meter {
public:
    /// work() returns how many things it did.
    template <class Work>
    void measure(const Work& work) {
        const uint64_t start = own_time();
        things_ += work();
        spent_ += nanoseconds{own_time() - start};
    }

    [[nodiscard]] nanoseconds spent() const { return spent_; }
    [[nodiscard]] double each() const { return per_message(spent_, things_); }

private:
    nanoseconds spent_{};
    uint64_t things_ = 0;
};

/// Sums up the numbers that it is shown.
template <class T>
auto adding_to(uint64_t& sum) {
    return [&sum](const T& value) { sum += number_in(value); };
}

// ---- workloads ----------------------------------------------------------------------------------

enum class Ids { by_clock, given };

/// Throughput of one thread that adds 500,000 entries to a log that nobody reads. Ids are given
/// out by the wall clock, or by the caller: eight a millisecond. Figure: ns per entry.
template <class Log>
Sample add_alone(Ids ids) {
    using T = typename Log::value_type;
    using Id = typename Log::Id;
    constexpr uint64_t entries = 500'000;
    const auto log = std::make_unique<Log>();
    Meter adding;
    adding.measure([&] {
        for (uint64_t number = 1; number <= entries; ++number) {
            if (ids == Ids::by_clock) {
                keep(log->add(message<T>(number)));
            } else {
                keep(log->add(Id{1 + number / 8, number % 8}, message<T>(number)));
            }
        }
        return entries;
    });
    uint64_t sum = 0;
    log->range(Id{0, 0}, entries, adding_to<T>(sum));
    check(sum == sum_to(entries), "what is in the log is not what was added");
    return {adding.spent(), {adding.each()}};
}

/// By hand, many readers take microseconds for each entry: fewer entries are enough then.
template <class Log>
constexpr uint64_t entries_for(unsigned readers) {
    const bool is_slow = std::same_as<Log, HandLog<typename Log::value_type>> && readers > 1;
    return is_slow ? 1'600'000 / readers : 500'000;
}

/// Throughput from one producer to readers that each read everything, as fast as they can, and
/// wait at the end of the log. The producer goes on once all readers have its first entry: else it
/// would be done before many readers have begun. Figure: M entries/s for each reader.
template <class Log>
Sample read_all(unsigned readers, uint64_t most) {
    using T = typename Log::value_type;
    const uint64_t entries = entries_for<Log>(readers);
    const auto log = std::make_unique<Log>();
    std::atomic<unsigned> present{0};
    const auto produce = [&] {
        log->add(message<T>(1));
        yield_until([&] { return present == readers; });
        for (uint64_t number = 2; number <= entries; ++number) log->add(message<T>(number));
    };
    const auto consume = [&] {
        typename Log::Reader reader{*log, most};
        uint64_t sum = 0;
        uint64_t count = reader.read(adding_to<T>(sum));
        ++present;
        while (count < entries) count += reader.read(adding_to<T>(sum));
        check(sum == sum_to(entries), "what was read is not what was added");
    };
    const nanoseconds elapsed =
        run_together(1 + readers, readers == 1 ? Placement::pinned : Placement::free,
                     [&](unsigned thread) { thread == 0 ? produce() : consume(); });
    return {elapsed, {1e3 / per_message(elapsed, entries)}};
}

/// Throughput of one thread that adds an entry, reads it for a group, and acknowledges it, 200,000
/// times. Figure: ns for the three.
template <class Log>
Sample work_alone() {
    using T = typename Log::value_type;
    constexpr uint64_t entries = 200'000;
    const auto log = std::make_unique<Log>();
    typename Log::Group group{*log};
    typename Log::Consumer consumer{group, 1, 1};
    uint64_t sum = 0;
    Meter working;
    working.measure([&] {
        for (uint64_t number = 1; number <= entries; ++number) {
            log->add(message<T>(number));
            consumer.work(adding_to<T>(sum));
        }
        return entries;
    });
    check(sum == sum_to(entries), "what was delivered is not what was added");
    return {working.spent(), {working.each()}};
}

/// Throughput from one producer to the consumers of one group, who read up to `most` entries at a
/// time and acknowledge each. Figure: M entries/s for all consumers together.
template <class Log>
Sample share_work(unsigned consumers, uint64_t most) {
    using T = typename Log::value_type;
    constexpr uint64_t entries = 100'000;
    const auto log = std::make_unique<Log>();
    typename Log::Group group{*log};
    std::atomic<uint64_t> total{0};
    const auto produce = [&] {
        for (uint64_t number = 1; number <= entries; ++number) log->add(message<T>(number));
        log->close();
    };
    const auto consume = [&](unsigned number) {
        typename Log::Consumer consumer{group, number, most};
        uint64_t sum = 0;
        while (consumer.work(adding_to<T>(sum)) != 0) {
        }
        total += sum;
    };
    const nanoseconds elapsed =
        run_together(1 + consumers, consumers == 1 ? Placement::pinned : Placement::free,
                     [&](unsigned thread) { thread == 0 ? produce() : consume(thread); });
    check(total == sum_to(entries), "what was delivered is not what was added");
    return {elapsed, {1e3 / per_message(elapsed, entries)}};
}

/// What one thread can do with a log of a given size: fill it, look up entries, deliver all of them
/// to a group, and then claim and acknowledge some. Small logs come several times.
template <class Log>
class LogOfSize {
public:
    explicit LogOfSize(uint64_t size) : size_{size} { ids_.reserve(size); }

    Sample run() {
        for (uint64_t entries = 0; entries < 200'000; entries += size_) round();
        Sample sample{{}, {}};
        for (const Meter& meter : meters_) {
            sample.elapsed += meter.spent();
            sample.figures.push_back(meter.each());
        }
        return sample;
    }

    /// In the order of the figures.
    enum What : std::size_t {
        add,
        range_of_1,
        range_of_100,
        range_of_10_near_the_tail,
        group_read_of_1,
        group_read_of_100,
        claim_of_100,
        autoclaim_of_100,
        ack_in_order,
        ack_at_random,
        count_of_figures,
    };

private:
    using T = typename Log::value_type;
    using Id = typename Log::Id;
    using Places = std::vector<uint64_t>;

    void round() {
        const auto log = std::make_unique<Log>();
        ids_.clear();
        meters_[add].measure([&] {
            for (uint64_t number = 1; number <= size_; ++number)
                ids_.push_back(log->add(message<T>(number)));
            return size_;
        });
        look_up(*log);
        typename Log::Group group{*log};
        deliver(group);
        claim(group);
        acknowledge(group);
    }

    void look_up(Log& log) {
        const uint64_t times = std::clamp<uint64_t>(size_ / 2, 500, 200'000);
        look_up(log, range_of_1, 1, places(times, 0, size_));
        look_up(log, range_of_100, 100, places(50 + times / 100, 0, size_ - 100));
        look_up(log, range_of_10_near_the_tail, 10, places(200, size_ - 500, size_ - 10));
    }

    void look_up(Log& log, What what, uint64_t most, const Places& places) {
        const std::vector<Id> from = ids_at(places);
        uint64_t sum = 0;
        meters_[what].measure([&] {
            uint64_t count = 0;
            for (const Id& id : from) count += log.range(id, most, adding_to<T>(sum));
            return count;
        });
        check(sum == sum_from(places, most), "a range shows others than were added there");
    }

    /// The first half one by one.
    void deliver(typename Log::Group& group) {
        const uint64_t half = size_ / 2;
        const uint64_t sum = read(group_read_of_1, {group, 1, 1}, half) +
                             read(group_read_of_100, {group, 2, 100}, size_ - half);
        check(sum == sum_to(size_), "what was delivered is not what was added");
    }

    uint64_t read(What what, typename Log::Consumer consumer, uint64_t entries) {
        uint64_t sum = 0;
        meters_[what].measure([&] {
            uint64_t count = 0;
            while (count < entries) count += consumer.read(adding_to<T>(sum));
            return count;
        });
        return sum;
    }

    /// A hundred in a row, at random places: by their ids, and by the first one.
    void claim(typename Log::Group& group) {
        typename Log::Consumer thief{group, 3, 1};
        const uint64_t times = std::clamp<uint64_t>(size_ / 200, 50, 2'000);
        claim(claim_of_100, times, [&](uint64_t place, auto visit) {
            return thief.claim(std::span{ids_}.subspan(place, 100), visit);
        });
        claim(autoclaim_of_100, times,
              [&](uint64_t place, auto visit) { return thief.sweep(ids_[place], 100, visit); });
    }

    template <class Claim>
    void claim(What what, uint64_t times, const Claim& claim_at) {
        const Places from = places(times, 0, size_ - 100);
        uint64_t sum = 0;
        meters_[what].measure([&] {
            uint64_t count = 0;
            for (const uint64_t place : from) count += claim_at(place, adding_to<T>(sum));
            return count;
        });
        check(sum == sum_from(from, 100), "a claim got others than were pending there");
    }

    /// The first quarter in order, some of the others at random.
    void acknowledge(typename Log::Group& group) {
        const uint64_t quarter = size_ / 4;
        Places order(size_);
        for (uint64_t place = 0; place < size_; ++place) order[place] = place;
        const auto rest = order.begin() + static_cast<std::ptrdiff_t>(quarter);
        std::shuffle(rest, order.end(), random_);
        const auto acknowledge = [&](What what, const std::vector<Id>& ids) {
            uint64_t count = 0;
            meters_[what].measure([&] {
                for (const Id& id : ids) count += group.acknowledge(id) ? 1 : 0;
                return ids.size();
            });
            check(count == ids.size(), "an entry was not pending");
        };
        const auto some = static_cast<std::ptrdiff_t>(std::min<uint64_t>(quarter, 200'000));
        acknowledge(ack_in_order, ids_at({order.begin(), order.begin() + some}));
        acknowledge(ack_at_random, ids_at({rest, rest + some}));
    }

    Places places(uint64_t count, uint64_t first, uint64_t end) {
        std::uniform_int_distribution<uint64_t> place{first, end - 1};
        Places chosen(count);
        std::ranges::generate(chosen, [&] { return place(random_); });
        return chosen;
    }

    [[nodiscard]] std::vector<Id> ids_at(const Places& places) const {
        std::vector<Id> ids;
        ids.reserve(places.size());
        for (const uint64_t place : places) ids.push_back(ids_[place]);
        return ids;
    }

    /// Of the numbers of `most` entries from each place on.
    static uint64_t sum_from(const Places& places, uint64_t most) {
        uint64_t sum = 0;
        for (const uint64_t place : places) sum += sum_to(place + most) - sum_to(place);
        return sum;
    }

    uint64_t size_;
    std::vector<Id> ids_;
    std::array<Meter, count_of_figures> meters_;
    std::mt19937_64 random_{1};
};

/// What 1,000,000 entries of 8 bytes take in memory. Figures: bytes for an entry, for one that is
/// pending in addition to that, and for an empty log.
template <class Log>
Sample memory() {
    using T = typename Log::value_type;
    constexpr uint64_t entries = 1'000'000;
    const uint64_t start = now();
    const HeapCount heap;
    const auto log = std::make_unique<Log>();
    const std::size_t empty = heap.bytes();
    for (uint64_t number = 1; number <= entries; ++number) log->add(message<T>(number));
    const std::size_t filled = heap.bytes();
    typename Log::Group group{*log};
    typename Log::Consumer consumer{group, 1, 100};
    uint64_t sum = 0;
    const std::size_t before = heap.bytes();
    for (uint64_t count = 0; count < entries;) count += consumer.read(adding_to<T>(sum));
    const std::size_t delivered = heap.bytes();
    check(sum == sum_to(entries), "what was delivered is not what was added");
    const auto each = [](std::size_t bytes) { return static_cast<double>(bytes) / entries; };
    return {nanoseconds{now() - start},
            {each(filled - empty), each(delivered - before), static_cast<double>(empty)}};
}

/// What Redis' commands do, one thread, 100,000 entries. Figures: ns for an add; for a group read
/// of one entry and its acknowledgement; for a claim of one entry by its id; for each of 100
/// entries that are claimed in a row.
Sample do_as_redis_does() {
    using Log = RunnelLog<std::string>;
    constexpr uint64_t entries = 100'000;
    const auto log = std::make_unique<Log>();
    std::array<Meter, 4> meters;
    std::vector<Log::Id> ids;
    uint64_t sum = 0;
    const auto see = adding_to<std::string>(sum);
    // Calls step() until it has come across all entries.
    const auto all = [&](std::size_t what, const auto& step) {
        sum = 0;
        meters.at(what).measure([&] {
            for (uint64_t count = 0; count < entries;) count += step(count);
            return entries;
        });
    };
    ids.reserve(entries);
    all(0, [&](uint64_t count) {
        ids.push_back(log->add(message<std::string>(count + 1)));
        return uint64_t{1};
    });
    Log::Group group{*log};
    Log::Consumer worker{group, 1, 1};
    all(1, [&](uint64_t /*count*/) { return worker.work(see); });
    check(sum == sum_to(entries), "what was delivered is not what was added");

    RunnelLog<std::string>::Group other{*log, "other"};
    Log::Consumer reader{other, 1, 100};
    for (uint64_t count = 0; count < entries;) count += reader.read(see);
    Log::Consumer thief{other, 2, 1};
    all(2, [&](uint64_t count) { return thief.claim(std::span{ids}.subspan(count, 1), see); });
    all(3, [&](uint64_t count) { return thief.sweep(ids[count], 100, see); });
    check(sum == sum_to(entries), "what was claimed is not what was added");
    Sample sample{{}, {}};
    for (const Meter& meter : meters) {
        sample.elapsed += meter.spent();
        sample.figures.push_back(meter.each());
    }
    return sample;
}

// ---- groups -------------------------------------------------------------------------------------

template <class T>
void add_adding(Suite& suite) {
    const Metric time{"ns", Better::less, {{"S1", 0.75, "hand"}}};
    for (const auto& [name, ids] :
         {std::pair{"wall clock", Ids::by_clock}, {"given ids", Ids::given}}) {
        suite.add({std::string{"one thread, add, "} + name + ", " + kind_of_message<T>,
                   {time},
                   cases(logs<T>(), [chosen = ids]<class Log>(std::type_identity<Log> /*which*/) {
                       return add_alone<Log>(chosen);
                   })});
    }
}

std::string reads_of(uint64_t most) {
    return most == 1 ? "one by one" : "up to " + std::to_string(most) + " at a time";
}

template <class T>
void add_reading(Suite& suite) {
    const double factor = std::same_as<T, std::string> ? 2.5 : 1.3;
    const std::vector<Target> s2{{"S2", factor, "moodycamel Blocking"}, {"S2", 3.0, "hand"}};
    for (const uint64_t most : {1U, 64U}) {
        suite.add(
            {std::string{"1 producer, 1 reader, "} + kind_of_message<T> + ", " + reads_of(most),
             {{"M/s", Better::more, s2}},
             cases(logs_and_queues<T>(), [=]<class Log>(std::type_identity<Log> /*which*/) {
                 return read_all<Log>(1, most);
             })});
    }
    for (const auto& [readers, wanted] : {std::pair{4U, 1.1}, {16U, 50.0}}) {
        suite.add(
            {"1 producer, " + std::to_string(readers) + " readers, " + kind_of_message<T> + ", " +
                 reads_of(64),
             {{"M/s", Better::more, {{"S3", wanted, "hand"}}}},
             cases(logs<T>(), [count = readers]<class Log>(std::type_identity<Log> /*which*/) {
                 return read_all<Log>(count, 64);
             })});
    }
}

void add_group_reading(Suite& suite) {
    const auto both = logs<std::string>();
    suite.add({"one thread, add, group read, ack, 64-byte strings",
               {{"ns", Better::less, {{"S4", 0.5, "hand"}}}},
               cases(both, []<class Log>(std::type_identity<Log> /*which*/) {
                   return work_alone<Log>();
               })});
    using Plain = RunnelLog<std::string>;
    using Claiming = ClaimingLog<std::string>;
    suite.add({"one thread, add, group read that claims, ack, 64-byte strings",
               {{"ns", Better::less, {}}},
               {{Plain::name, work_alone<Plain>, {}}, {Claiming::name, work_alone<Claiming>, {}}}});
    for (const unsigned consumers : {1U, 2U, 4U}) {
        for (const uint64_t most : {1U, 64U}) {
            suite.add({"1 producer, group of " + std::to_string(consumers) + ", 64-byte strings, " +
                           reads_of(most),
                       {{"M/s", Better::more, {}}},
                       cases(both, [=]<class Log>(std::type_identity<Log> /*which*/) {
                           return share_work<Log>(consumers, most);
                       })});
        }
    }
}

std::string name_of_size(unsigned exponent) {
    return "10^" + std::to_string(exponent) + " entries, 64-byte strings";
}

/// `factor`: what S5 asks of logs from 10^5 entries on, if it does; all smaller ones are to be no
/// slower than by hand. `in_order`: S6 asks for about the same time whatever the size.
Metric metric_of_size(unsigned exponent, const char* unit, std::optional<double> factor,
                      bool in_order = false) {
    Metric metric{unit, Better::less, {}};
    if (exponent < 5) factor = 1.0;
    if (factor) metric.targets.push_back({"S5", *factor, "hand"});
    if (exponent > 5 && in_order) metric.targets.push_back({"S6", 1.5, "runnel", name_of_size(4)});
    return metric;
}

void add_sizes(Suite& suite, unsigned largest) {
    for (unsigned exponent = 3; exponent <= largest; ++exponent) {
        uint64_t size = 1;
        for (unsigned power = 0; power < exponent; ++power) size *= 10;
        const auto metric = [=](auto... rules) { return metric_of_size(exponent, rules...); };
        suite.add({name_of_size(exponent),
                   {metric("add, ns", std::nullopt, true), metric("range of 1 at random, ns", 0.8),
                    metric("range of 100 at random, ns/entry", 0.5),
                    metric("range of 10 near the tail, ns/entry", std::nullopt, true),
                    metric("group read of 1, ns", std::nullopt, true),
                    metric("group read of 100, ns/entry", std::nullopt, true),
                    metric("claim of 100 ids at random, ns/entry", 0.3),
                    metric("autoclaim of 100 at random, ns/entry", 0.3),
                    metric("ack in order, ns", 0.4, true), metric("ack at random, ns", 0.5)},
                   cases(logs<std::string>(), [=]<class Log>(std::type_identity<Log> /*which*/) {
                       return LogOfSize<Log>{size}.run();
                   })});
    }
}

void add_memory(Suite& suite) {
    suite.add({"10^6 entries, u64, wall clock",
               {{"bytes per entry", Better::less, {{"S7", 24.0}}},
                {"bytes per pending entry", Better::less, {{"S7", 40.0}}},
                {"bytes of an empty log", Better::less, {{"S7", 512.0}}}},
               cases(logs<uint64_t>(),
                     []<class Log>(std::type_identity<Log> /*which*/) { return memory<Log>(); })});
}

/// Redis 7.0.15 on a Unix socket on the machine that the targets were made on, in thousands per
/// second: elsewhere they are but a hint.
struct RedisFigures {
    double plain, pipelined;  ///< one command at a time, 100 at a time
};

Metric beside_redis(const char* unit, RedisFigures redis, RedisFigures factors) {
    const auto at_most = [](double figure, double factor) { return 1e6 / (figure * factor); };
    return {unit,
            Better::less,
            {{"R1, Redis", at_most(redis.plain, factors.plain)},
             {"R1, Redis in a pipeline", at_most(redis.pipelined, factors.pipelined)}}};
}

void add_redis(Suite& suite) {
    suite.add({"one thread, as Redis' commands, 64-byte strings",
               {beside_redis("add, ns", {66, 716}, {100, 15}),
                beside_redis("group read of 1 and ack, ns", {31, 182}, {100, 15}),
                beside_redis("claim of 1, ns", {52, 236}, {100, 30}),
                beside_redis("autoclaim of 100, ns/entry", {276, 331}, {100, 30})},
               {{"runnel", do_as_redis_does, {}}}});
}

}  // namespace
}  // namespace runnel::bench

int main(int argc, char** argv) {
    using namespace runnel::bench;
    keep_heap();
    const bool is_large = number_in_environment("LARGE", 0) != 0;
    return run_program("stream_bench", argc > 1 ? argv[1] : "", [=](Suite& suite) {
        add_adding<uint64_t>(suite);
        add_adding<std::string>(suite);
        add_reading<uint64_t>(suite);
        add_reading<std::string>(suite);
        add_group_reading(suite);
        add_sizes(suite, is_large ? 7 : 6);
        add_memory(suite);
        add_redis(suite);
    });
}
