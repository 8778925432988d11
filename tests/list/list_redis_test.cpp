// SPDX-License-Identifier: MIT
// Lists against a real Redis: the same random operations on both, while several clients wait, and
// the same answers to the same clients.
#include <runnel/blocking_list.hpp>
#include <runnel/broker.hpp>
#include <runnel/clock.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/redis_changes.hpp"
#include "support/redis_clients.hpp"
#include "support/redis_lists.hpp"
#include "support/redis_server.hpp"
#include "support/redis_transcript.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <limits>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace runnel::test;
using runnel::BlockingList;
using runnel::Broker;
using runnel::Clock;
using runnel::End;
using runnel::Ending;
using runnel::ManualClock;
using runnel::Push;

namespace {

using Text = std::string;
using Kind = ListRequest::Kind;

constexpr std::size_t all = std::numeric_limits<std::size_t>::max();
constexpr std::size_t most_clients = 8;

const std::vector<Text> names{"a", "b", "c", "d"};

// ------------------------------------------------------------------ words and replies

Words operator+(Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
}

const char* side(End end) {
    return end == End::front ? "LEFT" : "RIGHT";
}

Words words_for(const ListRequest& request, bool may_wait) {
    Words keys;
    for (const std::size_t key : request.keys) keys.push_back(names[key]);
    const bool left = request.from == End::front;
    const Text count = std::to_string(request.count);
    switch (request.kind) {
    case Kind::pop:
        if (may_wait) return Words{left ? "BLPOP" : "BRPOP"} + keys + Words{"0"};
        break;
    case Kind::pop_many:
        if (may_wait)
            return Words{"BLMPOP", "0", std::to_string(keys.size())} + keys +
                   Words{side(request.from), "COUNT", count};
        break;
    case Kind::move:
        keys = keys + Words{names[request.target], side(request.from), side(request.to)};
        return may_wait ? Words{"BLMOVE"} + keys + Words{"0"} : Words{"LMOVE"} + keys;
    }
    return Words{"LMPOP", std::to_string(keys.size())} + keys +
           Words{side(request.from), "COUNT", count};
}

Reply elements_reply(const auto& elements) {
    Reply reply = array_reply({});
    for (const Text& element : elements) reply.elements.push_back(string_reply(element));
    return reply;
}

// Redis does not close anything.
Reply ending_reply(Ending ending) {
    return ending == Ending::closed ? status_reply("(closed)") : nil_reply();
}

Reply count_reply(std::size_t count) {
    return integer_reply(static_cast<std::int64_t>(count));
}

// ------------------------------------------------------------------ one client of both

// A call of runnel's that a client of Redis makes, too.
Reply carry_out(const std::vector<BlockingList<Text>>& lists, const ListRequest& request,
                runnel::Timeout timeout, const std::stop_token& stop) {
    const BlockingList<Text>& first = lists[request.keys.front()];
    const auto from_key = [&](std::size_t key, Reply elements) {
        return array_reply({string_reply(names[key]), std::move(elements)});
    };
    const runnel::WaitOptions options{timeout, stop};
    if (request.kind == Kind::move) {
        const auto moved =
            first.move_to(lists[request.target], {request.from, request.to, timeout, stop});
        return moved ? string_reply(*moved) : ending_reply(moved.ending());
    }
    if (request.kind == Kind::pop_many && request.keys.size() == 1) {
        const auto batch = request.from == End::front ? first.pop_front_many(request.count, options)
                                                      : first.pop_back_many(request.count, options);
        return batch ? from_key(request.keys.front(), elements_reply(batch))
                     : ending_reply(batch.ending());
    }
    const auto popped_from = [&](std::size_t key, const Text& element) {
        const Reply reply = string_reply(element);
        return from_key(key, request.kind == Kind::pop ? reply : array_reply({reply}));
    };
    if (request.keys.size() == 1) {
        const auto popped =
            request.from == End::front ? first.pop_front(options) : first.pop_back(options);
        return popped ? popped_from(request.keys.front(), *popped) : ending_reply(popped.ending());
    }
    std::vector<BlockingList<Text>> sources;
    for (const std::size_t key : request.keys) sources.push_back(lists[key]);
    const auto popped = pop_first(sources, {request.from, timeout, stop});
    return popped ? popped_from(request.keys[popped.which()], *popped)
                  : ending_reply(popped.ending());
}

using Client = IdentifiedClient;

// What all worlds share.
struct Redis : SharedRedis<Client> {
    explicit Redis(std::uint64_t seed) : SharedRedis{most_clients, seed} {}
};

// ------------------------------------------------------------------ lists of both

class World {
public:
    World(Random& random, Redis& redis) : random_{random}, redis_{redis} {
        for (const Text& name : names) lists_.push_back(broker_.list<Text>(name));
        redis_.transcript.forget();
        REQUIRE(redis_.server.command({"FLUSHALL"}) == status_reply("OK"));
        fullness_ = random_.percent(70) ? 10 : 30;
    }

