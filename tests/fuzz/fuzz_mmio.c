/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the virtio-mmio transport: the input is a script of register accesses, guest stores and
 * device requests. Driver and owner share one thread: the script runs as posted work, a few steps a
 * turn, and notifications in between.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/virtio/mmio.h"
#include "tests/unit/virtio/echo_device.h"
#include "vmm/base/log.h"

#define RAM_BYTES UINT64_C(0x20000)
/* Where OP_SETUP lays queues out: 16 entries each, one page for each area. */
#define QUEUE_SIZE       16u
#define QUEUE_GPA(i)     (UINT64_C(0x3000) * (i))
#define STEPS_LIMIT      400u
#define STEPS_PER_TURN   8u
#define STATUS_EARLY     (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define STATUS_FEATURES  (STATUS_EARLY | VIRTIO_CONFIG_S_FEATURES_OK)
#define STATUS_DRIVER_OK (STATUS_FEATURES | VIRTIO_CONFIG_S_DRIVER_OK)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct script {
    const uint8_t *data;
    size_t left;
    unsigned steps;
    const struct gm *gm;
    struct ev_loop *loop;
    struct ev_work work;
    struct echo echo;
    struct vmmio *transport;
};

enum op {
    OP_WRITE_REGISTER,
    OP_READ,
    OP_WRITE,
    OP_STORE,
    OP_SETUP,
    OP_DRIVER_OK,
    OP_NOTIFY,
    OP_CONFIG_CHANGED,
    OP_COUNT
};

static uint8_t take_u8(struct script *s)
{
    if (s->left == 0)
        return 0;
    s->left--;
    return *s->data++;
}

static uint32_t take_u32(struct script *s)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++)
        v = v << 8 | take_u8(s);
    return v;
}

static void require(bool ok)
{
    if (!ok)
        abort();
}

static const struct gm *shared_ram(void)
{
    static struct gm *gm;
    const struct gm_range range = {0, RAM_BYTES};
    if (gm == NULL)
        require(gm_create(&range, 1, GM_BACKING_4K, &gm, NULL) == 0);
    return gm;
}

static void write32(struct script *s, uint64_t offset, uint32_t value)
{
    vmmio_write(s->transport, offset, &value, sizeof(value));
}

/* A well-behaved driver up to the queues, so that inputs need not find the whole handshake. */
static void set_up(struct script *s)
{
    write32(s, VIRTIO_MMIO_STATUS, 0);
    write32(s, VIRTIO_MMIO_STATUS, STATUS_EARLY);
    write32(s, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    write32(s, VIRTIO_MMIO_DRIVER_FEATURES, 1);
    write32(s, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
    write32(s, VIRTIO_MMIO_DRIVER_FEATURES, take_u8(s) & 1 ? 0x20000001 : 1);
    write32(s, VIRTIO_MMIO_STATUS, STATUS_FEATURES);
    for (uint32_t i = 0; i < ECHO_QUEUES; i++) {
        write32(s, VIRTIO_MMIO_QUEUE_SEL, i);
        write32(s, VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE);
        write32(s, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)QUEUE_GPA(i));
        write32(s, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)QUEUE_GPA(i) + 0x1000);
        write32(s, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)QUEUE_GPA(i) + 0x2000);
        write32(s, VIRTIO_MMIO_QUEUE_READY, 1);
    }
}

static void any_access(struct script *s, bool is_write)
{
    static const uint32_t widths[] = {1, 2, 4, 8};
    uint8_t bytes[8];
    uint32_t head = take_u32(s);
    uint64_t offset = head & (VMMIO_WINDOW_SIZE - 1);
    uint32_t width = widths[head >> 30];
    if (!is_write) {
        vmmio_read(s->transport, offset, bytes, width);
        return;
    }
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = take_u8(s);
    vmmio_write(s->transport, offset, bytes, width);
}

static void run_step(struct script *s)
{
    uint64_t gpa;
    switch ((enum op)(take_u8(s) % OP_COUNT)) {
    case OP_WRITE_REGISTER:
        write32(s, 4u * (take_u8(s) % 64), take_u32(s));
        break;
    case OP_READ:
        any_access(s, false);
        break;
    case OP_WRITE:
        any_access(s, true);
        break;
    case OP_STORE:
        gpa = take_u32(s) & (RAM_BYTES - 2);
        require(gm_store_le16_release(s->gm, gpa, (uint16_t)take_u32(s)) == 0);
        break;
    case OP_SETUP:
        set_up(s);
        break;
    case OP_DRIVER_OK:
        write32(s, VIRTIO_MMIO_STATUS, STATUS_DRIVER_OK);
        break;
    case OP_NOTIFY:
        write32(s, VIRTIO_MMIO_QUEUE_NOTIFY, take_u8(s) % (ECHO_QUEUES + 1));
        break;
    case OP_CONFIG_CHANGED:
        vdev_config_changed(&s->echo.vdev);
        break;
    case OP_COUNT:
        break;
    }
    /* Queues run only between DRIVER_OK and reset, whatever came before. */
    uint8_t status = vmmio_status(s->transport);
    for (uint16_t i = 0; i < VDEV_MAX_VQS; i++)
        require(!s->echo.vdev.vqs[i].started || (status & VIRTIO_CONFIG_S_DRIVER_OK));
}

static void take_turn(void *arg)
{
    struct script *s = arg;
    for (unsigned i = 0; i < STEPS_PER_TURN && s->left > 0 && s->steps < STEPS_LIMIT; i++) {
        run_step(s);
        s->steps++;
    }
    if (s->left > 0 && s->steps < STEPS_LIMIT)
        ev_post(s->loop, &s->work);
    else
        ev_loop_stop(s->loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct script s;
    log_set_level(LOG_ERROR);
    s = (struct script){.data = data, .left = size, .gm = shared_ram()};
    require(gm_zero(s.gm, 0, RAM_BYTES) == 0);
    int irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    require(irq_fd >= 0 && ev_loop_create(&s.loop) == 0);
    echo_init(&s.echo);
    require(vmmio_create(&s.echo.vdev, s.gm, s.loop, irq_fd, &s.transport) == 0);
    s.echo.hold = size > 0 && (data[size - 1] & 1);
    s.work = (struct ev_work){.fn = take_turn, .arg = &s};
    ev_post(s.loop, &s.work);
    require(ev_loop_run(s.loop) == 0);
    vmmio_destroy(s.transport);
    echo_finish(&s.echo);
    ev_loop_destroy(s.loop);
    close(irq_fd);
    return 0;
}
