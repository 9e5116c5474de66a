/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's half of virtio for tests: drives a transport by register accesses and rings in guest
 * memory, as a real driver would, and can break every rule on request.
 *
 * Nothing here looks into the device or the transport. One thread drives one mock_driver; the owner
 * loop runs on another thread (mock_loop_run()), or the driving code is itself a turn of the
 * loop. What a test got wrong itself, such as rings outside RAM, aborts with a message.
 */
#ifndef AEROSTAT_TESTS_MOCK_DRIVER_H
#define AEROSTAT_TESTS_MOCK_DRIVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/virtio/mmio.h"
#include "memory/gm.h"
#include "vmm/event/loop.h"

/* Long enough for any step under a sanitizer on a busy machine; only failing tests wait for it. */
#define MOCK_TIMEOUT_MS 20000

/* A loop served by a thread of its own. */
struct mock_loop {
    struct ev_loop *loop;
    pthread_t thread;
    bool running;
};

/* Creates the loop, not yet served: the time to create devices and transports on it. */
void mock_loop_init(struct mock_loop *m);
/* Starts the thread. May be called again after mock_loop_stop(). */
void mock_loop_run(struct mock_loop *m);
/* Stops the loop and joins the thread, so that the transport can be destroyed. Idempotent. */
void mock_loop_stop(struct mock_loop *m);
/* Stops if need be, and destroys the loop. */
void mock_loop_finish(struct mock_loop *m);
/* Returns after the loop has served all events that were ready before the call. */
void mock_loop_sync(struct mock_loop *m);

/* One descriptor to be made. */
struct mock_seg {
    uint64_t gpa;
    uint32_t len;
    bool writable;
};

/* Where a queue's three areas lie in guest memory, and the driver's own view of them. */
struct mock_vq {
    uint16_t index;
    uint16_t size;
    uint64_t desc_gpa;
    uint64_t avail_gpa;
    uint64_t used_gpa;
    uint16_t avail_idx;  /* added, published or not */
    uint16_t last_used;  /* taken from the used ring */
    uint16_t kicked_idx; /* avail_idx at the last mock_kick_if_wanted() */
    uint16_t n_free;
    uint16_t free_desc[VQ_SIZE_LIMIT]; /* a stack */
    uint16_t chain_len[VQ_SIZE_LIMIT]; /* by head; 0: not in flight */
    uint16_t next[VQ_SIZE_LIMIT];      /* the driver's own copy of the links */
};

/* The way to the registers of a device that is no struct vmmio of this process. All set. */
struct mock_registers {
    uint32_t (*read32)(void *arg, uint64_t offset);
    void (*write32)(void *arg, uint64_t offset, uint32_t value);
};

struct mock_driver {
    struct vmmio *transport; /* borrowed, as are gm and irq_fd; NULL: registers instead */
    const struct mock_registers *registers;
    void *registers_arg;
    const struct gm *gm;
    int irq_fd;
    uint64_t features; /* negotiated */
    struct mock_vq vq[VDEV_MAX_VQS];
};

/* irq_fd: the eventfd that the transport was created with. Does not touch the device. */
void mock_driver_init(struct mock_driver *d, struct vmmio *transport, const struct gm *gm,
                      int irq_fd);

/*
 * The same for a device elsewhere whose guest RAM is gm too: all but the calls that take interrupts
 * or look into the transport. registers and arg are borrowed.
 */
void mock_driver_init_remote(struct mock_driver *d, const struct mock_registers *registers,
                             void *arg, const struct gm *gm);

/* Registers. */
uint32_t mock_read32(struct mock_driver *d, uint64_t offset);
void mock_write32(struct mock_driver *d, uint64_t offset, uint32_t value);
uint64_t mock_offered_features(struct mock_driver *d);
uint64_t mock_bad_register(struct mock_driver *d);

/*
 * Reset, ACKNOWLEDGE, DRIVER, the given features as they are (nothing is added or left out),
 * FEATURES_OK. Returns whether the device accepted them.
 */
bool mock_negotiate(struct mock_driver *d, uint64_t features);

/* Guest memory that mock_setup_queue() takes for a queue of this size. A multiple of 4096. */
uint64_t mock_queue_bytes(uint16_t size);

