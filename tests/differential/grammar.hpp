// SPDX-License-Identifier: MIT
#pragma once

// What a command may look like, written in one line, and random commands of that form.

#include "differential/vocabulary.hpp"
#include "support/stress_random.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::test::differential {

/// The form of a command:
///
///     LPUSH list element+              a word in capitals stands for itself, in any case
///     LPOP list [count]                what is in brackets may be missing
///     LMOVE list list (LEFT|RIGHT)     one of these
///     LPOS list element {RANK rank|COUNT count}    some of these, in any order
///
/// A word in small letters is one of the Vocabulary. `+` behind something: it is repeated.
class Grammar {
public:
    explicit Grammar(std::string_view text) : rest_{text} {
        root_ = parse_choice();
        if (!rest_.empty()) refuse();
    }

    [[nodiscard]] Words draw(Vocabulary& vocabulary) const {
        Words words;
        draw(root_, vocabulary, words);
        return words;
    }

private:
    enum class Kind : unsigned char { keyword, word, sequence, optional, choice, some, repeated };

    struct Node {
        Kind kind = Kind::sequence;
        std::string text{};
        std::vector<Node> parts{};
    };

    // ------------------------------------------------------------------ reading

    [[noreturn]] void refuse() const {
        throw std::logic_error{"a grammar that cannot be read, at: " + std::string{rest_}};
    }

    void skip_blanks() {
        while (rest_.starts_with(' ')) rest_.remove_prefix(1);
    }
    bool skip(char letter) {
        skip_blanks();
        if (!rest_.starts_with(letter)) return false;
        rest_.remove_prefix(1);
        return true;
    }

    Node parse_choice() {
        Node choice{Kind::choice};
        do choice.parts.push_back(parse_sequence());
        while (skip('|'));
        return choice;
    }

    Node parse_sequence() {
        Node sequence{Kind::sequence};
        while (!skip_to_end()) sequence.parts.push_back(parse_repeated());
        return sequence;
    }

    // Whether the sequence ends here.
    bool skip_to_end() {
        skip_blanks();
        return rest_.empty() || std::string_view{"|)]}"}.find(rest_.front()) != rest_.npos;
    }

    Node parse_repeated() {
        Node node = parse_one();
        if (!rest_.starts_with('+')) return node;
        rest_.remove_prefix(1);
        Node repeated{Kind::repeated};
        repeated.parts.push_back(std::move(node));
        return repeated;
    }

    Node parse_one() {
        if (skip('(')) return closed(Kind::choice, ')');
        if (skip('[')) return closed(Kind::optional, ']');
        if (skip('{')) return closed(Kind::some, '}');
        const std::size_t size = std::min(rest_.find_first_of(" |()[]{}+"), rest_.size());
        if (size == 0) refuse();
        Node node{Kind::keyword, std::string{rest_.substr(0, size)}};
        const bool is_small = std::islower(static_cast<unsigned char>(node.text.front())) != 0;
        if (is_small) node.kind = Kind::word;
        rest_.remove_prefix(size);
        return node;
    }

    Node closed(Kind kind, char end) {
        Node node{kind};
        node.parts = parse_choice().parts;
        if (!skip(end)) refuse();
        return node;
    }

    // ------------------------------------------------------------------ drawing

    static void draw(const Node& node, Vocabulary& vocabulary, Words& words) {
        Random& random = vocabulary.random();
        switch (node.kind) {
        case Kind::keyword:
            return words.push_back(vocabulary.keyword(node.text));
        case Kind::word:
            return vocabulary.append(node.text, words);
        case Kind::sequence:
            for (const Node& part : node.parts) draw(part, vocabulary, words);
            return;
        case Kind::optional:
            if (random.percent(50)) draw(random.one_of(node.parts), vocabulary, words);
            return;
        case Kind::choice:
            return draw(random.one_of(node.parts), vocabulary, words);
        case Kind::some:
            return draw_some(node, vocabulary, words);
        case Kind::repeated:
            do draw(node.parts.front(), vocabulary, words);
            while (random.percent(35));
            return;
        }
    }

    // Often none, mostly each at most once.
    static void draw_some(const Node& node, Vocabulary& vocabulary, Words& words) {
        Random& random = vocabulary.random();
        if (random.percent(30)) return;
        if (random.percent(5)) draw(random.one_of(node.parts), vocabulary, words);
        for (const std::size_t at : random.subset(node.parts.size())) {
            if (random.percent(60)) draw(node.parts[at], vocabulary, words);
        }
    }

    std::string_view rest_;  // while it is read
    Node root_;
};

}  // namespace runnel::test::differential
