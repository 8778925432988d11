// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/core/group_state.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/encode.hpp>
#include <runnel/redis/group_steps.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/stream_value.hpp>
#include <runnel/redis/stream_words.hpp>
#include <runnel/redis/waits.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// ---- XREAD and XREADGROUP [GROUP group consumer] [option…] STREAMS key… id…

struct ReadWords {
    std::size_t count = 0;               // of each stream; 0: no limit
    std::optional<std::size_t> most{};   // of all streams. Redis: MAXCOUNT
    std::optional<std::size_t> bytes{};  // Redis: MAXSIZE
    bool is_blocking = false;
    std::optional<std::int64_t> timeout{};  // nothing: for ever
    bool has_group = false;
    std::string_view group{};
    std::string_view consumer{};
    std::optional<Milliseconds> min_idle{};  // Redis: CLAIM
    bool is_acknowledged = false;            // Redis: NOACK
    Words keys{};
    Words ids{};
    std::size_t first_id = 0;  // which word that is
};

class ReadWordReader {
public:
    ReadWordReader(const Call& call, bool is_of_group) noexcept
        : call_{call}, is_of_group_{is_of_group} {}

    [[nodiscard]] ReadWords read() {
        for (at_ = 1; words_.keys.empty(); ++at_)
            if (at_ == call_.size() ||
                (!read_limit() && !read_block() && !read_group() && !read_streams()))
                refuse_syntax();
        if (is_of_group_ && !words_.has_group) refuse("ERR Missing GROUP option for XREADGROUP");
        if (words_.most && *words_.most < words_.count)
            refuse("ERR MAXCOUNT must be greater than or equal to COUNT");
        return words_;
    }

private:
    // Whether `option` is here, with so many words behind it; goes on to the first of them.
    [[nodiscard]] bool take(std::string_view option, std::size_t values = 1) noexcept {
        if (!call_.is_option(call_[at_], option) || call_.size() - at_ <= values) return false;
        if (values != 0) ++at_;
        return true;
    }

    bool read_limit() {
        if (take("COUNT"))
            words_.count = static_cast<std::size_t>(std::max<std::int64_t>(0, call_.integer(at_)));
        else if (take("MAXCOUNT"))
            words_.most = positive_count(call_[at_], "ERR MAXCOUNT must be a positive integer");
        else if (take("MAXSIZE"))
            words_.bytes = positive_count(call_[at_], "ERR MAXSIZE must be a positive integer");
        else
            return false;
        return true;
    }

    bool read_block() {
        if (!take("BLOCK")) return false;
        words_.is_blocking = true;
        // What was allowed when the command was parked stays so.
        words_.timeout = timeout_in_milliseconds(call_[at_], call_.is_again() ? 0 : call_.now());
        return true;
    }

    bool read_group() {
        if (take("GROUP", 2)) {
            check_is_of_group("GROUP");
            words_.has_group = true;
            words_.group = call_[at_];
            words_.consumer = call_[++at_];
        } else if (take("NOACK", 0)) {
            check_is_of_group("NOACK");
            words_.is_acknowledged = true;
        } else if (take("CLAIM")) {
            check_is_of_group("CLAIM");
            words_.min_idle =
                integer_or(call_[at_], "ERR min-idle-time is not an integer or out of range");
            if (*words_.min_idle < 0) refuse("ERR min-idle-time must be a positive integer");
        } else {
            return false;
        }
        return true;
    }
    void check_is_of_group(const char* option) const {
        if (is_of_group_) return;
        refuse("ERR The " + std::string{option} +
               " option is only supported by XREADGROUP. You called XREAD instead.");
    }

    bool read_streams() {
        if (!take("STREAMS")) return false;
        const Words all = call_.words_from(at_);
        if (all.size() % 2 != 0) refuse_unbalanced();
        words_.keys = all.first(all.size() / 2);
        words_.ids = all.subspan(all.size() / 2);
        words_.first_id = at_ + words_.keys.size();
        return true;
    }
    [[noreturn]] void refuse_unbalanced() const {
        refuse(is_of_group_ ? "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an "
                              "ID or '>' must be specified."
                            : "ERR Unbalanced 'xread' list of streams: for each stream key an ID, "
                              "'+', or '$' must be specified.");
    }

