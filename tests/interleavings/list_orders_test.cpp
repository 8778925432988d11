// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/outcome.hpp>
#include <runnel/wait_any.hpp>

#include "interleavings/element.hpp"
#include "interleavings/orders.hpp"
#include "interleavings/step_clock.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using namespace runnel;
using namespace runnel::test;
using namespace std::chrono_literals;

namespace {

using List = BlockingList<Element>;
using Numbers = std::vector<int>;

// A list, and what has become of each number that was pushed.
struct ListScene {
    explicit ListScene(std::size_t capacity = 100)
        : list{{.capacity = capacity, .clock = &clock}} {}

    void push(int number) { pushed.push_back({number, list.push_back(number)}); }
    void note(const Popped<Element>& result) {
        if (result) {
            popped.push_back(result->number());
        } else {
            endings.push_back(result.ending());
        }
    }
    void pop(const WaitOptions& options = {}) { note(list.pop_front(options)); }

    // What went in has come out, once, or is still there.
    void check(Order& order) {
        Numbers in;
        for (const auto& [number, ending] : pushed)
            if (ending == Push::done) in.push_back(number);
        Numbers out = popped;
        left = list.size();
        while (const auto rest = list.try_pop_front()) out.push_back(rest->number());
        std::ranges::sort(in);
        std::ranges::sort(out);
        order.expect(in == out, "what was pushed is what was popped and what is left");
        for (const Ending ending : endings) order.ends(std::string{to_string(ending)});
        if (endings.empty()) order.ends("popped");
    }

    StepClock clock;
    List list;
    std::vector<std::pair<int, Push>> pushed;
    Numbers popped;
    std::vector<Ending> endings;
    std::size_t left = 0;
};

}  // namespace

TEST_CASE("a pop that waits gets what is pushed") {
    const auto all = explore("pop against push", [](Order& order) {
        ListScene scene;
        order.run([&] { scene.pop(); }, [&] { scene.push(1); });
        scene.check(order);
        order.expect(scene.popped == Numbers{1}, "it was popped");
    });
    CHECK(all.failure == "");
}

TEST_CASE("two pops get what two others push, and each other's is in order") {
    const auto all = explore("two pops against two pushes", [](Order& order) {
        ListScene scene;
        order.run(
            [&] {
                scene.pop();
                scene.pop();
            },
            [&] {
                scene.push(1);
                scene.push(2);
            });
        scene.check(order);
        order.expect(scene.popped == Numbers{1, 2}, "in their order");
    });
    CHECK(all.failure == "");
}

TEST_CASE("two consumers get one element each") {
    const auto all = explore("two consumers against two pushes", [](Order& order) {
        ListScene scene;
        order.run([&] { scene.pop(); }, [&] { scene.pop(); },
                  [&] {
                      scene.push(1);
                      scene.push(2);
                  });
        scene.check(order);
        order.expect(scene.popped.size() == 2, "one each");
    });
    CHECK(all.failure == "");
}

