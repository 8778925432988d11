// SPDX-License-Identifier: MIT
// Before: fails: has not one clock but several
// Plug-in: two_images_plugin.cpp
//
// Tickets of waits, the default clock and the threads of a ManualClock were one per image: a
// plug-in and its program drew the same tickets, and of two moves with equal ones the second was
// never served; a wait for lists of both sides was refused; threads were not seen to wait.
#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/two_images.hpp"
#include "support/two_images_scene.hpp"

#include <array>
#include <initializer_list>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

using runnel::Broker;
using runnel::Error;
using runnel::ErrorCode;
using runnel::ManualClock;
using runnel::Push;
using runnel::test::Call;
using runnel::test::Image;
using runnel::test::Images;
using runnel::test::List;
using runnel::test::this_image;

namespace {

struct TwoImages : Images {
    [[nodiscard]] List list() { return List{{.clock = &clock}}; }
    [[nodiscard]] auto move(const Image& image, const List& source, const List& target) {
        return Call<bool>{clock, [&image, source, target](std::stop_token stop) {
                              return image.move(source, target, std::move(stop));
                          }};
    }
    [[nodiscard]] auto pop(const Image& image, const List& list) {
        return Call<std::optional<int>>{clock, [&image, list](std::stop_token stop) {
                                            return image.pop(list, std::move(stop));
                                        }};
    }
};

}  // namespace

TEST_CASE_METHOD(TwoImages, "of two moves of two images the first who waited is served first",
                 "[list][shared]") {
    const List source = list();
    const List first_target = list();
    const List second_target = list();
    const std::array ready{one->make_list(), one->make_list()};
    CHECK(ready[0].push_back(0) == Push::done);
    for (int count = 0; count != 10; ++count) CHECK(one->wait_any(ready, {}) == 0);  // tickets
    auto first = move(*one, source, first_target);
    auto second = move(*other, source, second_target);
    SECTION("both at once") {
        std::array both{1, 2};
        CHECK(source.push_back_many(both).count == 2);
        CHECK_FALSE(first.waits());
        CHECK_FALSE(second.waits());
        CHECK(second_target.range() == std::vector{2});
    }
    SECTION("one after the other") {
        CHECK(this_image.push(source, 1) == Push::done);
        CHECK(second.waits());
        CHECK(other->push(source, 2) == Push::done);
        CHECK_FALSE(second.waits());
    }
    CHECK(first_target.range() == std::vector{1});
}

TEST_CASE_METHOD(TwoImages, "pops of two images are served in the order in which they came",
                 "[list][shared]") {
    const List jobs = list();
    const List target = list();
    auto moves = move(*one, jobs, target);  // it has drawn a ticket, and the other one's image none
    auto first = pop(*other, jobs);
    auto second = pop(*one, jobs);
    auto third = pop(*other, jobs);
    for (const int value : {1, 2, 3, 4}) CHECK(other->push(jobs, value) == Push::done);
    CHECK(moves.result());
    CHECK(first.result() == 2);
    CHECK(second.result() == 3);
    CHECK(third.result() == 4);
}

TEST_CASE_METHOD(TwoImages, "a wait for lists of two images has one clock", "[wait_any][shared]") {
    const std::array lists{one->make_list(), other->make_list()};
    CHECK(lists[0].push_back(1) == Push::done);
    CHECK(one->wait_any(lists, {}) == 0);
    CHECK(lists[0].try_pop_front());
    CHECK(lists[1].push_back(1) == Push::done);
    CHECK(one->wait_any(lists, {}) == 1);
}

TEST_CASE_METHOD(TwoImages, "a thread that another image starts is one of its clock's",
                 "[clock][shared]") {
    const List jobs = list();
    int popped = 0;
    const auto worker = other->pop_in_thread(clock, jobs, popped);
    clock.settle();
    CHECK(popped == 0);
    CHECK(one->push(jobs, 7) == Push::done);
    clock.settle();
    CHECK(popped == 7);
}

TEST_CASE_METHOD(TwoImages, "a name stands for the same object in both images",
                 "[broker][shared]") {
    const Broker broker;
    CHECK(one->named(broker) == other->named(broker));
    try {
        other->use_as_stream(broker);
        FAIL("a list is no stream");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::wrong_type);
    }
    broker.close();
    CHECK(other->push(one->named(broker), 1) == Push::closed);
}
