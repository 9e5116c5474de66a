/* SPDX-License-Identifier: Apache-2.0 */
/* What the proofs share: CBMC takes a function without a body for one that may return anything. */
#ifndef AEROSTAT_PROOFS_NONDET_H
#define AEROSTAT_PROOFS_NONDET_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "memory/range.h"

bool nondet_bool(void);
uint8_t nondet_u8(void);
uint16_t nondet_u16(void);
uint32_t nondet_u32(void);
uint64_t nondet_u64(void);
struct gm_range nondet_range(void);

/* From here on only runs in which this holds count. */
#define assume(condition) __CPROVER_assume(condition)

/*
 * Some run must get here with this. tools/proofs demands a run for each: a proof whose assumptions
 * exclude one another would hold of nothing.
 */
#ifdef COVER
#define reached(condition) __CPROVER_cover(condition)
#else
#define reached(condition) ((void)0)
#endif

/* True if r is valid and has this byte. */
static inline bool holds_byte(struct gm_range r, uint64_t byte)
{
    uint64_t end;
    return !__builtin_add_overflow(r.start, r.len_bytes, &end) && byte >= r.start && byte < end;
}

#endif
