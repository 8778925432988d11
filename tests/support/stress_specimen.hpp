// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iostream>

namespace runnel::test {

/// A message with a number that bears a seal: who reads one that is dead, that was moved from or
/// that never was, notices. What dies is overwritten. The number 0 stands for moved from.
class Specimen {
public:
    explicit Specimen(std::uint64_t number) noexcept : number_{number} { settle_in(); }
    Specimen(Specimen&& other) noexcept : number_{other.number()} {
        settle_in();
        other.number_ = 0;
        other.seal_ = other.seal();
    }
    Specimen& operator=(Specimen&&) = delete;
    ~Specimen() {
        if (!is_sealed()) fault("dies, and did not live");
        // Volatile: a compiler may leave out what is written into an object that dies.
        *static_cast<volatile std::uint64_t*>(&number_) = poison;
        *static_cast<volatile std::uint64_t*>(&seal_) = poison;
        alive_.fetch_sub(1, std::memory_order_relaxed);
    }

    /// Looks at it: it has to be alive, and not moved from.
    [[nodiscard]] std::uint64_t number() const noexcept {
        if (!is_sealed()) fault("is read, and does not live");
        if (number_ == 0) fault("is read, and was moved from");
        return number_;
    }

    [[nodiscard]] bool is_moved_from() const noexcept { return is_sealed() && number_ == 0; }

    /// How many there are, those that were moved from included. Exact where all is quiet.
    [[nodiscard]] static long alive() noexcept { return alive_.load(std::memory_order_relaxed); }

    [[nodiscard]] static std::size_t faults() noexcept {
        return faults_.load(std::memory_order_relaxed);
    }

private:
    static constexpr std::uint64_t poison = 0xDEAD'DEAD'DEAD'DEADU;

    [[nodiscard]] std::uint64_t seal() const noexcept {
        return (reinterpret_cast<std::uintptr_t>(this) ^ 0x5EA1'0000'0000'5EA1U) +
               number_ * 0x9E37'79B9'7F4A'7C15U;
    }
    [[nodiscard]] bool is_sealed() const noexcept { return seal_ == seal(); }
    void settle_in() noexcept {
        seal_ = seal();
        alive_.fetch_add(1, std::memory_order_relaxed);
    }

    // The first few are told at once: a test may not live to count them.
    void fault(const char* what) const noexcept {
        if (faults_.fetch_add(1, std::memory_order_relaxed) >= 10) return;
        std::cerr << "a specimen " << what << ": number " << std::hex << number_ << std::dec
                  << std::endl;
    }

    // Relaxed: counting must not put an order on what is tested.
    static inline std::atomic<long> alive_ = 0;
    static inline std::atomic<std::size_t> faults_ = 0;

    std::uint64_t number_;
    std::uint64_t seal_ = 0;
};

}  // namespace runnel::test
