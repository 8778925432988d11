// SPDX-License-Identifier: MIT
// Before: fails: from == FirstFound\{0, "1"\}
//
// A pop of b and a stands at a behind a move from a to b. A push of two elements to a serves both:
// the move brings b the first one, and the pop was given the second one from a, though it names b
// first and there was one by then.
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/elements.hpp"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

using namespace runnel;
using namespace runnel::test;

TEST_CASE("a pop of several lists that is served looks through them in their order again") {
    using FirstFound = std::pair<std::size_t, std::string>;
    using Texts = std::vector<std::string>;
    ManualClock clock;
    BlockingList<std::string> a{{.clock = &clock}};
    BlockingList<std::string> b{{.clock = &clock}};
    std::vector<BlockingList<std::string>> named{b, a};
    auto move = moving(clock, a, b);
    auto pop = popping_first(clock, named);
    Texts messages{"1", "2"};
    CHECK(a.push_back_many(messages).count == 2);
    CHECK(value(move.result()) == "1");
    const FirstFound from{pop.result().which(), *pop.result()};
    CHECK(from == FirstFound{0, "1"});
    CHECK(elements(a) == Texts{"2"});
    CHECK(elements(b).empty());
}
