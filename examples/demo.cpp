// SPDX-License-Identifier: MIT
//
// Four threads count the words of a text. They are a Worker over the lines, a Stream:
//
//     main --add--> lines --read--> the worker --ack--> counted
//                     ^                 |
//                     +---- a claim ----+   what a dead thread had in hand
//
// One thread dies with a line in hand. That stays pending until another one claims it. What has
// been counted is announced on a Channel. One subscriber adds that up and shows the progress.
// Another one is slow: it skips announcements, and is told how many.

#include <runnel/channel.hpp>
#include <runnel/deduplicator.hpp>
#include <runnel/stream.hpp>
#include <runnel/worker.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <pthread.h>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace std::chrono_literals;

struct Line {
    std::size_t number;
    std::string_view text;
};

struct News {
    std::size_t words;
    bool was_claimed;  // another thread had the line in hand
};

std::size_t count_words(std::string_view text) {
    const auto is_blank = [](char byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); };
    std::size_t count = 0;
    for (char before = ' '; const char byte : text) {
        if (is_blank(before) && !is_blank(byte)) ++count;
        before = byte;
    }
    return count;
}

void show_progress(std::size_t done, std::size_t all) {
    if (isatty(STDOUT_FILENO) != 1) return;
    std::printf("%zu of %zu lines%c", done, all, done == all ? '\n' : '\r');
    std::fflush(stdout);
}

void read_slowly(runnel::Subscription<News>& view, const std::stop_token& stop) {
    while (view.read({.count = 1, .stop = stop})) std::this_thread::sleep_for(5ms);
}

// Returns whether every line was counted once.
// NOLINTNEXTLINE(readability-function-size)
bool count(const std::vector<std::string>& text) {
    const runnel::Channel<News> channel;
    std::size_t counted = 0;
    std::size_t words = 0;
    std::size_t claimed = 0;
    const auto connection = channel.on_message([&](const News& news) {  // one call at a time
        show_progress(++counted, text.size());
        words += news.words;
        claimed += news.was_claimed ? 1 : 0;
    });
    auto view = channel.subscribe({.bound = 4});  // skips the oldest when it is behind

    const runnel::Stream<Line> lines;
    const auto handle = [&](runnel::Worker<Line>::Job& line) {
        if (line->number == text.size() / 2 && line.attempt() == 1) {
            std::puts("a thread dies with a line in hand");
            pthread_exit(nullptr);
        }
        channel.publish({count_words(line->text), line.attempt() > 1});
    };
    // If a thread is held up for longer than the lease, its line is not counted again.
    runnel::Deduplicator<std::size_t> numbers{{.count = text.size() + 1}};
    runnel::Worker<Line> worker{
        lines,
        "counters",
        handle,
        {.policy = {.guarantee = runnel::Guarantee::effectively_once, .lease = 100ms},
         .once = runnel::once_by(numbers, [](const Line& line) { return line.number; })}};
    {
        const std::jthread slow{[&](const std::stop_token& stop) { read_slowly(view, stop); }};
        std::vector<std::jthread> threads;
        for (int number = 0; number != 4; ++number) threads.emplace_back([&] { worker.run(); });
        for (std::size_t at = 0; at != text.size(); ++at) lines.add({at, text[at]});
        lines.close();
    }  // the threads end when nothing is pending; then the slow subscriber is stopped
    std::printf("lines claimed from a dead thread: %zu\n"
                "the slow subscriber missed %ju of %ju announcements\nlines %zu, words %zu\n",
                claimed, std::uintmax_t{view.missed()}, std::uintmax_t{channel.info().published},
                counted, words);
    return counted == text.size();
}

void append_file(const std::string& name, std::vector<std::string>& text) {
    std::ifstream file;
    if (name != "-") file.open(name, std::ios::binary);
    std::istream& in = name == "-" ? std::cin : file;
    for (std::string line; std::getline(in, line);) text.push_back(line);
    if (!in.eof()) throw std::system_error{errno, std::generic_category(), name};
}

}  // namespace

// Counts the files that it is given, `-` for standard input; without any, the headers of runnel.
int main(int argc, char** argv) try {
    std::ios::sync_with_stdio(false);  // else std::cin takes an error for the end
    std::vector<std::string> files(argv + 1, argv + argc);
    if (files.empty())
        for (const auto& file : std::filesystem::recursive_directory_iterator{RUNNEL_HEADERS})
            if (file.is_regular_file()) files.push_back(file.path().string());
    std::vector<std::string> text;
    for (const std::string& name : files) append_file(name, text);
    const bool is_complete = count(text);
    std::puts(is_complete ? "every line accounted for" : "lines were lost or counted twice");
    return is_complete ? 0 : 1;
} catch (const std::exception& error) {
    std::fprintf(stderr, "demo: %s\n", error.what());
    return 2;
}
