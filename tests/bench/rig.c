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
#define ARRAYS  (4 * MIB)

/* Register of the configuration space's field (4.2.2, 5.5.4). */
#define ACTUAL 0x104

/* Arrays of page numbers, one a chain in flight. */
#define ARRAY_ITEMS_MAX 4096u

_Static_assert(ARRAYS + RIG_IN_FLIGHT_MAX * ARRAY_ITEMS_MAX * sizeof(uint32_t) <= RIG_DATA,
               "arrays lie below the data");

struct rig {
    const struct rig_plan *plan;
    struct gm *gm; /* borrowed */
    struct ev_loop *loop;
    struct balloon *balloon;
    struct vmmio *transport;
    struct ev_source *irq_source;
    int irq_fd;
    struct mock_driver driver;

    uint32_t *order;     /* of the runs */
    uint64_t n_items;    /* descriptors, or page numbers, in all */
    uint64_t sent;       /* of these */
    uint64_t n_chains;   /* sent */
    uint32_t in_flight;  /* of these */
    struct ev_work look; /* whether the device is done */
    struct rig_time start;
    struct rig_time end;
    struct mock_seg segs[VQ_SIZE_LIMIT];
    uint32_t pfns[ARRAY_ITEMS_MAX];
};

static void require(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "rig: %s\n", what);
    abort();
}

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

/* The same numbers each time: a generator that needs no seed from outside. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint32_t *make_order(const struct rig_plan *plan)
{
    size_t n = plan->size_bytes / plan->run_bytes;
    uint32_t *order = malloc(n * sizeof(*order));
    require(order != NULL, "out of memory");
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = n; plan->shuffled && i > 1; i--) {
        size_t other = next_random(&state) % i;
        uint32_t moved = order[i - 1];
        order[i - 1] = order[other];
        order[other] = moved;
    }
    return order;
}

static uint64_t run_gpa(const struct rig *rig, uint64_t run)
{
    return RIG_DATA + rig->order[run] * rig->plan->pitch_bytes;
}

static size_t fill_chain(struct rig *rig, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        rig->segs[i] = (struct mock_seg){.gpa = run_gpa(rig, rig->sent + i),
                                         .len = (uint32_t)rig->plan->run_bytes};
    return n;
}

/* The device gives chains back in order, so that the oldest array's place is free again. */
static size_t fill_array(struct rig *rig, uint64_t n)
{
    uint64_t run_pages = rig->plan->run_bytes / BALLOON_PAGE_SIZE;
    uint64_t gpa = ARRAYS + rig->n_chains % rig->plan->in_flight * sizeof(rig->pfns);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = rig->sent + i;
        uint64_t page = run_gpa(rig, at / run_pages) / BALLOON_PAGE_SIZE + at % run_pages;
        rig->pfns[i] = htole32((uint32_t)page);
    }
    require(gm_write(rig->gm, gpa, rig->pfns, n * sizeof(rig->pfns[0])) == 0, "no room for arrays");
    rig->segs[0] = (struct mock_seg){.gpa = gpa, .len = (uint32_t)(n * sizeof(rig->pfns[0]))};
    return 1;
}

static void send(struct rig *rig)
{
    const struct rig_plan *plan = rig->plan;
    bool any = false;
    while (rig->sent < rig->n_items && rig->in_flight < plan->in_flight) {
        uint64_t n = min_u64(rig->n_items - rig->sent, plan->items);
        size_t n_segs = plan->chains ? n : 1;
        if (rig->driver.vq[INFLATE].n_free < n_segs)
            break;
        n_segs = plan->chains ? fill_chain(rig, n) : fill_array(rig, n);
        require(mock_add(&rig->driver, INFLATE, rig->segs, n_segs) >= 0, "the ring is full");
        rig->sent += n;
        rig->n_chains++;
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
    if (rig->in_flight > 0 || rig->sent < rig->n_items)
        return;
    mock_write32(&rig->driver, ACTUAL, (uint32_t)(rig->plan->size_bytes / BALLOON_PAGE_SIZE));
    wait_for_end(rig);
}

static void start_driver(void *arg)
{
    struct rig *rig = arg;
    uint64_t wanted =
        UINT64_C(1) << VIRTIO_BALLOON_F_MUST_TELL_HOST | UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX;
    if (rig->plan->chains)
        wanted |= UINT64_C(1) << AEROSTAT_BALLOON_F_SG;
    mock_driver_start(&rig->driver, wanted & mock_offered_features(&rig->driver), QUEUES,
                      rig->plan->queue_size, RINGS);
    rig->start = rig_now();
    send(rig);
}

static void set_up(struct rig *rig)
{
    const struct balloon_config config = {.target_bytes = rig->plan->size_bytes,
                                          .scatter_gather = BALLOON_SG_AUTO,
                                          .must_tell_host = true};
    struct err err = {0};
    require(ev_loop_create(&rig->loop) == 0, "no event loop");
    require(balloon_create(&config, rig->gm, rig->loop, NULL, NULL, &rig->balloon, &err) == 0,
            "no balloon");
    rig->irq_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    require(rig->irq_fd >= 0, "no eventfd");
    require(vmmio_create(balloon_vdev(rig->balloon), rig->gm, rig->loop, rig->irq_fd,
                         &rig->transport) == 0,
            "no transport");
    mock_driver_init(&rig->driver, rig->transport, rig->gm, rig->irq_fd);
    require(ev_fd_add(rig->loop, rig->irq_fd, EPOLLIN, on_interrupt, rig, &rig->irq_source) == 0,
            "the interrupt cannot be waited for");
}

static void tear_down(struct rig *rig)
{
    ev_source_remove(rig->irq_source);
    vmmio_destroy(rig->transport);
    balloon_destroy(rig->balloon);
    ev_loop_destroy(rig->loop);
    close(rig->irq_fd);
    free(rig->order);
    free(rig);
}

void rig_run(struct gm *gm, const struct rig_plan *plan, struct rig_result *out)
{
    require(plan->items > 0 && plan->items <= (plan->chains ? plan->queue_size : ARRAY_ITEMS_MAX) &&
                plan->in_flight > 0 && plan->in_flight <= RIG_IN_FLIGHT_MAX &&
                plan->size_bytes % plan->run_bytes == 0,
            "the plan is out of bounds");
    struct rig *rig = calloc(1, sizeof(*rig));
    require(rig != NULL, "out of memory");
    rig->gm = gm;
    rig->look = (struct ev_work){.fn = wait_for_end, .arg = rig};
    rig->plan = plan;
    rig->order = make_order(plan);
    rig->n_items = plan->size_bytes / (plan->chains ? plan->run_bytes : BALLOON_PAGE_SIZE);
    set_up(rig);
    struct ev_work start = {.fn = start_driver, .arg = rig};
    ev_post(rig->loop, &start);
    require(ev_loop_run(rig->loop) == 0, "the event loop failed");
    out->time = rig_between(rig->start, rig->end);
    balloon_get_info(rig->balloon, &out->info);
    tear_down(rig);
}
