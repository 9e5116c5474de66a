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

static void take_pfn(const struct balloon *b, uint32_t pfn, struct gm_range *ranges,
                     struct balloon_items *out)
{
    /* Widened before it is multiplied: page numbers have 32 bits, addresses 44. */
    struct gm_range page = {.start = (uint64_t)le32toh(pfn) * BALLOON_PAGE_SIZE,
                            .len_bytes = BALLOON_PAGE_SIZE};
    balloon_item_add(b, page, ranges, out);
}

/* Bytes that the chain's share still has room for. */
static size_t room_of(const struct pfn_stream *stream)
{
    return (BALLOON_CHAIN_ITEMS - stream->taken) * sizeof(uint32_t) - stream->held;
}

/* False when the chain's share is used up. */
static bool read_pfn_segment(const struct balloon *b, const struct vq_seg *seg,
                             struct pfn_stream *stream, struct gm_range *ranges,
                             struct balloon_items *out)
{
    /* Page numbers, of which the first stream->held bytes are there. */
    uint32_t block[256];
    for (uint32_t done = 0; done < seg->len;) {
        size_t most = min_u64(room_of(stream), sizeof(block) - stream->held);
        uint32_t step = (uint32_t)min_u64(seg->len - done, most);
        memcpy(block, stream->bytes, stream->held);
        if (step == 0 ||
            gm_read(b->gm, seg->gpa + done, (uint8_t *)block + stream->held, step) < 0) {
            out->bad++;
            return step > 0;
        }
        size_t n = (stream->held + step) / sizeof(block[0]);
        for (size_t i = 0; i < n; i++)
            take_pfn(b, block[i], ranges, out);
        stream->taken += n;
        stream->held = (stream->held + step) % sizeof(block[0]);
        memcpy(stream->bytes, (uint8_t *)&block[n], stream->held);
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
