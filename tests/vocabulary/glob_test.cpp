// SPDX-License-Identifier: MIT
#include <runnel/glob.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using runnel::glob_match;

TEST_CASE("ordinary bytes match themselves, and all of the text counts", "[glob]") {
    STATIC_REQUIRE(glob_match("news", "news"));
    STATIC_REQUIRE_FALSE(glob_match("news", "new"));
    STATIC_REQUIRE_FALSE(glob_match("new", "news"));
    STATIC_REQUIRE_FALSE(glob_match("news", "naws"));
}

TEST_CASE("case matters", "[glob]") {
    STATIC_REQUIRE_FALSE(glob_match("H-LLO", "h-llo"));
    STATIC_REQUIRE_FALSE(glob_match("[a-z]", "Q"));
}

TEST_CASE("slashes and dots are ordinary", "[glob]") {
    STATIC_REQUIRE(glob_match("a*d", "a/b.c/d"));
    STATIC_REQUIRE(glob_match("a?b", "a/b"));
    STATIC_REQUIRE(glob_match("*", ".hidden"));
    STATIC_REQUIRE_FALSE(glob_match("a.b", "axb"));
}

TEST_CASE("braces are ordinary", "[glob]") {
    STATIC_REQUIRE_FALSE(glob_match("{h-llo,x}", "h-llo"));
    STATIC_REQUIRE(glob_match("{h-llo,x}", "{h-llo,x}"));
}

TEST_CASE("zeros and bytes above 127 are ordinary", "[glob]") {
    STATIC_REQUIRE(glob_match({"a\0b", 3}, {"a\0b", 3}));
    STATIC_REQUIRE_FALSE(glob_match({"a\0b", 3}, {"a\0c", 3}));
    STATIC_REQUIRE(glob_match("\xE9?", "\xE9\xFF"));
}

TEST_CASE("a star stands for any bytes, also none", "[glob][star]") {
    STATIC_REQUIRE(glob_match("*", "news"));
    STATIC_REQUIRE(glob_match("news*", "news"));
    STATIC_REQUIRE(glob_match("*news", "news"));
    STATIC_REQUIRE(glob_match("n*s", "news"));
    STATIC_REQUIRE(glob_match("h?ll*", "h-llo"));
    STATIC_REQUIRE_FALSE(glob_match("n*x", "news"));
}

TEST_CASE("a star gives back what the rest needs", "[glob][star]") {
    STATIC_REQUIRE(glob_match("*ab", "aabab"));
    STATIC_REQUIRE(glob_match("*a*b*c", "xaxbxbxcxc"));
    STATIC_REQUIRE(glob_match("a*[b-c]d", "abbcd"));
    STATIC_REQUIRE_FALSE(glob_match("*a*b", "abbc"));
    STATIC_REQUIRE_FALSE(glob_match("*ab*ab", "abb"));
}

TEST_CASE("adjacent stars count as one", "[glob][star]") {
    STATIC_REQUIRE(glob_match("**", "news"));
    STATIC_REQUIRE(glob_match("n***s", "news"));
    STATIC_REQUIRE(glob_match("news***", "news"));
    STATIC_REQUIRE_FALSE(glob_match("a**b", "a/x"));
}

TEST_CASE("no pattern but the empty one matches the empty text", "[glob]") {
    STATIC_REQUIRE(glob_match("", ""));
    STATIC_REQUIRE_FALSE(glob_match("", "a"));
    STATIC_REQUIRE_FALSE(glob_match("*", ""));
    STATIC_REQUIRE_FALSE(glob_match("**", ""));
    STATIC_REQUIRE_FALSE(glob_match("?", ""));
    STATIC_REQUIRE_FALSE(glob_match("[^]", ""));
}

TEST_CASE("a question mark stands for exactly one byte", "[glob]") {
    STATIC_REQUIRE(glob_match("n?ws", "news"));
    STATIC_REQUIRE_FALSE(glob_match("n?ws", "nws"));
    STATIC_REQUIRE_FALSE(glob_match("new?", "new"));
    STATIC_REQUIRE_FALSE(glob_match("?", "\xC3\xA9"));
}

