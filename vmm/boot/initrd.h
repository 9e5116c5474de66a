/* SPDX-License-Identifier: Apache-2.0 */
/* Finds a place for the initrd. */
#ifndef AEROSTAT_BOOT_INITRD_H
#define AEROSTAT_BOOT_INITRD_H

#include <stdint.h>

#include "memory/gm.h"
#include "vmm/base/err.h"
#include "vmm/boot/file.h"

/*
 * The highest page-aligned place for size_bytes in bounds that has no page in common with kernel.
 * Returns 0 with *out_start, or -E2BIG. Pure arithmetic; size_bytes is not 0.
 */
int initrd_place(uint64_t size_bytes, struct gm_range bounds, struct gm_range kernel,
                 uint64_t *out_start) __attribute__((warn_unused_result));

/*
 * Loads the file at path into bounds, clear of kernel. *out is where it is. Returns 0; -E2BIG with
 * a sentence that says how much room there is; the errors of boot_file_open() and
 * boot_file_load().
 */
int initrd_load(const char *path, const struct gm *gm, struct gm_range bounds,
                struct gm_range kernel, struct gm_range *out, struct err *err);

#endif
