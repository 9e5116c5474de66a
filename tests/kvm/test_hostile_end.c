/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests that end themselves, flood the device, or try to flood the log: the monitor stays
 * answerable and ends in order.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/kvm/kvm_main.h"
#include "tests/support/vm_process.h"
#include "vmm/base/clock.h"
#include "vmm/base/num.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

static struct vmp vm;

static void type(char letter)
{
    ck_assert_int_eq(write(vm.in_fd, &letter, 1), 1);
}

static void start(void)
{
    static const char *const args[] = {"--kernel",
                                       PAYLOAD_DIR "/payload_hostile_end",
                                       "--mem",
                                       "128M",
                                       "--balloon",
                                       "0",
                                       "--stats-interval",
                                       "3600",
                                       "--free-page-hinting",
                                       NULL};
    vmp_start(&vm, AEROSTAT_MONITOR, args);
    vmp_expect(&vm, "at start");
}

static bool has_ended(void)
{
    siginfo_t info = {0};
    ck_assert_int_eq(waitid(P_PID, (id_t)vm.pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    return info.si_pid == vm.pid;
}

/* Looks, 10 ms apart, before a guest counts as one that goes on. */
#define LOOKS 50

static const struct {
    const char *name;
    char letter;
} ends[] = {
    {"gives-its-code-away", 'c'},   {"gives-its-page-tables-away", 'p'},
    {"gives-all-memory-away", 'a'}, {"faults-three-times", 'f'},
    {"halts-for-good", 'h'},        {"runs-into-device-registers", 'm'},
};

/* What a guest without code or tables does next is the processor's affair. */
START_TEST(a_guest_that_ends_itself_leaves_a_monitor_that_answers_or_ends_in_order)
{
    const struct timespec step = {.tv_nsec = 10000000};
    const char *name = ends[_i].name;
    char reply[16384];
    start();
    type(ends[_i].letter);
    for (int i = 0; i < LOOKS && !has_ended(); i++)
        (void)nanosleep(&step, NULL);
    bool ended = has_ended();
    if (!ended) {
        int answer = vmp_http(vm.sock, "GET", "/balloon/statistics", NULL, reply, sizeof(reply));
        ck_assert_msg(answer == 200, "%s: the control socket answers %d", name, answer);
        ck_assert_int_eq(kill(vm.pid, SIGTERM), 0);
    }
    int status = vmp_wait(&vm);
    ck_assert_msg(WIFEXITED(status), "%s: status 0x%x", name, status);
    /* 0 for a triple fault, 1 for what KVM cannot run. */
    if (ended)
        ck_assert_msg(WEXITSTATUS(status) <= 1, "%s: status 0x%x", name, status);
    else
        ck_assert_msg(WEXITSTATUS(status) == 128 + SIGTERM, "%s: status 0x%x", name, status);
}
END_TEST

/* Processor time of the monitor so far, in ticks of which a second has 100. */
static unsigned long ticks_used(void)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)vm.pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ssize_t len = read(fd, text, sizeof(text) - 1);
    close(fd);
    ck_assert_int_gt(len, 0);
    text[len] = '\0';
    unsigned long user = 0, kernel = 0;
    const char *fields = strrchr(text, ')');
    ck_assert_ptr_nonnull(fields);
    ck_assert_int_eq(
        sscanf(fields, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel), 2);
    return user + kernel;
}

static const struct {
    const char *method;
    const char *path;
    const char *body;
    int status;
} commands[] = {
    {"PATCH", "/balloon", "{\"amount_mib\": 64}", 204},
    {"GET", "/balloon/statistics?refresh_ms=10000", NULL, 200},
    {"PATCH", "/balloon/statistics", "{\"stats_polling_interval_s\": 1}", 204},
    {"PATCH", "/balloon/hinting/start", NULL, 400},
    {"PATCH", "/balloon/hinting/stop", NULL, 400},
    {"GET", "/balloon/hinting/status", NULL, 200},
    {"PATCH", "/balloon", "{\"amount_mib\": 32}", 204},
};

/* Without a driver ('n'), and with one that went to sleep ('h') and has no such features. */
START_TEST(commands_to_a_guest_that_never_answers_return_and_cost_nothing)
{
    const struct timespec second = {.tv_sec = 1};
    char reply[16384];
    start();
    type(_i == 0 ? 'n' : 'h');
    uint64_t start_ns = clock_mono_ns();
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        int status = vmp_http(vm.sock, commands[i].method, commands[i].path, commands[i].body,
                              reply, sizeof(reply));
        ck_assert_msg(status == commands[i].status, "%s %s: %d, not %d", commands[i].method,
                      commands[i].path, status, commands[i].status);
    }
    /* Whoever waits for the guest waits the 10 s that one of them allows. */
    ck_assert_uint_lt(clock_mono_ns() - start_ns, 9 * NS_PER_S);
    ck_assert_uint_eq(vmp_stat(&vm, "change_to_bytes"), 32 * MIB);
    unsigned long before = ticks_used();
    (void)nanosleep(&second, NULL);
    unsigned long used = ticks_used() - before;
    ck_assert_msg(used <= 30, "a target out of reach takes %lu %% of a processor", used);
    ck_assert_int_eq(kill(vm.pid, SIGTERM), 0);
    int status = vmp_wait(&vm);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM);
}
END_TEST

