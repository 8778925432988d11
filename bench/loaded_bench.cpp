// SPDX-License-Identifier: MIT
// Waits on a machine that is busy with something else: how long a time-out of 1 ms takes, and how
// long a message takes to a reader that waits for it, while four threads compute on all cores. Each
// kind of read beside a list's pop.
//
//   loaded_bench [part of a reader's name]       REPS=7 in the environment: repetitions
//                                                SAMPLES=500: of each figure, in each repetition
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/inbox.hpp>
#include <runnel/stream.hpp>
#include <runnel/wait_any.hpp>

#include "harness.hpp"
#include "messages.hpp"
#include "program.hpp"
#include "threads.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace runnel::bench {
namespace {

using namespace std::chrono_literals;

/// More than a list's pop by this factor is too much.
constexpr double limit = 1.5;
constexpr unsigned busy_threads = 4;
constexpr std::size_t burst_length = 100;
constexpr auto time_out = 1ms;

// ---- readers ------------------------------------------------------------------------------------
//
//   reader.publish(number)
//   reader.read(timeout)         waits; how many messages have come, and the last one

struct Got {
    std::size_t count = 0;
    uint64_t last = 0;
    uint64_t returned = now();  ///< when runnel's call has returned; what it returned exists still
};

class ListReader {
public:
    static constexpr const char* name = "list, pop_front";

    void publish(uint64_t number) { check(list_.push_back(number) == Push::done, "a push failed"); }
    Got read(Timeout timeout) {
        const auto popped = list_.pop_front({.timeout = timeout});
        return popped ? Got{1, *popped} : Got{};
    }

private:
    const BlockingList<uint64_t> list_;
};

/// The same again, beside itself: how far two equal rows are from each other in this run.
class ListReaderAgain : public ListReader {
public:
    static constexpr const char* name = "list, pop_front again";
};

class WaitAnyReader {
public:
    static constexpr const char* name = "list, wait_any and try_pop_front";

    void publish(uint64_t number) { check(list_.push_back(number) == Push::done, "a push failed"); }
    Got read(Timeout timeout) {
        const auto any = wait_any(std::span{&watch_, 1}, {.timeout = timeout});
        if (!any) return {};
        const auto popped = list_.try_pop_front();
        check(popped.has_value(), "wait_any() has found nothing");
        return {1, *popped};
    }

private:
    const BlockingList<uint64_t> list_;
    Watch watch_{list_};
};

class CursorReader {
public:
    static constexpr const char* name = "stream, cursor";

    void publish(uint64_t number) { stream_.add(number); }
    Got read(Timeout timeout) {
        const auto batch = cursor_.read({.timeout = timeout});
        return batch ? Got{batch.size(), batch.back().value} : Got{};
    }

private:
    const Stream<uint64_t> stream_{{.keep = {.count = 1000}}};
    Cursor<uint64_t> cursor_ = stream_.cursor();
};

class GroupReader {
public:
    static constexpr const char* name = "stream, consumer of a group";

    void publish(uint64_t number) { stream_.add(number); }
    Got read(Timeout timeout) {
        const auto batch = consumer_.read({.timeout = timeout, .acknowledged = true});
        return batch ? Got{batch.size(), batch.back().value} : Got{};
    }

private:
    const Stream<uint64_t> stream_{{.keep = {.count = 1000}}};
    const Consumer<uint64_t> consumer_ = stream_.group("group").consumer("consumer");
};

class SubscriptionReader {
public:
    static constexpr const char* name = "channel, subscription";

    void publish(uint64_t number) {
        check(channel_.publish(number).reached == 1, "a message was not published");
    }
    Got read(Timeout timeout) {
        const auto batch = subscription_.read({.timeout = timeout});
        return batch ? Got{batch.size(), batch.back()} : Got{};
    }

private:
    const Channel<uint64_t> channel_;
    Subscription<uint64_t> subscription_ = channel_.subscribe();
};

class InboxReader {
public:
    static constexpr const char* name = "channel, inbox";

    InboxReader() { inbox_.join(channel_); }

