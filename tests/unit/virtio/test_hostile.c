/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver that rewrites chains while the queue reads them, through a mapping of its own as a guest
 * has it; one that offers the same chain again and again; and one that only resets.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/virtio/fixture.h"
#include "tests/unit/virtio/suites.h"
#include "vmm/base/num.h"

#define SIZE   16u
#define ROUNDS 20000u

#define N VRING_DESC_F_NEXT
#define W VRING_DESC_F_WRITE

static uint8_t *guest;
static atomic_bool stop;

static void setup(void)
{
    queue_fixture_setup();
    guest =
        mmap(NULL, FIX_RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, gm_region_at(qf.gm, 0).fd, 0);
    ck_assert_ptr_ne(guest, MAP_FAILED);
}

static void teardown(void)
{
    ck_assert_int_eq(munmap(guest, FIX_RAM_BYTES), 0);
    queue_fixture_teardown();
}

static void *at(uint64_t gpa)
{
    return guest + (gpa - FIX_RAM_START);
}

/* Two lives of each descriptor; a reader that looks twice sees both. */
static const struct vring_desc lives[][2] = {
    {{FIX_DATA, 4096, N, 1}, {UINT64_MAX, 0, N | W, 2}},
    {{FIX_DATA, 4096, N, 2}, {UINT64_MAX, 0, 0, 0}},
    {{FIX_DATA, 4096, 0, 0}, {UINT64_MAX, 0, N, 0}},
};

static void *rewrite(void *arg)
{
    (void)arg;
    for (unsigned turn = 0; !atomic_load(&stop); turn++) {
        for (uint16_t i = 0; i < ARRAY_LEN(lives); i++)
            memcpy(at(qf.vq.desc_gpa + 16 * i), &lives[i][(turn >> i) & 1], 16);
    }
    return NULL;
}

static void publish(uint16_t round)
{
    uint16_t *ring = at(qf.vq.avail_gpa + 4);
    ring[round % SIZE] = 0;
    __atomic_store_n((uint16_t *)at(qf.vq.avail_gpa + 2), (uint16_t)(round + 1), __ATOMIC_RELEASE);
}

START_TEST(a_chain_that_is_rewritten_is_bounded_and_given_back_once)
{
    pthread_t writer;
    unsigned good = 0;
    queue_fixture_start(SIZE, false);
    atomic_store(&stop, false);
    ck_assert_int_eq(pthread_create(&writer, NULL, rewrite, NULL), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        publish((uint16_t)round);
        int ret = vq_pop(&qf.vq, &qf.chain);
        ck_assert_msg(ret == 1 || ret == -EBADMSG, "round %u: %d", round, ret);
        if (ret == 1) {
            good++;
            ck_assert_uint_ge(qf.chain.n, 1);
            ck_assert_uint_le(qf.chain.n, SIZE);
            ck_assert_int_eq(vq_push(&qf.vq, qf.chain.head, 0), 0);
        }
    }
    atomic_store(&stop, true);
    ck_assert_int_eq(pthread_join(writer, NULL), 0);
    ck_assert_uint_eq(atomic_load(&qf.vq.count.used), ROUNDS);
    ck_assert_uint_eq(atomic_load(&qf.vq.count.chains), good);
    ck_assert_uint_eq(atomic_load(&qf.vq.count.bad_chain), ROUNDS - good);
    ck_assert(!qf.vq.broken);
}
END_TEST

START_TEST(one_head_may_wait_in_every_slot)
{
    queue_fixture_start(SIZE, false);
    mock_put_desc(&qf.driver, 0, 3, FIX_DATA, 16, 0, 0);
    for (unsigned i = 0; i < SIZE; i++)
        mock_publish_head(&qf.driver, 0, 3);
    for (unsigned i = 0; i < SIZE; i++)
        ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 0);
    for (unsigned i = 0; i < SIZE; i++)
        ck_assert_int_eq(vq_push(&qf.vq, 3, 0), 0);
    ck_assert_uint_eq(mock_get_used_idx(&qf.driver, 0), SIZE);
    ck_assert(!qf.vq.broken);
}
END_TEST

START_TEST(thousands_of_resets_leave_a_device_that_works)
{
    const struct mock_seg seg = {.gpa = FIX_DATA, .len = 100};
    for (int i = 0; i < 5000; i++) {
        mock_driver_start(&df.driver, i % 2 == 0 ? 0 : F_EVENT_IDX, 2, 16, FIX_RINGS);
        (void)mock_send(&df.driver, (uint16_t)(i % 2), &seg, 1);
        mock_driver_reset(&df.driver);
        mock_driver_reset(&df.driver);
    }
    ck_assert_uint_eq(df.echo.activations, 5000);
    mock_driver_start(&df.driver, 0, 2, 16, FIX_RINGS);
    uint64_t bytes = df.echo.bytes;
    (void)mock_send(&df.driver, 0, &seg, 1);
    ck_assert(mock_wait_used_n(&df.driver, 0, 1));
    ck_assert_uint_eq(df.echo.bytes, bytes + 100);
    ck_assert_uint_eq(mock_bad_register(&df.driver), 0);
}
END_TEST

/* One eventfd for each queue number, whatever features the driver negotiated. */
START_TEST(a_notification_of_a_queue_that_is_not_there_is_lost_with_the_reset)
{
    uint64_t one = 1;
    mock_driver_start(&df.driver, 0, 2, 16, FIX_RINGS);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(write(vmmio_notify_fd(df.transport, 2), &one, sizeof(one)), sizeof(one));
    mock_loop_sync(&df.loop);
    ck_assert_uint_eq(df.echo.turns[2], 0);
    mock_driver_start(&df.driver, F_THIRD, 3, 16, FIX_RINGS);
    mock_loop_sync(&df.loop);
    ck_assert_uint_eq(df.echo.notifications[2], 0);
}
END_TEST

Suite *hostile_suite(void)
{
    Suite *suite = suite_create("virtio/hostile");
    TCase *queue = tcase_create("hostile queue");
    tcase_set_timeout(queue, 60);
    tcase_add_checked_fixture(queue, setup, teardown);
    tcase_add_test(queue, a_chain_that_is_rewritten_is_bounded_and_given_back_once);
    tcase_add_test(queue, one_head_may_wait_in_every_slot);
    suite_add_tcase(suite, queue);
    TCase *device = tcase_create("hostile device");
    tcase_set_timeout(device, 60);
    tcase_add_checked_fixture(device, device_fixture_setup, device_fixture_teardown);
    tcase_add_test(device, thousands_of_resets_leave_a_device_that_works);
    tcase_add_test(device, a_notification_of_a_queue_that_is_not_there_is_lost_with_the_reset);
    suite_add_tcase(suite, device);
    return suite;
}
