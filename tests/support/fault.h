/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host that fails: the n-th call of one function returns an error instead of being made. Calls
 * are counted for that, which is of use by itself.
 *
 * By the linker's --wrap, which linking with support_fault asks for: it sees the calls from
 * everything that is linked statically, and none from inside the C library. Calls are counted on
 * all threads together.
 */
#ifndef AEROSTAT_TESTS_FAULT_H
#define AEROSTAT_TESTS_FAULT_H

#include <stdbool.h>

enum fault_fn {
    FAULT_MALLOC,
    FAULT_CALLOC,
    FAULT_MMAP,
    FAULT_MADVISE,
    FAULT_MEMFD_CREATE,
    FAULT_FTRUNCATE,
    FAULT_FCNTL,
    FAULT_FALLOCATE,
    FAULT_FSTAT,
    FAULT_EVENTFD,
    FAULT_TIMERFD_CREATE,
    FAULT_TIMERFD_SETTIME,
    FAULT_EPOLL_CREATE1,
    FAULT_EPOLL_CTL,
    FAULT_EPOLL_WAIT,
    FAULT_READ,
    FAULT_WRITE,
    FAULT_FNS
};

/* "mmap" and so on. */
const char *fault_name(enum fault_fn fn);

/*
 * From here on the nth call of fn (1: the next one) fails with errno error. Counts only calls on
 * descriptor fd, unless fd is negative; that is for FAULT_READ and FAULT_WRITE.
 */
void fault_arm(enum fault_fn fn, unsigned nth, int error, int fd);

/* Back to a host that works. Returns whether a call was made to fail since fault_arm(). */
bool fault_disarm(void);

/* Calls of fn since the program began, those that were made to fail among them. */
unsigned long fault_calls(enum fault_fn fn);

#endif
