/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel command line: the user's text and what boot adds to it. */
#ifndef AEROSTAT_BOOT_CMDLINE_H
#define AEROSTAT_BOOT_CMDLINE_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/boot/boot.h"

/*
 * Builds the line for spec in out (cap bytes). limit_bytes is how many bytes, the NUL not counted,
 * the kernel takes; *out_len is the length of the line without it. Parameters are added in front of
 * a "--", behind which the kernel looks at nothing. Returns 0, or -E2BIG when the line is longer
 * than limit_bytes or cap - 1.
 */
int cmdline_build(const struct boot_spec *spec, uint64_t limit_bytes, char *out, size_t cap,
                  size_t *out_len, struct err *err);

#endif
