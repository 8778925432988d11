// SPDX-License-Identifier: MIT
#include <runnel/broker.hpp>
#include <runnel/clock.hpp>
#include <runnel/prometheus.hpp>
#include <runnel/snapshot.hpp>
#include <runnel/stats.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using runnel::BrokerSnapshot;
using runnel::prometheus_text;
using namespace std::chrono_literals;

namespace {

// Reads the text format as its specification says, and refuses what that does not allow.
class Metrics {
public:
    using LabelMap = std::map<std::string, std::string>;

    explicit Metrics(const std::string& text) {
        std::istringstream lines{text};
        if (text.empty() || text.back() != '\n') refuse("the last line has no end", "");
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with("# HELP "))
                help(line.substr(7));
            else if (line.starts_with("# TYPE "))
                type(line.substr(7));
            else
                sample(line);
        }
    }

    // The value of the sample with these labels.
    [[nodiscard]] std::optional<double> value(const std::string& name,
                                              const LabelMap& labels) const {
        const auto found = samples_.find({name, labels});
        return found == samples_.end() ? std::nullopt : std::optional{found->second};
    }
    [[nodiscard]] std::string type_of(const std::string& name) const { return types_.at(name); }
    [[nodiscard]] std::size_t size() const { return samples_.size(); }
    [[nodiscard]] const std::vector<std::string>& families() const { return families_; }

private:
    [[noreturn]] static void refuse(const std::string& why, std::string_view line) {
        throw std::runtime_error{why + ": " + std::string{line}};
    }

    static std::string take_name(std::string_view& line) {
        std::size_t length = 0;
        const auto is_of_name = [&](char one) {
            return one == '_' || one == ':' || std::isalpha(static_cast<unsigned char>(one)) != 0 ||
                   (length != 0 && std::isdigit(static_cast<unsigned char>(one)) != 0);
        };
        while (length != line.size() && is_of_name(line[length])) ++length;
        if (length == 0) refuse("no name", line);
        std::string name{line.substr(0, length)};
        line.remove_prefix(length);
        return name;
    }
    static void take(std::string_view& line, char wanted) {
        if (line.empty() || line.front() != wanted) refuse(std::string{"no "} + wanted, line);
        line.remove_prefix(1);
    }

    void help(std::string_view line) {
        family_ = take_name(line);
        take(line, ' ');
        if (line.empty()) refuse("no help", family_);
        if (!seen_.insert(family_).second) refuse("a family comes twice", family_);
        families_.push_back(family_);
    }
    void type(std::string_view line) {
        const std::string name = take_name(line);
        if (name != family_) refuse("a type without help", name);
        take(line, ' ');
        if (line != "counter" && line != "gauge") refuse("no type", line);
        if (name.ends_with("_total") != (line == "counter")) refuse("_total is for counters", name);
        if (!types_.emplace(name, line).second) refuse("two types", name);
    }

    void sample(std::string_view line) {
        const std::string name = take_name(line);
        if (name != family_ || !types_.contains(name)) refuse("a sample out of place", name);
        LabelMap labels;
        if (!line.empty() && line.front() == '{') {
            do {
                line.remove_prefix(1);
                const std::string label = take_name(line);
                take(line, '=');
                if (!labels.emplace(label, quoted(line)).second) refuse("a label twice", label);
            } while (!line.empty() && line.front() == ',');
            take(line, '}');
        }
        take(line, ' ');
        if (!samples_.emplace(std::pair{name, labels}, number(line)).second)
            refuse("a sample twice", name);
    }

    static std::string quoted(std::string_view& line) {
        std::string text;
        take(line, '"');
        while (!line.empty() && line.front() != '"') {
            char one = line.front();
            line.remove_prefix(1);
            if (one == '\\') {
                if (line.empty()) refuse("half an escape", line);
                one = line.front();
                if (one != '\\' && one != '"' && one != 'n') refuse("no escape", line);
                if (one == 'n') one = '\n';
                line.remove_prefix(1);
            }
            text += one;
        }
        take(line, '"');
        return text;
    }

    static double number(std::string_view line) {
        if (line == "+Inf") return std::numeric_limits<double>::infinity();
        const bool is_plain = !line.empty() && line.find_first_not_of("-.0123456789") == line.npos;
        if (!is_plain) refuse("no number", line);
        std::size_t used = 0;
        const double value = std::stod(std::string{line}, &used);
        if (used != line.size()) refuse("no number", line);
        return value;
    }

    std::string family_;
    std::set<std::string> seen_;
    std::vector<std::string> families_;
    std::map<std::string, std::string> types_;
    std::map<std::pair<std::string, LabelMap>, double> samples_;
};

