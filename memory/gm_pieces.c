/* SPDX-License-Identifier: Apache-2.0 */
/* Two bits a page: given by the guest, and given but not yet punched. */
#include "memory/gm_pieces.h"

#include <errno.h>
#include <stdlib.h>

#include "memory/gm_bitmap.h"
#include "vmm/base/num.h"

struct gm_pieces {
    /*
     * Given and not taken back, punched or not: a page that the guest takes out of a huge page and
     * gives again makes it whole again.
     */
    struct gm_bitmap *given;
    struct gm_bitmap *waiting; /* of these, the ones that have not been punched since */
    uint64_t waiting_from;     /* all that waits lies in [waiting_from, waiting_to) */
    uint64_t waiting_to;
    uint64_t waiting_pages;
};

int gm_pieces_create(const struct gm *gm, struct gm_pieces **out)
{
    struct gm_pieces *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return -ENOMEM;
    int ret = gm_bitmap_create(gm, &p->given);
    if (ret == 0)
        ret = gm_bitmap_create(gm, &p->waiting);
    if (ret < 0) {
        gm_pieces_destroy(p);
        return ret;
    }
    *out = p;
    return 0;
}

void gm_pieces_destroy(struct gm_pieces *pieces)
{
    if (pieces == NULL)
        return;
    gm_bitmap_destroy(pieces->given);
    gm_bitmap_destroy(pieces->waiting);
    free(pieces);
}

static struct gm_range between(uint64_t start, uint64_t end)
{
    return (struct gm_range){.start = start, .len_bytes = end - start};
}

static void wait_for_rest(struct gm_pieces *p, uint64_t start, uint64_t end)
{
    bool first = p->waiting_pages == 0;
    p->waiting_from = first ? start : min_u64(p->waiting_from, start);
    p->waiting_to = first ? end : max_u64(p->waiting_to, end);
    p->waiting_pages += gm_bitmap_set(p->waiting, between(start, end));
}

static void wait_no_more(struct gm_pieces *p, struct gm_range range)
{
    if (p->waiting_pages > 0)
        p->waiting_pages -= gm_bitmap_clear(p->waiting, range);
}

/*
 * Widens [start, end), all of which is given, to the whole huge pages it touches, and leaves out at
 * its ends those that are not given as a whole: these pieces wait. False when nothing is left.
 */
static bool to_whole_pages(struct gm_pieces *p, uint64_t *start, uint64_t *end)
{
    uint64_t first = align_down(*start, GM_HUGE_SIZE);
    uint64_t last = align_down(*end - 1, GM_HUGE_SIZE);
    uint64_t from = first;
    uint64_t to = last + GM_HUGE_SIZE;
    if (*start != from && !gm_bitmap_all(p->given, between(first, first + GM_HUGE_SIZE))) {
        from = first + GM_HUGE_SIZE;
        wait_for_rest(p, *start, min_u64(*end, from));
    }
    if (*end != to && from <= last &&
        !gm_bitmap_all(p->given, between(last, last + GM_HUGE_SIZE))) {
        to = last;
        wait_for_rest(p, max_u64(*start, to), *end);
    }
    *start = from;
    *end = to;
    return from < to;
}

size_t gm_pieces_give(struct gm_pieces *pieces, struct gm_range *ranges, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)gm_bitmap_set(pieces->given, ranges[i]);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t start = ranges[i].start;
        uint64_t end;
        if (ranges[i].len_bytes == 0 || !gm_range_end(ranges[i], &end) ||
            end > UINT64_MAX - GM_HUGE_SIZE || !to_whole_pages(pieces, &start, &end))
            continue;
        uint64_t behind = kept > 0 ? ranges[kept - 1].start + ranges[kept - 1].len_bytes : 0;
        /* The huge page in which the last range ended, completed by this one. */
        if (kept > 0 && start <= behind) {
            if (end > behind)
                ranges[kept - 1].len_bytes = end - ranges[kept - 1].start;
        } else {
            ranges[kept++] = between(start, end);
        }
        wait_no_more(pieces, between(start, end));
    }
    return kept;
}

void gm_pieces_take(struct gm_pieces *pieces, struct gm_range range)
{
    (void)gm_bitmap_clear(pieces->given, range);
    wait_no_more(pieces, range);
}

void gm_pieces_forget(struct gm_pieces *pieces)
{
    gm_bitmap_reset(pieces->given);
    gm_bitmap_reset(pieces->waiting);
    pieces->waiting_pages = 0;
}

uint64_t gm_pieces_waiting_bytes(const struct gm_pieces *pieces)
{
    return pieces->waiting_pages * GM_PAGE_SIZE;
}

size_t gm_pieces_flush(struct gm_pieces *pieces, struct gm_range *ranges, size_t cap)
{
    size_t n = 0;
    while (n < cap && pieces->waiting_pages > 0) {
        struct gm_range left = between(pieces->waiting_from, pieces->waiting_to);
        if (!gm_bitmap_find(pieces->waiting, left, true, &ranges[n]))
            break;
        wait_no_more(pieces, ranges[n]);
        pieces->waiting_from = ranges[n].start + ranges[n].len_bytes;
        n++;
    }
    return n;
}
