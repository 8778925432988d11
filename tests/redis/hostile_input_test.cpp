// SPDX-License-Identifier: MIT
// Words of any bytes, of any length, and very many of them.

#include <runnel/redis.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <vector>

using namespace runnel::redis;
using Words = std::vector<std::string>;

namespace {

// Each byte there is.
std::string all_bytes() {
    std::string bytes;
    for (int byte = 0; byte != 256; ++byte) bytes += static_cast<char>(byte);
    return bytes;
}

// Bytes that nobody may read: who does ends the program.
class UnreadableWord {
public:
    explicit UnreadableWord(std::size_t size, int protection = PROT_NONE)
        : size_{size},
          memory_{
              mmap(nullptr, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)} {
        REQUIRE(memory_ != MAP_FAILED);
    }
    UnreadableWord(const UnreadableWord&) = delete;
    UnreadableWord& operator=(const UnreadableWord&) = delete;
    ~UnreadableWord() { munmap(memory_, size_); }

    [[nodiscard]] std::string_view get() const {
        return {static_cast<const char*>(memory_), size_};
    }

private:
    std::size_t size_;
    void* memory_;
};

constexpr std::size_t longest_word = std::size_t{512} * 1024 * 1024;
const Reply too_long = Reply::error("ERR Protocol error: invalid bulk length");

// `name`, and then so many words, each made by make(its number).
template <typename Make>
Words words_with_many(std::initializer_list<std::string> first, std::size_t count, Make make) {
    Words words{first};
    for (std::size_t number = 0; number != count; ++number) words.push_back(make(number));
    return words;
}

constexpr std::size_t very_many = 100'000;
std::string number_as_word(std::size_t number) {
    return std::to_string(number);
}

struct HostileScene {
    Reply send(const Words& words) { return session.execute(words).value(); }

    Server server{};
    Session session{server};
};

}  // namespace

TEST_CASE("names and values may have any bytes", "[redis][hostile]") {
    HostileScene scene;
    const std::string any = all_bytes();
    const Reply bulk = Reply::bulk_string(any);
    const auto only = [&](const Reply& reply) { return reply == Reply::array({bulk}); };

    scene.send({"SET", any, any});
    CHECK(scene.send({"GET", any}) == bulk);
    CHECK(only(scene.send({"KEYS", "*"})));
    CHECK(scene.send({"DEL", any}) == Reply::integer(1));
    scene.send({"RPUSH", any, any});
    CHECK(only(scene.send({"LRANGE", any, "0", "-1"})));
    CHECK(scene.send({"LPOS", any, any}) == Reply::integer(0));
    scene.send({"DEL", any});
    scene.send({"SADD", any, any});
    CHECK(only(scene.send({"SMEMBERS", any})));
    scene.send({"DEL", any});
    scene.send({"HSET", any, any, any});
    CHECK(scene.send({"HGETALL", any}) == Reply::array({bulk, bulk}));
    scene.send({"DEL", any});

    scene.send({"XADD", any, "1-0", any, any});
    scene.send({"XGROUP", "CREATE", any, any, "0"});
    const Reply read = scene.send({"XREADGROUP", "GROUP", any, any, "STREAMS", any, ">"});
    CHECK(read[0][0] == bulk);
    CHECK(read[0][1][0][1] == Reply::array({bulk, bulk}));
    CHECK(scene.send({"XPENDING", any, any, "-", "+", "9", any})[0][1] == bulk);
    CHECK(scene.send({"XADD", any, "IDMP", any, any, "*", any, any}) ==
          scene.send({"XADD", any, "IDMP", any, any, "*", any, any}));

    Session subscriber{scene.server};
    subscriber.execute({"SUBSCRIBE", any});
    CHECK((*subscriber.next_push())[1] == bulk);
    CHECK(scene.send({"PUBLISH", any, any}) == Reply::integer(1));
    const auto message = subscriber.next_push();
    CHECK((*message)[1] == bulk);
    CHECK((*message)[2] == bulk);
}