using LabelMap = Metrics::LabelMap;

BrokerSnapshot list_named(const std::string& name) {
    BrokerSnapshot snapshot;
    snapshot.lists.push_back({name, {.size = 7}});
    return snapshot;
}

// Every figure is another one.
BrokerSnapshot all_different() {
    BrokerSnapshot snapshot;
    snapshot.wall = runnel::Clock::WallTime{1'700'000'000'250ms};
    snapshot.lists.push_back({"jobs",
                              {.size = 1,
                               .blocked_pops = 2,
                               .blocked_pushes = 3,
                               .dropped = 4,
                               .capacity = 5,
                               .high_water = 6,
                               .pushed = 7,
                               .popped = 8,
                               .refused = 9,
                               .blocked_for = 10ms,
                               .is_closed = true}});
    runnel::StreamStats stream{.size = 11,
                               .limit = 12,
                               .high_water = 13,
                               .added = 14,
                               .trimmed = 15,
                               .erased = 16,
                               .waiting = 17,
                               .age = 18ms,
                               .is_closed = true};
    stream.groups.push_back({.name = "billing",
                             .backlog = {.lag = 21,
                                         .pending = 22,
                                         .released = 23,
                                         .undelivered_age = 24s,
                                         .unacknowledged_age = 25ms,
                                         .attempts = 26},
                             .consumers = 27,
                             .waiting = 28,
                             .delivered = 29,
                             .redelivered = 30,
                             .acknowledged = 31,
                             .dropped = 32});
    snapshot.streams.push_back({"orders", stream});
    const runnel::ChannelStats channel{.published = 41,
                                       .delivered = 42,
                                       .missed = 43,
                                       .disconnected = 44,
                                       .refused = 45,
                                       .retained = 46,
                                       .high_water = 47,
                                       .limit = 48,
                                       .behind = 49,
                                       .subscriptions = 50,
                                       .handlers = 51,
                                       .inboxes = 52,
                                       .blocked_reads = 53,
                                       .blocked_publishes = 54,
                                       .blocked_for = 55us,
                                       .is_closed = true};
    snapshot.channels.push_back({"ticks", channel});
    snapshot.sharded_channels.push_back({"ticks", {.published = 61}});
    return snapshot;
}

}  // namespace

