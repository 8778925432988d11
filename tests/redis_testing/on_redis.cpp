// SPDX-License-Identifier: MIT
// Runs a program with a real Redis at hand: on_redis <variable> <program> <argument>...
// The variable has the path of the server's socket.
#include "support/redis_server.hpp"

#include <cstdlib>
#include <iostream>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char** argv) {
    if (argc < 3) {
        std::cerr << "usage: on_redis <variable> <program> <argument>...\n";
        return EXIT_FAILURE;
    }
    runnel::test::RedisServer server;
    setenv(argv[1], server.socket().c_str(), 1);
    pid_t id = 0;
    if (posix_spawn(&id, argv[2], nullptr, nullptr, argv + 2, environ) != 0) return EXIT_FAILURE;
    int status = 0;
    if (waitpid(id, &status, 0) != id || !WIFEXITED(status)) return EXIT_FAILURE;
    return WEXITSTATUS(status);
}
