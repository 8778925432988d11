// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <deque>
#include <ostream>
#include <sstream>
#include <string>

namespace runnel::test {

/// What a sequence of random operations has done last. Only for who wants to know: to put it into
/// words takes longer than to do it.
class Story {
public:
    explicit Story(bool is_wanted) : is_wanted_{is_wanted} {}

    template <typename... Parts>
    void tell(const Parts&... parts) {
        if (!is_wanted_) return;
        std::ostringstream line;
        (line << ... << parts);  // NOLINT(*-array-to-pointer-decay)
        lines_.push_back(line.str());
        if (lines_.size() > most) lines_.pop_front();
    }

    friend std::ostream& operator<<(std::ostream& out, const Story& story) {
        for (const std::string& line : story.lines_) out << "\n  " << line;
        return out;
    }

private:
    static constexpr std::size_t most = 40;

    bool is_wanted_;
    std::deque<std::string> lines_;
};

}  // namespace runnel::test
