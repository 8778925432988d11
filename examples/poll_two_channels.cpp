// SPDX-License-Identifier: MIT
// A console in one thread: poll(2) waits for standard input and for two channels at once. Each line
// goes to a worker, which answers on one channel and warns on the other.
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/outcome.hpp>
#include <runnel/pollable.hpp>

#include <array>
#include <cstddef>
#include <cstdio>
#include <poll.h>
#include <string>
#include <thread>
#include <unistd.h>

namespace {

using Lines = runnel::BlockingList<std::string>;
using Texts = runnel::Channel<std::string>;

// Answers each line with its length, and warns of empty ones. Closes the channels at the end.
void work(const Lines& lines, const Texts& answers, const Texts& warnings) {
    while (const auto line = lines.pop_front()) {
        if (line->empty()) (void)warnings.publish("an empty line");
        (void)answers.publish(*line + ": " + std::to_string(line->size()));
    }
    answers.close();
    warnings.close();
}

// Reads what is there, and passes on the lines that are complete; returns how many. At the end of
// the input it closes the list.
std::size_t read_input(std::string& text, const Lines& lines) {
    std::array<char, 4096> buffer{};
    const ssize_t count = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count <= 0) {
        lines.close();
        return 0;
    }
    text.append(buffer.data(), static_cast<std::size_t>(count));
    std::size_t passed_on = 0;
    for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
        if (lines.push_back(text.substr(0, end)) == runnel::Push::done) ++passed_on;
        text.erase(0, end + 1);
    }
    return passed_on;
}

// [readme]
// Prints what has come, and waits for more. False: the channel is closed.
bool print(const char* kind, runnel::Subscription<std::string>& view, runnel::Pollable& ready,
           std::size_t& printed) {
    for (;;) {
        const auto batch = view.try_read();
        if (!batch && batch.ending() == runnel::Ending::closed) return false;
        if (!batch) break;
        for (const std::string& text : batch) std::printf("%s: %s\n", kind, text.c_str());
        printed += batch.size();
    }
    ready.rearm();
    return true;
}
// [/readme]

}  // namespace

// NOLINTNEXTLINE(readability-function-size)
int main() {
    const Lines lines;
    const Texts answers;
    const Texts warnings;
    auto answered = answers.subscribe();
    auto warned = warnings.subscribe();
    const std::jthread worker{work, lines, answers, warnings};

    std::size_t asked = 0;
    std::size_t answers_printed = 0;
    std::size_t warnings_printed = 0;
    std::string text;
    runnel::Pollable answer_ready{answered};
    runnel::Pollable warning_ready{warned};
    std::array<pollfd, 3> all{{{STDIN_FILENO, POLLIN, 0},
                               {answer_ready.descriptor(), POLLIN, 0},
                               {warning_ready.descriptor(), POLLIN, 0}}};
    while (all[1].fd >= 0 || all[2].fd >= 0) {  // poll() leaves out negative ones
        if (poll(all.data(), all.size(), -1) < 0) return 1;
        if (all[0].revents != 0) asked += read_input(text, lines);
        if (all[1].revents != 0 && !print("answer", answered, answer_ready, answers_printed))
            all[1].fd = -1;
        if (all[2].revents != 0 && !print("warning", warned, warning_ready, warnings_printed))
            all[2].fd = -1;
        if (lines.closed()) all[0].fd = -1;
    }
    std::printf("%zu lines, %zu answers, %zu warnings\n", asked, answers_printed, warnings_printed);
    return asked == answers_printed ? 0 : 1;
}
