// SPDX-License-Identifier: MIT
#include <runnel/channel_options.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/channel/channel_state.hpp>
#include <runnel/detail/channel/inbox_state.hpp>

#include "support/catch.hpp"
#include "support/short_memory.hpp"

#include <algorithm>
#include <cstddef>
#include <new>
#include <random>
#include <string>
#include <utility>
#include <vector>

using runnel::ChannelOptions;
using runnel::InboxOptions;
using runnel::detail::InboxLinks;
using runnel::detail::Owner;
using runnel::test::at_every_request;
using runnel::test::MemoryRunsOut;
using runnel::test::Shortage;

namespace {

using OwnedChannel = runnel::detail::ChannelState<int>;
using OwnedInbox = runnel::detail::InboxState<int>;
using Link = runnel::detail::InboxLink<int>;
using Links = std::vector<const Link*>;

struct Scene {
    Scene() {
        for (std::size_t number = 0; number != 6; ++number)
            inboxes.emplace_back(std::in_place, InboxOptions{});
    }

    // Null: the direct one.
    [[nodiscard]] const std::string* way(std::size_t number) const {
        return number == 0 ? nullptr : &patterns[number - 1];
    }
    [[nodiscard]] Owner<Link> link(std::size_t inbox, std::size_t by) const {
        return Owner<Link>(std::in_place, channel, inboxes[inbox], way(by));
    }
    [[nodiscard]] Links all() const {
        Links visited;
        links.visit([&](const Link& link) { visited.push_back(&link); });
        return visited;
    }
    std::size_t remove(std::size_t inbox, std::size_t by) {
        return links.remove(*inboxes[inbox].get(), way(by), [](const Link&) {});
    }

    const Owner<OwnedChannel> channel{std::in_place, ChannelOptions<int>{}, std::string{"news"}};
    std::vector<Owner<OwnedInbox>> inboxes;
    // Two of them have the same text.
    const std::vector<std::string> patterns{"n*", "*", "*"};
    InboxLinks<int> links;
};

// The same, by search in a vector.
struct Reference {
    void add(const Link& link) {
        auto at = all.end();
        if (link.by == nullptr)
            at = std::ranges::find_if(all, [](const Link* one) { return one->by != nullptr; });
        all.insert(at, &link);
    }
    std::size_t remove(const OwnedInbox& inbox, const std::string* by) {
        return std::erase_if(
            all, [&](const Link* one) { return one->inbox.get() == &inbox && one->by == by; });
    }

    Links all;
};

}  // namespace

TEST_CASE("links keep their order, direct ones first, whichever come and go", "[channel][inbox]") {
    std::mt19937 random{7};
    Scene scene;
    Reference reference;
    for (int step = 0; step != 5'000; ++step) {
        const std::size_t inbox = random() % scene.inboxes.size();
        const std::size_t by = random() % 4;
        if (random() % 5 < 3) {
            const Owner<Link> link = scene.link(inbox, by);
            scene.links.add(link);
            reference.add(*link.get());
        } else {
            const std::size_t expected =
                reference.remove(*scene.inboxes[inbox].get(), scene.way(by));
            REQUIRE(scene.remove(inbox, by) == expected);
        }
        REQUIRE(scene.all() == reference.all);
        REQUIRE(scene.links.size() == reference.all.size());
        REQUIRE(scene.links.empty() == reference.all.empty());
    }
}

TEST_CASE("links that go are told one by one", "[channel][inbox]") {
    Scene scene;
    const Owner<Link> one = scene.link(0, 0);
    const Owner<Link> same = scene.link(0, 0);
    for (const auto& link : {one, scene.link(0, 1), scene.link(1, 0), same}) scene.links.add(link);
    Links gone;
    CHECK(scene.links.remove(*scene.inboxes[0].get(), nullptr,
                             [&](const Link& link) { gone.push_back(&link); }) == 2);
    CHECK(gone == Links{one.get(), same.get()});
    CHECK(scene.links.size() == 2);
    // They may come again.
    scene.links.add(one);
    CHECK(scene.all().back()->by == scene.way(1));
    CHECK(scene.all()[1] == one.get());
}

TEST_CASE("a link that gets no memory is not among the others", "[channel][inbox][allocation]") {
    at_every_request([](long granted, Shortage shortage) {
        Scene scene;
        scene.links.add(scene.link(0, 0));
        const Owner<Link> link = scene.link(1, 0);
        const Links before = scene.all();
        bool has_thrown = false;
        {
            const MemoryRunsOut limit{granted, shortage};
            try {
                scene.links.add(link);
            } catch (const std::bad_alloc&) {
                has_thrown = true;
            }
        }
        REQUIRE(scene.links.size() == (has_thrown ? 1 : 2));
        REQUIRE((scene.all() == before) == has_thrown);
        REQUIRE(scene.remove(1, 0) == (has_thrown ? 0 : 1));
    });
}