TEST_CASE("a sample has its help, its type and its labels", "[prometheus]") {
    BrokerSnapshot snapshot = list_named("jobs");
    snapshot.wall = runnel::Clock::WallTime{1'500ms};
    const std::string text = prometheus_text(snapshot);
    const std::string begin =
        "# HELP runnel_snapshot_timestamp_seconds When the snapshot was begun, since 1970.\n"
        "# TYPE runnel_snapshot_timestamp_seconds gauge\n"
        "runnel_snapshot_timestamp_seconds 1.5\n"
        "# HELP runnel_list_size Elements in the list.\n"
        "# TYPE runnel_list_size gauge\n"
        "runnel_list_size{list=\"jobs\"} 7\n";
    CHECK(text.substr(0, begin.size()) == begin);
    CHECK(text.find("# TYPE runnel_list_pushed_total counter\n"
                    "runnel_list_pushed_total{list=\"jobs\"} 0\n") != text.npos);
}

TEST_CASE("each figure has a sample of its own", "[prometheus]") {
    const Metrics metrics{prometheus_text(all_different())};
    CHECK(metrics.value("runnel_snapshot_timestamp_seconds", {}) == 1'700'000'000.25);
    const auto check = [&](const LabelMap& labels, const std::string& prefix,
                           const std::vector<std::pair<std::string, double>>& expected) {
        for (const auto& [name, value] : expected) {
            CAPTURE(name);
            CHECK(metrics.value(prefix + name, labels) == value);
        }
    };
    check({{"list", "jobs"}}, "runnel_list_",
          {{"size", 1},
           {"blocked_pops", 2},
           {"blocked_pushes", 3},
           {"dropped_total", 4},
           {"capacity", 5},
           {"high_water", 6},
           {"pushed_total", 7},
           {"popped_total", 8},
           {"refused_total", 9},
           {"push_blocked_seconds_total", 0.01},
           {"closed", 1}});
    check({{"stream", "orders"}}, "runnel_stream_",
          {{"size", 11},
           {"limit", 12},
           {"high_water", 13},
           {"added_total", 14},
           {"trimmed_total", 15},
           {"erased_total", 16},
           {"waiting_reads", 17},
           {"age_seconds", 0.018},
           {"closed", 1}});
    check({{"stream", "orders"}, {"group", "billing"}}, "runnel_group_",
          {{"lag", 21},
           {"pending", 22},
           {"released", 23},
           {"undelivered_age_seconds", 24},
           {"unacknowledged_age_seconds", 0.025},
           {"attempts", 26},
           {"consumers", 27},
           {"waiting_reads", 28},
           {"delivered_total", 29},
           {"redelivered_total", 30},
           {"acknowledged_total", 31},
           {"dropped_total", 32}});
    check({{"channel", "ticks"}, {"sharded", "false"}}, "runnel_channel_",
          {{"published_total", 41},
           {"delivered_total", 42},
           {"missed_total", 43},
           {"disconnected_total", 44},
           {"refused_total", 45},
           {"retained", 46},
           {"high_water", 47},
           {"limit", 48},
           {"behind", 49},
           {"subscriptions", 50},
           {"handlers", 51},
           {"inboxes", 52},
           {"blocked_reads", 53},
           {"blocked_publishes", 54},
           {"publish_blocked_seconds_total", 0.000055},
           {"closed", 1}});
    check({{"channel", "ticks"}, {"sharded", "true"}}, "runnel_channel_",
          {{"published_total", 61}, {"closed", 0}});
    CHECK(metrics.size() == 1 + 11 + 9 + 12 + 2 * 16);
}

TEST_CASE("the order is that of the families, and of names in each", "[prometheus]") {
    BrokerSnapshot snapshot = all_different();
    const Metrics one{prometheus_text(snapshot)};
    snapshot.lists.insert(snapshot.lists.begin(), {"a", {}});
    const std::string text = prometheus_text(snapshot);
    CHECK(Metrics{text}.families() == one.families());
    CHECK(text.find("runnel_list_size{list=\"a\"} 0\nrunnel_list_size{list=\"jobs\"} 1\n") !=
          text.npos);
    CHECK(prometheus_text(snapshot) == text);
}

TEST_CASE("what has no value has no sample, and no family without one", "[prometheus]") {
    BrokerSnapshot snapshot;
    snapshot.streams.push_back({"orders", {}});
    snapshot.streams[0].stats.groups.push_back({.name = "billing"});
    const Metrics metrics{prometheus_text(snapshot)};
    const LabelMap labels{{"stream", "orders"}, {"group", "billing"}};
    CHECK(metrics.value("runnel_group_lag", labels) == 0);
    CHECK_FALSE(metrics.value("runnel_group_undelivered_age_seconds", labels));
    for (const std::string& family : metrics.families()) CHECK(family.find("age") == family.npos);
    CHECK(Metrics{prometheus_text({})}.size() == 1);
}

TEST_CASE("without a limit it is infinite", "[prometheus]") {
    BrokerSnapshot snapshot = list_named("jobs");
    snapshot.streams.push_back({"orders", {}});
    const Metrics metrics{prometheus_text(snapshot)};
    CHECK(std::isinf(metrics.value("runnel_list_capacity", {{"list", "jobs"}}).value()));
    CHECK(std::isinf(metrics.value("runnel_stream_limit", {{"stream", "orders"}}).value()));
}

TEST_CASE("names are escaped, and come back as they are", "[prometheus]") {
    const std::string name =
        GENERATE(as<std::string>{}, "", "a b", "\\", "\"", "\n", "\\n",
                 "a\\\"\n{},=", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\x7f\x01");
    const Metrics metrics{prometheus_text(list_named(name))};
    CHECK(metrics.value("runnel_list_size", {{"list", name}}) == 7);
}

TEST_CASE("bytes that are no UTF-8 are written in digits", "[prometheus]") {
    using Pair = std::pair<std::string, std::string>;
    const auto [name, shown] = GENERATE(
        Pair{"\xff", "\\xff"}, Pair{"a\x80z", "a\\x80z"}, Pair{"\xc3", "\\xc3"},
        Pair{"\xc3(", "\\xc3("}, Pair{"\xc0\x80", "\\xc0\\x80"},
        Pair{"\xe0\x80\x80", "\\xe0\\x80\\x80"}, Pair{"\xed\xa0\x80", "\\xed\\xa0\\x80"},
        Pair{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, Pair{"\xe2\x82", "\\xe2\\x82"},
        Pair{"\xf0\x9f\x98", "\\xf0\\x9f\\x98"}, Pair{"\xee\x80\x80", "\xee\x80\x80"},
        Pair{"\xed\x9f\xbf", "\xed\x9f\xbf"}, Pair{"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"});
    const Metrics metrics{prometheus_text(list_named(name))};
    CAPTURE(shown);
    CHECK(metrics.value("runnel_list_size", {{"list", shown}}) == 7);
}

TEST_CASE("seconds are exact to the nanosecond", "[prometheus]") {
    using Pair = std::pair<std::chrono::nanoseconds, std::string>;
    const auto [time, shown] = GENERATE(
        Pair{0ns, "0"}, Pair{1ns, "0.000000001"}, Pair{1s, "1"}, Pair{1'500ms, "1.5"},
        Pair{60s + 10ns, "60.00000001"}, Pair{-1'250ms, "-1.25"}, Pair{-1ns, "-0.000000001"},
        Pair{std::chrono::nanoseconds::max(), "9223372036.854775807"},
        Pair{std::chrono::nanoseconds::min(), "-9223372036.854775808"});
    BrokerSnapshot snapshot = list_named("a");
    snapshot.lists[0].stats.blocked_for = time;
    CHECK(prometheus_text(snapshot).find("runnel_list_push_blocked_seconds_total{list=\"a\"} " +
                                         shown + "\n") != std::string::npos);
}

TEST_CASE("the text of a broker at work is well-formed", "[prometheus]") {
    runnel::ManualClock clock;
    const runnel::Broker broker{{&clock}};
    const auto stream = broker.stream<int>("a\"b");
    (void)stream.group("g\\");
    (void)stream.add(1);
    (void)broker.list<int>("a\nb").try_push_back(1);
    (void)broker.channel<int>("c").publish(1);
    (void)broker.sharded_channel<int>("c");
    clock.advance(5s);
    const Metrics metrics{prometheus_text(broker.snapshot())};
    CHECK(metrics.value("runnel_group_undelivered_age_seconds",
                        {{"stream", "a\"b"}, {"group", "g\\"}}) == 5);
    CHECK(metrics.value("runnel_list_pushed_total", {{"list", "a\nb"}}) == 1);
    CHECK(metrics.type_of("runnel_list_pushed_total") == "counter");
    CHECK(metrics.type_of("runnel_list_size") == "gauge");
}
