// SPDX-License-Identifier: MIT
// The real mutex over the stand-ins of its word and of the futex.
#include "../../include/runnel/detail/base/mutex.hpp"
#include "interleavings/orders.hpp"
#include "support/catch.hpp"

#include <algorithm>

using namespace runnel;
using namespace runnel::test;

namespace {

// Whether two threads are ever inside at once.
class Room {
public:
    void enter() {
        const detail::Lock lock{mutex_};
        most_ = std::max(most_, inside_.fetch_add(1) + 1);
        inside_.fetch_sub(1);
    }
    [[nodiscard]] int most() const noexcept { return most_; }

private:
    detail::Mutex mutex_;
    detail::Atomic<int> inside_ = 0;
    int most_ = 0;
};

}  // namespace

TEST_CASE("two threads that come to a lock again and again are never inside at once") {
    const auto all = explore("the mutex with two threads", [](Order& order) {
        Room room;
        const auto twice = [&] {
            room.enter();
            room.enter();
        };
        order.run(twice, twice);
        order.expect(room.most() == 1, "one at a time");
    });
    CHECK(all.failure == "");
}

TEST_CASE("of three threads that come to a lock, each gets in") {
    const auto all = explore("the mutex with three threads", [](Order& order) {
        Room room;
        const auto once = [&] { room.enter(); };
        order.run(once, once, once);
        order.expect(room.most() == 1, "one at a time");
    });
    CHECK(all.failure == "");
}
