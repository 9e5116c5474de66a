/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat balloon`: sets and shows a running machine's balloon through its control socket. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "vmm/api_client/client.h"
#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/base/num.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/options.h"
#include "vmm/cli/vm.h"

#define NS_PER_MS     UINT64_C(1000000)
#define NS_PER_S      UINT64_C(1000000000)
#define TIMEOUT_MS    10000u
#define POLL_NS       (20 * (long)NS_PER_MS)
#define PAGES_PER_MIB (MIB / BALLOON_PAGE_SIZE)

struct progress {
    uint64_t target_pages;
    uint64_t actual_pages;
    uint64_t change_ns;
    bool done;      /* the change to target_pages: the host has what the guest gave */
    bool stalled;   /* the same change */
    bool no_driver; /* in the guest */
};

static int set_target(const struct balloon_options *options, struct err *err)
{
    char body[64];
    struct api_response response = {0};
    (void)snprintf(body, sizeof(body), "{\"amount_mib\":%" PRIu64 "}", options->target_mib);
    int rc = api_call(options->api_sock, "PATCH", "/balloon", body, TIMEOUT_MS, &response, err);
    api_response_finish(&response);
    return rc;
}

static int get_progress(const struct balloon_options *options, struct progress *out,
                        struct err *err)
{
    struct api_response response = {0};
    int rc =
        api_call(options->api_sock, "GET", "/balloon/statistics", NULL, TIMEOUT_MS, &response, err);
    if (rc == 0)
        rc = api_body_u64(&response, NULL, "actual_pages", &out->actual_pages, err);
    if (rc == 0)
        rc = api_body_u64(&response, NULL, "target_pages", &out->target_pages, err);
    if (rc == 0)
        rc = api_body_u64(&response, "host", "change_ns", &out->change_ns, err);
    if (rc == 0)
        rc = api_body_equals(&response, "host", "change_done", "true", &out->done, err);
    if (rc == 0)
        rc = api_body_equals(&response, "host", "change_stalled", "true", &out->stalled, err);
    if (rc == 0)
        rc = api_body_equals(&response, "host", "form", "none", &out->no_driver, err);
    api_response_finish(&response);
    return rc;
}

static int say_stalled(const struct balloon_options *options, const struct progress *progress,
                       struct err *err)
{
    uint64_t actual_mib = progress->actual_pages / PAGES_PER_MIB;
    unsigned stall_s = (unsigned)(BALLOON_STALL_NS / NS_PER_S);
    if (progress->actual_pages < progress->target_pages)
        return err_set(err, -ETIME,
                       "the balloon holds %" PRIu64 " MiB of %" PRIu64
                       " MiB and has not moved for %u s: the guest gives no more",
                       actual_mib, options->target_mib, stall_s);
    return err_set(err, -ETIME,
                   "the balloon holds %" PRIu64 " MiB instead of %" PRIu64
                   " MiB and has not moved for %u s: the guest takes none back",
                   actual_mib, options->target_mib, stall_s);
}

/* A bar where somebody looks; cleared with done. */
static void draw(const struct progress *progress, uint64_t target_pages, uint64_t from_pages,
                 bool done)
{
    static const char bar[] = "########################################";
    static const char empty[] = "                                        ";
    const int width = (int)sizeof(bar) - 1;
    if (!isatty(STDERR_FILENO))
        return;
    if (done) {
        (void)fprintf(stderr, "\r\033[K");
        return;
    }
    uint64_t way =
        from_pages > target_pages ? from_pages - target_pages : target_pages - from_pages;
    uint64_t left = progress->actual_pages > target_pages ? progress->actual_pages - target_pages
                                                          : target_pages - progress->actual_pages;
    double part = way == 0 || left > way ? 0.0 : 1.0 - (double)left / (double)way;
    int full = (int)(part * width);
    (void)fprintf(stderr, "\r[%.*s%.*s] %" PRIu64 " of %" PRIu64 " MiB\033[K", full, bar,
                  width - full, empty, progress->actual_pages / PAGES_PER_MIB,
                  target_pages / PAGES_PER_MIB);
}

/* Somebody else's target, set meanwhile, says nothing of when this one is done. */
static bool has_arrived(const struct progress *progress, uint64_t target_pages)
{
    return progress->actual_pages == target_pages &&
           (progress->done || progress->target_pages != target_pages);
}

static int say_late(const struct balloon_options *options, const struct progress *progress,
                    struct err *err)
{
    uint64_t actual_mib = progress->actual_pages / PAGES_PER_MIB;
    if (progress->actual_pages == options->target_mib * PAGES_PER_MIB)
        return err_set(err, -ETIME,
                       "the balloon holds %" PRIu64 " MiB, but not all of it is released after "
                       "%" PRIu64 " s",
                       actual_mib, options->wait_s);
    return err_set(err, -ETIME,
                   "the balloon holds %" PRIu64 " MiB of %" PRIu64 " MiB after %" PRIu64
                   " s: the guest has no balloon driver, or no memory to give",
                   actual_mib, options->target_mib, options->wait_s);
}

/* Returns 0 when the balloon has its size, or -ETIME with a sentence that says how far it came. */
static int await_target(const struct balloon_options *options, uint64_t from_pages,
                        struct progress *progress, struct err *err)
{
    uint64_t target_pages = options->target_mib * PAGES_PER_MIB;
    uint64_t deadline = clock_mono_ns() + options->wait_s * NS_PER_S;
    for (;;) {
        int rc = get_progress(options, progress, err);
        if (rc < 0 || has_arrived(progress, target_pages))
            return rc;
        /* A guest without a driver may still be booting; somebody else's target says nothing. */
        if (progress->stalled && !progress->no_driver && progress->target_pages == target_pages &&
            progress->actual_pages != target_pages)
            return say_stalled(options, progress, err);
        if (clock_mono_ns() >= deadline)
            break;
        draw(progress, target_pages, from_pages, false);
        (void)nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
    return say_late(options, progress, err);
}

static int set_and_wait(const struct balloon_options *options, struct err *err)
{
    uint64_t target_pages = options->target_mib * PAGES_PER_MIB;
    struct progress before = {0};
    struct progress after = {0};
    uint64_t start_ns = clock_mono_ns();
    int rc = get_progress(options, &before, err);
    if (rc == 0)
        rc = set_target(options, err);
    if (rc == 0) {
        rc = await_target(options, before.actual_pages, &after, err);
        draw(&after, target_pages, 0, true);
    }
    if (rc < 0)
        return rc;
    /* The host times changes of target, exactly; for a target that was asked for before it has the
     * time of then. */
    uint64_t ns =
        before.target_pages == target_pages ? clock_mono_ns() - start_ns : after.change_ns;
    if (before.actual_pages == target_pages)
        (void)printf("balloon holds %" PRIu64 " MiB already\n", options->target_mib);
    else
        (void)printf("balloon holds %" PRIu64 " MiB after %.3f s\n", options->target_mib,
                     (double)ns / (double)NS_PER_S);
    return 0;
}

static int set(const struct balloon_options *options, struct err *err)
{
    if (options->wait)
        return set_and_wait(options, err);
    int rc = set_target(options, err);
    if (rc == 0)
        (void)printf("balloon target is %" PRIu64 " MiB\n", options->target_mib);
    return rc;
}

static int show(const struct balloon_options *options, struct err *err)
{
    char path[64] = "/balloon/statistics";
    struct api_response response = {0};
    if (options->refresh_ms > 0)
        (void)snprintf(path, sizeof(path), "/balloon/statistics?refresh_ms=%" PRIu64,
                       options->refresh_ms);
    int rc = api_call(options->api_sock, "GET", path, NULL,
                      TIMEOUT_MS + (unsigned)options->refresh_ms, &response, err);
    if (rc == 0 && options->json)
        (void)printf("%s\n", response.body);
    else if (rc == 0)
        rc = api_body_print(&response, stdout, err);
    api_response_finish(&response);
    return rc;
}

static int hint(const struct balloon_options *options, struct err *err)
{
    static const struct {
        const char *method;
        const char *path;
        const char *done;
    } requests[] = {
        [HINT_START] = {"PATCH", "/balloon/hinting/start", "hinting started"},
        [HINT_STOP] = {"PATCH", "/balloon/hinting/stop", "hinting stopped"},
        [HINT_STATUS] = {"GET", "/balloon/hinting/status", NULL},
    };
    struct api_response response = {0};
    int rc = api_call(options->api_sock, requests[options->hint].method,
                      requests[options->hint].path, NULL, TIMEOUT_MS, &response, err);
    if (rc == 0 && requests[options->hint].done != NULL)
        (void)printf("%s\n", requests[options->hint].done);
    else if (rc == 0 && options->json)
        (void)printf("%s\n", response.body);
    else if (rc == 0)
        rc = api_body_print(&response, stdout, err);
    api_response_finish(&response);
    return rc;
}

static int act(const struct cmd_line *line,
               int (*action)(const struct balloon_options *options, struct err *err))
{
    struct balloon_options options;
    struct vm_ref vm;
    struct err err = {0};
    if (balloon_options_read(line, &options, &err) < 0)
        return cmd_usage_error(line->cmd, &err);
    int rc = options.vm == NULL ? 0 : vm_resolve(options.vm, &vm, &err);
    if (rc == 0 && options.vm != NULL)
        options.api_sock = vm.api_sock;
    if (rc == 0)
        rc = action(&options, &err);
    if (rc == 0)
        return CLI_OK;
    log_error("%s", err.text);
    return CLI_FAILED;
}

int balloon_set(const struct cmd_line *line)
{
    return act(line, set);
}

int balloon_show(const struct cmd_line *line)
{
    return act(line, show);
}

int balloon_hint(const struct cmd_line *line)
{
    return act(line, hint);
}

int balloon_watch(const struct cmd_line *line)
{
    return act(line, balloon_watch_run);
}
