/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that comes back in pieces: remembers which pages the guest has given, and names 2 MiB as
 * soon as all of it has been, whatever the order and the number of calls.
 *
 * Punching out less than a huge page frees nothing (hugetlb) or has the kernel split the page first
 * (transparent huge pages), which costs far more than freeing it whole; and of pages of 4 KiB each
 * call costs as much as freeing several. What is kept here may be punched later, so the guest must
 * not use a page that it gave before it has said so: gm_pieces_take(). Takes 1/16384 of RAM at
 * most. Not thread-safe: one owner.
 */
#ifndef AEROSTAT_MEMORY_GM_PIECES_H
#define AEROSTAT_MEMORY_GM_PIECES_H

#include <stddef.h>
#include <stdint.h>

#include "memory/gm.h"

struct gm_pieces;

/* gm is borrowed and outlives the pieces. Returns 0 or -errno of mmap(2), allocation. */
int gm_pieces_create(const struct gm *gm, struct gm_pieces **out);

/* Accepts NULL. */
void gm_pieces_destroy(struct gm_pieces *pieces);

/*
 * The guest gives n ranges, ascending and disjoint as gm_ranges_merge() leaves them. Replaces them,
 * in place, by what can be punched now: the huge pages they touch of which the guest has given
 * every page, ascending and disjoint. The rest waits. Returns how many there are, at most n.
 */
size_t gm_pieces_give(struct gm_pieces *pieces, struct gm_range *ranges, size_t n);

/* The guest takes these pages back: they are not punched any more. */
void gm_pieces_take(struct gm_pieces *pieces, struct gm_range range);

/* Forgets everything that was given. */
void gm_pieces_forget(struct gm_pieces *pieces);

/* Bytes of pieces that wait. */
uint64_t gm_pieces_waiting_bytes(const struct gm_pieces *pieces);

/*
 * The waiting does not pay any more: moves at most cap ranges of pieces to ranges, for punching as
 * they are, ascending and disjoint. They stay given, so that the huge page is named once the rest
 * comes. Returns how many; 0 when nothing waits.
 */
size_t gm_pieces_flush(struct gm_pieces *pieces, struct gm_range *ranges, size_t cap);

#endif
