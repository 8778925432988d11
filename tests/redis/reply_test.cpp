// SPDX-License-Identifier: MIT
#include <runnel/redis/reply.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using runnel::Error;
using runnel::ErrorCode;
using runnel::redis::Reply;

namespace {

using Kind = Reply::Kind;

const std::string long_text(100, 'x');

std::string printed(const Reply& reply) {
    std::ostringstream out;
    out << reply;
    return out.str();
}

Reply text(std::string bytes) {
    return Reply::bulk_string(std::move(bytes));
}

// What a call that does not fit the reply says.
template <typename Call>
std::string said_by(Call call) {
    try {
        (void)call();
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::wrong_reply);
        return error.what();
    }
    return "nothing";
}

}  // namespace

TEST_CASE("a reply is null until it is something else", "[reply]") {
    CHECK(Reply{}.kind() == Kind::null);
    CHECK(Reply{} == Reply::null());
}

TEST_CASE("a reply knows its kind and its content", "[reply]") {
    CHECK(Reply::simple_string("OK").text() == "OK");
    CHECK(Reply::error("ERR no such key").text() == "ERR no such key");
    CHECK(Reply::bulk_string(long_text).text() == long_text);
    CHECK(Reply::integer(-5).integer() == -5);
    CHECK(Reply::double_(1.5).number() == 1.5);
    CHECK(Reply::boolean(true).flag());
    CHECK_FALSE(Reply::boolean(false).flag());
    const Reply array = Reply::array({Reply::integer(1), text("two")});
    REQUIRE(array.elements().size() == 2);
    CHECK(array.elements()[1].text() == "two");
    CHECK(Reply::map({text("key"), Reply::integer(1)}).elements().size() == 2);
    CHECK(Reply::set({text("a")}).kind() == Kind::set);
    CHECK(Reply::push({text("a")}).kind() == Kind::push);
    CHECK(Reply::array({}).elements().empty());
}

TEST_CASE("both nulls are null", "[reply]") {
    CHECK(Reply::null().is_null());
    CHECK(Reply::null_array().is_null());
    CHECK(Reply::null_array().kind() == Kind::null_array);
    CHECK_FALSE(Reply::array({}).is_null());
    CHECK_FALSE(text("").is_null());
}

TEST_CASE("the code of an error is its first word", "[reply]") {
    CHECK(Reply::error("WRONGTYPE Operation against a key").code() == "WRONGTYPE");
    CHECK(Reply::error("EXECABORT").code() == "EXECABORT");
    CHECK(Reply::error("ERR").is_error());
    CHECK_FALSE(Reply::simple_string("ERR").is_error());
}

TEST_CASE("a text that is sent as a line keeps no end of line", "[reply]") {
    CHECK(Reply::error("ERR no\r\nend").text() == "ERR no  end");
    CHECK(Reply::simple_string("a\nb").text() == "a b");
    CHECK(text("a\r\nb").text() == "a\r\nb");
}

TEST_CASE("an integer is a number, too", "[reply]") {
    CHECK(Reply::integer(3).number() == 3.0);
}

TEST_CASE("an array of texts becomes a vector of strings", "[reply]") {
    const Reply reply = Reply::array({text("a"), Reply::simple_string("b"), text(long_text)});
    CHECK(reply.strings() == std::vector<std::string>{"a", "b", long_text});
    CHECK(Reply::array({}).strings().empty());
}

TEST_CASE("a value is found by its key in a map and in an array that stands for one", "[reply]") {
    const std::vector<Reply> pairs{text("length"), Reply::integer(3), text("groups"),
                                   Reply::integer(1)};
    for (const Reply& reply : {Reply::map(pairs), Reply::array(pairs)}) {
        const Reply* const groups = reply.find("groups");
        REQUIRE(groups != nullptr);
        CHECK(groups->integer() == 1);
        CHECK(reply.find("entries") == nullptr);
    }
}

TEST_CASE("a value is not taken for a key", "[reply]") {
    CHECK(Reply::array({text("a"), text("b"), text("c"), text("d")}).find("b") == nullptr);
}

TEST_CASE("a key without a value is not found", "[reply]") {
    CHECK(Reply::array({text("a"), text("b"), text("c")}).find("c") == nullptr);
}

