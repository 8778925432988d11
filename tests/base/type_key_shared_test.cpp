// SPDX-License-Identifier: MIT
// TYPE_KEY_A and TYPE_KEY_B are the paths of two shared objects made of type_key_a.cpp and
// type_key_b.cpp with -fvisibility=hidden.
#include <runnel/detail/base/type_key.hpp>
#include <runnel/error.hpp>

#include "support/catch.hpp"

#include <dlfcn.h>
#include <string>
#include <string_view>
#include <vector>

using runnel::detail::type_key;
using runnel::detail::TypeKey;

namespace shop {

struct Order {
    int apples;
};

}  // namespace shop

namespace {

// Stays loaded: the keys point into it.
class Plugin {
public:
    explicit Plugin(const char* path) : handle_{dlopen(path, RTLD_NOW | RTLD_LOCAL)} {
        if (handle_ == nullptr) fail();
    }

    TypeKey key(const char* function) const { return *call<const TypeKey*>(function); }
    void refuse() const { call<void>("refuse"); }
    void* symbol(const char* name) const { return dlsym(handle_, name); }

private:
    static void fail() { FAIL(dlerror()); }  // NOLINT(concurrency-mt-unsafe)

    template <typename Result>
    Result call(const char* function) const {
        auto* const address = symbol(function);
        if (address == nullptr) fail();
        // POSIX lets a void* be a function. NOLINTNEXTLINE(*-reinterpret-cast)
        return reinterpret_cast<Result (*)()>(address)();
    }

    void* handle_;
};

struct TwoPlugins {
    Plugin a{TYPE_KEY_A};
    Plugin b{TYPE_KEY_B};
};

}  // namespace

TEST_CASE_METHOD(TwoPlugins, "two shared objects do not see each other's symbols",
                 "[type_key][shared]") {
    REQUIRE(a.symbol("key_of_order") != b.symbol("key_of_order"));
    REQUIRE(dlsym(RTLD_DEFAULT, "key_of_order") == nullptr);
}

TEST_CASE_METHOD(TwoPlugins, "two shared objects agree on the types they both name",
                 "[type_key][shared]") {
    for (const auto* type : {"key_of_number", "key_of_text", "key_of_order", "key_of_orders"}) {
        CAPTURE(type);
        CHECK(a.key(type) == b.key(type));
    }
}

TEST_CASE_METHOD(TwoPlugins, "a program agrees with its plugins", "[type_key][shared]") {
    CHECK(a.key("key_of_number") == type_key<int>());
    CHECK(a.key("key_of_text") == type_key<std::string>());
    CHECK(b.key("key_of_order") == type_key<shop::Order>());
    CHECK(b.key("key_of_orders") == type_key<std::vector<shop::Order>>());
}

TEST_CASE_METHOD(TwoPlugins, "other types differ across shared objects", "[type_key][shared]") {
    CHECK(a.key("key_of_number") != b.key("key_of_text"));
    CHECK(a.key("key_of_order") != b.key("key_of_orders"));
    CHECK(a.key("key_of_order") != b.key("key_of_unnamed"));
}

TEST_CASE_METHOD(TwoPlugins, "types of two unnamed namespaces differ, though their names do not",
                 "[type_key][shared]") {
    for (const auto* type : {"key_of_unnamed", "key_of_unnameds"}) {
        CAPTURE(type);
        CHECK(a.key(type).name() == b.key(type).name());
        CHECK(a.key(type) != b.key(type));
        CHECK(a.key(type) == a.key(type));
    }
}

TEST_CASE_METHOD(TwoPlugins, "an error of a plugin is caught as an Error", "[error][shared]") {
    try {
        a.refuse();
        FAIL("refuse() has returned");
    } catch (const runnel::Error& error) {
        CHECK(error.code() == runnel::ErrorCode::wrong_type);
        CHECK(error.what() == std::string_view{"orders"});
    }
    // Some platforms compare types by address only; there it takes a type that all can see.
    CHECK(a.symbol("_ZTIN6runnel2v05ErrorE") != nullptr);
}