    // Returns how many steps that were: fewer if the server has gone its own way.
    std::size_t run(std::size_t steps) {
        std::size_t step = 0;
        while (step != steps && !has_parted_) {
            redis_.transcript.next_operation();
            one_step();
            compare_lists();
            ++step;
        }
        if (!has_parted_) remove_one();
        end_waits();
        return step;
    }

private:
    struct Wait {
        Words words;
        Call<Reply> call;
        std::optional<Clock::Deadline> deadline;
    };

    // ---------------------------------------------------------------- choices

    std::size_t some_key() { return random_.below(names.size()); }
    End some_end() { return random_.percent(50) ? End::front : End::back; }
    // Few different ones, so that LREM finds several.
    Text some_element() { return std::to_string(random_.below(9)); }

    // More often than not one that is empty, if there is one: to wait for.
    std::size_t some_source() {
        std::size_t key = some_key();
        for (std::size_t tries = 3; tries != 0 && !newest_[key].empty(); --tries) key = some_key();
        return key;
    }

    std::vector<std::size_t> some_sources() {
        std::vector<std::size_t> keys{some_source()};
        while (random_.percent(45) && keys.size() != 5) keys.push_back(some_source());
        return keys;
    }

    ListRequest some_request() {
        ListRequest request{.kind = Kind::pop, .keys = {some_source()}, .from = some_end()};
        if (random_.percent(45)) {
            request.kind = Kind::move;
            request.to = some_end();
            request.target = random_.percent(15) ? request.keys.front() : some_source();
        } else if (random_.percent(40)) {
            request.kind = Kind::pop_many;
            request.keys = some_sources();
            // runnel takes several at a time from one list only.
            if (request.keys.size() == 1) request.count = 1 + random_.below(4);
        } else {
            request.keys = some_sources();
        }
        return request;
    }

    static const char* name_of(const ListRequest& request) {
        if (request.kind == Kind::move)
            return request.keys.front() == request.target ? "BLMOVE, onto itself" : "BLMOVE";
        if (request.kind == Kind::pop_many)
            return request.keys.size() == 1 ? "BLMPOP" : "BLMPOP, several keys";
        return request.keys.size() == 1 ? "BLPOP" : "BLPOP, several keys";
    }

    std::vector<std::size_t> idle_clients() const {
        std::vector<std::size_t> idle;
        for (std::size_t client = 0; client != most_clients; ++client)
            if (!waits_[client]) idle.push_back(client);
        return idle;
    }

    // ---------------------------------------------------------------- operations

    void one_step() {
        const std::size_t dice = random_.below(100);
        if (dice < fullness_) return push();
        if (dice < 34) return random_.percent(70) ? push() : push_if_exists();
        if (dice < 40) return pop();
        if (dice < 43) return range();
        if (dice < 46) return remove();
        if (dice < 52) return clear();
        if (dice < 57) return request_at_once();
        if (dice < 92) return wait();
        if (dice < 96) return give_up();
        if (dice < 98) return let_time_pass();
        return leave();
    }

