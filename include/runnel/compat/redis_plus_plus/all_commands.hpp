// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/compat/redis_plus_plus/hash_commands.hpp>
#include <runnel/compat/redis_plus_plus/key_commands.hpp>
#include <runnel/compat/redis_plus_plus/list_commands.hpp>
#include <runnel/compat/redis_plus_plus/server_commands.hpp>
#include <runnel/compat/redis_plus_plus/set_commands.hpp>
#include <runnel/compat/redis_plus_plus/sorted_set_commands.hpp>
#include <runnel/compat/redis_plus_plus/stream_commands.hpp>
#include <runnel/compat/redis_plus_plus/string_commands.hpp>

namespace runnel::inline v0::compat::sw {

/// The methods that Redis, Pipeline and Transaction have in common. Where they return Answer<T>, a
/// Redis returns a T, and the others themselves. Where they take `Output... output`, that is one
/// output iterator for a Redis, and nothing for the others.
template <typename Client>
class AllCommands : public KeyCommands<Client>,
                    public StringCommands<Client>,
                    public ListCommands<Client>,
                    public StreamCommands<Client>,
                    public SetCommands<Client>,
                    public HashCommands<Client>,
                    public SortedSetCommands<Client>,
                    public ServerCommands<Client> {
private:
    friend Client;

    AllCommands() = default;
};

}  // namespace runnel::inline v0::compat::sw
