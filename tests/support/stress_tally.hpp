// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <iomanip>
#include <map>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace runnel::test {

/// Counts how often what happened: a row for each operation, a column for each result.
class Tally {
public:
    void add(std::string_view row, std::string_view column, std::size_t count = 1) {
        auto found = rows_.find(row);
        if (found == rows_.end()) found = rows_.emplace(std::string{row}, Columns{}).first;
        auto cell = found->second.find(column);
        if (cell == found->second.end())
            cell = found->second.emplace(std::string{column}, std::size_t{0}).first;
        cell->second += count;
    }

    void add(const Tally& other) {
        for (const auto& [row, columns] : other.rows_) {
            for (const auto& [column, count] : columns) add(row, column, count);
        }
    }

    [[nodiscard]] std::size_t of(std::string_view row, std::string_view column) const {
        const auto found = rows_.find(row);
        if (found == rows_.end()) return 0;
        const auto cell = found->second.find(column);
        return cell == found->second.end() ? 0 : cell->second;
    }

    /// The sum of a column over all rows.
    [[nodiscard]] std::size_t all(std::string_view column) const {
        std::size_t sum = 0;
        for (const auto& row : rows_) sum += of(row.first, column);
        return sum;
    }

    friend std::ostream& operator<<(std::ostream& out, const Tally& tally) {
        for (const auto& [row, columns] : tally.rows_) {
            out << "  " << std::left << std::setw(26) << row << std::right;
            for (const auto& [column, count] : columns) out << "  " << column << ' ' << count;
            out << '\n';
        }
        return out;
    }

private:
    using Columns = std::map<std::string, std::size_t, std::less<>>;
    std::map<std::string, Columns, std::less<>> rows_;
};

}  // namespace runnel::test
