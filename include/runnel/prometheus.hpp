// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/snapshot.hpp>
#include <runnel/stats.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0 {

namespace detail {

// How many bytes at the front of `text`, which is not empty, make a character of UTF-8; 0: they
// make none.
// NOLINTNEXTLINE(readability-function-cognitive-complexity)
[[nodiscard]] constexpr std::size_t utf8_length(std::string_view text) noexcept {
    const auto byte = [text](std::size_t at) -> std::uint32_t {
        return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
    };
    const auto continues = [&](std::size_t from, std::size_t to) {
        for (; from != to; ++from)
            if ((byte(from) & 0xc0U) != 0x80U) return false;
        return true;
    };
    const std::uint32_t first = byte(0);
    const std::uint32_t two = first << 8U | byte(1);
    if (first < 0x80U) return 1;
    if (first >= 0xc2U && first < 0xe0U) return continues(1, 2) ? 2 : 0;
    // Not those that are too long, half of a pair of UTF-16, or beyond the last character.
    if (first >= 0xe0U && first < 0xf0U)
        return two >= 0xe0a0U && (two < 0xeda0U || two >= 0xee80U) && continues(1, 3) ? 3 : 0;
    return two >= 0xf090U && two < 0xf490U && continues(1, 4) ? 4 : 0;
}

// Writes families of samples.
class PrometheusText {
public:
    using Label = std::pair<std::string_view, std::string_view>;
    using Labels = std::initializer_list<Label>;

    enum class Type : bool { gauge, counter };

    void begin(std::string_view name, Type type, std::string_view help) {
        name_ = name;
        type_ = type;
        help_ = help;
        is_begun_ = false;
    }

    void add(Labels labels, std::uint64_t value) { add_line(labels, std::to_string(value)); }
    void add(Labels labels, bool value) { add_line(labels, value ? "1" : "0"); }
    void add(Labels labels, std::chrono::nanoseconds value) { add_line(labels, seconds(value)); }
    // Nothing: there is no sample.
    template <typename Value>
    void add(Labels labels, const std::optional<Value>& value) {
        if (value) add(labels, *value);
    }
    // The greatest number means that there is no limit.
    struct Limit {
        std::size_t value;
    };
    void add(Labels labels, Limit limit) {
        if (limit.value != std::numeric_limits<std::size_t>::max())
            return add(labels, std::uint64_t{limit.value});
        add_line(labels, "+Inf");
    }

    [[nodiscard]] std::string take() noexcept { return std::move(text_); }

private:
    void add_line(Labels labels, std::string_view value) {
        if (!std::exchange(is_begun_, true)) add_head();
        text_ += name_;
        char before = '{';
        for (const auto& [name, of] : labels) {
            text_ += before;
            text_ += name;
            text_ += "=\"";
            add_escaped(of);
            text_ += '"';
            before = ',';
        }
        if (labels.size() != 0) text_ += '}';
        text_ += ' ';
        text_ += value;
        text_ += '\n';
    }

    void add_head() {
        text_ += "# HELP ";
        text_ += name_;
        text_ += ' ';
        text_ += help_;
        text_ += "\n# TYPE ";
        text_ += name_;
        text_ += type_ == Type::counter ? " counter\n" : " gauge\n";
    }

    void add_escaped(std::string_view text) {
        while (!text.empty()) {
            const std::size_t length = utf8_length(text);
            if (text.front() == '\\' || text.front() == '"')
                (text_ += '\\') += text.front();
            else if (text.front() == '\n')
                text_ += "\\n";
            else if (length == 0)
                add_byte(static_cast<unsigned char>(text.front()));
            else
                text_ += text.substr(0, length);
            text.remove_prefix(std::max<std::size_t>(length, 1));
        }
    }
    void add_byte(unsigned char byte) {
        constexpr std::string_view digits = "0123456789abcdef";
        ((text_ += "\\\\x") += digits[byte / 16U]) += digits[byte % 16U];
    }

