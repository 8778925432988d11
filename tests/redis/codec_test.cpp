// SPDX-License-Identifier: MIT
#include <runnel/redis/codec.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using runnel::Error;
using runnel::ErrorCode;
using runnel::redis::append_command;
using runnel::redis::append_reply;
using runnel::redis::CodecLimits;
using runnel::redis::CommandDecoder;
using runnel::redis::Protocol;
using runnel::redis::Reply;
using runnel::redis::ReplyDecoder;

namespace {

using Kind = Reply::Kind;
using Words = std::vector<std::string>;
using Pieces = std::vector<std::string_view>;

Reply text(std::string bytes) {
    return Reply::bulk_string(std::move(bytes));
}

std::string encoded(const Reply& reply, Protocol protocol = Protocol::resp3) {
    std::string bytes;
    append_reply(bytes, reply, protocol);
    return bytes;
}

// What a decoder makes of bytes that come in pieces, and how it refuses the rest.
template <typename Item>
struct Decoded {
    std::vector<Item> items;
    std::string refusal;

    friend bool operator==(const Decoded&, const Decoded&) = default;
};

template <typename Item, typename Decoder>
Decoded<Item> decoded_by(Decoder decoder, const Pieces& pieces) {
    Decoded<Item> decoded;
    try {
        for (const std::string_view piece : pieces) {
            decoder.feed(piece);
            while (auto item = decoder.take()) decoded.items.push_back(std::move(*item));
        }
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::protocol_error);
        decoded.refusal = error.what();
    }
    return decoded;
}

Decoded<Reply> replies_of(const Pieces& pieces, CodecLimits limits = {}) {
    return decoded_by<Reply>(ReplyDecoder{limits}, pieces);
}
Decoded<Words> commands_of(const Pieces& pieces, CodecLimits limits = {}) {
    return decoded_by<Words>(CommandDecoder{limits}, pieces);
}

// The reply that these bytes are, and nothing besides.
Reply reply_of(std::string_view bytes) {
    const auto decoded = replies_of({bytes});
    CHECK(decoded.refusal.empty());
    REQUIRE(decoded.items.size() == 1);
    return decoded.items.front();
}
Words command_of(std::string_view bytes) {
    const auto decoded = commands_of({bytes});
    CHECK(decoded.refusal.empty());
    REQUIRE(decoded.items.size() == 1);
    return decoded.items.front();
}

std::string refusal_of_reply(std::string_view bytes, CodecLimits limits = {}) {
    return replies_of({bytes}, limits).refusal;
}
std::string refusal_of_command(std::string_view bytes, CodecLimits limits = {}) {
    return commands_of({bytes}, limits).refusal;
}

// The same at each place where the bytes may be split in two, and byte by byte.
template <typename Decode>
void check_at_every_split(const std::string& bytes, const Decode& decode) {
    const std::string_view all = bytes;
    const auto whole = decode({all});
    for (std::size_t at = 0; at <= all.size(); ++at) {
        CAPTURE(at);
        CHECK(decode({all.substr(0, at), all.substr(at)}) == whole);
    }
    Pieces single;
    for (std::size_t at = 0; at != all.size(); ++at) single.push_back(all.substr(at, 1));
    CHECK(decode(single) == whole);
}