START_TEST(a_guest_cannot_flood_the_log)
{
    char text[65536];
    char name[] = "/tmp/aerostat-log-XXXXXX";
    int log = mkstemp(name);
    ck_assert_int_ge(log, 0);
    ck_assert_int_eq(unlink(name), 0);
    int saved = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(log, STDERR_FILENO), 0);
    uint64_t start_ns = clock_mono_ns();
    start();
    ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
    type('l');
    vmp_expect(&vm, "done");
    int status = vmp_wait(&vm);
    uint64_t seconds = (clock_mono_ns() - start_ns) / NS_PER_S;
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ssize_t len = pread(log, text, sizeof(text), 0);
    ck_assert_int_gt(len, 0);
    uint64_t lines = 0;
    for (ssize_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    ck_assert_msg(lines >= 1 && lines <= 5 * (seconds + 2),
                  "500 complaints in %lu s are %lu lines of log", seconds, lines);
    close(log);
    close(saved);
}
END_TEST

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

#define REQUESTS 50u

/* Requests to the control socket and lines on the console, turn about. */
static void measure(const char *path, bool console)
{
    char reply[16384];
    uint64_t took[REQUESTS];
    for (uint64_t i = 0; i < REQUESTS; i++) {
        uint64_t start_ns = clock_mono_ns();
        ck_assert_int_eq(vmp_http(vm.sock, "GET", path, NULL, reply, sizeof(reply)), 200);
        took[i] = clock_mono_ns() - start_ns;
        if (!console)
            continue;
        vmp_continue(&vm);
        ck_assert_uint_eq(vmp_expect_value(&vm, "echo"), i + 1);
    }
    qsort(took, REQUESTS, sizeof(took[0]), by_size);
    uint64_t median = took[REQUESTS / 2];
    printf("GET %s during a flood: %u answered, median %.1f ms, worst %.1f ms\n", path, REQUESTS,
           (double)median / (double)NS_PER_MS, (double)took[REQUESTS - 1] / (double)NS_PER_MS);
    ck_assert_msg(median < 100 * NS_PER_MS, "the median of %u requests is %lu ms", REQUESTS,
                  median / NS_PER_MS);
}

START_TEST(a_flood_of_the_inflate_queue_delays_nobody_else)
{
    static const char *const args[] = {
        "--kernel", PAYLOAD_DIR "/payload_flood", "--mem", "256M",        "--balloon",
        "0",        "--stats-interval",           "3600",  "--log-level", "error",
        NULL};
    vmp_start(&vm, AEROSTAT_MONITOR, args);
    vmp_expect(&vm, "at flooding");
    vmp_continue(&vm);
    uint64_t chains = vmp_stat(&vm, "inflate_chains");
    measure("/balloon", true);
    measure("/balloon/statistics", false);

    /* The statistics queue of the same device: each request is answered by a fresh report. */
    for (int i = 0; i < 10; i++) {
        char reply[16384];
        uint64_t reports = vmp_stat(&vm, "reports");
        ck_assert_int_eq(vmp_http(vm.sock, "GET", "/balloon/statistics?refresh_ms=10000", NULL,
                                  reply, sizeof(reply)),
                         200);
        ck_assert_uint_gt(vmp_stat(&vm, "reports"), reports);
    }
    ck_assert_msg(vmp_stat(&vm, "inflate_chains") > chains, "it was no flood");
    ck_assert_uint_eq(vmp_stat(&vm, "bad_request"), 0);
    type('q');
    vmp_expect(&vm, "done");
    int status = vmp_wait(&vm);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

static Suite *hostile_end_suite(void)
{
    Suite *suite = suite_create("guests that end, flood, and complain");
    TCase *tc = tcase_create("hostile end");
    tcase_set_timeout(tc, 180);
    tcase_add_loop_test(tc, a_guest_that_ends_itself_leaves_a_monitor_that_answers_or_ends_in_order,
                        0, ARRAY_LEN(ends));
    tcase_add_loop_test(tc, commands_to_a_guest_that_never_answers_return_and_cost_nothing, 0, 2);
    tcase_add_test(tc, a_guest_cannot_flood_the_log);
    tcase_add_test(tc, a_flood_of_the_inflate_queue_delays_nobody_else);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return kvm_check_run(hostile_end_suite);
}
