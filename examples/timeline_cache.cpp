// SPDX-License-Identifier: MIT
//
// A cache of timelines that are in use. A new post is pushed onto the timelines of active readers
// only. The timeline of an inactive reader is empty, and push_…_if_exists() does not push onto an
// empty list. When that reader comes back, its timeline is made from the archive. A timeline keeps
// the three newest posts: a full list drops the element at its other end.

#include <runnel/blocking_list.hpp>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace {

using Posts = std::vector<std::string>;
using Timeline = runnel::BlockingList<std::string>;

Timeline make_timeline() {
    return Timeline{{.capacity = 3, .when_full = runnel::Full::drop_other_end}};
}

// Returns how many timelines are in use.
int publish(const std::map<std::string, Timeline>& timelines, const std::string& post) {
    int reached = 0;
    for (const auto& [reader, timeline] : timelines)
        if (timeline.push_front_if_exists(std::string{post}) == runnel::Push::done) ++reached;
    std::printf("\"%s\" reached %d of %zu timelines\n", post.c_str(), reached, timelines.size());
    return reached;
}

void show(const std::string& reader, const Posts& posts) {
    std::printf("%s sees:", reader.c_str());
    for (const std::string& post : posts) std::printf(" \"%s\"", post.c_str());
    std::puts(posts.empty() ? " nothing" : "");
}

}  // namespace

int main() {
    const std::map<std::string, Timeline> timelines{{"ann", make_timeline()},
                                                    {"bob", make_timeline()}};
    // Ann logs in: her timeline is made from the archive, here of one post. Bob does not.
    if (timelines.at("ann").push_front("welcome") != runnel::Push::done) return 1;

    bool as_expected = true;
    for (const char* post : {"rain", "sun", "snow"})
        as_expected = publish(timelines, post) == 1 && as_expected;
    for (const auto& [reader, timeline] : timelines) show(reader, timeline.range());

    as_expected = as_expected && timelines.at("ann").range() == Posts{"snow", "sun", "rain"};
    return as_expected && timelines.at("bob").size() == 0 ? 0 : 1;
}
