/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Free page hinting (5.5.6.5): the host asks, the driver names pages it does not need. It may use
 * them again at any moment, untold, even before their buffer is given back; then they are to keep
 * what it wrote. So writes are recorded from before the command is issued, and a page is punched
 * only while no vCPU runs and if it was not written since.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_balloon.h>

#include "devices/balloon/balloon_priv.h"
#include "vmm/base/clock.h"

#define CMD_STOP  ((uint32_t)VIRTIO_BALLOON_CMD_ID_STOP)
#define CMD_DONE  ((uint32_t)VIRTIO_BALLOON_CMD_ID_DONE)
#define CMD_FIRST (CMD_DONE + 1)

/* Runs of unwritten pages that are punched with one call. */
#define RUNS_MAX 256u

static uint32_t issued(const struct balloon *b)
{
    return atomic_load_explicit(&b->hint_cmd, memory_order_relaxed);
}

static void track(struct balloon *b, bool on)
{
    if (!on && !b->tracking)
        return;
    int ret = b->guest.track_writes(b->guest_arg, on);
    if (ret < 0)
        balloon_host_error(b,
                           on ? "cannot record what the guest writes, nothing is hinted"
                              : "cannot stop to record what the guest writes",
                           -ret);
    b->tracking = on && ret == 0;
    if (b->tracking)
        gm_bitmap_reset(b->written);
}

/* What the guest sees changes last: pages hinted under the former command are not touched after. */
static void publish(struct balloon *b, uint32_t cmd)
{
    b->hint_current = false;
    b->hint_finished = false;
    if (b->batch.busy && b->batch.role == BALLOON_HINT)
        b->batch.n_ranges = b->batch.next;
    if (cmd == CMD_STOP || cmd == CMD_DONE)
        track(b, false);
    atomic_store_explicit(&b->hint_cmd, cmd, memory_order_relaxed);
    if (b->vdev.transport_ops != NULL)
        vdev_config_changed(&b->vdev);
}

/* Ends the round, unless another one has been asked for meanwhile. */
static void done(struct balloon *b)
{
    pthread_mutex_lock(&b->lock);
    bool current = b->hint.host_cmd == issued(b);
    if (current)
        b->hint.host_cmd = CMD_DONE;
    pthread_mutex_unlock(&b->lock);
    if (current)
        publish(b, CMD_DONE);
}

void balloon_hint_apply(void *arg)
{
    struct balloon *b = arg;
    pthread_mutex_lock(&b->lock);
    /* The driver that was asked may have gone meanwhile. */
    if (!balloon_has(b, VIRTIO_BALLOON_F_FREE_PAGE_HINT))
        b->hint.host_cmd = CMD_STOP;
    uint32_t cmd = b->hint.host_cmd;
    pthread_mutex_unlock(&b->lock);
    if (cmd == issued(b))
        return;
    if (cmd >= CMD_FIRST) {
        track(b, true);
        if (!b->tracking) {
            pthread_mutex_lock(&b->lock);
            b->hint.host_cmd = CMD_DONE;
            pthread_mutex_unlock(&b->lock);
            cmd = CMD_DONE;
        }
    }
    publish(b, cmd);
}

static void take_command(struct balloon *b, uint32_t cmd)
{
    pthread_mutex_lock(&b->lock);
    b->hint.guest_cmd = cmd;
    b->hint.guest_cmd_valid = true;
    pthread_mutex_unlock(&b->lock);
    if (cmd == CMD_STOP && b->hint_current)
        b->hint_finished = true;
    /* A round that the driver has ended is over, even if it names the command once more. */
    b->hint_current = cmd >= CMD_FIRST && cmd == issued(b) && b->tracking && !b->hint_finished;
}

void balloon_hint_read(struct balloon *b, struct gm_range *ranges, struct balloon_items *out)
{
    balloon_items_read_writable(b, &b->chain, ranges, out);
    for (uint16_t i = 0; i < b->chain.n; i++) {
        const struct vq_seg *seg = &b->chain.seg[i];
        uint32_t cmd;
        if (seg->writable || seg->len != sizeof(cmd) ||
            gm_read(b->gm, seg->gpa, &cmd, sizeof(cmd)) < 0)
            continue;
        out->bad--; /* A command, where pages were looked for. */
        take_command(b, le32toh(cmd));
    }
    if (b->hint_current)
        return;
    balloon_count(&b->count.hint_stale_bytes, out->bytes);
    out->n = 0;
    out->bytes = 0;
    out->joined = 0;
}

