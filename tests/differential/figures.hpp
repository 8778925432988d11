// SPDX-License-Identifier: MIT
#pragma once

// What a comparison has done: how often which command, and what became of it.

#include <cstddef>
#include <functional>
#include <iomanip>
#include <map>
#include <ostream>
#include <string>
#include <string_view>

namespace runnel::test::differential {

struct Figure {
    std::size_t sent = 0;
    std::size_t succeeded = 0;
    std::size_t failed = 0;
    std::map<std::string, std::size_t, std::less<>> explained{};  ///< by which difference
};

class Figures {
public:
    Figure& of(std::string_view command) {
        const auto found = rows_.find(command);
        return found != rows_.end() ? found->second : rows_[std::string{command}];
    }

    void explain(std::string_view command, std::string_view difference) {
        ++of(command).explained[std::string{difference}];
    }

    [[nodiscard]] std::size_t sent() const {
        std::size_t all = 0;
        for (const auto& row : rows_) all += row.second.sent;
        return all;
    }

    [[nodiscard]] const auto& rows() const { return rows_; }

    friend std::ostream& operator<<(std::ostream& out, const Figures& figures) {
        out << "  command                     sent  succeeded  failed  explained\n";
        for (const auto& [name, row] : figures.rows_) {
            out << "  " << std::left << std::setw(22) << name << std::right << std::setw(10)
                << row.sent << std::setw(11) << row.succeeded << std::setw(8) << row.failed;
            for (const auto& [difference, count] : row.explained)
                out << "  " << difference << ": " << count;
            out << '\n';
        }
        return out;
    }

private:
    std::map<std::string, Figure, std::less<>> rows_;
};

}  // namespace runnel::test::differential
