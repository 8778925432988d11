// SPDX-License-Identifier: MIT
//
// Counts the words of a text by several threads over a BlockingList. One of them dies on the way
// with lines in hand, and nothing is lost:
//
//     reader --push_back--> jobs --move_to--> a worker's list of lines in hand --remove--> done
//                             ^                            |
//                             +---move_to, if it has died--+
//
// A line is taken by moving it: it stands either in `jobs` or in the list of the worker that has it
// in hand, and leaves that only when it has been counted. So what a dead worker had in hand is
// still there for the supervisor to find. A bitmap of all lines proves it in the end.
//
// A word is a run of bytes other than blanks: space, tab, line feed, vertical tab, form feed and
// carriage return. Upper and lower case differ.

#include <runnel/blocking_list.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <unordered_map>
#include <utility>
#include <vector>

#ifndef RUNNEL_SOURCE_DIR  // CMake says where runnel is
#    define RUNNEL_SOURCE_DIR "."
#endif

namespace {

using namespace std::chrono_literals;
using runnel::BlockingList;
using runnel::End;
using Words = std::unordered_map<std::string_view, std::size_t>;

constexpr const char* usage = R"(usage: demo [--sabotage=lose-one|count-twice] [FILE]

Counts the words of FILE, or of standard input if FILE is -, or of runnel's own
headers and README, by several threads. One of them dies on the way.

  --sabotage=lose-one      forget one of the dead worker's lines
  --sabotage=count-twice   have one of them counted twice
  --help                   show this

The exit status is 0 if every line was counted once, 1 if not, 2 on an error.
)";

// Cheap to copy: the text belongs to the one buffer that holds the whole input.
struct Line {
    std::size_t number = 0;  // from 0
    std::string_view text;

    friend bool operator==(const Line& one, const Line& other) {
        return one.number == other.number;
    }
};

// Which lines have been counted: one bit for each. Relaxed is enough, for what is said in the end
// is read when the threads have been joined.
class Ledger {
public:
    explicit Ledger(std::size_t lines) : lines_{lines}, bits_((lines + 63) / 64) {}

    void enter(std::size_t line) {
        const std::uint64_t bit = std::uint64_t{1} << (line % 64);
        const std::uint64_t before = bits_[line / 64].fetch_or(bit, std::memory_order_relaxed);
        if ((before & bit) != 0) twice_.fetch_add(1, std::memory_order_relaxed);
    }

    bool has(std::size_t line) const { return (bits_[line / 64].load() >> (line % 64) & 1) != 0; }

    std::size_t count() const {
        std::size_t sum = 0;
        for (const auto& bits : bits_) sum += static_cast<std::size_t>(std::popcount(bits.load()));
        return sum;
    }

    std::size_t lines() const { return lines_; }
    std::size_t twice() const { return twice_.load(); }

private:
    std::size_t lines_;
    std::vector<std::atomic<std::uint64_t>> bits_;
    std::atomic<std::size_t> twice_ = 0;
};

// Aligned, so that no two workers write to one cache line.
struct alignas(64) Worker {
    BlockingList<Line> in_hand;
    Words words;
    std::size_t taken = 0;
    std::size_t lost = 0;  // in hand when it died
    std::size_t recovered = 0;
};

struct Work {
    explicit Work(std::string_view all)
        : text{all},
          ledger{static_cast<std::size_t>(std::ranges::count(all, '\n')) +
                 (all.empty() || all.back() == '\n' ? 0 : 1)} {}

    std::string_view text;
    Ledger ledger;
    BlockingList<Line> jobs{{.capacity = 1000, .when_full = runnel::Full::block}};
    std::array<Worker, 4> workers;
    BlockingList<std::size_t> exits;  // the workers that have left, by their position
    std::atomic<bool> all_read = false;
    std::atomic_flag accident;
};

// Waits whenever the workers are a whole list behind.
void read_lines(Work& work, const std::stop_token& stop) {
    const runnel::WaitOptions until_stop{.stop = stop};
    std::string_view rest = work.text;
    for (std::size_t number = 0; !rest.empty(); ++number) {
        const std::string_view text = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(text.size() + 1, rest.size()));
        if (work.jobs.push_back({number, text}, until_stop) != runnel::Push::done) return;
    }
    work.all_read = true;
}