/* The parts of range that were not written, in calls of RUNS_MAX. Returns their bytes. */
static uint64_t punch_unwritten(struct balloon *b, struct gm_range range)
{
    struct gm_range runs[RUNS_MAX];
    uint64_t end = range.start + range.len_bytes;
    uint64_t bytes = 0;
    size_t n = 0;
    while (gm_bitmap_find(b->written, range, false, &runs[n])) {
        bytes += runs[n].len_bytes;
        range.start = runs[n].start + runs[n].len_bytes;
        range.len_bytes = end - range.start;
        if (++n == RUNS_MAX) {
            balloon_punch(b, runs, n);
            n = 0;
        }
    }
    if (n > 0)
        balloon_punch(b, runs, n);
    return bytes;
}

void balloon_hint_punch(struct balloon *b, const struct gm_range *ranges, size_t n)
{
    uint64_t start_ns = clock_mono_ns();
    b->guest.freeze(b->guest_arg);
    int ret = b->guest.written(b->guest_arg, b->written);
    uint64_t punched = 0;
    for (size_t i = 0; ret == 0 && i < n; i++)
        punched += punch_unwritten(b, ranges[i]);
    b->guest.thaw(b->guest_arg);
    uint64_t frozen_ns = clock_mono_ns() - start_ns;
    balloon_count(&b->count.hint_frozen_ns, frozen_ns);
    /* Frozen again at once, no vCPU would get back into the guest. */
    b->hint_resting = balloon_arm(b, b->hint_timer, max_u64(frozen_ns, 1));
    if (ret == 0)
        balloon_count(&b->count.kept_written_bytes, gm_ranges_total(ranges, n) - punched);
    else
        balloon_host_error(b, "cannot learn what the guest wrote, hinted memory stays", -ret);
}

void balloon_hint_rested(void *arg)
{
    struct balloon *b = arg;
    b->hint_resting = false;
    balloon_post_turn(b, BALLOON_HINT);
}

void balloon_hint_settle(struct balloon *b)
{
    if (!b->hint_finished)
        return;
    b->hint_finished = false;
    track(b, false);
    pthread_mutex_lock(&b->lock);
    bool acknowledge = b->hint.acknowledge;
    pthread_mutex_unlock(&b->lock);
    if (acknowledge)
        done(b);
}

void balloon_hint_reset(struct balloon *b)
{
    pthread_mutex_lock(&b->lock);
    b->hint.host_cmd = CMD_STOP;
    b->hint.guest_cmd_valid = false;
    pthread_mutex_unlock(&b->lock);
    b->hint_current = false;
    b->hint_finished = false;
    b->hint_resting = false;
    (void)balloon_arm(b, b->hint_timer, 0);
    track(b, false);
    atomic_store_explicit(&b->hint_cmd, CMD_STOP, memory_order_relaxed);
}

static int check(const struct balloon *b, struct err *err)
{
    if (!b->config.free_page_hinting)
        return err_set(err, -EINVAL,
                       "balloon hinting: is off; switch it on with free_page_hinting in the "
                       "configuration");
    if (!balloon_has(b, VIRTIO_BALLOON_F_FREE_PAGE_HINT))
        return err_set(err, -EINVAL, "balloon hinting: no driver that can hint runs in the guest");
    return 0;
}

int balloon_hint_start(struct balloon *balloon, bool acknowledge_on_stop, struct err *err)
{
    int ret = check(balloon, err);
    if (ret < 0)
        return ret;
    pthread_mutex_lock(&balloon->lock);
    /* After the highest number the first one follows: the driver has stopped by then (5.5.6.5). */
    struct balloon_hint *hint = &balloon->hint;
    hint->last_cmd =
        hint->last_cmd < CMD_FIRST || hint->last_cmd == UINT32_MAX ? CMD_FIRST : hint->last_cmd + 1;
    hint->host_cmd = hint->last_cmd;
    hint->acknowledge = acknowledge_on_stop;
    pthread_mutex_unlock(&balloon->lock);
    ev_post(balloon->loop, &balloon->hint_work);
    return 0;
}

int balloon_hint_stop(struct balloon *balloon, struct err *err)
{
    int ret = check(balloon, err);
    if (ret < 0)
        return ret;
    pthread_mutex_lock(&balloon->lock);
    balloon->hint.host_cmd = CMD_DONE;
    pthread_mutex_unlock(&balloon->lock);
    ev_post(balloon->loop, &balloon->hint_work);
    return 0;
}

void balloon_get_hint(const struct balloon *balloon, struct balloon_hint_info *out)
{
    pthread_mutex_lock(balloon_lock_of(balloon));
    *out = (struct balloon_hint_info){
        .host_cmd = balloon->hint.host_cmd,
        .guest_cmd = balloon->hint.guest_cmd,
        .guest_cmd_valid = balloon->hint.guest_cmd_valid,
    };
    pthread_mutex_unlock(balloon_lock_of(balloon));
}
