// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/blocks/segmented_log.hpp>
#include <runnel/detail/core/id_range.hpp>
#include <runnel/detail/core/macro_nodes.hpp>
#include <runnel/detail/core/producers.hpp>
#include <runnel/detail/core/references.hpp>
#include <runnel/detail/core/stream_facts.hpp>
#include <runnel/detail/core/stream_position.hpp>
#include <runnel/detail/core/stream_trim.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/options.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/stream_value.hpp>
#include <runnel/redis/stream_words.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// The commands of streams, but for reads and groups.

// Tells what the rules of streams remove.
class ToldByStream {
public:
    ToldByStream(const Call& call, std::string_view key) noexcept : call_{call}, key_{key} {}

    void erased(StreamId id) noexcept { tell(Change::What::entry_removed, id); }
    void trimmed(StreamId id) noexcept { tell(Change::What::entry_trimmed, id); }
    void dropped(std::string_view group, StreamId id) noexcept {
        tell(Change::What::acknowledged, id, group);
    }

private:
    void tell(Change::What what, StreamId id, std::string_view group = {}) noexcept {
        call_.tell({.what = what, .key = key_, .group = group, .id = id});
    }

    const Call& call_;
    std::string_view key_;
};

// ---- options that several commands have

[[nodiscard]] inline std::optional<References> parse_references(const Call& call,
                                                                std::string_view word) noexcept {
    if (call.is_option(word, "KEEPREF")) return References::keep;
    if (call.is_option(word, "DELREF")) return References::drop;
    if (call.is_option(word, "ACKED")) return References::acknowledged;
    return std::nullopt;
}

// The options of XADD and XTRIM that tell what to trim.
class TrimOptions {
public:
    // Reads the option at `at`, and its arguments, and moves behind them. False: there is no such
    // option. Throws: Refusal.
    [[nodiscard]] bool read(const Call& call, std::size_t& at) {
        const std::string_view option = call[at];
        const bool has_argument = at + 1 < call.size();
        if (has_argument && (is(option, "MAXLEN") || is(option, "MINID"))) {
            read_threshold(call, at);
        } else if (has_argument && is(option, "LIMIT")) {
            read_limit(call.integer(at + 1));
            at += 2;
        } else if (const auto references = parse_references(call, option);
                   references && !references_) {
            references_ = references;
            ++at;
        } else {
            return false;
        }
        return true;
    }

    [[nodiscard]] bool trims() const noexcept { return rules_.length || rules_.before; }

    // The rules, when all options are read. Throws: Refusal.
    [[nodiscard]] TrimRules rules(const Settings& settings) const {
        if (limit_ && !rules_.whole_nodes)
            refuse("ERR syntax error, LIMIT cannot be used without the special ~ option");
        TrimRules rules = rules_;
        rules.references = references_.value_or(References::keep);
        if (limit_) {
            if (*limit_ != 0) rules.limit = *limit_;
        } else if (rules.whole_nodes) {
            rules.limit = TrimRules::usual_limit(settings.stream_node_max_entries);
        }
        return rules;
    }

