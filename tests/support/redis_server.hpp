// SPDX-License-Identifier: MIT
#pragma once

// A real Redis to compare with: a process of the test's own, with nothing in it and nobody else on
// it. Tests that use it are made by runnel_redis_test() of CMakeLists.txt.

#include "support/redis_changes.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <hiredis/hiredis.h>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <ostream>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace runnel::test {

/// What Redis says to a command. The protocol is RESP2, and either of its nulls is nil here.
struct Reply {
    enum class Kind { string, status, error, integer, nil, array };

    Kind kind = Kind::nil;
    std::string text;  ///< of a string, a status or an error
    std::int64_t integer = 0;
    std::vector<Reply> elements;

    friend bool operator==(const Reply&, const Reply&) = default;
};

inline Reply string_reply(std::string text) {
    return {.kind = Reply::Kind::string, .text = std::move(text), .elements = {}};
}

inline Reply status_reply(std::string text) {
    return {.kind = Reply::Kind::status, .text = std::move(text), .elements = {}};
}

/// `text` begins with the code: "ERR no such key".
inline Reply error_reply(std::string text) {
    return {.kind = Reply::Kind::error, .text = std::move(text), .elements = {}};
}

inline Reply integer_reply(std::int64_t integer) {
    return {.kind = Reply::Kind::integer, .text = {}, .integer = integer, .elements = {}};
}

inline Reply nil_reply() {
    return {};
}

inline Reply array_reply(std::vector<Reply> elements) {
    return {.kind = Reply::Kind::array, .text = {}, .elements = std::move(elements)};
}

/// A byte that cannot be read is printed as redis-cli does: \n, \x07.
inline void print_quoted(std::ostream& out, std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    out << '"';
    for (const char letter : text) {
        const auto byte = static_cast<unsigned char>(letter);
        if (letter == '"' || letter == '\\') {
            out << '\\' << letter;
        } else if (letter == '\n') {
            out << "\\n";
        } else if (letter == '\r') {
            out << "\\r";
        } else if (byte < 0x20 || byte >= 0x7f) {
            out << "\\x" << digits[byte / 16U] << digits[byte % 16U];
        } else {
            out << letter;
        }
    }
    out << '"';
}

/// "text" +OK -ERR text :5 nil [a, b]
inline std::ostream& operator<<(std::ostream& out, const Reply& reply) {
    switch (reply.kind) {
    case Reply::Kind::string:
        print_quoted(out, reply.text);
        return out;
    case Reply::Kind::status:
        return out << '+' << reply.text;
    case Reply::Kind::error:
        return out << '-' << reply.text;
    case Reply::Kind::integer:
        return out << ':' << reply.integer;
    case Reply::Kind::nil:
        return out << "nil";
    case Reply::Kind::array:
        break;
    }
    const char* before = "[";
    for (const Reply& element : reply.elements) {
        out << std::exchange(before, ", ") << element;
    }
    return out << (reply.elements.empty() ? "[]" : "]");
}

/// A line of its own, as redis-cli takes it.
inline void print_command(std::ostream& out, const std::vector<std::string>& words) {
    constexpr auto is_plain = [](char letter) {
        return letter > ' ' && letter < 127 && letter != '"' && letter != '\'';
    };
    for (const std::string& word : words) {
        out << ' ';
        if (!word.empty() && std::ranges::all_of(word, is_plain))
            out << word;
        else
            print_quoted(out, word);
    }
    out << '\n';
}

/// A connection to a server.
///
/// Thread safety: one thread at a time.
class RedisClient {
public:
    using Words = std::vector<std::string>;

    /// Nothing if nobody listens there.
    static std::optional<RedisClient> try_connect(const std::string& socket) {
        // hiredis writes without MSG_NOSIGNAL. Without a server it is to fail, not to end the test.
        signal(SIGPIPE, SIG_IGN);
        Connection connection{redisConnectUnix(socket.c_str())};
        if (!connection) throw std::bad_alloc{};
        if (connection->err != 0) return std::nullopt;
        return RedisClient{std::move(connection)};
    }

    /// The reply to one command. Throws std::runtime_error if the server has gone. Commands with no
    /// reply of their own or with several (SUBSCRIBE, CLIENT REPLY) are not for this.
    Reply command(const Words& words) { return pipeline({words}).front(); }

