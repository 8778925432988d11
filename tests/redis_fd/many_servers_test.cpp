// SPDX-License-Identifier: MIT
// Servers with clients come and go in one process, and leave nothing behind.

#include <runnel/redis.hpp>
#include <runnel/redis/serve_fd.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/raw_client.hpp"
#include "support/threads_named.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <new>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>

using namespace runnel::redis;
using namespace std::chrono_literals;
using runnel::test::RawClient;

namespace {

std::atomic<long> blocks = 0;
std::atomic<long> bytes = 0;

// Each block has its size in front of it.
constexpr std::size_t front = 2 * alignof(std::max_align_t);

void* take_block(std::size_t size, std::size_t alignment) {
    const std::size_t before = std::max(front, alignment);
    const std::size_t whole = (before + size + alignment - 1) / alignment * alignment;
    char* const all = static_cast<char*>(std::aligned_alloc(alignment, whole));
    if (all == nullptr) throw std::bad_alloc{};
    reinterpret_cast<std::size_t*>(all + before)[-1] = size;
    reinterpret_cast<std::size_t*>(all + before)[-2] = before;
    blocks.fetch_add(1, std::memory_order_relaxed);
    bytes.fetch_add(static_cast<long>(size), std::memory_order_relaxed);
    return all + before;
}
void give_block_back(void* memory) noexcept {
    if (memory == nullptr) return;
    const std::size_t* const end = static_cast<std::size_t*>(memory);
    blocks.fetch_sub(1, std::memory_order_relaxed);
    bytes.fetch_sub(static_cast<long>(end[-1]), std::memory_order_relaxed);
    std::free(static_cast<char*>(memory) - end[-2]);
}

// What a process has.
struct Belongings {
    [[nodiscard]] static Belongings now() {
        Belongings all{};
        all.threads = files_in("/proc/self/task");
        all.descriptors = files_in("/proc/self/fd");
        all.blocks_of_memory = blocks;
        all.bytes_of_memory = bytes;
        return all;
    }

    friend bool operator==(const Belongings&, const Belongings&) = default;
    friend std::ostream& operator<<(std::ostream& out, const Belongings& all) {
        return out << all.threads << " threads, " << all.descriptors << " descriptors, "
                   << all.blocks_of_memory << " blocks of " << all.bytes_of_memory << " bytes";
    }

    long threads;
    long descriptors;
    long blocks_of_memory;
    long bytes_of_memory;

private:
    [[nodiscard]] static long files_in(const char* folder) {
        const std::filesystem::directory_iterator files{folder};
        return static_cast<long>(std::distance(begin(files), end(files)));
    }
};

// A server with clients that are doing all kinds of things when it goes.
void serve_once(int number) {
    Server server;
    FdServer clients{server};
    RawClient one{clients.connect()};
    if (one.ask({"INCR", "n"}) != Reply::integer(1)) throw std::runtime_error{"no reply"};
    one.send("BLPOP q 60\r\nGET n\r\n");
    if (number % 2 == 0) clients.settle();
    if (number % 4 == 0) server.advance(60s);

    if (number % 10 != 0) return;
    RawClient by_path{RawClient::connected_to(clients.listen())};
    by_path.ask({"HELLO", "3"});
    by_path.ask({"SUBSCRIBE", "news"});
    Session{server}.execute({"PUBLISH", "news", std::string(100'000, 'x')});
    std::optional<RawClient> dropped{clients.connect()};
    dropped->send("XREADGROUP GROUP g c");
}

}  // namespace

// Not inlined: g++ would believe that new and free() do not belong together.
[[gnu::noinline]] void* operator new(std::size_t size) {
    return take_block(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
    return take_block(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
    try {
        return take_block(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    give_block_back(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*size*/) noexcept {
    give_block_back(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept {
    give_block_back(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*size*/,
                                       std::align_val_t /*alignment*/) noexcept {
    give_block_back(memory);
}

TEST_CASE("a thousand servers with clients leave no thread, no descriptor and no byte",
          "[redis][fd]") {
    const auto threads_are_gone = [] {  // a sanitizer has one of its own, which stays
        runnel::test::eventually(
            [] { return runnel::test::threads_named("runnel-redis-fd") == 0; });
    };
    serve_once(0);  // what is made once for all
    threads_are_gone();
    const Belongings before = Belongings::now();
    std::cout << "before: " << before << '\n';
    for (int number = 0; number != 1000; ++number) {
        if (number == 500) std::cout << "amid: " << Belongings::now() << '\n';
        serve_once(number);
    }
    threads_are_gone();
    const Belongings after = Belongings::now();
    std::cout << "after: " << after << '\n';
    CHECK(after == before);
}
