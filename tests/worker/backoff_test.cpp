// SPDX-License-Identifier: MIT
#include <runnel/backoff.hpp>
#include <runnel/delivery_policy.hpp>
#include <runnel/error.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

using runnel::Backoff;
using runnel::DeliveryPolicy;
using namespace std::chrono_literals;

namespace {

template <typename Value>
std::string refusal_of(const Value& value) {
    try {
        value.check();
    } catch (const runnel::Error& error) {
        CHECK(error.code() == runnel::ErrorCode::invalid_argument);
        return error.what();
    }
    return "none";
}

}  // namespace

TEST_CASE("delays double until they reach the cap", "[backoff]") {
    const Backoff backoff;
    std::vector<std::chrono::seconds> delays;
    for (std::uint64_t retry = 0; retry != 9; ++retry)
        delays.push_back(std::chrono::duration_cast<std::chrono::seconds>(backoff.delay(retry)));
    CHECK(delays == std::vector<std::chrono::seconds>{1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s, 60s});
}

TEST_CASE("no retry is too many, and no delay too long", "[backoff]") {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    CHECK(Backoff{}.delay(most) == 60s);
    CHECK(Backoff{.base = 0s}.delay(most) == 0s);
    CHECK(Backoff{.base = 7s, .cap = 7s}.delay(most) == 7s);
    constexpr auto longest = std::chrono::nanoseconds::max();
    CHECK(Backoff{.base = 1ns, .cap = longest}.delay(62) == std::chrono::nanoseconds{1LL << 62});
    CHECK(Backoff{.base = 1ns, .cap = longest}.delay(63) == longest);
    CHECK(Backoff{.base = longest, .cap = longest}.delay(5) == longest);
}

TEST_CASE("jitter draws a part of each delay, the same again for the same seed", "[backoff]") {
    const Backoff backoff{.jitter = 0.25, .seed = 7};
    std::set<std::chrono::nanoseconds> delays;
    std::chrono::nanoseconds sum{0};
    for (std::uint64_t what = 0; what != 1'000; ++what) {
        const auto delay = backoff.delay(2, what);
        CHECK(delay > 3s);
        CHECK(delay <= 4s);
        CHECK(delay == backoff.delay(2, what));
        delays.insert(delay);
        sum += delay;
    }
    CHECK(delays.size() == 1'000);
    CHECK(sum / 1'000 > 3'450ms);
    CHECK(sum / 1'000 < 3'550ms);
    CHECK(Backoff{.jitter = 0.25, .seed = 8}.delay(2, 5) != backoff.delay(2, 5));
    CHECK(backoff.delay(7, 5) != backoff.delay(8, 5));
}

TEST_CASE("what a back-off or a policy cannot be is refused by name", "[backoff][policy]") {
    CHECK(refusal_of(Backoff{}) == "none");
    CHECK(refusal_of(Backoff{.base = -1ns}) == "Backoff: base is negative");
    CHECK(refusal_of(Backoff{.base = 2s, .cap = 1s}) == "Backoff: cap is less than base");
    for (const double jitter : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()})
        CHECK(refusal_of(Backoff{.jitter = jitter}) == "Backoff: jitter is not between 0 and 1");

    CHECK(refusal_of(DeliveryPolicy{}) == "none");
    CHECK(refusal_of(DeliveryPolicy{.backoff = {.base = -1ns}}) == "Backoff: base is negative");
    const std::vector<std::pair<DeliveryPolicy, std::string>> refused{
        {{.deliveries = 0}, "deliveries is 0; it must be at least 1"},
        {{.lease = 0s}, "lease is not positive"},
        {{.extend_up_to = -1s}, "extend_up_to is negative"},
        {{.extend_up_to = 1min}, "extend_up_to is less than the lease, which a handler has anyway"},
        {{.slow_after = -1s}, "slow_after is negative"},
        {{.reap_after = -1s}, "reap_after is negative"},
        {{.batch = 0}, "batch is 0; it must be at least 1"},
        {{.threads = 0}, "threads is 0; it must be at least 1"},
        {{.in_flight = 3, .threads = 4}, "in_flight is less than threads"},
        {{.stop_within = -1s}, "stop_within is negative"}};
    for (const auto& [policy, why] : refused) CHECK(refusal_of(policy) == "DeliveryPolicy: " + why);
}