    /// Sends all commands, then reads all replies.
    std::vector<Reply> pipeline(const std::vector<Words>& commands) {
        for (const Words& words : commands) check_words(words);
        for (const Words& words : commands) append(words);
        std::vector<Reply> replies;
        replies.reserve(commands.size());
        while (replies.size() < commands.size()) replies.push_back(next_reply());
        return replies;
    }

    /// Sends a command and reads nothing.
    void send(const Words& words) {
        check_words(words);
        append(words);
        for (int is_done = 0; is_done == 0;)
            check_status(redisBufferWrite(connection_.get(), &is_done));
    }

    /// The next reply that has arrived, if there is one: all have if RedisServer::settle() was
    /// called since.
    std::optional<Reply> arrived() {
        for (;;) {
            void* reply = nullptr;
            check_status(redisGetReplyFromReader(connection_.get(), &reply));
            if (reply != nullptr) return value_of(*OwnedReply{static_cast<redisReply*>(reply)});
            pollfd readable{connection_->fd, POLLIN, 0};
            if (poll(&readable, 1, 0) == 0) return std::nullopt;
            check_status(redisBufferRead(connection_.get()));
        }
    }

private:
    struct Free {
        void operator()(redisContext* connection) const { redisFree(connection); }
        void operator()(redisReply* reply) const { freeReplyObject(reply); }
    };
    using Connection = std::unique_ptr<redisContext, Free>;
    using OwnedReply = std::unique_ptr<redisReply, Free>;

    explicit RedisClient(Connection connection) : connection_{std::move(connection)} {}

    // Redis does not reply to nothing: the next read would never end.
    static void check_words(const Words& words) {
        if (words.empty()) throw std::invalid_argument{"a command without words"};
    }

    void append(const Words& words) {
        std::vector<const char*> starts;
        std::vector<std::size_t> sizes;
        for (const std::string& word : words) {
            starts.push_back(word.data());
            sizes.push_back(word.size());
        }
        const int count = static_cast<int>(words.size());
        check_status(redisAppendCommandArgv(connection_.get(), count, starts.data(), sizes.data()));
    }

    Reply next_reply() {
        void* reply = nullptr;
        check_status(redisGetReply(connection_.get(), &reply));
        return value_of(*OwnedReply{static_cast<redisReply*>(reply)});
    }

    static Reply value_of(const redisReply& reply) {
        switch (reply.type) {
        case REDIS_REPLY_STRING:
            return string_reply({reply.str, reply.len});
        case REDIS_REPLY_STATUS:
            return status_reply({reply.str, reply.len});
        case REDIS_REPLY_ERROR:
            return error_reply({reply.str, reply.len});
        case REDIS_REPLY_INTEGER:
            return integer_reply(reply.integer);
        case REDIS_REPLY_NIL:
            return nil_reply();
        case REDIS_REPLY_ARRAY:
            break;
        default:
            throw std::logic_error{"not a reply of RESP2"};
        }
        std::vector<Reply> elements;
        elements.reserve(reply.elements);
        for (std::size_t i = 0; i < reply.elements; ++i) {
            elements.push_back(value_of(*reply.element[i]));
        }
        return array_reply(std::move(elements));
    }

    void check_status(int status) const {
        if (status == REDIS_OK) return;
        throw std::runtime_error{std::string{"redis-server: "} + connection_->errstr};
    }

    Connection connection_;
};

/// A redis-server and one connection to it. Neither it nor its folder outlives this. Should the
/// test die without destructors, or the thread end that made this, the kernel ends the server, and
/// a folder with a socket and a log is all that stays.
///
/// The server's clock is the real one: give commands their ids and times (XCLAIM TIME or IDLE), or
/// ask for its TIME.
///
/// Thread safety: one thread at a time.
class RedisServer {
public:
    using Words = RedisClient::Words;

    /// Starts a server, with more options if need be: {"--stream-node-max-entries", "3"}. Throws
    /// std::runtime_error with its log if it does not start.
    explicit RedisServer(const Words& options = {})
        : process_{command_line(folder_, options), Files{folder_ / log_file}},
          client_{connect(process_, folder_)} {}

    RedisServer(const RedisServer&) = delete;
    RedisServer& operator=(const RedisServer&) = delete;

    /// By its one connection; see RedisClient.
    Reply command(const Words& words) { return client_.command(words); }
    std::vector<Reply> pipeline(const std::vector<Words>& commands) {
        return client_.pipeline(commands);
    }

    /// One more connection, for a client that waits or listens.
    RedisClient connect() { return connect(process_, folder_); }

