// SPDX-License-Identifier: MIT
// Coroutines that exchange messages through runnel's lists, beside runnel's own threads and what
// people would use instead: the channels of Asio and the fibers of Boost.
//
//   awaitable_bench [part of "group/peer"]       REPS=7 in the environment: repetitions
#include <runnel/awaitable.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/executor.hpp>
#include <runnel/list_options.hpp>

#include "harness.hpp"
#include "messages.hpp"
#include "program.hpp"
#include "threads.hpp"

#if RUNNEL_BENCH_ASIO  // these are set by bench/CMakeLists.txt
#    include <asio/awaitable.hpp>
#    include <asio/co_spawn.hpp>
#    include <asio/detached.hpp>
#    include <asio/executor_work_guard.hpp>
#    include <asio/experimental/channel.hpp>
#    include <asio/experimental/concurrent_channel.hpp>
#    include <asio/io_context.hpp>
#    include <asio/post.hpp>
#    include <asio/use_awaitable.hpp>
#endif
#if RUNNEL_BENCH_FIBER
#    include <boost/fiber/buffered_channel.hpp>
#    include <boost/fiber/fiber.hpp>
#endif

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace runnel::bench {
namespace {

using Number = std::uint64_t;
using List = BlockingList<Number>;

constexpr std::size_t room = 1024;  // of every queue
constexpr Number trips = 200'000;
constexpr Number messages = 1'000'000;

// ---- what all do --------------------------------------------------------------------------------

/// How many coroutines, fibers or threads are still at work; whoever asks waits until none is.
class Work {
public:
    explicit Work(unsigned count) : left_{count} {}

    void end() { left_.fetch_sub(1, std::memory_order_release); }
    void wait() const {
        while (left_.load(std::memory_order_acquire) != 0) relax();
    }
    [[nodiscard]] bool is_over() const { return left_.load(std::memory_order_acquire) == 0; }

private:
    std::atomic<unsigned> left_;
};

struct Sides {
    unsigned producers;
    unsigned consumers;
};

/// The sum of what consumers got.
using Sum = std::atomic<Number>;

void check_sum(const Sum& sum, Sides sides) {
    const Number each = messages / sides.producers;
    check(sum == sides.producers * (each * (each + 1) / 2), "what came out is not what was put in");
}

// ---- runnel -------------------------------------------------------------------------------------

/// A coroutine that runs at once, and that nobody waits for.
struct Detached {
    struct promise_type {
        Detached get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
    };
};

/// Goes on where the wait ends.
struct Anywhere {
    template <class Awaitable>
    Awaitable&& operator()(Awaitable&& awaitable) const {
        return std::forward<Awaitable>(awaitable);
    }
};

template <class On>
Detached ping(List there, List back, On on, Work& work) {
    for (Number trip = 0; trip != trips; ++trip) {
        (void)there.try_push_back(trip);
        const auto answer = co_await on(back.async_pop_front());
        check(*answer == trip, "another message came back than was sent");
    }
    there.close();
    work.end();
}
template <class On>
Detached pong(List there, List back, On on) {
    while (const auto message = co_await on(there.async_pop_front()))
        (void)back.try_push_back(*message);
}

template <class On>
Detached produce(List list, Number count, On on, Work& work) {
    for (Number number = 1; number <= count; ++number) {
        const Push push = co_await on(list.async_push_back(Number{number}));
        check(push == Push::done, "a message was refused");
    }
    work.end();
}
template <class On>
Detached consume(List list, Number count, On on, Sum& sum, Work& work) {
    Number own = 0;
    for (; count != 0; --count) own += *co_await on(list.async_pop_front());
    sum += own;
    work.end();
}

/// Starts the coroutines of one side.
template <class On>
void start(unsigned side, Sides sides, const List& list, On on, Sum& sum, Work& work) {
    if (side == 0)
        for (unsigned one = 0; one != sides.producers; ++one)
            produce(list, messages / sides.producers, on, work);
    else
        for (unsigned one = 0; one != sides.consumers; ++one)
            consume(list, messages / sides.consumers, on, sum, work);
}

/// Coroutines that name no executor.
struct Inline {
    static constexpr const char* name = "runnel";

    static nanoseconds ping_pong() {
        return run_together(1, Placement::pinned, [](unsigned) {
            const List there;
            const List back;
            Work work{1};
            pong(there, back, Anywhere{});
            ping(there, back, Anywhere{}, work);
            check(work.is_over(), "the last message has not come back");
        });
    }
    static nanoseconds stream(Sides sides, unsigned threads) {
        const List list{{.capacity = room}};
        Sum sum = 0;
        Work work{sides.producers + sides.consumers};
        const auto elapsed = run_together(threads, Placement::pinned, [&](unsigned thread) {
            for (unsigned side = thread; side < 2; side += threads)
                start(side, sides, list, Anywhere{}, sum, work);
            work.wait();
        });
        check_sum(sum, sides);
        return elapsed;
    }
};

/// Threads that block.
struct Threads {
    static constexpr const char* name = "threads";

    static nanoseconds ping_pong() {
        const List there;
        const List back;
        return run_together(2, Placement::pinned, [&](unsigned side) {
            for (Number trip = 0; trip != trips; ++trip) {
                if (side == 0) (void)there.try_push_back(trip);
                const Number message = *(side == 0 ? back : there).pop_front();
                if (side == 1) (void)back.try_push_back(message);
            }
        });
    }
    static nanoseconds stream(Sides sides, unsigned /*threads*/) {
        const List list{{.capacity = room}};
        Sum sum = 0;
        const auto elapsed =
            run_together(sides.producers + sides.consumers, Placement::pinned, [&](unsigned one) {
                if (one % 2 == 0) {
                    for (Number number = 1; number <= messages / sides.producers; ++number)
                        (void)list.push_back(Number{number});
                } else {
                    Number own = 0;
                    for (Number left = messages / sides.consumers; left != 0; --left)
                        own += *list.pop_front();
                    sum += own;
                }
            });
        check_sum(sum, sides);
        return elapsed;
    }
};

// ---- Asio ---------------------------------------------------------------------------------------

#if RUNNEL_BENCH_ASIO

/// Goes on in an io_context.
struct OnContext {
    template <class Awaitable>
    auto operator()(Awaitable&& awaitable) const {
        return std::forward<Awaitable>(awaitable).on(*this);
    }
    void execute(Continuation function) const { asio::post(*context, function); }

    asio::io_context* context;
};

/// Coroutines that go on in the same io_context as those of Asio.
struct OnAsio {
    static constexpr const char* name = "runnel .on(io_context)";

    static nanoseconds ping_pong() {
        return run_together(1, Placement::pinned, [](unsigned) {
            asio::io_context context{1};
            const List there;
            const List back;
            Work work{1};
            const OnContext on{&context};
            pong(there, back, on);
            ping(there, back, on, work);
            context.run();
            check(work.is_over(), "the last message has not come back");
        });
    }
    static nanoseconds stream(Sides sides, unsigned threads) {
        asio::io_context context{static_cast<int>(threads)};
        const List list{{.capacity = room}};
        Sum sum = 0;
        Work work{sides.producers + sides.consumers};
        const auto elapsed = run_together(threads, Placement::pinned, [&](unsigned thread) {
            const auto guard = asio::make_work_guard(context);
            for (unsigned side = thread; side < 2; side += threads)
                start(side, sides, list, OnContext{&context}, sum, work);
            while (!work.is_over()) context.poll();
        });
        check_sum(sum, sides);
        return elapsed;
    }
};

/// Asio's channels and coroutines, in an io_context.
struct AsioChannel {
    static constexpr const char* name = "asio channel";
    using Code = asio::error_code;
    using Alone = asio::experimental::channel<void(Code, Number)>;
    using Shared = asio::experimental::concurrent_channel<void(Code, Number)>;

    static nanoseconds ping_pong() {
        return run_together(1, Placement::pinned, [](unsigned) {
            asio::io_context context{1};
            Alone there{context, 1};
            Alone back{context, 1};
            asio::co_spawn(context, pong(there, back), asio::detached);
            asio::co_spawn(context, ping(there, back), asio::detached);
            context.run();
        });
    }
    static nanoseconds stream(Sides sides, unsigned threads) {
        return threads == 1 ? stream_through<Alone>(sides, 1)
                            : stream_through<Shared>(sides, threads);
    }

private:
    static asio::awaitable<void> ping(Alone& there, Alone& back) {
        for (Number trip = 0; trip != trips; ++trip) {
            co_await there.async_send(Code{}, trip, asio::use_awaitable);
            const Number answer = co_await back.async_receive(asio::use_awaitable);
            check(answer == trip, "another message came back than was sent");
        }
    }
    static asio::awaitable<void> pong(Alone& there, Alone& back) {
        for (Number trip = 0; trip != trips; ++trip) {
            const Number message = co_await there.async_receive(asio::use_awaitable);
            co_await back.async_send(Code{}, message, asio::use_awaitable);
        }
    }

    template <class Channel>
    static asio::awaitable<void> produce(Channel& channel, Number count, Work& work) {
        for (Number number = 1; number <= count; ++number)
            co_await channel.async_send(Code{}, number, asio::use_awaitable);
        work.end();
    }
    template <class Channel>
    static asio::awaitable<void> consume(Channel& channel, Number count, Sum& sum, Work& work) {
        Number own = 0;
        for (; count != 0; --count) own += co_await channel.async_receive(asio::use_awaitable);
        sum += own;
        work.end();
    }
    template <class Channel>
    static nanoseconds stream_through(Sides sides, unsigned threads) {
        asio::io_context context{static_cast<int>(threads)};
        Channel channel{context, room};
        Sum sum = 0;
        Work work{sides.producers + sides.consumers};
        const auto elapsed = run_together(threads, Placement::pinned, [&](unsigned thread) {
            const auto guard = asio::make_work_guard(context);
            for (unsigned side = thread; side < 2; side += threads) {
                const unsigned count = side == 0 ? sides.producers : sides.consumers;
                for (unsigned one = 0; one != count; ++one)
                    asio::co_spawn(context,
                                   side == 0 ? produce(channel, messages / count, work)
                                             : consume(channel, messages / count, sum, work),
                                   asio::detached);
            }
            while (!work.is_over()) context.poll();
        });
        check_sum(sum, sides);
        return elapsed;
    }
};

using AsioPeers = Peers<OnAsio, AsioChannel>;
#else
using AsioPeers = Peers<>;
#endif

// ---- Boost.Fiber --------------------------------------------------------------------------------

#if RUNNEL_BENCH_FIBER

struct Fibers {
    static constexpr const char* name = "boost fibers";
    using Channel = boost::fibers::buffered_channel<Number>;

    static nanoseconds ping_pong() {
        return run_together(1, Placement::pinned, [](unsigned) {
            Channel there{2};
            Channel back{2};
            boost::fibers::fiber pong{[&] {
                for (Number trip = 0; trip != trips; ++trip) back.push(there.value_pop());
            }};
            for (Number trip = 0; trip != trips; ++trip) {
                there.push(trip);
                check(back.value_pop() == trip, "another message came back than was sent");
            }
            pong.join();
        });
    }
    static nanoseconds stream(Sides sides, unsigned threads) {
        Channel channel{room};
        Sum sum = 0;
        const auto elapsed = run_together(threads, Placement::pinned, [&](unsigned thread) {
            std::vector<boost::fibers::fiber> fibers;
            for (unsigned side = thread; side < 2; side += threads) {
                const unsigned count = side == 0 ? sides.producers : sides.consumers;
                for (unsigned one = 0; one != count; ++one)
                    fibers.emplace_back([&, side, count] {
                        if (side == 0)
                            produce(channel, messages / count);
                        else
                            consume(channel, messages / count, sum);
                    });
            }
            for (auto& fiber : fibers) fiber.join();
        });
        check_sum(sum, sides);
        return elapsed;
    }

private:
    static void produce(Channel& channel, Number count) {
        for (Number number = 1; number <= count; ++number) channel.push(number);
    }
    static void consume(Channel& channel, Number count, Sum& sum) {
        Number own = 0;
        for (; count != 0; --count) own += channel.value_pop();
        sum += own;
    }
};

using FiberPeers = Peers<Fibers>;
#else
using FiberPeers = Peers<>;
#endif

// ---- groups -------------------------------------------------------------------------------------

const auto all = Peers<Inline, Threads>{} + AsioPeers{} + FiberPeers{};

/// Ours are to be at least three times as fast as Asio's.
std::vector<Target> targets(Better better) {
    return {{"at least 3 x Asio's", better == Better::less ? 1.0 / 3 : 3.0, "asio"}};
}

/// One number there and back through two queues. Figure: ns for half a round trip.
void add_ping_pong(Suite& suite) {
    suite.add({"ping-pong",
               {{"ns", Better::less, targets(Better::less)}},
               cases(all, []<class Peer>(std::type_identity<Peer>) {
                   const nanoseconds elapsed = Peer::ping_pong();
                   return Sample{elapsed, {per_message(elapsed, 2 * trips)}};
               })});
}

/// From producers to consumers through one queue with room for 1,024. Figure: M messages/s.
void add_stream(Suite& suite, const std::string& name, Sides sides, unsigned threads) {
    suite.add({name,
               {{"M/s", Better::more, targets(Better::more)}},
               cases(all, [=]<class Peer>(std::type_identity<Peer>) {
                   const nanoseconds elapsed = Peer::stream(sides, threads);
                   return Sample{elapsed, {1e3 / per_message(elapsed, messages)}};
               })});
}

}  // namespace
}  // namespace runnel::bench

int main(int count, char** arguments) {
    using namespace runnel::bench;
    return run_program("awaitable_bench", count > 1 ? arguments[1] : "", [](Suite& suite) {
        add_ping_pong(suite);
        add_stream(suite, "1:1, one thread", {1, 1}, 1);
        add_stream(suite, "1:1, two threads", {1, 1}, 2);
        add_stream(suite, "4:4, two threads", {4, 4}, 2);
    });
}
