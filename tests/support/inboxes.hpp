// SPDX-License-Identifier: MIT
#pragma once

// What an inbox has received, as values that can be compared in one line.

#include <runnel/inbox.hpp>

#include <sstream>
#include <string>
#include <vector>

namespace runnel::test {

using Received = std::vector<std::string>;

/// All that waits: "news 7" for what has come directly, "news 7 by n*" for what has by a pattern.
template <typename T>
Received received(Inbox<T>& inbox) {
    Received all;
    for (const InboxMessage<T>& message : inbox.try_read()) {
        std::ostringstream text;
        text << message.channel << ' ' << message.value;
        if (!message.pattern.empty()) text << " by " << message.pattern;
        all.push_back(text.str());
    }
    return all;
}

}  // namespace runnel::test
