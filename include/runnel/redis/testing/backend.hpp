// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/redis/testing/client.hpp>

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::testing::detail {

// The server of one test, whichever it is, and its connections.
class Backend {
public:
    Backend() = default;
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;
    virtual ~Backend() = default;

    [[nodiscard]] virtual std::shared_ptr<Link> connect() = 0;

    // Looks for the last time, closes all connections, and returns what is to be said of it.
    // `has_failed`: the test has, so what was thrown is known.
    [[nodiscard]] virtual std::vector<std::string> finish(bool has_failed) = 0;
};

// The connections that are still there.
template <typename LinkType>
class Links {
public:
    void add(const std::shared_ptr<LinkType>& link) {
        const std::lock_guard lock{mutex_};
        std::erase_if(links_, [](const auto& one) { return one.expired(); });
        links_.push_back(link);
    }
    [[nodiscard]] std::vector<std::shared_ptr<LinkType>> all() const {
        const std::lock_guard lock{mutex_};
        std::vector<std::shared_ptr<LinkType>> links;
        for (const auto& one : links_) {
            if (auto link = one.lock()) links.push_back(std::move(link));
        }
        return links;
    }
    void close_all() const {
        for (const auto& link : all()) link->close();
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::weak_ptr<LinkType>> links_;
};

}  // namespace runnel::inline v0::redis::testing::detail
