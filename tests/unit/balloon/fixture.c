/* SPDX-License-Identifier: Apache-2.0 */
/* Construction of the balloon under test, and the hook around gm_discard(). */
#include "tests/unit/balloon/fixture.h"

#include <semaphore.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct fixture fx;

int __real_gm_discard(struct gm *gm, const struct gm_range *ranges, size_t n,
                      struct gm_discard_result *out);
int __wrap_gm_discard(struct gm *gm, const struct gm_range *ranges, size_t n,
                      struct gm_discard_result *out);

/* The linker puts this in the place of gm_discard() (--wrap). */
int __wrap_gm_discard(struct gm *gm, const struct gm_range *ranges, size_t n,
                      struct gm_discard_result *out)
{
    struct discard_hook *hook = &fx.hook;
    uint64_t bytes = gm_ranges_total(ranges, n);
    if (hook->before != NULL)
        hook->before();
    hook->calls++;
    hook->most_ranges = n > hook->most_ranges ? n : hook->most_ranges;
    hook->most_bytes = max_u64(bytes, hook->most_bytes);
    memcpy(hook->last, ranges, min_u64(n, ARRAY_LEN(hook->last)) * sizeof(ranges[0]));
    if (hook->fail != 0) {
        *out = (struct gm_discard_result){.calls = 1};
        return hook->fail;
    }
    return __real_gm_discard(gm, ranges, n, out);
}

int __real_vq_waiting(const struct vq *vq);
int __wrap_vq_waiting(const struct vq *vq);

int __wrap_vq_waiting(const struct vq *vq)
{
    int n = __real_vq_waiting(vq);
    if (fx.hook.waiting_calls > 0 && --fx.hook.waiting_calls == 0)
        fx.hook.after_waiting();
    return n;
}

static void *serve(void *arg)
{
    ck_assert_int_eq(ev_loop_run(arg), 0);
    return NULL;
}

static void post_sem(void *arg)
{
    sem_post(arg);
}

void fx_resume(void)
{
    /* Until the loop has begun to run again it refuses calls. */
    sem_t running;
    struct ev_work work = {.fn = post_sem, .arg = &running};
    ck_assert(!fx.running);
    ck_assert_int_eq(sem_init(&running, 0, 0), 0);
    ev_post(fx.loop, &work);
    ck_assert_int_eq(pthread_create(&fx.thread, NULL, serve, fx.loop), 0);
    fx.running = true;
    ck_assert_int_eq(sem_wait(&running), 0);
    sem_destroy(&running);
}

void fx_pause(void)
{
    if (!fx.running)
        return;
    ev_loop_stop(fx.loop);
    ck_assert_int_eq(pthread_join(fx.thread, NULL), 0);
    fx.running = false;
}

void fx_step(void)
{
    ck_assert(!fx.running);
    /* A loop that is stopped before it runs still runs what was posted before, once. */
    ev_loop_stop(fx.loop);
    ck_assert_int_eq(ev_loop_run(fx.loop), 0);
}

void fx_notify(uint16_t vq)
{
    ck_assert(!fx.running);
    struct vdev *dev = balloon_vdev(fx.balloon);
    dev->ops->notify(dev, vq, 1);
}

static int track_writes(void *arg, bool on)
{
    (void)arg;
    if (on && fx.guest.track_fails != 0)
        return fx.guest.track_fails;
    fx.guest.tracking = on;
    fx.guest.starts += on;
    return 0;
}

static int written(void *arg, struct gm_bitmap *out)
{
    (void)arg;
    ck_assert(fx.guest.frozen && fx.guest.tracking);
    (void)gm_bitmap_set(out, fx.guest.written);
    return fx.guest.written_fails;
}

static void freeze(void *arg)
{
    (void)arg;
    ck_assert(!fx.guest.frozen);
    fx.guest.frozen = true;
    fx.guest.freezes++;
}

static void thaw(void *arg)
{
    (void)arg;
    ck_assert(fx.guest.frozen);
    fx.guest.frozen = false;
}

