/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the queue and of the transport start from. */
#ifndef AEROSTAT_TESTS_VIRTIO_FIXTURE_H
#define AEROSTAT_TESTS_VIRTIO_FIXTURE_H

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "tests/support/mock_driver.h"
#include "tests/unit/virtio/echo_device.h"

#define FIX_RAM_START UINT64_C(0x100000)
#define FIX_RAM_BYTES UINT64_C(0x100000)
/* Queues from here on, data behind them. */
#define FIX_RINGS (FIX_RAM_START + UINT64_C(0x1000))
#define FIX_DATA  (FIX_RAM_START + UINT64_C(0x80000))

#define F_VERSION_1 (UINT64_C(1) << VIRTIO_F_VERSION_1)
#define F_EVENT_IDX (UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX)
#define F_THIRD     (UINT64_C(1) << ECHO_F_THIRD_QUEUE)
#define F_HIGH      (UINT64_C(1) << ECHO_F_HIGH)

#define ST_ACK         ((uint32_t)VIRTIO_CONFIG_S_ACKNOWLEDGE)
#define ST_DRIVER      (ST_ACK | VIRTIO_CONFIG_S_DRIVER)
#define ST_FEATURES_OK (ST_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)
#define ST_DRIVER_OK   (ST_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)
#define ST_NEEDS_RESET ((uint32_t)VIRTIO_CONFIG_S_NEEDS_RESET)
#define ST_FAILED      ((uint32_t)VIRTIO_CONFIG_S_FAILED)

/* A queue without a transport. */
struct queue_fixture {
    struct gm *gm;
    struct mock_driver driver; /* no transport: rings only, as queue 0 */
    struct vq vq;
    struct vq_chain chain;
};

extern struct queue_fixture qf;
void queue_fixture_setup(void);
void queue_fixture_teardown(void);
/* Lays queue 0 out with size entries and starts it. */
void queue_fixture_start(uint16_t size, bool event_idx);

/* An echo device behind a transport, its owner on a thread of its own. */
struct device_fixture {
    struct gm *gm;
    int irq_fd;
    struct echo echo;
    struct mock_loop loop;
    struct vmmio *transport;
    struct mock_driver driver;
};

extern struct device_fixture df;
void device_fixture_setup(void);
void device_fixture_teardown(void);

#endif
