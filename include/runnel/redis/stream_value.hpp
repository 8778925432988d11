// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/macro_nodes.hpp>
#include <runnel/detail/core/producers.hpp>
#include <runnel/detail/core/references.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/redis/reply.hpp>

#include <functional>
#include <map>
#include <string>

namespace runnel::inline v0::redis::detail {

// What an entry of a stream has: a name, a value, a name, … as the array that reads answer with. It
// is made once, by XADD, and the replies to all reads share it.
using Fields = Reply;

// A stream, as the value of a key.
struct StreamValue {
    using Log = runnel::detail::StreamLog<Fields>;
    using Place = Log::Place;
    // In the order of their names.
    using Groups = std::map<std::string, runnel::detail::GroupState, std::less<>>;

    Log log{};
    runnel::detail::MacroNodes nodes{};
    Groups groups{};
    runnel::detail::Producers producers{};

    [[nodiscard]] runnel::detail::NodedLog<Fields> noded_log() noexcept { return {log, nodes}; }
};

}  // namespace runnel::inline v0::redis::detail
