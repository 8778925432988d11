// SPDX-License-Identifier: MIT
// How transcripts are read and played. Instead of a server there is one that says what it was told.

#include "redis/transcript_run.hpp"
#include "support/catch.hpp"
#include "support/fake_replies.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace runnel::test;
using runnel::redis::Reply;
using namespace std::chrono_literals;

namespace {

Reply entry(const char* id) {
    return Reply::array({bulk(id), Reply::array({bulk("f"), bulk("v")})});
}

bool is_like(std::string_view expected, const Reply& reply) {
    TranscriptNames names{.now = 1'700};
    return ReplyMatcher{names}.matches(ReplyParser{expected}.parse(), reply);
}

// Answers each command as it was told to, to whom it was told to.
class ToldHost {
public:
    struct Told {
        char session;
        Reply reply;
    };

    void tell(const std::string& command, std::vector<Told> outputs) {
        outputs_[command] = std::move(outputs);
    }
    void block_on(const std::string& command, std::chrono::milliseconds timeout) {
        timeouts_[command] = timeout;
    }

    void submit(char session, const std::vector<std::string>& words) {
        std::string command;
        for (const std::string& word : words) command += (command.empty() ? "" : " ") + word;
        sent.push_back(command);
        if (const auto timeout = timeouts_.find(command); timeout != timeouts_.end())
            blocked_[session] = timeout->second;
        for (const Told& told : outputs_[command]) {
            queues_[told.session].push_back(told.reply);
            blocked_.erase(told.session);
        }
    }
    std::vector<Reply> take_outputs(char session) { return std::exchange(queues_[session], {}); }
    bool is_blocked(char session) { return blocked_.contains(session); }
    bool is_closed(char session) { return closed.contains(session); }
    std::int64_t client_id(char session) { return session - 'A' + 1; }
    std::int64_t now() { return time.count(); }
    void advance(std::chrono::milliseconds step) {
        time += step;
        for (auto& [session, left] : std::map{blocked_}) {
            if ((blocked_[session] -= step) > 0ms) continue;
            blocked_.erase(session);
            queues_[session].push_back(Reply::null_array());
        }
    }

    std::vector<std::string> sent{};
    std::set<char> closed{};
    std::chrono::milliseconds time{1'000};

private:
    std::map<std::string, std::vector<Told>> outputs_{};
    std::map<std::string, std::chrono::milliseconds> timeouts_{};
    std::map<char, std::vector<Reply>> queues_{};
    std::map<char, std::chrono::milliseconds> blocked_{};
};

std::string play(ToldHost& host, const std::string& lines, const std::string& title = "title") {
    const std::vector<Transcript> transcripts =
        TranscriptParser::parse("== T1 [run] " + title + "\n" + lines);
    return TranscriptRun<ToldHost>{host}.run(transcripts.at(0));
}

}  // namespace

TEST_CASE("an expected reply is of one kind only", "[transcript]") {
    const std::vector<std::pair<std::string, Reply>> replies{
        {"+OK", Reply::simple_string("OK")},
        {"-OK", Reply::error("OK")},
        {":5", Reply::integer(5)},
        {"\"OK\"", bulk("OK")},
        {"$-1", Reply::null()},
        {"*-1", Reply::null_array()},
        {"[\"OK\"]", Reply::array({bulk("OK")})},
        {">[\"OK\"]", Reply::push({bulk("OK")})},
        {"{\"OK\": :5}", Reply::map({bulk("OK"), Reply::integer(5)})},
    };
    for (const auto& [expected, of_expected] : replies) {
        for (const auto& [of_reply, reply] : replies) {
            CAPTURE(expected, of_reply);
            CHECK(is_like(expected, reply) == (expected == of_reply));
        }
    }
}

TEST_CASE("the null of RESP3 is no null array", "[transcript]") {
    CHECK(is_like("_", Reply::null()));
    CHECK_FALSE(is_like("_", Reply::null_array()));
}

TEST_CASE("texts and numbers have to be equal", "[transcript]") {
    CHECK_FALSE(is_like("+OK", Reply::simple_string("OKAY")));
    CHECK_FALSE(is_like("-ERR a", Reply::error("ERR ab")));
    CHECK_FALSE(is_like("\"a\"", bulk("")));
    CHECK_FALSE(is_like(":-1", Reply::integer(1)));
    CHECK(is_like("-ERR a, b", Reply::error("ERR a, b")));
    CHECK(is_like("\"a\\r\\n\\x00\\\"\"", Reply::bulk_string(std::string{"a\r\n\0\"", 5})));
}

TEST_CASE("an abbreviated error has to begin as shown, and to go on", "[transcript]") {
    CHECK(is_like("-WRONGTYPE …", Reply::error("WRONGTYPE Operation")));
    CHECK_FALSE(is_like("-WRONGTYPE …", Reply::error("WRONGTYPE ")));
    CHECK_FALSE(is_like("-WRONGTYPE …", Reply::error("ERR WRONGTYPE x")));
    CHECK(is_like("-MOVED 5 <addr>", Reply::error("MOVED 5 127.0.0.1:7001")));
    CHECK_FALSE(is_like("-MOVED 5 <addr>", Reply::error("MOVED 6 127.0.0.1:7001")));
}

TEST_CASE("arrays have the elements shown, in that order", "[transcript]") {
    const Reply array = Reply::array({Reply::integer(1), Reply::error("E"), Reply::integer(3)});
    CHECK(is_like("[:1, -E, :3]", array));
    CHECK_FALSE(is_like("[:1, -E]", array));
    CHECK_FALSE(is_like("[:1, -E, :3, :4]", array));
    CHECK_FALSE(is_like("[:3, -E, :1]", array));
    CHECK(is_like("[]", Reply::array({})));
    CHECK_FALSE(is_like("[]", array));
}

TEST_CASE("… stands for any number of elements", "[transcript]") {
    const Reply array = Reply::array({Reply::integer(1), Reply::integer(2), Reply::integer(3)});
    CHECK(is_like("[…, :2, …]", array));
    CHECK(is_like("[…, :3, …]", array));
    CHECK(is_like("[:1, …]", array));
    CHECK_FALSE(is_like("[…, :2]", array));
    CHECK_FALSE(is_like("[…, :1, :3, …]", array));
    CHECK(is_like("{…, \"b\": :2}",
                  Reply::map({bulk("a"), Reply::integer(1), bulk("b"), Reply::integer(2)})));
}

TEST_CASE("an id stands for its entry, and a number of entries for so many", "[transcript]") {
    const Reply entries = Reply::array({entry("1-0"), entry("2-0")});
    CHECK(is_like("[1-0, 2-0]", entries));
    CHECK_FALSE(is_like("[1-0, 3-0]", entries));
    CHECK_FALSE(is_like("[1-0]", entries));
    CHECK_FALSE(is_like("[1-0]", Reply::array({bulk("1-0")})));
    CHECK(is_like("[…2 entries]", entries));
    CHECK_FALSE(is_like("[…3 entries]", entries));
    CHECK_FALSE(is_like("[…1 entries]", entries));
    CHECK_FALSE(is_like("[…1 entries]", Reply::array({bulk("1-0")})));
}

TEST_CASE("<n> is no negative number, and <ms> the time of the server", "[transcript]") {
    CHECK(is_like(":<n>", Reply::integer(0)));
    CHECK_FALSE(is_like(":<n>", Reply::integer(-1)));
    CHECK(is_like(":<ms>", Reply::integer(1'700)));
    CHECK_FALSE(is_like(":<ms>", Reply::integer(1'699)));
    CHECK(is_like("\"<ms>-0\"", bulk("1700-0")));
    CHECK_FALSE(is_like("\"<ms>-0\"", bulk("1699-0")));
}

TEST_CASE("what is no reply is refused, and it is said where", "[transcript]") {
    for (const std::string line :
         {"A> PING", "A> PING → PONG", "A> PING → :x", "A> PING → [:1", "A> PING → \"x",
          "a> PING → :1", "A PING → :1", "A← …blocks", "wait long", "* move 1",
          "A> PING → :1 (one blank)", "A> \"a\"b → :1"}) {
        CAPTURE(line);
        try {
            TranscriptParser::parse("== T1 [run] title\n" + line + "\n");
            FAIL_CHECK("it was understood");
        } catch (const BadTranscript& bad) {
            CHECK_THAT(bad.what(), Catch::Matchers::StartsWith("line 2: "));
        }
    }
    CHECK_THROWS_AS(TranscriptParser::parse("A> PING → +PONG\n"), BadTranscript);
    CHECK_THROWS_AS(TranscriptParser::parse("== T1 no mark\n"), BadTranscript);
}

TEST_CASE("words are between blanks, or between quotes", "[transcript]") {
    const auto transcripts = TranscriptParser::parse(
        "== T1 [run] one\nA> SET \"\" \"a b\" h\\-llo → +OK\n\n== T2 [src] two\nwait 100\n");
    REQUIRE(transcripts.size() == 2);
    CHECK(transcripts[0].name == "T1");
    CHECK(transcripts[0].lines.at(0).words ==
          std::vector<std::string>{"SET", "", "a b", "h\\-llo"});
    CHECK(transcripts[1].title == "two");
    CHECK(transcripts[1].lines.at(0).time == 100ms);
    CHECK(transcripts[1].lines.at(0).number == 5);
}

TEST_CASE("a trailing blank of an error counts, a remark behind it does not", "[transcript]") {
    const auto lines =
        TranscriptParser::parse("== T1 [run] title\nA> A → -ERR with: \n"
                                "A> B → -ERR a (b)\nA> C → -ERR a   (remark: a, b)\n")
            .at(0)
            .lines;
    CHECK(lines.at(0).reply->text == "ERR with: ");
    CHECK(lines.at(1).reply->text == "ERR a (b)");
    CHECK(lines.at(2).reply->text == "ERR a");
}

TEST_CASE("a transcript passes if all replies are as shown", "[transcript]") {
    ToldHost host;
    host.tell("RPUSH q 1", {{'A', Reply::integer(1)}, {'B', bulk("1")}});
    host.block_on("BLPOP q 0", 1h);
    const std::string blocks = "B> BLPOP q 0 → …blocks\n";
    CHECK(play(host, blocks + "A> RPUSH q 1 → :1\nB← \"1\"\nC← nothing\n").empty());
    CHECK(host.sent == std::vector<std::string>{"BLPOP q 0", "RPUSH q 1"});
}

TEST_CASE("a reply that differs is told with its line", "[transcript]") {
    ToldHost host;
    host.tell("PING", {{'A', Reply::simple_string("PONG")}});
    CHECK_THAT(play(host, "A> PING → +PONG\nA> PING → +OK\n"),
               Catch::Matchers::StartsWith("line 3: A> PING → +OK\nbut: "));
}

TEST_CASE("a reply that does not come differs", "[transcript]") {
    ToldHost host;
    host.block_on("BLPOP q 0", 1h);
    CHECK_FALSE(play(host, "A> PING → +PONG\n").empty());
    CHECK_FALSE(play(host, "A> BLPOP q 0 → :1\n").empty());
    CHECK_FALSE(play(host, "A← +PONG\n").empty());
}

TEST_CASE("a reply that nobody expects differs", "[transcript]") {
    ToldHost host;
    host.tell("PING", {{'A', Reply::simple_string("PONG")}, {'B', bulk("x")}});
    CHECK_FALSE(play(host, "A> PING → …blocks\n").empty());
    CHECK_FALSE(play(host, "A> PING → +PONG\nB← nothing\n").empty());
    CHECK_FALSE(play(host, "B> OTHER → …blocks\nA> PING → +PONG\n").empty());
}

TEST_CASE("what differs does so before the next command, and at the end", "[transcript]") {
    for (const char* const rest : {"", "A> PING → +PONG\n"}) {
        ToldHost host;
        host.block_on("BLPOP q 0", 1h);
        host.tell("PING", {{'A', Reply::simple_string("PONG")}, {'B', bulk("x")}});
        const std::string lines = "B> BLPOP q 0 → …blocks\nA> PING → +PONG\n";
        CHECK_THAT(play(host, lines + rest), Catch::Matchers::Contains("B has got"));
    }
}

TEST_CASE("a command that does not block cannot be shown to block", "[transcript]") {
    ToldHost host;
    CHECK_FALSE(play(host, "A> SILENT → …blocks\n").empty());
}

TEST_CASE("time goes on while a command blocks that gets its reply", "[transcript]") {
    ToldHost host;
    host.block_on("BLPOP q 0.01", 10ms);
    CHECK(play(host, "A> BLPOP q 0.01 → *-1\n").empty());
    CHECK(host.time == 1'010ms);
}

TEST_CASE("`wait` moves the time", "[transcript]") {
    ToldHost host;
    CHECK(play(host, "wait 100\n").empty());
    CHECK(host.time == 1'100ms);
}

TEST_CASE("a connection ends where that is shown, after what it has got", "[transcript]") {
    ToldHost host;
    CHECK_FALSE(play(host, "B← end\n").empty());
    host.closed.insert('B');
    CHECK(play(host, "B← end\n").empty());
    host.tell("PING", {{'A', Reply::simple_string("PONG")}, {'B', bulk("x")}});
    CHECK_FALSE(play(host, "A> PING → +PONG\nB← end\n").empty());
    CHECK(play(host, "A> PING → +PONG\nB← \"x\"\nB← end\n").empty());
}

TEST_CASE("an operation is for a host that has operations", "[transcript]") {
    struct OperatedHost : ToldHost {
        void operate(const std::vector<std::string>& words) { operated.push_back(words); }
        std::vector<std::vector<std::string>> operated{};
    };
    const auto transcripts =
        TranscriptParser::parse("== T1 [run] title\ncluster\n*> move_slot 1 \"a b\"\n");
    OperatedHost host;
    CHECK(TranscriptRun<OperatedHost>{host}.run(transcripts.at(0)).empty());
    CHECK(host.operated ==
          std::vector<std::vector<std::string>>{{"cluster", "2", "0"}, {"move_slot", "1", "a b"}});
    ToldHost other;
    CHECK_THROWS_AS(play(other, "*> move_slot 1 0\n"), BadTranscript);
}

TEST_CASE("names stand for ids, and $B for the id of client B", "[transcript]") {
    ToldHost host;
    host.tell("ADD 1", {{'A', bulk("1000-0")}});
    host.tell("ADD 2", {{'A', bulk("1000-1")}});
    CHECK(play(host, "A> ADD 1 → \"<ms>-0\"   (call it X)\nA> ADD 1 → X\nA> ADD 2 → a new id\n"
                     "A> ADD 2 → Y\nA> ADD 2 → Y\n")
              .empty());
    CHECK_FALSE(play(host, "A> ADD 1 → X\nA> ADD 2 → X\n").empty());
    CHECK_FALSE(play(host, "A> ADD 1 → X\nA> ADD 1 → a new id\n").empty());

    host.tell("DEL 1000-0 2", {{'A', Reply::integer(1)}});
    CHECK(play(host, "A> ADD 1 → X\nA> DEL X $B → :1\n").empty());
}

TEST_CASE("messages may be left out where none is shown", "[transcript]") {
    const Reply message = Reply::array({bulk("message"), bulk("c"), bulk("m")});
    ToldHost host;
    host.tell("PUBLISH c m", {{'A', Reply::integer(1)}, {'B', message}});
    host.tell("SUBSCRIBE c", {{'B', bulk("subscribed")}});
    const std::string subscribe = "B> SUBSCRIBE c → \"subscribed\"\n";
    const std::string publish = "A> PUBLISH c m → :1\n";
    const std::string arrives = "B← [\"message\", \"c\", \"m\"]\n";
    CHECK(play(host, subscribe + publish).empty());
    CHECK(play(host, subscribe + publish + arrives).empty());
    CHECK_FALSE(play(host, subscribe + publish + arrives + publish).empty());
}

TEST_CASE("a setup that nobody knows is refused", "[transcript]") {
    ToldHost host;
    CHECK_THROWS_AS(play(host, "setup 25o\n"), BadTranscript);
    CHECK_THROWS_AS(play(host, "", "title. Setup: something"), BadTranscript);
}