TEST_CASE("a class stands for one byte that is in it", "[glob][class]") {
    STATIC_REQUIRE(glob_match("h[ae]llo", "hello"));
    STATIC_REQUIRE_FALSE(glob_match("h[ae]llo", "hillo"));
    STATIC_REQUIRE_FALSE(glob_match("h[ae]llo", "hllo"));
    STATIC_REQUIRE(glob_match("[*?[]", "["));
    STATIC_REQUIRE(glob_match("[*?[]", "*"));
    STATIC_REQUIRE_FALSE(glob_match("[*?[]", "a"));
}

TEST_CASE("a caret first in a class negates it, an exclamation mark does not", "[glob][class]") {
    STATIC_REQUIRE(glob_match("h[^e]llo", "hallo"));
    STATIC_REQUIRE_FALSE(glob_match("h[^e]llo", "hello"));
    STATIC_REQUIRE_FALSE(glob_match("h[^-]llo", "h-llo"));
    STATIC_REQUIRE_FALSE(glob_match("h[!x]llo", "h-llo"));
    STATIC_REQUIRE(glob_match("h[!x]llo", "h!llo"));
    STATIC_REQUIRE(glob_match("[a^]", "^"));
    STATIC_REQUIRE(glob_match("[a^]", "a"));
}

TEST_CASE("a class ends at its first closing bracket, wherever that is", "[glob][class]") {
    STATIC_REQUIRE_FALSE(glob_match("h[]llo", "h-llo"));
    STATIC_REQUIRE_FALSE(glob_match("[]]", "]"));
    STATIC_REQUIRE_FALSE(glob_match("[]a]", "a"));
    STATIC_REQUIRE(glob_match("[a]]", "a]"));
    STATIC_REQUIRE(glob_match("h[^]llo", "h-llo"));
    STATIC_REQUIRE(glob_match("[^]]", "x]"));
}

TEST_CASE("a backslash in a class takes the next byte as it is", "[glob][class]") {
    STATIC_REQUIRE(glob_match("[\\]]", "]"));
    STATIC_REQUIRE(glob_match("[\\^a]", "^"));
    STATIC_REQUIRE(glob_match("[a\\-c]", "-"));
    STATIC_REQUIRE_FALSE(glob_match("[a\\-c]", "b"));
    STATIC_REQUIRE_FALSE(glob_match("[\\]]", "\\"));
    STATIC_REQUIRE(glob_match("[\\]", "]"));
    STATIC_REQUIRE(glob_match("[\\a-c]", "-"));
    STATIC_REQUIRE_FALSE(glob_match("[\\a-c]", "b"));
}

TEST_CASE("a range has both its ends, in either order", "[glob][class]") {
    for (const std::string_view pattern : {"[b-d]", "[d-b]"}) {
        CAPTURE(pattern);
        CHECK_FALSE(glob_match(pattern, "a"));
        CHECK(glob_match(pattern, "b"));
        CHECK(glob_match(pattern, "c"));
        CHECK(glob_match(pattern, "d"));
        CHECK_FALSE(glob_match(pattern, "e"));
        CHECK_FALSE(glob_match(pattern, "-"));
    }
}

TEST_CASE("a range may go beyond byte 127", "[glob][class]") {
    STATIC_REQUIRE(glob_match("[\x7E-\x81]", "\x80"));
    STATIC_REQUIRE(glob_match("[a-\xFF]", "\xC3"));
    STATIC_REQUIRE_FALSE(glob_match("[a-\xFF]", "A"));
}

TEST_CASE("the right end of a range may be any byte, even a closing bracket", "[glob][class]") {
    STATIC_REQUIRE_FALSE(glob_match("h[a-]llo", "h-llo"));
    STATIC_REQUIRE(glob_match("[a-]", "a"));
    STATIC_REQUIRE(glob_match("[a-]", "^"));
    STATIC_REQUIRE(glob_match("[a-]", "]"));
    STATIC_REQUIRE_FALSE(glob_match("[a-]", "-"));
    STATIC_REQUIRE(glob_match("[a-\\]", "]"));
    STATIC_REQUIRE(glob_match("[a-]]x", "^x"));
}

TEST_CASE("a hyphen first in a class or after a range is literal", "[glob][class]") {
    STATIC_REQUIRE(glob_match("h[-x]llo", "h-llo"));
    STATIC_REQUIRE(glob_match("h[-x]llo", "hxllo"));
    STATIC_REQUIRE(glob_match("[a-c-e]", "-"));
    STATIC_REQUIRE(glob_match("[a-c-e]", "e"));
    STATIC_REQUIRE_FALSE(glob_match("[a-c-e]", "d"));
}