    // To be called before rules(). Throws: Refusal.
    void expect_what_to_limit() const {
        if (limit_.value_or(0) != 0 && !trims())
            refuse("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
    }

private:
    void read_threshold(const Call& call, std::size_t& at) {
        if (trims())
            refuse("ERR syntax error, MAXLEN and MINID options at the same time are not "
                   "compatible");
        const bool is_length = is(call[at], "MAXLEN");
        ++at;
        const bool has_sign = at + 1 < call.size() && (call[at] == "~" || call[at] == "=");
        rules_.whole_nodes = has_sign && call[at] == "~";
        if (has_sign) ++at;
        if (is_length) {
            rules_.length = not_negative(call.integer(at), "MAXLEN");
        } else {
            rules_.before = stream_id(call[at]);
        }
        ++at;
    }

    void read_limit(std::int64_t limit) { limit_ = not_negative(limit, "LIMIT"); }

    [[nodiscard]] static std::uint64_t not_negative(std::int64_t number, std::string_view option) {
        if (number < 0) refuse("ERR The " + std::string{option} + " argument must be >= 0.");
        return static_cast<std::uint64_t>(number);
    }

    TrimRules rules_;
    std::optional<std::uint64_t> limit_;
    std::optional<References> references_;
};

// Trims a stream, and tells it. Returns how many entries were trimmed.
inline std::size_t trim(const Call& call, StreamValue& stream, const TrimRules& rules,
                        Disposal<Fields>& disposal) noexcept {
    ToldByStream told{call, call[1]};
    return trim_stream(stream.noded_log(), stream.groups, rules, disposal, told);
}

// ---- XADD

// The words of XADD before the names and values.
class AddOptions {
public:
    // Throws: Refusal.
    explicit AddOptions(const Call& call) {
        std::size_t at = 2;
        while (at != call.size() && call[at] != "*" && read_option(call, at)) {
        }
        if (at != call.size()) read_id(call[at++]);
        first_name_ = at;
        trim_.expect_what_to_limit();
        rules_ = trim_.rules(call.settings());
    }

    [[nodiscard]] const WantedId& id() const noexcept { return id_; }
    [[nodiscard]] bool makes_stream() const noexcept { return makes_stream_; }
    // Null: it trims nothing.
    [[nodiscard]] const TrimRules* trim() const noexcept {
        return trim_.trims() ? &rules_ : nullptr;
    }
    // Where the names and values begin.
    [[nodiscard]] std::size_t first_name() const noexcept { return first_name_; }

    // Empty: it is not said who sends the entry.
    [[nodiscard]] std::string_view producer() const noexcept { return producer_; }
    // By what id the producer knows an entry of these names and values. Throws: std::bad_alloc.
    [[nodiscard]] std::string sent_id(Words words) const {
        return sent_id_.empty() ? id_of_words(words) : std::string{sent_id_};
    }

private:
    // Reads the option at `at`, and moves behind it. False: there is none.
    [[nodiscard]] bool read_option(const Call& call, std::size_t& at) {
        if (is(call[at], "NOMKSTREAM")) {
            makes_stream_ = false;
            ++at;
            return true;
        }
        return read_producer(call, at) || trim_.read(call, at);
    }

    [[nodiscard]] bool read_producer(const Call& call, std::size_t& at) {
        const std::size_t arguments = call.size() - at - 1;
        const bool names_id = call.is_option(call[at], "IDMP") && arguments >= 2;
        const bool is_named_by_words = call.is_option(call[at], "IDMPAUTO") && arguments >= 1;
        if (!names_id && !is_named_by_words) return false;
        if (!producer_.empty()) refuse("ERR syntax error, IDMP/IDMPAUTO specified multiple times");
        producer_ = call[at + 1];
        if (producer_.empty())
            refuse(names_id ? "ERR syntax error, IDMP requires a non-empty producer ID"
                            : "ERR syntax error, IDMPAUTO requires a non-empty producer ID");
        if (names_id) {
            sent_id_ = call[at + 2];
            if (sent_id_.empty())
                refuse("ERR syntax error, IDMP requires a non-empty idempotent ID");
        }
        at += names_id ? 3 : 2;
        return true;
    }

    void read_id(std::string_view word) {
        const auto id = WantedId::parse(word);
        if (!id) refuse_id();
        if (!producer_.empty() && id->kind != WantedId::Kind::any)
            refuse("ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs");
        id_ = *id;
    }

