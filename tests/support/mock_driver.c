/* SPDX-License-Identifier: Apache-2.0 */
/* A virtio driver for tests, over vmmio_read(), vmmio_write() and rings in guest memory. */
#include "tests/support/mock_driver.h"

#include <endian.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/clock.h"

#define NS_PER_MS UINT64_C(1000000)
#define POLL_NS   50000L

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "mock driver: %s\n", what);
    abort();
}

static void require(bool ok, const char *what)
{
    if (!ok)
        die(what);
}

static void *serve_loop(void *arg)
{
    require(ev_loop_run(arg) == 0, "ev_loop_run() failed");
    return NULL;
}

void mock_loop_init(struct mock_loop *m)
{
    require(ev_loop_create(&m->loop) == 0, "no event loop");
    m->running = false;
}

void mock_loop_run(struct mock_loop *m)
{
    require(pthread_create(&m->thread, NULL, serve_loop, m->loop) == 0, "no thread");
    m->running = true;
}

void mock_loop_stop(struct mock_loop *m)
{
    if (!m->running)
        return;
    ev_loop_stop(m->loop);
    require(pthread_join(m->thread, NULL) == 0, "the loop's thread cannot be joined");
    m->running = false;
}

void mock_loop_finish(struct mock_loop *m)
{
    mock_loop_stop(m);
    ev_loop_destroy(m->loop);
    m->loop = NULL;
}

static void do_nothing(void *arg)
{
    (void)arg;
}

void mock_loop_sync(struct mock_loop *m)
{
    /*
     * The first call may run in a round that fetched its events too early; the second runs in a
     * later one.
     */
    for (int i = 0; i < 2; i++)
        require(ev_call(m->loop, do_nothing, NULL) == 0, "the loop is not running");
}

void mock_driver_init(struct mock_driver *d, struct vmmio *transport, const struct gm *gm,
                      int irq_fd)
{
    memset(d, 0, sizeof(*d));
    d->transport = transport;
    d->gm = gm;
    d->irq_fd = irq_fd;
}

void mock_driver_init_remote(struct mock_driver *d, const struct mock_registers *registers,
                             void *arg, const struct gm *gm)
{
    memset(d, 0, sizeof(*d));
    d->registers = registers;
    d->registers_arg = arg;
    d->gm = gm;
    d->irq_fd = -1;
}

uint32_t mock_read32(struct mock_driver *d, uint64_t offset)
{
    if (d->transport == NULL)
        return d->registers->read32(d->registers_arg, offset);
    uint32_t value;
    vmmio_read(d->transport, offset, &value, sizeof(value));
    return le32toh(value);
}

void mock_write32(struct mock_driver *d, uint64_t offset, uint32_t value)
{
    if (d->transport == NULL) {
        d->registers->write32(d->registers_arg, offset, value);
        return;
    }
    value = htole32(value);
    vmmio_write(d->transport, offset, &value, sizeof(value));
}

