// SPDX-License-Identifier: MIT
//
// Threads count the words of a text. They share a Stream as a consumer group:
//
//     main --add--> lines --read--> a worker --ack--> counted
//                     ^                 |
//                     +----autoclaim----+   what a dead worker had in hand
//
// One worker dies with lines in hand. They stay pending until another worker claims them. Each
// worker announces on a Channel what it has done. One subscriber adds that up and shows the
// progress. Another one is slow: it skips announcements, and is told how many.

#include <runnel/channel.hpp>
#include <runnel/stream.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
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
    std::size_t lines = 0;  // counted
    std::size_t words = 0;
    std::size_t claimed = 0;  // of the lines, those that another worker had in hand
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

News count(const runnel::Deliveries<Line>& lines) {
    News news;
    for (const auto& line : lines) {
        if (line.ack() == runnel::Ack::stale) continue;  // claimed by another worker meanwhile
        ++news.lines;
        news.words += count_words(line.value.text);
        if (line.attempt > 1) ++news.claimed;
    }
    return news;
}

// A worker counts until it is stopped. The first worker that gets line `fatal` dies.
void work(const runnel::Consumer<Line>& me, const runnel::Channel<News>& channel, std::size_t fatal,
          const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        auto lines = me.read({.count = 32, .timeout = 10ms, .stop = stop});
        if (!lines) lines = me.autoclaim({.min_idle = 100ms});  // what a dead worker had in hand
        for (const auto& line : lines)
            if (line.value.number == fatal && line.attempt == 1) {
                std::printf("%s dies with lines in hand: %zu\n", me.name().c_str(), lines.size());
                return;
            }
        if (const News news = count(lines); news.lines != 0) channel.publish(news);
    }
}

void show_progress(std::size_t done, std::size_t all) {
    if (isatty(STDOUT_FILENO) != 1) return;
    std::printf("%zu of %zu lines%c", done, all, done == all ? '\n' : '\r');
    std::fflush(stdout);
}

void read_slowly(runnel::Subscription<News>& view, const std::stop_token& stop) {
    while (view.read({.count = 1, .stop = stop})) std::this_thread::sleep_for(5ms);
}

// Counts by four threads. Returns whether every line was counted once.
bool count(const std::vector<std::string>& text) {
    const runnel::Stream<Line> lines;
    const auto workers = lines.group("workers");
    const runnel::Channel<News> channel;
    News all;
    const auto connection = channel.on_message([&](const News& news) {  // one call at a time
        all.lines += news.lines;
        all.words += news.words;
        all.claimed += news.claimed;
        show_progress(all.lines, text.size());
    });
    auto view = channel.subscribe({.bound = 4});  // skips the oldest when it is behind
    {
        const std::jthread slow{[&](const std::stop_token& stop) { read_slowly(view, stop); }};
        std::vector<std::jthread> threads;
        for (const char* name : {"ann", "bob", "eve", "joe"})
            threads.emplace_back([&, name](const std::stop_token& stop) {
                work(workers.consumer(name), channel, text.size() / 2, stop);
            });
        for (std::size_t at = 0; at != text.size(); ++at) lines.add({at, text[at]});
        // Lag: lines that no worker has read yet. Pending: read, and not acknowledged.
        while (workers.lag() != 0 || workers.pending().count != 0) std::this_thread::sleep_for(1ms);
    }  // stops and joins the workers, then the slow subscriber
    std::printf("lines claimed by other workers: %zu\n"
                "the slow subscriber missed %ju of %ju announcements\nlines %zu, words %zu\n",
                all.claimed, std::uintmax_t{view.missed()},
                std::uintmax_t{channel.info().published}, all.lines, all.words);
    return all.lines == text.size();
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
