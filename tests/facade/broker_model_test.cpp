// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/error.hpp>
#include <runnel/glob.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/inboxes.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Random calls on a broker, by one thread, and on a model of it that knows no index: maps of names,
// and for each inbox a list of what it has joined.

using runnel::Broker;
using runnel::Error;
using runnel::ErrorCode;
using runnel::Model;
using runnel::Push;
using runnel::test::Random;
using runnel::test::received;
using runnel::test::Received;
using runnel::test::Tally;

namespace {

using Text = std::string;
using Names = std::vector<Text>;

enum class Type : std::uint8_t { number, text };

// What a name stands for in the model.
struct Thing {
    Model model;
    Type type;
    int identity;  // new whenever it is made anew
};

// An inbox in the model: what it is subscribed to, and what it has received.
struct Reader {
    Type type;
    std::map<Text, int> channels;  // with the identity of each
    Names patterns;
    Received waiting;
};

// Short names over few letters, and patterns that match many of them.
Text any_name(Random& random) {
    static const Names letters{"a", "b", "ab", ":", "a:b"};
    Text name;
    for (std::size_t left = random.below(4); left != 0; --left) name += random.one_of(letters);
    return name;
}

Text any_pattern(Random& random) {
    static const Names parts{"a", "b", "ab", ":", "*", "?", "[ab]", "\\a", "[^a]"};
    Text pattern;
    for (std::size_t left = 1 + random.below(4); left != 0; --left) pattern += random.one_of(parts);
    return pattern;
}

Type any_type(Random& random) {
    return random.percent(80) ? Type::number : Type::text;
}

std::string text_of(int number) {
    return std::to_string(number);
}

// Either the identity that the model knows, or wrong_type.
template <typename Call>
bool is_wrong_type(Call call) {
    try {
        (void)call();
        return false;
    } catch (const Error& error) {
        return error.code() == ErrorCode::wrong_type;
    }
}

class World {
public:
    World(Random& random, Tally& tally) : random_{random}, tally_{tally} {}

    void step() {
        switch (random_.below(12)) {
        case 0:
            return make_key();
        case 1:
            return remove_key();
        case 2:
            return list_keys();
        case 3:
        case 4:
            return make_channel();
        case 5:
            return remove_channel();
        case 6:
            return subscribe();
        case 7:
            return unsubscribe();
        case 8:
            return list_channels();
        default:
            return publish();
        }
    }

    // All inboxes, in the end.
    void read_all() {
        for (std::size_t which = 0; which != readers_.size(); ++which) read(which);
    }

private:
    struct Pair {
        Reader model;
        std::optional<runnel::Inbox<int>> numbers;
        std::optional<runnel::Inbox<Text>> texts;
    };

    // ---- lists and streams

    void make_key() {
        const Text name = any_name(random_);
        const Model model = random_.percent(50) ? Model::list : Model::stream;
        const Type type = any_type(random_);
        const auto found = keys_.find(name);
        const bool fits =
            found == keys_.end() || (found->second.model == model && found->second.type == type);
        const bool wrong = is_wrong_type([&] {
            if (model == Model::list)
                type == Type::number ? use(broker_.list<int>(name)) : use(broker_.list<Text>(name));
            else
                type == Type::number ? use(broker_.stream<int>(name))
                                     : use(broker_.stream<Text>(name));
            return 0;
        });
        REQUIRE(wrong == !fits);
        if (found == keys_.end()) keys_.emplace(name, Thing{model, type, ++identity_});
        tally_.add("key", wrong ? "wrong type" : found == keys_.end() ? "made" : "found");
        REQUIRE(broker_.model(name) == keys_.at(name).model);
    }

    template <typename Handle>
    static void use(const Handle& handle) {
        REQUIRE_FALSE(handle.closed());
    }

