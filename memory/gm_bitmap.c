/* SPDX-License-Identifier: Apache-2.0 */
/* A bit a page of guest RAM, word by word. */
#include "memory/gm_bitmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "memory/gm_priv.h"
#include "vmm/base/num.h"

#define WORD_BITS 64u

/* The bits of one region; page 0 is the region's first. */
struct part {
    struct gm_range range;
    uint64_t *words;
    size_t n_words;
};

struct gm_bitmap {
    struct part part[GM_MAX_REGIONS];
    size_t n;
    void *map;
    size_t map_len;
};

/* Pages [first, end) of a part. */
struct pages {
    uint64_t first;
    uint64_t end;
};

static size_t words_of(struct gm_range range)
{
    return (size_t)((range.len_bytes / GM_PAGE_SIZE + WORD_BITS - 1) / WORD_BITS);
}

int gm_bitmap_create(const struct gm *gm, struct gm_bitmap **out)
{
    struct gm_bitmap *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return -ENOMEM;
    size_t total = 0;
    for (size_t i = 0; i < gm->n; i++)
        total += words_of(gm->slot[i].region.range);
    b->map_len = total * sizeof(uint64_t);
    b->map = mmap(NULL, b->map_len, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (b->map == MAP_FAILED) {
        int ret = -errno;
        free(b);
        return ret;
    }
    uint64_t *words = b->map;
    for (; b->n < gm->n; b->n++) {
        struct gm_range range = gm->slot[b->n].region.range;
        b->part[b->n] = (struct part){range, words, words_of(range)};
        words += words_of(range);
    }
    *out = b;
    return 0;
}

void gm_bitmap_destroy(struct gm_bitmap *bitmap)
{
    if (bitmap == NULL)
        return;
    (void)munmap(bitmap->map, bitmap->map_len);
    free(bitmap);
}

void gm_bitmap_reset(struct gm_bitmap *bitmap)
{
    /* Private anonymous pages read as zeros afterwards, and cost nothing until they are written. */
    if (madvise(bitmap->map, bitmap->map_len, MADV_DONTNEED) < 0)
        memset(bitmap->map, 0, bitmap->map_len);
}

/* The whole pages of range that are in part. */
static bool pages_inside(const struct part *part, struct gm_range range, struct pages *out)
{
    struct gm_range r;
    if (!gm_range_clip(range, part->range, &r) || !gm_range_align_inward(r, GM_PAGE_SIZE, &r))
        return false;
    out->first = (r.start - part->range.start) / GM_PAGE_SIZE;
    out->end = out->first + r.len_bytes / GM_PAGE_SIZE;
    return true;
}

/* Bits [from, to) of one word. to is at most WORD_BITS and above from. */
static uint64_t mask(unsigned from, unsigned to)
{
    uint64_t below_to = to == WORD_BITS ? UINT64_MAX : (UINT64_C(1) << to) - 1;
    return below_to & (UINT64_MAX << from);
}

/*
 * The part of pages that lies in the word with its first page: the word's index, and its bits in
 * *out_mask. Moves pages->first behind it.
 */
static size_t next_word(struct pages *pages, uint64_t *out_mask)
{
    size_t word = (size_t)(pages->first / WORD_BITS);
    uint64_t word_end = ((uint64_t)word + 1) * WORD_BITS;
    uint64_t end = min_u64(pages->end, word_end);
    *out_mask =
        mask((unsigned)(pages->first % WORD_BITS), (unsigned)(end - (uint64_t)word * WORD_BITS));
    pages->first = end;
    return word;
}

/*
 * Gives these bits of a word this value. Returns how many changed. A word that has them already is
 * left untouched, and its host page unpopulated.
 */
static uint64_t change_word(uint64_t *word, uint64_t bits, bool value)
{
    bits &= value ? ~*word : *word;
    if (bits == 0)
        return 0;
    *word ^= bits;
    /* Huge pages change whole words, and counting bits is a function call on a plain x86-64. */
    return bits == UINT64_MAX ? WORD_BITS : (unsigned)__builtin_popcountll(bits);
}

static uint64_t change(struct gm_bitmap *bitmap, struct gm_range range, bool value)
{
    uint64_t changed = 0;
    for (size_t i = 0; i < bitmap->n; i++) {
        uint64_t *words = bitmap->part[i].words;
        struct pages pages;
        if (!pages_inside(&bitmap->part[i], range, &pages))
            continue;
        while (pages.first < pages.end) {
            size_t word = (size_t)(pages.first / WORD_BITS);
            for (; is_aligned(pages.first, WORD_BITS) && pages.end - pages.first >= WORD_BITS;
                 pages.first += WORD_BITS)
                changed += change_word(&words[word++], UINT64_MAX, value);
            if (pages.first == pages.end)
                break;
            uint64_t bits;
            word = next_word(&pages, &bits);
            changed += change_word(&words[word], bits, value);
        }
    }
    return changed;
}

uint64_t gm_bitmap_set(struct gm_bitmap *bitmap, struct gm_range range)
{
    return change(bitmap, range, true);
}

uint64_t gm_bitmap_clear(struct gm_bitmap *bitmap, struct gm_range range)
{
    return change(bitmap, range, false);
}

/* The first page of [pages->first, pages->end) with this bit, or pages->end. */
static uint64_t find_bit(const struct part *part, struct pages pages, bool value)
{
    while (pages.first < pages.end) {
        uint64_t bits;
        size_t word = next_word(&pages, &bits);
        uint64_t found = (value ? part->words[word] : ~part->words[word]) & bits;
        if (found != 0)
            return (uint64_t)word * WORD_BITS + (unsigned)__builtin_ctzll(found);
    }
    return pages.end;
}

bool gm_bitmap_find(const struct gm_bitmap *bitmap, struct gm_range range, bool value,
                    struct gm_range *out)
{
    for (size_t i = 0; i < bitmap->n; i++) {
        const struct part *part = &bitmap->part[i];
        struct pages pages;
        if (!pages_inside(part, range, &pages))
            continue;
        uint64_t first = find_bit(part, pages, value);
        if (first == pages.end)
            continue;
        uint64_t end = find_bit(part, (struct pages){first, pages.end}, !value);
        *out = (struct gm_range){part->range.start + first * GM_PAGE_SIZE,
                                 (end - first) * GM_PAGE_SIZE};
        return true;
    }
    return false;
}

bool gm_bitmap_all(const struct gm_bitmap *bitmap, struct gm_range range)
{
    uint64_t end;
    if (range.len_bytes == 0 || !gm_range_end(range, &end) || !align_up(end, GM_PAGE_SIZE, &end))
        return false;
    uint64_t start = align_down(range.start, GM_PAGE_SIZE);
    for (size_t i = 0; i < bitmap->n && start < end; i++) {
        const struct part *part = &bitmap->part[i];
        struct pages pages;
        if (!pages_inside(part, (struct gm_range){start, end - start}, &pages))
            continue;
        /* Regions ascend: a page before the first one that is met is not RAM. */
        if (part->range.start + pages.first * GM_PAGE_SIZE != start ||
            find_bit(part, pages, false) != pages.end)
            return false;
        start = part->range.start + pages.end * GM_PAGE_SIZE;
    }
    return start == end;
}

uint64_t gm_bitmap_count(const struct gm_bitmap *bitmap)
{
    uint64_t total = 0;
    for (size_t i = 0; i < bitmap->n; i++) {
        for (size_t w = 0; w < bitmap->part[i].n_words; w++)
            total += (unsigned)__builtin_popcountll(bitmap->part[i].words[w]);
    }
    return total;
}

size_t gm_bitmap_region_words(const struct gm_bitmap *bitmap, size_t region)
{
    return bitmap->part[region].n_words;
}

void gm_bitmap_add_words(struct gm_bitmap *bitmap, size_t region, const uint64_t *words,
                         size_t n_words)
{
    const struct part *part = &bitmap->part[region];
    uint64_t n_pages = part->range.len_bytes / GM_PAGE_SIZE;
    for (size_t w = 0; w < part->n_words && w < n_words; w++) {
        uint64_t bits = words[w];
        /* Behind the last page no bit may ever be set: searches do not look, counts would. */
        if (w == part->n_words - 1 && n_pages % WORD_BITS != 0)
            bits &= mask(0, (unsigned)(n_pages % WORD_BITS));
        if (bits != 0)
            part->words[w] |= bits;
    }
}