bool is_blank(char byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

void count_words(std::string_view text, Words& words) {
    std::size_t begin = 0;
    for (std::size_t at = 0; at <= text.size(); ++at) {
        if (at != text.size() && !is_blank(text[at])) continue;
        if (at != begin) ++words[text.substr(begin, at - begin)];
        begin = at + 1;
    }
}

// Takes a few more lines in hand, and is gone without a word.
void die(Work& work, Worker& me, const std::stop_token& stop) {
    const runnel::MoveOptions briefly{.timeout = 10ms, .stop = stop};
    for (int more = 0; more < 4 && work.jobs.move_to(me.in_hand, briefly); ++more) ++me.taken;
}

void count_lines(Work& work, Worker& me, const std::stop_token& stop) {
    const runnel::MoveOptions until_stop{.stop = stop};
    while (auto line = work.jobs.move_to(me.in_hand, until_stop)) {
        ++me.taken;
        const bool fatal = line->number == work.ledger.lines() / 2;
        if (fatal && !work.accident.test_and_set()) {
            die(work, me, stop);
            return;
        }
        count_words(line->text, me.words);
        work.ledger.enter(line->number);
        me.in_hand.remove(*line);
    }
}

enum class Sabotage { none, lose_one, count_twice };

// Gives the lines that a dead worker had in hand back to the front of the jobs, in their order.
void recover(Work& work, Worker& dead, Sabotage sabotage) {
    dead.lost = dead.in_hand.size();
    if (sabotage == Sabotage::lose_one) (void)dead.in_hand.try_pop_front();
    if (sabotage == Sabotage::count_twice)
        (void)dead.in_hand.push_back(Line{dead.in_hand.range().at(0)});
    dead.in_hand.close();  // so that the last move does not wait for more
    while (dead.in_hand.move_to(work.jobs, {.from = End::back, .to = End::front})) ++dead.recovered;
}

// Jobs are looked at first: a line that is not there any more is in hand or done.
bool is_done(const Work& work) {
    return work.all_read && work.jobs.size() == 0 &&
           std::ranges::all_of(work.workers,
                               [](const Worker& worker) { return worker.in_hand.size() == 0; });
}

// A progress bar, redrawn in place; nothing if the output is not a terminal.
void draw_bar(const Ledger& ledger) {
    if (isatty(STDOUT_FILENO) != 1) return;
    const std::size_t percent = ledger.count() * 100 / std::max<std::size_t>(1, ledger.lines());
    std::printf("\r[%-50.*s] %3zu%%", static_cast<int>(percent / 2),
                "##################################################", percent);
    std::fflush(stdout);
}

void erase_bar() {
    if (isatty(STDOUT_FILENO) == 1) std::printf("\r%60s\r", "");
}

// Until the jobs are closed only the dead leave.
void supervise(Work& work, Sabotage sabotage) {
    while (!is_done(work)) {
        draw_bar(work.ledger);
        if (const auto dead = work.exits.pop_front({.timeout = 10ms}))
            recover(work, work.workers.at(*dead), sabotage);
    }
    work.jobs.close();
    erase_bar();
}

void run(Work& work, Sabotage sabotage) {
    std::vector<std::jthread> threads;
    for (std::size_t at = 0; at != work.workers.size(); ++at) {
        threads.emplace_back([&work, at](const std::stop_token& stop) {
            count_lines(work, work.workers.at(at), stop);
            (void)work.exits.push_back(std::size_t{at});
        });
    }
    threads.emplace_back([&work](const std::stop_token& stop) { read_lines(work, stop); });
    supervise(work, sabotage);
}

std::size_t sum(const Words& words) {
    std::size_t count = 0;
    for (const auto& [word, times] : words) count += times;
    return count;
}

void print_row(const std::string& name, const Worker& worker) {
    std::printf("%-8s %12zu %13zu %10zu %12zu\n", name.c_str(), worker.taken, worker.lost,
                worker.recovered, sum(worker.words));
}

// Prints a row for each worker, and returns the words of all.
Words print_workers(const Work& work) {
    std::puts("worker    lines taken  lost in hand  recovered        words");
    Worker all;
    for (std::size_t at = 0; at != work.workers.size(); ++at) {
        const Worker& worker = work.workers.at(at);
        print_row(std::to_string(at + 1) + (worker.lost != 0 ? " died" : ""), worker);
        all.taken += worker.taken;
        all.lost += worker.lost;
        all.recovered += worker.recovered;
        for (const auto& [word, times] : worker.words) all.words[word] += times;
    }
    print_row("all", all);
    return std::move(all.words);
}

// At most 50 columns or so of it, with everything but printable ASCII escaped.
std::string shown(std::string_view word) {
    std::string text;
    for (const char byte : word) {
        if (text.size() > 50) return text + "...";
        const bool plain = byte > ' ' && byte <= '~' && byte != '\\';
        std::array<char, 5> code{byte};
        const auto value = static_cast<unsigned char>(byte);
        if (!plain) std::snprintf(code.data(), code.size(), "\\x%02x", unsigned{value});
        text += code.data();
    }
    return text;
}

void print_top(const Words& words) {
    std::vector<std::pair<std::string_view, std::size_t>> top{words.begin(), words.end()};
    const auto rank = [](const auto& one, const auto& other) {
        return one.second != other.second ? one.second > other.second : one.first < other.first;
    };
    const auto count = static_cast<std::ptrdiff_t>(std::min<std::size_t>(10, top.size()));
    std::ranges::partial_sort(top, top.begin() + count, rank);
    top.resize(static_cast<std::size_t>(count));
    for (const auto& [word, times] : top) std::printf("%8zu  %s\n", times, shown(word).c_str());
    if (!top.empty()) std::puts("");
}

std::string lines_that(std::size_t count, const char* one, const char* many) {
    return std::to_string(count) + (count == 1 ? " line " : " lines ") + (count == 1 ? one : many);
}

// Goes by nothing but the bitmap. Returns the exit status.
int print_verdict(const Ledger& ledger) {
    std::string verdict;
    if (const std::size_t missing = ledger.lines() - ledger.count()) {
        std::size_t first = 0;
        while (ledger.has(first)) ++first;
        verdict = lines_that(missing, "is", "are") + " missing, the first is line " +
                  std::to_string(first + 1);
    }
    if (ledger.twice() != 0)
        verdict += (verdict.empty() ? "" : ", and ") + lines_that(ledger.twice(), "was", "were") +
                   " counted twice";
    std::puts(verdict.empty() ? "every line accounted for" : verdict.c_str());
    return verdict.empty() ? 0 : 1;
}

int report(const Work& work, std::chrono::duration<double> elapsed) {
    const Words words = print_workers(work);
    std::printf("\nlines %zu, words %zu, different words %zu, seconds %.2f\n\n",
                work.ledger.lines(), sum(words), words.size(), elapsed.count());
    print_top(words);
    const int status = print_verdict(work.ledger);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
        throw std::system_error{errno, std::generic_category(), "standard output"};
    return status;
}

void append_file(const std::string& name, std::string& text) {
    const bool is_stdin = name == "-";
    const std::string shown_name = is_stdin ? "standard input" : name;
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{
        is_stdin ? stdin : std::fopen(name.c_str(), "rb"), std::fclose};
    if (!file) throw std::system_error{errno, std::generic_category(), shown_name};
    std::vector<char> part(std::size_t{1} << 16);
    while (const std::size_t size = std::fread(part.data(), 1, part.size(), file.get()))
        text.append(part.data(), size);
    if (std::ferror(file.get()) != 0)
        throw std::system_error{errno, std::generic_category(), shown_name};
}

std::vector<std::string> own_files() {
    const std::filesystem::path root{RUNNEL_SOURCE_DIR};
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator{root / "include"})
        if (entry.is_regular_file()) names.push_back(entry.path().string());
    std::ranges::sort(names);
    names.push_back((root / "README.md").string());
    return names;
}

