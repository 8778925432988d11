// SPDX-License-Identifier: MIT
//
// A work queue: one thread hands out jobs, two others do them. Here a job is a range of numbers,
// and to do it is to count the primes in it.

#include <runnel/blocking_list.hpp>

#include <atomic>
#include <cstdio>
#include <stop_token>
#include <thread>

namespace {

struct Job {
    int from;
    int to;
};

std::atomic<int> primes = 0;

bool is_prime(int number) {
    for (int divisor = 2; divisor * divisor <= number; ++divisor)
        if (number % divisor == 0) return false;
    return number >= 2;
}

void run(const Job& job) {
    for (int number = job.from; number != job.to; ++number) primes += is_prime(number) ? 1 : 0;
}

// [readme]
void count_primes() {
    runnel::BlockingList<Job> jobs{{.capacity = 8}};  // a push onto a full list waits for room
    auto work = [jobs](std::stop_token stop) {        // a handle: the copy is the same list
        while (auto job = jobs.pop_front({.stop = stop})) run(*job);
    };
    std::jthread one{work};
    std::jthread two{work};
    for (int from = 0; from != 100'000; from += 1'000)
        if (jobs.push_back({from, from + 1'000}) != runnel::Push::done) return;
    jobs.close();  // no more to come: the workers do what is left, and end
}
// [/readme]

}  // namespace

int main() {
    count_primes();
    std::printf("two workers found %d primes below 100000 in 100 jobs\n", primes.load());
    return primes == 9592 ? 0 : 1;
}
