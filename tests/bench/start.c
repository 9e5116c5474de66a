/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Benchmark: from just before fork() to the first KVM_RUN and to the guest's first process, and the
 * memory of the monitor beside guest RAM; of ours, and in turns with it of QEMU's microvm machine.
 *
 * The first KVM_RUN is noted by a preloaded library (first_run.c), for both programs alike. The
 * guest's first process is there when the first byte that it sends has been read from the serial
 * port. Memory is the sum of Pss over all mappings but guest RAM, while the guest runs.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/child.h"
#include "tests/bench/values.h"
#include "vmm/api_client/client.h"
#include "vmm/base/num.h"

#define ROUNDS_DEFAULT 10
#define ROUNDS_MAX     1000
#define ARGS_MAX       40
#define SETTLE_NS      300000000
#define TIMEOUT_MS     10000u
#define CMDLINE        "console=ttyS0 panic=-1 reboot=t quiet"

enum figure { FIRST_RUN, GUEST_INIT, UNTOUCHED, AFTER_A_REQUEST, FIGURES };

static const struct {
    const char *what;
    const char *text;
} figures[FIGURES] = {
    [FIRST_RUN] = {"first_kvm_run", "process start to first KVM_RUN, ms"},
    [GUEST_INIT] = {"guest_init", "process start to guest's first process, ms"},
    [UNTOUCHED] = {"private_memory", "private memory, control socket untouched, KiB"},
    [AFTER_A_REQUEST] = {"private_memory", "private memory, after a request, KiB"},
};

struct options {
    const char *monitor;
    const char *payload;
    const char *qemu;   /* NULL: not beside it */
    const char *kernel; /* NULL: the payload only */
    const char *initrd;
    const char *cmdline;
    unsigned rounds;
    bool json;
};

/* A monitor with a guest, one column of the table. */
struct subject {
    const char *who;
    const char *kernel;
    const char *suffix; /* of "what" in JSON, for what is no part of the comparison */
    const char *title;
    unsigned mem_mib;
    const char *up; /* what the guest says first */
    const char *ram;
    bool (*request)(const char *socket);
    void (*fill)(const struct options *options, const struct subject *subject, const char *socket,
                 const char **args);
    struct values series[FIGURES];
};

static bool request_statistics(const char *socket)
{
    struct api_response response = {0};
    struct err err = {{0}};
    int ret = api_request(socket, "GET", "/balloon/statistics", NULL, TIMEOUT_MS, &response, &err);
    if (ret < 0)
        (void)fprintf(stderr, "%s\n", err.text);
    api_response_finish(&response);
    return ret == 0;
}

/* QEMU's control socket greets, wants its capabilities negotiated, and answers line by line. */
static bool request_balloon(const char *path)
{
    static const char *const lines[] = {"{\"execute\":\"qmp_capabilities\"}\n",
                                        "{\"execute\":\"query-balloon\"}\n"};
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char answer[4096];
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 &&
              recv(fd, answer, sizeof(answer), 0) > 0;
    for (size_t i = 0; ok && i < ARRAY_LEN(lines); i++) {
        ok = send(fd, lines[i], strlen(lines[i]), MSG_NOSIGNAL) == (ssize_t)strlen(lines[i]);
        ssize_t got = ok ? recv(fd, answer, sizeof(answer) - 1, 0) : 0;
        answer[got > 0 ? got : 0] = '\0';
        ok = strstr(answer, "\"return\"") != NULL;
    }
    if (fd >= 0)
        close(fd);
    if (!ok)
        (void)fprintf(stderr, "%s does not answer\n", path);
    return ok;
}

/* Appends words up to a NULL. */
static void append(const char **args, const char *const words[])
{
    while (*args != NULL)
        args++;
    while (*words != NULL)
        *args++ = *words++;
    *args = NULL;
}

#define APPEND(args, ...) append(args, (const char *const[]){__VA_ARGS__, NULL})

static void fill_ours(const struct options *o, const struct subject *subject, const char *socket,
                      const char **args)
{
    static char mem[16];
    (void)snprintf(mem, sizeof(mem), "%uM", subject->mem_mib);
    APPEND(args, o->monitor, "run", "--mem", mem, "--api-sock", socket);
    if (strcmp(subject->kernel, "payload") == 0)
        APPEND(args, "--kernel", o->payload);
    else
        APPEND(args, "--kernel", o->kernel, "--initrd", o->initrd, "--cmdline", o->cmdline);
    if (subject->suffix[0] == '\0')
        APPEND(args, "--balloon", "0M");
}

