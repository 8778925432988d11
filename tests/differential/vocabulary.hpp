// SPDX-License-Identifier: MIT
#pragma once

// The words that commands are made of: few enough of each that commands meet.

#include "support/stress_random.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace runnel::test::differential {

using namespace std::string_view_literals;

using Words = std::vector<std::string>;

// What is known only when a command is sent. Each server has its own clients and its own time.
inline const std::string id_mark = "<id ";          // "<id 0>": the latest id that XADD * has made
inline const std::string client_mark = "<client ";  // "<client 2>": the CLIENT ID of session 2
inline const std::string second_mark = "<second ";  // "<second +1000>": a time in the future
inline const std::string millisecond_mark = "<millisecond ";

inline constexpr auto not_an_integer = std::to_array<std::string_view>(
    {"x", "", "1.5", "+1", "01", " 1", "1 ", "-0", "0x1", "9223372036854775808"});
inline constexpr auto not_an_id = std::to_array<std::string_view>(
    {"x", "", "1-", "-1", "1-1-1", "1-x", "1.0", "99999999999999999999-1"});

/// Words to choose from; refers to what it is made of.
class Choice {
public:
    Choice(std::initializer_list<std::string_view> words) : words_{words.begin(), words.end()} {}
    template <std::size_t Count>
    Choice(const std::array<std::string_view, Count>& words) : words_{words} {}

    [[nodiscard]] std::string draw(Random& random) const {
        return std::string{words_[random.below(words_.size())]};
    }

private:
    std::span<const std::string_view> words_;
};

/// Draws a word for each name that grammars use: mostly a good one, sometimes one at the edge,
/// seldom a bad one.
class Vocabulary {
public:
    /// Unless `with_time`, there are no ids that the server makes of its time.
    Vocabulary(Random& random, bool with_time) : random_{random}, with_time_{with_time} {}

    Random& random() { return random_; }

    /// Ids and messages begin anew.
    void begin() {
        next_id_ = 1;
        next_message_ = 1;
        next_time_ = 1;
    }

    /// Whether a word was drawn since, that makes something end after a moment.
    [[nodiscard]] bool is_momentary() const { return is_momentary_; }
    void begin_command(bool may_be_momentary) {
        may_be_momentary_ = may_be_momentary;
        is_momentary_ = false;
        key_.clear();
    }

    std::string keyword(const std::string& text) {
        return random_.percent(90) ? text : in_small_letters(text);
    }

    void append(std::string_view name, Words& words) {
        const auto found = std::ranges::find(names, name, &Name::name);
        if (found == names.end()) throw std::logic_error{"no such word: " + std::string{name}};
        (this->*found->append)(words);
    }

    /// An id that XADD takes, mostly: the time of the server in one stream, small ones in others.
    std::string id_for(std::string_view key) {
        if (key == "s3" && with_time_) return "*";
        return std::to_string(next_id_++) + one_of({"-0", "-1", "-7", ""});
    }

    /// A word that fits nowhere in particular. Not BLOCK: what follows it may be a short time-out.
    std::string any_word() {
        return one_of({"", "x", "-1", "0", "2000000", "COUNT", "STREAMS", ">", "$", "LEFT",
                       "MAXLEN", "l1", "s1", "1-1", "a b"});
    }

    /// Spoils a command a little.
    void spoil(Words& words) {
        const std::size_t at = 1 + random_.below(words.size());
        const auto place = words.begin() + static_cast<std::ptrdiff_t>(at);
        switch (random_.below(4)) {
        case 0:
            words.insert(place, any_word());
            return;
        case 1:
            if (at < words.size()) words.erase(place);
            return;
        case 2:
            if (at < words.size()) *place = any_word();
            return;
        default:
            if (at + 1 < words.size()) std::swap(words[at], words[at + 1]);
            return;
        }
    }

