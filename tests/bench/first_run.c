/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For LD_PRELOAD: notes when a program calls KVM_RUN for the first time, whichever it is.
 *
 * AEROSTAT_FIRST_RUN_FD names an inherited descriptor of a page of memory: its first word becomes
 * the CLOCK_MONOTONIC time in nanoseconds. A store into memory, not a write(2): a program may have
 * forbidden itself that call by then.
 */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Only the monitor's own part for KVM includes linux/kvm.h. */
#define KVM_RUN _IO(0xae, 0x80)

static _Atomic(_Atomic uint64_t *) first_run;

static void __attribute__((constructor)) map_page(void)
{
    const char *fd = getenv("AEROSTAT_FIRST_RUN_FD");
    if (fd == NULL)
        return;
    void *page = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(fd), 0);
    if (page != MAP_FAILED)
        atomic_store(&first_run, page);
}

/* The first of all threads gets the word; later calls see NULL and go straight on. */
static void note_time(void)
{
    struct timespec now;
    _Atomic uint64_t *word = atomic_exchange(&first_run, NULL);
    if (word != NULL && clock_gettime(CLOCK_MONOTONIC, &now) == 0)
        atomic_store(word, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    va_start(args, request);
    unsigned long arg = va_arg(args, unsigned long);
    va_end(args);
    if (request == KVM_RUN && atomic_load_explicit(&first_run, memory_order_relaxed) != NULL)
        note_time();
    return (int)syscall(SYS_ioctl, fd, request, arg);
}
