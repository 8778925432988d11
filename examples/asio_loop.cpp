// SPDX-License-Identifier: MIT
//
// An event loop of Asio with two channels, a list and a descriptor: coroutines wait for them in one
// thread, and so share what they know without a lock. Messages come from other threads.

#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/compat/asio.hpp>
#include <runnel/outcome.hpp>
#include <runnel/subscription.hpp>

#include <array>
#include <asio.hpp>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using asio::use_awaitable;
using runnel::with_asio::wait;

struct Tick {
    std::string name;
    int price;
};

// What the coroutines share.
struct Board {
    void draw(const Tick& tick) { last_price = tick.price; }
    void warn(const std::string& alarm) { alarms.push_back(alarm); }

    int last_price = 0;
    std::vector<std::string> alarms{};
    std::vector<std::string> orders{};
};

// [readme]
asio::awaitable<void> follow(runnel::Subscription<Tick> ticks, Board& board) {
    while (const auto batch = co_await wait(ticks.async_read(), use_awaitable))
        for (const Tick& tick : batch) board.draw(tick);
}

asio::awaitable<void> watch(runnel::Subscription<std::string> alarms, Board& board) {
    for (;;) {  // needs a runnel::with_asio::Runner{io} for its time-out
        const auto batch = co_await wait(alarms.async_read({.timeout = 60s}), use_awaitable);
        for (const std::string& alarm : batch) board.warn(alarm);
        if (batch || batch.ending() == runnel::Ending::timed_out) continue;
        co_return;  // the channel is closed
    }
}
// [/readme]

// Each line that comes is an order. At the end of the input all is closed.
template <typename AtEnd>
asio::awaitable<void> read_lines(asio::posix::stream_descriptor input,
                                 runnel::BlockingList<std::string> orders, AtEnd at_end) {
    std::string text;
    try {
        for (;;) {
            const std::size_t size = co_await asio::async_read_until(
                input, asio::dynamic_buffer(text), '\n', use_awaitable);
            std::string line = text.substr(0, size - 1);
            text.erase(0, size);
            (void)co_await wait(orders.async_push_back(std::move(line)), use_awaitable);
        }
    } catch (const std::exception&) {  // the end
        at_end();
    }
}

asio::awaitable<void> take_orders(runnel::BlockingList<std::string> orders, Board& board) {
    while (auto order = co_await wait(orders.async_pop_front(), use_awaitable))
        board.orders.push_back(*std::move(order));
}

void write_all(int descriptor, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = write(descriptor, text.data(), text.size());
        if (written <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace

int main() {
    std::array<int, 2> ends{};  // of a pipe; dup(STDIN_FILENO) would be the standard input
    if (pipe(ends.data()) != 0) return 1;
    const runnel::Channel<Tick> ticks;
    const runnel::Channel<std::string> alarms;
    const runnel::BlockingList<std::string> orders{{.capacity = 1}};
    Board board;

    asio::io_context io;
    const runnel::with_asio::Runner timers{io};
    const auto close_all = [&] {
        ticks.close();
        alarms.close();
        orders.close();
    };
    asio::co_spawn(io, follow(ticks.subscribe(), board), asio::detached);
    asio::co_spawn(io, watch(alarms.subscribe(), board), asio::detached);
    asio::co_spawn(io, read_lines(asio::posix::stream_descriptor{io, ends[0]}, orders, close_all),
                   asio::detached);
    asio::co_spawn(io, take_orders(orders, board), asio::detached);

    const std::jthread others{[&] {
        for (const int price : {99, 100, 101}) ticks.publish({"kr", price});
        alarms.publish("high tide");
        write_all(ends[1], "buy 1\nbuy 2\nsell 3\n");
        close(ends[1]);
    }};
    io.run();  // until all has ended

    std::printf("kr %d, %zu alarm, %zu orders\n", board.last_price, board.alarms.size(),
                board.orders.size());
    return board.last_price == 101 && board.alarms.size() == 1 && board.orders.size() == 3 ? 0 : 1;
}