    /// The path of its socket, for a client of another kind.
    std::string socket() const { return folder_ / socket_file; }

    /// Returns once the server has carried out all that was sent before, by any connection, and the
    /// replies have arrived there.
    void settle() {
        // What was sent before the first one is read in the same turn of the server's loop, though
        // perhaps after it, and what it has said in a turn is written before the next one.
        command({"PING"});
        command({"PING"});
    }

    /// {7, 0, 15}
    RedisVersion version() { return redis_version(command({"INFO", "server"}).text); }

private:
    static constexpr const char* socket_file = "socket";
    static constexpr const char* log_file = "log";

    /// An empty folder, removed with all that is in it.
    class Folder {
    public:
        Folder() {
            std::string name = std::filesystem::temp_directory_path() / "runnel-redis-XXXXXX";
            if (mkdtemp(name.data()) == nullptr) {
                throw std::system_error{errno, std::generic_category(), name};
            }
            path_ = name;
        }
        Folder(const Folder&) = delete;
        Folder& operator=(const Folder&) = delete;
        ~Folder() {
            std::error_code ignored;
            std::filesystem::remove_all(path_, ignored);
        }

        std::string operator/(const char* file) const { return path_ / file; }
        std::string path() const { return path_; }

    private:
        std::filesystem::path path_;
    };

    static void check_error(int error, const std::string& what) {
        if (error != 0) throw std::system_error{error, std::generic_category(), what};
    }

    /// What a process has for files: nothing to read, and one file for all it writes.
    class Files {
    public:
        explicit Files(const std::string& output) {
            check_error(posix_spawn_file_actions_init(&actions_), "posix_spawn_file_actions_init");
            const int error = open(output.c_str());
            if (error == 0) return;
            posix_spawn_file_actions_destroy(&actions_);
            check_error(error, output);
        }
        Files(const Files&) = delete;
        Files& operator=(const Files&) = delete;
        ~Files() { posix_spawn_file_actions_destroy(&actions_); }

        const posix_spawn_file_actions_t* get() const { return &actions_; }

    private:
        int open(const char* output) {
            const auto add = posix_spawn_file_actions_addopen;
            int error = add(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
            if (error == 0) {
                error = add(&actions_, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_APPEND, 0600);
            }
            if (error != 0) return error;
            return posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, STDERR_FILENO);
        }

        posix_spawn_file_actions_t actions_;
    };

    /// The destructor kills it.
    class Process {
    public:
        Process(Words command_line, const Files& files) {
            std::vector<char*> words;
            for (std::string& word : command_line) words.push_back(word.data());
            words.push_back(nullptr);
            check_error(
                posix_spawn(&id_, words.front(), files.get(), nullptr, words.data(), environ),
                command_line.front());
        }
        Process(const Process&) = delete;
        Process& operator=(const Process&) = delete;
        ~Process() {
            kill(id_, SIGKILL);
            while (waitpid(id_, nullptr, 0) == -1 && errno == EINTR) continue;
        }

        // Leaves the waiting to the destructor, so that the id stays ours until then.
        bool has_ended() const {
            siginfo_t info{};
            return waitid(P_PID, static_cast<id_t>(id_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
                   info.si_pid == id_;
        }

    private:
        pid_t id_ = 0;
    };

    // setpriv asks the kernel to kill it with its parent, and becomes the server.
    static Words command_line(const Folder& folder, const Words& options) {
        Words words{RUNNEL_SETPRIV, "--pdeathsig", "KILL", "--", RUNNEL_REDIS_SERVER};
        for (const Words& option : {
                 Words{"--port", "0"},
                 Words{"--unixsocket", folder / socket_file},
                 Words{"--save", ""},
                 Words{"--appendonly", "no"},
                 Words{"--dir", folder.path()},
                 options,
             }) {
            words.insert(words.end(), option.begin(), option.end());
        }
        return words;
    }

    static RedisClient connect(const Process& process, const Folder& folder) {
        for (;;) {
            const bool ended = process.has_ended();
            if (auto client = RedisClient::try_connect(folder / socket_file))
                return std::move(*client);
            if (ended)
                throw std::runtime_error{"redis-server has ended:\n" + read(folder / log_file)};
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
        }
    }

    static std::string read(const std::string& file) {
        std::ifstream in{file};
        return {std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
    }

    // Destroyed in the other order: the folder goes when nobody writes to it any more.
    Folder folder_;
    Process process_;
    RedisClient client_;
};

}  // namespace runnel::test