    [[nodiscard]] static std::string seconds(std::chrono::nanoseconds value) {
        constexpr std::uint64_t in_a_second = 1'000'000'000;
        const bool is_negative = value.count() < 0;
        const auto bits = static_cast<std::uint64_t>(value.count());
        const std::uint64_t all = is_negative ? 0 - bits : bits;
        std::string text = (is_negative ? "-" : "") + std::to_string(all / in_a_second);
        if (all % in_a_second == 0) return text;
        std::string fraction = std::to_string(in_a_second + all % in_a_second);
        fraction.front() = '.';
        fraction.erase(fraction.find_last_not_of('0') + 1);
        return text + fraction;
    }

    std::string text_;
    std::string_view name_;
    std::string_view help_;
    Type type_ = Type::gauge;
    bool is_begun_ = false;
};

// Adds families that have a sample for each of some things. `labels_of(thing, use)` calls
// use(labels), `value_of(thing)` is the value of the sample.
template <typename Things, typename LabelsOf>
class PrometheusFamilies {
public:
    using Type = PrometheusText::Type;

    PrometheusFamilies(PrometheusText& text, const Things& things, LabelsOf labels_of)
        : text_{text}, things_{things}, labels_of_{std::move(labels_of)} {}

    template <typename ValueOf>
    void gauge(std::string_view name, std::string_view help, ValueOf value_of) {
        add(name, Type::gauge, help, value_of);
    }
    template <typename ValueOf>
    void counter(std::string_view name, std::string_view help, ValueOf value_of) {
        add(name, Type::counter, help, value_of);
    }

private:
    template <typename ValueOf>
    void add(std::string_view name, Type type, std::string_view help, ValueOf value_of) {
        text_.begin(name, type, help);
        for (const auto& thing : things_)
            labels_of_(thing,
                       [&](PrometheusText::Labels labels) { text_.add(labels, value_of(thing)); });
    }

