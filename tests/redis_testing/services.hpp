// SPDX-License-Identifier: MIT
#pragma once

// Small services that talk to Redis, and what is to hold of each, for many sizes and for RESP2 and
// RESP3: a suite as a user has one. It knows no framework.

#include <runnel/redis/reply.hpp>
#include <runnel/redis/testing/client.hpp>
#include <runnel/redis/testing/fixture.hpp>
#include <runnel/redis/testing/matchers.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::test::services {

using namespace redis::testing;
using namespace std::chrono_literals;
using redis::Reply;

inline std::string text_of(std::size_t number) {
    return std::to_string(number);
}
inline std::string job(std::size_t number) {
    return "job-" + text_of(number);
}

/// What a case works with: a Redis, and a list of what does not hold.
class Scene {
public:
    Scene(RedisUnderTest& redis, int protocol) : redis_{redis}, protocol_{protocol} {
        greet(redis_.redis());
    }

    Client& redis() { return redis_.redis(); }
    Client connect() {
        Client connection = redis_.connect();
        greet(connection);
        return connection;
    }
    std::vector<Client> connect(std::size_t count) {
        std::vector<Client> connections;
        while (connections.size() != count) connections.push_back(connect());
        return connections;
    }
    void advance(Duration duration) { redis_.advance(duration); }

    void that(const std::optional<Reply>& reply, const ReplyMatcher& matcher) {
        ++checks_;
        if (matcher.match(reply)) return;
        failures_ += (reply ? to_string(*reply) : "no reply") + ' ' + matcher.toString() + '\n';
    }
    void that(bool holds, std::string_view what) {
        ++checks_;
        if (!holds) failures_ += std::string{what} + '\n';
    }

    [[nodiscard]] const std::string& failures() const { return failures_; }
    [[nodiscard]] std::size_t checks() const { return checks_; }

private:
    void greet(Client& connection) {
        if (protocol_ == 3)
            that(connection.execute({"HELLO", "3"}), HasField("proto", IsInteger(3)));
    }

    RedisUnderTest& redis_;
    int protocol_;
    std::size_t checks_ = 0;
    std::string failures_;
};

// ---- a queue that loses no job: what is taken stands in a second list until it is done

class WorkQueue {
public:
    explicit WorkQueue(Client& client) : client_{client} {}

    void add(const std::string& what) { client_.execute({"LPUSH", "jobs", what}); }
    std::optional<std::string> take() {
        const auto reply = client_.execute({"LMOVE", "jobs", "taken", "RIGHT", "LEFT"});
        if (!reply || reply->is_null()) return std::nullopt;
        return reply->text();
    }
    bool done(const std::string& what) {
        return client_.execute({"LREM", "taken", "1", what}) == Reply::integer(1);
    }
    // What a worker has left behind that is gone.
    std::size_t recover() {
        std::size_t count = 0;
        while (!client_.execute({"LMOVE", "taken", "jobs", "LEFT", "RIGHT"})->is_null()) ++count;
        return count;
    }

private:
    Client& client_;
};

inline void work_queue(Scene& scene, std::size_t jobs) {
    WorkQueue boss{scene.redis()};
    auto connection = scene.connect();
    WorkQueue worker{connection};
    for (std::size_t number = 0; number != jobs; ++number) boss.add(job(number));
    for (std::size_t number = 0; number != jobs; ++number) {
        const auto taken = worker.take();
        scene.that(taken == job(number), "jobs are taken in their order");
        if (number % 2 == 0) scene.that(worker.done(*taken), "a job is done once");
        if (number % 2 == 0) scene.that(!worker.done(*taken), "and not twice");
    }
    scene.that(!worker.take(), "none is left");
    connection.close();
    scene.that(boss.recover() == jobs / 2, "what is not done comes back");
    for (std::size_t number = 1; number < jobs; number += 2)
        scene.that(boss.take() == job(number), "in its old order");
}

