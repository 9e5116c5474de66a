/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's memory statistics (5.5.6.3). The driver hands in one buffer with numbers; the device
 * keeps it, and gives it back to ask for new ones.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_balloon.h>
#include <string.h>

#include "devices/balloon/balloon_priv.h"
#include "vmm/base/clock.h"

#define NS_PER_S UINT64_C(1000000000)
/* Entries looked at in one buffer; Linux 6.12 sends 16. What is beyond is a bad request. */
#define ENTRIES_MAX 256u
#define ENTRY_BYTES sizeof(struct virtio_balloon_stat)

_Static_assert(sizeof(struct virtio_balloon_stat) == 10, "5.5.6.3");

/*
 * The device-readable bytes of the chain, however it is cut (2.7.4.1), up to cap. Counts in
 * *out_bad what is no statistic.
 */
static size_t gather(const struct balloon *b, uint8_t *bytes, size_t cap, uint64_t *out_bad)
{
    size_t n = 0;
    for (uint16_t i = 0; i < b->chain.n; i++) {
        const struct vq_seg *seg = &b->chain.seg[i];
        size_t len = (size_t)min_u64(seg->len, cap - n);
        struct gm_range whole = {.start = seg->gpa, .len_bytes = seg->len};
        if (seg->writable || !gm_is_ram(b->gm, whole) ||
            gm_read(b->gm, seg->gpa, bytes + n, len) < 0) {
            ++*out_bad;
            continue;
        }
        n += len;
        if (len < seg->len) {
            ++*out_bad;
            break;
        }
    }
    return n;
}

static void store(struct balloon *b, const struct balloon_report *report)
{
    uint64_t now = clock_mono_ns();
    pthread_mutex_lock(&b->lock);
    uint64_t count = b->report.count + 1;
    b->report = *report;
    b->report.count = count;
    b->report.at_ns = now;
    pthread_mutex_unlock(&b->lock);
}

static void read_report(struct balloon *b)
{
    uint8_t bytes[ENTRIES_MAX * ENTRY_BYTES];
    struct balloon_report report = {0};
    uint64_t bad = 0;
    size_t n = gather(b, bytes, sizeof(bytes), &bad);
    for (size_t at = 0; at + ENTRY_BYTES <= n; at += ENTRY_BYTES) {
        struct virtio_balloon_stat entry;
        memcpy(&entry, bytes + at, sizeof(entry));
        uint16_t tag = le16toh((uint16_t)entry.tag);
        if (tag >= BALLOON_STAT_TAGS)
            continue; /* "MUST ignore entries with tag values that it does not recognize" */
        report.value[tag] = le64toh((uint64_t)entry.val);
        report.valid |= 1u << tag;
    }
    balloon_count(&b->count.bad_request, bad + (n % ENTRY_BYTES != 0));
    if (n >= ENTRY_BYTES) {
        store(b, &report);
        atomic_store_explicit(&b->stats_wanted, false, memory_order_relaxed);
    }
}

/* True if the held buffer went back. */
static bool give_back(struct balloon *b, struct vq *vq)
{
    b->stats_held = false;
    return vq_push(vq, b->stats_head, 0) == 0;
}

bool balloon_stats_take(struct balloon *b, struct vq *vq)
{
    read_report(b);
    /* "At most one buffer": a driver that has two gets the older one back. */
    if (b->stats_held && !give_back(b, vq))
        return false;
    b->stats_held = true;
    b->stats_head = b->chain.head;
    return true;
}

static void arm(struct balloon *b)
{
    uint64_t period = atomic_load_explicit(&b->stats_interval_s, memory_order_relaxed) * NS_PER_S;
    if (!balloon_has(b, VIRTIO_BALLOON_F_STATS_VQ))
        period = 0;
    (void)balloon_arm(b, b->stats_timer, period);
}

void balloon_stats_start(struct balloon *b)
{
    atomic_store_explicit(&b->stats_wanted, false, memory_order_relaxed);
    arm(b);
}

void balloon_stats_stop(struct balloon *b)
{
    b->stats_held = false;
    (void)balloon_arm(b, b->stats_timer, 0);
}

static void ask(struct balloon *b)
{
    uint16_t index;
    struct vq *vq = balloon_queue(b, BALLOON_STATS, &index);
    if (vq == NULL || vq->broken || !b->stats_held)
        return;
    if (give_back(b, vq))
        vdev_signal_used(&b->vdev, index);
    else
        vdev_needs_reset(&b->vdev);
}

void balloon_stats_tick(void *arg)
{
    ask(arg);
    arm(arg);
}

void balloon_stats_serve(void *arg)
{
    struct balloon *b = arg;
    arm(b);
    if (atomic_load_explicit(&b->stats_wanted, memory_order_relaxed))
        ask(b);
}

int balloon_set_stats_interval(struct balloon *balloon, uint32_t seconds, struct err *err)
{
    bool on = balloon->config.stats_interval_s > 0;
    if (on != (seconds > 0))
        return err_set(err, -EINVAL,
                       "balloon statistics: an interval of %" PRIu32 " s would switch them %s, "
                       "which only stats_polling_interval_s in the configuration can",
                       seconds, on ? "off" : "on");
    atomic_store_explicit(&balloon->stats_interval_s, seconds, memory_order_relaxed);
    ev_post(balloon->loop, &balloon->stats_work);
    return 0;
}

bool balloon_request_stats(struct balloon *balloon)
{
    if (!balloon_has(balloon, VIRTIO_BALLOON_F_STATS_VQ))
        return false;
    atomic_store_explicit(&balloon->stats_wanted, true, memory_order_relaxed);
    ev_post(balloon->loop, &balloon->stats_work);
    return true;
}

void balloon_get_stats(const struct balloon *balloon, struct balloon_stats *out)
{
    pthread_mutex_lock(balloon_lock_of(balloon));
    struct balloon_report report = balloon->report;
    pthread_mutex_unlock(balloon_lock_of(balloon));
    *out = (struct balloon_stats){.valid = report.valid, .reports = report.count};
    memcpy(out->value, report.value, sizeof(out->value));
    if (report.count > 0)
        out->age_ns = sub_sat_u64(clock_mono_ns(), report.at_ns);
}