/* Lays queue index out in zeroed guest memory from gpa (16-aligned). Does not touch the device. */
void mock_layout_queue(struct mock_driver *d, uint16_t index, uint16_t size, uint64_t gpa);

/* mock_layout_queue(), and tells the device by its registers, QueueReady last. */
void mock_setup_queue(struct mock_driver *d, uint16_t index, uint16_t size, uint64_t gpa);

/* Sets DRIVER_OK. Returns the status as read back. */
uint32_t mock_driver_ok(struct mock_driver *d);

/*
 * All of it: negotiates VERSION_1 and features (each must be offered), sets queues 0..n_queues-1 up
 * one behind the other from gpa, each with size descriptors or as many as the device allows, sets
 * DRIVER_OK. Aborts if the device refuses.
 */
void mock_driver_start(struct mock_driver *d, uint64_t features, uint16_t n_queues, uint16_t size,
                       uint64_t gpa);

/* Writes 0 to Status and forgets the queues. */
void mock_driver_reset(struct mock_driver *d);

/*
 * Writes n descriptors as one chain and puts its head into the avail ring, not yet published.
 * Returns the head, or -1 when fewer than n descriptors are free.
 */
int mock_add(struct mock_driver *d, uint16_t vq, const struct mock_seg *segs, size_t n);
/* Makes what was added visible to the device. */
void mock_publish(struct mock_driver *d, uint16_t vq);
/* Writes QueueNotify. */
void mock_kick(struct mock_driver *d, uint16_t vq);
/* Writes QueueNotify if the device asked for it (used->flags, avail_event), and says whether. */
bool mock_kick_if_wanted(struct mock_driver *d, uint16_t vq);
/*
 * mock_add(), mock_publish(), mock_kick(). Aborts when the descriptors do not suffice. Returns the
 * head.
 */
uint16_t mock_send(struct mock_driver *d, uint16_t vq, const struct mock_seg *segs, size_t n);

/* Takes one used element, if there is one, and frees its descriptors. */
bool mock_poll_used(struct mock_driver *d, uint16_t vq, uint32_t *out_head, uint32_t *out_len);
/* Waits for one. False after MOCK_TIMEOUT_MS. */
bool mock_wait_used(struct mock_driver *d, uint16_t vq, uint32_t *out_head, uint32_t *out_len);
/* Waits until n elements were used and drops them. False after MOCK_TIMEOUT_MS. */
bool mock_wait_used_n(struct mock_driver *d, uint16_t vq, size_t n);

/* Interrupts since the last call; does not wait, provided that irq_fd is non-blocking. */
uint64_t mock_take_interrupts(struct mock_driver *d);
/* Waits for at least one, and takes all. False after MOCK_TIMEOUT_MS. */
bool mock_wait_interrupt(struct mock_driver *d);
/* Reads InterruptStatus and acknowledges what it read. */
uint32_t mock_take_isr(struct mock_driver *d);
/* Waits until all of bits are set in Status. False after MOCK_TIMEOUT_MS. */
bool mock_wait_status(struct mock_driver *d, uint32_t bits);

/* Raw access to the rings, for drivers that lie. */
void mock_put_desc(struct mock_driver *d, uint16_t vq, uint16_t i, uint64_t gpa, uint32_t len,
                   uint16_t flags, uint16_t next);
/* ring[slot % size] = head; avail_idx stays. */
void mock_put_avail(struct mock_driver *d, uint16_t vq, uint16_t slot, uint16_t head);
/* Puts head, whatever it names, at the next place and publishes it. */
void mock_publish_head(struct mock_driver *d, uint16_t vq, uint16_t head);
void mock_put_avail_idx(struct mock_driver *d, uint16_t vq, uint16_t idx);
void mock_put_avail_flags(struct mock_driver *d, uint16_t vq, uint16_t flags);
void mock_put_used_event(struct mock_driver *d, uint16_t vq, uint16_t event);
uint16_t mock_get_used_idx(struct mock_driver *d, uint16_t vq);
uint16_t mock_get_used_flags(struct mock_driver *d, uint16_t vq);
uint16_t mock_get_avail_event(struct mock_driver *d, uint16_t vq);

#endif