    TrimOptions trim_;
    TrimRules rules_;
    WantedId id_;
    bool makes_stream_ = true;
    std::string_view producer_;
    std::string_view sent_id_;
    std::size_t first_name_ = 0;
};

// The id of a new entry. Throws: Refusal.
[[nodiscard]] inline StreamId new_id(const WantedId& wanted, StreamId last, Milliseconds now) {
    const auto since_1970 = static_cast<std::uint64_t>(std::max<Milliseconds>(now, 0));
    const GivenId given = give_id(wanted, last, since_1970);
    if (given.refusal == IdRefusal::exhausted)
        refuse("ERR The stream has exhausted the last possible ID, unable to add more items");
    if (given.refusal == IdRefusal::not_greater)
        refuse("ERR The ID specified in XADD is equal or smaller than the target stream top item");
    return given.id;
}

// The names and values of an entry. Throws: Refusal, std::bad_alloc.
[[nodiscard]] inline Fields fields_of(Words words) {
    std::uint64_t bytes = 0;
    for (const std::string_view word : words) bytes += word.size();
    if (bytes > MacroNodeLimits::most_bytes) refuse("ERR Elements are too large to be stored");
    std::vector<Reply> fields;
    fields.reserve(words.size());
    for (const std::string_view word : words) fields.push_back(bulk(word));
    return Reply::array(std::move(fields));
}

// The names and values of XADD. Throws: Refusal.
[[nodiscard]] inline Words words_to_add(const Call& call, const AddOptions& options) {
    const Words words = call.words_from(options.first_name());
    if (words.empty() || words.size() % 2 != 0) call.refuse_arity();
    if (options.id().kind == WantedId::Kind::exact && options.id().id == StreamId{})
        refuse("ERR The ID specified in XADD must be greater than 0-0");
    return words;
}

// What the producer of an entry sends.
struct SentByProducer {
    std::optional<Reply> known{};  // it was sent before: the answer
    Producers::Prepared prepared{};
};

// Throws: std::bad_alloc.
[[nodiscard]] inline SentByProducer prepare_sent(const Call& call, StreamValue& stream,
                                                 const AddOptions& options, Words words) {
    if (options.producer().empty()) return {};
    Producers& producers = stream.producers;
    producers.expire(call.now());
    const std::string id = options.sent_id(words);
    if (const StreamId* const entry = producers.find(options.producer(), id)) {
        Reply reply = reply_of(*entry);
        producers.count_duplicate();
        return {std::move(reply)};
    }
    return {std::nullopt, producers.prepare(options.producer(), id)};
}

[[nodiscard]] inline MacroNodeLimits node_limits(const Call& call) noexcept {
    return {call.settings().stream_node_max_entries, call.settings().stream_node_max_bytes};
}

inline Reply xadd(Call& call) {
    const AddOptions options{call};
    const Words words = words_to_add(call, options);
    const std::string_view key = call[1];
    if (!options.makes_stream() && call.find<StreamValue>(key) == nullptr) return call.null();
    Disposal<Fields> disposal;
    auto stream = call.find_or_make<StreamValue>(key, call.settings());
    SentByProducer sent = prepare_sent(call, *stream, options, words);
    if (sent.known) return *std::move(sent.known);
    const StreamId id = new_id(options.id(), stream->log.last_id(), call.now());
    Fields fields = fields_of(words);
    Reply reply = reply_of(id);
    auto node = stream->nodes.prepare(id, words, node_limits(call));
    stream->log.reserve(id, disposal);

    stream.commit();
    stream->log.append(id, std::move(fields));
    stream->nodes.append(std::move(node));
    if (sent.prepared) stream->producers.add(std::move(sent.prepared), id);
    call.tell({.what = Change::What::entry_added, .key = key, .id = id});
    if (options.trim() != nullptr) trim(call, *stream, *options.trim(), disposal);
    return reply;
}

// ---- XTRIM

inline Reply xtrim(Call& call) {
    TrimOptions options;
    for (std::size_t at = 2; at != call.size();)
        if (!options.read(call, at)) refuse_syntax();
    options.expect_what_to_limit();
    if (!options.trims()) refuse("ERR syntax error, XTRIM must be called with a trimming strategy");
    const TrimRules rules = options.rules(call.settings());
    auto* const stream = call.find<StreamValue>(call[1]);
    if (stream == nullptr) return Reply::integer(0);
    Disposal<Fields> disposal;
    return reply_count(trim(call, *stream, rules, disposal));
}

// ---- looking

inline Reply xlen(Call& call) {
    const auto* const stream = call.find<StreamValue>(call[1]);
    return reply_count(stream != nullptr ? stream->log.size() : 0);
}

// The number after COUNT, from `at` on. Nothing: there is none. Throws: Refusal.
[[nodiscard]] inline std::optional<std::size_t> count_option(const Call& call, std::size_t at) {
    std::optional<std::size_t> count;
    for (; at != call.size(); at += 2) {
        if (!is(call[at], "COUNT") || at + 1 == call.size()) refuse_syntax();
        count = static_cast<std::size_t>(std::max<std::int64_t>(call.integer(at + 1), 0));
    }
    return count;
}

using EntriesIn = std::vector<Reply> (*)(const StreamValue&, IdRange, std::size_t);

[[nodiscard]] inline Reply reply_with_range(const Call& call, IdRange range, EntriesIn entries_of) {
    const auto count = count_option(call, 4);
    const auto* const stream = call.find<StreamValue>(call[1]);
    if (stream == nullptr) return Reply::array(std::vector<Reply>{});
    if (count == std::size_t{0}) return call.null_array();
    return Reply::array(entries_of(*stream, range, count.value_or(stream->log.size())));
}

inline Reply xrange(Call& call) {
    const StreamId first = range_first(call[2]);
    return reply_with_range(call, {first, range_last(call[3])}, entries_in);
}

inline Reply xrevrange(Call& call) {
    const StreamId first = range_first(call[3]);
    return reply_with_range(call, {first, range_last(call[2])}, entries_back_in);
}

// ---- erasing

inline Reply xdel(Call& call) {
    auto* const stream = call.find<StreamValue>(call[1]);
    if (stream == nullptr) return Reply::integer(0);
    const std::vector<StreamId> ids = stream_ids(call.words_from(2));
    Disposal<Fields> disposal;
    ToldByStream told{call, call[1]};
    std::int64_t erased = 0;
    for (const StreamId id : ids)
        if (erase_entry(stream->noded_log(), stream->groups, id, References::keep, disposal,
                        told) == Erasure::done)
            ++erased;
    return Reply::integer(erased);
}

// The words of XDELEX and XACKDEL from `at` on.
class ErasureOptions {
public:
    // Throws: Refusal.
    ErasureOptions(const Call& call, std::size_t at) {
        while (at != call.size()) at = read_option(call, at);
        if (ids_.empty()) refuse("ERR IDS option is required");
    }