TEST_CASE("a class that is not closed ends with the pattern", "[glob][class]") {
    STATIC_REQUIRE(glob_match("a[b", "ab"));
    STATIC_REQUIRE_FALSE(glob_match("a[b", "ac"));
    STATIC_REQUIRE_FALSE(glob_match("a[", "ab"));
    STATIC_REQUIRE_FALSE(glob_match("a[", "a"));
    STATIC_REQUIRE_FALSE(glob_match("a[", "a["));
    STATIC_REQUIRE(glob_match("a[^", "ab"));
    STATIC_REQUIRE(glob_match("[a-", "-"));
    STATIC_REQUIRE(glob_match("[a-", "a"));
    STATIC_REQUIRE(glob_match("[a\\", "\\"));
    STATIC_REQUIRE(glob_match("*[b", "aab"));
}

TEST_CASE("a backslash takes the next byte as it is", "[glob]") {
    STATIC_REQUIRE(glob_match("h\\-llo", "h-llo"));
    STATIC_REQUIRE(glob_match("\\*", "*"));
    STATIC_REQUIRE_FALSE(glob_match("\\*", "a"));
    STATIC_REQUIRE(glob_match("\\?\\[a]", "?[a]"));
    STATIC_REQUIRE(glob_match("\\\\", "\\"));
    STATIC_REQUIRE_FALSE(glob_match("a\\*", "a"));
}

TEST_CASE("a backslash that ends the pattern is literal", "[glob]") {
    STATIC_REQUIRE(glob_match("a\\", "a\\"));
    STATIC_REQUIRE_FALSE(glob_match("a\\", "a"));
    STATIC_REQUIRE(glob_match("*\\", "ab\\"));
}

namespace {

std::string repeated(std::string_view text, std::size_t times) {
    std::string all;
    for (std::size_t n = 0; n < times; ++n) all += text;
    return all;
}

}  // namespace

TEST_CASE("a pattern of more than a thousand nested stars matches nothing", "[glob][star]") {
    CHECK(glob_match(repeated("*a", 1000), repeated("a", 1000)));
    CHECK_FALSE(glob_match(repeated("*a", 1001), repeated("a", 1001)));
    CHECK_FALSE(glob_match(repeated("a*", 1001) + "a", repeated("a", 1002)));
}

TEST_CASE("a last star is not nested, and adjacent stars nest once", "[glob][star]") {
    CHECK(glob_match(repeated("*a", 1000) + "*", repeated("a", 1000)));
    CHECK(glob_match(repeated("*a", 1000) + "***", repeated("a", 1000) + "b"));
    CHECK(glob_match(repeated("***a", 1000), repeated("a", 1000)));
    CHECK_FALSE(glob_match(repeated("*a", 1001) + "*", repeated("a", 1001)));
    CHECK(glob_match(repeated("\\*", 2000), repeated("*", 2000)));
    CHECK(glob_match(repeated("[*]", 2000), repeated("*", 2000)));
}

TEST_CASE("many stars do not take exponential time", "[glob][star]") {
    const auto text = repeated("a", 2000);
    CHECK_FALSE(glob_match(repeated("a*", 500) + "b", text));
    CHECK_FALSE(glob_match(repeated("*a", 500) + "b", text));
    CHECK(glob_match(repeated("a*", 500) + "a", text));
}

namespace {

// The rules of Redis once more, word for word: every star tries the rest everywhere. It remembers
// only which attempts have failed, so that it can be asked about a thousand stars.
class Transcription {
public:
    Transcription(std::string_view pattern, std::string_view text)
        : pattern_{pattern},
          text_{text},
          failed_((pattern.size() + 1) * (text.size() + 1), false) {}

    bool matches() { return matches(0, 0, 0); }

private:
    bool ends(std::size_t p) const { return p >= pattern_.size(); }

    // NOLINTBEGIN(misc-no-recursion)
    bool matches(std::size_t p, std::size_t t, int nesting) {
        if (nesting > 1000) return false;
        while (!ends(p) && t < text_.size()) {
            if (pattern_[p] == '*') return star(p, t, nesting);
            if (!step(p, text_[t])) return false;
            ++t;
            if (t == text_.size()) {
                while (!ends(p) && pattern_[p] == '*') ++p;
            }
        }
        return ends(p) && t == text_.size();
    }