TEST_CASE("an accessor that does not fit says what was found", "[reply]") {
    const Reply error = Reply::error("ERR no such key");
    CHECK(said_by([&] { return error.integer(); }) ==
          "Reply::integer(): it is an error: ERR no such key");
    CHECK(said_by([] { return text("a\n").elements(); }) ==
          "Reply::elements(): it is a bulk string: \"a\\n\"");
    CHECK(said_by([] { return Reply::null().text(); }) == "Reply::text(): it is null");
    CHECK(said_by([] { return Reply::null_array().elements(); }) ==
          "Reply::elements(): it is a null array");
    CHECK(said_by([] {
              return Reply::array({Reply{}, Reply{}}).flag();
          }) == "Reply::flag(): it is an array of size 2");
    CHECK(said_by([] {
              return Reply::map({text("a"), Reply{}}).text();
          }) == "Reply::text(): it is a map of size 1");
    CHECK(said_by([] { return Reply::integer(5).flag(); }) == "Reply::flag(): it is an integer: 5");
    CHECK(said_by([] { return Reply::boolean(true).number(); }) ==
          "Reply::number(): it is a boolean: true");
    CHECK(said_by([] { return Reply::double_(2.5).integer(); }) ==
          "Reply::integer(): it is a double: 2.5");
    CHECK(said_by([] { return Reply::simple_string("OK").number(); }) ==
          "Reply::number(): it is a simple string: OK");
    const Reply ok = Reply::simple_string("OK");
    CHECK(said_by([&] { return ok.code(); }) == "Reply::code(): it is a simple string: OK");
    const Reply five = Reply::integer(5);
    CHECK(said_by([&] { return five.find("key"); }) == "Reply::find(): it is an integer: 5");
}

TEST_CASE("an element that is not there is told with its index", "[reply]") {
    const Reply pair = Reply::array({text("a"), text("b")});
    CHECK(pair[1].text() == "b");
    CHECK(said_by([&] { return pair[2]; }) == "Reply::operator[](2): it is an array of size 2");
}

TEST_CASE("an element that is no text is told", "[reply]") {
    CHECK(said_by([] {
              return Reply::array({text("a"), Reply::integer(7)}).strings();
          }) == "Reply::strings(), of an element: it is an integer: 7");
}

