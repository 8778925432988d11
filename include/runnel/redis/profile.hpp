// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <string_view>

namespace runnel::inline v0::redis {

/// The Redis that a Server stands for. What that version does not have yet is refused or left out
/// as it does: commands, options, ids, and fields of replies. All else is as in Redis 8.10.
///
/// Valkey 8 and 9 have the commands of Redis 7.2, under their own name: what they have added since
/// then is not there.
enum class Version : std::uint8_t {
    redis_7_0,
    redis_7_2,
    redis_7_4,
    redis_8_0,
    redis_8_2,
    redis_8_4,
    redis_8_6,
    redis_8_8,
    redis_8_10,
    valkey_8,
    valkey_9,
};

namespace detail {

// When something came to Redis: {8, 4} is with 8.4.
struct Since {
    int major = 0;
    int minor = 0;

    friend constexpr auto operator<=>(const Since&, const Since&) = default;
};

// What a command has got since it is there: an option, an id, or a field of its reply.
struct NewerPart {
    std::string_view name;
    Since since;
};

// What a version has, and how it names itself.
struct Profile {
    Version version;
    std::string_view name;
    Since has;
    std::string_view server;         // as HELLO names it
    std::string_view number;         // and its version
    std::string_view redis_version;  // as INFO does
};

inline constexpr auto profiles = std::to_array<Profile>({
    {Version::redis_7_0, "Redis 7.0", {7, 0}, "redis", "7.0.15", "7.0.15"},
    {Version::redis_7_2, "Redis 7.2", {7, 2}, "redis", "7.2.0", "7.2.0"},
    {Version::redis_7_4, "Redis 7.4", {7, 4}, "redis", "7.4.0", "7.4.0"},
    {Version::redis_8_0, "Redis 8.0", {8, 0}, "redis", "8.0.0", "8.0.0"},
    {Version::redis_8_2, "Redis 8.2", {8, 2}, "redis", "8.2.0", "8.2.0"},
    {Version::redis_8_4, "Redis 8.4", {8, 4}, "redis", "8.4.0", "8.4.0"},
    {Version::redis_8_6, "Redis 8.6", {8, 6}, "redis", "8.6.0", "8.6.0"},
    {Version::redis_8_8, "Redis 8.8", {8, 8}, "redis", "8.8.0", "8.8.0"},
    {Version::redis_8_10, "Redis 8.10", {8, 10}, "redis", "8.10.0", "8.10.0"},
    {Version::valkey_8, "Valkey 8", {7, 2}, "valkey", "8.0.0", "7.2.4"},
    {Version::valkey_9, "Valkey 9", {7, 2}, "valkey", "9.0.0", "7.2.4"},
});

inline constexpr Since newest = {8, 10};

[[nodiscard]] constexpr const Profile& profile_of(Version version) noexcept {
    return *std::ranges::find(profiles, version, &Profile::version);
}

// The newest version that is not newer than that Redis or Valkey, whose number begins with digits,
// a dot and digits. One that is older than all is like the oldest.
[[nodiscard]] constexpr Version version_like(std::string_view number,
                                             std::string_view server = "redis") noexcept {
    const auto take = [&number] {
        int taken = 0;
        for (; !number.empty() && number.front() >= '0' && number.front() <= '9';
             number.remove_prefix(1))
            taken = taken * 10 + (number.front() - '0');
        if (!number.empty()) number.remove_prefix(1);
        return taken;
    };
    const int major = take();
    const int minor = take();
    const Profile* like = nullptr;
    for (const Profile& profile : profiles) {
        if (profile.server != server) continue;
        number = profile.number;
        const int own_major = take();
        const bool is_newer = Since{major, minor} < Since{own_major, take()};
        if (like == nullptr || !is_newer) like = &profile;
    }
    return like->version;
}

}  // namespace detail

/// Its name, such as "Redis 8.10".
[[nodiscard]] constexpr std::string_view to_string(Version version) noexcept {
    return detail::profile_of(version).name;
}

}  // namespace runnel::inline v0::redis
