// SPDX-License-Identifier: MIT
#include "heap.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <malloc.h>
#include <new>

// NOLINTBEGIN(*-no-malloc, *-non-const-global-variables, concurrency-mt-unsafe): it is the heap.
namespace runnel::bench {
namespace {

std::atomic<bool> counting{false};
std::atomic<std::size_t> counted{0};  // may pass below 0 and come back

// The C library's own: what the caller can use, and the size in front of it.
std::size_t size_of_chunk(void* memory) noexcept {
    return malloc_usable_size(memory) + sizeof(std::size_t);
}

void* count(void* memory) {
    if (memory == nullptr) throw std::bad_alloc{};
    if (counting.load(std::memory_order_relaxed)) counted += size_of_chunk(memory);
    return memory;
}

void release(void* memory) noexcept {
    if (memory != nullptr && counting.load(std::memory_order_relaxed))
        counted -= size_of_chunk(memory);
    std::free(memory);
}

}  // namespace

HeapCount::HeapCount() noexcept {
    counted = 0;
    counting = true;
}

HeapCount::~HeapCount() {
    counting = false;
}

// NOLINTNEXTLINE(readability-convert-member-functions-to-static)
std::size_t HeapCount::bytes() const noexcept {
    return counted;
}

void keep_heap() noexcept {
    mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
    mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the greatest there is
}

}  // namespace runnel::bench

// The forms that are not here call these.
void* operator new(std::size_t size) {
    return runnel::bench::count(std::malloc(std::max<std::size_t>(1, size)));
}

void* operator new(std::size_t size, std::align_val_t alignment) {
    const auto unit = static_cast<std::size_t>(alignment);
    return runnel::bench::count(std::aligned_alloc(unit, (size + unit - 1) / unit * unit));
}

void operator delete(void* memory) noexcept {
    runnel::bench::release(memory);
}

void operator delete(void* memory, std::size_t /*size*/) noexcept {
    runnel::bench::release(memory);
}

void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept {
    runnel::bench::release(memory);
}

void operator delete(void* memory, std::size_t /*size*/, std::align_val_t /*alignment*/) noexcept {
    runnel::bench::release(memory);
}
// NOLINTEND(*-no-malloc, *-non-const-global-variables, concurrency-mt-unsafe)
