/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs about the bitmap of pages, for every range of 64-bit numbers and whatever bits are set.
 * Bound: two regions, of 70 and of 3 pages, GAP pages between them.
 */
#include <sys/mman.h>

#include "memory/gm_bitmap.h"
#include "memory/gm_priv.h"
#include "tests/proofs/nondet.h"

/* Pages between the two regions. */
#ifndef GAP
#define GAP 0
#endif
/* Whether bits are set or cleared. */
#ifndef VALUE
#define VALUE 1
#endif

#define WORD_BITS 64u

/* More than one word, and less than one; both end amid a word. */
static const uint64_t region_pages[2] = {70, 3};
static const uint64_t first_page[2] = {1, 1 + 70 + GAP};

static struct gm gm;
static struct gm_bitmap *bitmap;
static uint64_t words[3];

/* One page, which stands for any. */
static size_t region;
static uint64_t page;

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    assert(len == sizeof(words));
    return words;
}

static struct gm_range region_range(size_t i)
{
    return gm.slot[i].region.range;
}

static size_t words_of(size_t i)
{
    return (size_t)((region_pages[i] + WORD_BITS - 1) / WORD_BITS);
}

static bool bit_of(size_t i, uint64_t n)
{
    return words[(i == 0 ? 0 : words_of(0)) + n / WORD_BITS] >> n % WORD_BITS & 1;
}

static bool page_bit(void)
{
    return bit_of(region, page);
}

static uint64_t page_gpa(void)
{
    return region_range(region).start + page * GM_PAGE_SIZE;
}

/* The page lies wholly in r. */
static bool page_in(struct gm_range r)
{
    return holds_byte(r, page_gpa()) && holds_byte(r, page_gpa() + GM_PAGE_SIZE - 1);
}

/* No bit behind the last page of a region is set. */
static bool is_sound(void)
{
    bool sound = true;
    for (size_t i = 0; i < 2; i++) {
        uint64_t in_last = region_pages[i] % WORD_BITS;
        uint64_t last = words[(i == 0 ? words_of(0) : 3) - 1];
        sound &= in_last == 0 || last >> in_last == 0;
    }
    return sound;
}

static void any_bitmap(void)
{
    gm.n = 2;
    for (size_t i = 0; i < 2; i++)
        gm.slot[i].region.range =
            (struct gm_range){first_page[i] * GM_PAGE_SIZE, region_pages[i] * GM_PAGE_SIZE};
    int ret = gm_bitmap_create(&gm, &bitmap);
    assume(ret == 0);
    words[0] = nondet_u64();
    words[1] = nondet_u64();
    words[2] = nondet_u64();
    assume(is_sound());
    region = nondet_bool();
    page = nondet_u8();
    assume(page < region_pages[region]);
}

void changed_are_the_whole_pages_in_range(void)
{
    any_bitmap();
    struct gm_range r = nondet_range();
    bool before = page_bit();

    uint64_t changed = VALUE ? gm_bitmap_set(bitmap, r) : gm_bitmap_clear(bitmap, r);

    assert(page_bit() == (page_in(r) ? VALUE : before));
    assert(is_sound());
    reached(changed == 73);
    reached(changed == 1 && page == 69 && before != VALUE && page_bit() == VALUE);
    reached(changed == 0 && page_in(r));
}

void found_is_the_first_whole_run(void)
{
    any_bitmap();
    struct gm_range r = nondet_range();
    bool value = nondet_bool();
    struct gm_range out;

    bool found = gm_bitmap_find(bitmap, r, value, &out);

    if (!found) {
        assert(!page_in(r) || page_bit() != value);
    } else {
        uint64_t end;
        bool valid = gm_range_end(out, &end);
        assert(valid && out.len_bytes > 0 && gm_range_contains(r, out));
        assert(out.start % GM_PAGE_SIZE == 0 && out.len_bytes % GM_PAGE_SIZE == 0);
        assert(gm_range_contains(region_range(0), out) || gm_range_contains(region_range(1), out));
        assert(!page_in(out) || page_bit() == value);
        assert(!page_in(r) || page_gpa() >= out.start || page_bit() != value);
        bool behind = page > 0 && page_gpa() == end;
        assert(!behind || !page_in(r) || page_bit() != value);
    }
    reached(found && out.len_bytes == 70 * GM_PAGE_SIZE);
    reached(found && region == 1 && page_in(out) && out.start > region_range(1).start);
    reached(!found && page_in(r));
}

void all_means_every_page_touched(void)
{
    any_bitmap();
    struct gm_range r = nondet_range();
    uint64_t byte = nondet_u64();

    bool all = gm_bitmap_all(bitmap, r);

    bool in_page = byte / GM_PAGE_SIZE == page_gpa() / GM_PAGE_SIZE;
    bool in_ram = holds_byte(region_range(0), byte) || holds_byte(region_range(1), byte);
    if (all && holds_byte(r, byte))
        assert(in_ram && (!in_page || page_bit()));
    /* The other way round for what lies in one page. */
    bool within = r.len_bytes > 0 && page_bit() && holds_byte(r, r.start) &&
                  r.start / GM_PAGE_SIZE == page_gpa() / GM_PAGE_SIZE &&
                  (r.start + r.len_bytes - 1) / GM_PAGE_SIZE == page_gpa() / GM_PAGE_SIZE;
    assert(!within || all);
    reached(all && r.start < region_range(0).start + GM_PAGE_SIZE && region == 1 && in_page);
    reached(!all && in_page && page_bit() && page_in(r));
}

void added_words_are_bits_of_pages(void)
{
    any_bitmap();
    uint64_t added[2] = {nondet_u64(), nondet_u64()};
    bool before = page_bit();
    size_t target = nondet_bool();

    gm_bitmap_add_words(bitmap, target, added, gm_bitmap_region_words(bitmap, target));

    bool given = target == region && (added[page / WORD_BITS] >> page % WORD_BITS & 1);
    assert(page_bit() == (before || given));
    assert(is_sound());
    reached(given && !before && page == 69);
    reached(target == 1 && added[0] == UINT64_MAX);
}
