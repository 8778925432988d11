// SPDX-License-Identifier: MIT
// HSCAN, SSCAN and ZSCAN, beside the transcripts: cursors, and pages of long values.

#include <runnel/redis.hpp>

#include "support/catch.hpp"

#include <array>
#include <cstddef>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using runnel::redis::Reply;
using runnel::redis::Server;
using runnel::redis::Session;

namespace {

// One of the commands, and how what it returns is made.
struct ScanCommand {
    std::string_view name;
    std::string_view add;
    std::string_view remove;
    std::size_t words;  // of an element in the reply
};

constexpr std::array scan_commands{
    ScanCommand{"HSCAN", "HSET", "HDEL", 2},
    ScanCommand{"SSCAN", "SADD", "SREM", 1},
    ScanCommand{"ZSCAN", "ZADD", "ZREM", 2},
};

// A value of key `k`.
class ScannedValue {
public:
    explicit ScannedValue(const ScanCommand& command) : command_{command} {}

    Reply send(std::vector<std::string> words) { return session_.execute(words).value(); }

    void add(const std::string& name) {
        if (command_.add == "SADD") send({"SADD", "k", name});
        if (command_.add == "HSET") send({"HSET", "k", name, "7"});
        if (command_.add == "ZADD") send({"ZADD", "k", "7", name});
    }
    void remove(const std::string& name) { send({std::string{command_.remove}, "k", name}); }
    // So many, one of which is so long that Redis keeps them in a table.
    void add_long(int count) {
        for (int number = 1; number < count; ++number) add(name_of(number));
        add(long_name());
    }
    static std::string name_of(int number) { return "name:" + std::to_string(number); }
    static std::string long_name() { return std::string(65, 'x'); }

    Reply scan(const std::string& cursor, const std::vector<std::string>& options = {}) {
        std::vector<std::string> words{std::string{command_.name}, "k", cursor};
        words.insert(words.end(), options.begin(), options.end());
        return send(words);
    }
    // The names in a reply; what stands behind a name is 7.
    std::vector<std::string> names_in(const Reply& reply) {
        std::vector<std::string> names;
        const auto elements = reply[1].elements();
        for (std::size_t at = 0; at < elements.size(); at += command_.words) {
            names.push_back(elements[at].text());
            if (command_.words == 2) CHECK(elements[at + 1] == Reply::bulk_string("7"));
        }
        return names;
    }

private:
    const ScanCommand& command_;
    Server server_;
    Session session_{server_};
};

}  // namespace

TEST_CASE("a long value is scanned page by page, each element once", "[redis][scan]") {
    for (const ScanCommand& command : scan_commands) {
        CAPTURE(command.name);
        ScannedValue value{command};
        value.add_long(25);
        std::multiset<std::string> found;
        std::string cursor = "0";
        int pages = 0;
        do {
            const Reply reply = value.scan(cursor, {"COUNT", "10"});
            const auto names = value.names_in(reply);
            CHECK(names.size() <= 10);
            found.insert(names.begin(), names.end());
            cursor = reply[0].text();
            ++pages;
        } while (cursor != "0");
        CHECK(pages == 3);
        CHECK(found.size() == 25);
        for (int number = 1; number != 25; ++number)
            CHECK(found.count(ScannedValue::name_of(number)) == 1);
    }
}

TEST_CASE("a page has ten elements, unless it is told otherwise", "[redis][scan]") {
    for (const ScanCommand& command : scan_commands) {
        CAPTURE(command.name);
        ScannedValue value{command};
        value.add_long(25);
        CHECK(value.names_in(value.scan("0")).size() == 10);
        CHECK(value.names_in(value.scan("0", {"COUNT", "1"})).size() == 1);
        const Reply all = value.scan("0", {"COUNT", "9223372036854775807"});
        CHECK(all[0] == Reply::bulk_string("0"));
        CHECK(value.names_in(all).size() == 25);
    }
}

TEST_CASE("all elements that stay are scanned, whatever else comes and goes", "[redis][scan]") {
    for (const ScanCommand& command : scan_commands) {
        CAPTURE(command.name);
        ScannedValue value{command};
        value.add_long(41);
        std::multiset<std::string> found;
        std::string cursor = "0";
        int page_number = 0;
        do {
            const Reply reply = value.scan(cursor, {"COUNT", "4"});
            const auto names = value.names_in(reply);
            found.insert(names.begin(), names.end());
            cursor = reply[0].text();
            value.remove(ScannedValue::name_of(20 + page_number));
            value.add("new:" + std::to_string(page_number));
            ++page_number;
        } while (cursor != "0");
        for (int number = 1; number != 20; ++number)
            CHECK(found.count(ScannedValue::name_of(number)) == 1);
    }
}

TEST_CASE("a page counts elements that its pattern does not select", "[redis][scan]") {
    for (const ScanCommand& command : scan_commands) {
        CAPTURE(command.name);
        ScannedValue value{command};
        value.add_long(25);
        const Reply reply = value.scan("0", {"MATCH", "none:*"});
        CHECK(reply[0] != Reply::bulk_string("0"));
        CHECK(reply[1] == Reply::array({}));
    }
}

TEST_CASE("a short value is scanned at once, whatever the cursor and COUNT", "[redis][scan]") {
    for (const ScanCommand& command : scan_commands) {
        CAPTURE(command.name);
        ScannedValue value{command};
        for (int number = 1; number <= 128; ++number) value.add(ScannedValue::name_of(number));
        for (const char* const cursor : {"0", "1", "18446744073709551615"}) {
            const Reply reply = value.scan(cursor, {"COUNT", "1"});
            CHECK(reply[0] == Reply::bulk_string("0"));
            CHECK(value.names_in(reply).size() == 128);
        }
    }
}

TEST_CASE("a set of integers is short up to 512 of them", "[redis][scan]") {
    ScannedValue value{scan_commands[1]};
    for (int number = 1; number <= 512; ++number) value.add(std::to_string(number));
    CHECK(value.scan("0")[0] == Reply::bulk_string("0"));
    value.add("513");
    CHECK(value.scan("0")[0] != Reply::bulk_string("0"));
}

TEST_CASE("HSCAN returns fields without values, if it is asked to", "[redis][scan]") {
    ScannedValue value{scan_commands[0]};
    value.add_long(25);
    const Reply page = value.scan("0", {"NOVALUES", "COUNT", "5"});
    CHECK(page[0] != Reply::bulk_string("0"));
    CHECK(page[1].elements().size() == 5);
    const Reply all = value.scan("0", {"COUNT", "99", "NOVALUES", "MATCH", "name:1"});
    CHECK(all[1] == Reply::array({Reply::bulk_string("name:1")}));
}
