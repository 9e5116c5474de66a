/* SPDX-License-Identifier: Apache-2.0 */
/* The books about guest memory: what it should contain, and who may take which page away. */
#include "tests/fuzz/shadow.h"

#include <linux/virtio_balloon.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/require.h"
#include "tests/fuzz/shadow_priv.h"
#include "vmm/base/num.h"

/* Of an untouched page no part is like that of another, or zero. */
#define PATTERN_SEEN 64u

struct shadow shadow;

/* The content of a page that nobody has touched. */
static void pattern(size_t page, uint8_t *out)
{
    for (size_t i = 0; i < PAGE; i += sizeof(uint64_t)) {
        uint64_t word = (page + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ i;
        memcpy(out + i, &word, sizeof(word));
    }
}

size_t shadow_page_of(uint64_t gpa)
{
    if (gpa < SHADOW_LOW_BYTES)
        return gpa / PAGE;
    require(gpa >= SHADOW_HIGH_START &&
            gpa - SHADOW_HIGH_START < shadow.n_pages * PAGE - SHADOW_LOW_BYTES);
    return (SHADOW_LOW_BYTES + (gpa - SHADOW_HIGH_START)) / PAGE;
}

static uint8_t *host_page(size_t page)
{
    bool low = page < SHADOW_LOW_BYTES / PAGE;
    struct gm_region region = gm_region_at(shadow.gm, low ? 0 : 1);
    return (uint8_t *)region.host + (page - (low ? 0 : SHADOW_LOW_BYTES / PAGE)) * PAGE;
}

static void restore(size_t page)
{
    pattern(page, shadow.content[page]);
    memcpy(host_page(page), shadow.content[page], PAGE);
    shadow.page[page] = (struct shadow_page){0};
}

/* Two of them, made once: inputs are many, and RAM costs system calls. */
static struct gm *ram_of(enum gm_backing backing)
{
    static struct gm *cached[2];
    const struct gm_range ranges[] = {{0, SHADOW_LOW_BYTES},
                                      {SHADOW_HIGH_START, SHADOW_HIGH_BYTES}};
    size_t i = backing == GM_BACKING_THP;
    bool fresh = cached[i] == NULL;
    if (fresh)
        require(gm_create(ranges, i + 1, backing, &cached[i], NULL) == 0);
    shadow.gm = cached[i];
    shadow.n_pages = gm_size_bytes(shadow.gm) / PAGE;
    for (size_t page = 0; fresh && page < shadow.n_pages; page++)
        restore(page);
    return cached[i];
}

struct gm *shadow_begin(const struct balloon_config *config, enum gm_backing backing,
                        uint8_t failures, uint8_t slice_ranges)
{
    struct shadow *s = &shadow;
    s->config = *config;
    s->balloon = NULL;
    s->features = 0;
    s->failures = failures;
    s->slice_ranges = slice_ranges;
    s->calls = 0;
    s->tracking = false;
    s->frozen = false;
    s->seq = 0;
    s->n_held = 0;
    s->guest_cmd = 0;
    memset(&s->expect, 0, sizeof(s->expect));
    return ram_of(backing);
}

void shadow_watch(struct balloon *balloon)
{
    shadow.balloon = balloon;
    memset(&shadow.last, 0, sizeof(shadow.last));
    shadow.change_done = true;
    shadow.change_count = 0;
}

static bool fails_now(void)
{
    bool fail = shadow.failures >> shadow.calls % 8 & 1;
    shadow.calls++;
    shadow.expect.host_error += fail;
    return fail;
}

static int track_writes(void *arg, bool on)
{
    (void)arg;
    if (fails_now()) {
        shadow.tracking = false;
        return -5;
    }
    shadow.tracking = on;
    for (size_t i = 0; on && i < shadow.n_pages; i++)
        shadow.page[i].written = false;
    return 0;
}

static int written(void *arg, struct gm_bitmap *out)
{
    (void)arg;
    require(shadow.frozen);
    if (fails_now())
        return -5;
    for (size_t i = 0; i < shadow.n_pages; i++) {
        uint64_t gpa = i * PAGE;
        if (gpa >= SHADOW_LOW_BYTES)
            gpa += SHADOW_HIGH_START - SHADOW_LOW_BYTES;
        if (shadow.page[i].written)
            (void)gm_bitmap_set(out, (struct gm_range){gpa, PAGE});
    }
    return 0;
}

static void freeze(void *arg)
{
    (void)arg;
    require(!shadow.frozen);
    shadow.frozen = true;
}

static void thaw(void *arg)
{
    (void)arg;
    require(shadow.frozen);
    shadow.frozen = false;
}

const struct balloon_guest_ops shadow_guest_ops = {
    .track_writes = track_writes, .written = written, .freeze = freeze, .thaw = thaw};

static void mark_used_area(const struct vq *vq)
{
    uint64_t end = vq->used_gpa + 6 + UINT64_C(8) * vq->size;
    for (uint64_t gpa = align_down(vq->used_gpa, PAGE); gpa < end; gpa += PAGE)
        shadow.page[shadow_page_of(gpa)].device_writes = true;
}

void shadow_start(uint64_t features)
{
    const struct vdev *dev = balloon_vdev(shadow.balloon);
    shadow.features = features;
    for (size_t i = 0; i < VDEV_MAX_VQS; i++) {
        if (dev->vqs[i].started)
            mark_used_area(&dev->vqs[i]);
    }
}

void shadow_reset(void)
{
    shadow.n_held = 0;
    shadow.features = 0;
    shadow.guest_cmd = 0;
    for (size_t i = 0; i < shadow.n_pages; i++) {
        struct shadow_page *page = &shadow.page[i];
        *page = (struct shadow_page){.ever_named = page->ever_named,
                                     .device_writes = page->device_writes,
                                     .stored = page->stored,
                                     .written = page->written};
    }
}

bool shadow_store(uint64_t gpa, const void *src, size_t len)
{
    const uint8_t *bytes = src;
    if (len == 0 || !gm_is_ram(shadow.gm, (struct gm_range){gpa, len}))
        return false;
    require(gm_write(shadow.gm, gpa, src, len) == 0);
    while (len > 0) {
        size_t page = shadow_page_of(gpa);
        size_t step = (size_t)min_u64(len, PAGE - gpa % PAGE);
        memcpy(shadow.content[page] + gpa % PAGE, bytes, step);
        shadow.page[page].stored = true;
        shadow.page[page].written = true;
        gpa += step;
        bytes += step;
        len -= step;
    }
    return true;
}

void shadow_check_memory(void)
{
    for (size_t i = 0; i < shadow.n_pages; i++) {
        const struct shadow_page *page = &shadow.page[i];
        /* A hole is seen in a few bytes; more is to be compared only where the driver stored. */
        size_t len = page->stored ? PAGE : PATTERN_SEEN;
        if (!page->ever_named && !page->device_writes)
            require(memcmp(host_page(i), shadow.content[i], len) == 0);
    }
}

void shadow_end(void)
{
    for (size_t i = 0; i < shadow.n_pages; i++) {
        const struct shadow_page *page = &shadow.page[i];
        if (page->ever_named || page->device_writes || page->stored)
            restore(i);
        shadow.page[i] = (struct shadow_page){0};
    }
}