TEST_CASE("a pop times out or gets what is pushed, and then the list does not have it") {
    const auto all = explore("pop against push and time-out", [](Order& order) {
        ListScene scene;
        order.run([&] { scene.pop({.timeout = 1ms}); }, [&] { scene.push(1); });
        scene.check(order);
        order.expect(scene.popped.size() + scene.left == 1, "it is there, or popped");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("popped"));
    CHECK(all.ends("timed_out"));
}

TEST_CASE("a pop is stopped or gets what is pushed") {
    const auto all = explore("pop against push and stop", [](Order& order) {
        ListScene scene;
        std::stop_source source;
        order.run([&] { scene.pop({.stop = source.get_token()}); }, [&] { scene.push(1); },
                  [&] { source.request_stop(); });
        scene.check(order);
        order.expect(scene.popped.size() + scene.left == 1, "it is there, or popped");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("popped"));
    CHECK(all.ends("stopped"));
}

TEST_CASE("a pop is stopped or times out where nothing comes") {
    const auto all = explore("pop against time-out and stop", [](Order& order) {
        ListScene scene;
        std::stop_source source;
        order.run([&] { scene.pop({.timeout = 1ms, .stop = source.get_token()}); },
                  [&] { source.request_stop(); });
        scene.check(order);
    });
    CHECK(all.failure == "");
    CHECK(all.ends("timed_out"));
    CHECK(all.ends("stopped"));
}

TEST_CASE("if the pop that was chosen is stopped, the next one gets the element") {
    const auto all = explore("two pops against push and stop", [](Order& order) {
        ListScene scene;
        std::stop_source source;
        order.run([&] { scene.pop({.stop = source.get_token()}); }, [&] { scene.pop(); },
                  [&] {
                      source.request_stop();
                      scene.push(1);
                      scene.push(2);
                  });
        scene.check(order);
        order.expect(scene.popped.size() + scene.endings.size() == 2, "each has ended");
        order.expect(scene.popped.size() + scene.left == 2, "nothing is lost");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("popped"));
    CHECK(all.ends("stopped"));
}

TEST_CASE("a pop that ends as closed has left nothing in the list") {
    const auto all = explore("pop against push and close", [](Order& order) {
        ListScene scene;
        order.run([&] { scene.pop(); }, [&] { scene.push(1); }, [&] { scene.list.close(); });
        scene.check(order);
        order.expect(scene.left == 0, "the pop has what was pushed");
        const Push pushed = scene.pushed.front().second;
        order.expect((pushed == Push::done) == scene.endings.empty(), "refused, or popped");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("popped"));
    CHECK(all.ends("closed"));
}

TEST_CASE("the last two handles go at once, and the elements die, once") {
    const auto all = explore("push and the last handles", [](Order& order) {
        StepClock clock;
        const auto element = std::make_shared<int>(1);
        std::optional<BlockingList<std::shared_ptr<int>>> one;
        one.emplace(ListOptions{.clock = &clock});
        auto two = one;
        bool is_popped = false;
        order.run(
            [&] {
                (void)one->push_back(element);
                one.reset();
            },
            [&] {
                is_popped = static_cast<bool>(two->try_pop_front());
                two.reset();
            });
        order.expect(element.use_count() == 1, "it is gone");
        order.ends(is_popped ? "popped" : "left");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("popped"));
    CHECK(all.ends("left"));
}

TEST_CASE("a push that waits for room has it once there is a pop") {
    const auto all = explore("push for room against pop", [](Order& order) {
        ListScene scene{1};
        scene.push(0);
        order.run([&] { scene.push(1); },
                  [&] {
                      scene.pop();
                      scene.pop();
                  });
        scene.check(order);
        order.expect(scene.popped == Numbers{0, 1}, "in their order");
    });
    CHECK(all.failure == "");
}

TEST_CASE("two pushes that wait for room come in one after the other") {
    const auto all = explore("two pushes for room against pops", [](Order& order) {
        ListScene scene{1};
        scene.push(0);
        order.run([&] { scene.push(1); }, [&] { scene.push(2); },
                  [&] {
                      scene.pop();
                      scene.pop();
                  });
        scene.check(order);
        order.expect(scene.left == 1, "one is left");
    });
    CHECK(all.failure == "");
}

TEST_CASE("a push for room times out, is closed or is done, and only then the list has it") {
    const auto all = explore("push for room against pop, time-out and close", [](Order& order) {
        ListScene scene{1};
        scene.push(0);
        Push ending = Push::absent;
        order.run([&] { ending = scene.list.push_back(1, {.timeout = 1ms}); }, [&] { scene.pop(); },
                  [&] { scene.list.close(); });
        scene.pushed.push_back({1, ending});
        scene.check(order);
        order.ends("push " + std::string{to_string(ending)});
    });
    CHECK(all.failure == "");
    CHECK(all.ends("push done"));
    CHECK(all.ends("push full"));
    CHECK(all.ends("push closed"));
}

TEST_CASE("a look that is told of an element takes nothing") {
    const auto all = explore("look against pop and push", [](Order& order) {
        ListScene scene;
        order.run(
            [&] {
                const auto seen = wait_any({scene.list});
                if (seen) scene.note(scene.list.try_pop_front());
            },
            [&] { scene.pop(); },
            [&] {
                scene.push(1);
                scene.push(2);
            });
        scene.check(order);
    });
    CHECK(all.failure == "");
    CHECK(all.ends("popped"));
}

TEST_CASE("of two looks, one is told of an element; if it leaves it, so is the other") {
    const auto all = explore("two looks against push", [](Order& order) {
        ListScene scene;
        const auto look = [&] {
            const auto seen = wait_any({scene.list});
            order.ends(seen ? "seen" : "not seen");
        };
        order.run(look, look, [&] { scene.push(1); });
        scene.check(order);
        order.expect(scene.left == 1, "it is there");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("seen"));
}
