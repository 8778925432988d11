// SPDX-License-Identifier: MIT
// One of two shared objects that know nothing of each other; type_key_shared_test.cpp loads both.
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/type_key.hpp>
#include <runnel/error.hpp>

#include <string>
#include <vector>

using runnel::detail::type_key;
using runnel::detail::TypeKey;

namespace shop {

struct Order {
    int apples;
};

}  // namespace shop

namespace {

struct Unnamed {
    int apples;
};

template <typename T>
const TypeKey* key_of() {
    static const TypeKey key = type_key<T>();
    return &key;
}

}  // namespace

extern "C" {

RUNNEL_VISIBLE const TypeKey* key_of_number() {
    return key_of<int>();
}
RUNNEL_VISIBLE const TypeKey* key_of_text() {
    return key_of<std::string>();
}
RUNNEL_VISIBLE const TypeKey* key_of_order() {
    return key_of<shop::Order>();
}
RUNNEL_VISIBLE const TypeKey* key_of_orders() {
    return key_of<std::vector<shop::Order>>();
}
RUNNEL_VISIBLE const TypeKey* key_of_unnamed() {
    return key_of<Unnamed>();
}
RUNNEL_VISIBLE const TypeKey* key_of_unnameds() {
    return key_of<std::vector<Unnamed>>();
}
RUNNEL_VISIBLE void refuse() {
    throw runnel::Error{runnel::ErrorCode::wrong_type, "orders"};
}

}  // extern "C"
