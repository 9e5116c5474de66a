/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What payload guests are written with: a serial console, checkpoints with the test on the host,
 * and a bare virtio-mmio driver whose every field can be made to lie. Interrupts off, no
 * allocation; one vCPU, but for pl_smp.h.
 */
#ifndef AEROSTAT_TESTS_PAYLOAD_PL_H
#define AEROSTAT_TESTS_PAYLOAD_PL_H

#include <stdbool.h>
#include <stdint.h>

#define PL_PAGE   4096u
#define PL_MIB    (UINT64_C(1) << 20)
#define PL_GIB    (UINT64_C(1) << 30)
#define PL_RING   64u /* queue size that payloads set up, where the device has room for it */
#define PL_QUEUES 5u  /* most queues of the balloon */

/* Descriptor flags (virtio 1.2, 2.7.5). */
#define PL_NEXT     1u
#define PL_WRITE    2u
#define PL_INDIRECT 4u

#define PL_F_STATS     (UINT64_C(1) << 1)
#define PL_F_HINT      (UINT64_C(1) << 3)
#define PL_F_POISON    (UINT64_C(1) << 4)
#define PL_F_REPORTING (UINT64_C(1) << 5)
#define PL_F_VERSION_1 (UINT64_C(1) << 32)
#define PL_F_SG        (UINT64_C(1) << 63)

/* Registers of virtio-mmio (4.2.2). */
#define PL_MAGIC    0x000u
#define PL_DRV_FEAT 0x020u
#define PL_DRV_SEL  0x024u
#define PL_Q_SEL    0x030u
#define PL_Q_MAX    0x034u
#define PL_Q_NUM    0x038u
#define PL_Q_READY  0x044u
#define PL_Q_NOTIFY 0x050u
#define PL_STATUS   0x070u
#define PL_Q_DESC   0x080u
#define PL_Q_DRIVER 0x090u
#define PL_Q_DEVICE 0x0a0u
#define PL_CONFIG   0x100u

/* Device status (2.1). */
#define PL_S_ACKNOWLEDGE 1u
#define PL_S_DRIVER      2u
#define PL_S_DRIVER_OK   4u
#define PL_S_FEATURES_OK 8u
#define PL_S_NEEDS_RESET 0x40u
#define PL_S_RUNNING     (PL_S_ACKNOWLEDGE | PL_S_DRIVER | PL_S_FEATURES_OK | PL_S_DRIVER_OK)

/* Where the balloon's registers are. */
#define PL_WINDOW UINT64_C(0xd0000000)

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
    uint16_t size;      /* PL_RING, or what the device has */
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
/* The next byte that the test sent, or -1 if there is none. */
int pl_typed(void);
void pl_power_off(void) __attribute__((noreturn));

uint32_t pl_reg_read(uint32_t offset);
void pl_reg_write(uint32_t offset, uint32_t value);

/* Writes a word into each page of [start, start + len). */
void pl_touch(uint64_t start, uint64_t len);
/* How many pages of the range do not read as zero where pl_touch() wrote. */
uint64_t pl_count_dirty(uint64_t start, uint64_t len);

/* Reset and handshake up to FEATURES_OK with the given features. */
void pl_handshake(uint64_t features);
/*
 * Asks the device for the size of queue index (< PL_QUEUES) and empties its rings, without telling
 * the device where they are.
 */
void pl_queue_clear(uint16_t index, struct pl_queue *q);
/* Tells the device where a queue is and of what size, and sets QueueReady. */
void pl_queue_registers(const struct pl_queue *q, uint64_t desc, uint64_t driver, uint64_t device);
/* The two together, which the device has to accept. */
void pl_queue_setup(uint16_t index, struct pl_queue *q);
/* Sets DRIVER_OK, which the device has to accept. */
void pl_driver_ok(void);
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
