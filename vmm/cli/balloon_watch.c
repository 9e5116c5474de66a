/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat balloon watch`: a line for each change. */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "vmm/api_client/client.h"
#include "vmm/base/clock.h"
#include "vmm/base/num.h"
#include "vmm/cli/options.h"
#include "vmm/cli/vm.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

struct figures {
    uint64_t target_bytes;
    uint64_t actual_bytes;
    uint64_t resident_bytes;
    uint64_t returned_bytes;
};

static int look(const char *api_sock, struct figures *out, struct err *err)
{
    static const struct {
        const char *key;
        size_t offset;
    } wanted[] = {
        {"target_bytes", offsetof(struct figures, target_bytes)},
        {"actual_bytes", offsetof(struct figures, actual_bytes)},
        {"ram_allocated_bytes", offsetof(struct figures, resident_bytes)},
        {"freed_bytes", offsetof(struct figures, returned_bytes)},
    };
    struct api_response response = {0};
    int rc = api_call(api_sock, "GET", "/balloon/statistics", NULL, VM_TIMEOUT_MS, &response, err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(wanted); i++)
        rc = api_body_u64(&response, "host", wanted[i].key,
                          (uint64_t *)(void *)((char *)out + wanted[i].offset), err);
    api_response_finish(&response);
    return rc;
}

static void print_line(const struct figures *f, double seconds, bool json)
{
    if (json)
        (void)printf("{\"seconds\": %.3f, \"target_bytes\": %" PRIu64 ", \"actual_bytes\": %" PRIu64
                     ", \"resident_bytes\": %" PRIu64 ", \"returned_bytes\": %" PRIu64 "}\n",
                     seconds, f->target_bytes, f->actual_bytes, f->resident_bytes,
                     f->returned_bytes);
    else
        (void)printf("%8.1f %8" PRIu64 "M %8" PRIu64 "M %8" PRIu64 "M %8" PRIu64 "M\n", seconds,
                     f->target_bytes / MIB, f->actual_bytes / MIB, f->resident_bytes / MIB,
                     f->returned_bytes / MIB);
    /* Who reads it may be a pipe. */
    (void)fflush(stdout);
}

static void wait_until(uint64_t ns)
{
    uint64_t left = sub_sat_u64(ns, clock_mono_ns());
    (void)nanosleep(
        &(struct timespec){.tv_sec = (time_t)(left / NS_PER_S), .tv_nsec = (long)(left % NS_PER_S)},
        NULL);
}

int balloon_watch_run(const struct balloon_options *options, struct err *err)
{
    struct figures last = {0};
    uint64_t start_ns = clock_mono_ns();
    uint64_t next_ns = start_ns;
    uint64_t lines = 0;
    do {
        struct figures now = {0};
        int rc = look(options->api_sock, &now, err);
        /* It was there, and has gone. */
        if ((rc == -ENOENT || rc == -ECONNREFUSED || rc == -EPROTO) && lines > 0)
            return 0;
        if (rc < 0)
            return rc;
        if (lines == 0 && !options->json)
            (void)printf("%8s %9s %9s %9s %9s\n", "SECONDS", "TARGET", "BALLOON", "RESIDENT",
                         "RETURNED");
        if (lines == 0 || memcmp(&now, &last, sizeof(now)) != 0) {
            print_line(&now, (double)(clock_mono_ns() - start_ns) / (double)NS_PER_S,
                       options->json);
            lines++;
        }
        last = now;
        if (options->count != 0 && lines >= options->count)
            return 0;
        next_ns = max_u64(next_ns + options->interval_ms * NS_PER_MS, clock_mono_ns());
        wait_until(next_ns);
    } while (!ferror(stdout));
    return err_set(err, -EPIPE, "standard output cannot be written");
}
