// SPDX-License-Identifier: MIT
// Commands of lists, beside more_transcripts/lists.txt: long lists, and what is told of changes.

#include <runnel/redis.hpp>

#include "support/catch.hpp"
#include "support/fake_replies.hpp"
#include "support/told_changes.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace redis = runnel::redis;
using redis::Reply;
using redis::detail::Change;
using runnel::test::bulk;

namespace {

using Command = std::vector<std::string>;

struct ListScene {
    Reply send(const Command& command) { return session.execute(command).value(); }

    [[nodiscard]] std::vector<std::string> all(const std::string& list) {
        return send({"LRANGE", list, "0", "-1"}).strings();
    }

    redis::Server server;
    redis::Session session{server};
};

}  // namespace

TEST_CASE_METHOD(ListScene, "a list of many thousand elements has all of them in their order",
                 "[redis][lists]") {
    constexpr int count = 20'000;
    Command push{"RPUSH", "l"};
    for (int number = 0; number != count; ++number) push.push_back(std::to_string(number));
    CHECK(send(push) == Reply::integer(count));
    CHECK(send({"LINDEX", "l", "12345"}) == bulk("12345"));
    CHECK(send({"LINDEX", "l", "-5"}) == bulk("19995"));
    CHECK(send({"LPOS", "l", "15000"}) == Reply::integer(15'000));
    CHECK(send({"LPOS", "l", "15000", "RANK", "-1", "MAXLEN", "5000"}) == Reply::integer(15'000));
    CHECK(send({"LPOS", "l", "15000", "RANK", "-1", "MAXLEN", "4999"}).is_null());
    CHECK(send({"LRANGE", "l", "-3", "-1"}).strings() ==
          std::vector<std::string>{"19997", "19998", "19999"});
    CHECK(all("l") == Command(push.begin() + 2, push.end()));
    CHECK(send({"LPOP", "l", "19999"}).elements().size() == 19'999);
    CHECK(all("l") == std::vector<std::string>{"19999"});
}

namespace {

// Lists as deques.
class Model {
public:
    explicit Model(std::uint32_t seed) : random_{seed} {}

    // Some command that changes a list, and what it should answer.
    struct Step {
        Command command;
        Reply reply;
    };
    Step next() {
        const std::string name = any_name();
        std::deque<std::string>& list = lists[name == "a" ? 0 : 1];
        switch (below(6)) {
        case 0:
        case 1:
            return push(name, list);
        case 2:
            return pop(name, list);
        case 3:
            return insert(name, list);
        case 4:
            return remove(name, list);
        default:
            return move(name, list);
        }
    }

    std::vector<std::deque<std::string>> lists{2};

private:
    std::size_t below(std::size_t bound) { return random_() % bound; }
    bool toss() { return below(2) == 0; }
    std::string any_name() { return toss() ? "a" : "b"; }
    std::string any_element() { return std::to_string(below(6)); }
    static Reply count(std::size_t number) {
        return Reply::integer(static_cast<std::int64_t>(number));
    }

    Step push(const std::string& name, std::deque<std::string>& list) {
        const bool in_front = toss();
        Step step{{in_front ? "LPUSH" : "RPUSH", name}, {}};
        for (std::size_t left = 1 + below(20); left != 0; --left) {
            const std::string element = any_element();
            step.command.push_back(element);
            in_front ? list.push_front(element) : list.push_back(element);
        }
        step.reply = count(list.size());
        return step;
    }

    static std::string take(std::deque<std::string>& list, bool at_front) {
        const std::string element = at_front ? list.front() : list.back();
        at_front ? list.pop_front() : list.pop_back();
        return element;
    }

    Step pop(const std::string& name, std::deque<std::string>& list) {
        const bool at_front = toss();
        const std::size_t wanted = below(40);
        const Command command{at_front ? "LPOP" : "RPOP", name, std::to_string(wanted)};
        if (list.empty()) return {command, Reply::null_array()};
        std::vector<Reply> taken;
        while (taken.size() != wanted && !list.empty()) taken.push_back(bulk(take(list, at_front)));
        return {command, Reply::array(std::move(taken))};
    }

    Step insert(const std::string& name, std::deque<std::string>& list) {
        const bool is_behind = toss();
        const std::string pivot = any_element();
        const Command command{"LINSERT", name, is_behind ? "AFTER" : "BEFORE", pivot, "new"};
        if (list.empty()) return {command, count(0)};
        auto found = std::ranges::find(list, pivot);
        if (found == list.end()) return {command, Reply::integer(-1)};
        list.insert(is_behind ? found + 1 : found, "new");
        return {command, count(list.size())};
    }

    Step remove(const std::string& name, std::deque<std::string>& list) {
        const std::string element = any_element();
        const bool from_back = toss();
        const std::size_t most = below(8);
        const Command command{"LREM", name, (from_back ? "-" : "") + std::to_string(most + 1),
                              element};
        if (from_back) std::ranges::reverse(list);
        std::size_t removed = 0;
        std::erase_if(list, [&](const std::string& one) {
            if (one != element || removed > most) return false;
            ++removed;
            return true;
        });
        if (from_back) std::ranges::reverse(list);
        return {command, count(removed)};
    }

    Step move(const std::string& name, std::deque<std::string>& source) {
        const std::string to_name = any_name();
        std::deque<std::string>& target = lists[to_name == "a" ? 0 : 1];
        const bool from_front = toss();
        const bool to_front = toss();
        const Command command{"LMOVE", name, to_name, from_front ? "LEFT" : "RIGHT",
                              to_front ? "LEFT" : "RIGHT"};
        if (source.empty()) return {command, Reply::null()};
        const std::string element = take(source, from_front);
        to_front ? target.push_front(element) : target.push_back(element);
        return {command, bulk(element)};
    }

    std::mt19937 random_;
};

}  // namespace

TEST_CASE("lists do what deques do", "[redis][lists][model]") {
    for (std::uint32_t seed = 1; seed != 6; ++seed) {
        Model model{seed};
        ListScene scene;
        for (int step = 0; step != 2'000; ++step) {
            const Model::Step next = model.next();
            CAPTURE(seed, step, next.command);
            REQUIRE(scene.send(next.command) == next.reply);
            if (step % 20 != 0) continue;
            REQUIRE(scene.all("a") == Command(model.lists[0].begin(), model.lists[0].end()));
            REQUIRE(scene.all("b") == Command(model.lists[1].begin(), model.lists[1].end()));
        }
    }
}

namespace {

// The changes that a server tells, with their counts.
using ToldByLists = runnel::test::ToldChanges<&redis::detail::Change::count>;
using Changes = std::vector<ToldByLists::Change>;
using What = redis::detail::Change::What;

}  // namespace

TEST_CASE_METHOD(ToldByLists,
                 "pushes and pops are told with their counts, and so is a key's coming",
                 "[redis][lists][changes]") {
    CHECK(after({"RPUSH", "l", "a", "b", "c"}) ==
          Changes{{What::key_made, "l"}, {What::pushed, "l", 3}});
    CHECK(after({"LPUSH", "l", "d"}) == Changes{{What::pushed, "l"}});
    CHECK(after({"RPOP", "l", "2"}) == Changes{{What::popped, "l", 2}});
    CHECK(after({"LMPOP", "1", "l", "LEFT", "COUNT", "9"}) ==
          Changes{{What::popped, "l", 2}, {What::key_gone, "l"}});
}

TEST_CASE_METHOD(ToldByLists, "changes within a list are told", "[redis][lists][changes]") {
    after({"RPUSH", "l", "a", "b", "a", "c"});
    CHECK(after({"LSET", "l", "3", "d"}) == Changes{{What::list_changed, "l"}});
    CHECK(after({"LREM", "l", "0", "a"}) == Changes{{What::list_changed, "l", 2}});
    CHECK(after({"LINSERT", "l", "BEFORE", "b", "x"}) == Changes{{What::pushed, "l"}});
    CHECK(after({"LTRIM", "l", "0", "-1"}) == Changes{{What::list_changed, "l", 0}});
    CHECK(after({"LMOVE", "l", "l", "LEFT", "RIGHT"}) == Changes{{What::list_changed, "l"}});
    CHECK(after({"LTRIM", "l", "5", "9"}) ==
          Changes{{What::list_changed, "l", 3}, {What::key_gone, "l"}});
}

TEST_CASE_METHOD(ToldByLists, "a move is told of both lists", "[redis][lists][changes]") {
    after({"RPUSH", "l", "a", "b"});
    CHECK(after({"LMOVE", "l", "m", "LEFT", "RIGHT"}) ==
          Changes{{What::key_made, "m"}, {What::popped, "l"}, {What::pushed, "m"}});
    CHECK(after({"LMOVEM", "l", "m", "LEFT", "RIGHT"}) ==
          Changes{{What::popped, "l"}, {What::pushed, "m"}, {What::key_gone, "l"}});
}

TEST_CASE_METHOD(ToldByLists, "of what changes nothing nothing is told",
                 "[redis][lists][changes]") {
    after({"RPUSH", "l", "a", "b"});
    CHECK(after({"LPOP", "l", "0"}).empty());
    CHECK(after({"LPOP", "no"}).empty());
    CHECK(after({"LPUSHX", "no", "a"}).empty());
    CHECK(after({"LREM", "l", "0", "x"}).empty());
    CHECK(after({"LINSERT", "l", "BEFORE", "x", "y"}).empty());
    CHECK(after({"LSET", "l", "9", "x"}).empty());
    CHECK(after({"LMOVE", "no", "l", "LEFT", "LEFT"}).empty());
    CHECK(after({"LMOVEM", "l", "m", "LEFT", "LEFT", "EXACTLY", "3", "OBO"}).empty());
    CHECK(after({"LRANGE", "l", "0", "-1"}).empty());
    CHECK(after({"BLPOP", "no", "1"}).empty());
}