struct Options {
    std::optional<std::string> file;
    Sabotage sabotage = Sabotage::none;
    bool help = false;
};

Options parse(const std::vector<std::string>& arguments) {
    Options options;
    for (const std::string& argument : arguments) {
        if (argument == "--help") {
            options.help = true;
        } else if (argument == "--sabotage=lose-one") {
            options.sabotage = Sabotage::lose_one;
        } else if (argument == "--sabotage=count-twice") {
            options.sabotage = Sabotage::count_twice;
        } else if (argument.size() > 1 && argument.front() == '-') {
            throw std::invalid_argument{argument + ": unknown option; --help shows all"};
        } else if (options.file) {
            throw std::invalid_argument{argument + ": a second file; only one can be counted"};
        } else {
            options.file = argument;
        }
    }
    return options;
}

}  // namespace

int main(int argc, char** argv) try {
    const Options options = parse({argv + 1, argv + argc});
    if (options.help) return std::fputs(usage, stdout) < 0 ? 2 : 0;
    std::string text;
    for (const auto& name : options.file ? std::vector{*options.file} : own_files())
        append_file(name, text);
    const auto start = std::chrono::steady_clock::now();
    Work work{text};
    run(work, options.sabotage);
    return report(work, std::chrono::steady_clock::now() - start);
} catch (const std::exception& error) {
    std::fprintf(stderr, "demo: %s\n", error.what());
    return 2;
}
