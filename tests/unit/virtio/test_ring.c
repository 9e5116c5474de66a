/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of a queue's layout, its indices, and rings that lie. */
#include <check.h>
#include <errno.h>

#include "tests/unit/virtio/fixture.h"
#include "tests/unit/virtio/suites.h"
#include "vmm/base/num.h"

#define SIZE    16u
#define RAM_END (FIX_RAM_START + FIX_RAM_BYTES)
/* Bytes of the three areas of a queue of SIZE. */
#define DESC_BYTES  (16 * SIZE)
#define AVAIL_BYTES (6 + 2 * SIZE)
#define USED_BYTES  (6 + 8 * SIZE)

static uint64_t counter(const _Atomic uint64_t *c)
{
    return atomic_load(c);
}

struct layout {
    const char *what;
    uint16_t size;
    uint64_t desc, avail, used;
    bool ok;
};

#define D FIX_RINGS
#define A (FIX_RINGS + 0x10000)
#define U (FIX_RINGS + 0x20000)

static const struct layout layouts[] = {
    {"plain", SIZE, D, A, U, true},
    {"largest", VQ_SIZE_LIMIT, D, A, U, true},
    {"size 0", 0, D, A, U, false},
    {"size not a power of two", 12, D, A, U, false},
    {"size above the limit", 2 * VQ_SIZE_LIMIT, D, A, U, false},
    {"size 32768", 32768, D, A, U, false},
    {"descriptors misaligned", SIZE, D + 8, A, U, false},
    {"driver area misaligned", SIZE, D, A + 1, U, false},
    {"device area misaligned", SIZE, D, A, U + 2, false},
    {"driver area on an even address", SIZE, D, A + 2, U, true},
    {"device area on a multiple of four", SIZE, D, A, U + 4, true},
    {"descriptors end with RAM", SIZE, RAM_END - DESC_BYTES, A, U, true},
    {"descriptors pass RAM", SIZE, RAM_END - DESC_BYTES + 16, A, U, false},
    {"driver area ends with RAM", SIZE, D, RAM_END - AVAIL_BYTES, U, true},
    {"used_event outside RAM", SIZE, D, RAM_END - AVAIL_BYTES + 2, U, false},
    {"device area near the end of RAM", SIZE, D, A, RAM_END - USED_BYTES - 2, true},
    {"avail_event outside RAM", SIZE, D, A, RAM_END - USED_BYTES + 2, false},
    {"descriptors below RAM", SIZE, 0, A, U, false},
    {"driver area below RAM", SIZE, D, FIX_RAM_START - 2, U, false},
    {"device area nowhere", SIZE, D, A, UINT64_C(1) << 40, false},
    {"descriptors past 2^64", SIZE, UINT64_MAX - 15, A, U, false},
    {"driver area past 2^64", SIZE, D, UINT64_MAX - 1, U, false},
    {"device area past 2^64", SIZE, D, A, UINT64_MAX - 3, false},
};

START_TEST(a_queue_starts_only_where_its_areas_are_aligned_ram)
{
    const struct layout *l = &layouts[_i];
    struct vq *vq = &qf.vq;
    vq->size = l->size;
    vq->desc_gpa = l->desc;
    vq->avail_gpa = l->avail;
    vq->used_gpa = l->used;
    ck_assert_msg(vq_start(vq) == (l->ok ? 0 : -EINVAL), "%s", l->what);
    ck_assert_int_eq(vq->started, l->ok);
    ck_assert_int_eq(vq->broken, !l->ok);
    ck_assert_uint_eq(counter(&vq->count.bad_ring), l->ok ? 0 : 1);
    ck_assert_int_eq(vq_pop(vq, &qf.chain), 0);
    ck_assert(!vq_enable_notify(vq));
}
END_TEST

static void publish_single(uint16_t slots, uint16_t idx)
{
    for (uint16_t i = 0; i < slots; i++) {
        mock_put_desc(&qf.driver, 0, i, FIX_DATA + i, 8, 0, 0);
        mock_put_avail(&qf.driver, 0, i, i);
    }
    mock_put_avail_idx(&qf.driver, 0, idx);
}

static void ck_latched(void)
{
    ck_assert(qf.vq.broken);
    ck_assert_uint_eq(counter(&qf.vq.count.bad_ring), 1);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 0);
    ck_assert_int_eq(vq_push(&qf.vq, 0, 0), -EIO);
    ck_assert(!vq_should_interrupt(&qf.vq));
    ck_assert(!vq_enable_notify(&qf.vq));
    ck_assert_uint_eq(counter(&qf.vq.count.bad_ring), 1);
}

START_TEST(an_avail_index_too_far_ahead_breaks_the_ring)
{
    static const uint16_t ahead[] = {SIZE + 1, 2 * SIZE, 40000, 0x8000, 0xffff};
    queue_fixture_start(SIZE, false);
    publish_single(SIZE, ahead[_i]);
    ck_assert(vq_enable_notify(&qf.vq));
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), -EIO);
    ck_latched();
    ck_assert_uint_eq(mock_get_used_idx(&qf.driver, 0), 0);
}
END_TEST

START_TEST(a_full_ring_is_not_too_far_ahead)
{
    queue_fixture_start(SIZE, false);
    publish_single(SIZE, SIZE);
    for (unsigned i = 0; i < SIZE; i++)
        ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 0);
    ck_assert(!qf.vq.broken);
}
END_TEST

START_TEST(more_chains_in_flight_than_descriptors_break_the_ring)
{
    queue_fixture_start(SIZE, false);
    publish_single(SIZE, SIZE);
    for (unsigned i = 0; i < SIZE; i++)
        ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
    ck_assert_int_eq(vq_push(&qf.vq, 3, 0), 0);
    publish_single(SIZE, SIZE + 1);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
    publish_single(SIZE, SIZE + 2);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), -EIO);
    ck_latched();
}
END_TEST