    const Call& call_;
    const bool is_of_group_;
    std::size_t at_ = 0;
    ReadWords words_{};
};

// The reply of a read while it is made: streams, each with some of its entries, within the limits.
class ReadReply {
public:
    ReadReply(const Call& call, const ReadWords& words) noexcept : call_{call}, words_{words} {}

    [[nodiscard]] bool empty() const noexcept { return streams_.empty(); }

    // Whether nothing more is to come: neither an entry nor a stream.
    [[nodiscard]] bool is_full() const noexcept {
        if (words_.most && total_ == *words_.most) return true;
        return words_.bytes && total_ != 0 && bytes_ >= *words_.bytes;
    }
    // Whether one more entry of this stream is to come.
    [[nodiscard]] bool has_room() const noexcept {
        return (words_.count == 0 || entries_.size() != words_.count) && !is_full();
    }

    void begin(std::string_view key) {
        key_ = bulk(key);
        if (!call_.is_resp3()) count("*2\r\n");
        count(key_);
    }
    void add(Reply entry) {
        count(entry);
        entries_.push_back(std::move(entry));
        ++total_;
    }
    void end() {
        // Redis writes how many there are last.
        count("*" + std::to_string(entries_.size()) + "\r\n");
        Reply entries = Reply::array(std::exchange(entries_, {}));
        if (call_.is_resp3()) {
            streams_.push_back(std::move(key_));
            streams_.push_back(std::move(entries));
        } else {
            streams_.push_back(Reply::array({std::move(key_), std::move(entries)}));
        }
    }

    [[nodiscard]] Reply take() { return call_.map(std::move(streams_)); }

private:
    void count(std::string_view bytes) noexcept { bytes_ += bytes.size(); }
    void count(const Reply& reply) {
        if (!words_.bytes) return;
        std::string encoded;
        append_reply(encoded, reply, call_.is_resp3() ? Protocol::resp3 : Protocol::resp2);
        count(encoded);
    }

    const Call& call_;
    const ReadWords& words_;
    std::vector<Reply> streams_;
    Reply key_;
    std::vector<Reply> entries_;
    std::size_t total_ = 0;
    std::size_t bytes_ = 0;  // of what is encoded so far
};

// For a read that has found nothing.
[[nodiscard]] inline Block wait_for_entries(const Call& call, const ReadWords& words,
                                            WaitsFor what) {
    return {.keys = {words.keys.begin(), words.keys.end()},
            .what = what,
            .timeout = words.timeout,
            .otherwise = call.null_array()};
}

// ---- XREAD

// Behind which entry to read.
[[nodiscard]] inline StreamId read_position(const Call& call, const StreamValue* stream,
                                            std::string_view word) {
    if (word == ">")
        refuse("ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
               "<consumer> option.");
    if (word == "$") return stream != nullptr ? stream->log.last_id() : StreamId{};
    if (word != "+" || !call.has("+")) return stream_id(word);
    const auto last = stream != nullptr ? stream->log.last() : StreamValue::Place{};
    return last ? last.id().previous().value_or(StreamId{}) : StreamId{};
}

// Where XREAD reads a stream from.
struct ReadFrom {
    std::string_view key;
    const StreamValue* stream;  // null: the key does not exist
    StreamId after;
};

[[nodiscard]] inline std::vector<ReadFrom> read_positions(const Call& call,
                                                          const ReadWords& words) {
    std::vector<ReadFrom> all;
    for (std::size_t n = 0; n != words.keys.size(); ++n) {
        const StreamValue* const stream = call.find<StreamValue>(words.keys[n]);
        all.push_back({words.keys[n], stream, read_position(call, stream, words.ids[n])});
    }
    return all;
}

