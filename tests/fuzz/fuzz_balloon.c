/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole balloon on 1 MiB of RAM: rings, memory and the order of events all come from the input.
 *
 * Input: struct header, then as many bytes of guest memory as there are. Besides what the
 * sanitizers find, it aborts when work does not end, when a broken ring is not reported, and when
 * more was freed than was punched.
 */
#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "devices/balloon/balloon.h"
#include "guest/include/aerostat_balloon.h"
#include "vmm/base/num.h"

#define RAM_BYTES MIB
#define N_VQS     2u
#define N_EVENTS  16u
/* A ring offers at most 1024 chains at a time, and only events offer more. */
#define MOST_TURNS 4096u

struct header {
    uint8_t flags; /* 1: scatter-gather, 2: EVENT_IDX */
    uint8_t size_log2[N_VQS];
    uint8_t config_off;
    uint16_t area[N_VQS][3]; /* descriptors, avail, used: addresses in units of 16 bytes */
    uint16_t image;          /* where the rest of the input lies, in the same units */
    uint8_t events[N_EVENTS];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool reset_asked;

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void signal_used(void *transport, uint16_t vq)
{
    struct vq *vqs = transport;
    (void)vq_should_interrupt(&vqs[vq]);
}

static void config_changed(void *transport)
{
    (void)transport;
}

static void needs_reset(void *transport)
{
    (void)transport;
    reset_asked = true;
}

static const struct vdev_transport_ops transport_ops = {
    .signal_used = signal_used, .config_changed = config_changed, .needs_reset = needs_reset};

static void start(struct vdev *dev, const struct gm *gm, const struct header *h)
{
    for (unsigned i = 0; i < N_VQS; i++) {
        struct vq *vq = &dev->vqs[i];
        vq->gm = gm;
        vq->size = (uint16_t)(1u << (h->size_log2[i] % 11));
        vq->desc_gpa = UINT64_C(16) * le16toh(h->area[i][0]);
        vq->avail_gpa = UINT64_C(16) * le16toh(h->area[i][1]);
        vq->used_gpa = UINT64_C(16) * le16toh(h->area[i][2]);
        vq->event_idx = h->flags & 2;
        (void)vq_start(vq);
    }
    reset_asked = false;
    require(dev->ops->activate(dev, h->flags & 1 ? UINT64_C(1) << AEROSTAT_BALLOON_F_SG : 0) == 0);
}

static void reset(struct vdev *dev)
{
    dev->ops->reset(dev);
    for (unsigned i = 0; i < N_VQS; i++)
        vq_reset(&dev->vqs[i]);
}

/* One round of posted turns. */
static void step(struct ev_loop *loop)
{
    ev_loop_stop(loop);
    require(ev_loop_run(loop) == 0);
}

static void run_event(struct vdev *dev, struct ev_loop *loop, const struct gm *gm,
                      const struct header *h, uint8_t event)
{
    uint8_t bytes[8] = {event, 1, 2, 3, 4, 5, 6, 7};
    uint32_t len = event >> 4;
    switch (event % 8) {
    case 0:
    case 1:
        dev->ops->notify(dev, event % 8, event >> 3);
        break;
    case 2:
    case 3:
        step(loop);
        break;
    case 4:
        reset(dev);
        start(dev, gm, h);
        break;
    case 5:
        (void)dev->ops->config_read(dev, h->config_off, bytes, len % 9);
        break;
    case 6:
        (void)dev->ops->config_write(dev, h->config_off, bytes, len % 9);
        break;
    default: /* The driver makes more available, if the ring is in RAM. */
        if (gm_store_le16_release(gm, UINT64_C(16) * le16toh(h->area[len % N_VQS][1]) + 2, event))
            return;
        break;
    }
}

/* Posted work ends by itself: a step that runs none takes no turn. */
static void drain(struct vdev *dev, struct ev_loop *loop, struct balloon *balloon)
{
    struct balloon_info info;
    uint64_t used = 0;
    uint64_t punched = 0;
    unsigned idle = 0;
    for (unsigned turn = 0; idle < 3; turn++) {
        require(turn < MOST_TURNS);
        step(loop);
        balloon_get_info(balloon, &info);
        uint64_t now = dev->vqs[0].count.used + dev->vqs[1].count.used;
        idle = now == used && info.punched_bytes == punched ? idle + 1 : 0;
        used = now;
        punched = info.punched_bytes;
    }
    require(info.freed_bytes <= info.punched_bytes);
    require(info.punched_bytes <= info.inflate_bytes);
    require(info.host_error == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct header h;
    if (size < sizeof(h))
        return 0;
    memcpy(&h, data, sizeof(h));
    const struct gm_range ram = {0, RAM_BYTES};
    const struct balloon_config config = {.scatter_gather = BALLOON_SG_AUTO};
    struct vq vqs[VDEV_MAX_VQS] = {0};
    struct gm *gm = NULL;
    struct ev_loop *loop = NULL;
    struct balloon *balloon = NULL;
    require(gm_create(&ram, 1, GM_BACKING_4K, &gm, NULL) == 0);
    require(ev_loop_create(&loop) == 0);
    require(balloon_create(&config, gm, loop, &balloon, NULL) == 0);
    struct vdev *dev = balloon_vdev(balloon);
    dev->vqs = vqs;
    dev->transport_ops = &transport_ops;
    dev->transport = vqs;

    uint64_t image = UINT64_C(16) * le16toh(h.image);
    uint64_t image_len = min_u64(size - sizeof(h), RAM_BYTES - image);
    require(gm_write(gm, image, data + sizeof(h), image_len) == 0);
    start(dev, gm, &h);
    for (unsigned i = 0; i < N_EVENTS; i++)
        run_event(dev, loop, gm, &h, h.events[i]);
    drain(dev, loop, balloon);
    for (unsigned i = 0; i < N_VQS; i++)
        require(!vqs[i].started || !vqs[i].broken || reset_asked);

    reset(dev);
    balloon_destroy(balloon);
    ev_loop_destroy(loop);
    gm_destroy(gm);
    return 0;
}
