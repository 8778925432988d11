// SPDX-License-Identifier: MIT
//
// How to test a service of your own that waits. A log writer gathers lines, and writes them once
// there are three, or once no line has come for a second. Its test moves a ManualClock by hand:
// nothing sleeps, and every run does the same.

#include <runnel/blocking_list.hpp>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;

class LogWriter {
public:
    // Null is the clock of the machine; a test gives its own.
    explicit LogWriter(runnel::Clock* clock = nullptr) : lines_{{.clock = clock}} {}

    bool log(std::string line) const {
        return lines_.push_back(std::move(line)) == runnel::Push::done;
    }
    void close() const { lines_.close(); }

    // Runs in a thread of its own until it is closed.
    void run() {
        std::vector<std::string> batch;
        while (!lines_.drained()) {
            auto line = lines_.pop_front({.timeout = 1s});
            const bool is_late = !line;
            if (line) batch.push_back(*std::move(line));
            if (batch.size() == 3 || (is_late && !batch.empty())) write(batch);
        }
        if (!batch.empty()) write(batch);
    }

    std::vector<std::size_t> written;  // how many lines at a time

private:
    void write(std::vector<std::string>& batch) {
        std::printf("writes %zu, the first is: %s\n", batch.size(), batch.front().c_str());
        written.push_back(batch.size());
        batch.clear();
    }

    runnel::BlockingList<std::string> lines_;
};

}  // namespace

int main() {
    runnel::ManualClock clock;
    LogWriter writer{&clock};
    const auto thread = clock.thread([&writer] { writer.run(); });
    const auto has_written = [&](const std::vector<std::size_t>& sizes) {
        clock.settle();  // returns once the writer waits
        return writer.written == sizes;
    };

    bool holds = writer.log("a") && writer.log("b") && has_written({});
    clock.advance(999ms);
    holds = holds && has_written({});
    clock.advance(1ms);  // no line for a second: both are written
    holds = holds && has_written({2});
    holds = holds && writer.log("c") && writer.log("d") && writer.log("e") && has_written({2, 3});
    holds = holds && writer.log("f");
    writer.close();  // what is left is written, too
    return holds && has_written({2, 3, 1}) ? 0 : 1;
}
