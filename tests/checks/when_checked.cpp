// SPDX-License-Identifier: MIT
// Compiled with the macros that decide whether runnel checks. CHECKED: whether it should.
#include <runnel/detail/base/assert.hpp>

namespace {

constexpr bool asserts() {
    bool looked = false;
    RUNNEL_ASSERT(looked = true);
    return looked;
}

constexpr bool expects([[maybe_unused]] runnel::detail::Caller caller = {}) {
    bool looked = false;
    RUNNEL_EXPECT(looked = true, "it has not looked", caller);
    return looked;
}

}  // namespace

static_assert(asserts() == CHECKED);
static_assert(expects() == CHECKED);
