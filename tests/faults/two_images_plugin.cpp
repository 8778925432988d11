// SPDX-License-Identifier: MIT
// The other image of two_images_test.cpp.
#include <runnel/detail/base/annotations.hpp>

#include "support/two_images.hpp"

extern "C" RUNNEL_VISIBLE const runnel::test::Image* image() {
    return &runnel::test::this_image;
}