    void remove_key() {
        const Text name = any_name(random_);
        const bool was_there = keys_.erase(name) != 0;
        REQUIRE(broker_.remove(name) == was_there);
        REQUIRE_FALSE(broker_.model(name));
        tally_.add("remove key", was_there ? "removed" : "none");
    }

    void list_keys() {
        const Text pattern = random_.percent(20) ? Text{"*"} : any_pattern(random_);
        Names expected;
        for (const auto& [name, thing] : keys_)
            if (pattern == "*" || runnel::glob_match(pattern, name)) expected.push_back(name);
        REQUIRE(broker_.names(pattern) == expected);
        tally_.add("list keys", expected.empty() ? "none" : "some");
    }

    // ---- channels

    // The channel of that name in the model; made if it may be.
    Thing& channel(const Text& name, Type type) {
        const auto found = channels_.find(name);
        if (found != channels_.end()) return found->second;
        return channels_.emplace(name, Thing{Model::channel, type, ++identity_}).first->second;
    }

    void make_channel() {
        const Text name = any_name(random_);
        const Type type = any_type(random_);
        const bool was_there = channels_.contains(name);
        const bool fits = channel(name, type).type == type;
        const bool wrong = is_wrong_type([&] {
            type == Type::number ? use(broker_.channel<int>(name))
                                 : use(broker_.channel<Text>(name));
            return 0;
        });
        REQUIRE(wrong == !fits);
        tally_.add("channel", wrong ? "wrong type" : was_there ? "found" : "made");
    }

    void remove_channel() {
        const Text name = any_name(random_);
        const bool was_there = channels_.erase(name) != 0;
        REQUIRE(broker_.remove_channel(name) == was_there);
        REQUIRE_FALSE(broker_.find_channel<int>(name));
        tally_.add("remove channel", was_there ? "removed" : "none");
    }

    void list_channels() {
        const Text pattern = any_pattern(random_);
        Names expected;
        for (const auto& [name, thing] : channels_)
            if (runnel::glob_match(pattern, name) && has_joined(name, thing))
                expected.push_back(name);
        REQUIRE(broker_.channels(pattern) == expected);
        tally_.add("list channels", expected.empty() ? "none" : "some");
    }

    [[nodiscard]] bool has_joined(const Text& name, const Thing& channel) const {
        return std::any_of(readers_.begin(), readers_.end(), [&](const Pair& pair) {
            const auto joined = pair.model.channels.find(name);
            return joined != pair.model.channels.end() && joined->second == channel.identity;
        });
    }

    // ---- inboxes

    void subscribe() {
        if (readers_.size() == 6) return unsubscribe();
        Reader reader{any_type(random_), {}, {}, {}};
        runnel::Topics topics{.bound = 1'000'000};
        for (std::size_t left = random_.below(3); left != 0; --left)
            topics.channels.push_back(any_name(random_));
        for (std::size_t left = random_.below(4); left != 0; --left)
            topics.patterns.push_back(any_pattern(random_));
        if (topics.channels.empty() && topics.patterns.empty()) topics.patterns.emplace_back("*");
        Pair pair;
        const bool wrong = is_wrong_type([&] {
            reader.type == Type::number ? (void)pair.numbers.emplace(broker_.subscribe<int>(topics))
                                        : (void)pair.texts.emplace(broker_.subscribe<Text>(topics));
            return 0;
        });
        // Channels are made in the order of their names, up to the first one of another type.
        std::sort(topics.channels.begin(), topics.channels.end());
        bool fits = true;
        for (const Text& name : topics.channels) {
            if (!fits) break;
            const Thing& joined = channel(name, reader.type);
            fits = joined.type == reader.type;
            reader.channels[name] = joined.identity;
        }
        REQUIRE(wrong == !fits);
        tally_.add("subscribe", wrong ? "wrong type" : "done");
        if (wrong) return;
        for (const Text& pattern : topics.patterns)
            if (std::find(reader.patterns.begin(), reader.patterns.end(), pattern) ==
                reader.patterns.end())
                reader.patterns.push_back(pattern);
        pair.model = std::move(reader);
        readers_.push_back(std::move(pair));
    }

