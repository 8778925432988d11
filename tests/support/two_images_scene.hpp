// SPDX-License-Identifier: MIT
#pragma once

// The program and a plug-in, for tests whose CMake defines where the plug-ins are.

#include <runnel/clock.hpp>

#include "support/catch.hpp"
#include "support/two_images.hpp"

#include <dlfcn.h>
#include <utility>

namespace runnel::test {

// Stays loaded: what was made in it may be left.
inline const Image& plugin(const char* path) {
    void* const handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) FAIL(dlerror());  // NOLINT(concurrency-mt-unsafe)
    // POSIX lets a void* be a function. NOLINTNEXTLINE(*-reinterpret-cast)
    return *reinterpret_cast<const Image* (*)()>(dlsym(handle, "image"))();
}

/// The program and a plug-in, and the other way round; built to hide what it can, and not.
struct Images {
    const Image* one = &this_image;
    const Image* other = &plugin(GENERATE(TWO_IMAGES_HIDDEN, TWO_IMAGES_DEFAULT));
    ManualClock clock;

    Images() {
        if (GENERATE(false, true)) std::swap(one, other);
    }
};

}  // namespace runnel::test
