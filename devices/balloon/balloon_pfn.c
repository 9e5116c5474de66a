/* SPDX-License-Identifier: Apache-2.0 */
/* From a chain to pages of guest RAM, where the chain carries an array of page numbers (5.5.6). */
#include <endian.h>
#include <string.h>

#include "devices/balloon/balloon_priv.h"

/*
 * The page numbers of a chain are one stream of bytes, however the driver cut it into descriptors
 * (2.7.4.1).
 */
struct pfn_stream {
    uint8_t bytes[sizeof(uint32_t)];
    size_t held; /* bytes of the page number that is not complete yet */
    size_t taken;
};

/* False when the chain's share is used up. */
static bool take_byte(const struct balloon *b, struct pfn_stream *stream, uint8_t byte,
                      struct gm_range *ranges, struct balloon_items *out)
{
    if (stream->taken == BALLOON_CHAIN_ITEMS) {
        out->bad++;
        return false;
    }
    stream->bytes[stream->held++] = byte;
    if (stream->held < sizeof(stream->bytes))
        return true;
    uint32_t pfn;
    memcpy(&pfn, stream->bytes, sizeof(pfn));
    stream->held = 0;
    stream->taken++;
    /* Widened before it is multiplied: page numbers have 32 bits, addresses 44. */
    struct gm_range page = {.start = (uint64_t)le32toh(pfn) * BALLOON_PAGE_SIZE,
                            .len_bytes = BALLOON_PAGE_SIZE};
    balloon_item_add(b, page, ranges, out);
    return true;
}

/* False when the chain's share is used up. */
static bool read_pfn_segment(const struct balloon *b, const struct vq_seg *seg,
                             struct pfn_stream *stream, struct gm_range *ranges,
                             struct balloon_items *out)
{
    uint8_t block[1024];
    for (uint32_t done = 0; done < seg->len;) {
        uint32_t step = (uint32_t)min_u64(seg->len - done, sizeof(block));
        if (gm_read(b->gm, seg->gpa + done, block, step) < 0) {
            out->bad++;
            return true;
        }
        for (uint32_t i = 0; i < step; i++) {
            if (!take_byte(b, stream, block[i], ranges, out))
                return false;
        }
        done += step;
    }
    return true;
}

void balloon_pfns_read(const struct balloon *b, const struct vq_chain *chain,
                       struct gm_range *ranges, struct balloon_items *out)
{
    struct pfn_stream stream = {0};
    for (uint16_t i = 0; i < chain->n; i++) {
        const struct vq_seg *seg = &chain->seg[i];
        struct gm_range array = {.start = seg->gpa, .len_bytes = seg->len};
        /*
         * The array is for the device to read (5.5.6). Checked as a whole: gpa + len cannot wrap
         * below.
         */
        if (seg->writable || !gm_is_ram(b->gm, array)) {
            out->bad++;
            continue;
        }
        if (!read_pfn_segment(b, seg, &stream, ranges, out))
            return;
    }
    if (stream.held > 0)
        out->bad++;
}
