/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest RAM for tests: a real struct gm, whose regions lie between guard areas, with short ways to
 * fill, poke and look.
 *
 * Every function aborts with a message when the address is not RAM, so that a test reads as what it
 * sets up and not as error handling; Check reports the abort as a failure of the running test.
 */
#ifndef AEROSTAT_TESTS_FAKE_RAM_H
#define AEROSTAT_TESTS_FAKE_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/gm.h"

/* One region on 4 KiB pages. The caller destroys it with gm_destroy(). */
struct gm *fake_ram_create(uint64_t start, uint64_t len_bytes);

/*
 * Two regions, ascending, as x86 has them below and above its MMIO gap. The caller destroys it with
 * gm_destroy().
 */
struct gm *fake_ram_create_two(struct gm_range low, struct gm_range high);

/* Sets len_bytes bytes at gpa to value, which populates their pages even if value is 0. */
void fake_ram_fill(const struct gm *gm, uint64_t gpa, uint64_t len_bytes, uint8_t value);

/* Copies len bytes into, and out of, RAM. */
void fake_ram_put(const struct gm *gm, uint64_t gpa, const void *src, size_t len);
void fake_ram_get(const struct gm *gm, uint64_t gpa, void *dst, size_t len);

/* Little-endian fields of any alignment. */
void fake_ram_put_le16(const struct gm *gm, uint64_t gpa, uint16_t value);
void fake_ram_put_le32(const struct gm *gm, uint64_t gpa, uint32_t value);
void fake_ram_put_le64(const struct gm *gm, uint64_t gpa, uint64_t value);
uint16_t fake_ram_le16(const struct gm *gm, uint64_t gpa);
uint32_t fake_ram_le32(const struct gm *gm, uint64_t gpa);
uint64_t fake_ram_le64(const struct gm *gm, uint64_t gpa);

/*
 * True if each of len_bytes bytes at gpa is value. Reads through the memfd: unlike a read through
 * the mapping that leaves holes unpopulated, so that looking does not change what
 * fake_ram_allocated() says.
 */
bool fake_ram_all(const struct gm *gm, uint64_t gpa, uint64_t len_bytes, uint8_t value);

/* Bytes that the host holds allocated for all regions; a multiple of 4096. */
uint64_t fake_ram_allocated(const struct gm *gm);

#endif
