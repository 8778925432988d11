// SPDX-License-Identifier: MIT
#pragma once

// What a server of the fake of Redis tells of the changes of its data.

#include <runnel/redis.hpp>

#include <initializer_list>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace runnel::test {

/// A change as it was told, with the member `Detail` of it that a test looks at.
template <auto Detail>
struct ToldChange {
    redis::detail::Change::What what;
    std::string key;
    std::remove_cvref_t<decltype(redis::detail::Change{}.*Detail)> detail =
        redis::detail::Change{}.*Detail;

    bool operator==(const ToldChange&) const = default;
    friend std::ostream& operator<<(std::ostream& out, const ToldChange& one) {
        return out << static_cast<int>(one.what) << ' ' << one.key << ' ' << one.detail;
    }
};

/// A server whose changes are listened to.
template <auto Detail>
class ToldChanges {
public:
    using Change = ToldChange<Detail>;

    ToldChanges() {
        const redis::detail::Lock lock{server_->mutex};
        server_->add_listener(listener_);
    }
    ToldChanges(const ToldChanges&) = delete;
    ToldChanges& operator=(const ToldChanges&) = delete;
    ~ToldChanges() { server_->close_all(); }

    /// What is told of a command.
    std::vector<Change> after(std::initializer_list<std::string_view> words) {
        listener_.all.clear();
        std::shared_ptr<redis::detail::PendingState> pending;
        {
            const redis::detail::Entering entering{*server_};
            (void)server_->execute(*session_, {words.begin(), words.size()}, pending);
        }
        return listener_.all;
    }

private:
    struct Listener final : redis::detail::ChangeListener {
        void on_change(const redis::detail::Change& change,
                       redis::detail::ChangedIn /*in*/) noexcept override {
            all.push_back({change.what, std::string{change.key}, change.*Detail});
        }

        std::vector<Change> all{};
    };

    std::shared_ptr<redis::detail::ServerState> server_ =
        std::make_shared<redis::detail::ServerState>(redis::ServerOptions{});
    std::shared_ptr<redis::detail::SessionState> session_ = server_->open({});
    Listener listener_;
};

}  // namespace runnel::test
