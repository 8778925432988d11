// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

namespace runnel::test {

using Numbers = std::vector<std::uint64_t>;

/// A message with a number of its own. It cannot be copied, so the number is in one place only;
/// when it is destroyed with the number inside, the number goes into the book of that thread.
class Parcel {
public:
    explicit Parcel(std::uint64_t number) noexcept : number_{number} {}
    Parcel(Parcel&& other) noexcept : number_{std::exchange(other.number_, 0)} {}
    Parcel& operator=(Parcel&&) = delete;
    ~Parcel() {
        if (number_ != 0 && book() != nullptr) book()->push_back(number_);
    }

    /// Looks inside; 0: it was moved from.
    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }

    /// Takes the number out.
    std::uint64_t open() noexcept { return std::exchange(number_, 0); }

    friend bool operator==(const Parcel& one, const Parcel& other) noexcept {
        return one.number_ == other.number_;
    }

    /// Where the present thread writes what is destroyed in it.
    static Numbers*& book() noexcept {
        thread_local Numbers* numbers = nullptr;
        return numbers;
    }

private:
    std::uint64_t number_;
};

/// How many of the sorted `sent` are missing in the sorted `found`, and how many of those are there
/// too often or were never sent.
struct Balance {
    std::size_t lost = 0;
    std::size_t invented = 0;
};

inline Balance balance_of(Numbers sent, Numbers found) {
    std::sort(sent.begin(), sent.end());
    std::sort(found.begin(), found.end());
    Numbers difference;
    std::set_difference(sent.begin(), sent.end(), found.begin(), found.end(),
                        std::back_inserter(difference));
    Balance balance{.lost = difference.size()};
    difference.clear();
    std::set_difference(found.begin(), found.end(), sent.begin(), sent.end(),
                        std::back_inserter(difference));
    balance.invented = difference.size();
    return balance;
}

}  // namespace runnel::test
