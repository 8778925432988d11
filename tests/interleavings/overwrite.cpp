// SPDX-License-Identifier: MIT
// What is freed is overwritten, so that its use is seen where no sanitizer looks.
#include "interleavings/fiber.hpp"

#if !defined(RUNNEL_FIBERS_UNDER_ASAN)

#    include <cstddef>
#    include <cstdlib>
#    include <cstring>
#    include <malloc.h>
#    include <new>

namespace {

constexpr int gone = 0xdd;

void overwrite_and_free(void* memory) noexcept {
    if (memory == nullptr) return;
    std::memset(memory, gone, malloc_usable_size(memory));
    asm volatile("" : : "r"(memory) : "memory");  // else a compiler may leave it out before free()
    std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) {
    if (void* const memory = std::malloc(size)) return memory;
    throw std::bad_alloc{};
}
void operator delete(void* memory) noexcept {
    overwrite_and_free(memory);
}
void operator delete(void* memory, std::size_t /*size*/) noexcept {
    overwrite_and_free(memory);
}

#endif
