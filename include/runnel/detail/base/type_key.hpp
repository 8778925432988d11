// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/annotations.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace runnel::inline v0::detail {

// Not std::string_view: g++ would explain that alias in the text of __PRETTY_FUNCTION__.
template <typename T>
[[nodiscard]] constexpr const char* signature() noexcept {
    return __PRETTY_FUNCTION__;
}

// A T of known spelling shows what the compiler prints before and after a T.
template <typename T>
[[nodiscard]] constexpr std::string_view type_name() noexcept {
    constexpr std::string_view sample = signature<double>();
    constexpr auto before = sample.rfind("double");
    constexpr auto after = sample.size() - before - std::string_view{"double"}.size();
    std::string_view text = signature<T>();
    text.remove_prefix(before);
    text.remove_suffix(after);
    return text;
}

// Whether two shared objects may have different types of this name. These are types of unnamed
// namespaces, unnamed types, lambdas, (g++) types local to functions, and types made of these.
[[nodiscard]] constexpr bool is_ambiguous(std::string_view type_name) noexcept {
    constexpr std::array<std::string_view, 8> marks{"{anonymous}", "(anonymous", "<unnamed",
                                                    "(unnamed",    "<lambda",    "(lambda",
                                                    ")::",         "const::"};
    return std::ranges::any_of(marks, [type_name](std::string_view mark) {
        return type_name.find(mark) != std::string_view::npos;
    });
}

// Each shared object or program has its own, and is known by its address.
RUNNEL_HIDDEN inline constexpr char this_image = 0;

struct TypeTag {
    std::string_view name;
    const char* image;
    std::size_t size;
    std::size_t alignment;
    bool ambiguous;
};

template <typename T>
struct RUNNEL_VISIBLE TypeTagOf {
    static constexpr TypeTag value{type_name<T>(), &this_image, sizeof(T), alignof(T),
                                   is_ambiguous(type_name<T>())};
};

/// Stands for a type at run time, without RTTI. Two keys of the same type are equal. This also
/// holds across shared objects of the same compiler that are built with -fvisibility=hidden or
/// loaded with RTLD_LOCAL.
///
/// Between two shared objects that do not share symbols, types of unnamed namespaces, lambdas and
/// unnamed types are never equal. clang's name for a type local to a function omits the function:
/// two such types of the same name, size and alignment are then taken for one.
class TypeKey {
public:
    /// The compiler's name of the type, for people; it differs between compilers.
    [[nodiscard]] constexpr std::string_view name() const noexcept { return tag_->name; }

    friend bool operator==(TypeKey a, TypeKey b) noexcept {
        if (a.tag_ == b.tag_) return true;
        // The linker leaves one tag per type in each image: two tags in one image are two types.
        if (a.tag_->image == b.tag_->image) return false;
        return has_same_name(*a.tag_, *b.tag_);
    }

private:
    template <typename T>
    friend constexpr TypeKey type_key() noexcept;

    constexpr explicit TypeKey(const TypeTag& tag) noexcept : tag_{&tag} {}

    // Size and alignment tell types apart that have the same name.
    [[nodiscard]] static bool has_same_name(const TypeTag& a, const TypeTag& b) noexcept {
        return !a.ambiguous && a.size == b.size && a.alignment == b.alignment && a.name == b.name;
    }

    const TypeTag* tag_;
};

/// The key of the type T.
template <typename T>
[[nodiscard]] constexpr TypeKey type_key() noexcept {
    return TypeKey{TypeTagOf<T>::value};
}

}  // namespace runnel::inline v0::detail
