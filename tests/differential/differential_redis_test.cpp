// SPDX-License-Identifier: MIT
// The fake beside a real Redis: the same random commands for both, and the same replies.
#include "differential/director.hpp"
#include "differential/fake_redis.hpp"
#include "differential/figures.hpp"
#include "differential/forms.hpp"
#include "differential/known_differences.hpp"
#include "differential/real_redis.hpp"
#include "differential/target.hpp"
#include "differential/trial.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace runnel::test::differential;
using runnel::test::Random;
using runnel::test::scale;
using runnel::test::scaled;
using runnel::test::seed_for;

namespace {

constexpr std::size_t entries_in_node = 10;

RealRedis real_redis() {
    return RealRedis{{"--enable-debug-command", "yes", "--stream-node-max-entries",
                      std::to_string(entries_in_node)}};
}

// A server that counts wrong: what is 3 for the other one, is 4.
class WrongRedis final : public Target {
public:
    explicit WrongRedis(Target& target) : target_{target} {}

    void begin() override { target_.begin(); }
    void reopen(std::size_t session) override { target_.reopen(session); }
    void send(std::size_t session, const std::vector<Request>& requests) override {
        target_.send(session, requests);
    }
    void pause(std::int64_t until) override { target_.pause(until); }
    std::vector<Reply> arrived(std::size_t session) override {
        std::vector<Reply> replies = target_.arrived(session);
        for (Reply& reply : replies) {
            if (reply == Reply::integer(3)) reply = Reply::integer(4);
        }
        return replies;
    }
    std::string client_id(std::size_t session) override { return target_.client_id(session); }

private:
    Target& target_;
};

void expect_no_difference(Trial& trial, Director& director, std::size_t commands) {
    auto report = trial.run(director, commands);
    if (!report) return;
    std::cout << "after " << trial.figures().sent() << " commands: " << report->finding
              << "This is all that it takes:\n"
              << trial.shrunk(std::move(*report));
    FAIL("they differ, see above");
}

bool is_on_the_whole_state(std::string_view name) {
    constexpr std::array<std::string_view, 9> names{
        "flushall", "flushdb", "swapdb", "dbsize", "keys", "scan", "randomkey", "select", "time"};
    return std::ranges::count(names, name) != 0;
}

// Of a server without an LFU policy, without a file of its own, and without a cluster.
bool is_refused(std::string_view name) {
    const auto names = std::to_array<std::string_view>(
        {"object|freq", "config|rewrite", "asking", "readonly", "readwrite"});
    return name.starts_with("cluster|") || std::ranges::count(names, name) != 0;
}

// Each command has done something often enough, and has not failed too often, for the comparison to
// say something.
void expect_enough(const Figures& figures) {
    for (const Form& form : all_forms()) {
        INFO(form.name);
        const auto found = figures.rows().find(form.name);
        REQUIRE(found != figures.rows().end());
        const Figure& figure = found->second;
        if (is_refused(form.name)) {
            CHECK(figure.failed != 0);
            continue;
        }
        const double least = is_on_the_whole_state(form.name) ? 50 : 100;
        CHECK(static_cast<double>(figure.succeeded) >= least * std::min(scale(), 10.0));
        CHECK(figure.failed * 10 <= (figure.succeeded + figure.failed) * 4);
    }
}

// No difference explains more than one in twenty of the commands that it names.
void expect_few_explained(const Figures& figures) {
    for (const KnownDifference& known : known_differences) {
        INFO(known.name);
        std::size_t explained = 0;
        std::size_t sent = 0;
        for (const auto& [name, figure] : figures.rows()) {
            if (!names(known.commands, name)) continue;
            sent += figure.sent;
            if (const auto found = figure.explained.find(known.name);
                found != figure.explained.end())
                explained += found->second;
        }
        CHECK(explained * 20 <= sent);
    }
}

}  // namespace

TEST_CASE("the fake says what a real Redis says", "[differential]") {
    RealRedis redis = real_redis();
    FakeRedis fake{entries_in_node};
    Random random{seed_for("the fake and Redis")};
    Director director{random, true};
    Trial trial{redis, fake};
    expect_no_difference(trial, director, scaled(200'000));
    std::cout << trial.figures();
    if (scale() < 1) return;  // too few to say how often something happens
    expect_enough(trial.figures());
    expect_few_explained(trial.figures());
}

TEST_CASE("two servers of one version say the same", "[differential]") {
    RealRedis one = real_redis();
    RealRedis other = real_redis();
    Random random{seed_for("two servers")};
    Director director{random, false};
    Trial trial{one, other};
    expect_no_difference(trial, director, scaled(2'000));
}

TEST_CASE("a difference is found, and told by the commands that it takes", "[differential]") {
    RealRedis redis = real_redis();
    RealRedis right = real_redis();
    WrongRedis wrong{right};
    Random random{seed_for("a wrong server")};
    Director director{random, false};
    Trial trial{redis, wrong};
    auto report = trial.run(director, 2'000);
    REQUIRE(report);
    const Report shrunk = trial.shrunk(*report);
    CHECK(shrunk.steps.size() <= 8);
    CHECK(shrunk.finding.difference.redis.front().reply == Reply::integer(3));
    CHECK(shrunk.finding.difference.other.front().reply == Reply::integer(4));
}