    /// The session that a word marks, if it does.
    static std::optional<std::size_t> client_of(std::string_view word) {
        if (!word.starts_with(client_mark)) return std::nullopt;
        return static_cast<std::size_t>(word[client_mark.size()] - '0');
    }

private:
    struct Name {
        std::string_view name;
        void (Vocabulary::*append)(Words& words);
    };

    static std::string in_small_letters(std::string text) {
        for (char& letter : text)
            letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
        return text;
    }

    std::string one_of(const Choice& choice) { return choice.draw(random_); }

    // Of a hundred, so many at the edge and so many bad ones.
    std::string mostly(const Choice& good, std::size_t percent_edge, const Choice& edge,
                       std::size_t percent_bad, const Choice& bad) {
        const std::size_t lot = random_.below(100);
        if (lot < percent_bad) return one_of(bad);
        return one_of(lot < percent_bad + percent_edge ? edge : good);
    }

    // ------------------------------------------------------------------ keys

    void key(Words& words) {
        words.push_back(key_ = mostly({"l1", "l2", "l3", "l1", "l2", "l3", "t1", "t1", "t2", "n1",
                                       "s1", "s2", "s3", "z1", "h1", "o1"},
                                      10, {"none", "", "k\0\r\n"sv}, 0, {""}));
    }
    void list(Words& words) {
        words.push_back(
            key_ = mostly({"l1", "l2", "l3"}, 8, {"none", "", "k\0\r\n"sv}, 3, {"s1", "t1"}));
    }
    void stream(Words& words) {
        words.push_back(key_ = mostly({"s1", "s2", "s3"}, 3, {"none"}, 3, {"l1", "t1"}));
    }
    void string(Words& words) {
        words.push_back(key_ = mostly({"t1", "t2"}, 10, {"none"}, 5, {"l1", "s1"}));
    }
    void counter(Words& words) {
        words.push_back(key_ = mostly({"n1", "n2"}, 10, {"none"}, 4, {"t1", "l1"}));
    }
    void float_counter(Words& words) {
        words.push_back(key_ = mostly({"n3"}, 10, {"n1"}, 4, {"t1", "l1"}));
    }
    void set(Words& words) {
        words.push_back(key_ = mostly({"z1", "z2"}, 10, {"none"}, 4, {"t1", "l1"}));
    }
    void hash(Words& words) {
        words.push_back(key_ = mostly({"h1", "h2"}, 10, {"none"}, 4, {"t1", "l1"}));
    }
    void lists(Words& words) {
        do list(words);
        while (random_.percent(40));
    }
    void sorted_set(Words& words) {
        words.push_back(key_ = mostly({"o1", "o2"}, 10, {"none"}, 4, {"t1", "l1"}));
    }
    // Whose scores are all the same.
    void named_set(Words& words) {
        words.push_back(key_ = mostly({"o3"}, 3, {"none"}, 3, {"t1", "l1"}));
    }
    void sorted_sets(Words& words) {
        do sorted_set(words);
        while (random_.percent(40));
    }
    void counted_lists(Words& words) { counted(words, &Vocabulary::lists); }
    void counted_sorted_sets(Words& words) { counted(words, &Vocabulary::sorted_sets); }
    // Their number and they.
    void counted(Words& words, void (Vocabulary::*append_keys)(Words&)) {
        Words keys;
        (this->*append_keys)(keys);
        words.push_back(random_.percent(95) ? std::to_string(keys.size())
                                            : one_of({"0", "-1", "x", "7", "1", "2000000"}));
        words.insert(words.end(), keys.begin(), keys.end());
    }
    // Streams and where to read on in each.
    void streams_from(Words& words) { streams_with(words, &Vocabulary::from_id); }
    void group_streams_from(Words& words) { streams_with(words, &Vocabulary::from_group_id); }
    void streams_with(Words& words, void (Vocabulary::*append_id)(Words&)) {
        Words ids;
        do {
            stream(words);
            (this->*append_id)(ids);
        } while (random_.percent(25));
        words.insert(words.end(), ids.begin(), ids.end());
    }

