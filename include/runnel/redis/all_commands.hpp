// SPDX-License-Identifier: MIT
#pragma once

// The rows of the command table: each family of commands has them in its own header. To compile
// them takes most of the time that it takes to compile the fake: see compiled.hpp.

#include <runnel/redis/command.hpp>
#include <runnel/redis/command_table.hpp>
#include <runnel/redis/commands/blocking_lists.hpp>
#include <runnel/redis/commands/blocking_sorted_sets.hpp>
#include <runnel/redis/commands/clients.hpp>
#include <runnel/redis/commands/cluster.hpp>
#include <runnel/redis/commands/command_info.hpp>
#include <runnel/redis/commands/config.hpp>
#include <runnel/redis/commands/connection.hpp>
#include <runnel/redis/commands/counters.hpp>
#include <runnel/redis/commands/digests.hpp>
#include <runnel/redis/commands/expiry.hpp>
#include <runnel/redis/commands/groups.hpp>
#include <runnel/redis/commands/hashes.hpp>
#include <runnel/redis/commands/info.hpp>
#include <runnel/redis/commands/keys.hpp>
#include <runnel/redis/commands/lists.hpp>
#include <runnel/redis/commands/objects.hpp>
#include <runnel/redis/commands/pending.hpp>
#include <runnel/redis/commands/pubsub.hpp>
#include <runnel/redis/commands/sets.hpp>
#include <runnel/redis/commands/sorted_set_ranges.hpp>
#include <runnel/redis/commands/sorted_sets.hpp>
#include <runnel/redis/commands/stream_info.hpp>
#include <runnel/redis/commands/stream_reads.hpp>
#include <runnel/redis/commands/streams.hpp>
#include <runnel/redis/commands/strings.hpp>
#include <runnel/redis/commands/transactions.hpp>

#if defined(RUNNEL_REDIS_COMPILED)
#    define RUNNEL_REDIS_INLINE
#else
#    define RUNNEL_REDIS_INLINE inline
#endif

namespace runnel::inline v0::redis::detail {

RUNNEL_REDIS_INLINE CommandTable::CommandTable() {
    add_all(connection_commands, client_commands, cluster_commands, info_commands, config_commands,
            command_commands, expiry_commands, key_commands, object_commands, pubsub_commands,
            stream_commands, stream_info_commands, string_commands, counter_commands,
            digest_commands, set_commands, hash_commands, sorted_set_commands,
            sorted_set_range_commands, blocking_sorted_set_commands, transaction_commands,
            list_commands, blocking_list_commands, stream_read_commands, group_commands,
            pending_commands);
    by_name_.reserve(rows_.size());
    for (const CommandInfo* const row : rows_) by_name_.emplace(row->name, row);
}

}  // namespace runnel::inline v0::redis::detail

#undef RUNNEL_REDIS_INLINE
