// SPDX-License-Identifier: MIT
#pragma once

// The form of each command of Redis 7.0 that the fake has, and how often it is drawn.

#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

namespace runnel::test::differential {

struct Form {
    std::string_view name;  ///< as in the table of the fake: "xgroup|create"
    std::size_t weight;
    std::string_view text;  ///< see Grammar
};

inline constexpr auto list_forms = std::to_array<Form>({
    {"lpush", 20, "LPUSH list element+"},
    {"rpush", 30, "RPUSH list element+"},
    {"lpushx", 4, "LPUSHX list element+"},
    {"rpushx", 4, "RPUSHX list element+"},
    {"lpop", 6, "LPOP list [count]"},
    {"rpop", 6, "RPOP list [count]"},
    {"llen", 3, "LLEN list"},
    {"lrange", 6, "LRANGE list index index"},
    {"lindex", 4, "LINDEX list index"},
    {"lset", 5, "LSET list near_index element"},
    {"linsert", 5, "LINSERT list (BEFORE|AFTER) element element"},
    {"lrem", 5, "LREM list index element"},
    {"ltrim", 4, "LTRIM list (0|0|index) (-1|-1|index)"},
    {"lpos", 6, "LPOS list element {RANK rank|COUNT length|MAXLEN length}"},
    {"lmove", 6, "LMOVE list list (LEFT|RIGHT) (LEFT|RIGHT)"},
    {"rpoplpush", 4, "RPOPLPUSH list list"},
    {"lmpop", 6, "LMPOP counted_lists (LEFT|RIGHT) [COUNT count]"},
    {"blpop", 7, "BLPOP lists timeout"},
    {"brpop", 7, "BRPOP lists timeout"},
    {"blmpop", 7, "BLMPOP timeout counted_lists (LEFT|RIGHT) [COUNT count]"},
    {"blmove", 7, "BLMOVE list list (LEFT|RIGHT) (LEFT|RIGHT) timeout"},
    {"brpoplpush", 5, "BRPOPLPUSH list list timeout"},
});

inline constexpr auto stream_forms = std::to_array<Form>({
    {"xadd", 30,
     "XADD stream {NOMKSTREAM|(MAXLEN [=] length|MAXLEN ~ length [LIMIT limit]|MINID [=] id|MINID "
     "~ id [LIMIT limit])} new_id (field element)+"},
    {"xlen", 3, "XLEN stream"},
    {"xrange", 6, "XRANGE stream start_id end_id [COUNT count]"},
    {"xrevrange", 6, "XREVRANGE stream end_id start_id [COUNT count]"},
    {"xdel", 4, "XDEL stream id+"},
    {"xsetid", 4, "XSETID stream later_id {ENTRIESADDED many|MAXDELETEDID id}"},
    {"xtrim", 5,
     "XTRIM stream (MAXLEN [=] length|MINID [=] id|MAXLEN ~ length [LIMIT limit]|MINID ~ id [LIMIT "
     "limit])"},
    {"xread", 10, "XREAD {COUNT integer|BLOCK block} STREAMS streams_from"},
    {"xreadgroup", 18,
     "XREADGROUP GROUP group consumer {COUNT integer|BLOCK block|NOACK} STREAMS "
     "group_streams_from"},
    {"xgroup|create", 4, "XGROUP CREATE stream new_group group_id {MKSTREAM|ENTRIESREAD integer}"},
    {"xgroup|setid", 3, "XGROUP SETID stream group group_id [ENTRIESREAD integer]"},
    {"xgroup|destroy", 2, "XGROUP DESTROY stream (group|new_group|new_group|new_group)"},
    {"xgroup|createconsumer", 3, "XGROUP CREATECONSUMER stream group new_consumer"},
    {"xgroup|delconsumer", 2, "XGROUP DELCONSUMER stream group new_consumer"},
    {"xgroup|help", 1, "XGROUP HELP"},
    {"xack", 5, "XACK stream group id+"},
    {"xpending", 8, "XPENDING stream group [[IDLE idle] start_id end_id count [consumer]]"},
    {"xclaim", 7,
     "XCLAIM stream group consumer idle id+ {IDLE idle|TIME at_millisecond|RETRYCOUNT "
     "integer|FORCE|JUSTID|LASTID id}"},
    {"xautoclaim", 6, "XAUTOCLAIM stream group consumer idle start_id {COUNT count|JUSTID}"},
    {"xinfo|stream", 5, "XINFO STREAM stream [FULL [COUNT integer]]"},
    {"xinfo|groups", 5, "XINFO GROUPS stream"},
    {"xinfo|consumers", 5, "XINFO CONSUMERS stream group"},
    {"xinfo|help", 1, "XINFO HELP"},
});

inline constexpr auto key_forms = std::to_array<Form>({
    {"del", 3, "DEL key+"},
    {"unlink", 2, "UNLINK key+"},
    {"exists", 3, "EXISTS key+"},
    {"touch", 2, "TOUCH key+"},
    {"type", 3, "TYPE key"},
    {"keys", 3, "KEYS key_pattern"},
    {"scan", 3, "SCAN cursor COUNT 1000 {MATCH key_pattern|TYPE type}"},
    {"randomkey", 2, "RANDOMKEY"},
    {"rename", 3, "RENAME key key"},
    {"renamenx", 2, "RENAMENX key key"},
    {"copy", 4, "COPY key key {DB database|REPLACE}"},
    {"move", 3, "MOVE key other_database"},
    {"swapdb", 1, "SWAPDB database database"},
    {"select", 3, "SELECT database"},
    {"dbsize", 2, "DBSIZE"},
    {"flushdb", 1, "FLUSHDB [ASYNC|SYNC]"},
    {"flushall", 1, "FLUSHALL [ASYNC|SYNC]"},
    {"expire", 4, "EXPIRE key seconds [NX|XX|GT|LT|XX GT|NX LT]"},
    {"pexpire", 4, "PEXPIRE key milliseconds [NX|XX|GT|LT|XX GT|NX LT]"},
    {"expireat", 3, "EXPIREAT key at_second [NX|XX|GT|LT|XX GT|NX LT]"},
    {"pexpireat", 3, "PEXPIREAT key at_millisecond [NX|XX|GT|LT|XX GT|NX LT]"},
    {"ttl", 3, "TTL key"},
    {"pttl", 3, "PTTL key"},
    {"expiretime", 3, "EXPIRETIME key"},
    {"pexpiretime", 3, "PEXPIRETIME key"},
    {"persist", 3, "PERSIST key"},
    {"object|encoding", 2, "OBJECT ENCODING key"},
    {"object|freq", 1, "OBJECT FREQ key"},
    {"object|help", 1, "OBJECT HELP"},
    {"object|idletime", 1, "OBJECT IDLETIME key"},
    {"object|refcount", 1, "OBJECT REFCOUNT key"},
    {"memory|help", 1, "MEMORY HELP"},
    {"memory|usage", 2, "MEMORY USAGE key [SAMPLES count]"},
    {"set", 5,
     "SET string element {NX|XX|GET|(EX seconds|PX milliseconds|EXAT later_second|PXAT "
     "later_millisecond|KEEPTTL)}"},
    {"get", 4, "GET string"},
});

inline constexpr auto string_forms = std::to_array<Form>({
    {"append", 5, "APPEND string element"},
    {"strlen", 3, "STRLEN string"},
    {"getrange", 4, "GETRANGE string index index"},
    {"substr", 2, "SUBSTR string index index"},
    {"setrange", 4, "SETRANGE string offset element"},
    {"getset", 4, "GETSET string element"},
    {"getdel", 4, "GETDEL (string|counter)"},
    {"getex", 5,
     "GETEX string [EX seconds|PX milliseconds|EXAT at_second|PXAT at_millisecond|PERSIST]"},
    {"setnx", 4, "SETNX string element"},
    {"setex", 4, "SETEX string seconds element"},
    {"psetex", 4, "PSETEX string milliseconds element"},
    {"mget", 4, "MGET key+"},
    {"mset", 6, "MSET (string element|counter step)+"},
    {"msetnx", 3, "MSETNX (string element|counter step)+"},
    {"incr", 5, "INCR counter"},
    {"decr", 4, "DECR counter"},
    {"incrby", 4, "INCRBY counter step"},
    {"decrby", 4, "DECRBY counter step"},
    {"incrbyfloat", 5, "INCRBYFLOAT float_counter float"},
});

// SPOP, SRANDMEMBER and HRANDFIELD take all or nothing: what they choose differs.
inline constexpr auto set_forms = std::to_array<Form>({
    {"sadd", 8, "SADD set element+"},
    {"srem", 5, "SREM set element+"},
    {"sismember", 3, "SISMEMBER set element"},
    {"smismember", 3, "SMISMEMBER set element+"},
    {"smembers", 4, "SMEMBERS set"},
    {"sscan", 3, "SSCAN set cursor COUNT 1000 [MATCH element_pattern]"},
    {"scard", 3, "SCARD set"},
    {"spop", 3, "SPOP set all_or_none"},
    {"srandmember", 3, "SRANDMEMBER set all_or_none"},
});

inline constexpr auto hash_forms = std::to_array<Form>({
    {"hset", 10, "HSET hash (field element)+"},
    {"hsetnx", 4, "HSETNX hash field element"},
    {"hmset", 4, "HMSET hash (field element)+"},
    {"hstrlen", 3, "HSTRLEN hash field"},
    {"hget", 3, "HGET hash field"},
    {"hmget", 3, "HMGET hash field+"},
    {"hgetall", 4, "HGETALL hash"},
    {"hdel", 4, "HDEL hash field+"},
    {"hexists", 3, "HEXISTS hash field"},
    {"hlen", 3, "HLEN hash"},
    {"hincrby", 5, "HINCRBY hash counting_field step"},
    {"hincrbyfloat", 4, "HINCRBYFLOAT hash counting_field float"},
    {"hrandfield", 3, "HRANDFIELD hash all_or_none [WITHVALUES]"},
    {"hkeys", 3, "HKEYS hash"},
    {"hvals", 3, "HVALS hash"},
    {"hscan", 3, "HSCAN hash cursor COUNT 1000 [MATCH element_pattern]"},
});

inline constexpr auto sorted_set_forms = std::to_array<Form>({
    {"zadd", 16,
     "ZADD (sorted_set {NX|XX|GT|LT|CH} (score element)+|sorted_set {NX|XX|GT|LT|CH|INCR} score "
     "element|named_set (0 element)+)"},
    {"zincrby", 4, "ZINCRBY sorted_set score element"},
    {"zrem", 4, "ZREM (sorted_set|named_set) element+"},
    {"zscore", 3, "ZSCORE sorted_set element"},
    {"zmscore", 3, "ZMSCORE sorted_set element+"},
    {"zscan", 3, "ZSCAN (sorted_set|named_set) cursor COUNT 1000 [MATCH element_pattern]"},
    {"zcard", 2, "ZCARD sorted_set"},
    {"zrank", 2, "ZRANK sorted_set element"},
    {"zrevrank", 2, "ZREVRANK sorted_set element"},
    {"zrange", 7,
     "ZRANGE (sorted_set index index {REV|WITHSCORES}|sorted_set min_score max_score BYSCORE "
     "{LIMIT index index|WITHSCORES}|sorted_set max_score min_score BYSCORE REV {LIMIT index "
     "index|WITHSCORES}|named_set min_name max_name BYLEX {LIMIT index index}|named_set max_name "
     "min_name {BYLEX|REV|LIMIT index index|BYSCORE|WITHSCORES})"},
    {"zrevrange", 3, "ZREVRANGE sorted_set index index [WITHSCORES]"},
    {"zrangebyscore", 4,
     "ZRANGEBYSCORE sorted_set min_score max_score {LIMIT index index|WITHSCORES}"},
    {"zrevrangebyscore", 3,
     "ZREVRANGEBYSCORE sorted_set max_score min_score {LIMIT index index|WITHSCORES}"},
    {"zrangebylex", 3, "ZRANGEBYLEX named_set min_name max_name [LIMIT index index]"},
    {"zrevrangebylex", 2, "ZREVRANGEBYLEX named_set max_name min_name [LIMIT index index]"},
    {"zcount", 3, "ZCOUNT sorted_set min_score max_score"},
    {"zlexcount", 2, "ZLEXCOUNT named_set min_name max_name"},
    {"zremrangebyscore", 2, "ZREMRANGEBYSCORE sorted_set min_score max_score"},
    {"zremrangebyrank", 2, "ZREMRANGEBYRANK sorted_set index index"},
    {"zremrangebylex", 2, "ZREMRANGEBYLEX named_set min_name max_name"},
    {"zpopmin", 3, "ZPOPMIN sorted_set [count]"},
    {"zpopmax", 3, "ZPOPMAX sorted_set [count]"},
    {"zmpop", 4, "ZMPOP counted_sorted_sets (MIN|MAX) [COUNT count]"},
    {"bzpopmin", 5, "BZPOPMIN sorted_sets timeout"},
    {"bzpopmax", 5, "BZPOPMAX sorted_sets timeout"},
    {"bzmpop", 5, "BZMPOP timeout counted_sorted_sets (MIN|MAX) [COUNT count]"},
});

inline constexpr auto other_forms = std::to_array<Form>({
    {"multi", 8, "MULTI"},
    {"exec", 8, "EXEC"},
    {"discard", 3, "DISCARD"},
    {"watch", 6, "WATCH key+"},
    {"unwatch", 2, "UNWATCH"},
    {"ping", 3, "PING [element]"},
    {"echo", 2, "ECHO element"},
    {"auth", 3,
     "AUTH (user element|user element|user element|user element|user element|element [element "
     "element])"},
    {"hello", 3, "HELLO [protocol [SETNAME client_name]]"},
    {"info", 2, "INFO [section+]"},
    {"role", 1, "ROLE"},
    {"command|count", 1, "COMMAND COUNT"},
    {"command|docs", 1, "COMMAND DOCS command_name+"},
    {"command|getkeys", 3,
     "COMMAND GETKEYS (GET key|MSET key element key element|LMPOP counted_lists LEFT|XREAD COUNT "
     "count STREAMS streams_from|SMEMBERS set|HGET hash field|BLPOP lists timeout)"},
    {"command|help", 1, "COMMAND HELP"},
    {"command|info", 1, "COMMAND INFO command_name+"},
    {"command|list", 1, "COMMAND LIST FILTERBY (MODULE element|PATTERN key_pattern)"},
    {"config|get", 2, "CONFIG GET parameter+"},
    {"config|help", 1, "CONFIG HELP"},
    {"config|resetstat", 1, "CONFIG RESETSTAT"},
    {"config|rewrite", 1, "CONFIG REWRITE"},
    {"config|set", 2, "CONFIG SET setting [APPENDONLY NO]"},
    {"client|help", 1, "CLIENT HELP"},
    {"client|id", 3, "CLIENT ID"},
    {"client|setname", 3, "CLIENT SETNAME client_name"},
    {"client|getname", 2, "CLIENT GETNAME"},
    {"client|getredir", 1, "CLIENT GETREDIR"},
    {"client|info", 1, "CLIENT INFO"},
    {"client|kill", 2, "CLIENT KILL ID client [TYPE client_type] [SKIPME (YES|NO)]"},
    {"client|list", 2, "CLIENT LIST [TYPE client_type|ID client_number+]"},
    {"client|no-evict", 1, "CLIENT NO-EVICT (ON|OFF|element)"},
    {"client|unblock", 6, "CLIENT UNBLOCK client [TIMEOUT|ERROR]"},
    {"cluster|countkeysinslot", 1, "CLUSTER COUNTKEYSINSLOT count"},
    {"cluster|getkeysinslot", 1, "CLUSTER GETKEYSINSLOT count count"},
    {"cluster|help", 1, "CLUSTER HELP"},
    {"cluster|info", 1, "CLUSTER INFO"},
    {"cluster|keyslot", 1, "CLUSTER KEYSLOT key"},
    {"cluster|myid", 1, "CLUSTER MYID"},
    {"cluster|nodes", 1, "CLUSTER NODES"},
    {"cluster|replicas", 1, "CLUSTER REPLICAS element"},
    {"cluster|shards", 1, "CLUSTER SHARDS"},
    {"cluster|slaves", 1, "CLUSTER SLAVES element"},
    {"cluster|slots", 1, "CLUSTER SLOTS"},
    {"asking", 1, "ASKING"},
    {"readonly", 1, "READONLY"},
    {"readwrite", 1, "READWRITE"},
    {"reset", 2, "RESET"},
    {"quit", 1, "QUIT"},
    {"time", 2, "TIME"},
});

inline constexpr auto channel_forms = std::to_array<Form>({
    {"subscribe", 4, "SUBSCRIBE channel+"},
    {"psubscribe", 4, "PSUBSCRIBE channel_pattern+"},
    {"ssubscribe", 4, "SSUBSCRIBE channel+"},
    {"unsubscribe", 4, "UNSUBSCRIBE [channel+]"},
    {"punsubscribe", 4, "PUNSUBSCRIBE [channel_pattern+]"},
    {"sunsubscribe", 4, "SUNSUBSCRIBE [channel+]"},
    {"publish", 8, "PUBLISH channel message"},
    {"spublish", 6, "SPUBLISH channel message"},
    {"pubsub|channels", 3, "PUBSUB CHANNELS [channel_pattern]"},
    {"pubsub|numsub", 3, "PUBSUB NUMSUB [channel+]"},
    {"pubsub|help", 1, "PUBSUB HELP"},
    {"pubsub|numpat", 2, "PUBSUB NUMPAT"},
    {"pubsub|shardchannels", 3, "PUBSUB SHARDCHANNELS [channel_pattern]"},
    {"pubsub|shardnumsub", 3, "PUBSUB SHARDNUMSUB [channel+]"},
});

inline const std::vector<Form>& all_forms() {
    static const std::vector<Form> all = [] {
        std::vector<Form> forms;
        const auto add = [&](const auto& some) {
            forms.insert(forms.end(), some.begin(), some.end());
        };
        add(list_forms);
        add(stream_forms);
        add(key_forms);
        add(string_forms);
        add(set_forms);
        add(hash_forms);
        add(sorted_set_forms);
        add(channel_forms);
        add(other_forms);
        return forms;
    }();
    return all;
}

}  // namespace runnel::test::differential