    void push() {
        const std::size_t key = some_key();
        const End end = some_end();
        Words elements;
        for (std::size_t left = 1 + random_.below(random_.percent(50) ? 1 : 4); left != 0; --left)
            elements.push_back(some_element());
        const bool back = end == End::back;
        const auto real = [&] {
            const std::size_t before = lists_[key].size();
            if (elements.size() == 1) {
                const Push pushed = back ? lists_[key].push_back(Text{elements.front()})
                                         : lists_[key].push_front(Text{elements.front()});
                REQUIRE(pushed == Push::done);
            } else {
                Words messages = elements;
                const auto pushed = back ? lists_[key].push_back_many(messages)
                                         : lists_[key].push_front_many(messages);
                REQUIRE(pushed.count == elements.size());
            }
            return count_reply(before + elements.size());
        };
        step(
            back ? "RPUSH" : "LPUSH", Words{back ? "RPUSH" : "LPUSH", names[key]} + elements,
            [&](RedisLists& model) { return count_reply(model.push(key, end, elements)); }, real);
    }

    void push_if_exists() {
        const std::size_t key = some_key();
        const End end = some_end();
        const Text element = some_element();
        const bool back = end == End::back;
        const auto real = [&] {
            const Push pushed = back ? lists_[key].push_back_if_exists(Text{element})
                                     : lists_[key].push_front_if_exists(Text{element});
            return count_reply(pushed == Push::absent ? 0 : lists_[key].size());
        };
        step(
            back ? "RPUSHX" : "LPUSHX", {back ? "RPUSHX" : "LPUSHX", names[key], element},
            [&](RedisLists& model) { return count_reply(model.push_if_exists(key, end, element)); },
            real);
    }

    void pop() {
        const std::size_t key = some_key();
        const bool front = random_.percent(50);
        const std::size_t count = random_.percent(50) ? 1 + random_.below(4) : 0;
        Words words{front ? "LPOP" : "RPOP", names[key]};
        if (count != 0) words.push_back(std::to_string(count));
        const auto one_or_many = [&](const std::vector<Text>& popped) {
            if (popped.empty()) return nil_reply();
            return count != 0 ? elements_reply(popped) : string_reply(popped.front());
        };
        const auto real = [&] {
            const auto& list = lists_[key];
            if (count != 0) {
                auto batch = front ? list.try_pop_front_many(count) : list.try_pop_back_many(count);
                return one_or_many({batch.begin(), batch.end()});
            }
            auto popped = front ? list.try_pop_front() : list.try_pop_back();
            return popped ? string_reply(*popped) : nil_reply();
        };
        const End end = front ? End::front : End::back;
        step(
            front ? "LPOP" : "RPOP", words,
            [&](RedisLists& model) {
                return one_or_many(model.pop(key, end, std::max<std::size_t>(count, 1)));
            },
            real);
    }

    void range() {
        const std::size_t key = some_key();
        const std::int64_t first = random_.between(-5, 5);
        const std::int64_t last = random_.between(-5, 5);
        const auto foretold = [&](RedisLists& model) {
            const auto size = static_cast<std::int64_t>(model[key].size());
            const auto at = [size](std::int64_t position) {
                return position < 0 ? position + size : position;
            };
            Reply reply = array_reply({});
            for (std::int64_t index = 0; index != size; ++index)
                if (index >= at(first) && index <= at(last))
                    reply.elements.push_back(
                        string_reply(model[key][static_cast<std::size_t>(index)]));
            return reply;
        };
        step("LRANGE", {"LRANGE", names[key], std::to_string(first), std::to_string(last)},
             foretold, [&] { return elements_reply(lists_[key].range(first, last)); });
    }

    void remove() {
        const std::size_t key = some_key();
        const End from = some_end();
        const Text element = some_element();
        const std::size_t count = random_.percent(40) ? all : 1 + random_.below(2);
        const auto sign = from == End::front ? "" : "-";
        const Text number = count == all ? "0" : sign + std::to_string(count);
        step(
            "LREM", {"LREM", names[key], number, element},
            [&](RedisLists& model) { return count_reply(model.remove(key, element, from, count)); },
            [&] { return count_reply(lists_[key].remove(element, from, count)); });
    }