// ---- workers that wait get jobs in the order in which they came

inline void waiting_line(Scene& scene, std::size_t workers) {
    auto line = scene.connect(workers);
    std::vector<PendingReply> waits;
    for (Client& worker : line) waits.push_back(worker.submit({"BLPOP", "jobs", "0"}));
    for (const PendingReply& wait : waits) scene.that(!wait.ready(), "nothing is there yet");
    line.front().close();  // who goes, gets nothing
    for (std::size_t number = 1; number != workers; ++number) {
        scene.redis().execute({"RPUSH", "jobs", job(number)});
        scene.that(waits[number].try_get(), IsStrings({"jobs", job(number)}));
        if (number + 1 < workers) scene.that(!waits[number + 1].ready(), "one job wakes one");
    }
    scene.that(waits.front().ready() && !waits.front().try_get(), "it has no reply");
    scene.that(scene.redis().execute({"LLEN", "jobs"}), IsInteger(0));
}

// ---- what was seen before

inline void deduplication(Scene& scene, std::size_t messages) {
    auto other = scene.connect();
    const auto is_new = [](Client& client, const std::string& id) {
        return !client.execute({"SET", "seen:" + id, "1", "NX", "EX", "600"})->is_null();
    };
    for (std::size_t number = 0; number != messages; ++number) {
        const std::string id = text_of(number);
        scene.that(is_new(number % 3 == 0 ? other : scene.redis(), id), "the first time it is new");
        scene.that(!is_new(scene.redis(), id), "then it is not");
        scene.that(!is_new(other, id), "nor for others");
    }
    scene.that(scene.redis().execute({"DBSIZE"}), IsInteger(static_cast<std::int64_t>(messages)));
    scene.that(scene.redis().execute({"TTL", "seen:0"}), IsInteger(600) || IsInteger(599));
}

// ---- a lock that only its owner gives back

class Lock {
public:
    Lock(Client& client, std::string token) : client_{client}, token_{std::move(token)} {}

    bool take() {
        return client_.execute({"SET", "lock", token_, "NX", "PX", "30000"}) ==
               Reply::simple_string("OK");
    }
    bool give_back() {
        client_.execute({"WATCH", "lock"});
        const auto owner = client_.execute({"GET", "lock"});
        if (owner->is_null() || owner->text() != token_) {
            client_.execute({"UNWATCH"});
            return false;
        }
        client_.execute({"MULTI"});
        client_.execute({"DEL", "lock"});
        return client_.execute({"EXEC"})->kind() == Reply::Kind::array;
    }

private:
    Client& client_;
    std::string token_;
};

inline void locks(Scene& scene, std::size_t owners) {
    auto connections = scene.connect(owners);
    std::vector<Lock> all;
    for (std::size_t at = 0; at != owners; ++at) all.emplace_back(connections[at], text_of(at));
    for (std::size_t at = 0; at != owners; ++at) {
        scene.that(all[at].take(), "it is free");
        for (std::size_t other = 0; other != owners; ++other) {
            scene.that(!all[other].take(), "nobody takes it twice");
            if (other != at) scene.that(!all[other].give_back(), "nor gives back another's");
        }
        scene.that(all[at].give_back(), "its owner does");
    }
    scene.that(scene.redis().execute({"EXISTS", "lock"}), IsInteger(0));
}

// ---- so many calls in a window

inline bool is_allowed(Client& client, const std::string& user, std::int64_t limit) {
    const std::int64_t calls = client.execute({"INCR", "calls:" + user})->integer();
    if (calls == 1) client.execute({"EXPIRE", "calls:" + user, "60"});
    return calls <= limit;
}

