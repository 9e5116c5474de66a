/* SPDX-License-Identifier: Apache-2.0 */
/* Setup and teardown shared by the virtio tests. */
#include "tests/unit/virtio/fixture.h"

#include <check.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/support/fake_ram.h"

struct queue_fixture qf;
struct device_fixture df;

void queue_fixture_setup(void)
{
    memset(&qf, 0, sizeof(qf));
    qf.gm = fake_ram_create(FIX_RAM_START, FIX_RAM_BYTES);
    mock_driver_init(&qf.driver, NULL, qf.gm, -1);
    qf.vq.gm = qf.gm;
}

void queue_fixture_teardown(void)
{
    gm_destroy(qf.gm);
}

void queue_fixture_start(uint16_t size, bool event_idx)
{
    mock_layout_queue(&qf.driver, 0, size, FIX_RINGS);
    qf.driver.features = event_idx ? F_EVENT_IDX : 0;
    qf.vq.size = size;
    qf.vq.desc_gpa = qf.driver.vq[0].desc_gpa;
    qf.vq.avail_gpa = qf.driver.vq[0].avail_gpa;
    qf.vq.used_gpa = qf.driver.vq[0].used_gpa;
    qf.vq.event_idx = event_idx;
    ck_assert_int_eq(vq_start(&qf.vq), 0);
}

void device_fixture_setup(void)
{
    memset(&df, 0, sizeof(df));
    df.gm = fake_ram_create(FIX_RAM_START, FIX_RAM_BYTES);
    df.irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ck_assert_int_ge(df.irq_fd, 0);
    echo_init(&df.echo);
    mock_loop_init(&df.loop);
    ck_assert_int_eq(vmmio_create(&df.echo.vdev, df.gm, df.loop.loop, df.irq_fd, &df.transport), 0);
    mock_loop_run(&df.loop);
    mock_driver_init(&df.driver, df.transport, df.gm, df.irq_fd);
}

void device_fixture_teardown(void)
{
    mock_loop_stop(&df.loop);
    vmmio_destroy(df.transport);
    echo_finish(&df.echo);
    mock_loop_finish(&df.loop);
    close(df.irq_fd);
    gm_destroy(df.gm);
}
