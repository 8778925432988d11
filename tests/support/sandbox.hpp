// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace runnel::test {

/// From now on the kernel does that (SECCOMP_RET_...) to a system call of any thread of this
/// process. False: this machine does not let us.
[[nodiscard]] inline bool filter_system_call(long number, unsigned action) {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog filter{sizeof(program) / sizeof(program[0]), program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) == 0;
}

/// From now on all threads of this process are refused a system call, as a sandbox does to a
/// process that has started already. False: this machine does not let us.
[[nodiscard]] inline bool refuse_system_call(long number) {
    return filter_system_call(number, SECCOMP_RET_ERRNO | EPERM);
}

/// From now on a thread that makes the system call handles SIGSYS instead; then it is refused.
[[nodiscard]] inline bool trap_system_call(long number) {
    return filter_system_call(number, SECCOMP_RET_TRAP);
}

}  // namespace runnel::test