    // A list is removed as a whole or, if somebody waits for it or is about to move to it, emptied.
    void clear() {
        const std::size_t key = some_key();
        step(
            "DEL", {"DEL", names[key]},
            [&](RedisLists& model) { return count_reply(model.clear(key) ? 1 : 0); },
            [&] {
                const bool was_there = lists_[key].size() != 0;
                if (is_awaited(key))
                    (void)lists_[key].try_pop_front_many(all);
                else
                    replace(key);
                return count_reply(was_there ? 1 : 0);
            });
    }

    bool is_awaited(std::size_t key) const {
        for (std::size_t client = 0; client != most_clients; ++client) {
            const ListRequest* const request = newest_.waits(client);
            if (request == nullptr) continue;
            if (std::ranges::find(request->keys, key) != request->keys.end()) return true;
            if (request->kind == Kind::move && request->target == key) return true;
        }
        return false;
    }

    void replace(std::size_t key) {
        REQUIRE(broker_.remove(names[key]));
        lists_[key] = broker_.list<Text>(names[key]);
    }

    void request_at_once() {
        const ListRequest request = some_request();
        step(
            request.kind == Kind::move ? "LMOVE" : "LMPOP",
            words_for({request.kind == Kind::pop ? Kind::pop_many : request.kind, request.keys,
                       request.from, request.to, request.target, request.count},
                      false),
            [&](RedisLists& model) {
                ListRequest asked = request;
                if (asked.kind == Kind::pop) asked.kind = Kind::pop_many;
                return model.try_request(asked).value_or(nil_reply());
            },
            [&] {
                ListRequest asked = request;
                if (asked.kind == Kind::pop) asked.kind = Kind::pop_many;
                return carry_out(lists_, asked, 0s, {});
            });
    }

    // ---------------------------------------------------------------- waiting

    void wait() {
        const auto idle = idle_clients();
        if (idle.empty()) return push();
        const std::size_t client = random_.one_of(idle);
        const ListRequest request = some_request();
        std::optional<Clock::Deadline> deadline;
        runnel::Timeout timeout{};
        if (random_.percent(40)) {
            const std::chrono::hours hours{1 + random_.below(5)};
            timeout = hours;
            deadline = clock_.now() + hours;
        }
        const Words words = words_for(request, true);
        begin(name_of(request), client_name(client), words);
        redis_.clients[client].connection.send(words);
        redis_.server.settle();
        const auto foretold = [&](RedisLists& model) {
            return model.request(client, request).value_or(waits());
        };
        const Reply older = foretold(older_);
        const Reply newest = foretold(newest_);
        waits_[client].emplace(Wait{words,
                                    {clock_,
                                     [this, request, timeout](const std::stop_token& stop) {
                                         return carry_out(lists_, request, timeout, stop);
                                     }},
                                    deadline});
        Reply theirs = reply_of_redis(client);
        Reply ours = reply_of_runnel(client);
        if (ours != waits()) waits_[client].reset();
        redis_.tally.add(operation_, ours == waits() ? "waits" : "at once");
        compare(words, {std::move(theirs), std::move(ours), older, newest});
        compare_waits();
    }

    // By CLIENT UNBLOCK there, by a stop token here.
    void give_up() {
        const std::size_t client = some_waiting_client();
        if (client == most_clients) return wait();
        begin("CLIENT UNBLOCK", {}, {"CLIENT", "UNBLOCK", redis_.clients[client].id});
        waits_[client]->call.stop();
        expect_unblocked(client);
        compare_waits();
    }

    // The server's time is its own; who waits for too long is told so by CLIENT UNBLOCK.
    void let_time_pass() {
        begin("time passes", {}, {"the", "time", "passes"});
        clock_.advance(1h);
        for (std::size_t client = 0; client != most_clients; ++client) {
            const bool is_due = waits_[client] && waits_[client]->deadline &&
                                *waits_[client]->deadline <= clock_.now();
            if (is_due) expect_unblocked(client);
        }
        compare_waits();
    }

