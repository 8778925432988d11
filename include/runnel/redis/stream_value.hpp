// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/blocks/segmented_log.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/macro_nodes.hpp>
#include <runnel/detail/core/producers.hpp>
#include <runnel/detail/core/references.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/settings.hpp>
#include <runnel/redis/value.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace runnel::inline v0::redis::detail {

// What an entry of a stream has: a name, a value, a name, … as the array that reads answer with. It
// is made once, by XADD, and the replies to all reads share it.
using Fields = Reply;

// A stream, as the value of a key.
class StreamValue final : public Value {
public:
    static constexpr ValueType kind = ValueType::stream;

    using Log = StreamLog<Fields>;
    using Place = Log::Place;
    // In the order of their names.
    using Groups = std::map<std::string, GroupState, std::less<>>;

    explicit StreamValue(const Settings& settings)
        : producers{ProducerLimits{settings.stream_idmp_duration, settings.stream_idmp_maxsize}} {}

    [[nodiscard]] ValueType type() const noexcept override { return kind; }
    [[nodiscard]] std::string_view type_name() const noexcept override { return "stream"; }
    [[nodiscard]] std::unique_ptr<Value> copy() const override {
        return std::unique_ptr<Value>{new StreamValue{*this}};
    }

    [[nodiscard]] NodedLog<Fields> noded_log() noexcept { return {log, nodes}; }

    Log log{};
    MacroNodes nodes{};
    Groups groups{};
    Producers producers;

private:
    StreamValue(const StreamValue& other)
        : nodes{other.nodes}, groups{other.groups}, producers{other.producers} {
        Disposal<Fields> nothing;
        log.copy(other.log, nothing);
    }
};

}  // namespace runnel::inline v0::redis::detail
