/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Benchmark: from fork() to the first KVM_RUN, and the private memory of the monitor beside guest
 * RAM.
 *
 * usage: bench_start MONITOR KERNEL [RUNS]
 *
 * The start is taken just before fork(); the end is when the monitor's line about entering the
 * guest, which it writes just before its vCPU threads call KVM_RUN, has been read here. Memory is
 * the sum of Pss in smaps over all mappings but the guest's RAM, while the guest runs.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GUEST_RAM_NAME "/memfd:aerostat-ram"
#define ENTERING       "entering the guest"
#define RUNS_DEFAULT   20
#define RUNS_MAX       1000
#define SETTLE_NS      200000000

static uint64_t now_ns(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static pid_t start(const char *monitor, const char *kernel, const char *sock, int *out_err_fd)
{
    int err[2];
    if (pipe(err) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        (void)dup2(null, STDIN_FILENO);
        (void)dup2(null, STDOUT_FILENO);
        (void)dup2(err[1], STDERR_FILENO);
        close(err[0]);
        close(err[1]);
        execl(monitor, monitor, "run", "--kernel", kernel, "--mem", "512M", "--balloon", "0M",
              "--api-sock", sock, "--log-level", "info", (char *)NULL);
        _exit(127);
    }
    close(err[1]);
    *out_err_fd = err[0];
    return pid;
}

/* Reads until the monitor says that it enters the guest; false if it ends before that. */
static bool wait_for_entry(int fd)
{
    char text[4096];
    size_t have = 0;
    ssize_t got;
    while (have < sizeof(text) - 1 && (got = read(fd, text + have, sizeof(text) - 1 - have)) > 0) {
        have += (size_t)got;
        text[have] = '\0';
        if (strstr(text, ENTERING) != NULL)
            return true;
    }
    (void)fprintf(stderr, "the monitor ended: %s\n", text);
    return false;
}

/* Sum of Pss in KiB over all mappings but guest RAM. */
static uint64_t private_kib(pid_t pid)
{
    char path[64], line[512];
    (void)snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
    FILE *file = fopen(path, "re");
    uint64_t sum = 0, kib;
    bool guest = false;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strchr(line, '-') != NULL && strchr(line, ':') != NULL && line[0] != ' ' &&
            strstr(line, "kB") == NULL && strncmp(line, "VmFlags", 7) != 0)
            guest = strstr(line, GUEST_RAM_NAME) != NULL;
        if (!guest && sscanf(line, "Pss: %lu kB", &kib) == 1)
            sum += kib;
    }
    if (file != NULL)
        (void)fclose(file);
    return sum;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool run_once(const char *monitor, const char *kernel, uint64_t *out_ns, uint64_t *out_kib)
{
    char sock[64];
    const struct timespec settle = {.tv_nsec = SETTLE_NS};
    int err_fd = -1, status;
    (void)snprintf(sock, sizeof(sock), "/tmp/aerostat-bench-%d.sock", (int)getpid());
    uint64_t before = now_ns();
    pid_t pid = start(monitor, kernel, sock, &err_fd);
    if (pid < 0)
        return false;
    bool ok = wait_for_entry(err_fd);
    *out_ns = now_ns() - before;
    (void)nanosleep(&settle, NULL);
    *out_kib = private_kib(pid);
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, &status, 0);
    close(err_fd);
    return ok;
}

int main(int argc, char **argv)
{
    static uint64_t ns[RUNS_MAX], kib[RUNS_MAX];
    long runs = argc > 3 ? strtol(argv[3], NULL, 10) : RUNS_DEFAULT;
    if (argc < 3 || runs < 1 || runs > RUNS_MAX) {
        (void)fprintf(stderr, "usage: bench_start MONITOR KERNEL [RUNS, 1 to %d]\n", RUNS_MAX);
        return 2;
    }
    for (long i = 0; i < runs; i++) {
        if (!run_once(argv[1], argv[2], &ns[i], &kib[i]))
            return 1;
    }
    qsort(ns, (size_t)runs, sizeof(ns[0]), compare);
    qsort(kib, (size_t)runs, sizeof(kib[0]), compare);
    printf("512 MiB guest, 4 KiB pages, untouched; kernel %s; control socket on; %ld runs\n",
           argv[2], runs);
    printf("fork to first KVM_RUN, ms: min %.1f  median %.1f  max %.1f\n", (double)ns[0] / 1e6,
           (double)ns[runs / 2] / 1e6, (double)ns[runs - 1] / 1e6);
    printf("private memory beside guest RAM (Pss), KiB: min %lu  median %lu  max %lu\n", kib[0],
           kib[runs / 2], kib[runs - 1]);
    return 0;
}
