/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a chain to ranges of guest RAM, where each descriptor is the range: scatter-gather chains,
 * and the chains of free page hinting and reporting (5.5.6.5, 5.5.6.7).
 */
#include "devices/balloon/balloon_priv.h"

/* Most drivers name memory in ascending or descending order: that need not be sorted first. */
static bool join(struct gm_range *last, struct gm_range item)
{
    if (last->start + last->len_bytes != item.start && item.start + item.len_bytes != last->start)
        return false;
    last->start = min_u64(last->start, item.start);
    last->len_bytes += item.len_bytes;
    return true;
}

void balloon_item_add(const struct balloon *b, struct gm_range item, struct gm_range *ranges,
                      struct balloon_items *out)
{
    if (!gm_is_ram(b->gm, item)) {
        out->bad++;
        return;
    }
    out->bytes += item.len_bytes;
    if (out->n > 0 && join(&ranges[out->n - 1], item))
        out->joined++;
    else
        ranges[out->n++] = item;
}

static void add_segment(const struct balloon *b, const struct vq_seg *seg, struct gm_range *ranges,
                        struct balloon_items *out)
{
    struct gm_range item = {.start = seg->gpa, .len_bytes = seg->len};
    if (seg->len > 0 && is_aligned(seg->gpa, BALLOON_PAGE_SIZE) &&
        is_aligned(seg->len, BALLOON_PAGE_SIZE))
        balloon_item_add(b, item, ranges, out);
    else
        out->bad++;
}

void balloon_items_read(const struct balloon *b, const struct vq_chain *chain,
                        struct gm_range *ranges, struct balloon_items *out)
{
    *out = (struct balloon_items){0};
    if (balloon_form(b) != BALLOON_FORM_SG) {
        balloon_pfns_read(b, chain, ranges, out);
        return;
    }
    /* Nothing is transferred through these descriptors, so their direction says nothing. */
    for (uint16_t i = 0; i < chain->n; i++)
        add_segment(b, &chain->seg[i], ranges, out);
}

void balloon_items_read_writable(const struct balloon *b, const struct vq_chain *chain,
                                 struct gm_range *ranges, struct balloon_items *out)
{
    *out = (struct balloon_items){0};
    for (uint16_t i = 0; i < chain->n; i++) {
        if (chain->seg[i].writable)
            add_segment(b, &chain->seg[i], ranges, out);
        else
            out->bad++;
    }
}
