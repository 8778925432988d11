// SPDX-License-Identifier: MIT
// What commands are drawn for the comparison with a real Redis.
#include <runnel/redis/command_table.hpp>
#include <runnel/redis/server.hpp>  // carries commands out

#include "differential/forms.hpp"
#include "differential/grammar.hpp"
#include "differential/listener.hpp"
#include "differential/vocabulary.hpp"
#include "support/catch.hpp"
#include "support/stress_random.hpp"

#include <algorithm>
#include <cctype>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>

using runnel::redis::detail::CommandInfo;
using runnel::redis::detail::CommandTable;
using runnel::redis::detail::Flag;
using runnel::test::Random;
using namespace runnel::test::differential;

namespace {

// All that is drawn in many tries, the words of each joined by blanks.
std::set<std::string> drawn_of(const char* text) {
    Random random{1};
    Vocabulary vocabulary{random, true};
    const Grammar grammar{text};
    std::set<std::string> drawn;
    for (int tries = 0; tries != 1000; ++tries) {
        std::string joined;
        for (const std::string& word : grammar.draw(vocabulary))
            joined += (joined.empty() ? "" : " ") + word;
        std::transform(joined.begin(), joined.end(), joined.begin(),
                       [](char letter) { return static_cast<char>(std::toupper(letter)); });
        drawn.insert(joined);
    }
    return drawn;
}

using Drawn = std::set<std::string>;

bool is_of_7_0(const CommandInfo& info) {
    return info.since.major < 7 || (info.since.major == 7 && info.since.minor == 0);
}

}  // namespace

TEST_CASE("a word in capitals stands for itself", "[grammar]") {
    CHECK(drawn_of("A B") == Drawn{"A B"});
}

TEST_CASE("what is in brackets may be missing", "[grammar]") {
    CHECK(drawn_of("A [B C]") == Drawn{"A", "A B C"});
}

TEST_CASE("one of several is chosen", "[grammar]") {
    CHECK(drawn_of("A (B|C D)") == Drawn{"A B", "A C D"});
    CHECK(drawn_of("A [B|C]") == Drawn{"A", "A B", "A C"});
}

TEST_CASE("options come in any order, and any of them", "[grammar]") {
    const Drawn drawn = drawn_of("A {B|C}");
    for (const char* const one : {"A", "A B", "A C", "A B C", "A C B"}) CHECK(drawn.contains(one));
    CHECK(drawn.contains("A B B"));
}

TEST_CASE("what is repeated comes at least once", "[grammar]") {
    const Drawn drawn = drawn_of("A (B)+");
    CHECK_FALSE(drawn.contains("A"));
    CHECK(drawn.contains("A B"));
    CHECK(drawn.contains("A B B B"));
}

TEST_CASE("a grammar with a mistake is refused", "[grammar]") {
    CHECK_THROWS_AS(Grammar{"A (B"}, std::logic_error);
    CHECK_THROWS_AS(Grammar{"A B]"}, std::logic_error);
    CHECK_THROWS_AS(drawn_of("A nonsense"), std::logic_error);
}

TEST_CASE("each command of the fake that Redis 7.0 has can be drawn, and no other", "[grammar]") {
    std::set<std::string_view> expected;
    for (const CommandInfo* const info : CommandTable::get().all()) {
        if (is_of_7_0(*info) && !info->has(Flag::container)) expected.insert(info->name);
    }
    std::set<std::string_view> forms;
    for (const Form& form : all_forms()) forms.insert(form.name);
    CHECK(forms == expected);
}

TEST_CASE("commands that are drawn have the name of their form, and mostly an arity that it takes",
          "[grammar]") {
    Random random{1};
    Vocabulary vocabulary{random, true};
    for (const Form& form : all_forms()) {
        INFO(form.name);
        const CommandInfo* const info = CommandTable::get().find(form.name);
        REQUIRE(info != nullptr);
        const Grammar grammar{form.text};
        int taken = 0;
        for (int tries = 0; tries != 100; ++tries) {
            const Words words = grammar.draw(vocabulary);
            CHECK(name_of(words) == form.name);
            taken += info->takes(words.size()) ? 1 : 0;
        }
        CHECK(taken >= 90);
    }
}