    bool star(std::size_t p, std::size_t t, int nesting) {
        while (!ends(p + 1) && pattern_[p + 1] == '*') ++p;
        if (ends(p + 1)) return true;
        for (; t < text_.size(); ++t) {
            const auto attempt = (p * (text_.size() + 1)) + t;
            if (failed_[attempt]) continue;
            if (matches(p + 1, t, nesting + 1)) return true;
            failed_[attempt] = true;
        }
        return false;
    }
    // NOLINTEND(misc-no-recursion)

    bool step(std::size_t& p, char c) const {
        if (pattern_[p] == '?') return ++p, true;
        if (pattern_[p] == '[') return in_class(++p, c);
        if (pattern_[p] == '\\' && !ends(p + 1)) ++p;
        return pattern_[p++] == c;
    }

    bool in_class(std::size_t& p, char c) const {
        const bool negated = !ends(p) && pattern_[p] == '^';
        if (negated) ++p;
        bool in = false;
        for (; !ends(p) && pattern_[p] != ']'; ++p) {
            if (pattern_[p] == '\\' && !ends(p + 1)) {
                in |= pattern_[++p] == c;
            } else if (!ends(p + 2) && pattern_[p + 1] == '-') {
                in |= in_range(pattern_[p], pattern_[p + 2], c);
                p += 2;
            } else {
                in |= pattern_[p] == c;
            }
        }
        if (!ends(p)) ++p;
        return in != negated;
    }

    static bool in_range(char left, char right, char c) {
        auto low = static_cast<unsigned char>(left);
        auto high = static_cast<unsigned char>(right);
        if (low > high) std::swap(low, high);
        return static_cast<unsigned char>(c) >= low && static_cast<unsigned char>(c) <= high;
    }

    std::string_view pattern_;
    std::string_view text_;
    std::vector<bool> failed_;
};

class Words {
public:
    explicit Words(unsigned seed) : random_{seed} {}

    std::size_t upto(std::size_t most) {
        return std::uniform_int_distribution<std::size_t>{0, most}(random_);
    }

    std::string word(std::string_view alphabet, std::size_t most) {
        std::string text(upto(most), ' ');
        for (char& c : text) c = alphabet[upto(alphabet.size() - 1)];
        return text;
    }

private:
    std::mt19937 random_;
};

void agree(unsigned seed, const std::string& pattern, const std::string& text) {
    if (glob_match(pattern, text) == Transcription{pattern, text}.matches()) return;
    CAPTURE(seed, pattern, text, glob_match(pattern, text));
    FAIL("glob_match() and the rules of Redis differ");
}

// Each of these stars has one place to be: there are 250 other bytes before its byte comes again.
std::string anchors(std::size_t count, std::string_view before) {
    std::string all;
    for (std::size_t n = 0; n < count; ++n) {
        all += before;
        all += static_cast<char>((n % 250) + 3);
    }
    return all;
}

}  // namespace

TEST_CASE("on random patterns it agrees with the rules of Redis", "[glob][random]") {
    constexpr unsigned seed = 20260801;
    Words words{seed};
    for (int n = 0; n < 200'000; ++n) {
        const auto pattern = words.word("ab*?[]^-\\", 10);
        agree(seed, pattern, words.word("ab-]^\\[", 7));
    }
}

TEST_CASE("on random patterns of many stars it agrees with the rules of Redis",
          "[glob][random][star]") {
    constexpr unsigned seed = 20260802;
    Words words{seed};
    for (int n = 0; n < 50'000; ++n) {
        const auto pattern = words.word("aab**?", 14);
        agree(seed, pattern, words.word("aab", 20));
    }
}

TEST_CASE("around a thousand stars it agrees with the rules of Redis", "[glob][random][star]") {
    constexpr unsigned seed = 20260803;
    Words words{seed};
    for (int n = 0; n < 40; ++n) {
        const auto count = 994 + words.upto(8);
        const auto pattern = anchors(count, "*\\") + words.word("\x01\x02**", 12);
        agree(seed, pattern, anchors(count, "") + words.word("\x01\x02", 8));
    }
}
