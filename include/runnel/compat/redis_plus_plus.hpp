// SPDX-License-Identifier: MIT
#pragma once

// The fake of Redis for code that uses redis-plus-plus: runnel::compat::sw::Redis stands for
// sw::redis::Redis. Neither redis-plus-plus nor hiredis is needed.

#include <runnel/version.hpp>

#include <runnel/compat/redis_plus_plus/all_commands.hpp>
#include <runnel/compat/redis_plus_plus/client.hpp>
#include <runnel/compat/redis_plus_plus/connection.hpp>
#include <runnel/compat/redis_plus_plus/errors.hpp>
#include <runnel/compat/redis_plus_plus/options.hpp>
#include <runnel/compat/redis_plus_plus/parse.hpp>
#include <runnel/compat/redis_plus_plus/queued_redis.hpp>
#include <runnel/compat/redis_plus_plus/subscriber.hpp>
#include <runnel/compat/redis_plus_plus/words.hpp>
#include <runnel/redis/server.hpp>

#include <concepts>
#include <iterator>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace runnel::inline v0::compat::sw {

namespace detail {

// What command() is told to return: what its arguments say.
struct AsArgumentsSay;

template <typename... Args>
using Last = std::tuple_element_t<sizeof...(Args) - 1, std::tuple<Args...>>;
// Whether the last one of these is an output iterator. A `const char*` is a text.
template <typename... Args>
inline constexpr bool ends_with_output = false;
template <typename First, typename... Args>
inline constexpr bool ends_with_output<First, Args...> =
    std::input_or_output_iterator<Last<First, Args...>> && !Text<Last<First, Args...>>;

}  // namespace detail

/// A client of a Server, with the methods of sw::redis::Redis: names, arguments, defaults,
/// overloads and return types. Code that takes its client as a template parameter runs with either.
///
///     runnel::redis::Server server;
///     runnel::compat::sw::Redis redis{server};
///     Service<runnel::compat::sw::Redis> service{redis};  // in production: sw::redis::Redis
///
/// It has the methods of the commands that the Server has; command() sends any other. A method
/// whose reply is an error throws ReplyError with its text, and one whose connection ends
/// ClosedError; the next call makes a new connection.
///
/// Blocks: a call blocks as long as its command does, on the server's clock. In the thread that
/// moves the time, that is for ever.
///
/// Thread safety: every member may be called from any thread, and none waits for the connection of
/// another. A Redis that redis() of a Transaction or a Pipeline has returned has only one
/// connection: one thread at a time.
class Redis : public AllCommands<Redis> {
public:
    /// `server` must outlive it, and all that it makes.
    explicit Redis(redis::Server& server, const ConnectionOptions& options = {})
        : pool_{std::make_shared<detail::ConnectionPool>(server, options)} {}
    Redis(const Redis&) = delete;
    Redis& operator=(const Redis&) = delete;
    Redis(Redis&&) noexcept = default;
    Redis& operator=(Redis&&) noexcept = default;
    ~Redis() = default;

    /// With `new_connection` it has one of its own, else it takes one that no call uses, and gives
    /// it back after exec().
    Pipeline pipeline(bool new_connection = true) { return Pipeline{pool(), new_connection}; }
    /// Piped, its commands are sent with exec(); else each at once.
    Transaction transaction(bool piped = false, bool new_connection = true) {
        return Transaction{pool(), new_connection, piped};
    }
    Subscriber subscriber() { return Subscriber{pool()->connect()}; }

    /// Any command: its name and its words, which are texts, numbers and pairs of these. Returns a
    /// ReplyUPtr; or a Result: `command<OptionalString>("GET", "a")`; or nothing, if the last
    /// argument is an output iterator, for the elements of the reply.
    template <typename Result = detail::AsArgumentsSay, typename... Args>
    auto command(StringView name, const Args&... args) {
        if constexpr (!std::same_as<Result, detail::AsArgumentsSay>)
            return detail::reply_to<Result>(call(CmdArgs{name, args...}));
        else if constexpr (detail::ends_with_output<Args...>)
            command_with_output(name, std::index_sequence_for<Args...>{}, std::tie(args...));
        else
            return detail::reply_to<ReplyUPtr>(call(CmdArgs{name, args...}));
    }
    /// The same with a range of words, of which the first is the name.
    template <typename Result = ReplyUPtr, detail::Iterates Input>
    Result command(Input first, Input last) {
        return detail::reply_to<Result>(call(words_of(first, last)));
    }
    template <detail::Iterates Input, typename Output>
    void command(Input first, Input last, Output output) {
        detail::elements_to(call(words_of(first, last)), output);
    }
    /// The same with a function that sends the command: `send(connection, args...)`.
    template <typename Send, typename... Args>
    requires std::invocable<Send&, Connection&, Args&&...> ReplyUPtr command(Send send,
                                                                             Args&&... args) {
        return std::make_unique<Reply>(run([&](const detail::Lease& lease) {
            return lease.call(send, std::forward<Args>(args)...);
        }));
    }

private:
    template <typename Impl>
    friend class QueuedRedis;
    friend class detail::Ask;

    explicit Redis(std::shared_ptr<detail::Lease> lease) noexcept : lease_{std::move(lease)} {}

    Reply call(CmdArgs words) {
        return run([&](const detail::Lease& lease) {
            return lease.call([&](Connection& connection) { connection.send(std::move(words)); });
        });
    }
    template <typename Function>
    Reply run(const Function& function) {
        if (lease_) return function(*lease_);
        return function(detail::Lease{pool_, detail::Lease::Of::pool});
    }
    [[nodiscard]] const std::shared_ptr<detail::ConnectionPool>& pool() const {
        if (!pool_) throw Error{"a Redis with the connection of another makes no others"};
        return pool_;
    }

    template <std::size_t... Index, typename Args>
    void command_with_output(StringView name, std::index_sequence<Index...> /*which*/,
                             const Args& args) {
        constexpr std::size_t last = sizeof...(Index) - 1;
        CmdArgs words{name};
        const auto add = [&]<std::size_t At>() {
            if constexpr (At != last) words.append(std::get<At>(args));
        };
        (add.template operator()<Index>(), ...);
        detail::elements_to(call(std::move(words)), std::get<last>(args));
    }
    template <typename Input>
    [[nodiscard]] static CmdArgs words_of(Input first, Input last) {
        if (first == last) throw Error{"command: empty range"};
        return CmdArgs{std::pair{first, last}};
    }

    std::shared_ptr<detail::ConnectionPool> pool_;  // null: there is a lease
    std::shared_ptr<detail::Lease> lease_;
};

template <typename Impl>
Redis QueuedRedis<Impl>::redis() {
    expect_valid();
    return Redis{lease_};
}

}  // namespace runnel::inline v0::compat::sw
