// SPDX-License-Identifier: MIT
// Before: fails: values\(pop\.result\(\)\) == Texts\{"1"\}
//
// One push that serves several moves fills two lists, first b and then c; who waits for them comes
// in that order, as in Redis. A move from c to d made the push ask those who wait at c before those
// who wait at b: it stands in d's line for room, though all that it lacks is an element.
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/elements.hpp"

#include <string>
#include <vector>

using namespace runnel;
using namespace runnel::test;

TEST_CASE("those who wait for lists that moves fill are served in the order of filling") {
    using Texts = std::vector<std::string>;
    ManualClock clock;
    BlockingList<std::string> b{{.clock = &clock}};
    BlockingList<std::string> c{{.clock = &clock}};
    BlockingList<std::string> d{{.clock = &clock}};
    auto pop = popping_front_many(clock, b, 4);
    auto to_b = moving(clock, d, b);
    auto to_c = moving(clock, d, c);
    auto onwards = moving(clock, c, b);
    auto back = moving(clock, c, d);
    Texts messages{"1", "2"};
    CHECK(d.push_back_many(messages).count == 2);
    CHECK(values(pop.result()) == Texts{"1"});
    CHECK(value(onwards.result()) == "2");
    CHECK(elements(b) == Texts{"2"});
    CHECK(back.waits());
}
