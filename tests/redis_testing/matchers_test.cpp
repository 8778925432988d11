// SPDX-License-Identifier: MIT
#include <runnel/redis/reply.hpp>
#include <runnel/redis/testing/matchers.hpp>

#include "support/catch.hpp"

#include <optional>
#include <sstream>
#include <string>
#include <vector>

using namespace runnel::redis::testing;
using runnel::redis::Reply;

namespace {

Reply bulk(const char* text) {
    return Reply::bulk_string(text);
}
Reply strings(const std::vector<std::string>& texts) {
    std::vector<Reply> elements;
    for (const std::string& text : texts) elements.push_back(Reply::bulk_string(text));
    return Reply::array(elements);
}

}  // namespace

TEST_CASE("a matcher takes replies of its kind and content only", "[redis_matchers]") {
    const Reply ok = Reply::simple_string("OK");
    CHECK(IsOk().match(ok));
    CHECK(IsStatus("OK").match(ok));
    CHECK_FALSE(IsOk().match(bulk("OK")));
    CHECK_FALSE(IsOk().match(Reply::simple_string("QUEUED")));

    CHECK(IsNull().match(Reply::null()));
    CHECK(IsNull().match(Reply::null_array()));
    CHECK_FALSE(IsNull().match(Reply::array({})));

    CHECK(IsInteger(3).match(Reply::integer(3)));
    CHECK_FALSE(IsInteger(3).match(Reply::integer(4)));
    CHECK_FALSE(IsInteger(3).match(bulk("3")));

    CHECK(IsBulk("a").match(bulk("a")));
    CHECK_FALSE(IsBulk("a").match(bulk("b")));
    CHECK_FALSE(IsBulk("a").match(Reply::simple_string("a")));

    const Reply error = Reply::error("WRONGTYPE Operation against a key");
    CHECK(IsError().match(error));
    CHECK(IsError("WRONGTYPE").match(error));
    CHECK(IsError("WRONGTYPE Operation").match(error));
    CHECK_FALSE(IsError("ERR").match(error));
    CHECK_FALSE(IsError("WRONGTYPE").match(bulk("WRONGTYPE")));

    CHECK(ReplyMatcher{Reply::double_(1.5)}.match(Reply::double_(1.5)));
}

TEST_CASE("matchers of arrays look at each element", "[redis_matchers]") {
    const Reply ab = strings({"a", "b"});
    CHECK(IsStrings({"a", "b"}).match(ab));
    CHECK_FALSE(IsStrings({"b", "a"}).match(ab));
    CHECK_FALSE(IsStrings({"a"}).match(ab));
    CHECK_FALSE(IsStrings({"1"}).match(Reply::array({Reply::integer(1)})));
    CHECK_FALSE(IsStrings({"a"}).match(bulk("a")));

    CHECK(IsStringsInAnyOrder({"b", "a"}).match(ab));
    CHECK(IsStringsInAnyOrder({"b", "a"}).match(Reply::set({bulk("a"), bulk("b")})));
    CHECK_FALSE(IsStringsInAnyOrder({"a", "a"}).match(ab));

    CHECK(IsEmptyArray().match(Reply::array({})));
    CHECK(IsEmptyArray().match(Reply::map({})));
    CHECK_FALSE(IsEmptyArray().match(ab));
    CHECK_FALSE(IsEmptyArray().match(Reply::null_array()));

    const Reply mixed = Reply::array({bulk("jobs"), Reply::integer(3), ab});
    CHECK(IsArray({IsBulk("jobs"), Reply::integer(3), IsStrings({"a", "b"})}).match(mixed));
    CHECK_FALSE(IsArray({IsBulk("jobs"), IsInteger(3)}).match(mixed));
    CHECK_FALSE(IsArray({IsBulk("jobs"), IsInteger(4), IsNull()}).match(mixed));

    CHECK(HasElement(IsInteger(3)).match(mixed));
    CHECK_FALSE(HasElement(IsInteger(4)).match(mixed));
    CHECK_FALSE(HasElement(IsBulk("a")).match(bulk("a")));
    CHECK(HasElement(HasElement(IsBulk("b"))).match(mixed));
    CHECK_FALSE(HasElement(HasElement(IsInteger(3))).match(mixed));

    const std::vector<Reply> pairs{bulk("name"), bulk("ann"), bulk("age"), Reply::integer(30)};
    for (const Reply& fields : {Reply::map(pairs), Reply::array(pairs)}) {
        CHECK(HasField("age", IsInteger(30)).match(fields));
        CHECK_FALSE(HasField("age", IsInteger(31)).match(fields));
        CHECK_FALSE(HasField("ann", IsBulk("age")).match(fields));
    }
}

TEST_CASE("no reply matches nothing, not even what is negated", "[redis_matchers]") {
    const std::optional<Reply> none;
    CHECK_FALSE(IsNull().match(none));
    CHECK_FALSE((!IsNull()).match(none));
    CHECK_FALSE((!IsNull() || IsNull()).match(none));
}

TEST_CASE("matchers are put together", "[redis_matchers]") {
    CHECK((!IsNull()).match(bulk("a")));
    CHECK((IsBulk("a") || IsBulk("b")).match(bulk("b")));
    CHECK_FALSE((IsBulk("a") || IsBulk("b")).match(bulk("c")));
    CHECK((HasElement(IsBulk("a")) && !HasElement(IsBulk("c"))).match(strings({"a", "b"})));
    CHECK_FALSE((HasElement(IsBulk("a")) && HasElement(IsBulk("c"))).match(strings({"a", "b"})));
}

TEST_CASE("a matcher says what it wants", "[redis_matchers]") {
    CHECK(IsOk().toString() == "is the status OK");
    CHECK(IsNull().toString() == "is (nil)");
    CHECK((!IsInteger(1)).toString() == "is not (integer) 1");
    CHECK((IsBulk("a") || IsError("ERR")).toString() ==
          "is \"a\" or an error that begins with ERR");
    CHECK(IsError().toString() == "is an error");
    CHECK(IsStrings({"a", "b\n"}).toString() == "is the strings [\"a\", \"b\\n\"]");
    CHECK(IsStringsInAnyOrder({"b"}).toString() == "is in any order the strings [\"b\"]");
    CHECK(IsEmptyArray().toString() == "is an empty array");
    CHECK(IsArray({IsBulk("a"), IsNull()}).toString() == "is an array of 2: \"a\", then (nil)");
    CHECK(HasElement(IsNull()).toString() == "is an array with the element (nil)");
    CHECK(HasField("n", IsNull()).toString() == "is a map where n is (nil)");

    std::ostringstream out;
    IsNull().DescribeTo(&out);
    out << ", ";
    IsNull().DescribeNegationTo(&out);
    out << ", ";
    CHECK_FALSE(IsNull().MatchAndExplain(std::nullopt, &out));
    CHECK(IsNull().MatchAndExplain(Reply::null(), &out));
    CHECK(out.str() ==
          "is (nil), is not (nil), which is no reply: the connection is closed, or the "
          "answers are pushes");
}
