/* SPDX-License-Identifier: Apache-2.0 */
/* Console, checkpoints and the bare virtio-mmio driver of the payload guests. */
#include "tests/kvm/payload/pl.h"

#define SERIAL_DATA   0x3f8
#define SERIAL_STATUS 0x3fd
#define SLEEP_CONTROL 0x600
#define SLEEP_S5      (5 << 2 | 0x20)

#define VERSION   0x004u
#define DEVICE_ID 0x008u

/* An MMIO read each turn: the monitor's threads get to run, and the bound is some seconds on any
 * host. */
#define WAIT_TURNS 200000

static struct pl_desc desc_area[PL_QUEUES][PL_RING] __attribute__((aligned(4096)));
static struct pl_avail avail_area[PL_QUEUES] __attribute__((aligned(4096)));
static struct pl_used used_area[PL_QUEUES] __attribute__((aligned(4096)));

static void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void barrier(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void pl_puts(const char *text)
{
    for (; *text != '\0'; text++)
        outb(SERIAL_DATA, (uint8_t)*text);
}

void pl_value(const char *name, uint64_t value)
{
    char digits[21];
    unsigned int at = sizeof(digits) - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    pl_puts(name);
    pl_puts("=");
    pl_puts(&digits[at]);
    pl_puts("\n");
}

void pl_power_off(void)
{
    outb(SLEEP_CONTROL, SLEEP_S5);
    for (;;)
        __asm__ volatile("pause");
}

void pl_require(bool ok, const char *what)
{
    if (ok)
        return;
    pl_puts("fail: ");
    pl_puts(what);
    pl_puts("\n");
    pl_power_off();
}

void pl_checkpoint(const char *name)
{
    pl_puts("at ");
    pl_puts(name);
    pl_puts("\n");
    while (pl_typed() < 0)
        __asm__ volatile("pause");
}

int pl_typed(void)
{
    return (inb(SERIAL_STATUS) & 1) == 0 ? -1 : inb(SERIAL_DATA);
}

uint32_t pl_reg_read(uint32_t offset)
{
    return *(volatile uint32_t *)(PL_WINDOW + offset);
}

void pl_reg_write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(PL_WINDOW + offset) = value;
}

void pl_touch(uint64_t start, uint64_t len)
{
    for (uint64_t gpa = start; gpa < start + len; gpa += PL_PAGE)
        *(volatile uint64_t *)gpa = gpa | 1;
}

uint64_t pl_count_dirty(uint64_t start, uint64_t len)
{
    uint64_t dirty = 0;
    for (uint64_t gpa = start; gpa < start + len; gpa += PL_PAGE)
        dirty += *(volatile uint64_t *)gpa != 0;
    return dirty;
}

static void write_addr(uint32_t offset, uint64_t gpa)
{
    pl_reg_write(offset, (uint32_t)gpa);
    pl_reg_write(offset + 4, (uint32_t)(gpa >> 32));
}

void pl_queue_clear(uint16_t index, struct pl_queue *q)
{
    for (unsigned int i = 0; i < PL_RING; i++) {
        desc_area[index][i] = (struct pl_desc){0};
        avail_area[index].ring[i] = 0;
        used_area[index].ring[i].id = 0;
    }
    avail_area[index].flags = avail_area[index].idx = 0;
    used_area[index].flags = used_area[index].idx = 0;
    *q = (struct pl_queue){
        .desc = desc_area[index],
        .avail = &avail_area[index],
        .used = &used_area[index],
        .index = index,
    };
    pl_reg_write(PL_Q_SEL, index);
    uint32_t most = pl_reg_read(PL_Q_MAX);
    pl_require(most > 0, "QueueNumMax");
    q->size = (uint16_t)(most < PL_RING ? most : PL_RING);
}

void pl_queue_registers(const struct pl_queue *q, uint64_t desc, uint64_t driver, uint64_t device)
{
    pl_reg_write(PL_Q_SEL, q->index);
    pl_reg_write(PL_Q_NUM, q->size);
    write_addr(PL_Q_DESC, desc);
    write_addr(PL_Q_DRIVER, driver);
    write_addr(PL_Q_DEVICE, device);
    pl_reg_write(PL_Q_READY, 1);
}

