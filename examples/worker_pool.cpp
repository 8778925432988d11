// SPDX-License-Identifier: MIT
//
// Two ways to shut down a pool of workers: they do all jobs that are left, and end; or they end
// after the job in hand, and the backlog goes back to the caller.

#include <runnel/blocking_list.hpp>

#include <atomic>
#include <cstdio>
#include <functional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Job = std::function<void(const std::stop_token&)>;

class Pool {
public:
    explicit Pool(int size) {
        for (; size > 0; --size)
            workers_.emplace_back([jobs = jobs_](const std::stop_token& stop) {
                while (const auto job = jobs.pop_front({.stop = stop})) {
                    (*job)(stop);
                    if (stop.stop_requested()) break;  // a stop ends a wait, but not a backlog
                }
            });
    }

    // False: it is shut down.
    bool submit(Job job) const { return jobs_.push_back(std::move(job)) == runnel::Push::done; }

    // Returns when all jobs are done.
    void finish() {
        jobs_.close();  // a pop from a closed list still takes what is left
        for (auto& worker : workers_) worker.join();
    }

    // Returns the jobs that no worker has begun.
    std::vector<Job> abandon() {
        jobs_.close();
        for (auto& worker : workers_) worker.request_stop();
        for (auto& worker : workers_) worker.join();
        std::vector<Job> backlog;
        while (auto job = jobs_.try_pop_front()) backlog.push_back(*std::move(job));
        return backlog;
    }

private:
    runnel::BlockingList<Job> jobs_;
    std::vector<std::jthread> workers_;
};

}  // namespace

int main() {
    std::atomic<int> done = 0;
    const Job quick = [&done](const std::stop_token&) { ++done; };
    const Job endless = [](const std::stop_token& stop) {  // a job that takes long looks at it
        while (!stop.stop_requested()) std::this_thread::yield();
    };

    Pool patient{2};
    for (int job = 0; job != 100; ++job)
        if (!patient.submit(quick)) return 1;
    patient.finish();
    std::printf("finished: %d jobs done\n", done.load());

    Pool hasty{2};
    for (int job = 0; job != 102; ++job)
        if (!hasty.submit(job < 2 ? endless : quick)) return 1;
    const auto backlog = hasty.abandon();
    std::printf("abandoned: %zu jobs left\n", backlog.size());
    return done == 100 && backlog.size() == 100 && !hasty.submit(quick) ? 0 : 1;
}
