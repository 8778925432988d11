// SPDX-License-Identifier: MIT
//
// The first program: one thread hands out jobs, another one does them.

// [readme]
#include <runnel/runnel.hpp>

#include <cstdio>
#include <string>
#include <thread>

int main() {
    runnel::BlockingList<std::string> jobs{{.capacity = 100}};
    std::jthread worker{[jobs] {             // a copy of the handle: the same list
        while (auto job = jobs.pop_front())  // waits; false when the list is closed and empty
            std::printf("%s is done\n", job->c_str());
    }};
    for (const char* job : {"washing", "rinsing", "spinning"})
        if (jobs.push_back(job) != runnel::Push::done) return 1;  // waits while 100 are in the list
    jobs.close();  // the worker does what is left, and ends
}
// [/readme]