void pl_queue_setup(uint16_t index, struct pl_queue *q)
{
    pl_queue_clear(index, q);
    pl_queue_registers(q, (uint64_t)q->desc, (uint64_t)q->avail, (uint64_t)q->used);
    pl_require(pl_reg_read(PL_Q_READY) == 1, "QueueReady");
}

void pl_handshake(uint64_t features)
{
    pl_require(pl_reg_read(PL_MAGIC) == 0x74726976, "magic value");
    pl_require(pl_reg_read(VERSION) == 2, "version");
    pl_require(pl_reg_read(DEVICE_ID) == 5, "device id");
    pl_reg_write(PL_STATUS, 0);
    pl_require(pl_reg_read(PL_STATUS) == 0, "reset");
    pl_reg_write(PL_STATUS, PL_S_ACKNOWLEDGE);
    pl_reg_write(PL_STATUS, PL_S_ACKNOWLEDGE | PL_S_DRIVER);
    pl_reg_write(PL_DRV_SEL, 0);
    pl_reg_write(PL_DRV_FEAT, (uint32_t)features);
    pl_reg_write(PL_DRV_SEL, 1);
    pl_reg_write(PL_DRV_FEAT, (uint32_t)(features >> 32));
    pl_reg_write(PL_STATUS, PL_S_ACKNOWLEDGE | PL_S_DRIVER | PL_S_FEATURES_OK);
    pl_require((pl_reg_read(PL_STATUS) & PL_S_FEATURES_OK) != 0, "features refused");
}

void pl_driver_ok(void)
{
    pl_reg_write(PL_STATUS, PL_S_RUNNING);
    pl_require(pl_reg_read(PL_STATUS) == PL_S_RUNNING, "DRIVER_OK");
}

void pl_balloon_init(uint64_t features, struct pl_queue *inflate, struct pl_queue *deflate)
{
    pl_handshake(features);
    pl_queue_setup(0, inflate);
    pl_queue_setup(1, deflate);
    pl_driver_ok();
}

void pl_desc(struct pl_queue *q, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags,
             uint16_t next)
{
    q->desc[i].addr = addr;
    q->desc[i].len = len;
    q->desc[i].flags = flags;
    q->desc[i].next = next;
}

void pl_chain(struct pl_queue *q, uint16_t first, uint16_t n, uint64_t addr, uint32_t len,
              uint64_t stride)
{
    for (uint16_t i = 0; i < n; i++) {
        uint16_t at = (uint16_t)(first + i);
        bool last = i == n - 1;
        pl_desc(q, at, addr + i * stride, len, last ? 0 : PL_NEXT, last ? 0 : (uint16_t)(at + 1));
    }
}

void pl_publish(struct pl_queue *q, uint16_t head)
{
    q->avail->ring[q->avail_idx % q->size] = head;
    barrier();
    q->avail_idx++;
    q->avail->idx = q->avail_idx;
}

void pl_kick(const struct pl_queue *q)
{
    barrier();
    pl_reg_write(PL_Q_NOTIFY, q->index);
}

bool pl_wait_used(const struct pl_queue *q)
{
    for (int turn = 0; turn < WAIT_TURNS; turn++) {
        if (q->used->idx == q->avail_idx)
            return true;
        (void)pl_reg_read(PL_MAGIC);
    }
    return false;
}

/* The compiler may call them for the struct copies above. */
void *memset(void *dst, int c, unsigned long n);
void *memset(void *dst, int c, unsigned long n)
{
    void *ret = dst;
    __asm__ volatile("rep stosb" : "+D"(dst), "+c"(n) : "a"(c) : "memory");
    return ret;
}

void *memcpy(void *dst, const void *src, unsigned long n);
void *memcpy(void *dst, const void *src, unsigned long n)
{
    void *ret = dst;
    __asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
    return ret;
}
