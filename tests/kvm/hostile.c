/* SPDX-License-Identifier: Apache-2.0 */
/* Follows a lying guest from checkpoint to checkpoint. */
#include "tests/kvm/hostile.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "vmm/base/num.h"

#define ARGS_MAX 24
#define PAGE     4096u
/* Looks at the counters, 10 ms apart, until they are right. */
#define LOOKS 1000

static uint64_t number_of(const char *reply, const char *key)
{
    char quoted[64];
    (void)snprintf(quoted, sizeof(quoted), "\"%s\":", key);
    const char *at = strstr(reply, quoted);
    if (at == NULL)
        ck_abort_msg("no %s in %s", quoted, reply);
    return strtoull(at + strlen(quoted), NULL, 10);
}

static struct hostile_case look(struct hostile *h, const char *name)
{
    char reply[16384];
    int status = vmp_http(h->vm.sock, "GET", "/balloon/statistics", NULL, reply, sizeof(reply));
    ck_assert_msg(status == 200, "%s: the control socket answers %d", name, status);
    ck_assert_msg(number_of(reply, "host_error") == 0, "%s: a failure of the host", name);
    return (struct hostile_case){
        .name = name,
        .bad_request = number_of(reply, "bad_request"),
        .bad_chain = number_of(reply, "bad_chain"),
        .bad_ring = number_of(reply, "bad_ring"),
        .bad_register = number_of(reply, "bad_register"),
        .punched_bytes = number_of(reply, "punched_bytes"),
        .reports = number_of(reply, "reports"),
    };
}

static bool same(const struct hostile_case *a, const struct hostile_case *b)
{
    return a->bad_request == b->bad_request && a->bad_chain == b->bad_chain &&
           a->bad_ring == b->bad_ring && a->bad_register == b->bad_register &&
           a->punched_bytes == b->punched_bytes && a->reports == b->reports;
}

static void check(struct hostile *h, const char *name, const struct hostile_case *adds)
{
    const struct timespec step = {.tv_nsec = 10000000};
    const struct hostile_case *was = &h->total;
    const struct hostile_case want = {
        .bad_request = was->bad_request + adds->bad_request,
        .bad_chain = was->bad_chain + adds->bad_chain,
        .bad_ring = was->bad_ring + adds->bad_ring,
        .bad_register = was->bad_register + adds->bad_register,
        .punched_bytes = was->punched_bytes + adds->punched_bytes + PAGE,
        .reports = was->reports + adds->reports,
    };
    struct hostile_case got = look(h, name);
    for (int i = 0; i < LOOKS && !adds->any && !same(&got, &want); i++) {
        (void)nanosleep(&step, NULL);
        got = look(h, name);
    }
    ck_assert_msg(adds->any || same(&got, &want),
                  "%s adds bad_request %" PRIu64 " (not %" PRIu64 "), bad_chain %" PRIu64
                  " (%" PRIu64 "), bad_ring %" PRIu64 " (%" PRIu64 "), bad_register %" PRIu64
                  " (%" PRIu64 "), punched_bytes %" PRIu64 " (%" PRIu64 "), reports %" PRIu64
                  " (%" PRIu64 ")",
                  name, got.bad_request - was->bad_request, adds->bad_request,
                  got.bad_chain - was->bad_chain, adds->bad_chain, got.bad_ring - was->bad_ring,
                  adds->bad_ring, got.bad_register - was->bad_register, adds->bad_register,
                  got.punched_bytes - was->punched_bytes - PAGE, adds->punched_bytes,
                  got.reports - was->reports, adds->reports);
    h->total = got;
}

static void request(struct hostile *h, const char *name, const char *method, const char *path)
{
    char reply[16384];
    int status =
        path == NULL ? 200 : vmp_http(h->vm.sock, method, path, NULL, reply, sizeof(reply));
    ck_assert_msg(status / 100 == 2, "%s: %s %s is answered by %d", name, method, path, status);
}

/* The next checkpoint must be this one. */
static void expect_checkpoint(struct hostile *h, const char *name)
{
    char line[256];
    do {
        if (!vmp_read_line(&h->vm, line, sizeof(line)))
            ck_abort_msg("%s: the monitor ended", name);
        if (strncmp(line, "fail:", 5) == 0)
            ck_abort_msg("%s: the guest says %s", name, line);
    } while (strncmp(line, "at ", 3) != 0);
    ck_assert_msg(strcmp(line + 3, name) == 0, "expected %s, the guest is at %s", name, line + 3);
}

void hostile_start(struct hostile *h, const char *payload, const char *const args[])
{
    const char *all[ARGS_MAX] = {"--kernel", payload};
    for (size_t i = 0; args[i] != NULL; i++) {
        ck_assert_uint_lt(i + 2, ARGS_MAX - 1);
        all[i + 2] = args[i];
    }
    *h = (struct hostile){0};
    vmp_start(&h->vm, AEROSTAT_MONITOR, all);
    hostile_expect(h, NULL, &(struct hostile_case){.name = "start"}, 1);
}

void hostile_expect(struct hostile *h, const char *prefix, const struct hostile_case *cases,
                    size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char name[128];
        (void)snprintf(name, sizeof(name), "%s%s%s", prefix == NULL ? "" : prefix,
                       prefix == NULL ? "" : "-", cases[i].name);
        expect_checkpoint(h, name);
        check(h, name, &cases[i]);
        request(h, name, "GET", cases[i].get);
        request(h, name, "PATCH", cases[i].patch);
        vmp_continue(&h->vm);
    }
}

void hostile_end(struct hostile *h)
{
    vmp_expect(&h->vm, "done");
    int status = vmp_wait(&h->vm);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the monitor's status is 0x%x",
                  status);
}
