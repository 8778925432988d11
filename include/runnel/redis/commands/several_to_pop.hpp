// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/list_options.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command.hpp>

#include <cstddef>
#include <string_view>

namespace runnel::inline v0::redis::detail {

// What LMPOP and ZMPOP are asked for.
struct SeveralToPop {
    Words keys{};
    End end = End::front;
    std::size_t count = 1;

    // `at`: where the words tell how many keys there are. `end_named`: reads the word that names an
    // end. Throws: Refusal.
    [[nodiscard]] static SeveralToPop of(const Call& call, std::size_t at,
                                         End (*end_named)(std::string_view word)) {
        SeveralToPop asked;
        const std::size_t keys = positive_count(call[at], "ERR numkeys should be greater than 0");
        if (keys >= call.size() - at - 1) refuse_syntax();
        asked.keys = call.words().subspan(at + 1, keys);
        const Words rest = call.words_from(at + 1 + keys);
        asked.end = end_named(rest[0]);
        if (rest.size() == 1) return asked;
        if (rest.size() == 2 || !is(rest[1], "COUNT")) refuse_syntax();
        asked.count = positive_count(rest[2], "ERR count should be greater than 0");
        if (rest.size() > 3) refuse_syntax();
        return asked;
    }
};

}  // namespace runnel::inline v0::redis::detail
