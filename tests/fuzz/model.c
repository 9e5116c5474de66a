/* SPDX-License-Identifier: Apache-2.0 */
/* The second reading of a chain: all bytes first, then their meaning. */
#include "tests/fuzz/model.h"

#include <string.h>

#include "vmm/base/num.h"

#define PFN_BYTES   4u
#define ENTRY_BYTES 10u

static bool in_ram(const struct gm *gm, uint64_t gpa, uint64_t len)
{
    for (size_t i = 0; i < gm_region_count(gm); i++) {
        struct gm_range r = gm_region_at(gm, i).range;
        if (gpa >= r.start && gpa - r.start < r.len_bytes && len <= r.len_bytes - (gpa - r.start))
            return true;
    }
    return len == 0;
}

/* gpa .. gpa + len is in RAM. */
static void copy_out(const struct gm *gm, uint64_t gpa, uint8_t *dst, size_t len)
{
    for (size_t i = 0; len > 0 && i < gm_region_count(gm); i++) {
        struct gm_region region = gm_region_at(gm, i);
        if (gpa >= region.range.start && gpa - region.range.start < region.range.len_bytes)
            memcpy(dst, (const char *)region.host + (gpa - region.range.start), len);
    }
}

static uint64_t le(const uint8_t *bytes, unsigned n)
{
    uint64_t v = 0;
    while (n > 0)
        v = v << 8 | bytes[--n];
    return v;
}

static void add(const struct gm *gm, uint64_t start, uint64_t len, struct model_items *out)
{
    if (len == 0 || start % BALLOON_PAGE_SIZE != 0 || len % BALLOON_PAGE_SIZE != 0 ||
        !in_ram(gm, start, len)) {
        out->bad++;
        return;
    }
    out->range[out->n++] = (struct gm_range){start, len};
    out->bytes += len;
}

static void start(struct model_items *out)
{
    out->n = 0;
    out->bytes = 0;
    out->bad = 0;
}

void model_ranges(const struct gm *gm, const struct vq_chain *chain, bool writable_only,
                  struct model_items *out)
{
    start(out);
    for (size_t i = 0; i < chain->n; i++) {
        const struct vq_seg *seg = &chain->seg[i];
        if (writable_only && !seg->writable)
            out->bad++;
        else
            add(gm, seg->gpa, seg->len, out);
    }
}

bool model_hints(const struct gm *gm, const struct vq_chain *chain, uint32_t expected,
                 bool *current, struct model_items *out, uint32_t *cmd)
{
    bool said = false;
    bool ended = false;
    model_ranges(gm, chain, true, out);
    for (size_t i = 0; i < chain->n; i++) {
        const struct vq_seg *seg = &chain->seg[i];
        uint8_t bytes[PFN_BYTES];
        if (seg->writable || seg->len != sizeof(bytes) || !in_ram(gm, seg->gpa, seg->len))
            continue;
        copy_out(gm, seg->gpa, bytes, sizeof(bytes));
        *cmd = (uint32_t)le(bytes, sizeof(bytes));
        out->bad--;
        said = true;
        ended = ended || (*cmd == 0 && *current);
        *current = *cmd == expected && !ended;
    }
    return said;
}

/*
 * The readable bytes of the chain, at most cap. *overflow: there were more, and what comes behind
 * was not looked at.
 */
static size_t stream_of(const struct gm *gm, const struct vq_chain *chain, uint8_t *bytes,
                        size_t cap, uint64_t *bad, bool *overflow)
{
    size_t n = 0;
    *overflow = false;
    for (size_t i = 0; i < chain->n && !*overflow; i++) {
        const struct vq_seg *seg = &chain->seg[i];
        size_t len = (size_t)min_u64(seg->len, cap - n);
        if (seg->writable || !in_ram(gm, seg->gpa, seg->len)) {
            ++*bad;
            continue;
        }
        copy_out(gm, seg->gpa, bytes + n, len);
        n += len;
        *overflow = len < seg->len;
    }
    return n;
}

void model_pfns(const struct gm *gm, const struct vq_chain *chain, struct model_items *out)
{
    static uint8_t bytes[MODEL_PFNS_MAX * PFN_BYTES];
    bool overflow;
    start(out);
    size_t n = stream_of(gm, chain, bytes, sizeof(bytes), &out->bad, &overflow);
    for (size_t at = 0; at + PFN_BYTES <= n; at += PFN_BYTES)
        add(gm, le(bytes + at, PFN_BYTES) * BALLOON_PAGE_SIZE, BALLOON_PAGE_SIZE, out);
    if (overflow || n % PFN_BYTES != 0)
        out->bad++;
}

uint64_t model_stats(const struct gm *gm, const struct vq_chain *chain, struct model_stats *out)
{
    static uint8_t bytes[MODEL_STATS_MAX * ENTRY_BYTES];
    uint64_t bad = 0;
    bool overflow;
    size_t n = stream_of(gm, chain, bytes, sizeof(bytes), &bad, &overflow);
    *out = (struct model_stats){.is_report = n >= ENTRY_BYTES};
    for (size_t at = 0; at + ENTRY_BYTES <= n; at += ENTRY_BYTES) {
        uint64_t tag = le(bytes + at, 2);
        if (tag >= BALLOON_STAT_TAGS)
            continue;
        out->value[tag] = le(bytes + at + 2, 8);
        out->valid |= UINT32_C(1) << tag;
    }
    return bad + overflow + (n % ENTRY_BYTES != 0);
}
