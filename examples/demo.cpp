// SPDX-License-Identifier: MIT
//
// Counts the words of a text by several threads that share a Stream as a consumer group. One of
// them dies on the way with lines in hand, and nothing is lost:
//
//     reader --add--> lines --read--> a worker --ack--> counted
//                        ^               |  \-- nack, after three deliveries: --> dead letters
//                        +---autoclaim---+
//
// What a worker has read is pending until it acknowledges it, so what a dead one had in hand is
// still there, and is claimed by another once it has been idle for a while. A line is counted only
// if its acknowledgement was good: if it was claimed away meanwhile, another one counts it. A line
// that nobody can handle (here: with a zero byte in it, for that is no text) goes to the dead
// letters, as a reference to the entry and not as a copy. A bitmap of all lines proves it in the
// end.
//
// What goes on is announced on a Channel, to whoever wants to know: a progress bar that keeps up, a
// handler that adds up, and a subscriber that is too slow, skips, and is told how much it missed.
//
// A word is a run of bytes other than blanks: space, tab, line feed, vertical tab, form feed and
// carriage return. Upper and lower case differ.

#include <runnel/channel.hpp>
#include <runnel/stream.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
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
using runnel::Channel;
using runnel::Stream;
using Words = std::unordered_map<std::string_view, std::size_t>;

constexpr std::size_t most_deliveries = 3;
constexpr auto dead_after = 100ms;  // so long without a sign, and its lines are claimed

constexpr const char* usage = R"(usage: demo [--sabotage=lose-one|count-twice] [FILE]

Counts the words of FILE, or of standard input if FILE is -, or of runnel's own
headers and README, by several threads. One of them dies on the way.

  --sabotage=lose-one      forget one of the dead worker's lines
  --sabotage=count-twice   have one of them counted twice
  --help                   show this

A line that is no text goes to the dead letters. The exit status is 0 if every
line is accounted for once, 1 if not, 2 on an error.
)";

// Cheap to copy: the text belongs to the one buffer that holds the whole input.
struct Line {
    std::size_t number = 0;  // from 0
    std::string_view text;
};

// Which lines have been counted, or are dead letters: one bit for each. Relaxed is enough, for what
// is said in the end is read when the threads have been joined.
class Ledger {
public:
    explicit Ledger(std::size_t lines) : lines_{lines}, bits_((lines + 63) / 64) {}

    void enter(std::size_t line) {
        const std::uint64_t bit = std::uint64_t{1} << (line % 64);
        const std::uint64_t before = bits_[line / 64].fetch_or(bit, std::memory_order_relaxed);
        auto& sum = (before & bit) != 0 ? twice_ : count_;
        sum.fetch_add(1, std::memory_order_relaxed);
    }

    bool has(std::size_t line) const { return (bits_[line / 64].load() >> (line % 64) & 1) != 0; }

    std::size_t count() const { return count_.load(std::memory_order_relaxed); }
    std::size_t lines() const { return lines_; }
    std::size_t twice() const { return twice_.load(); }

private:
    std::size_t lines_;
    std::vector<std::atomic<std::uint64_t>> bits_;
    std::atomic<std::size_t> count_ = 0;
    std::atomic<std::size_t> twice_ = 0;
};

// What a worker announces after each batch of lines.
struct News {
    std::size_t counted = 0;  // lines, by all, so far
    std::size_t handled = 0;  // lines, by this worker, in this batch
    std::size_t claimed = 0;  // of which from others
};

// What was announced, all in all. Its handler is called by one thread at a time.
struct Tally {
    void operator()(const News& news) {
        ++announcements;
        handled += news.handled;
        claimed += news.claimed;
    }

    std::size_t announcements = 0;
    std::size_t handled = 0;
    std::size_t claimed = 0;
};

enum class Sabotage { none, lose_one, count_twice };

struct Work {
    Work(std::string_view all, Sabotage how)
        : text{all},
          sabotage{how},
          ledger{static_cast<std::size_t>(std::ranges::count(all, '\n')) +
                 (all.empty() || all.back() == '\n' ? 0 : 1)} {}