TEST_CASE("a long text is cut where it is told", "[reply]") {
    const std::string said = said_by([] { return text(std::string(100'000, 'x')).integer(); });
    CHECK(said.size() < 300);
    CHECK(said.substr(said.size() - 6) == "xxx...");
}

TEST_CASE("replies are equal if kind and content are", "[reply]") {
    CHECK(text(long_text) == text(long_text));
    CHECK(text("OK") != Reply::simple_string("OK"));
    CHECK(text("OK") != text("KO"));
    CHECK(Reply::integer(1) == Reply::integer(1));
    CHECK(Reply::integer(1) != Reply::integer(2));
    CHECK(Reply::null() != Reply::null_array());
    CHECK(Reply::boolean(true) != Reply::boolean(false));
    CHECK(Reply::double_(1.5) == Reply::double_(1.5));
    CHECK(Reply::double_(1.5) != Reply::double_(2.5));
    CHECK(Reply::array({}) == Reply::array({}));
    CHECK(Reply::array({}) != Reply::set({}));
    CHECK(Reply::array({text("a")}) == Reply::array({text("a")}));
    CHECK(Reply::array({text("a")}) != Reply::array({text("b")}));
    CHECK(Reply::array({text("a")}) != Reply::array({}));
    CHECK(Reply::array({text("a")}) != Reply::array({text("a"), text("a")}));
    CHECK(Reply::array({Reply::array({text("a")})}) == Reply::array({Reply::array({text("a")})}));
}

TEST_CASE("what is not a number equals itself, so that a reply equals its copy", "[reply]") {
    const Reply reply = Reply::double_(std::numeric_limits<double>::quiet_NaN());
    CHECK(reply == Reply{reply});
    CHECK(reply != Reply::double_(0));
}

TEST_CASE("a reply is small, and copies and moves do not throw", "[reply]") {
    STATIC_REQUIRE(sizeof(Reply) <= 64);
    STATIC_REQUIRE(std::is_nothrow_copy_constructible_v<Reply>);
    STATIC_REQUIRE(std::is_nothrow_copy_assignable_v<Reply>);
    STATIC_REQUIRE(std::is_nothrow_move_constructible_v<Reply>);
    STATIC_REQUIRE(std::is_nothrow_move_assignable_v<Reply>);
    STATIC_REQUIRE(std::is_nothrow_default_constructible_v<Reply>);
}

TEST_CASE("elements stay though their reply goes", "[reply]") {
    const auto answer = [] {
        return std::optional{Reply::array({text(long_text), Reply::integer(7)})};
    };
    std::vector<std::string> printed;
    for (const Reply& element : answer()->elements()) printed.push_back(to_string(element));
    CHECK(printed == std::vector{'"' + std::string{long_text} + '"', std::string{"(integer) 7"}});
    const auto all = answer()->elements();
    CHECK(all.size() == 2);
    CHECK(all[1].integer() == 7);
    CHECK_THROWS_WITH(all[2], "Reply::elements()[2]: there are 2");
    CHECK(Reply::array({}).elements().empty());
    CHECK_THROWS_WITH(Reply::integer(1).elements(), "Reply::elements(): it is an integer: 1");
}

TEST_CASE("a copy shares long texts and elements", "[reply]") {
    const Reply one = text(long_text);
    const Reply other{one};
    CHECK(&one.text() == &other.text());
    const Reply array = Reply::array({one});
    Reply assigned;
    assigned = array;
    CHECK(array.elements().data() == assigned.elements().data());
}

TEST_CASE("an array may be made of elements that are filled in later", "[reply]") {
    const auto elements = std::make_shared<std::vector<Reply>>(2);
    const Reply array = Reply::shared_array(elements);
    elements->back() = text("late");
    CHECK(array == Reply::array({Reply::null(), text("late")}));
}

TEST_CASE("a copy outlives the reply it was made from", "[reply]") {
    Reply copy;
    {
        const Reply short_one = text("short");
        copy = Reply::array({short_one, text(long_text)});
    }
    CHECK(copy.strings() == std::vector<std::string>{"short", long_text});
}

TEST_CASE("a reply that was moved from is null", "[reply]") {
    Reply from = text(long_text);
    Reply to{std::move(from)};
    CHECK(from == Reply::null());
    CHECK(to.text() == long_text);
    from = std::move(to);
    CHECK(to == Reply::null());
    CHECK(from.text() == long_text);
}

TEST_CASE("a reply may be assigned to itself", "[reply]") {
    Reply reply = text("itself");
    Reply& same = reply;
    reply = same;
    CHECK(reply.text() == "itself");
    reply = std::move(same);
    CHECK(reply.text() == "itself");
}

TEST_CASE("a reply may be replaced by one of its elements", "[reply]") {
    Reply reply = Reply::array({Reply::array({text(long_text)})});
    reply = reply.elements()[0];
    reply = reply.elements()[0];
    CHECK(reply.text() == long_text);
}

TEST_CASE("what is asked of a temporary reply is a value of its own", "[reply]") {
    const auto& kept_text = Reply::bulk_string(long_text).text();
    CHECK(kept_text == long_text);
    std::size_t size = 0;
    for (const Reply& element : Reply::array({text("abc")}).elements())
        size += element.text().size();
    CHECK(size == 3);
    const auto& element = Reply::array({text(long_text)})[0];
    CHECK(element.text() == long_text);
}

TEST_CASE("a reply prints as redis-cli prints it", "[reply]") {
    CHECK(printed(Reply::simple_string("OK")) == "OK");
    CHECK(printed(Reply::error("ERR syntax error")) == "(error) ERR syntax error");
    CHECK(printed(Reply::integer(5)) == "(integer) 5");
    CHECK(printed(Reply::integer(std::numeric_limits<std::int64_t>::min())) ==
          "(integer) -9223372036854775808");
    CHECK(printed(text("hello")) == "\"hello\"");
    CHECK(printed(Reply::null()) == "(nil)");
    CHECK(printed(Reply::null_array()) == "(nil)");
    CHECK(printed(Reply::double_(1.5)) == "(double) 1.5");
    CHECK(printed(Reply::double_(1e17)) == "(double) 100000000000000000");
    CHECK(printed(Reply::double_(-std::numeric_limits<double>::infinity())) == "(double) -inf");
    CHECK(printed(Reply::boolean(true)) == "(true)");
    CHECK(printed(Reply::boolean(false)) == "(false)");
    CHECK(to_string(Reply::integer(5)) == "(integer) 5");
}

TEST_CASE("a printed string shows every byte", "[reply]") {
    CHECK(printed(text("\n\r\t\a\b\"\\")) == R"("\n\r\t\a\b\"\\")");
    CHECK(printed(text(std::string{"\0\x1f\x7f\xff '~", 7})) == R"("\x00\x1f\x7f\xff '~")");
}

TEST_CASE("an aggregate without elements prints its kind", "[reply]") {
    CHECK(printed(Reply::array({})) == "(empty array)");
    CHECK(printed(Reply::map({})) == "(empty hash)");
    CHECK(printed(Reply::set({})) == "(empty set)");
    CHECK(printed(Reply::push({})) == "(empty push)");
}

TEST_CASE("elements are numbered, and those of elements are indented", "[reply]") {
    const Reply fields = Reply::array({text("field"), text("value")});
    const Reply entry = Reply::array({text("1-1"), fields});
    CHECK(printed(Reply::array({entry, Reply::integer(2)})) == "1) 1) \"1-1\"\n"
                                                               "   2) 1) \"field\"\n"
                                                               "      2) \"value\"\n"
                                                               "2) (integer) 2");
}

TEST_CASE("numbers are right-aligned", "[reply]") {
    std::vector<Reply> elements(9, Reply::integer(0));
    elements.push_back(Reply::array({text("a"), text("b")}));
    const std::string lines = printed(Reply::array(elements));
    CHECK(lines.substr(0, 17) == " 1) (integer) 0\n ");
    CHECK(lines.substr(lines.rfind("10)")) == "10) 1) \"a\"\n    2) \"b\"");
}

TEST_CASE("maps and sets print with signs of their own", "[reply]") {
    CHECK(printed(Reply::map({text("a"), Reply::integer(1), text("b"), Reply::null()})) ==
          "1# \"a\" => (integer) 1\n"
          "2# \"b\" => (nil)");
    CHECK(printed(Reply::set({text("a"), text("b")})) == "1~ \"a\"\n2~ \"b\"");
    CHECK(printed(Reply::push({text("message"), Reply::map({text("k"), Reply::integer(1)})})) ==
          "1) \"message\"\n2) 1# \"k\" => (integer) 1");
}

TEST_CASE("a value of several lines stands below its key", "[reply]") {
    const Reply pair = Reply::array({Reply::integer(1), Reply::integer(2)});
    CHECK(printed(Reply::map({text("a"), pair, text("b"), Reply::array({text("c")})})) ==
          "1# \"a\" => \n"
          "   1) (integer) 1\n"
          "   2) (integer) 2\n"
          "2# \"b\" => 1) \"c\"");
    CHECK(printed(Reply::array({Reply::map({text("a"), Reply::map({text("b"), pair})})})) ==
          "1) 1# \"a\" => \n"
          "      1# \"b\" => \n"
          "         1) (integer) 1\n"
          "         2) (integer) 2");
    CHECK(printed(Reply::map({text("a"), Reply::array({pair})})) == "1# \"a\" => \n"
                                                                    "   1) 1) (integer) 1\n"
                                                                    "      2) (integer) 2");
}

TEST_CASE("a reply is printed however deep it is", "[reply]") {
    Reply reply = text("end");
    for (int depth = 0; depth != 2'000; ++depth) reply = Reply::array({reply});
    const std::string line = printed(reply);
    CHECK(line.size() == 3 * 2'000 + 5);
    CHECK(line.substr(line.size() - 8) == "1) \"end\"");
}

TEST_CASE("every kind has the name it has in the source", "[reply]") {
    STATIC_REQUIRE(to_string(Kind::simple_string) == "simple_string");
    STATIC_REQUIRE(to_string(Kind::error) == "error");
    STATIC_REQUIRE(to_string(Kind::integer) == "integer");
    STATIC_REQUIRE(to_string(Kind::bulk_string) == "bulk_string");
    STATIC_REQUIRE(to_string(Kind::null) == "null");
    STATIC_REQUIRE(to_string(Kind::null_array) == "null_array");
    STATIC_REQUIRE(to_string(Kind::array) == "array");
    STATIC_REQUIRE(to_string(Kind::map) == "map");
    STATIC_REQUIRE(to_string(Kind::set) == "set");
    STATIC_REQUIRE(to_string(Kind::push) == "push");
    STATIC_REQUIRE(to_string(Kind::double_) == "double_");
    STATIC_REQUIRE(to_string(Kind::boolean) == "boolean");
}