    [[nodiscard]] Words ids() const noexcept { return ids_; }
    [[nodiscard]] References references() const noexcept {
        return references_.value_or(References::keep);
    }

private:
    // Returns where the next option stands.
    [[nodiscard]] std::size_t read_option(const Call& call, std::size_t at) {
        if (const auto references = parse_references(call, call[at]); references && !references_) {
            references_ = references;
            return at + 1;
        }
        if (!is(call[at], "IDS") || at + 1 == call.size()) refuse_syntax();
        const std::size_t count =
            positive_count(call[at + 1], "ERR Number of IDs must be a positive integer");
        const Words rest = call.words_from(at + 2);
        if (count > rest.size())
            refuse("ERR The `numids` parameter must match the number of arguments");
        ids_ = rest.first(count);
        return at + 2 + ids_.size();
    }

    Words ids_;
    std::optional<References> references_;
};

[[nodiscard]] inline Reply absent_for_all(Words ids) {
    return Reply::array(std::vector<Reply>(ids.size(), Reply::integer(-1)));
}

// One integer for each id, which `erase(id)` returns as an Erasure and does not throw.
template <typename Erase>
[[nodiscard]] Reply erase_each(Words words, Erase erase) {
    const std::vector<StreamId> ids = stream_ids(words);
    const auto replies = std::make_shared<std::vector<Reply>>(ids.size());
    std::ranges::transform(ids, replies->begin(), [&erase](StreamId id) {
        return Reply::integer(static_cast<std::int64_t>(erase(id)));
    });
    return Reply::shared_array(replies);
}

inline Reply xdelex(Call& call) {
    auto* const stream = call.find<StreamValue>(call[1]);
    const ErasureOptions options{call, 2};
    if (stream == nullptr) return absent_for_all(options.ids());
    Disposal<Fields> disposal;
    ToldByStream told{call, call[1]};
    return erase_each(options.ids(), [&](StreamId id) noexcept {
        return erase_entry(stream->noded_log(), stream->groups, id, options.references(), disposal,
                           told);
    });
}

inline Reply xackdel(Call& call) {
    auto* const stream = call.find<StreamValue>(call[1]);
    const ErasureOptions options{call, 3};
    if (stream == nullptr) return absent_for_all(options.ids());
    const auto group = stream->groups.find(call[2]);
    if (group == stream->groups.end()) return absent_for_all(options.ids());
    Disposal<Fields> disposal;
    ToldByStream told{call, call[1]};
    return erase_each(options.ids(), [&](StreamId id) noexcept {
        return acknowledge_and_erase(stream->noded_log(), stream->groups, group, id,
                                     options.references(), disposal, told);
    });
}

// ---- XSETID

// Throws: Refusal.
[[nodiscard]] inline StreamPosition position_in(const Call& call) {
    StreamPosition position{.last_id = stream_id(call[2])};
    for (std::size_t at = 3; at != call.size(); at += 2) {
        const bool has_argument = at + 1 != call.size();
        if (has_argument && is(call[at], "ENTRIESADDED")) {
            const std::int64_t added = call.integer(at + 1);
            if (added < 0) refuse("ERR entries_added must be positive");
            position.entries_added = static_cast<std::uint64_t>(added);
        } else if (has_argument && is(call[at], "MAXDELETEDID")) {
            position.max_deleted_id = stream_id(call[at + 1]);
            if (!is_consistent(position))
                refuse("ERR The ID specified in XSETID is smaller than the provided "
                       "max_deleted_entry_id");
        } else {
            refuse_syntax();
        }
    }
    return position;
}

// Throws: Refusal.
inline void expect_allowed(const StreamPosition& position, const StreamValue& stream) {
    const auto last = stream.log.last();
    switch (check_position(position, stream.log.facts(), last ? last.id() : StreamId{})) {
    case PositionRefusal::none:
        return;
    case PositionRefusal::less_than_max_deleted:
        refuse("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
    case PositionRefusal::less_than_last_entry:
        refuse("ERR The ID specified in XSETID is smaller than the target stream top item");
    case PositionRefusal::fewer_added_than_there_are:
        refuse("ERR The entries_added specified in XSETID is smaller than the target stream "
               "length");
    }
}

inline Reply xsetid(Call& call) {
    const StreamPosition position = position_in(call);
    auto& stream = call.get<StreamValue>(call[1]);
    expect_allowed(position, stream);
    Reply reply = reply_ok();
    stream.log.set_position(position);
    const std::uint64_t added = stream.log.facts().entries_added;
    for (auto& [name, group] : stream.groups) group.limit_entries_read(added);
    call.tell({.what = Change::What::last_id_set, .key = call[1], .id = position.last_id});
    return reply;
}

// ---- producers

// A number that XCFGSET sets, which must be from 1 to `most`, and may be set once.
struct ProducerOption {
    std::string_view name;
    std::int64_t most;
    std::string_view unit;

    // Throws: Refusal.
    void read(std::string_view word, std::optional<std::int64_t>& into) const {
        const std::string text = "ERR " + std::string{name};
        if (into) refuse(text + " specified multiple times");
        into = integer(word);
        if (*into < 1 || *into > most)
            refuse(text + " must be between 1 and " + std::to_string(most) + " " +
                   std::string{unit});
    }
};

inline Reply xcfgset(Call& call) {
    constexpr ProducerOption duration{"IDMP-DURATION", 86'400, "seconds"};
    constexpr ProducerOption size{"IDMP-MAXSIZE", 10'000, "entries"};
    auto& stream = call.get<StreamValue>(call[1]);
    std::optional<std::int64_t> seconds;
    std::optional<std::int64_t> ids;
    for (std::size_t at = 2; at != call.size(); at += 2) {
        const bool has_argument = at + 1 != call.size();
        if (has_argument && is(call[at], duration.name)) {
            duration.read(call[at + 1], seconds);
        } else if (has_argument && is(call[at], size.name)) {
            size.read(call[at + 1], ids);
        } else {
            refuse_syntax();
        }
    }
    if (!seconds && !ids) refuse("ERR At least one parameter must be specified");
    Reply reply = reply_ok();
    const ProducerLimits before = stream.producers.limits();
    stream.producers.set_limits({seconds.value_or(before.seconds), ids.value_or(before.ids)});
    call.tell({.what = Change::What::producers_set, .key = call[1]});
    return reply;
}

inline Reply xidmprecord(Call& call) {
    const std::string_view producer = call[2];
    const std::string_view sent = call[3];
    const StreamId id = stream_id(call[4]);
    if (producer.empty()) refuse("ERR producer ID must be non-empty");
    if (sent.empty()) refuse("ERR idempotent ID must be non-empty");
    auto& stream = call.get<StreamValue>(call[1]);
    if (!stream.log.find(id)) refuse("ERR No such message in stream");
    stream.producers.expire(call.now());
    Reply reply = reply_ok();
    if (const StreamId* const known = stream.producers.find(producer, sent)) {
        if (*known != id)
            refuse("ERR IID already exists for this producer with a different stream ID");
        return reply;
    }
    auto prepared = stream.producers.prepare(producer, sent);
    stream.producers.add(std::move(prepared), id);
    call.tell({.what = Change::What::producers_set, .key = call[1], .id = id});
    return reply;
}

inline constexpr auto newer_in_xadd = std::to_array<NewerPart>({
    {"KEEPREF", {8, 2}},
    {"DELREF", {8, 2}},
    {"ACKED", {8, 2}},
    {"IDMP", {8, 6}},
    {"IDMPAUTO", {8, 6}},
});

inline constexpr auto stream_commands = std::to_array<CommandInfo>({
    {"xadd", -5, Flag::write, key_is_first, {5, 0}, xadd, newer_in_xadd},
    {"xlen", 2, Flag::none, key_is_first, {5, 0}, xlen},
    {"xrange", -4, Flag::none, key_is_first, {5, 0}, xrange},
    {"xrevrange", -4, Flag::none, key_is_first, {5, 0}, xrevrange},
    {"xdel", -3, Flag::write, key_is_first, {5, 0}, xdel},
    {"xtrim", -4, Flag::write, key_is_first, {5, 0}, xtrim, newer_in_xadd},
    {"xsetid", -3, Flag::write, key_is_first, {5, 0}, xsetid},
    {"xdelex", -5, Flag::write, key_is_first, {8, 2}, xdelex},
    {"xackdel", -6, Flag::write, key_is_first, {8, 2}, xackdel},
    {"xcfgset", -2, Flag::write, key_is_first, {8, 6}, xcfgset},
    {"xidmprecord", 5, Flag::write, key_is_first, {8, 6}, xidmprecord},
});

}  // namespace runnel::inline v0::redis::detail
