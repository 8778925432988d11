// SPDX-License-Identifier: MIT
//
// A circular queue: a list whose first element is moved to its own end hands out its elements in
// turn, for ever. Here the elements are servers that get requests in turn; servers come and go
// meanwhile. Any number of threads may turn the queue: each step is one operation, so no thread
// ever sees a server missing.

#include <runnel/blocking_list.hpp>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace {

using Servers = runnel::BlockingList<std::string>;

// Gives `count` requests to the servers in turn, and returns how many each of them got.
std::map<std::string, int> serve(const Servers& servers, int count) {
    std::map<std::string, int> shares;
    for (int request = 1; request <= count; ++request) {
        const auto server = servers.move_to(servers);  // the front goes to the back; a copy is ours
        std::printf("  request %d -> %s\n", request, server->c_str());
        ++shares[*server];
    }
    return shares;
}

}  // namespace

int main() {
    using Shares = std::map<std::string, int>;
    const Servers servers;
    std::vector<std::string> names{"ash", "birch", "cedar"};
    if (servers.push_back_many(names).count != 3) return 1;

    std::puts("three servers:");
    bool as_expected = serve(servers, 4) == Shares{{"ash", 2}, {"birch", 1}, {"cedar", 1}};

    std::puts("cedar is down:");
    as_expected = as_expected && servers.remove("cedar") == 1;
    as_expected = as_expected && serve(servers, 4) == Shares{{"ash", 2}, {"birch", 2}};

    std::puts("elm joins, next in turn:");
    if (servers.push_front("elm") != runnel::Push::done) return 1;
    as_expected = as_expected && serve(servers, 3) == Shares{{"ash", 1}, {"birch", 1}, {"elm", 1}};
    return as_expected ? 0 : 1;
}
