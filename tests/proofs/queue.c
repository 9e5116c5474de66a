/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs about the split virtqueue, whatever guest memory says: it answers each access with any
 * value, the same address with another one the next time, or fails.
 *
 * By induction: vq_start() ends in a state that is_sound() describes, and each call leads from any
 * such state to another, or to a broken queue, which touches nothing. So what is shown of one call
 * holds of every number of them. Bound: queue sizes up to VQ_SIZE_LIMIT, which is lowered for this.
 */
#include <errno.h>
#include <linux/virtio_ring.h>

#include "devices/virtio/queue.h"
#include "tests/proofs/nondet.h"

struct vq nondet_vq(void);
struct vring_desc nondet_desc(void);

static struct vq vq;
static struct vq_chain chain;
static bool memory_may_fail = true;

/* What guest memory saw of one call. */
static struct {
    unsigned accesses;
    unsigned table_reads;
    uint16_t next_index;
    struct vring_desc desc[VQ_SIZE_LIMIT];
    unsigned ring_reads;
    uint64_t ring_gpa;
    uint16_t ring_value;
    unsigned elements;
    uint64_t element_gpa;
    struct vring_used_elem element;
    unsigned stores;
    uint64_t stored_gpa;
    uint16_t stored;
    unsigned ram_checks;
    struct gm_range ram[3];
} seen;

/* The three areas as 2.7 sizes them. */
static struct gm_range table(void)
{
    return (struct gm_range){vq.desc_gpa, 16u * (uint64_t)vq.size};
}

static struct gm_range driver_area(void)
{
    return (struct gm_range){vq.avail_gpa, 6u + 2u * (uint64_t)vq.size};
}

static struct gm_range device_area(void)
{
    return (struct gm_range){vq.used_gpa, 6u + 8u * (uint64_t)vq.size};
}

static bool lies_in(struct gm_range area, uint64_t gpa, uint64_t len)
{
    return gpa >= area.start && gpa - area.start < area.len_bytes &&
           len <= area.len_bytes - (gpa - area.start);
}

static bool access_fails(void)
{
    seen.accesses++;
    return memory_may_fail && nondet_bool();
}

bool gm_is_ram(const struct gm *gm, struct gm_range r)
{
    uint64_t end;
    if (nondet_bool() || __builtin_add_overflow(r.start, r.len_bytes, &end))
        return false;
    seen.ram[seen.ram_checks++] = r;
    return true;
}

/* Reads the descriptor that the ring, or the one before it, named: its place in the table. */
int gm_read(const struct gm *gm, uint64_t gpa, void *dst, size_t len)
{
    assert(len == 16 && seen.next_index < vq.size);
    assert(gpa == vq.desc_gpa + 16u * (uint64_t)seen.next_index);
    if (access_fails())
        return -EFAULT;
    struct vring_desc desc = nondet_desc();
    *(struct vring_desc *)dst = desc;
    seen.next_index = desc.next;
    seen.desc[seen.table_reads++] = desc;
    return 0;
}

int gm_write(const struct gm *gm, uint64_t gpa, const void *src, size_t len)
{
    assert(len == sizeof(struct vring_used_elem) && lies_in(device_area(), gpa, len));
    if (access_fails())
        return -EFAULT;
    seen.elements++;
    seen.element_gpa = gpa;
    seen.element = *(const struct vring_used_elem *)src;
    return 0;
}

int gm_load_le16_acquire(const struct gm *gm, uint64_t gpa, uint16_t *out)
{
    assert(gpa == vq.avail_gpa + 2);
    if (access_fails())
        return -EFAULT;
    *out = nondet_u16();
    return 0;
}

int gm_load_le16_relaxed(const struct gm *gm, uint64_t gpa, uint16_t *out)
{
    assert(gpa % 2 == 0 && lies_in(driver_area(), gpa, 2));
    if (access_fails())
        return -EFAULT;
    seen.ring_reads++;
    seen.ring_gpa = gpa;
    *out = seen.ring_value = seen.next_index = nondet_u16();
    return 0;
}

int gm_store_le16_release(const struct gm *gm, uint64_t gpa, uint16_t value)
{
    assert(gpa % 2 == 0 && lies_in(device_area(), gpa, 2));
    if (access_fails())
        return -EFAULT;
    seen.stores++;
    seen.stored_gpa = gpa;
    seen.stored = value;
    return 0;
}

