/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings as a guest writes them that cares for nobody: through a mapping of its own, with accesses
 * that may meet anybody else's.
 */
#ifndef AEROSTAT_TESTS_BALLOON_HOSTILE_GUEST_H
#define AEROSTAT_TESTS_BALLOON_HOSTILE_GUEST_H

#include <stdint.h>

/* Maps the low region of fx.gm; and unmaps it. For fixtures, around the device's own. */
void hg_map(void);
void hg_unmap(void);

/* Naturally aligned, in the low region. */
void hg_put16(uint64_t gpa, uint16_t value);
void hg_put32(uint64_t gpa, uint32_t value);
void hg_put64(uint64_t gpa, uint64_t value);
uint16_t hg_get16(uint64_t gpa);

/* Rings of queue vq, as fx.driver laid them out. */
uint64_t hg_desc_gpa(uint16_t vq, uint16_t i);
void hg_put_desc(uint16_t vq, uint16_t i, uint64_t gpa, uint32_t len, uint16_t flags,
                 uint16_t next);
/* ring[index % size] = head, and index + 1 becomes the index. */
void hg_publish(uint16_t vq, uint16_t index, uint16_t head);
uint16_t hg_used_idx(uint16_t vq);

#endif