inline void rate_limit(Scene& scene, std::size_t limit) {
    const auto most = static_cast<std::int64_t>(limit);
    for (std::size_t call = 1; call <= limit + 3; ++call)
        scene.that(is_allowed(scene.redis(), "ann", most) == (call <= limit),
                   "so many and no more");
    scene.that(is_allowed(scene.redis(), "bob", most), "another one has calls of his own");
    scene.that(scene.redis().execute({"INCR", "calls:"}), IsInteger(1));
    scene.redis().execute({"SET", "calls:eve", "many"});
    scene.that(scene.redis().execute({"INCR", "calls:eve"}),
               IsError("ERR value is not an integer"));
}

// A window ends when its time is over, and not before.
inline void rate_window(Scene& scene, std::size_t limit) {
    const auto most = static_cast<std::int64_t>(limit);
    for (int window = 0; window != 3; ++window) {
        for (std::size_t call = 1; call <= limit + 1; ++call)
            scene.that(is_allowed(scene.redis(), "ann", most) == (call <= limit), "as many again");
        scene.advance(59s);
        scene.that(!is_allowed(scene.redis(), "ann", most), "not within the window");
        scene.advance(1s);
    }
}

// ---- a group of workers reads a stream

inline void stream_workers(Scene& scene, std::size_t entries) {
    auto crashes = scene.connect();
    Client& works = scene.redis();
    scene.that(works.execute({"XGROUP", "CREATE", "mails", "g", "$", "MKSTREAM"}), IsOk());
    for (std::size_t number = 0; number != entries; ++number)
        works.execute({"XADD", "mails", "*", "to", job(number)});
    for (std::size_t number = 0; number != entries; ++number) {
        Client& reader = number % 3 == 0 ? crashes : works;
        const std::string name = number % 3 == 0 ? "crashes" : "works";
        const auto read = reader.execute(
            {"XREADGROUP", "GROUP", "g", name, "COUNT", "1", "STREAMS", "mails", ">"});
        const Reply* const stream =
            read->kind() == Reply::Kind::map ? read->find("mails") : &(*read)[0][1];
        const Reply entry = (*stream)[0];
        scene.that(entry[1], IsStrings({"to", job(number)}));
        if (&reader == &works)
            scene.that(works.execute({"XACK", "mails", "g", entry[0].text()}), IsInteger(1));
    }
    crashes.close();
    const auto left = static_cast<std::int64_t>((entries + 2) / 3);
    scene.that((*works.execute({"XPENDING", "mails", "g"}))[0], IsInteger(left));
    const auto claimed =
        works.execute({"XAUTOCLAIM", "mails", "g", "works", "0", "0", "COUNT", "1000"});
    scene.that(static_cast<std::int64_t>((*claimed)[1].elements().size()) == left,
               "what the other one left behind is claimed");
    for (const Reply& entry : (*claimed)[1].elements())
        scene.that(works.execute({"XACK", "mails", "g", entry[0].text()}), IsInteger(1));
    scene.that((*works.execute({"XPENDING", "mails", "g"}))[0], IsInteger(0));
    const auto waits =
        works.submit({"XREADGROUP", "GROUP", "g", "works", "BLOCK", "0", "STREAMS", "mails", ">"});
    scene.that(!waits.ready(), "it waits for more");
    scene.connect().execute({"XADD", "mails", "*", "to", "eve"});
    scene.that(waits.ready() && !waits.try_get()->is_null(), "and gets it");
}

// ---- messages

inline void news(Scene& scene, std::size_t readers) {
    auto all = scene.connect(readers);
    for (std::size_t at = 0; at != readers; ++at) {
        const bool by_pattern = at % 2 == 1;
        scene.that(!all[at].execute({by_pattern ? "PSUBSCRIBE" : "SUBSCRIBE", "news"}),
                   "the answer is a push");
        scene.that(all[at].next_push(), IsArray({IsBulk(by_pattern ? "psubscribe" : "subscribe"),
                                                 IsBulk("news"), IsInteger(1)}));
    }
    const auto count = static_cast<std::int64_t>(readers);
    for (const char* const text : {"one", "two"})
        scene.that(scene.redis().execute({"PUBLISH", "news", text}), IsInteger(count));
    for (std::size_t at = 0; at != readers; ++at) {
        for (const char* const text : {"one", "two"}) {
            scene.that(all[at].next_push(),
                       at % 2 == 1 ? ReplyMatcher{IsStrings({"pmessage", "news", "news", text})}
                                   : ReplyMatcher{IsStrings({"message", "news", text})});
        }
        scene.that(!all[at].next_push(), "no more than that");
    }
    all.clear();
    scene.that(scene.redis().execute({"PUBLISH", "news", "three"}), IsInteger(0));
}