static const struct balloon_guest_ops guest_ops = {
    .track_writes = track_writes,
    .written = written,
    .freeze = freeze,
    .thaw = thaw,
};

uint64_t __real_clock_mono_ns(void);
uint64_t __wrap_clock_mono_ns(void);

uint64_t __wrap_clock_mono_ns(void)
{
    return __real_clock_mono_ns() + fx.clock_skew_ns;
}

void fx_create_on(struct gm *gm, struct balloon_config config)
{
    struct err err = {0};
    memset(&fx, 0, sizeof(fx));
    fx.gm = gm;
    ck_assert_int_eq(ev_loop_create(&fx.loop), 0);
    ck_assert_int_eq(balloon_create(&config, gm, fx.loop, &guest_ops, NULL, &fx.balloon, &err), 0);
    fx.irq_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ck_assert_int_ge(fx.irq_fd, 0);
    ck_assert_int_eq(vmmio_create(balloon_vdev(fx.balloon), gm, fx.loop, fx.irq_fd, &fx.transport),
                     0);
    mock_driver_init(&fx.driver, fx.transport, gm, fx.irq_fd);
    fx_resume();
}

void fx_create(struct balloon_config config)
{
    const struct gm_range low = {0, LOW_SIZE};
    const struct gm_range high = {HIGH_START, HIGH_SIZE};
    fx_create_on(fake_ram_create_two(low, high), config);
}

void fx_setup_sg(void)
{
    fx_create((struct balloon_config){.scatter_gather = BALLOON_SG_AUTO});
    fx_start(F_SG);
}

void fx_setup_pfn(void)
{
    fx_create((struct balloon_config){.scatter_gather = BALLOON_SG_AUTO});
    fx_start(0);
}

void fx_finish(void)
{
    fx_pause();
    vmmio_destroy(fx.transport);
    balloon_destroy(fx.balloon);
    ev_loop_destroy(fx.loop);
    gm_destroy(fx.gm);
    close(fx.irq_fd);
}

void fx_start(uint64_t features)
{
    mock_driver_start(&fx.driver, features, 2, 1024, RINGS);
}

void fx_start_all(uint64_t features)
{
    uint16_t queues =
        (uint16_t)(2 + __builtin_popcountll(features & (F_STATS | F_HINT | F_REPORT)));
    mock_driver_start(&fx.driver, features, queues, 1024, RINGS);
}

bool fx_wait(bool (*condition)(void))
{
    for (unsigned ms = 0; ms < MOCK_TIMEOUT_MS; ms++) {
        if (condition())
            return true;
        (void)usleep(1000);
    }
    return false;
}

struct balloon_info fx_info(void)
{
    struct balloon_info info;
    balloon_get_info(fx.balloon, &info);
    return info;
}

void fx_send(uint16_t vq, const struct mock_seg *segs, size_t n)
{
    uint32_t head;
    uint32_t len;
    uint16_t sent = mock_send(&fx.driver, vq, segs, n);
    ck_assert(mock_wait_used(&fx.driver, vq, &head, &len));
    ck_assert_uint_eq(head, sent);
    ck_assert_uint_eq(len, 0);
}

void fx_put_pfns(const uint32_t *pfns, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fake_ram_put_le32(fx.gm, BUFFERS + i * sizeof(uint32_t), pfns[i]);
}

void fx_send_pfns(uint16_t vq, const uint32_t *pfns, size_t n)
{
    const struct mock_seg seg = {.gpa = BUFFERS, .len = (uint32_t)(n * sizeof(uint32_t))};
    fx_put_pfns(pfns, n);
    fx_send(vq, &seg, 1);
}

uint32_t pfn_of(uint64_t gpa)
{
    return (uint32_t)(gpa / PAGE);
}

uint64_t fx_populated(uint64_t gpa, size_t n_pages)
{
    uint64_t bytes = 0;
    ck_assert_int_eq(gm_populated_bytes(fx.gm, (struct gm_range){gpa, n_pages * PAGE}, &bytes), 0);
    return bytes / PAGE;
}
