/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What payload guests are written with: a serial console, checkpoints with the test on the host,
 * and a bare virtio-mmio driver whose every field can be made to lie. One vCPU, interrupts off, no
 * allocation.
 */
#ifndef AEROSTAT_TESTS_PAYLOAD_PL_H
#define AEROSTAT_TESTS_PAYLOAD_PL_H

#include <stdbool.h>
#include <stdint.h>

#define PL_PAGE  4096u
#define PL_MIB   (UINT64_C(1) << 20)
#define PL_GIB   (UINT64_C(1) << 30)
#define PL_RING  64u /* queue size that payloads set up */
#define PL_WRITE 2u  /* VIRTQ_DESC_F_WRITE */
#define PL_NEXT  1u  /* VIRTQ_DESC_F_NEXT */

#define PL_F_VERSION_1 (UINT64_C(1) << 32)
#define PL_F_SG        (UINT64_C(1) << 63)

struct pl_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};

struct pl_avail {
    uint16_t flags;
    uint16_t idx;
    uint16_t ring[PL_RING];
};

struct pl_used {
    uint16_t flags;
    uint16_t idx;
    struct {
        uint32_t id;
        uint32_t len;
    } ring[PL_RING];
};

/* A queue as the driver sees it; volatile, because the device reads and writes it. */
struct pl_queue {
    volatile struct pl_desc *desc;
    volatile struct pl_avail *avail;
    volatile struct pl_used *used;
    uint16_t index;
    uint16_t avail_idx; /* what was published */
};

void payload_main(void);

void pl_puts(const char *text);
/* Prints "name=value" and a line end. */
void pl_value(const char *name, uint64_t value);
/* Says "fail: what" and powers off unless ok. */
void pl_require(bool ok, const char *what);
/* Says "at name" and waits until the test sends a byte. */
void pl_checkpoint(const char *name);
void pl_power_off(void) __attribute__((noreturn));

uint32_t pl_reg_read(uint32_t offset);
void pl_reg_write(uint32_t offset, uint32_t value);

/* Writes a word into each page of [start, start + len). */
void pl_touch(uint64_t start, uint64_t len);
/* How many pages of the range do not read as zero where pl_touch() wrote. */
uint64_t pl_count_dirty(uint64_t start, uint64_t len);

/* Reset, handshake with the given features, both balloon queues set up, DRIVER_OK. */
void pl_balloon_init(uint64_t features, struct pl_queue *inflate, struct pl_queue *deflate);

/* Fills descriptor i. */
void pl_desc(struct pl_queue *q, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags,
             uint16_t next);
/* Fills descriptors first .. first + n - 1 as one chain of ranges, stride bytes apart. */
void pl_chain(struct pl_queue *q, uint16_t first, uint16_t n, uint64_t addr, uint32_t len,
              uint64_t stride);
/* Makes head available without telling the device. */
void pl_publish(struct pl_queue *q, uint16_t head);
void pl_kick(const struct pl_queue *q);
/* Waits until everything published has been used; false if that takes too long. */
bool pl_wait_used(const struct pl_queue *q);

#endif