    void publish(uint64_t number) {
        check(channel_.publish(number).reached == 1, "a message was not published");
    }
    Got read(Timeout timeout) {
        const auto batch = inbox_.read({.timeout = timeout});
        return batch ? Got{batch.size(), batch.back().value} : Got{};
    }

private:
    const Channel<uint64_t> channel_;
    Inbox<uint64_t> inbox_;
};

using AllReaders = Peers<ListReader, ListReaderAgain, WaitAnyReader, CursorReader, GroupReader,
                         SubscriptionReader, InboxReader>;

// ---- what is measured ---------------------------------------------------------------------------

/// What the reader has just done: nothing came for a while, or it has read many in a row.
enum class Before { nothing, burst };

/// Nanoseconds, one for each sample.
using Samples = std::vector<uint64_t>;

struct Row {
    std::string name;
    std::function<void(uint64_t number)> publish;
    std::function<Got(Timeout timeout)> read;
    Samples samples{};
};

using Rows = std::vector<Row>;

/// One row for each reader with `filter` in its name; the first reader always has one, as the
/// others are compared with it.
template <class... Reader>
Rows rows_of(Peers<Reader...> /*which*/, std::string_view filter) {
    Rows rows;
    const auto add = [&]<class One>(std::type_identity<One> /*of the reader*/) {
        if (!rows.empty() && std::string_view{One::name}.find(filter) == std::string::npos) return;
        const auto reader = std::make_shared<One>();
        rows.push_back({One::name, [=](uint64_t number) { reader->publish(number); },
                        [=](Timeout timeout) { return reader->read(timeout); }});
    };
    (add(std::type_identity<Reader>{}), ...);
    return rows;
}

/// `count` samples of each row, one after the other, each time in another order. How quickly a
/// thread is woken depends on what the scheduler remembers of it, and a row measured by itself
/// would show little else.
std::vector<Row*> in_turns(Rows& rows, std::size_t count) {
    std::mt19937 random{1};
    std::vector<Row*> turn(rows.size());
    std::ranges::transform(rows, turn.begin(), [](Row& row) { return &row; });
    std::vector<Row*> order;
    for (; count != 0; --count) {
        std::ranges::shuffle(turn, random);
        order.insert(order.end(), turn.begin(), turn.end());
    }
    return order;
}

void read_burst(const Row& row) {
    Got all;
    while (all.count < burst_length) {
        const Got part = row.read({});
        all.count += part.count;
        all.last = part.last;
    }
    check(all.count == burst_length && all.last == burst_length, "not what was published came out");
}

void publish_burst(const Row& row) {
    for (uint64_t number = 1; number <= burst_length; ++number) row.publish(number);
}

/// How long a read takes that ends by its time-out, from call to return.
void measure_time_outs(Rows& rows, Before before, std::size_t count) {
    for (Row* const row : in_turns(rows, count)) {
        if (before == Before::burst) {
            publish_burst(*row);
            read_burst(*row);
        }
        const uint64_t start = now();
        const Got got = row->read(time_out);
        row->samples.push_back(got.returned - start);
        check(got.count == 0, "a message came that nobody has published");
    }
}

/// How long a message takes from its publish to the return of the read that waits for it. It is
/// published 1 ms after the reader was about to call.
void measure_deliveries(Rows& rows, Before before, std::size_t count) {
    const std::vector<Row*> order = in_turns(rows, count);
    std::atomic<std::size_t> calls{0};
    std::atomic<std::size_t> returns{0};
    uint64_t sum_read = 0;
    std::jthread reading{[&] {
        for (Row* const row : order) {
            if (before == Before::burst) read_burst(*row);
            ++calls;
            const Got got = row->read({});
            row->samples.push_back(got.returned - got.last);
            check(got.count == 1, "more came than was published");
            sum_read += got.last;
            ++returns;
        }
    }};
    const auto wait_for = [](const std::atomic<std::size_t>& counter, std::size_t number) {
        do std::this_thread::sleep_for(1ms);
        while (counter < number);
    };
    uint64_t sum_published = 0;
    for (std::size_t index = 0; index != order.size(); ++index) {
        if (before == Before::burst) {
            wait_for(returns, index);
            publish_burst(*order[index]);
        }
        wait_for(calls, index + 1);
        const uint64_t time = now();
        order[index]->publish(time);
        sum_published += time;
    }
    reading.join();
    check(sum_read == sum_published, "what came out is not what was published");
}

// ---- the table ----------------------------------------------------------------------------------

struct Table {
    std::string title;
    Rows rows;
    std::function<void(Rows& rows, std::size_t count)> measure;
};

std::vector<Table> tables_of(std::string_view filter) {
    std::vector<Table> tables;
    for (const Before before : {Before::nothing, Before::burst}) {
        const std::string when = before == Before::burst ? ", after 100 read in a row" : "";
        tables.push_back(
            {"a time-out of 1 ms" + when, rows_of(AllReaders{}, filter),
             [=](Rows& rows, std::size_t count) { measure_time_outs(rows, before, count); }});
        tables.push_back(
            {"a delivery" + when, rows_of(AllReaders{}, filter),
             [=](Rows& rows, std::size_t count) { measure_deliveries(rows, before, count); }});
    }
    return tables;
}

void print(const Table& table) {
    std::printf("\n%-50s %10s %10s %8s %8s\n", (table.title + " [us]").c_str(), "p50", "p99",
                "x p50", "x p99");
    const Samples& first = table.rows.front().samples;
    for (const Row& row : table.rows) {
        const double p50 = percentile(row.samples, 50);
        const double p99 = percentile(row.samples, 99);
        const double more_p50 = p50 / percentile(first, 50);
        const double more_p99 = p99 / percentile(first, 99);
        std::printf("%-50s %10.1f %10.1f %8.2f %8.2f  %s\n", row.name.c_str(), p50 / 1e3, p99 / 1e3,
                    more_p50, more_p99, more_p50 <= limit && more_p99 <= limit ? "met" : "NOT met");
    }
}

/// Threads that compute until it goes.
class BusyThreads {
public:
    BusyThreads() {
        for (std::jthread& thread : threads_) {
            thread = std::jthread{[](const std::stop_token& stop) {
                uint64_t number = 1;
                while (!stop.stop_requested())
                    for (unsigned round = 0; round < 1000; ++round) {
                        number = (number * 6364136223846793005U) + 1;
                        keep(number);
                    }
            }};
        }
    }

private:
    std::array<std::jthread, busy_threads> threads_;
};

}  // namespace
}  // namespace runnel::bench

int main(int argc, char** argv) {
    using namespace runnel::bench;
    const std::size_t repetitions = repetitions_wanted("loaded_bench");
    const std::size_t count = number_in_environment("SAMPLES", 500);
    if (repetitions == 0 || count == 0) return 2;
    std::vector<Table> tables = tables_of(argc > 1 ? argv[1] : "");
    print_environment(repetitions);
    std::printf("%u threads compute beside; %zu samples of each figure, %zu in each repetition\n"
                "x = the ratio to the first row, at most %.1f\n",
                busy_threads, count * repetitions, count, limit);
    {
        const BusyThreads busy;
        for (std::size_t done = 1; done <= repetitions; ++done) {
            for (Table& table : tables) table.measure(table.rows, count);
            std::fprintf(stderr, "repetition %zu of %zu done\n", done, repetitions);
        }
    }
    for (const Table& table : tables) print(table);
    return 0;
}
