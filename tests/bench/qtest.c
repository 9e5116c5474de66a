/* SPDX-License-Identifier: Apache-2.0 */
/* Starts QEMU on a socket pair and talks its test protocol: a line, and a line in answer. */
#include "tests/bench/qtest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/plan.h"
#include "vmm/base/num.h"

#define QEMU        "qemu-system-x86_64"
#define ANSWER_MS   60000
#define RAM_FD      3
#define FIRMWARE_FD 4

/* Exit status of the child that found no QEMU. */
#define NOT_INSTALLED 127

/* The machine wants a file of firmware, which nothing executes, of a multiple of this. */
#define FIRMWARE_BYTES 65536

/* The microvm machine has RAM below this address, and what is more from 4 GiB on. */
#define LOW_RAM_BYTES (3 * GIB)

struct qtest {
    pid_t pid;
    int fd;
    int errors; /* a memfd of what QEMU says: it warns at each start of what is wanted here */
};

/* Out of the way of the places that are taken below. */
static int move_up(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, FIRMWARE_FD + 1);
}

static bool place_descriptors(int channel, int ram, int firmware, int errors)
{
    channel = move_up(channel);
    ram = move_up(ram);
    firmware = move_up(firmware);
    errors = move_up(errors);
    return channel >= 0 && ram >= 0 && firmware >= 0 && errors >= 0 && dup2(ram, RAM_FD) >= 0 &&
           dup2(firmware, FIRMWARE_FD) >= 0 && dup2(channel, STDIN_FILENO) >= 0 &&
           dup2(channel, STDOUT_FILENO) >= 0 && dup2(errors, STDERR_FILENO) >= 0;
}

/* In the child, whose descriptors are in place. Returns only when there is no QEMU. */
static void execute(const struct gm *gm, bool touch)
{
    char object[160];
    char firmware[32];
    char megabytes[32];
    (void)snprintf(object, sizeof(object),
                   "memory-backend-file,id=ram,share=on,prealloc=%s,size=%" PRIu64
                   ",mem-path=/proc/self/fd/%d",
                   touch ? "on" : "off", gm_size_bytes(gm), RAM_FD);
    (void)snprintf(firmware, sizeof(firmware), "/proc/self/fd/%d", FIRMWARE_FD);
    (void)snprintf(megabytes, sizeof(megabytes), "%" PRIu64 "M", gm_size_bytes(gm) / MIB);
    execlp(QEMU, QEMU, "-S", "-accel", "tcg", "-nodefaults", "-no-user-config", "-display", "none",
           "-machine", "microvm,x-option-roms=off,pit=off,pic=off,rtc=off,memory-backend=ram",
           "-bios", firmware, "-m", megabytes, "-object", object, "-global",
           "virtio-mmio.force-legacy=false", "-device", "virtio-balloon-device", "-qtest", "stdio",
           "-qtest-log", "none", (char *)NULL);
}

static int memfd_of(const char *name, off_t bytes)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, bytes) == 0)
        return fd;
    int ret = -errno;
    if (fd >= 0)
        close(fd);
    return ret;
}

static int spawn(struct qtest *q, const struct gm *gm, bool touch, int firmware)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    (void)fflush(NULL);
    q->pid = fork();
    int ret = q->pid < 0 ? -errno : 0;
    if (q->pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
            place_descriptors(pair[1], gm_region_at(gm, 0).fd, firmware, q->errors))
            execute(gm, touch);
        _exit(errno == ENOENT ? NOT_INSTALLED : 126);
    }
    close(pair[1]);
    q->fd = pair[0];
    return ret;
}

/* Sends the line and reads the one in answer, without its end. */
static int ask(struct qtest *q, const char *line, char *answer, size_t size)
{
    size_t len = strlen(line);
    if (send(q->fd, line, len, MSG_NOSIGNAL) != (ssize_t)len)
        return -EIO;
    size_t have = 0;
    while (have == 0 || answer[have - 1] != '\n') {
        struct pollfd readable = {.fd = q->fd, .events = POLLIN};
        if (have == size || poll(&readable, 1, ANSWER_MS) != 1)
            return -ETIMEDOUT;
        ssize_t got = recv(q->fd, answer + have, size - have, 0);
        if (got <= 0)
            return -EIO;
        have += (size_t)got;
    }
    answer[have - 1] = '\0';
    return strncmp(answer, "OK", 2) == 0 ? 0 : -EPROTO;
}

/* What QEMU said before it failed. */
static void show_errors(const struct qtest *q)
{
    char text[1024];
    ssize_t got = pread(q->errors, text, sizeof(text), 0);
    if (got > 0)
        (void)fwrite(text, 1, (size_t)got, stderr);
}

static void must_ask(struct qtest *q, const char *line, char *answer, size_t size)
{
    int ret = ask(q, line, answer, size);
    if (ret < 0)
        show_errors(q);
    plan_require(ret == 0, "QEMU does not answer");
}

uint32_t qtest_read32(struct qtest *q, uint64_t gpa)
{
    char line[64];
    char answer[64];
    (void)snprintf(line, sizeof(line), "readl 0x%" PRIx64 "\n", gpa);
    must_ask(q, line, answer, sizeof(answer));
    return (uint32_t)strtoull(answer + strlen("OK"), NULL, 16);
}

void qtest_write32(struct qtest *q, uint64_t gpa, uint32_t value)
{
    char line[64];
    char answer[64];
    (void)snprintf(line, sizeof(line), "writel 0x%" PRIx64 " 0x%" PRIx32 "\n", gpa, value);
    must_ask(q, line, answer, sizeof(answer));
}

uint64_t qtest_gpa(uint64_t offset)
{
    return offset < LOW_RAM_BYTES ? offset : offset - LOW_RAM_BYTES + 4 * GIB;
}

pid_t qtest_pid(const struct qtest *q)
{
    return q->pid;
}

/* Ends and collects it. Returns its exit status; -1 if it had none. */
static int end(struct qtest *q)
{
    int status = 0;
    close(q->fd);
    (void)kill(q->pid, SIGKILL);
    return waitpid(q->pid, &status, 0) == q->pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Waits until it answers. */
static int await(struct qtest *q)
{
    char answer[64];
    if (ask(q, "readb 0\n", answer, sizeof(answer)) == 0)
        return 0;
    if (end(q) == NOT_INSTALLED)
        return -ENOENT;
    show_errors(q);
    return -EIO;
}

int qtest_start(const struct gm *gm, bool touch, struct qtest **out)
{
    struct qtest *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return -ENOMEM;
    int firmware = memfd_of("bench-firmware", FIRMWARE_BYTES);
    q->errors = memfd_of("bench-qemu-errors", 0);
    int ret = firmware < 0 ? firmware : q->errors;
    if (ret >= 0)
        ret = spawn(q, gm, touch, firmware);
    if (ret == 0)
        ret = await(q);
    if (firmware >= 0)
        close(firmware);
    if (ret == 0) {
        *out = q;
        return 0;
    }
    if (q->errors >= 0)
        close(q->errors);
    free(q);
    return ret;
}

void qtest_stop(struct qtest *q)
{
    if (q == NULL)
        return;
    (void)end(q);
    close(q->errors);
    free(q);
}