TEST_CASE("an error that shows a word shows no ends of lines, and not all of it",
          "[redis][hostile]") {
    HostileScene scene;
    const std::string hostile = "a\r\nb" + std::string(1000, 'x');
    const std::string error = scene.send({hostile, hostile}).text();
    CHECK(error.find_first_of("\r\n") == std::string::npos);
    CHECK(error.size() < 400);
    CHECK(scene.send({std::string{"GET\0", 4}, "x"}).text() ==
          "ERR unknown command 'GET', with args beginning with: 'x' ");
}

TEST_CASE("a word of more than 512 MiB is refused by its size", "[redis][hostile]") {
    HostileScene scene;
    const UnreadableWord word{longest_word + 1};
    scene.send({"SET", "t", "x"});
    SECTION("as a value") {
        CHECK(scene.session.execute({"SET", "t", word.get()}) == too_long);
    }
    SECTION("as a key") {
        CHECK(scene.session.execute({"GET", word.get()}) == too_long);
    }
    SECTION("as a name") {
        CHECK(scene.session.execute({word.get()}) == too_long);
    }
    SECTION("as an option") {
        CHECK(scene.session.execute({"SET", "t", "y", word.get()}) == too_long);
    }
    SECTION("as a message") {
        CHECK(scene.session.execute({"PUBLISH", "c", word.get()}) == too_long);
    }
    SECTION("between MULTI and EXEC") {
        scene.send({"MULTI"});
        scene.send({"SET", "t", "y"});
        CHECK(scene.session.execute({"SET", "t", word.get()}) == too_long);
    }
    SECTION("behind a command that waits") {
        const auto waits = scene.session.submit({"BLPOP", "jobs", "1"});
        const auto refused = scene.session.submit({"SET", "t", word.get()});
        CHECK_FALSE(refused.ready());
        scene.server.advance(std::chrono::seconds{1});
        CHECK(waits.try_get()->is_null());
        CHECK(refused.try_get() == too_long);
    }
    SECTION("though an interceptor answers all") {
        scene.server.intercept(
            {.before = [](const SentCommand&) { return std::optional{Reply::integer(1)}; }});
        CHECK(scene.session.execute({"SET", "t", word.get()}) == too_long);
        scene.server.intercept({});
    }
    // Redis closes the connection.
    CHECK(scene.session.is_closed());
    CHECK(scene.session.outputs().back() == too_long);
    Session other{scene.server};
    CHECK(other.execute({"GET", "t"}) == Reply::bulk_string("x"));
    CHECK(other.execute({"DBSIZE"}) == Reply::integer(1));
}

