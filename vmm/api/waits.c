/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that wait for fresh statistics of the guest: their connections are suspended, and a
 * timer looks whether there are any. The loop is never held up; without waiting requests no timer
 * runs.
 */
#include <poll.h>

#include "vmm/api/api_priv.h"
#include "vmm/api/library.h"
#include "vmm/base/clock.h"

#define NS_PER_MS UINT64_C(1000000)
#define CHECK_NS  (5 * NS_PER_MS)

/* The library does not look at suspended connections, so that it cannot know. */
static bool client_gone(const struct api_library *library, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        library->get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == NULL)
        return false;
    /* POLLHUP: closed, not only shut down for writing by one who still reads. */
    struct pollfd p = {.fd = info->connect_fd};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

static void resume(struct api_waits *waits, struct api_wait **link)
{
    struct api_wait *wait = *link;
    *link = wait->next;
    waits->count--;
    waits->library->resume_connection(wait->connection);
    wait->connection = NULL;
}

static void check(void *arg)
{
    struct api_waits *waits = arg;
    struct balloon_stats stats = {0};
    unsigned before = waits->count;
    uint64_t now_ns = clock_mono_ns();
    waits->target->ops->stats(waits->target->arg, &stats);
    for (struct api_wait **link = &waits->first; *link != NULL;) {
        struct api_wait *wait = *link;
        if (stats.reports > wait->reports || now_ns >= wait->deadline_ns ||
            client_gone(waits->library, wait->connection))
            resume(waits, link);
        else
            link = &wait->next;
    }
    if (waits->count == 0)
        (void)ev_timer_arm(waits->timer, 0, 0);
    if (waits->count < before)
        waits->on_resumed(waits->arg);
}

int api_waits_init(struct api_waits *waits, const struct api_target *target,
                   const struct api_library *library, struct ev_loop *loop, ev_fn on_resumed,
                   void *arg)
{
    *waits = (struct api_waits){
        .target = target, .library = library, .on_resumed = on_resumed, .arg = arg};
    return ev_timer_add(loop, check, waits, &waits->timer);
}

void api_waits_finish(struct api_waits *waits)
{
    while (waits->first != NULL)
        resume(waits, &waits->first);
    ev_source_remove(waits->timer);
    waits->timer = NULL;
}

bool api_waits_add(struct api_waits *waits, struct api_wait *wait,
                   struct MHD_Connection *connection, const struct api_reply *reply)
{
    if (waits->count >= API_WAIT_LIMIT)
        return false;
    if (waits->count == 0 && ev_timer_arm(waits->timer, CHECK_NS, CHECK_NS) < 0)
        return false;
    *wait = (struct api_wait){
        .connection = connection,
        .reports = reply->reports,
        .deadline_ns = clock_mono_ns() + reply->wait_ms * NS_PER_MS,
        .next = waits->first,
    };
    waits->first = wait;
    waits->count++;
    waits->library->suspend_connection(connection);
    return true;
}
