// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/error.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace runnel::inline v0::redis {

/// How much a decoder takes. Redis takes more words, and a longer inline command if the end of its
/// line comes with the same packet.
struct CodecLimits {
    /// Bytes of a bulk string.
    std::size_t bulk = std::size_t{512} * 1024 * 1024;
    /// Elements of an aggregate, words of a command.
    std::size_t elements = std::size_t{1024} * 1024;
    /// Bytes of a line: of a length, a number, a simple string, an inline command.
    std::size_t line = std::size_t{64} * 1024;
    /// Aggregates within each other.
    std::size_t depth = 32;
};

namespace detail {

[[noreturn]] inline void refuse_bytes(const std::string& why) {
    throw Error{ErrorCode::protocol_error, "Protocol error: " + why};
}

// Bytes that came, and how far they are decoded.
class WireBytes {
public:
    // Throws: std::bad_alloc, and then nothing has changed.
    void append(std::string_view bytes) {
        drop_decoded();
        bytes_.append(bytes);
    }

    [[nodiscard]] std::string_view rest() const noexcept {
        return std::string_view{bytes_}.substr(decoded_);
    }
    void skip(std::size_t count) noexcept {
        decoded_ += count;
        searched_ = 0;
    }

    // Where rest() has the first of `ends`, nothing if it has not come so far. For one place, all
    // calls look for the same. Throws if a line that ends there is longer than `limit`.
    [[nodiscard]] std::optional<std::size_t> find(std::string_view ends, std::size_t limit,
                                                  const char* refusal) {
        const std::string_view all = rest();
        const std::size_t found = all.find_first_of(ends, searched_);
        searched_ = found == std::string_view::npos ? all.size() : found;
        if (searched_ > limit) refuse_bytes(refusal);
        if (found == std::string_view::npos) return std::nullopt;
        return found;
    }

private:
    // Bytes are moved to the front only when most of them are gone: each is moved a few times.
    void drop_decoded() noexcept {
        constexpr std::size_t most_kept = std::size_t{1024} * 1024;
        if (decoded_ != bytes_.size()) {
            if (decoded_ <= bytes_.size() / 2) return;
            bytes_.erase(0, decoded_);
        } else if (bytes_.capacity() > most_kept) {
            bytes_ = std::string{};
        } else {
            bytes_.clear();
        }
        decoded_ = 0;
    }

    std::string bytes_;
    std::size_t decoded_ = 0;
    std::size_t searched_ = 0;  // of rest(), for the end of a line
};

}  // namespace detail
}  // namespace runnel::inline v0::redis