inline void read_entries(const ReadFrom& from, ReadReply& reply) {
    if (from.stream == nullptr) return;
    auto entry = from.stream->log.after(from.after);
    if (!entry) return;
    reply.begin(from.key);
    for (; entry && reply.has_room(); entry = StreamValue::Log::next(entry))
        reply.add(reply_of(entry));
    reply.end();
}

inline Reply xread(Call& call) {
    const ReadWords words = ReadWordReader{call, false}.read();
    const std::vector<ReadFrom> all = read_positions(call, words);
    ReadReply reply{call, words};
    for (const ReadFrom& from : all) {
        if (reply.is_full()) break;
        read_entries(from, reply);
    }
    if (!reply.empty()) return reply.take();
    if (!words.is_blocking) return call.null_array();
    Block block = wait_for_entries(call, words, WaitsFor::stream);
    for (std::size_t n = 0; n != all.size(); ++n)
        if (words.ids[n] == "$")
            block.replaced.emplace_back(words.first_id + n, to_string(all[n].after));
    return call.block(std::move(block));
}

// ---- XREADGROUP

[[noreturn]] inline void refuse_group_position(const std::string& word) {
    refuse("ERR The " + word +
           " ID is meaningless in the context of XREADGROUP: you want to read the history of this "
           "consumer by specifying a proper ID, or use the > ID to get new messages. The " +
           word + " ID would just return an empty result set.");
}

// What is new has the greatest id as its position, as in Redis.
[[nodiscard]] inline StreamId group_position(const Call& call, std::string_view word) {
    if (word == "$" || (word == "+" && call.has("+"))) refuse_group_position(std::string{word});
    return word == ">" ? StreamId::max() : stream_id(word);
}

class GroupRead {
public:
    explicit GroupRead(Call& call) : call_{call} {}

    [[nodiscard]] Reply carry_out() {
        find_groups();
        for (const From& from : all_) {
            if (reply_.is_full()) break;
            ConsumerRecord& consumer = steps_.caller(from.at, words_.consumer);
            if (from.after == StreamId::max())
                read_new(from.at, consumer);
            else
                read_history(from.at, consumer, from.after);
        }
        Reply reply = reply_.empty() ? found_nothing() : reply_.take();
        steps_.done();
        return reply;
    }

private:
    struct From {
        GroupAt at;
        StreamId after;
    };

    void find_groups() {
        for (std::size_t n = 0; n != words_.keys.size(); ++n) {
            const GroupAt at =
                group_of(call_, words_.keys[n], words_.group, " in XREADGROUP with GROUP option");
            all_.push_back({at, group_position(call_, words_.ids[n])});
        }
    }

    // What was not delivered yet, behind what is to be claimed.
    void read_new(const GroupAt& at, ConsumerRecord& consumer) {
        const StreamValue::Log& log = at.stream->log;
        const bool has_idle = claims_ && has_claimable(at);
        auto entry = log.after(at.group->last_delivered());
        if (!has_idle && !entry) return;
        reply_.begin(at.key);
        if (has_idle) claim(at, consumer);
        if (entry && reply_.has_room()) steps_.begin_to_deliver(at);
        const LogFacts facts = log.facts();
        for (; entry && reply_.has_room(); entry = StreamValue::Log::next(entry)) {
            reply_.add(claims_ ? claimed_reply(entry, 0, 0) : reply_of(entry));
            steps_.deliver(at, entry.id(), consumer, facts, words_.is_acknowledged);
        }
        reply_.end();
    }

    // The entries that the consumer has pending.
    void read_history(const GroupAt& at, const ConsumerRecord& consumer, StreamId after) {
        claims_ = false;  // also in the streams behind, as in Redis
        const PendingEntries& pending = at.group->pending();
        reply_.begin(at.key);
        auto place = PendingEntries::next_of(consumer.number, pending.lower_bound(*after.next()));
        while (place && reply_.has_room()) {
            if (const auto entry = at.stream->log.find(PendingEntries::id(place))) {
                reply_.add(reply_of(entry));
                steps_.deliver_again(at, place, consumer);
            } else {
                reply_.add(Reply::array({reply_of(PendingEntries::id(place)), call_.null_array()}));
            }
            place = PendingEntries::next_of(consumer.number, PendingEntries::next(place));
        }
        reply_.end();
    }