    PrometheusText& text_;
    const Things& things_;
    LabelsOf labels_of_;
};

inline void add_lists(PrometheusText& text, const std::vector<ListSnapshot>& lists) {
    using One = ListSnapshot;
    PrometheusFamilies add{text, lists, [](const One& one, auto use) {
                               use({{"list", one.name}});
                           }};
    add.gauge("runnel_list_size", "Elements in the list.",
              [](const One& one) { return std::uint64_t{one.stats.size}; });
    add.gauge("runnel_list_capacity", "How many elements the list may hold.",
              [](const One& one) { return PrometheusText::Limit{one.stats.capacity}; });
    add.gauge("runnel_list_high_water", "The greatest size that was seen so far.",
              [](const One& one) { return std::uint64_t{one.stats.high_water}; });
    add.gauge("runnel_list_blocked_pops", "Calls that wait for an element.",
              [](const One& one) { return std::uint64_t{one.stats.blocked_pops}; });
    add.gauge("runnel_list_blocked_pushes", "Calls that wait for room.",
              [](const One& one) { return std::uint64_t{one.stats.blocked_pushes}; });
    add.gauge("runnel_list_closed", "1 if the list is closed.",
              [](const One& one) { return one.stats.is_closed; });
    add.counter("runnel_list_pushed_total", "Elements that came into the list.",
                [](const One& one) { return one.stats.pushed; });
    add.counter("runnel_list_popped_total", "Elements that left the list, but dropped ones.",
                [](const One& one) { return one.stats.popped; });
    add.counter("runnel_list_dropped_total", "Elements that a push onto the full list dropped.",
                [](const One& one) { return one.stats.dropped; });
    add.counter("runnel_list_refused_total", "Pushes refused for want of room.",
                [](const One& one) { return one.stats.refused; });
    add.counter("runnel_list_push_blocked_seconds_total", "Time that pushes have waited for room.",
                [](const One& one) { return one.stats.blocked_for; });
}

inline void add_streams(PrometheusText& text, const std::vector<StreamSnapshot>& streams) {
    using One = StreamSnapshot;
    PrometheusFamilies add{text, streams, [](const One& one, auto use) {
                               use({{"stream", one.name}});
                           }};
    add.gauge("runnel_stream_size", "Entries in the stream.",
              [](const One& one) { return std::uint64_t{one.stats.size}; });
    add.gauge("runnel_stream_limit", "How many entries the stream keeps.",
              [](const One& one) { return PrometheusText::Limit{one.stats.limit}; });
    add.gauge("runnel_stream_high_water", "The greatest size so far.",
              [](const One& one) { return std::uint64_t{one.stats.high_water}; });
    add.gauge("runnel_stream_age_seconds", "Age of the oldest entry, by its id.",
              [](const One& one) { return one.stats.age; });
    add.gauge("runnel_stream_waiting_reads", "Reads that wait, of groups too.",
              [](const One& one) { return std::uint64_t{one.stats.waiting}; });
    add.gauge("runnel_stream_closed", "1 if the stream is closed.",
              [](const One& one) { return one.stats.is_closed; });
    add.counter("runnel_stream_added_total", "Entries that were added.",
                [](const One& one) { return one.stats.added; });
    add.counter("runnel_stream_trimmed_total", "Entries that were trimmed.",
                [](const One& one) { return one.stats.trimmed; });
    add.counter("runnel_stream_erased_total", "Entries that were erased by their ids.",
                [](const One& one) { return one.stats.erased; });
}

// A group, and the name of its stream.
struct NamedGroup {
    const std::string* stream;
    const GroupStats* stats;
};

// NOLINTNEXTLINE(readability-function-size)
inline void add_groups(PrometheusText& text, const std::vector<StreamSnapshot>& streams) {
    using One = NamedGroup;
    std::vector<One> groups;
    for (const StreamSnapshot& stream : streams)
        for (const GroupStats& group : stream.stats.groups)
            groups.push_back({&stream.name, &group});
    PrometheusFamilies add{text, groups, [](const One& one, auto use) {
                               use({{"stream", *one.stream}, {"group", one.stats->name}});
                           }};
    add.gauge("runnel_group_lag", "Entries that the group has not delivered yet.",
              [](const One& one) { return std::uint64_t{one.stats->backlog.lag}; });
    add.gauge("runnel_group_pending", "Entries delivered and not acknowledged.",
              [](const One& one) { return std::uint64_t{one.stats->backlog.pending}; });
    add.gauge("runnel_group_released", "Pending entries that were given back.",
              [](const One& one) { return std::uint64_t{one.stats->backlog.released}; });
    add.gauge("runnel_group_undelivered_age_seconds",
              "Age of the oldest entry that the group has not delivered, by its id.",
              [](const One& one) { return one.stats->backlog.undelivered_age; });
    add.gauge("runnel_group_unacknowledged_age_seconds",
              "Age of the oldest pending entry, by its id.",
              [](const One& one) { return one.stats->backlog.unacknowledged_age; });
    add.gauge("runnel_group_attempts", "The greatest count of deliveries of a pending entry.",
              [](const One& one) { return one.stats->backlog.attempts; });
    add.gauge("runnel_group_consumers", "Consumers of the group.",
              [](const One& one) { return std::uint64_t{one.stats->consumers}; });
    add.gauge("runnel_group_waiting_reads", "Reads of the group that wait.",
              [](const One& one) { return std::uint64_t{one.stats->waiting}; });
    add.counter("runnel_group_delivered_total", "Entries that reads have delivered.",
                [](const One& one) { return one.stats->delivered; });
    add.counter("runnel_group_redelivered_total", "Entries that were claimed or read once more.",
                [](const One& one) { return one.stats->redelivered; });
    add.counter("runnel_group_acknowledged_total", "Entries that were acknowledged.",
                [](const One& one) { return one.stats->acknowledged; });
    add.counter("runnel_group_dropped_total", "Pending entries lost, or removed with a consumer.",
                [](const One& one) { return one.stats->dropped; });
}

// A channel, and of which name space.
struct SpacedChannel {
    const ChannelSnapshot* snapshot;
    bool is_sharded;
};

// NOLINTNEXTLINE(readability-function-size)
inline void add_channels(PrometheusText& text, const BrokerSnapshot& all) {
    using One = SpacedChannel;
    std::vector<One> channels;
    // NOLINTNEXTLINE(performance-inefficient-vector-operation)
    for (const ChannelSnapshot& channel : all.channels) channels.push_back({&channel, false});
    for (const ChannelSnapshot& channel : all.sharded_channels)
        channels.push_back({&channel, true});
    PrometheusFamilies add{
        text, channels, [](const One& one, auto use) {
            use({{"channel", one.snapshot->name}, {"sharded", one.is_sharded ? "true" : "false"}});
        }};
    const auto of = [](const One& one) -> const ChannelStats& { return one.snapshot->stats; };
    add.gauge("runnel_channel_retained", "Messages in memory, read or not.",
              [of](const One& one) { return std::uint64_t{of(one).retained}; });
    add.gauge("runnel_channel_limit", "How many messages are kept for subscribers.",
              [of](const One& one) { return PrometheusText::Limit{of(one).limit}; });
    add.gauge("runnel_channel_high_water", "The greatest number of retained messages so far.",
              [of](const One& one) { return std::uint64_t{of(one).high_water}; });
    add.gauge("runnel_channel_behind", "Messages that wait for the subscriber furthest behind.",
              [of](const One& one) { return std::uint64_t{of(one).behind}; });
    add.gauge("runnel_channel_subscriptions", "Subscriptions.",
              [of](const One& one) { return std::uint64_t{of(one).subscriptions}; });
    add.gauge("runnel_channel_handlers", "Handlers.",
              [of](const One& one) { return std::uint64_t{of(one).handlers}; });
    add.gauge("runnel_channel_inboxes", "Inboxes.",
              [of](const One& one) { return std::uint64_t{of(one).inboxes}; });
    add.gauge("runnel_channel_blocked_reads", "Reads of subscriptions that wait.",
              [of](const One& one) { return std::uint64_t{of(one).blocked_reads}; });
    add.gauge("runnel_channel_blocked_publishes", "Publishes that wait for room.",
              [of](const One& one) { return std::uint64_t{of(one).blocked_publishes}; });
    add.gauge("runnel_channel_closed", "1 if the channel is closed.",
              [of](const One& one) { return of(one).is_closed; });
    add.counter("runnel_channel_published_total", "Messages that were published.",
                [of](const One& one) { return of(one).published; });
    add.counter("runnel_channel_delivered_total", "Messages, times whom each has reached.",
                [of](const One& one) { return of(one).delivered; });
    add.counter("runnel_channel_missed_total", "Messages that subscribers behind have missed.",
                [of](const One& one) { return of(one).missed; });
    add.counter("runnel_channel_disconnected_total", "Subscriptions cut off as too far behind.",
                [of](const One& one) { return of(one).disconnected; });
    add.counter("runnel_channel_refused_total", "Publishes refused for want of room.",
                [of](const One& one) { return of(one).refused; });
    add.counter("runnel_channel_publish_blocked_seconds_total",
                "Time that publishes have waited for room.",
                [of](const One& one) { return of(one).blocked_for; });
}

}  // namespace detail

/// The figures of a snapshot in the text format of Prometheus, version 0.0.4. Serve it with the
/// content type `text/plain; version=0.0.4`.
///
///     # HELP runnel_group_lag Entries that the group has not delivered yet.
///     # TYPE runnel_group_lag gauge
///     runnel_group_lag{stream="orders",group="billing"} 17
///
/// All names begin with `runnel_`; counters end in `_total`, and times are in seconds. The order is
/// always the same. What has no value, such as the age of the oldest entry where there is none, has
/// no sample. Names are escaped; a byte that is no UTF-8 is shown as `\xff`.
///
/// Throws: std::bad_alloc.
[[nodiscard]] inline std::string prometheus_text(const BrokerSnapshot& snapshot) {
    detail::PrometheusText text;
    text.begin("runnel_snapshot_timestamp_seconds", detail::PrometheusText::Type::gauge,
               "When the snapshot was begun, since 1970.");
    text.add({}, std::chrono::nanoseconds{snapshot.wall.time_since_epoch()});
    detail::add_lists(text, snapshot.lists);
    detail::add_streams(text, snapshot.streams);
    detail::add_groups(text, snapshot.streams);
    detail::add_channels(text, snapshot);
    return text.take();
}

}  // namespace runnel::inline v0