    // ------------------------------------------------------------------ numbers

    void index(Words& words) {
        words.push_back(mostly({"0", "1", "2", "3", "-1", "-2", "-3"}, 8,
                               {"100", "-100", "9223372036854775807", "-9223372036854775808"}, 3,
                               not_an_integer));
    }
    // Of a byte of a string.
    void offset(Words& words) {
        words.push_back(mostly({"0", "1", "2", "5"}, 8,
                               {"-1", "536870912", "9223372036854775807", "-9223372036854775808"},
                               3, not_an_integer));
    }
    // For a list that may be short.
    void near_index(Words& words) {
        words.push_back(
            mostly({"0", "0", "0", "-1", "-1"}, 4, {"1", "100", "-100"}, 3, not_an_integer));
    }
    void rank(Words& words) {
        words.push_back(
            mostly({"1", "2", "-1", "-2"}, 10,
                   {"0", "9223372036854775807", "-9223372036854775807", "-9223372036854775808"}, 3,
                   not_an_integer));
    }
    void count(Words& words) {
        words.push_back(mostly({"1", "2", "3", "10"}, 6, {"0", "9223372036854775807"}, 4,
                               {"-1", "x", "", "01", "9223372036854775808"}));
    }
    // Of the members of a set, which a server draws by lot if it is less than all.
    void all_or_none(Words& words) {
        words.push_back(mostly({"1000"}, 15, {"0"}, 5, {"x", "", "1.5"}));
    }
    // For a length, or how many to look at.
    void length(Words& words) {
        words.push_back(mostly({"0", "1", "2", "5", "10", "20"}, 3, {"9223372036854775807"}, 3,
                               {"-1", "x", "", "01", "9223372036854775808"}));
    }
    void many(Words& words) {
        words.push_back(mostly({"20", "50", "100"}, 10, {"0", "3"}, 4, {"-1", "x"}));
    }
    void limit(Words& words) {
        words.push_back(
            mostly({"0", "1", "10", "25"}, 3, {"9223372036854775807"}, 3, {"-1", "x", "01"}));
    }
    void any_integer(Words& words) {
        words.push_back(
            mostly({"0", "1", "2", "3", "7"}, 5, {"-1", "9223372036854775807"}, 5, not_an_integer));
    }

    // For a counter.
    void step(Words& words) {
        words.push_back(mostly({"1", "10", "-7", "0"}, 3,
                               {"9223372036854775807", "-9223372036854775808"}, 4, not_an_integer));
    }
    void float_step(Words& words) {
        words.push_back(mostly({"1", "0.1", "-2.5", "1e3", "0x1p-3", "3.0"}, 5,
                               {"-0", "5e-20", "1e30", "-1e30"}, 5,
                               {"x", "", "nan", "inf", "1 ", " 1", "1e99999"}));
    }

    // Not -0: a long sorted set of Redis keeps its sign.
    void score(Words& words) {
        words.push_back(mostly({"1", "2", "3", "-1", "1.5", "2.25", "10"}, 12,
                               {"inf", "-inf", "+inf", "0", "0.1", "1e17", "-1e21", "1e-7", "3.0",
                                "0x10", "123456789.123", "4611686018427387904", "1e-310"},
                               4, {"nan", "x", "", "1 ", " 1", "1e400", "1e-400", "(1", "1x"}));
    }
    void score_bound(Words& words, const char* most) {
        const std::size_t lot = random_.below(100);
        if (lot < 25) return words.push_back(most);
        if (lot < 30) return words.push_back(one_of({"-inf", "+inf", "(inf", "(-inf", "1e400"}));
        if (lot < 33)
            return words.push_back(
                one_of({"x", "", "(", "((1", "nan", "(nan", "1 ", " 1", "-", "[a", "(+"}));
        words.push_back(one_of({"", "", "("}) + one_of({"1", "2", "3", "-1", "1.5", "0", "0.1"}));
    }
    void min_score(Words& words) { score_bound(words, "-inf"); }
    void max_score(Words& words) { score_bound(words, "inf"); }
    void name_bound(Words& words, const char* most) {
        const std::size_t lot = random_.below(100);
        if (lot < 25) return words.push_back(most);
        if (lot < 30) return words.push_back(one_of({"-", "+", "[", "("}));
        if (lot < 33) return words.push_back(one_of({"x", "", "--", "-inf", "+1", "1"}));
        words.push_back(one_of({"[", "("}) + one_of({"a", "b", "c", "d", "x", "1"}));
    }
    void min_name(Words& words) { name_bound(words, "-"); }
    void max_name(Words& words) { name_bound(words, "+"); }

