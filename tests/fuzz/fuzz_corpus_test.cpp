// SPDX-License-Identifier: MIT
// Replays what fuzzing has collected.

#include "fuzz/codec_input.hpp"
#include "fuzz/command_input.hpp"
#include "fuzz/descriptor_input.hpp"
#include "support/catch.hpp"

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace {

// A check that fails ends the program. Returns how many files there are.
template <typename Check>
std::size_t replay(const std::string& folder, Check check) {
    const auto corpus = std::filesystem::path{__FILE__}.parent_path() / "corpus" / folder;
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator{corpus}) {
        if (!entry.is_regular_file()) continue;
        std::ifstream file{entry.path(), std::ios::binary};
        std::stringstream bytes;
        bytes << file.rdbuf();
        check(bytes.str());
        ++count;
    }
    return count;
}

}  // namespace

TEST_CASE("the codec does with the corpus what it should", "[redis][fuzz]") {
    CHECK(replay("codec", runnel::test::check_codec) > 10);
}

TEST_CASE("a server does with the corpus what it should", "[redis][fuzz]") {
    CHECK(replay("commands", runnel::test::check_commands) > 10);
}

TEST_CASE("a server at the other end of a descriptor does with the corpus what it should",
          "[redis][fuzz]") {
    CHECK(replay("descriptor", runnel::test::check_descriptor) > 10);
}