static uint16_t held(void)
{
    return (uint16_t)(vq.next_avail - vq.next_used);
}

/* A queue that runs: the invariant of the induction. */
static bool is_sound(void)
{
    uint64_t end;
    return vq.started && !vq.broken && vq.size > 0 && vq.size <= VQ_SIZE_LIMIT &&
           (vq.size & (vq.size - 1)) == 0 && vq.desc_gpa % 16 == 0 && vq.avail_gpa % 2 == 0 &&
           vq.used_gpa % 4 == 0 && gm_range_end(table(), &end) &&
           gm_range_end(driver_area(), &end) && gm_range_end(device_area(), &end) &&
           held() <= vq.size;
}

/* No counter of events reaches 2^64. */
static void any_queue(void)
{
    vq = nondet_vq();
    const uint64_t room = UINT64_MAX - VQ_SIZE_LIMIT;
    assume(vq.count.chains < room && vq.count.descriptors < room && vq.count.used < room);
    assume(vq.count.interrupts < room && vq.count.bad_chain < room && vq.count.bad_ring < room);
}

static void any_sound_queue(void)
{
    any_queue();
    assume(is_sound());
}

void start_takes_only_areas_in_ram(void)
{
    any_queue();

    int ret = vq_start(&vq);

    assert(ret == 0 || ret == -EINVAL);
    assert(seen.accesses == 0);
    assert(ret != 0 || (is_sound() && held() == 0 && seen.ram_checks == 3));
    for (unsigned i = 0; ret == 0 && i < 3; i++) {
        struct gm_range area = i == 0 ? table() : i == 1 ? driver_area() : device_area();
        assert(seen.ram[i].start == area.start && seen.ram[i].len_bytes == area.len_bytes);
    }
    assert(ret == 0 || (!vq.started && vq.broken));
    reached(ret == 0 && vq.size == VQ_SIZE_LIMIT);
    reached(ret == 0 && vq.size == 1);
    reached(ret == -EINVAL && seen.ram_checks == 2);
}

/* The chain that was copied is the one that memory showed, each descriptor read once. */
static void chain_is_what_was_read(void)
{
    assert(chain.n >= 1 && chain.n <= vq.size && chain.n == seen.table_reads);
    for (unsigned k = 0; k < VQ_SIZE_LIMIT && k < chain.n; k++) {
        assert(chain.seg[k].gpa == seen.desc[k].addr && chain.seg[k].len == seen.desc[k].len);
        assert(chain.seg[k].writable == ((seen.desc[k].flags & VRING_DESC_F_WRITE) != 0));
        assert(!(seen.desc[k].flags & VRING_DESC_F_INDIRECT));
        assert(((seen.desc[k].flags & VRING_DESC_F_NEXT) != 0) == (k + 1u < chain.n));
    }
}

/* Everything that has become visible to the driver: this head, once, in the next free element. */
static void gave_back_once(uint16_t head, uint32_t len, uint16_t old_used)
{
    assert(seen.elements == 1 && seen.stores == 1);
    assert(seen.element.id == head && seen.element.len == len);
    assert(seen.element_gpa == vq.used_gpa + 4 + 8u * (uint64_t)(old_used & (vq.size - 1)));
    assert(seen.stored_gpa == vq.used_gpa + 2 && seen.stored == (uint16_t)(old_used + 1));
    assert(vq.next_used == (uint16_t)(old_used + 1));
}

static void gave_nothing_back(uint16_t old_used)
{
    assert(seen.stores == 0 && vq.next_used == old_used);
}