    // ---- claiming

    // Null: nothing is pending that is still in the stream.
    [[nodiscard]] static const TimedEntry* longest_idle(const GroupAt& at) {
        return at.group->longest_idle(
            [&](const StreamId& id) { return static_cast<bool>(at.stream->log.find(id)); });
    }
    [[nodiscard]] bool has_claimable(const GroupAt& at) const {
        const TimedEntry* const first = longest_idle(at);
        return first != nullptr && GroupState::is_claimable(*first, *words_.min_idle, call_.now());
    }

    void claim(const GroupAt& at, ConsumerRecord& consumer) {
        const PendingEntries& pending = at.group->pending();
        const ClaimRules rules{.delivered = call_.now()};
        at.group->look_for_longest_idle(
            *words_.min_idle, call_.now(),
            [&](const TimedEntry& one) { return at.stream->log.find(one.id); },
            [&](const TimedEntry& idle, StreamValue::Place entry) {
                if (!reply_.has_room()) return false;
                reply_.add(claimed_reply(entry, GroupState::idle_time(idle, call_.now()),
                                         PendingEntries::deliveries(pending.find(entry.id()))));
                steps_.take(at, entry.id(), consumer, rules);
                return true;
            });
    }

    // With CLAIM an entry also tells how long it was idle, and how often it was delivered before.
    [[nodiscard]] static Reply claimed_reply(StreamValue::Place entry, Milliseconds idle,
                                             std::uint64_t deliveries) {
        return Reply::array(
            {reply_of(entry.id()), entry.value(), Reply::integer(idle), reply_count(deliveries)});
    }

    // ---- waiting

    [[nodiscard]] Reply found_nothing() {
        if (!words_.is_blocking) return call_.null_array();
        Block block = wait_for_entries(call_, words_, WaitsFor::group);
        if (words_.min_idle) block.again_at = next_claim();
        return call_.block(std::move(block));
    }

    // When the first entry has been idle for long enough. Without any: when one could have been
    // that is delivered now. No sooner than the next millisecond, so that time goes on.
    [[nodiscard]] Milliseconds next_claim() const {
        std::optional<Milliseconds> first;
        for (const From& from : all_)
            if (const TimedEntry* const one = longest_idle(from.at))
                first = std::min(first.value_or(one->time_ms), one->time_ms);
        constexpr auto last = std::numeric_limits<Milliseconds>::max();
        const Milliseconds from = first.value_or(call_.now());
        const Milliseconds at = from > last - *words_.min_idle ? last : from + *words_.min_idle;
        return std::max(at, call_.now() + 1);
    }

    Call& call_;
    const ReadWords words_{ReadWordReader{call_, true}.read()};
    bool claims_ = words_.min_idle.has_value();
    std::vector<From> all_{};
    ReadReply reply_{call_, words_};
    GroupSteps steps_{call_};
};

inline Reply xreadgroup(Call& call) {
    return GroupRead{call}.carry_out();
}

inline constexpr auto newer_in_reads = std::to_array<NewerPart>({
    {"+", {7, 4}},
    {"CLAIM", {8, 4}},
    {"MAXCOUNT", {8, 10}},
    {"MAXSIZE", {8, 10}},
});

inline constexpr auto stream_read_commands = std::to_array<CommandInfo>({
    {"xread", -4, Flag::blocking, {}, {5, 0}, xread, newer_in_reads},
    {"xreadgroup", -7, Flag::write | Flag::blocking, {}, {5, 0}, xreadgroup, newer_in_reads},
});

}  // namespace runnel::inline v0::redis::detail