// One of each kind, and each in another.
Reply everything() {
    const Reply scalars = Reply::array(
        {Reply::simple_string("OK"), Reply::error("ERR syntax error"), Reply::integer(-7),
         text(std::string{"\0\r\n$", 4}), text(""), Reply::null(), Reply::double_(0.1),
         Reply::double_(-std::numeric_limits<double>::infinity()),
         Reply::double_(std::numeric_limits<double>::quiet_NaN()), Reply::boolean(true),
         Reply::boolean(false), Reply::array({}), Reply::map({}), Reply::set({})});
    return Reply::push(
        {text("message"), scalars, Reply::map({text("key"), Reply::set({Reply::integer(1)})}),
         Reply::array({Reply::array({Reply::array({text(std::string(1'000, 'x'))})})})});
}

// A reply that the generator makes up, at most so deep.
Reply any_reply(std::mt19937_64& random, int depth) {
    const auto elements = [&](std::size_t unit) {
        std::vector<Reply> all;
        for (auto count = unit * (random() % 4); count != 0; --count)
            all.push_back(any_reply(random, depth - 1));
        return all;
    };
    switch (random() % (depth == 0 ? 7 : 11)) {
    case 0:
        return Reply::simple_string(std::string(random() % 20, 's'));
    case 1:
        return Reply::error("ERR " + std::to_string(random()));
    case 2:
        return Reply::integer(static_cast<std::int64_t>(random()));
    case 3:
        return text(std::string(random() % 40, static_cast<char>(random())));
    case 4:
        return Reply::null();
    case 5:
        return Reply::double_(static_cast<double>(random()) / 3);
    case 6:
        return Reply::boolean(random() % 2 == 0);
    case 7:
        return Reply::array(elements(1));
    case 8:
        return Reply::map(elements(2));
    case 9:
        return Reply::set(elements(1));
    default:
        return Reply::push(elements(1));
    }
}

// Bytes that look like the protocol often enough to get far.
std::string any_bytes(std::mt19937_64& random) {
    static constexpr std::string_view letters = "+-:$*%~>|_#,(=!0123456789tf \"'\\x\r\n";
    std::string bytes;
    for (auto count = random() % 60; count != 0; --count) {
        if (random() % 3 == 0)
            bytes += "\r\n";
        else if (random() % 20 == 0)
            bytes += static_cast<char>(random());
        else
            bytes += letters[random() % letters.size()];
    }
    return bytes;
}

}  // namespace

TEST_CASE("a reply is written as RESP3 has it", "[codec]") {
    CHECK(encoded(Reply::simple_string("OK")) == "+OK\r\n");
    CHECK(encoded(Reply::error("ERR no such key")) == "-ERR no such key\r\n");
    CHECK(encoded(Reply::integer(-5)) == ":-5\r\n");
    CHECK(encoded(text("a\r\nb")) == "$4\r\na\r\nb\r\n");
    CHECK(encoded(text("")) == "$0\r\n\r\n");
    CHECK(encoded(Reply::null()) == "_\r\n");
    CHECK(encoded(Reply::null_array()) == "_\r\n");
    CHECK(encoded(Reply::double_(1.5)) == ",1.5\r\n");
    CHECK(encoded(Reply::double_(1e-7)) == ",1e-7\r\n");
    CHECK(encoded(Reply::double_(std::numeric_limits<double>::infinity())) == ",inf\r\n");
    CHECK(encoded(Reply::boolean(true)) == "#t\r\n");
    CHECK(encoded(Reply::boolean(false)) == "#f\r\n");
    CHECK(encoded(Reply::array({text("a"), Reply::integer(1)})) == "*2\r\n$1\r\na\r\n:1\r\n");
    CHECK(encoded(Reply::array({})) == "*0\r\n");
    CHECK(encoded(Reply::map({text("a"), Reply::integer(1)})) == "%1\r\n$1\r\na\r\n:1\r\n");
    CHECK(encoded(Reply::set({Reply::integer(1)})) == "~1\r\n:1\r\n");
    CHECK(encoded(Reply::push({Reply::integer(1)})) == ">1\r\n:1\r\n");
    CHECK(encoded(Reply::array({Reply::array({Reply::null()}), Reply::null()})) ==
          "*2\r\n*1\r\n_\r\n_\r\n");
}

TEST_CASE("a reply is written as RESP2 has it", "[codec]") {
    const auto encoded2 = [](const Reply& reply) { return encoded(reply, Protocol::resp2); };
    CHECK(encoded2(Reply::simple_string("OK")) == "+OK\r\n");
    CHECK(encoded2(Reply::null()) == "$-1\r\n");
    CHECK(encoded2(Reply::null_array()) == "*-1\r\n");
    CHECK(encoded2(Reply::double_(1.5)) == "$3\r\n1.5\r\n");
    CHECK(encoded2(Reply::boolean(true)) == ":1\r\n");
    CHECK(encoded2(Reply::boolean(false)) == ":0\r\n");
    CHECK(encoded2(Reply::map({text("a"), Reply::integer(1)})) == "*2\r\n$1\r\na\r\n:1\r\n");
    CHECK(encoded2(Reply::set({Reply::integer(1)})) == "*1\r\n:1\r\n");
    CHECK(encoded2(Reply::push({Reply::integer(1)})) == "*1\r\n:1\r\n");
}

TEST_CASE("what is written is appended", "[codec]") {
    std::string bytes = "+OK\r\n";
    append_reply(bytes, Reply::integer(1), Protocol::resp2);
    append_command(bytes, {"GET", "key"});
    CHECK(bytes == "+OK\r\n:1\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
}

TEST_CASE("a command is written as an array of bulk strings", "[codec]") {
    std::string bytes;
    append_command(bytes, Words{"SET", "", "a\r\n"});
    CHECK(bytes == "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$3\r\na\r\n\r\n");
}

TEST_CASE("what is written as RESP3 is read again", "[codec]") {
    CHECK(reply_of(encoded(everything())) == everything());
}

TEST_CASE("what is written as RESP2 is read as RESP2 has it", "[codec]") {
    const Reply reply =
        Reply::map({text("a"), Reply::set({Reply::null_array(), Reply::null()}), text("b"),
                    Reply::array({Reply::boolean(true), Reply::double_(1.5)})});
    CHECK(reply_of(encoded(reply, Protocol::resp2)) ==
          Reply::array({text("a"), Reply::array({Reply::null_array(), Reply::null()}), text("b"),
                        Reply::array({Reply::integer(1), text("1.5")})}));
}

TEST_CASE("any reply is read as it was written", "[codec]") {
    std::mt19937_64 random{20261130};  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
    std::string bytes;
    std::vector<Reply> written;
    for (int count = 0; count != 500; ++count) {
        written.push_back(any_reply(random, 4));
        bytes += encoded(written.back());
    }
    const auto read = replies_of({bytes});
    CHECK(read.refusal.empty());
    CHECK(read.items == written);
}

TEST_CASE("replies are read in whatever pieces they come", "[codec]") {
    check_at_every_split(encoded(everything()) +
                             "+OK\r\n|1\r\n+ttl\r\n:3\r\n*1\r\n$-1\r\n$3\r\nabc",
                         [](const Pieces& pieces) {
                             auto decoded = replies_of(pieces);
                             CHECK(decoded.items.size() == 3);
                             return decoded;
                         });
}

TEST_CASE("a reply that is not complete is nothing so far", "[codec]") {
    ReplyDecoder decoder;
    CHECK_FALSE(decoder.take());
    decoder.feed("*2\r\n:1\r\n$3\r\nab");
    CHECK_FALSE(decoder.take());
    decoder.feed("c\r\n");
    CHECK(decoder.take() == Reply::array({Reply::integer(1), text("abc")}));
    CHECK_FALSE(decoder.take());
}

TEST_CASE("a decoder reads both protocols", "[codec]") {
    CHECK(reply_of("$-1\r\n").kind() == Kind::null);
    CHECK(reply_of("*-1\r\n").kind() == Kind::null_array);
    CHECK(reply_of("_\r\n").kind() == Kind::null);
    CHECK(reply_of(":+5\r\n") == Reply::integer(5));
    CHECK(reply_of(":-9223372036854775808\r\n") ==
          Reply::integer(std::numeric_limits<std::int64_t>::min()));
    CHECK(reply_of(",10\r\n") == Reply::double_(10));
    CHECK(reply_of(",-1.5e3\r\n") == Reply::double_(-1500));
    CHECK(reply_of(",inf\r\n") == Reply::double_(std::numeric_limits<double>::infinity()));
    CHECK(reply_of("+\r\n") == Reply::simple_string(""));
}

TEST_CASE("big numbers and verbatim strings are read as bulk strings", "[codec]") {
    CHECK(reply_of("(-3492890328409238509324850943850943825024385\r\n") ==
          text("-3492890328409238509324850943850943825024385"));
    CHECK(reply_of("=8\r\ntxt:a\r\nb\r\n") == text("a\r\nb"));
}

TEST_CASE("an error may come as a bulk", "[codec]") {
    CHECK(reply_of("!11\r\nERR unknown\r\n") == Reply::error("ERR unknown"));
}

TEST_CASE("attributes are skipped, wherever they stand", "[codec]") {
    CHECK(reply_of("|1\r\n+key\r\n*2\r\n:1\r\n:2\r\n+OK\r\n") == Reply::simple_string("OK"));
    CHECK(reply_of("*2\r\n|1\r\n+ttl\r\n:3\r\n:1\r\n|0\r\n:2\r\n") ==
          Reply::array({Reply::integer(1), Reply::integer(2)}));
    CHECK(reply_of("|1\r\n|1\r\n+a\r\n+b\r\n+key\r\n:3\r\n:1\r\n") == Reply::integer(1));
}

TEST_CASE("bytes that are no reply are refused", "[codec]") {
    CHECK(refusal_of_reply("?1\r\n") == "Protocol error: unknown type of reply '?'");
    CHECK(refusal_of_reply("\r\n") == "Protocol error: a reply without a type");
    CHECK(refusal_of_reply("+OK\rx") == "Protocol error: a line of a reply without its end");
    for (const auto* const number :
         {":\r\n", ":x\r\n", ":1x\r\n", ":+-1\r\n", ":--1\r\n", ":9223372036854775808\r\n", ",\r\n",
          ",1.5x\r\n", "(\r\n", "(-\r\n", "(1.5\r\n"}) {
        CAPTURE(number);
        CHECK(refusal_of_reply(number) == "Protocol error: invalid number");
    }
    CHECK(refusal_of_reply("#x\r\n") == "Protocol error: invalid boolean");
    CHECK(refusal_of_reply("_x\r\n") == "Protocol error: invalid null");
    for (const auto* const bulk : {"$\r\n", "$-2\r\n", "$01\r\n", "$+1\r\n", "$1 \r\n", "=-1\r\n",
                                   "!-1\r\n", "$9223372036854775808\r\n"}) {
        CAPTURE(bulk);
        CHECK(refusal_of_reply(bulk) == "Protocol error: invalid bulk length");
    }
    CHECK(refusal_of_reply("$1\r\naxx") == "Protocol error: a bulk string without its end");
    CHECK(refusal_of_reply("=3\r\ntxt\r\n") ==
          "Protocol error: a verbatim string without its format");
    for (const auto* const aggregate : {"*\r\n", "*-2\r\n", "%-1\r\n", "~-1\r\n", ">-1\r\n"}) {
        CAPTURE(aggregate);
        CHECK(refusal_of_reply(aggregate) == "Protocol error: invalid multibulk length");
    }
}

TEST_CASE("replies before the bytes that are refused are read", "[codec]") {
    const auto decoded = replies_of({"+OK\r\n:1\r\n?\r\n+OK\r\n"});
    CHECK(decoded.items == std::vector<Reply>{Reply::simple_string("OK"), Reply::integer(1)});
    CHECK(decoded.refusal == "Protocol error: unknown type of reply '?'");
}

TEST_CASE("a decoder that has refused refuses again", "[codec]") {
    ReplyDecoder replies;
    replies.feed("?\r\n+OK\r\n");
    CHECK_THROWS_AS(replies.take(), Error);
    replies.feed("+OK\r\n");
    CHECK_THROWS_AS(replies.take(), Error);
    CommandDecoder commands;
    commands.feed("*1\r\nPING\r\n");
    CHECK_THROWS_AS(commands.take(), Error);
    commands.feed("PING\r\n");
    CHECK_THROWS_AS(commands.take(), Error);
}

TEST_CASE("limits are the most that is taken", "[codec]") {
    const CodecLimits limits{.bulk = 3, .elements = 4, .line = 5, .depth = 2};
    CHECK(replies_of({"$3\r\nabc\r\n"}, limits).items.size() == 1);
    CHECK(refusal_of_reply("$4\r\n", limits) == "Protocol error: invalid bulk length");
    CHECK(replies_of({"*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n"}, limits).items.size() == 1);
    CHECK(refusal_of_reply("*5\r\n", limits) == "Protocol error: invalid multibulk length");
    CHECK(replies_of({"%2\r\n:1\r\n:2\r\n:3\r\n:4\r\n"}, limits).items.size() == 1);
    CHECK(refusal_of_reply("%3\r\n", limits) == "Protocol error: invalid multibulk length");
    CHECK(replies_of({"+1234\r\n"}, limits).items.size() == 1);
    CHECK(refusal_of_reply("+12345\r\n", limits) == "Protocol error: too long a line in a reply");
    CHECK(refusal_of_reply("+12345", limits) == "Protocol error: too long a line in a reply");
    CHECK(replies_of({"*1\r\n*1\r\n:1\r\n"}, limits).items.size() == 1);
    CHECK(refusal_of_reply("*1\r\n*1\r\n*0\r\n", limits) ==
          "Protocol error: too many replies within each other");
    CHECK(refusal_of_reply("|1\r\n|1\r\n|0\r\n", limits) ==
          "Protocol error: too many replies within each other");
}

TEST_CASE("by default 32 replies may stand within each other", "[codec]") {
    std::string bytes;
    for (int depth = 0; depth != 32; ++depth) bytes += "*1\r\n";
    CHECK(replies_of({bytes + ":1\r\n"}).items.size() == 1);
    CHECK(refusal_of_reply(bytes + "*1\r\n") ==
          "Protocol error: too many replies within each other");
}

TEST_CASE("commands come as arrays of bulk strings", "[codec]") {
    CHECK(command_of("*2\r\n$4\r\nECHO\r\n$5\r\na\r\nb \r\n") == Words{"ECHO", "a\r\nb "});
    CHECK(command_of({"*1\r\n$2\r\n\0\0\r\n", 12}) == Words{std::string(2, '\0')});
    CHECK(command_of("*1\r\n$0\r\n\r\n") == Words{""});
}

TEST_CASE("a command that is written is read again", "[codec]") {
    const Words words{"XADD", "s", "*", std::string{"\0\xff\r\n", 4}, ""};
    std::string bytes;
    append_command(bytes, words);
    CHECK(command_of(bytes) == words);
}

TEST_CASE("commands come in line, too", "[codec]") {
    CHECK(command_of("PING\r\n") == Words{"PING"});
    CHECK(command_of("  SET\tkey  value \n") == Words{"SET", "key", "value"});
    CHECK(command_of("\v ECHO a\vb\r\n") == Words{"ECHO", "a\vb"});
}

TEST_CASE("quotes in an inline command hold what stands between them", "[codec]") {
    CHECK(command_of("ECHO \"a b\" 'c \"d'\r\n") == Words{"ECHO", "a b", "c \"d"});
    CHECK(command_of("ECHO \"\\n\\r\\t\\b\\a\\q\\\\\\\"\\x41\\xfF\\x4g\"\r\n") ==
          Words{"ECHO", "\n\r\t\b\aq\\\"A\xffx4g"});
    CHECK(command_of("ECHO 'it\\'s \\n'\r\n") == Words{"ECHO", "it's \\n"});
    CHECK(command_of("ECHO a\"b c\" ''\r\n") == Words{"ECHO", "ab c", ""});
    CHECK(command_of("ECHO \"a\"\vb\r\n") == Words{"ECHO", "a", "b"});
}

TEST_CASE("a quote that is not closed, or goes on behind its end, is refused", "[codec]") {
    for (const auto* const line : {"ECHO \"a\r\n", "ECHO 'a\r\n", "ECHO \"a\"b\r\n",
                                   "ECHO 'a'b\r\n", "ECHO \"a\\\r\n", "ECHO \"\"\"\"\r\n"}) {
        CAPTURE(line);
        CHECK(refusal_of_command(line) == "Protocol error: unbalanced quotes in request");
    }
}

TEST_CASE("commands without words are skipped", "[codec]") {
    CHECK(command_of("*0\r\n*-1\r\n\r\n\n  \r\nPING\r\n") == Words{"PING"});
}

TEST_CASE("what ends a bulk string of a command is not looked at", "[codec]") {
    CHECK(command_of("*1\rx$4\rxPINGxx") == Words{"PING"});
}

TEST_CASE("behind a zero byte no end of a line is found", "[codec]") {
    const std::string line{"PING\0\r\nPING\r\n", 13};
    CHECK(commands_of({line}) == Decoded<Words>{});
    CHECK(refusal_of_command(line, {.line = 12}) == "Protocol error: too big inline request");
    CHECK(commands_of({std::string_view{"*1\0\r\n$4\r\nPING\r\n", 15}}) == Decoded<Words>{});
}

TEST_CASE("bytes that are no command are refused in the words of Redis", "[codec]") {
    for (const auto* const count : {"*\r\n", "*x\r\n", "*01\r\n", "*+1\r\n", "* 1\r\n",
                                    "*1\n$4\nPING\n\r\n", "*1048577\r\n", "*2147483648\r\n"}) {
        CAPTURE(count);
        CHECK(refusal_of_command(count) == "Protocol error: invalid multibulk length");
    }
    CHECK(refusal_of_command("*1\r\nx4\r\nPING\r\n") == "Protocol error: expected '$', got 'x'");
    CHECK(refusal_of_command("*1\r\n\r\n") == "Protocol error: expected '$', got '\r'");
    for (const auto* const length : {"*1\r\n$\r\n", "*1\r\n$-1\r\n", "*1\r\n$04\r\nPING\r\n",
                                     "*1\r\n$536870913\r\n", "*1\r\n$x\r\n"}) {
        CAPTURE(length);
        CHECK(refusal_of_command(length) == "Protocol error: invalid bulk length");
    }
}

TEST_CASE("a client that has not authenticated sends short commands only", "[codec]") {
    const auto refusal = [](const std::string& bytes) -> std::string {
        CommandDecoder decoder;
        decoder.set_unauthenticated(true);
        decoder.feed(bytes);
        try {
            return decoder.take() ? "none" : "none so far";
        } catch (const runnel::Error& error) {
            return error.what();
        }
    };
    CHECK(refusal("*10\r\n") == "none so far");
    CHECK(refusal("*11\r\n") == "Protocol error: unauthenticated multibulk length");
    CHECK(refusal("*1048577\r\n") == "Protocol error: invalid multibulk length");
    CHECK(refusal("*1\r\n$16384\r\n" + std::string(16'384, 'x') + "\r\n") == "none");
    CHECK(refusal("*1\r\n$16385\r\n") == "Protocol error: unauthenticated bulk length");
    CHECK(refusal("*1\r\n$-1\r\n") == "Protocol error: invalid bulk length");
    CHECK(refusal("PING\r\n") == "none");

    CommandDecoder decoder;
    decoder.set_unauthenticated(true);
    decoder.feed("PING\r\n*11\r\n");
    CHECK(decoder.take() == Words{"PING"});
    decoder.set_unauthenticated(false);
    CHECK_FALSE(decoder.take());
}

TEST_CASE("lines without an end are refused in the words of Redis", "[codec]") {
    const std::string digits(70'000, '1');
    CHECK(refusal_of_command(digits) == "Protocol error: too big inline request");
    CHECK(refusal_of_command('*' + digits) == "Protocol error: too big mbulk count string");
    CHECK(refusal_of_command("*1\r\n$" + digits) == "Protocol error: too big bulk count string");
    CHECK(refusal_of_command(digits + "\r\n") == "Protocol error: too big inline request");
    CHECK(command_of(std::string(65'535, '1') + "\r\n").front().size() == 65'535);
}

TEST_CASE("commands before the bytes that are refused are read", "[codec]") {
    const auto decoded = commands_of({"PING\r\n*1\r\n$4\r\nTIME\r\n*x\r\nPING\r\n"});
    CHECK(decoded.items == std::vector<Words>{{"PING"}, {"TIME"}});
    CHECK(decoded.refusal == "Protocol error: invalid multibulk length");
}

TEST_CASE("commands are read in whatever pieces they come", "[codec]") {
    for (const std::string bytes :
         {"*2\r\n$4\r\nECHO\r\n$3\r\n\r\n\n\r\nPING \"a b\"\r\n\r\n*0\r\n*1\r\n$4\r\nTIME\r\nGET k",
          "PING\r\n*1\r\nx4\r\n", "PING\r\n*1\r\n$x\r\n", "PING\r\n*x\r\n",
          "ECHO 'a\r\nPING\r\n"}) {
        CAPTURE(bytes);
        check_at_every_split(bytes, [](const Pieces& pieces) { return commands_of(pieces); });
    }
}

TEST_CASE("a decoder of commands tells how much of them waits", "[codec]") {
    CommandDecoder decoder;
    CHECK(decoder.waiting_bytes() == 0);
    decoder.feed("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nval");
    CHECK(decoder.waiting_bytes() == 27);
    CHECK_FALSE(decoder.take());
    // Words are strings by now.
    CHECK(decoder.waiting_bytes() == 2 * sizeof(std::string) + 3 + 1 + 7);
    decoder.feed("ue\r\nPING\r\n");
    CHECK(decoder.take());
    CHECK(decoder.waiting_bytes() == 6);
    CHECK(decoder.take());
    CHECK(decoder.waiting_bytes() == 0);
}

TEST_CASE("limits on lines do not depend on the pieces", "[codec]") {
    const CodecLimits limits{.bulk = 4, .elements = 2, .line = 6, .depth = 1};
    for (const std::string bytes : {"ECHO ab\r\n", "ECHO a\r\n", "ECHO a\n", "*0000000\r\n",
                                    "*1\r\n$0000000\r\n", "*3\r\n", "*1\r\n$5\r\n"}) {
        CAPTURE(bytes);
        check_at_every_split(bytes,
                             [&](const Pieces& pieces) { return commands_of(pieces, limits); });
        check_at_every_split(bytes,
                             [&](const Pieces& pieces) { return replies_of(pieces, limits); });
    }
}

TEST_CASE("random bytes are read or refused, the same in whatever pieces they come", "[codec]") {
    std::mt19937_64 random{14};  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
    std::size_t replies = 0;
    std::size_t commands = 0;
    std::size_t refusals = 0;
    for (int count = 0; count != 10'000; ++count) {
        const std::string bytes = any_bytes(random);
        const std::string_view all = bytes;
        const std::size_t at = random() % (all.size() + 1);
        const auto read = replies_of({all});
        const auto executed = commands_of({all});
        CAPTURE(bytes, at);
        REQUIRE(replies_of({all.substr(0, at), all.substr(at)}) == read);
        REQUIRE(commands_of({all.substr(0, at), all.substr(at)}) == executed);
        replies += read.items.size();
        commands += executed.items.size();
        refusals += read.refusal.empty() ? 0 : 1;
    }
    CHECK(replies > 300);
    CHECK(commands > 300);
    CHECK(refusals > 300);
}

TEST_CASE("a reply of which some bytes are others is read or refused", "[codec]") {
    std::mt19937_64 random{15};  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
    const std::string good = encoded(everything());
    std::size_t refusals = 0;
    for (int count = 0; count != 5'000; ++count) {
        std::string bytes = good;
        for (int changes = 0; changes != 3; ++changes)
            bytes[random() % bytes.size()] = "0123456789*$\r\n"[random() % 14];
        const auto decoded = replies_of({bytes});
        refusals += decoded.refusal.empty() ? 0 : 1;
        for (const Reply& reply : decoded.items) REQUIRE_FALSE(to_string(reply).empty());
    }
    CHECK(refusals > 1'000);
}
