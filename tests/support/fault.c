/* SPDX-License-Identifier: Apache-2.0 */
/* The functions that the linker puts in the place of the C library's. */
#include "tests/support/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/types.h>

#define ANY_FD (-1)

static struct {
    _Atomic int fn; /* FAULT_FNS: none */
    _Atomic unsigned left;
    _Atomic bool hit;
    int error;
    int fd;
} armed = {.fn = FAULT_FNS};

static _Atomic unsigned long calls[FAULT_FNS];

const char *fault_name(enum fault_fn fn)
{
    static const char *const names[FAULT_FNS] = {
        [FAULT_MALLOC] = "malloc",
        [FAULT_CALLOC] = "calloc",
        [FAULT_MMAP] = "mmap",
        [FAULT_MADVISE] = "madvise",
        [FAULT_MEMFD_CREATE] = "memfd_create",
        [FAULT_FTRUNCATE] = "ftruncate",
        [FAULT_FCNTL] = "fcntl",
        [FAULT_FALLOCATE] = "fallocate",
        [FAULT_FSTAT] = "fstat",
        [FAULT_EVENTFD] = "eventfd",
        [FAULT_TIMERFD_CREATE] = "timerfd_create",
        [FAULT_TIMERFD_SETTIME] = "timerfd_settime",
        [FAULT_EPOLL_CREATE1] = "epoll_create1",
        [FAULT_EPOLL_CTL] = "epoll_ctl",
        [FAULT_EPOLL_WAIT] = "epoll_wait",
        [FAULT_READ] = "read",
        [FAULT_WRITE] = "write",
    };
    return names[fn];
}

void fault_arm(enum fault_fn fn, unsigned nth, int error, int fd)
{
    armed.error = error;
    armed.fd = fd;
    atomic_store(&armed.hit, false);
    atomic_store(&armed.left, nth);
    /* Last: other threads look at it first. */
    atomic_store(&armed.fn, (int)fn);
}

bool fault_disarm(void)
{
    atomic_store(&armed.fn, FAULT_FNS);
    return atomic_load(&armed.hit);
}

unsigned long fault_calls(enum fault_fn fn)
{
    return atomic_load_explicit(&calls[fn], memory_order_relaxed);
}

/* Counts the call. True, with errno set, if this call is the one. */
static bool fails(enum fault_fn fn, int fd)
{
    atomic_fetch_add_explicit(&calls[fn], 1, memory_order_relaxed);
    if (atomic_load(&armed.fn) != (int)fn || (armed.fd >= 0 && armed.fd != fd))
        return false;
    if (atomic_fetch_sub(&armed.left, 1) != 1)
        return false;
    atomic_store(&armed.hit, true);
    errno = armed.error;
    return true;
}

/* Defines __wrap_name, which returns bad where the call is to fail. */
#define WRAP(type, name, fn, fd, bad, params, args)                                                \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params                                                                      \
    {                                                                                              \
        return fails(fn, fd) ? (bad) : __real_##name args;                                         \
    }

/* clang-format off */
WRAP(void *, malloc, FAULT_MALLOC, ANY_FD, NULL, (size_t size), (size))
WRAP(void *, calloc, FAULT_CALLOC, ANY_FD, NULL, (size_t n, size_t size), (n, size))
WRAP(void *, mmap, FAULT_MMAP, ANY_FD, (void *)-1,
     (void *addr, size_t len, int prot, int flags, int fd, off_t off), (addr, len, prot, flags, fd, off))
WRAP(int, madvise, FAULT_MADVISE, ANY_FD, -1, (void *addr, size_t len, int advice), (addr, len, advice))
WRAP(int, memfd_create, FAULT_MEMFD_CREATE, ANY_FD, -1, (const char *name, unsigned flags), (name, flags))
WRAP(int, ftruncate, FAULT_FTRUNCATE, ANY_FD, -1, (int fd, off_t len), (fd, len))
WRAP(int, fallocate, FAULT_FALLOCATE, ANY_FD, -1, (int fd, int mode, off_t off, off_t len), (fd, mode, off, len))
WRAP(int, fstat, FAULT_FSTAT, ANY_FD, -1, (int fd, struct stat *st), (fd, st))
WRAP(int, eventfd, FAULT_EVENTFD, ANY_FD, -1, (unsigned count, int flags), (count, flags))
WRAP(int, timerfd_create, FAULT_TIMERFD_CREATE, ANY_FD, -1, (int clock, int flags), (clock, flags))
WRAP(int, timerfd_settime, FAULT_TIMERFD_SETTIME, ANY_FD, -1,
     (int fd, int flags, const struct itimerspec *to, struct itimerspec *old), (fd, flags, to, old))
WRAP(int, epoll_create1, FAULT_EPOLL_CREATE1, ANY_FD, -1, (int flags), (flags))
WRAP(int, epoll_ctl, FAULT_EPOLL_CTL, ANY_FD, -1, (int epfd, int op, int fd, struct epoll_event *event),
     (epfd, op, fd, event))
WRAP(int, epoll_wait, FAULT_EPOLL_WAIT, ANY_FD, -1, (int epfd, struct epoll_event *events, int n, int timeout),
     (epfd, events, n, timeout))
WRAP(ssize_t, read, FAULT_READ, fd, -1, (int fd, void *buf, size_t len), (fd, buf, len))
WRAP(ssize_t, write, FAULT_WRITE, fd, -1, (int fd, const void *buf, size_t len), (fd, buf, len))
/* clang-format on */

int __real_fcntl(int fd, int cmd, ...);
int __wrap_fcntl(int fd, int cmd, ...);

int __wrap_fcntl(int fd, int cmd, ...)
{
    va_list args;
    va_start(args, cmd);
    long arg = va_arg(args, long);
    va_end(args);
    return fails(FAULT_FCNTL, ANY_FD) ? -1 : __real_fcntl(fd, cmd, arg);
}