TEST_CASE("a word of 512 MiB is a word", "[redis][hostile]") {
    HostileScene scene;
    const UnreadableWord word{longest_word, PROT_READ};
    scene.send({"SET", "t", "x"});
    CHECK(scene.session.execute({"EXISTS", word.get(), "t"}) == Reply::integer(1));
    CHECK(scene.session.execute({"APPEND", "t", word.get()}) ==
          Reply::error("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    CHECK(scene.send({"GET", "t"}) == Reply::bulk_string("x"));
}

TEST_CASE("a command may have very many words", "[redis][hostile]") {
    HostileScene scene;
    const auto count = Reply::integer(very_many);
    CHECK(scene.send(words_with_many({"RPUSH", "l"}, very_many, number_as_word)) == count);
    CHECK(scene.send(words_with_many({"SADD", "s"}, very_many, number_as_word)) == count);
    CHECK(scene.send(words_with_many({"HSET", "h"}, 2 * very_many, number_as_word)) == count);
    CHECK(scene.send(words_with_many({"MSET"}, 2 * very_many, number_as_word)) ==
          Reply::simple_string("OK"));
    CHECK(scene.send(words_with_many({"MGET"}, very_many, number_as_word)).elements().size() ==
          very_many);
    CHECK(scene.send(words_with_many({"EXISTS"}, very_many, [](std::size_t) { return "0"; })) ==
          count);
    CHECK(scene.send(words_with_many({"DEL"}, very_many, number_as_word)) ==
          Reply::integer(very_many / 2));
    CHECK(scene.send(words_with_many({"XADD", "x", "1-0"}, 2 * very_many, number_as_word)).text() ==
          "1-0");
    scene.send({"XGROUP", "CREATE", "x", "g", "0"});
    CHECK(scene.send(words_with_many({"XACK", "x", "g"}, very_many, number_as_word)) ==
          Reply::integer(0));
    CHECK(scene.send(words_with_many({"XDEL", "x"}, very_many, number_as_word)) ==
          Reply::integer(1));
    CHECK(scene.send(words_with_many({"WATCH"}, very_many, number_as_word)) ==
          Reply::simple_string("OK"));
    CHECK(scene.send({"UNWATCH"}) == Reply::simple_string("OK"));

    const auto waits = scene.session.submit([] {
        Words words = words_with_many({"BLPOP"}, very_many, number_as_word);
        words.emplace_back("1");
        return words;
    }());
    Session other{scene.server};
    other.execute({"RPUSH", "77777", "x"});
    CHECK(waits.try_get()->strings() == Words{"77777", "x"});
    scene.session.submit(words_with_many({"SUBSCRIBE"}, very_many, number_as_word));
    CHECK(scene.session.next_push().has_value());
}

TEST_CASE("a command with very many words that is refused does nothing", "[redis][hostile]") {
    HostileScene scene;
    scene.send({"SET", "t", "x"});
    scene.send({"XADD", "x", "1-0", "f", "v"});
    scene.send({"XGROUP", "CREATE", "x", "g", "0"});
    scene.send({"XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">"});
    const auto state = [&scene] {
        return to_string(scene.send({"KEYS", "*"})) + to_string(scene.send({"GET", "t"})) +
               to_string(scene.send({"XINFO", "STREAM", "x", "FULL"}));
    };
    const std::string before = state();
    const auto with_last = [](Words words, const std::string& last) {
        words.push_back(last);
        return words;
    };
    CHECK(scene.send(words_with_many({"RPUSH", "t"}, very_many, number_as_word)).code() ==
          "WRONGTYPE");
    CHECK(scene.send(words_with_many({"SADD", "t"}, very_many, number_as_word)).code() ==
          "WRONGTYPE");
    CHECK(scene.send(words_with_many({"MSET"}, very_many + 1, number_as_word)).is_error());
    CHECK(scene.send(words_with_many({"HSET", "h"}, very_many + 1, number_as_word)).is_error());
    CHECK(
        scene.send(words_with_many({"XADD", "x", "*"}, very_many + 1, number_as_word)).is_error());
    CHECK(scene.send(with_last(words_with_many({"XACK", "x", "g"}, very_many, number_as_word), "x"))
              .is_error());
    CHECK(scene.send(with_last(words_with_many({"XDEL", "x"}, very_many, number_as_word), "x"))
              .is_error());
    CHECK(scene.send(words_with_many({"GET"}, very_many, number_as_word)).is_error());
    CHECK(scene.send(words_with_many({"NOSUCH"}, very_many, number_as_word)).text().size() < 400);
    CHECK(scene.send(words_with_many({"LMPOP", "100000"}, very_many, number_as_word)).is_error());
    CHECK(state() == before);
}

TEST_CASE("a transaction may have very many commands", "[redis][hostile]") {
    HostileScene scene;
    scene.send({"MULTI"});
    for (std::size_t number = 0; number != very_many; ++number) scene.send({"INCR", "n"});
    CHECK(scene.send({"EXEC"}).elements().size() == very_many);
    CHECK(scene.send({"GET", "n"}).text() == "100000");
}
