// SPDX-License-Identifier: MIT
//
// A work queue that loses nothing when a worker dies: a worker moves each job to a list of its own
// and removes it there when the job is done. What a dead worker has left there is moved back.

#include <runnel/blocking_list.hpp>

#include <cstdio>
#include <string>
#include <vector>

namespace {

using Jobs = runnel::BlockingList<std::string>;

void run(const std::string& job) {
    std::printf("doing: %s\n", job.c_str());
}

// [readme]
// Does `count` jobs. Then it dies with one more in hand.
void work(const Jobs& jobs, const Jobs& in_hand, int count) {
    while (const auto job = jobs.move_to(in_hand)) {  // one step; hands back a copy of the job
        if (count-- == 0) return;
        run(*job);
        in_hand.remove(*job, runnel::End::front, 1);  // done: at most one that equals the job
    }
}

// Called once the worker is gone: its jobs are the next ones again, in their old order.
void give_back(const Jobs& in_hand, const Jobs& jobs) {
    in_hand.close();  // so that the loop ends when the list is empty
    while (in_hand.move_to(jobs, {.from = runnel::End::back, .to = runnel::End::front})) {
    }
}
// [/readme]

}  // namespace

int main() {
    const Jobs jobs;
    const Jobs in_hand;
    std::vector<std::string> all{"wash", "rinse", "spin"};
    if (jobs.push_back_many(all).count != 3) return 1;
    work(jobs, in_hand, 1);
    if (in_hand.range() != std::vector<std::string>{"rinse"}) return 1;
    give_back(in_hand, jobs);
    return jobs.range() == std::vector<std::string>{"rinse", "spin"} ? 0 : 1;
}
