/* SPDX-License-Identifier: Apache-2.0 */
/* Sets a balloon up, feeds it one plan, takes it down. */
#include "tests/bench/rig.h"

#include <endian.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "guest/include/aerostat_balloon.h"
#include "tests/support/mock_driver.h"
#include "vmm/base/clock.h"
#include "vmm/base/num.h"

#define INFLATE 0
#define QUEUES  2
#define RINGS   (1 * MIB)
/* Register of the configuration space's field (4.2.2, 5.5.4). */
#define ACTUAL 0x104

struct rig {
    struct gm *gm; /* borrowed */
    struct ev_loop *loop;
    struct balloon *balloon;
    struct vmmio *transport;
    struct ev_source *irq_source;
    int irq_fd;
    struct mock_driver driver;

    struct plan_walk walk;
    uint32_t in_flight;           /* chains */
    struct call_counter *counter; /* borrowed; may be NULL */
    struct ev_work look;          /* whether the device is done */
    struct rig_time start;
    struct rig_time end;
    struct call_counts calls;
    struct mock_seg segs[VQ_SIZE_LIMIT];
    uint64_t gpas[VQ_SIZE_LIMIT];
    uint32_t pfns[RIG_ARRAY_ITEMS_MAX];
};

struct rig_time rig_now(void)
{
    struct timespec cpu = {0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    return (struct rig_time){
        .wall_ns = clock_mono_ns(),
        .cpu_ns = (uint64_t)cpu.tv_sec * UINT64_C(1000000000) + (uint64_t)cpu.tv_nsec,
    };
}

struct rig_time rig_between(struct rig_time from, struct rig_time to)
{
    return (struct rig_time){.wall_ns = to.wall_ns - from.wall_ns,
                             .cpu_ns = to.cpu_ns - from.cpu_ns};
}

struct gm *rig_ram_create(uint64_t data_bytes, enum gm_backing backing)
{
    const struct gm_range all = {.start = 0, .len_bytes = RIG_DATA + data_bytes};
    struct err err = {0};
    struct gm *gm;
    if (gm_create(&all, 1, backing, &gm, &err) == 0)
        return gm;
    (void)fprintf(stderr, "%s\n", err.text);
    return NULL;
}

static size_t fill_chain(struct rig *rig, uint32_t n)
{
    plan_next_runs(&rig->walk, rig->gpas, n);
    for (uint32_t i = 0; i < n; i++)
        rig->segs[i] =
            (struct mock_seg){.gpa = rig->gpas[i], .len = (uint32_t)rig->walk.plan->run_bytes};
    return n;
}

static size_t fill_array(struct rig *rig, uint32_t n)
{
    uint64_t gpa = plan_array_gpa(&rig->walk);
    uint32_t bytes = n * (uint32_t)sizeof(rig->pfns[0]);
    plan_next_pages(&rig->walk, rig->pfns, n);
    for (uint32_t i = 0; i < n; i++)
        rig->pfns[i] = htole32(rig->pfns[i]);
    plan_require(gm_write(rig->gm, gpa, rig->pfns, bytes) == 0, "no room for arrays");
    rig->segs[0] = (struct mock_seg){.gpa = gpa, .len = bytes};
    return 1;
}

static void send(struct rig *rig)
{
    const struct rig_plan *plan = rig->walk.plan;
    uint32_t n;
    bool any = false;
    while ((n = plan_next_items(&rig->walk)) > 0 && rig->in_flight < plan->in_flight) {
        size_t n_segs = plan->chains ? n : 1;
        plan_require(n_segs <= rig->driver.vq[INFLATE].size,
                     "a chain is longer than the queue that the device has for RAM of this size");
        if (rig->driver.vq[INFLATE].n_free < n_segs)
            break;
        n_segs = plan->chains ? fill_chain(rig, n) : fill_array(rig, n);
        plan_require(mock_add(&rig->driver, INFLATE, rig->segs, n_segs) >= 0, "the ring is full");
        plan_advance(&rig->walk);
        rig->in_flight++;
        any = true;
    }
    if (!any)
        return;
    mock_publish(&rig->driver, INFLATE);
    (void)mock_kick_if_wanted(&rig->driver, INFLATE);
}

/* The device is on this thread: it adds nothing between the last look and the wish. */
static void reap(struct rig *rig)
{
    uint32_t head;
    uint32_t len;
    while (mock_poll_used(&rig->driver, INFLATE, &head, &len))
        rig->in_flight--;
    mock_put_used_event(&rig->driver, INFLATE, rig->driver.vq[INFLATE].last_used);
}

/* Memory may be released behind the last used chain. */
static void wait_for_end(void *arg)
{
    struct rig *rig = arg;
    struct balloon_info info;
    balloon_get_info(rig->balloon, &info);
    if (info.change_done) {
        if (rig->counter != NULL)
            calls_stop(rig->counter, &rig->calls);
        rig->end = rig_now();
        ev_loop_stop(rig->loop);
    } else {
        ev_post(rig->loop, &rig->look);
    }
}

static void on_interrupt(void *arg, uint32_t events)
{
    struct rig *rig = arg;
    (void)events;
    (void)mock_take_interrupts(&rig->driver);
    (void)mock_take_isr(&rig->driver);
    reap(rig);
    send(rig);
    if (rig->in_flight > 0 || plan_next_items(&rig->walk) > 0)
        return;
    mock_write32(&rig->driver, ACTUAL, (uint32_t)(rig->walk.plan->size_bytes / BALLOON_PAGE_SIZE));
    wait_for_end(rig);
}

static void start_driver(void *arg)
{
    struct rig *rig = arg;
    uint64_t wanted =
        UINT64_C(1) << VIRTIO_BALLOON_F_MUST_TELL_HOST | UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX;
    if (rig->walk.plan->chains)
        wanted |= UINT64_C(1) << AEROSTAT_BALLOON_F_SG;
    mock_driver_start(&rig->driver, wanted & mock_offered_features(&rig->driver), QUEUES,
                      rig->walk.plan->queue_size, RINGS);
    rig->start = rig_now();
    if (rig->counter != NULL)
        calls_start(rig->counter);
    send(rig);
}

static void set_up(struct rig *rig)
{
    const struct balloon_config config = {.target_bytes = rig->walk.plan->size_bytes,
                                          .scatter_gather = BALLOON_SG_AUTO,
                                          .must_tell_host = true};
    struct err err = {0};
    plan_require(ev_loop_create(&rig->loop) == 0, "no event loop");
    plan_require(balloon_create(&config, rig->gm, rig->loop, NULL, NULL, &rig->balloon, &err) == 0,
                 "no balloon");
    rig->irq_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    plan_require(rig->irq_fd >= 0, "no eventfd");
    plan_require(vmmio_create(balloon_vdev(rig->balloon), rig->gm, rig->loop, rig->irq_fd,
                              &rig->transport) == 0,
                 "no transport");
    mock_driver_init(&rig->driver, rig->transport, rig->gm, rig->irq_fd);
    plan_require(ev_fd_add(rig->loop, rig->irq_fd, EPOLLIN, on_interrupt, rig, &rig->irq_source) ==
                     0,
                 "the interrupt cannot be waited for");
}

static void tear_down(struct rig *rig)
{
    ev_source_remove(rig->irq_source);
    vmmio_destroy(rig->transport);
    balloon_destroy(rig->balloon);
    ev_loop_destroy(rig->loop);
    close(rig->irq_fd);
    plan_end(&rig->walk);
    free(rig);
}

void rig_run(struct gm *gm, const struct rig_plan *plan, struct call_counter *counter,
             struct rig_result *out)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    plan_require(rig != NULL, "out of memory");
    rig->gm = gm;
    rig->look = (struct ev_work){.fn = wait_for_end, .arg = rig};
    rig->counter = counter;
    plan_begin(&rig->walk, plan);
    set_up(rig);
    struct ev_work start = {.fn = start_driver, .arg = rig};
    ev_post(rig->loop, &start);
    plan_require(ev_loop_run(rig->loop) == 0, "the event loop failed");
    out->time = rig_between(rig->start, rig->end);
    out->queue_size = rig->driver.vq[INFLATE].size;
    out->calls = rig->calls;
    balloon_get_info(rig->balloon, &out->info);
    tear_down(rig);
}