uint64_t mock_offered_features(struct mock_driver *d)
{
    mock_write32(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
    uint64_t high = mock_read32(d, VIRTIO_MMIO_DEVICE_FEATURES);
    mock_write32(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
    return high << 32 | mock_read32(d, VIRTIO_MMIO_DEVICE_FEATURES);
}

uint64_t mock_bad_register(struct mock_driver *d)
{
    struct vmmio_counters counters;
    vmmio_get_counters(d->transport, &counters);
    return counters.bad_register;
}

static void add_status(struct mock_driver *d, uint32_t bits)
{
    mock_write32(d, VIRTIO_MMIO_STATUS, mock_read32(d, VIRTIO_MMIO_STATUS) | bits);
}

bool mock_negotiate(struct mock_driver *d, uint64_t features)
{
    mock_driver_reset(d);
    add_status(d, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    add_status(d, VIRTIO_CONFIG_S_DRIVER);
    mock_write32(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    mock_write32(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
    mock_write32(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
    mock_write32(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
    add_status(d, VIRTIO_CONFIG_S_FEATURES_OK);
    d->features = features;
    return (mock_read32(d, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK) != 0;
}

static uint64_t avail_bytes(uint16_t size)
{
    return 6 + UINT64_C(2) * size;
}

static uint64_t used_bytes(uint16_t size)
{
    return 6 + UINT64_C(8) * size;
}

static uint64_t used_offset(uint16_t size)
{
    return (UINT64_C(16) * size + avail_bytes(size) + 3) & ~UINT64_C(3);
}

uint64_t mock_queue_bytes(uint16_t size)
{
    return (used_offset(size) + used_bytes(size) + 4095) & ~UINT64_C(4095);
}

static void write_address(struct mock_driver *d, uint64_t low_offset, uint64_t gpa)
{
    mock_write32(d, low_offset, (uint32_t)gpa);
    mock_write32(d, low_offset + 4, (uint32_t)(gpa >> 32));
}

void mock_layout_queue(struct mock_driver *d, uint16_t index, uint16_t size, uint64_t gpa)
{
    require(index < VDEV_MAX_VQS && size <= VQ_SIZE_LIMIT, "no such queue or size");
    struct mock_vq *q = &d->vq[index];
    memset(q, 0, sizeof(*q));
    q->index = index;
    q->size = size;
    q->desc_gpa = gpa;
    q->avail_gpa = gpa + UINT64_C(16) * size;
    q->used_gpa = gpa + used_offset(size);
    for (uint16_t i = size; i > 0; i--)
        q->free_desc[q->n_free++] = (uint16_t)(i - 1);
    require(gm_zero(d->gm, gpa, used_offset(size) + used_bytes(size)) == 0, "ring outside RAM");
}

void mock_setup_queue(struct mock_driver *d, uint16_t index, uint16_t size, uint64_t gpa)
{
    mock_layout_queue(d, index, size, gpa);
    const struct mock_vq *q = &d->vq[index];
    mock_write32(d, VIRTIO_MMIO_QUEUE_SEL, index);
    mock_write32(d, VIRTIO_MMIO_QUEUE_NUM, size);
    write_address(d, VIRTIO_MMIO_QUEUE_DESC_LOW, q->desc_gpa);
    write_address(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, q->avail_gpa);
    write_address(d, VIRTIO_MMIO_QUEUE_USED_LOW, q->used_gpa);
    mock_write32(d, VIRTIO_MMIO_QUEUE_READY, 1);
}

uint32_t mock_driver_ok(struct mock_driver *d)
{
    add_status(d, VIRTIO_CONFIG_S_DRIVER_OK);
    return mock_read32(d, VIRTIO_MMIO_STATUS);
}

void mock_driver_start(struct mock_driver *d, uint64_t features, uint16_t n_queues, uint16_t size,
                       uint64_t gpa)
{
    require(mock_negotiate(d, features | UINT64_C(1) << VIRTIO_F_VERSION_1), "features refused");
    for (uint16_t i = 0; i < n_queues; i++) {
        mock_write32(d, VIRTIO_MMIO_QUEUE_SEL, i);
        uint32_t max = mock_read32(d, VIRTIO_MMIO_QUEUE_NUM_MAX);
        require(max > 0, "no such queue");
        mock_setup_queue(d, i, max < size ? (uint16_t)max : size, gpa + i * mock_queue_bytes(size));
        require(mock_read32(d, VIRTIO_MMIO_QUEUE_READY) == 1, "queue refused");
    }
    uint32_t status = mock_driver_ok(d);
    require((status & VIRTIO_CONFIG_S_DRIVER_OK) && !(status & VIRTIO_CONFIG_S_NEEDS_RESET),
            "DRIVER_OK refused");
}

void mock_driver_reset(struct mock_driver *d)
{
    mock_write32(d, VIRTIO_MMIO_STATUS, 0);
    d->features = 0;
    memset(d->vq, 0, sizeof(d->vq));
}

static bool has_event_idx(const struct mock_driver *d)
{
    return (d->features >> VIRTIO_RING_F_EVENT_IDX) & 1;
}

static void put(struct mock_driver *d, uint64_t gpa, const void *src, size_t len)
{
    require(gm_write(d->gm, gpa, src, len) == 0, "ring outside RAM");
}

static void put_le16(struct mock_driver *d, uint64_t gpa, uint16_t value)
{
    require(gm_store_le16_release(d->gm, gpa, value) == 0, "ring outside RAM");
}

static uint16_t get_le16(struct mock_driver *d, uint64_t gpa)
{
    uint16_t value = 0;
    require(gm_load_le16_acquire(d->gm, gpa, &value) == 0, "ring outside RAM");
    return value;
}

void mock_put_desc(struct mock_driver *d, uint16_t vq, uint16_t i, uint64_t gpa, uint32_t len,
                   uint16_t flags, uint16_t next)
{
    const struct vring_desc desc = {
        .addr = htole64(gpa), .len = htole32(len), .flags = htole16(flags), .next = htole16(next)};
    put(d, d->vq[vq].desc_gpa + UINT64_C(16) * i, &desc, sizeof(desc));
}

void mock_put_avail(struct mock_driver *d, uint16_t vq, uint16_t slot, uint16_t head)
{
    const struct mock_vq *q = &d->vq[vq];
    put_le16(d, q->avail_gpa + 4 + UINT64_C(2) * (slot % q->size), head);
}

void mock_publish_head(struct mock_driver *d, uint16_t vq, uint16_t head)
{
    struct mock_vq *q = &d->vq[vq];
    mock_put_avail(d, vq, q->avail_idx, head);
    q->avail_idx++;
    mock_publish(d, vq);
}

void mock_put_avail_idx(struct mock_driver *d, uint16_t vq, uint16_t idx)
{
    /* Release: pairs with the device's acquire of avail->idx. */
    put_le16(d, d->vq[vq].avail_gpa + 2, idx);
}

void mock_put_avail_flags(struct mock_driver *d, uint16_t vq, uint16_t flags)
{
    put_le16(d, d->vq[vq].avail_gpa, flags);
}

void mock_put_used_event(struct mock_driver *d, uint16_t vq, uint16_t event)
{
    const struct mock_vq *q = &d->vq[vq];
    put_le16(d, q->avail_gpa + 4 + UINT64_C(2) * q->size, event);
}

uint16_t mock_get_used_idx(struct mock_driver *d, uint16_t vq)
{
    return get_le16(d, d->vq[vq].used_gpa + 2);
}

uint16_t mock_get_used_flags(struct mock_driver *d, uint16_t vq)
{
    return get_le16(d, d->vq[vq].used_gpa);
}

uint16_t mock_get_avail_event(struct mock_driver *d, uint16_t vq)
{
    const struct mock_vq *q = &d->vq[vq];
    return get_le16(d, q->used_gpa + 4 + UINT64_C(8) * q->size);
}

int mock_add(struct mock_driver *d, uint16_t vq, const struct mock_seg *segs, size_t n)
{
    struct mock_vq *q = &d->vq[vq];
    if (n == 0 || n > q->n_free)
        return -1;
    const uint16_t *taken = &q->free_desc[q->n_free - n];
    uint16_t head = taken[n - 1];
    for (size_t i = 0; i < n; i++) {
        uint16_t at = taken[n - 1 - i];
        bool last = i + 1 == n;
        uint16_t next = last ? 0 : taken[n - 2 - i];
        uint16_t flags = (uint16_t)((last ? 0 : VRING_DESC_F_NEXT) |
                                    (segs[i].writable ? VRING_DESC_F_WRITE : 0));
        mock_put_desc(d, vq, at, segs[i].gpa, segs[i].len, flags, next);
        q->next[at] = next;
    }
    q->n_free = (uint16_t)(q->n_free - n);
    q->chain_len[head] = (uint16_t)n;
    mock_put_avail(d, vq, q->avail_idx, head);
    q->avail_idx++;
    return head;
}

void mock_publish(struct mock_driver *d, uint16_t vq)
{
    mock_put_avail_idx(d, vq, d->vq[vq].avail_idx);
}

void mock_kick(struct mock_driver *d, uint16_t vq)
{
    mock_write32(d, VIRTIO_MMIO_QUEUE_NOTIFY, vq);
}

bool mock_kick_if_wanted(struct mock_driver *d, uint16_t vq)
{
    struct mock_vq *q = &d->vq[vq];
    uint16_t old = q->kicked_idx;
    uint16_t now = q->avail_idx;
    q->kicked_idx = now;
    /*
     * Full barrier: pairs with the device's between storing its wish and looking at avail->idx
     * again.
     */
    atomic_thread_fence(memory_order_seq_cst);
    bool wanted = has_event_idx(d)
                      ? (uint16_t)(now - mock_get_avail_event(d, vq) - 1) < (uint16_t)(now - old)
                      : !(mock_get_used_flags(d, vq) & VRING_USED_F_NO_NOTIFY);
    if (wanted)
        mock_kick(d, vq);
    return wanted;
}

uint16_t mock_send(struct mock_driver *d, uint16_t vq, const struct mock_seg *segs, size_t n)
{
    int head = mock_add(d, vq, segs, n);
    require(head >= 0, "no descriptors left");
    mock_publish(d, vq);
    mock_kick(d, vq);
    return (uint16_t)head;
}

/* Heads that mock_add() did not make, and those given back twice, free nothing. */
static void free_chain(struct mock_vq *q, uint32_t head)
{
    if (head >= q->size)
        return;
    uint16_t at = (uint16_t)head;
    for (uint16_t left = q->chain_len[head]; left > 0; left--) {
        q->free_desc[q->n_free++] = at;
        at = q->next[at];
    }
    q->chain_len[head] = 0;
}

bool mock_poll_used(struct mock_driver *d, uint16_t vq, uint32_t *out_head, uint32_t *out_len)
{
    struct mock_vq *q = &d->vq[vq];
    /* get_le16() acquires: pairs with the device's release of used->idx. */
    if (mock_get_used_idx(d, vq) == q->last_used)
        return false;
    struct vring_used_elem elem;
    uint64_t slot = q->used_gpa + 4 + UINT64_C(8) * (q->last_used % q->size);
    require(gm_read(d->gm, slot, &elem, sizeof(elem)) == 0, "ring outside RAM");
    q->last_used++;
    *out_head = le32toh(elem.id);
    *out_len = le32toh(elem.len);
    free_chain(q, *out_head);
    return true;
}

/* Sleeps a little. False when deadline_ns has passed. */
static bool wait_more(uint64_t deadline_ns)
{
    if (clock_mono_ns() >= deadline_ns)
        return false;
    const struct timespec pause = {.tv_nsec = POLL_NS};
    nanosleep(&pause, NULL);
    return true;
}

static uint64_t deadline(void)
{
    return clock_mono_ns() + MOCK_TIMEOUT_MS * NS_PER_MS;
}

bool mock_wait_used(struct mock_driver *d, uint16_t vq, uint32_t *out_head, uint32_t *out_len)
{
    uint64_t until = deadline();
    do {
        if (mock_poll_used(d, vq, out_head, out_len))
            return true;
    } while (wait_more(until));
    return false;
}

bool mock_wait_used_n(struct mock_driver *d, uint16_t vq, size_t n)
{
    uint32_t head;
    uint32_t len;
    for (size_t i = 0; i < n; i++) {
        if (!mock_wait_used(d, vq, &head, &len))
            return false;
    }
    return true;
}

uint64_t mock_take_interrupts(struct mock_driver *d)
{
    uint64_t count = 0;
    ssize_t n = read(d->irq_fd, &count, sizeof(count));
    return n == (ssize_t)sizeof(count) ? count : 0;
}

bool mock_wait_interrupt(struct mock_driver *d)
{
    uint64_t until = deadline();
    do {
        if (mock_take_interrupts(d) > 0)
            return true;
    } while (wait_more(until));
    return false;
}

uint32_t mock_take_isr(struct mock_driver *d)
{
    uint32_t isr = mock_read32(d, VIRTIO_MMIO_INTERRUPT_STATUS);
    mock_write32(d, VIRTIO_MMIO_INTERRUPT_ACK, isr);
    return isr;
}

bool mock_wait_status(struct mock_driver *d, uint32_t bits)
{
    uint64_t until = deadline();
    do {
        if ((mock_read32(d, VIRTIO_MMIO_STATUS) & bits) == bits)
            return true;
    } while (wait_more(until));
    return false;
}