    void unsubscribe() {
        if (readers_.empty()) return;
        const std::size_t which = random_.below(readers_.size());
        read(which);
        std::swap(readers_[which], readers_.back());
        readers_.pop_back();
        tally_.add("unsubscribe", "done");
    }

    // The order of what comes in several ways at once is nobody's business.
    void read(std::size_t which) {
        Pair& pair = readers_[which];
        Received got = pair.numbers ? received(*pair.numbers) : received(*pair.texts);
        Received& expected = pair.model.waiting;
        std::sort(got.begin(), got.end());
        std::sort(expected.begin(), expected.end());
        REQUIRE(got == expected);
        tally_.add("read", got.empty() ? "none" : "some");
        expected.clear();
    }

    void publish() {
        const Text name = any_name(random_);
        const Type type = any_type(random_);
        const int number = ++published_;
        const auto found = channels_.find(name);
        const bool is_other = found != channels_.end() && found->second.type != type;
        std::size_t reached = 0;
        const bool wrong = is_wrong_type([&] {
            reached = type == Type::number ? broker_.publish(name, int{number})
                                           : broker_.publish(name, text_of(number));
            return 0;
        });
        REQUIRE(wrong == is_other);
        tally_.add("publish", wrong ? "wrong type" : reached == 0 ? "to nobody" : "done");
        if (wrong) return;
        REQUIRE(reached == deliver(name, type, text_of(number)));
        REQUIRE(is_there(name, type) == channels_.contains(name));
        if (random_.percent(20) && !readers_.empty()) read(random_.below(readers_.size()));
    }

    [[nodiscard]] bool is_there(const Text& name, Type type) const {
        return type == Type::number ? broker_.find_channel<int>(name).has_value()
                                    : broker_.find_channel<Text>(name).has_value();
    }

    // In the model: directly, and by each pattern.
    std::size_t deliver(const Text& name, Type type, const Text& message) {
        std::size_t reached = 0;
        const auto there = channels_.find(name);
        for (Pair& pair : readers_) {
            Reader& reader = pair.model;
            if (reader.type != type) continue;
            const auto joined = reader.channels.find(name);
            if (joined != reader.channels.end() && there != channels_.end() &&
                joined->second == there->second.identity) {
                ++reached;
                reader.waiting.push_back(name + ' ' + message);
            }
            for (const Text& pattern : reader.patterns) {
                if (!runnel::glob_match(pattern, name)) continue;
                ++reached;
                reader.waiting.push_back(name + ' ' + message + " by " + pattern);
            }
        }
        if (reached != 0) (void)channel(name, type);
        return reached;
    }

    Random& random_;
    Tally& tally_;
    Broker broker_;
    std::map<Text, Thing> keys_;
    std::map<Text, Thing> channels_;
    std::vector<Pair> readers_;
    int identity_ = 0;
    int published_ = 0;
};

}  // namespace

TEST_CASE("random calls on a broker do what they do on a model of maps", "[broker][model]") {
    const std::uint64_t seed = runnel::test::seed_for("broker_model");
    Tally tally;
    const std::size_t rounds = runnel::test::scaled(60, 5);
    for (std::size_t round = 0; round != rounds; ++round) {
        INFO("round " << round);
        Random random{seed, round};
        World world{random, tally};
        for (int step = 0; step != 800; ++step) world.step();
        world.read_all();
    }
    std::cout << tally;
    for (const char* const row : {"key", "channel", "publish", "subscribe"})
        CHECK(tally.of(row, "wrong type") != 0);
    for (const char* const row : {"remove key", "remove channel"})
        CHECK(tally.of(row, "removed") != 0);
    for (const char* const row : {"list keys", "list channels", "read"})
        CHECK(tally.of(row, "some") != 0);
    CHECK(tally.of("publish", "done") > rounds);
}