// ---- money that is moved under WATCH

inline bool transfer(Client& client, std::size_t amount, Client* disturber) {
    client.execute({"WATCH", "from"});
    const auto has = std::stoul(client.execute({"GET", "from"})->text());
    if (disturber != nullptr) disturber->execute({"INCRBY", "from", "1"});
    if (has < amount) return client.execute({"UNWATCH"}), false;
    client.execute({"MULTI"});
    client.execute({"DECRBY", "from", text_of(amount)});
    client.execute({"INCRBY", "to", text_of(amount)});
    return !client.execute({"EXEC"})->is_null();
}

inline void accounts(Scene& scene, std::size_t transfers) {
    Client& client = scene.redis();
    auto disturber = scene.connect();
    client.execute({"MSET", "from", text_of(10 * transfers), "to", "0"});
    for (std::size_t number = 0; number != transfers; ++number) {
        scene.that(!transfer(client, 10, &disturber), "it was touched meanwhile");
        scene.that(transfer(client, 10, nullptr), "the second time it works");
    }
    scene.that(client.execute({"MGET", "from", "to"}),
               IsStrings({text_of(transfers), text_of(10 * transfers)}));
    scene.that(!transfer(client, 10 * transfers + 1, nullptr), "there is too little");
}

// ---- which articles have a tag

inline void tags(Scene& scene, std::size_t articles) {
    Client& client = scene.redis();
    std::vector<std::string> even;
    for (std::size_t number = 0; number != articles; ++number) {
        const std::string id = text_of(number);
        client.execute({"HSET", "article:" + id, "title", "t" + id, "reads", "0"});
        client.execute({"SADD", number % 2 == 0 ? "tag:even" : "tag:odd", id});
        if (number % 2 == 0) even.push_back(id);
        client.execute({"HINCRBY", "article:" + id, "reads", id});
        scene.that(client.execute({"HGETALL", "article:" + id}),
                   HasField("reads", IsBulk(id)) && HasField("title", IsBulk("t" + id)));
    }
    scene.that(client.execute({"SMEMBERS", "tag:even"}), IsStringsInAnyOrder(even));
    scene.that(client.execute({"SCARD", "tag:odd"}),
               IsInteger(static_cast<std::int64_t>(articles / 2)));
    scene.that(client.execute({"SREM", "tag:even", "0", "none"}), IsInteger(1));
    scene.that(client.execute({"GET", "tag:even"}),
               articles > 2 ? ReplyMatcher{IsError("WRONGTYPE")} : ReplyMatcher{IsNull()});
}

// ---- what ends on time

inline void sessions_expire(Scene& scene, std::size_t minutes) {
    Client& client = scene.redis();
    const std::string seconds = text_of(60 * minutes);
    client.execute({"SET", "session", "ann", "EX", seconds});
    for (std::size_t minute = 1; minute != minutes; ++minute) {
        scene.advance(1min);
        scene.that(client.execute({"TTL", "session"}),
                   IsInteger(static_cast<std::int64_t>(60 * (minutes - minute))));
    }
    scene.that(client.execute({"GETEX", "session", "EX", seconds}), IsBulk("ann"));
    scene.advance(minutes * 1min - 1ms);
    scene.that(client.execute({"GET", "session"}), IsBulk("ann"));
    scene.advance(1ms);
    scene.that(client.execute({"GET", "session"}), IsNull());
}

