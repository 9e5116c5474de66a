/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A QEMU whose guest is this program: its guest RAM is a gm of ours, and this program writes its
 * devices' registers through QEMU's test protocol (-qtest). No virtual processor ever runs.
 *
 * One thread uses one qtest. A QEMU that ends or does not answer aborts with a message.
 */
#ifndef AEROSTAT_BENCH_QTEST_H
#define AEROSTAT_BENCH_QTEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "memory/gm.h"

struct qtest;

/*
 * Starts QEMU's microvm machine with a virtio balloon and with gm's only region, which begins at
 * 0, as its RAM. With touch QEMU touches all of it first, so that its page tables have what is
 * there and what is not there is made. Returns 0; -ENOENT where QEMU is not installed; -EIO when
 * it ended at once, with what it said on stderr; -errno of fork(2) and the like. gm must outlive
 * it; it dies with this thread.
 */
int qtest_start(const struct gm *gm, bool touch, struct qtest **out)
    __attribute__((warn_unused_result));
/* Ends QEMU. Accepts NULL. */
void qtest_stop(struct qtest *q);

/* A register of 32 bits. Each waits until QEMU has handled the access. */
uint32_t qtest_read32(struct qtest *q, uint64_t gpa);
void qtest_write32(struct qtest *q, uint64_t gpa, uint32_t value);

/* Where in the guest's address space the byte of RAM at this offset of the region lies. */
uint64_t qtest_gpa(uint64_t offset);

pid_t qtest_pid(const struct qtest *q);

#endif
