// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/stream_id.hpp>

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace runnel::inline v0::detail {

// How commands write ids. Where a command does not say otherwise, an id is what StreamId::parse()
// reads.

// The sequence number that an id gets as the end of a range if it has none.
inline constexpr std::uint64_t last_seq = std::numeric_limits<std::uint64_t>::max();

// An id, or "-" for 0-0, or "+" for the greatest one.
[[nodiscard]] constexpr std::optional<StreamId> parse_edge(std::string_view text,
                                                           std::uint64_t missing_seq = 0) noexcept {
    if (text == "-") return StreamId{};
    if (text == "+") return StreamId::max();
    return StreamId::parse(text, missing_seq);
}

enum class RangeMistake : std::uint8_t {
    none,
    bad_id,
    empty,  // the end is exclusive, and no id is left beyond it
};

// One end of a range of ids; an exclusive one stands for the next id within the range.
struct RangeEnd {
    StreamId id{};
    RangeMistake mistake = RangeMistake::none;

    friend bool operator==(const RangeEnd&, const RangeEnd&) = default;
};

// What both ends accept: "-", "+", an id, or an id with a '(' in front. beyond(id) is the next id
// within the range, or nothing.
template <typename Beyond>
[[nodiscard]] constexpr RangeEnd parse_range_end(std::string_view text, std::uint64_t missing_seq,
                                                 Beyond beyond) noexcept {
    const bool is_exclusive = text.starts_with('(');
    const auto id =
        is_exclusive ? StreamId::parse(text.substr(1), missing_seq) : parse_edge(text, missing_seq);
    if (!id) return {{}, RangeMistake::bad_id};
    if (!is_exclusive) return {*id};
    const std::optional<StreamId> within = beyond(*id);
    return within ? RangeEnd{*within} : RangeEnd{{}, RangeMistake::empty};
}

[[nodiscard]] constexpr RangeEnd parse_range_first(std::string_view text) noexcept {
    return parse_range_end(text, 0, [](StreamId id) { return id.next(); });
}
[[nodiscard]] constexpr RangeEnd parse_range_last(std::string_view text) noexcept {
    return parse_range_end(text, last_seq, [](StreamId id) { return id.previous(); });
}

// The id that XADD is asked to give: "*", "<ms>-*", or a whole one.
struct WantedId {
    enum class Kind : std::uint8_t { any, within_ms, exact };

    Kind kind = Kind::any;
    StreamId id{};  // within_ms: only its milliseconds count

    friend bool operator==(const WantedId&, const WantedId&) = default;

    [[nodiscard]] static constexpr std::optional<WantedId> parse(std::string_view text) noexcept {
        if (text == "*") return WantedId{};
        const auto hyphen = text.find('-');
        const bool has_no_seq = hyphen != std::string_view::npos && text.substr(hyphen + 1) == "*";
        const auto id = StreamId::parse(has_no_seq ? text.substr(0, hyphen) : text);
        if (!id || text.size() > most_text) return std::nullopt;
        return WantedId{has_no_seq ? Kind::within_ms : Kind::exact, *id};
    }

private:
    static constexpr std::size_t most_text = 127;
};

enum class IdRefusal : std::uint8_t {
    none,
    exhausted,    // the stream has the greatest id already
    not_greater,  // not greater than the last id of the stream
};

struct GivenId {
    StreamId id{};
    IdRefusal refusal = IdRefusal::none;

    friend bool operator==(const GivenId&, const GivenId&) = default;
};

// The id of the entry that follows `last`, at `now_ms` since 1970.
[[nodiscard]] constexpr GivenId give_id(const WantedId& wanted, StreamId last,
                                        std::uint64_t now_ms) noexcept {
    if (last == StreamId::max()) return {{}, IdRefusal::exhausted};
    std::optional<StreamId> id = wanted.id;
    if (wanted.kind == WantedId::Kind::any) id = id_after(last, now_ms);
    if (wanted.kind == WantedId::Kind::within_ms) id = id_after_within(last, wanted.id.ms);
    if (!id || *id <= last) return {{}, IdRefusal::not_greater};
    return {*id};
}

}  // namespace runnel::inline v0::detail