    // A client that goes while it waits takes nothing with it.
    void leave() {
        const std::size_t client = some_waiting_client();
        if (client == most_clients) return wait();
        Client& gone = redis_.clients[client];
        const Words words{"CLIENT", "KILL", "ID", gone.id};
        begin("CLIENT KILL", {}, words);
        REQUIRE(redis_.server.command(words) == integer_reply(1));
        gone = Client{redis_.server};
        older_.unblock(client);
        newest_.unblock(client);
        waits_[client]->call.stop();
        compare(words, {nil_reply(), reply_of_runnel(client), nil_reply(), nil_reply()});
        waits_[client].reset();
        compare_waits();
    }

    std::size_t some_waiting_client() {
        std::vector<std::size_t> waiting;
        for (std::size_t client = 0; client != most_clients; ++client)
            if (waits_[client]) waiting.push_back(client);
        return waiting.empty() ? most_clients : random_.one_of(waiting);
    }

    // After runnel was told to end its wait.
    void expect_unblocked(std::size_t client) {
        const Words words{"CLIENT", "UNBLOCK", redis_.clients[client].id};
        REQUIRE(redis_.server.command(words) == integer_reply(1));
        redis_.server.settle();
        older_.unblock(client);
        newest_.unblock(client);
        compare(words, {reply_of_redis(client), reply_of_runnel(client), nil_reply(), nil_reply()});
        waits_[client].reset();
    }

    // ---------------------------------------------------------------- comparing

    struct Replies {
        Reply theirs;
        Reply ours;
        Reply older;   // foretold by the rules of before 7.2
        Reply newest;  // foretold by those of now
    };

    static Reply waits() { return status_reply("(waits)"); }
    static Text client_name(std::size_t client) { return "client " + std::to_string(client) + ":"; }

    void begin(const char* operation, Text client, const Words& words) {
        operation_ = operation;
        redis_.tally.add(operation, "times");
        redis_.transcript.remember(words, std::move(client));
    }

    template <typename Foretell, typename Real>
    void step(const char* operation, const Words& words, Foretell foretell, Real real) {
        begin(operation, {}, words);
        Reply theirs = redis_.server.command(words);
        redis_.server.settle();
        const Reply older = foretell(older_);
        const Reply newest = foretell(newest_);
        Reply ours = real();
        compare(words, {std::move(theirs), std::move(ours), older, newest});
        compare_waits();
    }

    Reply reply_of_redis(std::size_t client) {
        return redis_.clients[client].connection.arrived().value_or(waits());
    }

    Reply reply_of_runnel(std::size_t client) {
        Call<Reply>& call = waits_[client]->call;
        return call.waits() ? waits() : call.result();
    }

    // What runnel says must be what the newest rules say, and what the server says what those of
    // its age do.
    void compare(const Words& words, const Replies& replies) {
        if (replies.ours != replies.newest)
            redis_.transcript.differ(words, "Redis, the newest", replies.newest, replies.ours);
        const bool is_old = redis_.differences.lacks(looks_through_keys_again);
        const Reply& expected = is_old ? replies.older : replies.newest;
        if (replies.theirs != expected)
            redis_.transcript.differ(words, is_old ? "Redis, foretold otherwise" : "Redis",
                                     replies.theirs, expected);
        has_parted_ |= is_old && replies.older != replies.newest;
    }

