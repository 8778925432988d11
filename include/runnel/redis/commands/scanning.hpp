// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/glob.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/encodings.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/value.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

// What SCAN, HSCAN, SSCAN and ZSCAN share. They go through keys, or the elements of a value, in the
// order of the hashes of their names; the cursor is the least hash that was not looked at. So what
// is there all the time is returned once, whatever else comes and goes.

namespace runnel::inline v0::redis::detail {

// Which names a pattern selects: `*` all of them, also the empty one, which matches no other
// pattern.
[[nodiscard]] inline bool selects(std::string_view pattern, std::string_view name) noexcept {
    return pattern == "*" || glob_match(pattern, name);
}

// The hashes leave two bits out: clients read a cursor as an integer with a sign.
[[nodiscard]] constexpr std::uint64_t hash_of_name(std::string_view name) noexcept {
    std::uint64_t hash = 14'695'981'039'346'656'037U;  // FNV-1a
    for (const char byte : name) {
        hash ^= static_cast<unsigned char>(byte);
        hash *= 1'099'511'628'211U;
    }
    return hash >> 2U;
}

// Throws: Refusal.
[[nodiscard]] inline std::uint64_t read_cursor(std::string_view word) {
    if (word.starts_with('+')) word.remove_prefix(1);
    std::uint64_t cursor = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), cursor);
    if (error != std::errc{} || end != word.data() + word.size()) refuse("ERR invalid cursor");
    return cursor;
}

struct ScanOptions {
    std::size_t count = 10;
    std::string_view pattern = "*";
    std::optional<std::string_view> type{};
    bool has_values = true;

    // Those that stand from word `at` on. `of`: the value whose elements are scanned; nothing: keys
    // are. Throws: Refusal.
    [[nodiscard]] static ScanOptions read(const Call& call, std::size_t at,
                                          std::optional<ValueType> of = {}) {
        ScanOptions options;
        for (; at < call.size(); ++at) {
            if (call.is_option(call[at], "NOVALUES")) {
                options.leave_values_out(of);
                continue;
            }
            if (at + 1 == call.size()) refuse_syntax();
            options.take(call[at], call[at + 1], of);
            ++at;
        }
        return options;
    }

    [[nodiscard]] bool select(std::string_view name) const noexcept {
        return selects(pattern, name);
    }
    // Of a key.
    [[nodiscard]] bool select(std::string_view name, std::string_view type_name) const noexcept {
        return select(name) && (!type || is(type_name, *type));
    }

private:
    void leave_values_out(std::optional<ValueType> of) {
        if (of != ValueType::hash) refuse("ERR NOVALUES option can only be used in HSCAN");
        has_values = false;
    }

    void take(std::string_view option, std::string_view value, std::optional<ValueType> of) {
        if (is(option, "COUNT")) {
            const std::int64_t given = integer(value);
            if (given < 1) refuse_syntax();
            count = static_cast<std::size_t>(given);
        } else if (is(option, "MATCH")) {
            pattern = value;
        } else if (is(option, "TYPE") && !of) {
            take_type(value);
        } else {
            refuse_syntax();
        }
    }

    void take_type(std::string_view value) {
        for (const std::string_view known : {"STRING", "LIST", "SET", "ZSET", "HASH", "STREAM"}) {
            if (!is(value, known)) continue;
            type = known;
            return;
        }
        refuse("ERR unknown type name '" + std::string{as_c_string(value)} + "'");
    }
};

// What one call looks at.
template <typename Element>
struct ScanPage {
    std::vector<const Element*> elements{};
    std::uint64_t next = 0;  // the cursor of the next page; 0: there is none
};

// `name`: of an element, as a projection. Throws: std::bad_alloc.
template <typename All, typename Name>
[[nodiscard]] ScanPage<typename All::value_type> page_of(const All& all, Name name,
                                                         std::uint64_t cursor, std::size_t count) {
    using Element = typename All::value_type;
    struct Found {
        std::uint64_t hash;
        const Element* element;
    };
    std::vector<Found> found;
    for (const Element& element : all)
        if (const auto hash = hash_of_name(std::invoke(name, element)); hash >= cursor)
            found.push_back({hash, &element});
    std::ranges::sort(found, std::less<>{}, &Found::hash);
    // Those of one hash are returned together.
    std::size_t end = std::min(count, found.size());
    while (end != 0 && end != found.size() && found[end].hash == found[end - 1].hash) ++end;

    ScanPage<Element> page;
    page.elements.reserve(end);
    for (std::size_t at = 0; at != end; ++at) page.elements.push_back(found[at].element);
    page.next = end == found.size() ? 0 : found[end - 1].hash + 1;
    return page;
}
template <typename All>
[[nodiscard]] ScanPage<typename All::value_type> page_of_all(const All& all) {
    ScanPage<typename All::value_type> page;
    page.elements.reserve(all.size());
    for (const auto& element : all) page.elements.push_back(&element);
    return page;
}

[[nodiscard]] inline Reply reply_of_page(std::uint64_t next, std::vector<Reply> found) {
    std::vector<Reply> page;
    page.push_back(Reply::bulk_string(std::to_string(next)));
    page.push_back(Reply::array(std::move(found)));
    return Reply::array(std::move(page));
}

// Whether Redis keeps the value without a table. Then it returns all of it at once, whatever the
// cursor and COUNT say.
template <typename Kind>
[[nodiscard]] bool is_compact(const Kind& value) noexcept {
    const std::string_view encoding = encoding_of(value);
    return encoding == "listpack" || encoding == "intset";
}

// `elements`: of the value. `show`: puts what is replied of one behind the replies. The options
// count for nothing where there is no value.
template <typename Kind, typename Elements, typename Name, typename Show>
[[nodiscard]] Reply scan_value(const Call& call, Elements elements, Name name, Show show) {
    const std::uint64_t cursor = read_cursor(call[2]);
    const auto* const value = call.find<Kind>(call[1]);
    if (value == nullptr) return reply_of_page(0, {});
    const ScanOptions options = ScanOptions::read(call, 3, Kind::kind);
    const auto& all = std::invoke(elements, *value);
    const auto page =
        is_compact(*value) ? page_of_all(all) : page_of(all, name, cursor, options.count);
    std::vector<Reply> found;
    for (const auto* const element : page.elements)
        if (options.select(std::invoke(name, *element))) show(found, *element, options);
    return reply_of_page(page.next, std::move(found));
}

inline constexpr auto newer_in_scan = std::to_array<NewerPart>({
    {"NOVALUES", {7, 4}},
});

}  // namespace runnel::inline v0::redis::detail
