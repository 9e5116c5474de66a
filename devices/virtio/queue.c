/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The split virtqueue, device side: takes copied chains, gives heads back, decides about
 * notifications.
 */
#include "devices/virtio/queue.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <stddef.h>

/* Fields of the driver area (2.7.6); used_event lies behind ring[size]. */
#define AVAIL_FLAGS 0u
#define AVAIL_IDX   2u
#define AVAIL_RING  4u
/* Fields of the device area (2.7.8); avail_event lies behind ring[size]. */
#define USED_FLAGS 0u
#define USED_IDX   2u
#define USED_RING  4u

#define DESC_SIZE  sizeof(struct vring_desc)
#define USED_SIZE  sizeof(struct vring_used_elem)
#define EVENT_SIZE sizeof(uint16_t)

_Static_assert(sizeof(struct vring_desc) == 16, "2.7.5");
_Static_assert(sizeof(struct vring_used_elem) == 8, "2.7.8");

/*
 * The owner is the only writer: a plain load and store of the atomic, so that readers never see
 * half a value.
 */
static void count_add(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

static void latch_broken(struct vq *vq)
{
    vq->broken = true;
    count_add(&vq->count.bad_ring, 1);
}

static uint64_t used_event_gpa(const struct vq *vq)
{
    return vq->avail_gpa + AVAIL_RING + (uint64_t)vq->size * sizeof(uint16_t);
}

static uint64_t avail_event_gpa(const struct vq *vq)
{
    return vq->used_gpa + USED_RING + (uint64_t)vq->size * USED_SIZE;
}

/*
 * All three areas, with the event field that lies behind each ring whether or not it is negotiated
 * (2.7).
 */
static bool areas_are_ram(const struct vq *vq)
{
    uint64_t size = vq->size;
    const struct gm_range desc = {vq->desc_gpa, size * DESC_SIZE};
    const struct gm_range avail = {vq->avail_gpa,
                                   AVAIL_RING + size * sizeof(uint16_t) + EVENT_SIZE};
    const struct gm_range used = {vq->used_gpa, USED_RING + size * USED_SIZE + EVENT_SIZE};
    return gm_is_ram(vq->gm, desc) && gm_is_ram(vq->gm, avail) && gm_is_ram(vq->gm, used);
}

static bool layout_is_valid(const struct vq *vq)
{
    bool size_ok = vq->size > 0 && vq->size <= VQ_SIZE_LIMIT && (vq->size & (vq->size - 1)) == 0;
    return size_ok && vq->desc_gpa % 16 == 0 && vq->avail_gpa % 2 == 0 && vq->used_gpa % 4 == 0 &&
           areas_are_ram(vq);
}

int vq_start(struct vq *vq)
{
    vq->next_avail = 0;
    vq->next_used = 0;
    vq->signalled = 0;
    vq->signalled_valid = true;
    vq->started = layout_is_valid(vq);
    vq->broken = false;
    if (vq->started)
        return 0;
    latch_broken(vq);
    return -EINVAL;
}

void vq_reset(struct vq *vq)
{
    vq->desc_gpa = 0;
    vq->avail_gpa = 0;
    vq->used_gpa = 0;
    vq->size = 0;
    vq->next_avail = 0;
    vq->next_used = 0;
    vq->signalled = 0;
    vq->signalled_valid = false;
    vq->event_idx = false;
    vq->started = false;
    vq->broken = false;
}

/*
 * How many chains wait in the ring: 1..size, 0, or -EIO for an index that no driver can have
 * reached. A chain has at least one of the size descriptors, so chains that wait and chains that
 * the device still holds are at most size together; the sum is checked, so that a device may size
 * its tables by the queue.
 */
static int chains_waiting(const struct vq *vq)
{
    uint16_t avail_idx;
    /*
     * Acquire: pairs with the driver's barrier between filling the ring and storing avail->idx
     * (2.7.13.2).
     */
    if (gm_load_le16_acquire(vq->gm, vq->avail_gpa + AVAIL_IDX, &avail_idx) < 0)
        return -EIO;
    uint16_t waiting = (uint16_t)(avail_idx - vq->next_avail);
    uint16_t held = (uint16_t)(vq->next_avail - vq->next_used);
    return (uint32_t)waiting + held <= vq->size ? waiting : -EIO;
}

int vq_waiting(const struct vq *vq)
{
    return vq->started && !vq->broken ? chains_waiting(vq) : 0;
}

/* Copies the chain that begins at out->head. False for a chain that the standard forbids. */
static bool copy_chain(const struct vq *vq, struct vq_chain *out)
{
    uint16_t at = out->head;
    /*
     * A chain longer than the table visits a descriptor twice (2.7.5.2): the bound finds every
     * loop.
     */
    for (uint16_t n = 0; n < vq->size; n++) {
        struct vring_desc desc;
        if (gm_read(vq->gm, vq->desc_gpa + at * DESC_SIZE, &desc, sizeof(desc)) < 0)
            return false;
        uint16_t flags = le16toh(desc.flags);
        if (flags & VRING_DESC_F_INDIRECT) /* VIRTIO_F_INDIRECT_DESC is not offered (2.7.5.3.1). */
            return false;
        out->seg[n] = (struct vq_seg){.gpa = le64toh(desc.addr),
                                      .len = le32toh(desc.len),
                                      .writable = (flags & VRING_DESC_F_WRITE) != 0};
        if (!(flags & VRING_DESC_F_NEXT)) {
            out->n = (uint16_t)(n + 1);
            return true;
        }
        at = le16toh(desc.next);
        if (at >= vq->size)
            return false;
    }
    return false;
}

int vq_pop(struct vq *vq, struct vq_chain *out)
{
    if (!vq->started || vq->broken)
        return 0;
    int waiting = chains_waiting(vq);
    if (waiting == 0)
        return 0;
    uint64_t slot =
        vq->avail_gpa + AVAIL_RING + (uint64_t)(vq->next_avail & (vq->size - 1)) * sizeof(uint16_t);
    /*
     * A head outside the table names no chain that could be given back, so it is the ring that is
     * broken.
     */
    if (waiting < 0 || gm_load_le16_relaxed(vq->gm, slot, &out->head) < 0 ||
        out->head >= vq->size) {
        latch_broken(vq);
        return -EIO;
    }
    vq->next_avail++;
    if (!copy_chain(vq, out)) {
        count_add(&vq->count.bad_chain, 1);
        return vq_push(vq, out->head, 0) < 0 ? -EIO : -EBADMSG;
    }
    count_add(&vq->count.chains, 1);
    count_add(&vq->count.descriptors, out->n);
    return 1;
}

int vq_push(struct vq *vq, uint16_t head, uint32_t len)
{
    if (!vq->started)
        return 0;
    if (vq->broken)
        return -EIO;
    assert(vq->next_used != vq->next_avail && "a chain is given back once");
    const struct vring_used_elem elem = {.id = htole32(head), .len = htole32(len)};
    uint64_t slot =
        vq->used_gpa + USED_RING + (uint64_t)(vq->next_used & (vq->size - 1)) * USED_SIZE;
    uint16_t next = (uint16_t)(vq->next_used + 1);
    /*
     * Release: pairs with the driver's barrier between loading used->idx and reading the element
     * (2.7.14).
     */
    if (gm_write(vq->gm, slot, &elem, sizeof(elem)) < 0 ||
        gm_store_le16_release(vq->gm, vq->used_gpa + USED_IDX, next) < 0) {
        latch_broken(vq);
        return -EIO;
    }
    vq->next_used = next;
    if (vq->next_used == vq->signalled)
        vq->signalled_valid = false;
    count_add(&vq->count.used, 1);
    return 0;
}

/* True if event lies in [old, now): the other side asked to hear when it is passed (2.7.10). */
static bool event_was_passed(uint16_t event, uint16_t old, uint16_t now)
{
    return (uint16_t)(now - 1 - event) < (uint16_t)(now - old);
}

bool vq_should_interrupt(struct vq *vq)
{
    if (!vq->started || vq->broken || (vq->signalled_valid && vq->signalled == vq->next_used))
        return false;
    /*
     * Full barrier: used->idx must be visible before the driver's wish is read. Pairs with the
     * driver's full barrier between storing used_event (or avail->flags) and its last look at
     * used->idx: one of the two sees the other.
     */
    atomic_thread_fence(memory_order_seq_cst);
    bool lapped = !vq->signalled_valid;
    uint16_t old = vq->signalled;
    vq->signalled = vq->next_used;
    vq->signalled_valid = true;

    uint16_t wish;
    uint64_t wish_gpa = vq->event_idx ? used_event_gpa(vq) : vq->avail_gpa + AVAIL_FLAGS;
    if (gm_load_le16_relaxed(vq->gm, wish_gpa, &wish) < 0)
        return false;
    bool wanted = vq->event_idx ? lapped || event_was_passed(wish, old, vq->next_used)
                                : !(wish & VRING_AVAIL_F_NO_INTERRUPT);
    if (wanted)
        count_add(&vq->count.interrupts, 1);
    return wanted;
}

/*
 * Tells the driver what to notify about. Cannot fail: vq_start() found the area in RAM, and RAM
 * does not change.
 */
static void store_wish(const struct vq *vq, uint64_t gpa, uint16_t wish)
{
    int stored = gm_store_le16_release(vq->gm, gpa, wish);
    assert(stored == 0);
    (void)stored;
}

void vq_disable_notify(struct vq *vq)
{
    /*
     * With EVENT_IDX an avail_event that was passed once stays silent for 65,535 chains without
     * help.
     */
    if (vq->started && !vq->broken && !vq->event_idx)
        store_wish(vq, vq->used_gpa + USED_FLAGS, VRING_USED_F_NO_NOTIFY);
}

bool vq_enable_notify(struct vq *vq)
{
    if (!vq->started || vq->broken)
        return false;
    if (vq->event_idx)
        store_wish(vq, avail_event_gpa(vq), vq->next_avail);
    else
        store_wish(vq, vq->used_gpa + USED_FLAGS, 0);
    /*
     * Full barrier: the wish must be visible before avail->idx is looked at again. Pairs with the
     * driver's full barrier between storing avail->idx and reading avail_event (or used->flags)
     * (2.7.13.4.1).
     */
    atomic_thread_fence(memory_order_seq_cst);
    /* A broken index counts as "something is there": vq_pop() finds and latches it. */
    return chains_waiting(vq) != 0;
}
