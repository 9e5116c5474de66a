/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For LD_PRELOAD: the n-th call of one function of the C library fails.
 *
 * FAULT_CALL is "name n errno", FAULT_HIT a file that is created when the call has come. Calls of
 * ioctl(KVM_RUN) are not counted: there are any number of them.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

static char name[32];
static int error;
static _Atomic int left;

__attribute__((constructor)) static void read_environment(void)
{
    int n = 0;
    const char *call = getenv("FAULT_CALL");
    if (call != NULL && sscanf(call, "%31s %d %d", name, &n, &error) == 3)
        atomic_store(&left, n);
}

/* By the kernel, since the C library's own functions may be replaced here. */
static void leave_mark(void)
{
    const char *path = getenv("FAULT_HIT");
    if (path != NULL)
        (void)syscall(SYS_close, syscall(SYS_open, path, O_WRONLY | O_CREAT, 0600));
}

/* True if this call of which is to fail. */
static bool fails(const char *which)
{
    if (strcmp(which, name) != 0 || atomic_fetch_sub(&left, 1) != 1)
        return false;
    leave_mark();
    errno = error;
    return true;
}

/* Defines the function that fails, or calls the one behind it. */
#define REPLACE(type, function, bad, params, args)                                                 \
    type function params;                                                                          \
    type function params                                                                           \
    {                                                                                              \
        static type(*behind) params;                                                               \
        if (behind == NULL)                                                                        \
            *(void **)&behind = dlsym(RTLD_NEXT, #function);                                       \
        return fails(#function) ? (bad) : behind args;                                             \
    }

/* clang-format off */
REPLACE(void *, mmap, (void *)-1,
        (void *addr, size_t len, int prot, int flags, int fd, off_t off), (addr, len, prot, flags, fd, off))
REPLACE(int, access, -1, (const char *path, int mode), (path, mode))
REPLACE(void *, dlopen, NULL, (const char *file, int mode), (file, mode))
REPLACE(int, madvise, -1, (void *addr, size_t len, int advice), (addr, len, advice))
REPLACE(int, memfd_create, -1, (const char *title, unsigned flags), (title, flags))
REPLACE(int, ftruncate, -1, (int fd, off_t len), (fd, len))
REPLACE(int, fallocate, -1, (int fd, int mode, off_t off, off_t len), (fd, mode, off, len))
REPLACE(int, fstat, -1, (int fd, struct stat *st), (fd, st))
REPLACE(int, eventfd, -1, (unsigned count, int flags), (count, flags))
REPLACE(int, timerfd_create, -1, (int clock, int flags), (clock, flags))
REPLACE(int, timerfd_settime, -1,
        (int fd, int flags, const struct itimerspec *to, struct itimerspec *old), (fd, flags, to, old))
REPLACE(int, epoll_create1, -1, (int flags), (flags))
REPLACE(int, epoll_ctl, -1, (int epfd, int op, int fd, struct epoll_event *event), (epfd, op, fd, event))
REPLACE(int, pthread_create, error,
        (pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg), (thread, attr, start, arg))
/* clang-format on */

int ioctl(int fd, unsigned long request, ...);

int ioctl(int fd, unsigned long request, ...)
{
    static int (*behind)(int, unsigned long, ...);
    va_list args;
    va_start(args, request);
    void *arg = va_arg(args, void *);
    va_end(args);
    if (behind == NULL)
        *(void **)&behind = dlsym(RTLD_NEXT, "ioctl");
    return request != KVM_RUN && fails("ioctl") ? -1 : behind(fd, request, arg);
}