    // Of all who have waited until now: who is served and with what, and who waits on.
    void compare_waits() {
        const auto older = older_.take_served();
        const auto newest = newest_.take_served();
        const auto foretold = [](const auto& served, std::size_t client) {
            const auto found = served.find(client);
            return found == served.end() ? waits() : found->second;
        };
        std::size_t count = 0;
        for (std::size_t client = 0; client != most_clients; ++client) {
            if (!waits_[client]) continue;
            Reply ours = reply_of_runnel(client);
            const bool is_served = ours != waits();
            compare(waits_[client]->words, {reply_of_redis(client), std::move(ours),
                                            foretold(older, client), foretold(newest, client)});
            if (!is_served) continue;
            waits_[client].reset();
            ++count;
        }
        if (count != 0) redis_.tally.add(operation_, "serves", count);
        if (count > 1) redis_.tally.add(operation_, "serves several");
        const bool is_old = redis_.differences.lacks(looks_through_keys_again);
        has_parted_ |= is_old && !(older_ == newest_);
        if (has_parted_) redis_.differences.excuse(looks_through_keys_again);
    }

    void compare_lists() {
        if (has_parted_) return;
        std::vector<Words> questions;
        for (const Text& name : names) {
            questions.push_back({"LRANGE", name, "0", "-1"});
            questions.push_back({"LLEN", name});
        }
        const std::vector<Reply> replies = redis_.server.pipeline(questions);
        for (std::size_t key = 0; key != names.size(); ++key) {
            const BlockingList<Text>& list = lists_[key];
            const Reply elements = elements_reply(newest_[key]);
            const Reply size = count_reply(newest_[key].size());
            compare(questions[2 * key],
                    {replies[2 * key], elements_reply(list.range()), elements, elements});
            compare(questions[2 * key + 1],
                    {replies[2 * key + 1], count_reply(list.size()), size, size});
            REQUIRE(list.stats().blocked_pops == newest_.waiting_for(key));
        }
    }

    // ---------------------------------------------------------------- the end

    // Redis has nothing like it: who waits for a list that is removed waits on. Here a list is an
    // object, and the wait ends with it; of several lists, with the last one.
    void remove_one() {
        const std::size_t key = some_key();
        begin("DEL, awaited", {}, {"DEL", names[key]});
        (void)redis_.server.command({"DEL", names[key]});
        redis_.server.settle();
        REQUIRE(broker_.remove(names[key]));
        for (std::size_t client = 0; client != most_clients; ++client) {
            const ListRequest* const request = newest_.waits(client);
            if (request == nullptr) continue;
            const bool is_last =
                std::ranges::all_of(request->keys, [key](std::size_t each) { return each == key; });
            const bool is_target = request->kind == Kind::move && request->target == key;
            const Reply newest = is_last || is_target ? status_reply("(closed)") : waits();
            if (newest != waits()) redis_.differences.excuse(removal_ends_waits);
            compare_end(client, {reply_of_redis(client), reply_of_runnel(client), waits(), newest});
        }
    }

    void compare_end(std::size_t client, const Replies& replies) {
        const Words& words = waits_[client]->words;
        if (replies.ours != replies.newest)
            redis_.transcript.differ(words, "expected", replies.newest, replies.ours);
        if (replies.theirs != replies.older)
            redis_.transcript.differ(words, "Redis", replies.theirs, replies.older);
    }

    void end_waits() {
        for (auto& wait : waits_) wait.reset();
        redis_.unblock_all();
    }

    Random& random_;
    Redis& redis_;
    std::size_t fullness_ = 0;  // of a hundred steps, those that push whatever comes
    ManualClock clock_;
    Broker broker_{{.clock = &clock_}};
    std::vector<BlockingList<Text>> lists_;
    RedisLists older_{names, false};
    RedisLists newest_{names, true};
    std::array<std::optional<Wait>, most_clients> waits_;
    bool has_parted_ = false;  // the server has served by older rules, and has other lists now
    const char* operation_ = "";
};

}  // namespace

TEST_CASE("lists do what those of a real Redis do, whoever waits", "[list][redis]") {
    const std::uint64_t seed = seed_for("lists against Redis");
    Random random{seed};
    Redis redis{seed};
    std::size_t left = scaled(12'000, 1'000);
    while (left != 0) left -= World{random, redis}.run(std::min(left, 20 + random.below(300)));
    std::cout << redis.tally << redis.differences;
    SUCCEED();
}
