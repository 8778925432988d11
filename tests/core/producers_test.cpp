// SPDX-License-Identifier: MIT
#include <runnel/detail/core/producers.hpp>
#include <runnel/stream_id.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using runnel::StreamId;
using runnel::detail::id_of_words;
using runnel::detail::ProducerLimits;
using runnel::detail::Producers;

namespace {

struct Sent {
    Producers producers;

    void send(std::string_view producer, std::string_view id, StreamId entry) {
        producers.add(producers.prepare(producer, id), entry);
    }
    [[nodiscard]] std::optional<StreamId> known(std::string_view producer,
                                                std::string_view id) const {
        const StreamId* const entry = producers.find(producer, id);
        return entry != nullptr ? std::optional{*entry} : std::nullopt;
    }
};

using Words = std::vector<std::string_view>;

}  // namespace

TEST_CASE_METHOD(Sent, "an id is known with the entry that it has become", "[producers]") {
    CHECK_FALSE(known("p", "i"));
    send("p", "i", {5});
    send("p", "j", {6});
    CHECK(known("p", "i") == StreamId{5});
    CHECK(known("p", "j") == StreamId{6});
    CHECK_FALSE(known("p", "k"));
}

TEST_CASE_METHOD(Sent, "producers do not know the ids of others", "[producers]") {
    send("p", "i", {5});
    CHECK_FALSE(known("q", "i"));
    send("q", "i", {6});
    CHECK(known("p", "i") == StreamId{5});
    CHECK(known("q", "i") == StreamId{6});
}

TEST_CASE_METHOD(Sent, "what was prepared and not added is not known", "[producers]") {
    (void)producers.prepare("p", "i");
    CHECK_FALSE(known("p", "i"));
    CHECK(producers.size() == 0);
    CHECK(producers.added() == 0);
}

TEST_CASE_METHOD(Sent, "a producer is known with its newest ids", "[producers]") {
    producers.set_limits({.seconds = 100, .ids = 2});
    send("p", "i", {5});
    send("q", "i", {6});
    send("p", "j", {7});
    CHECK(known("p", "i"));
    send("p", "k", {8});
    CHECK_FALSE(known("p", "i"));
    CHECK(known("p", "j"));
    CHECK(known("p", "k"));
    CHECK(known("q", "i"));
}

TEST_CASE_METHOD(Sent, "the oldest id is the one that was sent first, whatever its entry",
                 "[producers]") {
    producers.set_limits({.seconds = 100, .ids = 2});
    send("p", "i", {9});
    send("p", "j", {5});
    send("p", "k", {7});
    CHECK_FALSE(known("p", "i"));
    CHECK(known("p", "j"));
}

TEST_CASE_METHOD(Sent, "an id that was forgotten can be sent again", "[producers]") {
    producers.set_limits({.seconds = 100, .ids = 1});
    send("p", "i", {5});
    send("p", "j", {6});
    send("p", "i", {7});
    CHECK(known("p", "i") == StreamId{7});
    CHECK(producers.ids() == 1);
}

