/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the split virtqueue: the input is the queue's layout, a script of device calls and guest
 * stores, and the first bytes of 64 KiB of guest memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/queue.h"

#define RAM_START UINT64_C(0x10000)
#define RAM_BYTES UINT64_C(0x10000)
#define HEADER    9u
/* Pops of a hostile ring cost up to VQ_SIZE_LIMIT descriptors each: keeps one input fast. */
#define OPS_LIMIT 200u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct cursor {
    const uint8_t *data;
    size_t left;
};

/* What the pretended device holds: heads in the order they were taken. */
struct holder {
    uint16_t head[VQ_SIZE_LIMIT];
    unsigned n;
};

enum op {
    OP_POP,
    OP_PUSH_FIRST,
    OP_PUSH_LAST,
    OP_DECIDE,
    OP_DISABLE,
    OP_ENABLE,
    OP_STORE,
    OP_COUNT
};

static uint8_t take_u8(struct cursor *c)
{
    if (c->left == 0)
        return 0;
    c->left--;
    return *c->data++;
}

static uint16_t take_u16(struct cursor *c)
{
    uint16_t low = take_u8(c);
    return (uint16_t)(low | take_u8(c) << 8);
}

static void require(bool ok)
{
    if (!ok)
        abort();
}

static const struct gm *shared_ram(void)
{
    static struct gm *gm;
    const struct gm_range range = {RAM_START, RAM_BYTES};
    if (gm == NULL)
        require(gm_create(&range, 1, GM_BACKING_4K, &gm, NULL) == 0);
    return gm;
}

static void pop(struct vq *vq, struct holder *h)
{
    static struct vq_chain chain;
    bool was_open = vq->started && !vq->broken;
    int ret = vq_pop(vq, &chain);
    require(ret == 1 || ret == 0 || ret == -EBADMSG || ret == -EIO);
    require(vq->broken == (ret == -EIO) || !was_open);
    if (ret != 1)
        return;
    require(chain.n >= 1 && chain.n <= vq->size && chain.head < vq->size && h->n < vq->size);
    h->head[h->n++] = chain.head;
}

static void push(struct vq *vq, struct holder *h, unsigned i, uint32_t len)
{
    if (h->n == 0)
        return;
    uint16_t head = h->head[i];
    memmove(&h->head[i], &h->head[i + 1], (h->n - i - 1) * sizeof(h->head[0]));
    h->n--;
    require(vq_push(vq, head, len) == (vq->started && vq->broken ? -EIO : 0));
}

/* The guest's hand: two bytes anywhere, between any two calls of the device. */
static void guest_store(const struct gm *gm, struct cursor *c)
{
    uint64_t gpa = RAM_START + (take_u16(c) & (RAM_BYTES - 2));
    require(gm_store_le16_release(gm, gpa, take_u16(c)) == 0);
}

static void run_op(struct vq *vq, struct holder *h, struct cursor *script)
{
    switch ((enum op)(take_u8(script) % OP_COUNT)) {
    case OP_POP:
        pop(vq, h);
        break;
    case OP_PUSH_FIRST:
        push(vq, h, 0, take_u8(script));
        break;
    case OP_PUSH_LAST:
        push(vq, h, h->n - 1, UINT32_MAX);
        break;
    case OP_DECIDE:
        (void)vq_should_interrupt(vq);
        require(!vq_should_interrupt(vq));
        break;
    case OP_DISABLE:
        vq_disable_notify(vq);
        break;
    case OP_ENABLE:
        (void)vq_enable_notify(vq);
        break;
    case OP_STORE:
        guest_store(vq->gm, script);
        break;
    case OP_COUNT:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEADER)
        return 0;
    struct cursor c = {data, size};
    static struct holder held;
    held.n = 0;
    struct vq vq = {.gm = shared_ram()};
    uint8_t shape = take_u8(&c);
    uint8_t flags = take_u8(&c);
    vq.size = (uint16_t)(1u << (shape & 15));
    vq.event_idx = flags & 1;
    vq.desc_gpa = RAM_START + take_u16(&c);
    vq.avail_gpa = RAM_START + take_u16(&c);
    vq.used_gpa = RAM_START + take_u16(&c);
    size_t script_len = take_u8(&c);
    struct cursor script = {c.data, c.left < script_len ? c.left : script_len};
    c.data += script.left;
    c.left -= script.left;
    size_t fill = c.left < RAM_BYTES ? c.left : RAM_BYTES;
    require(gm_zero(vq.gm, RAM_START, RAM_BYTES) == 0);
    require(gm_write(vq.gm, RAM_START, c.data, fill) == 0);

    int started = vq_start(&vq);
    require((started == 0) == vq.started && vq.broken == !vq.started);
    if (flags & 2) { /* wrap-around of the free-running indices */
        vq.next_avail = UINT16_MAX;
        vq.next_used = UINT16_MAX;
        vq.signalled = UINT16_MAX;
    }
    for (unsigned i = 0; i < OPS_LIMIT && script.left > 0; i++)
        run_op(&vq, &held, &script);
    vq_reset(&vq);
    return 0;
}