START_TEST(an_avail_index_that_goes_back_breaks_the_ring)
{
    queue_fixture_start(SIZE, false);
    publish_single(SIZE, 3);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
    mock_put_avail_idx(&qf.driver, 0, 1);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), -EIO);
    ck_latched();
}
END_TEST

START_TEST(a_head_outside_the_table_breaks_the_ring)
{
    static const uint16_t heads[] = {SIZE, SIZE + 1, 0x8000, 0xffff};
    queue_fixture_start(SIZE, false);
    mock_publish_head(&qf.driver, 0, heads[_i]);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), -EIO);
    ck_latched();
    ck_assert_uint_eq(counter(&qf.vq.count.bad_chain), 0);
}
END_TEST

START_TEST(indices_wrap_around_at_65536)
{
    const unsigned rounds = 3 * 65536 / SIZE + 5;
    queue_fixture_start(SIZE, _i);
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < SIZE; i++) {
            const struct mock_seg seg = {.gpa = FIX_DATA + round, .len = i};
            ck_assert_int_ge(mock_add(&qf.driver, 0, &seg, 1), 0);
        }
        mock_publish(&qf.driver, 0);
        for (unsigned i = 0; i < SIZE; i++) {
            if (vq_pop(&qf.vq, &qf.chain) != 1 || qf.chain.seg[0].len != i ||
                qf.chain.seg[0].gpa != FIX_DATA + round)
                ck_abort_msg("round %u, chain %u", round, i);
            ck_assert_int_eq(vq_push(&qf.vq, qf.chain.head, i), 0);
        }
        ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 0);
        for (unsigned i = 0; i < SIZE; i++) {
            uint32_t head;
            uint32_t len;
            if (!mock_poll_used(&qf.driver, 0, &head, &len) || len != i)
                ck_abort_msg("round %u, used element %u", round, i);
        }
    }
    ck_assert_uint_eq(counter(&qf.vq.count.chains), UINT64_C(1) * rounds * SIZE);
    ck_assert(!qf.vq.broken);
}
END_TEST

START_TEST(too_far_ahead_is_measured_across_the_wrap)
{
    queue_fixture_start(SIZE, false);
    qf.vq.next_avail = qf.vq.next_used = 0xfffe;
    publish_single(SIZE, (uint16_t)(0xfffe + SIZE));
    for (unsigned i = 0; i < SIZE; i++) {
        ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
        ck_assert_uint_eq(qf.chain.head, (0xfffe + i) % SIZE);
        ck_assert_int_eq(vq_push(&qf.vq, qf.chain.head, 0), 0);
    }
    qf.vq.next_avail = qf.vq.next_used = 0xfffe;
    mock_put_avail_idx(&qf.driver, 0, (uint16_t)(0xffff + SIZE));
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), -EIO);
    ck_latched();
}
END_TEST

START_TEST(a_reset_queue_is_stopped_and_keeps_memory_and_counters)
{
    queue_fixture_start(SIZE, true);
    publish_single(1, 1);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
    ck_assert_int_eq(vq_push(&qf.vq, 0, 0), 0);
    vq_reset(&qf.vq);
    ck_assert_ptr_eq(qf.vq.gm, qf.gm);
    ck_assert_uint_eq(counter(&qf.vq.count.chains), 1);
    ck_assert(!qf.vq.started && !qf.vq.event_idx && !qf.vq.broken);
    ck_assert_uint_eq(qf.vq.size, 0);
    ck_assert_uint_eq(qf.vq.next_avail, 0);
    ck_assert_uint_eq(qf.vq.next_used, 0);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 0);
    ck_assert_int_eq(vq_push(&qf.vq, 0, 0), 0);
    ck_assert(!vq_should_interrupt(&qf.vq));
    ck_assert(!vq_enable_notify(&qf.vq));
    vq_disable_notify(&qf.vq);
    ck_assert_uint_eq(mock_get_used_idx(&qf.driver, 0), 1);
}
END_TEST

START_TEST(a_broken_queue_works_again_after_reset_and_start)
{
    queue_fixture_start(SIZE, false);
    mock_put_avail_idx(&qf.driver, 0, 40000);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), -EIO);
    vq_reset(&qf.vq);
    queue_fixture_start(SIZE, false);
    publish_single(1, 1);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
    ck_assert_uint_eq(counter(&qf.vq.count.bad_ring), 1);
}
END_TEST

Suite *ring_suite(void)
{
    Suite *suite = suite_create("virtio/ring");
    TCase *tc = tcase_create("ring");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, queue_fixture_setup, queue_fixture_teardown);
    tcase_add_loop_test(tc, a_queue_starts_only_where_its_areas_are_aligned_ram, 0,
                        ARRAY_LEN(layouts));
    tcase_add_loop_test(tc, an_avail_index_too_far_ahead_breaks_the_ring, 0, 5);
    tcase_add_test(tc, a_full_ring_is_not_too_far_ahead);
    tcase_add_test(tc, more_chains_in_flight_than_descriptors_break_the_ring);
    tcase_add_test(tc, an_avail_index_that_goes_back_breaks_the_ring);
    tcase_add_loop_test(tc, a_head_outside_the_table_breaks_the_ring, 0, 4);
    tcase_add_loop_test(tc, indices_wrap_around_at_65536, 0, 2);
    tcase_add_test(tc, too_far_ahead_is_measured_across_the_wrap);
    tcase_add_test(tc, a_reset_queue_is_stopped_and_keeps_memory_and_counters);
    tcase_add_test(tc, a_broken_queue_works_again_after_reset_and_start);
    suite_add_tcase(suite, tc);
    return suite;
}
