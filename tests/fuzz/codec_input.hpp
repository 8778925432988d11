// SPDX-License-Identifier: MIT
#pragma once

// What must be true of the codec, whatever bytes it gets.

#include <runnel/error.hpp>
#include <runnel/redis/codec.hpp>
#include <runnel/redis/reply.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::test {

inline void must(bool is_so, const char* what) {
    if (is_so) return;
    std::cerr << "not so: " << what << '\n';
    std::abort();
}

// What a decoder makes of bytes that come in pieces of that size, and the error that ends it.
template <typename Decoder>
auto decoded(std::string_view bytes, std::size_t piece) {
    using Decoded = typename decltype(std::declval<Decoder>().take())::value_type;
    std::pair<std::vector<Decoded>, std::string> all;
    Decoder decoder;
    try {
        while (!bytes.empty()) {
            const std::size_t size = std::min(piece, bytes.size());
            decoder.feed(bytes.substr(0, size));
            bytes.remove_prefix(size);
            while (auto one = decoder.take()) all.first.push_back(std::move(*one));
        }
    } catch (const Error& error) {
        must(error.code() == ErrorCode::protocol_error, "a decoder throws only protocol errors");
        all.second = error.what();
    }
    return all;
}

inline std::string encoded(const std::vector<redis::Reply>& replies) {
    std::string bytes;
    for (const redis::Reply& reply : replies) append_reply(bytes, reply, redis::Protocol::resp3);
    return bytes;
}

// The first byte says how the others come in pieces.
inline void check_codec(std::string_view input) {
    if (input.empty()) return;
    const std::size_t piece = 1 + static_cast<unsigned char>(input.front()) % 16U;
    const std::string_view bytes = input.substr(1);

    const auto replies = decoded<redis::ReplyDecoder>(bytes, bytes.size());
    must(replies == decoded<redis::ReplyDecoder>(bytes, piece), "pieces of replies do not matter");
    const auto commands = decoded<redis::CommandDecoder>(bytes, bytes.size());
    must(commands == decoded<redis::CommandDecoder>(bytes, piece),
         "pieces of commands do not matter");

    // What was decoded can be sent, and arrives as it is.
    const std::string sent = encoded(replies.first);
    const auto arrived = decoded<redis::ReplyDecoder>(sent, piece);
    must(arrived.second.empty() && encoded(arrived.first) == sent, "replies arrive as they are");
    std::string sent_commands;
    for (const auto& words : commands.first) {
        const std::vector<std::string_view> views(words.begin(), words.end());
        redis::append_command(sent_commands, views);
    }
    const auto arrived_commands = decoded<redis::CommandDecoder>(sent_commands, piece);
    must(arrived_commands.second.empty() && arrived_commands.first == commands.first,
         "commands arrive as they are");
}

}  // namespace runnel::test