void pop_takes_each_entry_once(void)
{
    any_sound_queue();
    const struct vq old = vq;

    int ret = vq_pop(&vq, &chain);

    assert(ret == 1 || ret == 0 || ret == -EBADMSG || ret == -EIO);
    assert(seen.table_reads <= vq.size && seen.ring_reads <= 1);
    assert(ret == -EIO ? vq.broken : is_sound());
    uint16_t taken = (uint16_t)(vq.next_avail - old.next_avail);
    if (ret == 1 || ret == -EBADMSG) {
        assert(taken == 1 && seen.ring_reads == 1);
        assert(seen.ring_gpa == vq.avail_gpa + 4 + 2u * (uint64_t)(old.next_avail & (vq.size - 1)));
        assert(chain.head == seen.ring_value && chain.head < vq.size);
    }
    if (ret == 1)
        chain_is_what_was_read();
    if (ret == -EBADMSG)
        gave_back_once(chain.head, 0, old.next_used);
    else
        gave_nothing_back(old.next_used);
    assert(ret == -EBADMSG || ret == -EIO || seen.elements == 0);
    assert(ret != 0 || taken == 0);
    reached(ret == 1 && chain.n == VQ_SIZE_LIMIT && old.next_avail == UINT16_MAX);
    reached(ret == 1 && chain.n == 1 && held() == vq.size);
    reached(ret == -EBADMSG && seen.table_reads == VQ_SIZE_LIMIT);
    reached(ret == -EBADMSG && seen.table_reads == 0);
    reached(ret == -EIO && seen.ring_reads == 1 && chain.head == vq.size);
    reached(ret == -EIO && seen.elements == 1);
    reached(ret == 0);
}

void push_gives_one_head_back_once(void)
{
    any_sound_queue();
    const struct vq old = vq;
    uint16_t head = nondet_u16();
    uint32_t len = nondet_u32();
    assume(head < vq.size && held() > 0);

    int ret = vq_push(&vq, head, len);

    assert(ret == 0 || ret == -EIO);
    assert(seen.table_reads == 0 && seen.ring_reads == 0);
    assert(vq.next_avail == old.next_avail);
    assert(ret == 0 ? is_sound() : vq.broken);
    if (ret == 0)
        gave_back_once(head, len, old.next_used);
    else
        gave_nothing_back(old.next_used);
    reached(ret == 0 && old.next_used == UINT16_MAX);
    reached(ret == -EIO && seen.elements == 1);
}

/* Memory that was RAM when the queue was started still is: the calls below rely on it. */
void notifying_touches_only_flags_and_events(void)
{
    any_sound_queue();
    const struct vq old = vq;
    memory_may_fail = false;
    uint8_t call = nondet_u8();

    bool answer = false;
    if (call == 0)
        answer = vq_should_interrupt(&vq);
    else if (call == 1)
        vq_disable_notify(&vq);
    else
        answer = vq_enable_notify(&vq);

    assert(is_sound());
    assert(vq.next_avail == old.next_avail && vq.next_used == old.next_used);
    assert(seen.table_reads == 0 && seen.elements == 0 && seen.stores <= 1 && seen.ring_reads <= 1);
    uint64_t event_gpa = vq.used_gpa + 4 + 8u * (uint64_t)vq.size;
    assert(seen.stores == 0 || seen.stored_gpa == (vq.event_idx ? event_gpa : vq.used_gpa));
    uint64_t wish_gpa = vq.avail_gpa + (vq.event_idx ? 4 + 2u * (uint64_t)vq.size : 0);
    assert(seen.ring_reads == 0 || seen.ring_gpa == wish_gpa);
    reached(call == 0 && answer && vq.event_idx);
    reached(call == 0 && answer && !vq.event_idx);
    reached(call == 1 && seen.stores == 1);
    reached(call == 2 && answer && seen.stores == 1 && vq.event_idx);
}

void stopped_or_broken_touches_nothing(void)
{
    any_queue();
    assume(!vq.started || vq.broken);
    const struct vq old = vq;
    uint8_t call = nondet_u8();

    int ret = 0;
    if (call == 0)
        ret = vq_pop(&vq, &chain);
    else if (call == 1)
        ret = vq_push(&vq, nondet_u16(), nondet_u32());
    else if (call == 2)
        ret = vq_should_interrupt(&vq) || vq_enable_notify(&vq);
    else
        vq_disable_notify(&vq);

    assert(ret == (call == 1 && old.started ? -EIO : 0));
    assert(seen.accesses == 0 && seen.ram_checks == 0);
    assert(vq.next_avail == old.next_avail && vq.next_used == old.next_used);
    assert(vq.broken == old.broken && vq.started == old.started);
    reached(call == 0 && old.started);
    reached(call == 1 && !old.started && !old.broken);
}