/* A virtio-mmio balloon, a serial port and a control socket, as ours; RAM is a memfd, which /proc
 * tells from the rest. */
static void fill_qemu(const struct options *o, const struct subject *subject, const char *socket,
                      const char **args)
{
    static char mem[16];
    static char memory[64];
    static char monitor[128];
    (void)snprintf(mem, sizeof(mem), "%uM", subject->mem_mib);
    (void)snprintf(memory, sizeof(memory), "memory-backend-memfd,id=ram,size=%s,share=on", mem);
    (void)snprintf(monitor, sizeof(monitor), "unix:%s,server=on,wait=off", socket);
    APPEND(args, o->qemu, "-accel", "kvm", "-M", "microvm,memory-backend=ram", "-object", memory);
    APPEND(args, "-cpu", "host,arch-capabilities=off", "-smp", "1", "-m", mem);
    APPEND(args, "-nodefaults", "-no-user-config", "-nographic", "-serial", "stdio", "-device",
           "virtio-balloon-device", "-qmp", monitor);
    APPEND(args, "-kernel", o->kernel, "-initrd", o->initrd, "-append", o->cmdline);
}

/* In turns, in this order. Our payload has no entry that QEMU knows. */
static struct subject subjects[] = {
    {.who = "aerostat",
     .kernel = "payload",
     .suffix = "",
     .title = "aerostat, payload",
     .mem_mib = 512,
     .up = "up",
     .ram = "memfd:aerostat-ram",
     .request = request_statistics,
     .fill = fill_ours},
    {.who = "aerostat",
     .kernel = "bundled",
     .suffix = "",
     .title = "aerostat, Linux",
     .mem_mib = 512,
     .up = "@ ",
     .ram = "memfd:aerostat-ram",
     .request = request_statistics,
     .fill = fill_ours},
    {.who = "qemu",
     .kernel = "bundled",
     .suffix = "",
     .title = "qemu, Linux",
     .mem_mib = 512,
     .up = "@ ",
     .ram = "memfd:memory-backend-memfd",
     .request = request_balloon,
     .fill = fill_qemu},
    /* One vCPU, the default of memory, no device but the console. */
    {.who = "aerostat",
     .kernel = "bundled",
     .suffix = "_smallest",
     .title = "aerostat, smallest",
     .mem_mib = 128,
     .up = "@ ",
     .ram = "memfd:aerostat-ram",
     .request = request_statistics,
     .fill = fill_ours},
};

static bool is_wanted(const struct options *o, const struct subject *subject)
{
    bool own_guest = strcmp(subject->kernel, "payload") == 0;
    return (own_guest || o->kernel != NULL) &&
           (strcmp(subject->who, "qemu") != 0 || o->qemu != NULL);
}

static void note(const struct options *o, struct subject *subject, enum figure figure,
                 unsigned round, uint64_t value)
{
    bool is_time = figure == FIRST_RUN || figure == GUEST_INIT;
    values_add(&subject->series[figure], value);
    if (!o->json)
        return;
    printf("{\"part\":\"start\",\"who\":\"%s\",\"what\":\"%s%s\",\"kernel\":\"%s\",\"round\":%u,"
           "\"mem_bytes\":%" PRIu64 ",\"%s\":%" PRIu64,
           subject->who, figures[figure].what, subject->suffix, subject->kernel, round,
           subject->mem_mib * MIB, is_time ? "wall_ns" : "bytes", value);
    if (!is_time)
        printf(",\"note\":\"%s\"",
               figure == UNTOUCHED ? "control socket untouched" : "after a request");
    printf("}\n");
    (void)fflush(stdout);
}

static bool note_memory(const struct options *o, struct subject *subject, struct child *child,
                        enum figure figure, unsigned round)
{
    const struct timespec settle = {.tv_nsec = SETTLE_NS};
    struct child_memory memory;
    (void)nanosleep(&settle, NULL);
    if (!child_memory(child, subject->ram, &memory))
        return false;
    if (memory.ram_bytes == 0)
        (void)fprintf(stderr, "%s: no mapping is called %s\n", subject->title, subject->ram);
    note(o, subject, figure, round, memory.private_bytes);
    return memory.ram_bytes > 0;
}

