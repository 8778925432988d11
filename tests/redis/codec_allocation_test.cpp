// SPDX-License-Identifier: MIT
#include <runnel/redis/codec.hpp>

#include "support/catch.hpp"
#include "support/short_memory.hpp"

#include <cstddef>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using runnel::redis::append_command;
using runnel::redis::append_reply;
using runnel::redis::CommandDecoder;
using runnel::redis::Protocol;
using runnel::redis::Reply;
using runnel::redis::ReplyDecoder;
using runnel::test::at_every_request;
using runnel::test::Memory;
using runnel::test::MemoryRunsOut;
using runnel::test::Shortage;

namespace {

using Words = std::vector<std::string>;

const std::string long_bytes(100, 'x');

Reply string_reply(std::string bytes) {
    return Reply::bulk_string(std::move(bytes));
}

Reply nested() {
    return Reply::array(
        {Reply::map({string_reply(long_bytes),
                     Reply::array({Reply::array({Reply::integer(1)}), string_reply("a")})}),
         Reply::set({string_reply("b"), string_reply(long_bytes)}),
         Reply::error("ERR " + long_bytes)});
}

// Whether the call had the memory that it took.
template <typename Call>
bool has_enough(long granted, Shortage shortage, const Call& call) {
    const MemoryRunsOut limit{granted, shortage};
    try {
        call();
        return true;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

// The largest piece of memory that the call asks for.
template <typename Call>
std::size_t largest_request_of(const Call& call) {
    Memory::largest = 0;
    call();
    return Memory::largest;
}

}  // namespace

TEST_CASE("copying a reply takes no memory", "[reply]") {
    const std::vector<Reply> replies{Reply{},
                                     Reply::simple_string("OK"),
                                     Reply::error("WRONGTYPE Operation against a key"),
                                     string_reply(long_bytes),
                                     Reply::integer(1),
                                     nested()};
    for (const Reply& reply : replies) {
        const long before = Memory::live;
        Reply copy{reply};
        Reply assigned;
        assigned = copy;
        CHECK(assigned == reply);
        CHECK(Memory::live == before);
    }
}

TEST_CASE("a short text, a number and an empty array take no memory", "[reply]") {
    const long before = Memory::live;
    const Reply ok = Reply::simple_string("OK");
    const Reply number = Reply::integer(1);
    const Reply none = Reply::array({});
    CHECK(Memory::live == before);
}

TEST_CASE("bytes that cannot be appended leave no part of them", "[codec]") {
    at_every_request([](long granted, Shortage shortage) {
        std::string out = "+OK\r\n";
        if (!has_enough(granted, shortage, [&] { append_reply(out, nested(), Protocol::resp3); }))
            CHECK(out == "+OK\r\n");
        else
            CHECK(out.size() > 300);
    });
    at_every_request([](long granted, Shortage shortage) {
        std::string out = "+OK\r\n";
        if (!has_enough(granted, shortage, [&] { append_command(out, {"ECHO", long_bytes}); }))
            CHECK(out == "+OK\r\n");
        else
            CHECK(out.size() > 100);
    });
}

TEST_CASE("a reply that ran out of memory is decoded by the next call", "[codec]") {
    std::string bytes;
    append_reply(bytes, nested(), Protocol::resp3);
    bytes.insert(0, "|1\r\n+key\r\n*1\r\n+value\r\n");
    const Reply expected = nested();
    at_every_request([&](long granted, Shortage shortage) {
        ReplyDecoder decoder;
        decoder.feed(bytes);
        std::optional<Reply> reply;
        if (!has_enough(granted, shortage, [&] { reply = decoder.take(); })) reply = decoder.take();
        CHECK(reply == expected);
        CHECK_FALSE(decoder.take());
    });
}

TEST_CASE("a command that ran out of memory is decoded by the next call", "[codec]") {
    for (const std::string& bytes : {"*2\r\n$4\r\nECHO\r\n$100\r\n" + long_bytes + "\r\n",
                                     "ECHO \"" + long_bytes + "\"\r\n"}) {
        at_every_request([&](long granted, Shortage shortage) {
            CommandDecoder decoder;
            decoder.feed(bytes);
            std::optional<Words> words;
            if (!has_enough(granted, shortage, [&] { words = decoder.take(); }))
                words = decoder.take();
            CHECK(words == Words{"ECHO", long_bytes});
            CHECK_FALSE(decoder.take());
        });
    }
}

TEST_CASE("bytes that could not be fed may be fed again", "[codec]") {
    at_every_request([](long granted, Shortage shortage) {
        ReplyDecoder decoder;
        decoder.feed("*2\r\n:1\r\n");
        CHECK_FALSE(decoder.take());
        const std::string rest = "$100\r\n" + long_bytes + "\r\n";
        if (!has_enough(granted, shortage, [&] { decoder.feed(rest); })) decoder.feed(rest);
        CHECK(decoder.take() == Reply::array({Reply::integer(1), string_reply(long_bytes)}));
    });
}

TEST_CASE("a length that is only announced takes no memory", "[codec]") {
    for (const std::string_view bytes :
         {"$536870912\r\nabc", "=536870912\r\ntxt:", "*1048576\r\n", "%524288\r\n:1\r\n",
          "~1048576\r\n$536870912\r\n", "|524288\r\n*1048576\r\n*1048576\r\n:1\r\n"}) {
        CAPTURE(bytes);
        CHECK(largest_request_of([&] {
                  ReplyDecoder decoder;
                  decoder.feed(bytes);
                  if (decoder.take()) throw bytes;
              }) < 1'000);
    }
    for (const std::string_view bytes :
         {"*1048576\r\n", "*1048576\r\n$536870912\r\nabc", "*1048576\r\n$1\r\na\r\n"}) {
        CAPTURE(bytes);
        CHECK(largest_request_of([&] {
                  CommandDecoder decoder;
                  decoder.feed(bytes);
                  if (decoder.take()) throw bytes;
              }) < 1'000);
    }
}

TEST_CASE("bytes that were decoded make room for others", "[codec]") {
    CHECK(largest_request_of([] {
              ReplyDecoder decoder;
              for (int count = 0; count != 10'000; ++count) {
                  decoder.feed("$3\r\nabc\r\n$3\r\na");
                  while (decoder.take()) {
                  }
                  decoder.feed("bc\r\n");
                  while (decoder.take()) {
                  }
              }
          }) < 1'000);
}
