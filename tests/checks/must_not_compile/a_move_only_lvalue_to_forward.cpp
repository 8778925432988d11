// SPDX-License-Identifier: MIT
#include <runnel/stream.hpp>

#include <memory>
#include <utility>

void forward(const runnel::Delivery<int>& delivery,
             const runnel::Stream<std::unique_ptr<int>>& stream, std::unique_ptr<int> one) {
    delivery.forward(stream, one);  // refused
    delivery.forward(stream, std::move(one));
    delivery.forward(stream, std::make_unique<int>(1));
}