// The one whose lease is renewed leads; when it is not, the next one does.
inline void leaders(Scene& scene, std::size_t terms) {
    auto candidates = scene.connect(2);
    const auto leads = [&](std::size_t who) {
        const std::string name = text_of(who);
        const auto set = candidates[who].execute({"SET", "leader", name, "NX", "PX", "10000"});
        if (!set->is_null()) return true;
        if (candidates[who].execute({"GET", "leader"})->text() != name) return false;
        candidates[who].execute({"PEXPIRE", "leader", "10000"});
        return true;
    };
    for (std::size_t term = 0; term != terms; ++term) {
        const std::size_t who = term % 2;
        scene.that(leads(who), "the lease is over");
        for (int beat = 0; beat != 4; ++beat) {
            scene.advance(9s);
            scene.that(leads(who), "it is renewed");
            scene.that(!leads(1 - who), "so nobody else leads");
        }
        scene.advance(10s);
    }
}

inline void waits_end_on_time(Scene& scene, std::size_t seconds) {
    auto worker = scene.connect();
    const auto job = worker.submit({"BLPOP", "jobs", text_of(seconds)});
    const auto behind = worker.submit({"PING"});
    scene.advance(seconds * 1s - 1ms);
    scene.that(!job.ready() && !behind.ready(), "not before its time");
    scene.advance(1ms);
    scene.that(job.try_get(), IsNull());
    scene.that(behind.try_get(), IsStatus("PONG"));
}

// ---- all of them

using Run = void (*)(Scene& scene, std::size_t size);

struct Case {
    std::string name;  ///< of letters and digits
    int protocol;
    Run run;
    std::size_t size;

    friend std::ostream& operator<<(std::ostream& out, const Case& one) { return out << one.name; }
};

/// Those that move time, or those that do not.
inline std::vector<Case> cases(bool move_time) {
    struct Service {
        const char* name;
        Run run;
        bool moves_time;
        std::vector<std::size_t> sizes;
    };
    static const std::vector<Service> services{
        {"WorkQueue", work_queue, false, {1, 2, 3, 4, 5, 8, 13, 21}},
        {"WaitingLine", waiting_line, false, {1, 2, 3, 4, 5, 6, 8, 10}},
        {"Deduplication", deduplication, false, {1, 2, 3, 5, 8, 13, 21, 34}},
        {"Locks", locks, false, {1, 2, 3, 4, 5, 6, 7, 8}},
        {"RateLimit", rate_limit, false, {1, 2, 3, 5, 8, 13, 20, 40}},
        {"StreamWorkers", stream_workers, false, {1, 2, 3, 4, 6, 9, 12, 20, 30}},
        {"News", news, false, {1, 2, 3, 4, 5, 6, 8, 12, 16}},
        {"Accounts", accounts, false, {1, 2, 3, 4, 5, 7, 9, 12}},
        {"Tags", tags, false, {2, 3, 4, 5, 8, 12, 20, 40}},
        {"RateWindow", rate_window, true, {1, 2, 3, 5, 8, 13, 21, 34}},
        {"SessionsExpire", sessions_expire, true, {1, 2, 3, 5, 10, 30, 60, 1440}},
        {"Leaders", leaders, true, {1, 2, 3, 4, 5, 6, 7}},
        {"WaitsEndOnTime", waits_end_on_time, true, {1, 2, 5, 10, 60, 600, 3600, 86400}},
    };
    std::vector<Case> all;
    for (const Service& service : services) {
        if (service.moves_time != move_time) continue;
        for (const std::size_t size : service.sizes) {
            for (const int protocol : {2, 3}) {
                all.push_back({service.name + text_of(size) + "Resp" + std::to_string(protocol),
                               protocol, service.run, size});
            }
        }
    }
    return all;
}

}  // namespace runnel::test::services