TEST_CASE_METHOD(Sent, "an id is forgotten when its entry is as old as the limit", "[producers]") {
    producers.set_limits({.seconds = 2, .ids = 100});
    send("p", "i", {10'000});
    send("p", "j", {10'500});
    producers.expire(11'999);
    CHECK(known("p", "i"));
    producers.expire(12'000);
    CHECK_FALSE(known("p", "i"));
    CHECK(known("p", "j"));
    producers.expire(12'499);
    CHECK(known("p", "j"));
    producers.expire(12'500);
    CHECK_FALSE(known("p", "j"));
}

TEST_CASE_METHOD(Sent, "an old id is forgotten although a newer one was sent before",
                 "[producers]") {
    producers.set_limits({.seconds = 2, .ids = 100});
    send("p", "i", {10'000});
    send("p", "j", {5'000});
    producers.expire(7'000);
    CHECK(known("p", "i"));
    CHECK_FALSE(known("p", "j"));
}

TEST_CASE_METHOD(Sent, "nothing is too old before its limit has passed since 1970", "[producers]") {
    send("p", "i", {0, 1});
    producers.expire(99'999);
    CHECK(known("p", "i"));
    producers.expire(100'000);
    CHECK_FALSE(known("p", "i"));
}

TEST_CASE_METHOD(Sent, "a limit may be longer than all time", "[producers]") {
    producers.set_limits({.seconds = std::numeric_limits<std::int64_t>::max(), .ids = 1});
    send("p", "i", {0, 1});
    producers.expire(std::numeric_limits<std::int64_t>::max());
    CHECK(known("p", "i"));
}

TEST_CASE_METHOD(Sent, "a producer without ids is forgotten", "[producers]") {
    send("p", "i", {1'000});
    send("q", "i", {2'000});
    CHECK(producers.size() == 2);
    producers.expire(101'000);
    CHECK(producers.size() == 1);
    CHECK(producers.ids() == 1);
    send("p", "i", {3'000});
    CHECK(known("p", "i") == StreamId{3'000});
}

TEST_CASE_METHOD(Sent, "other limits clear all ids, the same ones do not", "[producers]") {
    send("p", "i", {5});
    producers.set_limits(ProducerLimits{});
    CHECK(known("p", "i"));
    producers.set_limits({.seconds = 100, .ids = 99});
    CHECK_FALSE(known("p", "i"));
    send("p", "i", {6});
    producers.set_limits({.seconds = 99, .ids = 99});
    CHECK_FALSE(known("p", "i"));
    CHECK(producers.size() == 0);
}

TEST_CASE_METHOD(Sent, "what was added and what was sent again is counted for ever",
                 "[producers]") {
    send("p", "i", {5});
    send("q", "i", {6});
    producers.count_duplicate();
    producers.set_limits({.seconds = 1, .ids = 1});
    CHECK(producers.added() == 2);
    CHECK(producers.duplicates() == 1);
    CHECK(producers.ids() == 0);
}

TEST_CASE_METHOD(Sent, "ids are any bytes", "[producers]") {
    const std::string zeros("\0\0", 2);
    send(zeros, zeros, {5});
    CHECK(known(zeros, zeros) == StreamId{5});
    CHECK_FALSE(known(zeros, zeros.substr(1)));
}

TEST_CASE_METHOD(Sent, "a copy knows the same, and is on its own", "[producers]") {
    producers.set_limits({.seconds = 2, .ids = 2});
    send("p", "i", {5});
    send("p", "j", {6});
    send("q", "i", {7});
    producers.count_duplicate();
    Sent copy{producers};
    CHECK(copy.known("p", "i") == StreamId{5});
    CHECK(copy.known("q", "i") == StreamId{7});
    CHECK(copy.producers.limits() == producers.limits());
    CHECK(copy.producers.added() == 3);
    CHECK(copy.producers.duplicates() == 1);
    copy.send("p", "k", {8});
    CHECK_FALSE(copy.known("p", "i"));
    CHECK(known("p", "i") == StreamId{5});
    CHECK_FALSE(known("p", "k"));
    copy.producers.expire(2'007);
    CHECK(copy.producers.ids() == 1);
    CHECK(producers.ids() == 3);
}

// ------------------------------------------------------------------ ids made of words

TEST_CASE("entries with the same pairs have the same id, in whatever order", "[producers]") {
    CHECK(id_of_words(Words{"a", "1", "b", "2"}) == id_of_words(Words{"b", "2", "a", "1"}));
    CHECK(id_of_words(Words{"a", "1", "a", "2"}) == id_of_words(Words{"a", "2", "a", "1"}));
}

TEST_CASE("names, values and how often a pair occurs make a difference", "[producers]") {
    const std::string id = id_of_words(Words{"a", "1", "b", "2"});
    CHECK(id != id_of_words(Words{"a", "2", "b", "1"}));
    CHECK(id != id_of_words(Words{"1", "a", "2", "b"}));
    CHECK(id != id_of_words(Words{"a", "1"}));
    CHECK(id != id_of_words(Words{"a", "1", "b", "2", "b", "2"}));
    CHECK(id_of_words(Words{"a", "bc"}) != id_of_words(Words{"ab", "c"}));
    CHECK(id_of_words(Words{"", "a"}) != id_of_words(Words{"a", ""}));
    CHECK(id_of_words(Words{"1:a", "b"}) != id_of_words(Words{"1", "a1:b"}));
}
