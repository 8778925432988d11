// SPDX-License-Identifier: MIT
//
// A work queue: one thread hands out jobs, two others do them. A job is a range of numbers whose
// primes are to be counted.

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

bool is_prime(int number) {
    for (int divisor = 2; divisor * divisor <= number; ++divisor)
        if (number % divisor == 0) return false;
    return number >= 2;
}

int primes_in(const Job& job) {
    int count = 0;
    for (int number = job.from; number != job.to; ++number) count += is_prime(number) ? 1 : 0;
    return count;
}

// [readme]
void count_primes(std::atomic<int>& primes) {
    runnel::BlockingList<Job> jobs{{.capacity = 8}};                  // when full, a push waits
    const auto work = [jobs, &primes](const std::stop_token& stop) {  // a copy is the same list
        while (auto job = jobs.pop_front({.stop = stop})) primes += primes_in(*job);
    };
    std::jthread one{work};
    std::jthread two{work};
    for (int from = 0; from != 100'000; from += 1'000)
        if (jobs.push_back({from, from + 1'000}) != runnel::Push::done) return;
    jobs.close();  // no more jobs will come: the workers do what is left, and end
}
// [/readme]

}  // namespace

int main() {
    std::atomic<int> primes = 0;
    count_primes(primes);
    std::printf("two workers found %d primes below 100000 in 100 jobs\n", primes.load());
    return primes == 9592 ? 0 : 1;
}