static bool measure(const struct options *o, struct subject *subject, struct child *child,
                    const char *socket, unsigned round)
{
    uint64_t up_ns;
    if (!child_await(child, subject->up, &up_ns))
        return false;
    uint64_t entered_ns = atomic_load(child->first_run_ns);
    if (entered_ns < child->start_ns) {
        (void)fprintf(stderr, "%s: its first KVM_RUN was not seen\n", subject->title);
        return false;
    }
    note(o, subject, FIRST_RUN, round, entered_ns - child->start_ns);
    if (strcmp(subject->kernel, "bundled") == 0)
        note(o, subject, GUEST_INIT, round, up_ns - child->start_ns);
    return note_memory(o, subject, child, UNTOUCHED, round) && subject->request(socket) &&
           note_memory(o, subject, child, AFTER_A_REQUEST, round);
}

static bool run_once(const struct options *o, struct subject *subject, unsigned round)
{
    const char *args[ARGS_MAX] = {NULL};
    char socket[96];
    struct child child = {0};
    (void)snprintf(socket, sizeof(socket), "%s/sock", child_folder());
    subject->fill(o, subject, socket, args);
    bool ok =
        child_start(&child, FIRST_RUN_LIBRARY, args) && measure(o, subject, &child, socket, round);
    child_end(&child);
    (void)unlink(socket);
    return ok;
}

static void print_table(void)
{
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
        for (unsigned f = 0; f < FIGURES; f++) {
            struct values *s = &subjects[i].series[f];
            double unit = f == FIRST_RUN || f == GUEST_INIT ? 1e6 : 1024;
            if (s->n > 0)
                printf("%-19s %-46s median %8.1f  (%.1f to %.1f)\n", subjects[i].title,
                       figures[f].text, (double)values_at(s, 500) / unit,
                       (double)values_at(s, 0) / unit, (double)values_at(s, 1000) / unit);
        }
    }
}

static int usage(void)
{
    (void)fprintf(stderr,
                  "usage: bench_start [--rounds N, 1 to %d] [--json] [--qemu PROGRAM]\n"
                  "    [--kernel FILE --initrd FILE [--cmdline TEXT]] MONITOR PAYLOAD\n"
                  "The guest's first process is waited for, and QEMU compared, with a kernel.\n",
                  ROUNDS_MAX);
    return 2;
}

static bool parse(int argc, char **argv, struct options *out)
{
    static const struct option names[] = {{"rounds", required_argument, NULL, 'r'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"qemu", required_argument, NULL, 'q'},
                                          {"kernel", required_argument, NULL, 'k'},
                                          {"initrd", required_argument, NULL, 'i'},
                                          {"cmdline", required_argument, NULL, 'c'},
                                          {NULL, 0, NULL, 0}};
    int name;
    *out = (struct options){.rounds = ROUNDS_DEFAULT, .cmdline = CMDLINE};
    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (name == 'r')
            out->rounds = (unsigned)strtoul(optarg, NULL, 10);
        else if (name == 'j')
            out->json = true;
        else if (name == 'q')
            out->qemu = optarg;
        else if (name == 'k')
            out->kernel = optarg;
        else if (name == 'i')
            out->initrd = optarg;
        else if (name == 'c')
            out->cmdline = optarg;
        else
            return false;
    }
    if (optind + 2 != argc || (out->kernel == NULL) != (out->initrd == NULL))
        return false;
    out->monitor = argv[optind];
    out->payload = argv[optind + 1];
    return out->rounds >= 1 && out->rounds <= ROUNDS_MAX;
}

int main(int argc, char **argv)
{
    struct options options;
    if (!parse(argc, argv, &options))
        return usage();
    if (options.qemu != NULL && options.kernel == NULL)
        (void)fprintf(stderr, "qemu: skipped: it starts no payload guest; give it --kernel\n");
    if (!child_make_folder())
        return 1;
    for (unsigned round = 0; round < options.rounds; round++) {
        for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
            if (is_wanted(&options, &subjects[i]) && !run_once(&options, &subjects[i], round))
                return 1;
        }
    }
    if (!options.json)
        print_table();
    return 0;
}