    // ------------------------------------------------------------------ time

    // A thousand seconds apart and never the same, so that the moments that a test takes make no
    // difference.
    std::string any_seconds() {
        const std::size_t number = next_time_++;
        return std::to_string(number % 2 == 0 ? 1000 * number : 1'000'000'000 - 1000 * number);
    }
    void seconds(Words& words) {
        words.push_back(mostly(
            {any_seconds()}, 15, {"0", "-1", "-1000"}, 10,
            {"x", "", "1.5", "9223372036854775807", "-9223372036854775808", "9223372036854775"}));
    }
    void milliseconds(Words& words) {
        if (moment(words, "1")) return;
        words.push_back(mostly({any_seconds() + "000"}, 15, {"0", "-1", "-1000000"}, 10,
                               {"x", "", "1.5", "9223372036854775807", "-9223372036854775808"}));
    }
    void at_second(Words& words) {
        words.push_back(mostly({second_mark + "+" + any_seconds() + ">"}, 15, {"0", "1", "-1"}, 10,
                               {"x", "", "9223372036854775807", "9223372036854775"}));
    }
    void at_millisecond(Words& words) {
        words.push_back(mostly({millisecond_mark + "+" + any_seconds() + ">"}, 15, {"0", "1", "-1"},
                               10, {"x", "", "9223372036854775807", "-9223372036854775808"}));
    }
    // A key that is made with a time that has been is there, for DBSIZE, until somebody looks.
    void later_second(Words& words) {
        words.push_back(mostly({second_mark + "+" + any_seconds() + ">"}, 0, {""}, 15,
                               {"x", "", "0", "-1", "9223372036854775807"}));
    }
    void later_millisecond(Words& words) {
        words.push_back(mostly({millisecond_mark + "+" + any_seconds() + ">"}, 0, {""}, 15,
                               {"x", "", "0", "-1"}));
    }
    void timeout(Words& words) {
        if (moment(words, "0.001")) return;
        words.push_back(mostly({"0"}, 15, {"1000", "1e6", "0x1p20", "1000.5", "-0.0005"}, 6,
                               {"-1", "x", "", "nan", "inf", " 0", "1 ", "99999999999999999999"}));
    }
    void block(Words& words) {
        if (moment(words, "1")) return;
        words.push_back(mostly({"0"}, 15, {"1000000"}, 5, {"-1", "x", "1.5"}));
    }
    void idle(Words& words) {
        words.push_back(mostly({"0"}, 25, {"1000000", "3000000", "-1"}, 4, {"x", "", "1.5"}));
    }
    bool moment(Words& words, const char* text) {
        if (!may_be_momentary_ || !random_.percent(6)) return false;
        is_momentary_ = true;
        words.emplace_back(text);
        return true;
    }

    // ------------------------------------------------------------------ streams

    // For XADD: mostly one that is larger than all before.
    void new_id(Words& words) {
        const std::size_t lot = random_.below(100);
        if (lot < 4) return words.push_back(one_of(not_an_id));
        if (lot < 8) return id(words);
        if (lot < 10)
            return words.push_back(one_of({"0-0", "0", "18446744073709551615-18446744073709551615",
                                           "18446744073709551615-*", "0-*"}));
        if (lot < 11 && with_time_) return words.push_back("*");
        if (key_ != "s3" && lot < 30) return words.push_back(std::to_string(next_id_) + "-*");
        next_id_ += random_.below(3);
        words.push_back(id_for(key_));
    }
    // One that may be there.
    std::string some_id() {
        if (key_ == "s3" || random_.percent(5))
            return id_mark + std::to_string(random_.below(6)) + '>';
        return std::to_string(1 + random_.below(next_id_)) + one_of({"-0", "-0", "-1", "-7", ""});
    }
    void id(Words& words) {
        const std::size_t lot = random_.below(100);
        if (lot < 3) return words.push_back(one_of(not_an_id));
        if (lot < 7)
            return words.push_back(one_of({"0", "0-0", "0-1", "007-001", "18446744073709551615",
                                           "18446744073709551615-18446744073709551615"}));
        words.push_back(some_id());
    }
    // For XSETID: mostly one that is not before the last.
    void later_id(Words& words) {
        if (random_.percent(10)) return id(words);
        if (key_ == "s3" && with_time_) return words.push_back(id_mark + "0>");
        words.push_back(id_for(key_));
    }
    void range_id(Words& words, const char* most) {
        const std::size_t lot = random_.below(100);
        if (lot < 45) return words.push_back(most);
        if (lot < 50) return words.push_back(one_of({"-", "+"}));
        if (lot < 53)
            return words.push_back(
                one_of({"(-", "(", "(0-0", "((1-1", "(18446744073709551615-18446744073709551615"}));
        if (lot < 65) return words.push_back("(" + some_id());
        id(words);
    }
    void start_id(Words& words) { range_id(words, "-"); }
    void end_id(Words& words) { range_id(words, "+"); }
    void from_id(Words& words) {
        const std::size_t lot = random_.below(100);
        if (lot < 45) return words.push_back("$");
        if (lot < 60) return words.push_back("0");
        if (lot < 62) return words.push_back(">");
        id(words);
    }
    void from_group_id(Words& words) {
        const std::size_t lot = random_.below(100);
        if (lot < 75) return words.push_back(">");
        if (lot < 87) return words.push_back("0");
        if (lot < 88) return words.push_back("$");
        id(words);
    }
    void group_id(Words& words) {
        const std::size_t lot = random_.below(100);
        if (lot < 45) return words.push_back("0");
        if (lot < 75) return words.push_back("$");
        id(words);
    }
    void counting_field(Words& words) { words.push_back(mostly({"n", "m"}, 5, {"f"}, 0, {""})); }
    void field(Words& words) { words.push_back(one_of({"f", "g", "field", "", "\r\n"})); }
    void group(Words& words) {
        words.push_back(mostly({"g1", "g1", "g2"}, 1, {""}, 2, {"nogroup"}));
    }
    void new_group(Words& words) {
        words.push_back(
            mostly({"g3", "g4", "g5", "g6", "g7", "g8"}, 20, {"g1", "g2", ""}, 0, {""}));
    }
    void consumer(Words& words) { words.push_back(mostly({"a", "b"}, 4, {"c", ""}, 0, {""})); }
    void new_consumer(Words& words) {
        words.push_back(one_of({"a", "b", "c", "d", "e", "", "\x01\r\n"}));
    }

    // ------------------------------------------------------------------ the rest

    void element(Words& words) {
        words.push_back(
            mostly({"a", "b", "c", "d"}, 10, {"", "10", "-3", "x\r\ny", "a b"}, 0, {""}));
        if (random_.percent(1)) words.back().assign(100, 'z');
    }
    // Never the same twice.
    void message(Words& words) { words.push_back("m" + std::to_string(next_message_++)); }
    void channel(Words& words) {
        words.push_back(mostly({"c1", "c2", "news.x"}, 4, {"", "c\r\n"}, 0, {""}));
    }
    void channel_pattern(Words& words) {
        words.push_back(one_of({"c*", "c?", "c[12]", "news.*", "*", "c[^1]", "\\c1", "x*", "c["}));
    }
    void key_pattern(Words& words) {
        words.push_back(one_of({"*", "l*", "s?", "[ls]1", "[^l]*", "?1", "t[0-9]", "\\l1", "l[1",
                                "x*", "", "[]", "k*"}));
    }
    void element_pattern(Words& words) {
        words.push_back(one_of({"*", "?", "[a-c]", "[^a]", "f*", "\\a", "", "[a"}));
    }
    void cursor(Words& words) { words.push_back(mostly({"0"}, 0, {"0"}, 6, {"x", "0x"})); }
    void type(Words& words) {
        words.push_back(one_of({"list", "stream", "string", "set", "hash", "zset", "LIST"}));
    }
    void database(Words& words) { words.push_back(random_.percent(75) ? "0" : any_database()); }
    void other_database(Words& words) {
        words.push_back(random_.percent(75) ? "1" : any_database());
    }
    std::string any_database() {
        return mostly({"0", "1"}, 20, {"15", "2"}, 25, {"16", "-1", "x", ""});
    }
    void client(Words& words) {
        if (random_.percent(85))
            return words.push_back(client_mark + std::to_string(random_.below(4)) + '>');
        words.push_back(one_of({"99999999", "0", "-1", "x", ""}));
    }
    void section(Words& words) {
        words.push_back(one_of({"server", "Keyspace", "default", "nope", "", "everything"}));
    }
    void command_name(Words& words) {
        words.push_back(one_of({"get", "XREAD", "xgroup|create", "object", "nope", ""}));
    }
    void parameter(Words& words) {
        words.push_back(one_of({"timeout", "DATABASES", "stream-*", "*", "nope", "", "[st]ave"}));
    }
    // Of a parameter that keeps its value, and mistakes.
    void setting(Words& words) {
        switch (random_.below(40)) {
        case 0:
            return append(words, {"databases", "16"});
        case 1:
            return append(words, {"Nope", "0"});
        case 2:
            return append(words, {"timeout", "0"});
        case 3:
            return append(words, {"stream-node-max-entries", "x"});
        case 4:
            return append(words, {"save", ""});
        default:
            return append(words, {"maxmemory", "0"});
        }
    }
    static void append(Words& words, std::initializer_list<const char*> more) {
        words.insert(words.end(), more.begin(), more.end());
    }
    void client_number(Words& words) {
        words.push_back(mostly({"99999999", "88888888"}, 10, {"0", "-1"}, 10, {"x", ""}));
    }
    void client_type(Words& words) {
        words.push_back(mostly({"normal", "pubsub", "PubSub"}, 10, {"master", "replica", "slave"},
                               5, {"x", ""}));
    }
    void client_name(Words& words) {
        words.push_back(
            mostly({"me", "you", "n-1"}, 10, {""}, 10, {"a b", "x\n", "\x7f", "caf\xc3\xa9"}));
    }
    void protocol(Words& words) {
        words.push_back(mostly({"2", "3"}, 0, {"2"}, 12, {"4", "1", "x", "", "03", "-1"}));
    }
    void user(Words& words) { words.push_back(mostly({"default"}, 8, {"nobody", ""}, 0, {""})); }
    void subcommand(Words& words) { words.push_back(one_of({"NOPE", "", "x y", "HELPP"})); }

    static constexpr auto names = std::to_array<Name>({
        {"key", &Vocabulary::key},
        {"list", &Vocabulary::list},
        {"stream", &Vocabulary::stream},
        {"string", &Vocabulary::string},
        {"counter", &Vocabulary::counter},
        {"float_counter", &Vocabulary::float_counter},
        {"step", &Vocabulary::step},
        {"float", &Vocabulary::float_step},
        {"set", &Vocabulary::set},
        {"hash", &Vocabulary::hash},
        {"sorted_set", &Vocabulary::sorted_set},
        {"named_set", &Vocabulary::named_set},
        {"sorted_sets", &Vocabulary::sorted_sets},
        {"counted_sorted_sets", &Vocabulary::counted_sorted_sets},
        {"score", &Vocabulary::score},
        {"min_score", &Vocabulary::min_score},
        {"max_score", &Vocabulary::max_score},
        {"min_name", &Vocabulary::min_name},
        {"max_name", &Vocabulary::max_name},
        {"counting_field", &Vocabulary::counting_field},
        {"lists", &Vocabulary::lists},
        {"counted_lists", &Vocabulary::counted_lists},
        {"streams_from", &Vocabulary::streams_from},
        {"group_streams_from", &Vocabulary::group_streams_from},
        {"index", &Vocabulary::index},
        {"offset", &Vocabulary::offset},
        {"near_index", &Vocabulary::near_index},
        {"rank", &Vocabulary::rank},
        {"count", &Vocabulary::count},
        {"all_or_none", &Vocabulary::all_or_none},
        {"length", &Vocabulary::length},
        {"limit", &Vocabulary::limit},
        {"integer", &Vocabulary::any_integer},
        {"seconds", &Vocabulary::seconds},
        {"milliseconds", &Vocabulary::milliseconds},
        {"at_second", &Vocabulary::at_second},
        {"at_millisecond", &Vocabulary::at_millisecond},
        {"timeout", &Vocabulary::timeout},
        {"block", &Vocabulary::block},
        {"idle", &Vocabulary::idle},
        {"new_id", &Vocabulary::new_id},
        {"id", &Vocabulary::id},
        {"start_id", &Vocabulary::start_id},
        {"end_id", &Vocabulary::end_id},
        {"group_id", &Vocabulary::group_id},
        {"field", &Vocabulary::field},
        {"group", &Vocabulary::group},
        {"new_group", &Vocabulary::new_group},
        {"consumer", &Vocabulary::consumer},
        {"new_consumer", &Vocabulary::new_consumer},
        {"element", &Vocabulary::element},
        {"message", &Vocabulary::message},
        {"channel", &Vocabulary::channel},
        {"channel_pattern", &Vocabulary::channel_pattern},
        {"key_pattern", &Vocabulary::key_pattern},
        {"element_pattern", &Vocabulary::element_pattern},
        {"cursor", &Vocabulary::cursor},
        {"type", &Vocabulary::type},
        {"database", &Vocabulary::database},
        {"other_database", &Vocabulary::other_database},
        {"later_id", &Vocabulary::later_id},
        {"later_second", &Vocabulary::later_second},
        {"later_millisecond", &Vocabulary::later_millisecond},
        {"many", &Vocabulary::many},
        {"client", &Vocabulary::client},
        {"client_name", &Vocabulary::client_name},
        {"client_number", &Vocabulary::client_number},
        {"section", &Vocabulary::section},
        {"command_name", &Vocabulary::command_name},
        {"parameter", &Vocabulary::parameter},
        {"setting", &Vocabulary::setting},
        {"client_type", &Vocabulary::client_type},
        {"protocol", &Vocabulary::protocol},
        {"user", &Vocabulary::user},
        {"subcommand", &Vocabulary::subcommand},
    });

    Random& random_;
    const bool with_time_;
    std::string key_;  // the last one of the command
    std::size_t next_id_ = 1;
    std::size_t next_message_ = 1;
    std::size_t next_time_ = 1;
    bool may_be_momentary_ = false;
    bool is_momentary_ = false;
};

}  // namespace runnel::test::differential
