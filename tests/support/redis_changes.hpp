// SPDX-License-Identifier: MIT
#pragma once

// What Redis has changed since 7.0 and what runnel does differently from all of them: each has a
// name and a version, and only a server below that version is expected to do as before.

#include "support/stress_tally.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace runnel::test {

/// {7, 0, 15}. The development branch calls itself 255.255.255, the candidates of 8.0 7.9.x.
using RedisVersion = std::array<int, 3>;

/// What the reply to INFO server says. A part that is not there is 0: "8.0-m01" is {8, 0, 0}.
/// Throws std::runtime_error if it says none.
inline RedisVersion redis_version(std::string_view info) {
    constexpr std::string_view before = "redis_version:";
    const std::size_t at = info.find(before);
    std::string_view text = at == info.npos ? "" : info.substr(at + before.size());
    RedisVersion version{};
    for (std::size_t part = 0; part != version.size(); ++part) {
        if (part != 0) {
            if (!text.starts_with('.')) break;
            text.remove_prefix(1);
        }
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), version[part]);
        if (error != std::errc{}) throw std::runtime_error{"no version in: " + std::string{info}};
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    }
    return version;
}

/// A rule of runnel that a server below version `since` does not have. Where it matters, a test
/// foretells the reply of such a server, and takes no other: a change excuses nothing but that
/// reply. From that version on Redis must do as runnel does.
struct Change {
    const char* name;
    RedisVersion since;
};

/// Of rules that no Redis has.
inline constexpr RedisVersion never{999, 0, 0};

// ------------------------------------------------------------------ streams

// 7.2 (redis#11099): a read or claim that gets nothing makes its consumer nevertheless.
inline constexpr Change makes_idle_consumers{"7.2.0: idle consumers", {7, 2, 0}};

// 7.2 (redis#11099): XINFO CONSUMERS has a fourth field, `inactive`.
inline constexpr Change tells_inactive{"7.2.0: inactive", {7, 2, 0}};

// 7.4 at the latest: XADD ms-* in a millisecond whose numbers are used up says so. Before, it gave
// the reason of whatever was refused last on the server, one of two.
inline constexpr Change knows_used_up_ms{"7.4.0: used-up millisecond", {7, 4, 0}};

// 7.4.2 (redis#13338): of the entries that were read and of the lag, Redis knows nothing if an
// erased entry follows the last delivered one. Before, it looked behind the one that is being
// delivered, and not at all once the stream began behind the erased entry.
inline constexpr Change minds_tombstones{"7.4.2: minds tombstones", {7, 4, 2}};

// 7.4.2 (redis#13473): a group that has read nothing of what is left lags by all of it, and not at
// all behind an empty stream. Before, what was trimmed away unread counted too.
inline constexpr Change lags_by_what_is_left{"7.4.2: lags by what is left", {7, 4, 2}};

// 7.4.4 (redis#13958): a group whose place was trimmed away counts anew. Before, its count went on
// as if it had read what was trimmed.
inline constexpr Change counts_anew{"7.4.4: counts anew", {7, 4, 4}};

// 8.2.2 (redis#14259): ENTRIESREAD of CREATE and SETID is at most the number of entries ever added.
inline constexpr Change clamps_entries_read{"8.2.2: clamps ENTRIESREAD", {8, 2, 2}};

// No version: a lag below 0 is what Redis tells where ENTRIESREAD was too much for the place of its
// group, and has grown since. A lag of runnel has no sign, and is 0 then.
inline constexpr Change has_no_negative_lag{"never: no negative lag", never};

// 7.2 (redis#11012): everything that signals a stream runs the commands of those who wait in its
// groups again, which tells when they were last seen and makes their consumers anew. Before, only
// those who got something were.
inline constexpr Change runs_waiting_reads_again{"7.2.0: runs waiting reads again", {7, 2, 0}};

// 7.2 (redis#11012): who waits, waits until there is an entry. Before, when the stream was
// signalled, it got an empty list if its last id was behind the last one given out, whatever was
// erased.
inline constexpr Change waits_for_what_is_there{"7.2.0: waits for what is there", {7, 2, 0}};

// 7.2 (redis#11012): who waits in a group is told NOGROUP when the stream is removed. Before, it
// was told UNBLOCKED.
inline constexpr Change tells_no_group{"7.2.0: tells NOGROUP", {7, 2, 0}};

// ------------------------------------------------------------------ lists

// 7.2 (redis#11012): a client that is served runs its whole command again, and so takes from the
// first of its keys that has something. Before, it took from the key that was filled.
inline constexpr Change looks_through_keys_again{"7.2.0: looks through keys again", {7, 2, 0}};

// No version: who waits for a list that is removed waits on, as lists have no life of their own.
inline constexpr Change removal_ends_waits{"never: removal ends waits", never};

// ------------------------------------------------------------------ channels

// No version: what comes to one client by several patterns comes in an order that Redis does not
// promise: it is that of a hash table there.
inline constexpr Change orders_patterns{"never: order of patterns", never};

// No version: a range in a pattern is one of bytes. Redis compares what the machine takes for a
// char, and on most of them that is below 0 from 0x80 on.
inline constexpr Change compares_bytes{"never: compares bytes", never};

// All of them.
inline constexpr std::array all_changes{
    &makes_idle_consumers,    &tells_inactive,       &knows_used_up_ms,
    &minds_tombstones,        &lags_by_what_is_left, &counts_anew,
    &clamps_entries_read,     &has_no_negative_lag,  &runs_waiting_reads_again,
    &waits_for_what_is_there, &tells_no_group,       &looks_through_keys_again,
    &removal_ends_waits,      &orders_patterns,      &compares_bytes};

// ------------------------------------------------------------------ one server

/// What a server of one version lacks, and how often that was seen.
class Differences {
public:
    explicit Differences(RedisVersion version) : version_{version} {}

    [[nodiscard]] bool lacks(const Change& change) const { return version_ < change.since; }

    /// The next reply is foretold by what was before `change`, not by runnel's result. Throws
    /// std::logic_error for a change that this server has.
    void excuse(const Change& change) {
        if (!lacks(change))
            throw std::logic_error{std::string{"excused by what the server has: "} + change.name};
        used_.add(change.name, "times");
    }

    /// Whether a reply that is not the expected one is that of a server without `change`; counted.
    [[nodiscard]] bool excuses(const Change& change, bool is_older_reply) {
        if (!lacks(change) || !is_older_reply) return false;
        excuse(change);
        return true;
    }

    [[nodiscard]] std::size_t used(const Change& change) const {
        return used_.of(change.name, "times");
    }

    friend std::ostream& operator<<(std::ostream& out, const Differences& differences) {
        return out << "foretold by what was before:\n" << differences.used_;
    }

private:
    RedisVersion version_;
    Tally used_;
};

}  // namespace runnel::test