    std::string_view text;
    Sabotage sabotage;
    Ledger ledger;
    Stream<Line> lines;
    runnel::ConsumerGroup<Line> counters = lines.group("counters");
    Stream<runnel::KeptEntry<Line>> dead_letters;
    Channel<News> news;
    std::atomic<bool> all_read = false;
    std::atomic_flag accident;
};

void read_lines(Work& work, const std::stop_token& stop) {
    std::string_view rest = work.text;
    for (std::size_t number = 0; !rest.empty() && !stop.stop_requested(); ++number) {
        const std::string_view text = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(text.size() + 1, rest.size()));
        work.lines.add({number, text});
    }
    work.all_read = true;
}

bool is_blank(char byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

// The words of a line; throws if it is no text.
void split(std::string_view text, std::vector<std::string_view>& words) {
    if (text.find('\0') != std::string_view::npos) throw std::invalid_argument{"a zero byte"};
    words.clear();
    std::size_t begin = 0;
    for (std::size_t at = 0; at <= text.size(); ++at) {
        if (at != text.size() && !is_blank(text[at])) continue;
        if (at != begin) words.push_back(text.substr(begin, at - begin));
        begin = at + 1;
    }
}

// A member of the group. Aligned, so that no two write to one cache line.
class alignas(64) Worker {
public:
    using Delivery = runnel::Delivery<Line>;

    std::string name;
    Words words;
    std::size_t taken = 0;
    std::size_t left_behind = 0;  // in hand when it died
    std::size_t claimed = 0;      // from the dead

    void run(Work& work, const std::stop_token& stop) {
        const auto me = work.counters.consumer(name);
        const runnel::GroupReadOptions some{.count = 32, .timeout = 10ms, .stop = stop};
        while (!work.lines.closed()) {
            const auto lines = me.read(some);
            taken += lines.size();
            for (std::size_t at = 0; at != lines.size(); ++at) {
                if (is_fatal(work, lines[at])) {
                    left_behind = lines.size() - at;
                    return;  // gone without a word
                }
                handle(work, lines[at]);
            }
            if (!lines) look_after_others(work, me);
            announce(work);
        }
    }

private:
    static bool is_middle(const Work& work, const Delivery& line) {
        return line.value.number == work.ledger.lines() / 2;
    }

    static bool is_fatal(Work& work, const Delivery& line) {
        return is_middle(work, line) && !work.accident.test_and_set();
    }

    // What others have released, or left behind when they died.
    void look_after_others(Work& work, const runnel::Consumer<Line>& me) {
        const auto lines = me.autoclaim({.min_idle = dead_after});
        for (const Delivery& line : lines) {
            if (line.attempt == 2 && is_middle(work, line) && sabotaged(work, line)) continue;
            handle(work, line);
        }
    }

    void handle(Work& work, const Delivery& line) {
        bool is_text = true;
        try {
            split(line.value.text, found_);
        } catch (const std::invalid_argument&) {
            if (line.attempt < most_deliveries) {
                line.nack();
                return;
            }
            is_text = false;
        }
        if (line.ack() == runnel::Ack::stale) return;  // somebody else has it now
        if (is_text) {
            for (const std::string_view word : found_) ++words[word];
        } else {
            work.dead_letters.add(line.keep());
        }
        ++news_.handled;
        news_.claimed += line.attempt > 1 ? 1 : 0;
        work.ledger.enter(line.value.number);
    }

    void announce(Work& work) {
        if (news_.handled == 0) return;
        claimed += news_.claimed;
        news_.counted = work.ledger.count();
        work.news.publish(std::exchange(news_, {}));
    }

    // Whether it has forgotten the line on purpose.
    static bool sabotaged(Work& work, const Delivery& line) {
        if (work.sabotage == Sabotage::count_twice) work.ledger.enter(line.value.number);
        if (work.sabotage != Sabotage::lose_one) return false;
        line.ack();
        return true;
    }

    std::vector<std::string_view> found_;
    News news_;
};

using Workers = std::array<Worker, 4>;

// Once all were read nothing is new any more, and what was delivered is pending or done.
bool is_done(const Work& work) {
    return work.all_read && work.counters.lag() == 0 && work.counters.pending().count == 0;
}

// A progress bar, redrawn in place; nothing if the output is not a terminal.
void draw_bar(std::size_t counted, std::size_t lines) {
    if (isatty(STDOUT_FILENO) != 1) return;
    const std::size_t percent = counted * 100 / std::max<std::size_t>(1, lines);
    std::printf("\r[%-50.*s] %3zu%%", static_cast<int>(percent / 2),
                "##################################################", percent);
    std::fflush(stdout);
}

void erase_bar() {
    if (isatty(STDOUT_FILENO) == 1) std::printf("\r%60s\r", "");
}

// Takes its time, and so skips what is more than it can hold.
struct SlowSubscriber {
    void run(runnel::Subscription<News> news) {
        while (const auto batch = news.read({.count = 1})) {
            ++heard;
            std::this_thread::sleep_for(2ms);
        }
        missed = news.missed();
    }

    std::size_t heard = 0;
    std::size_t missed = 0;
};

std::vector<std::jthread> start(Work& work, Workers& workers) {
    std::vector<std::jthread> threads;
    threads.emplace_back([&work](const std::stop_token& stop) { read_lines(work, stop); });
    for (std::size_t at = 0; at != workers.size(); ++at) {
        Worker& worker = workers.at(at);
        worker.name = std::to_string(at + 1);
        threads.emplace_back([&](const std::stop_token& stop) { worker.run(work, stop); });
    }
    return threads;
}

void run(Work& work, Workers& workers, SlowSubscriber& slow) {
    auto bar = work.news.subscribe();
    const std::jthread slow_one{
        [&slow, news = work.news.subscribe({.bound = 4})]() mutable { slow.run(std::move(news)); }};
    {
        const auto threads = start(work, workers);
        while (!is_done(work))
            if (const auto news = bar.read({.timeout = 10ms}))
                draw_bar(news.back().counted, work.ledger.lines());
        work.lines.close();
    }
    work.news.close();  // all has been said
    erase_bar();
}

std::size_t sum(const Words& words) {
    std::size_t count = 0;
    for (const auto& [word, times] : words) count += times;
    return count;
}

void print_row(const std::string& name, const Worker& worker) {
    std::printf("%-8s %12zu %13zu %10zu %12zu\n", name.c_str(), worker.taken, worker.left_behind,
                worker.claimed, sum(worker.words));
}

// Prints a row for each worker, and returns the words of all.
Words print_workers(const Workers& workers) {
    std::puts("worker     lines read   left behind    claimed        words");
    Worker all;
    for (const Worker& worker : workers) {
        print_row(worker.name + (worker.left_behind != 0 ? " died" : ""), worker);
        all.taken += worker.taken;
        all.left_behind += worker.left_behind;
        all.claimed += worker.claimed;
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

void print_dead_letters(const Stream<runnel::KeptEntry<Line>>& letters) {
    if (letters.size() == 0) return;
    std::printf("dead letters, delivered %zu times each: %zu, the first of them\n", most_deliveries,
                letters.size());
    for (const auto& letter : letters.range({.count = 3})) {
        const Line& line = *letter.value;
        std::printf("    line %zu: %s\n", line.number + 1, shown(line.text).c_str());
    }
    std::puts("");
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

void print_news(const Tally& tally, const SlowSubscriber& slow) {
    std::printf("announcements %zu of %zu lines, %zu claimed; a slow subscriber heard %zu, "
                "missed %zu\n\n",
                tally.announcements, tally.handled, tally.claimed, slow.heard, slow.missed);
}

int report(const Work& work, const Workers& workers, std::chrono::duration<double> elapsed) {
    const Words words = print_workers(workers);
    std::printf("\nlines %zu, words %zu, different words %zu, seconds %.2f\n\n",
                work.ledger.lines(), sum(words), words.size(), elapsed.count());
    print_top(words);
    print_dead_letters(work.dead_letters);
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
    Work work{text, options.sabotage};
    Workers workers;
    Tally tally;
    SlowSubscriber slow;
    const auto connection = work.news.on_message(std::ref(tally));
    run(work, workers, slow);
    const auto elapsed = std::chrono::steady_clock::now() - start;
    print_news(tally, slow);
    return report(work, workers, elapsed);
} catch (const std::exception& error) {
    std::fprintf(stderr, "demo: %s\n", error.what());
    return 2;
}
