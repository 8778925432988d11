// SPDX-License-Identifier: MIT
// Before: crashes: SIGABRT
//
// A publish inside a handler threw when the handlers of the channel were behind, which is a matter
// of load: by default that ended the process.
#include <runnel/channel.hpp>

#include "support/catch.hpp"

#include <vector>

using namespace runnel;

TEST_CASE("a publish inside a handler that finds the handlers behind is refused",
          "[channel][handler]") {
    const Channel<int> channel;
    std::size_t done = 0;
    std::size_t full = 0;
    std::size_t handled = 0;
    const Connection handler = channel.on_message([&](const int& number) {
        ++handled;
        if (number != 0) return;
        for (int answer = 1; answer <= 2'000; ++answer)
            ++(channel.publish(answer).ending == Push::full ? full : done);
    });
    CHECK(channel.publish(0) == 1);
    CHECK(done == 1024);
    CHECK(full == 2'000 - 1024);
    CHECK(handled == 1 + done);
}
