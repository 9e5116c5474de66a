/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of vq_pop() and vq_push() on single chains, honest and malformed. */
#include <check.h>
#include <errno.h>

#include "tests/unit/virtio/fixture.h"
#include "tests/unit/virtio/suites.h"
#include "vmm/base/num.h"

#define SIZE 8u
#define N    VRING_DESC_F_NEXT
#define W    VRING_DESC_F_WRITE
#define I    VRING_DESC_F_INDIRECT

static uint64_t counter(const _Atomic uint64_t *c)
{
    return atomic_load(c);
}

static void add_simple(uint64_t gpa)
{
    const struct mock_seg seg = {.gpa = gpa, .len = 64};
    ck_assert_int_ge(mock_add(&qf.driver, 0, &seg, 1), 0);
}

START_TEST(a_chain_is_copied_field_by_field)
{
    const struct mock_seg segs[] = {{.gpa = FIX_DATA, .len = 1},
                                    {.gpa = UINT64_MAX, .len = UINT32_MAX},
                                    {.gpa = 0, .len = 0, .writable = true}};
    queue_fixture_start(SIZE, false);
    int head = mock_add(&qf.driver, 0, segs, ARRAY_LEN(segs));
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 0);
    mock_publish(&qf.driver, 0);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
    ck_assert_int_eq(qf.chain.head, head);
    ck_assert_int_eq(qf.chain.n, ARRAY_LEN(segs));
    for (size_t i = 0; i < ARRAY_LEN(segs); i++) {
        ck_assert_uint_eq(qf.chain.seg[i].gpa, segs[i].gpa);
        ck_assert_uint_eq(qf.chain.seg[i].len, segs[i].len);
        ck_assert_int_eq(qf.chain.seg[i].writable, segs[i].writable);
    }
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 0);
    ck_assert_uint_eq(counter(&qf.vq.count.chains), 1);
    ck_assert_uint_eq(counter(&qf.vq.count.descriptors), ARRAY_LEN(segs));
}
END_TEST

START_TEST(a_pushed_chain_reaches_the_driver_with_its_length)
{
    uint32_t head;
    uint32_t len;
    queue_fixture_start(SIZE, false);
    add_simple(FIX_DATA);
    mock_publish(&qf.driver, 0);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
    ck_assert(!mock_poll_used(&qf.driver, 0, &head, &len));
    ck_assert_int_eq(vq_push(&qf.vq, qf.chain.head, UINT32_MAX), 0);
    ck_assert(mock_poll_used(&qf.driver, 0, &head, &len));
    ck_assert_uint_eq(head, qf.chain.head);
    ck_assert_uint_eq(len, UINT32_MAX);
    ck_assert_uint_eq(counter(&qf.vq.count.used), 1);
}
END_TEST

START_TEST(chains_may_come_back_in_any_order)
{
    uint16_t heads[SIZE];
    queue_fixture_start(SIZE, false);
    for (unsigned i = 0; i < SIZE; i++)
        add_simple(FIX_DATA + i);
    mock_publish(&qf.driver, 0);
    for (unsigned i = 0; i < SIZE; i++) {
        ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
        ck_assert_uint_eq(qf.chain.seg[0].gpa, FIX_DATA + i);
        heads[i] = qf.chain.head;
    }
    for (unsigned i = SIZE; i > 0; i--)
        ck_assert_int_eq(vq_push(&qf.vq, heads[i - 1], i), 0);
    for (unsigned i = SIZE; i > 0; i--) {
        uint32_t head;
        uint32_t len;
        ck_assert(mock_poll_used(&qf.driver, 0, &head, &len));
        ck_assert_uint_eq(head, heads[i - 1]);
        ck_assert_uint_eq(len, i);
    }
}
END_TEST

START_TEST(a_chain_may_be_as_long_as_the_largest_ring)
{
    static struct mock_seg segs[VQ_SIZE_LIMIT];
    for (unsigned i = 0; i < VQ_SIZE_LIMIT; i++)
        segs[i] = (struct mock_seg){.gpa = FIX_DATA + i, .len = i, .writable = i % 3 == 0};
    queue_fixture_start(VQ_SIZE_LIMIT, true);
    for (int round = 0; round < 3; round++) {
        uint32_t head;
        uint32_t len;
        ck_assert_int_ge(mock_add(&qf.driver, 0, segs, VQ_SIZE_LIMIT), 0);
        mock_publish(&qf.driver, 0);
        ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
        ck_assert_int_eq(qf.chain.n, VQ_SIZE_LIMIT);
        for (unsigned i = 0; i < VQ_SIZE_LIMIT; i++) {
            ck_assert_uint_eq(qf.chain.seg[i].gpa, segs[i].gpa);
            ck_assert_uint_eq(qf.chain.seg[i].len, i);
        }
        ck_assert_int_eq(vq_push(&qf.vq, qf.chain.head, 7), 0);
        ck_assert(mock_poll_used(&qf.driver, 0, &head, &len));
    }
}
END_TEST

START_TEST(a_ring_of_one_entry_works)
{
    queue_fixture_start(1, true);
    for (int i = 0; i < 5; i++) {
        uint32_t head;
        uint32_t len;
        add_simple(FIX_DATA + i);
        mock_publish(&qf.driver, 0);
        ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
        ck_assert_uint_eq(qf.chain.seg[0].gpa, FIX_DATA + i);
        ck_assert_int_eq(vq_push(&qf.vq, qf.chain.head, 0), 0);
        ck_assert(mock_poll_used(&qf.driver, 0, &head, &len));
    }
}
END_TEST

struct bad_chain {
    const char *what;
    struct {
        uint16_t flags;
        uint16_t next;
    } desc[SIZE];
    uint16_t head;
};

static const struct bad_chain bad_chains[] = {
    {"links to itself", {{N, 0}}, 0},
    {"links to itself, device-writable", {{N | W, 0}}, 0},
    {"loop of two", {{N, 1}, {N, 0}}, 0},
    {"tail that loops", {{N, 1}, {N, 2}, {N, 3}, {N, 1}}, 0},
    {"loop over the whole table",
     {{N, 1}, {N, 2}, {N, 3}, {N, 4}, {N, 5}, {N, 6}, {N, 7}, {N, 0}},
     0},
    {"next is the queue size", {{N, SIZE}}, 0},
    {"next is 65535", {{0, 0}, {N, 0xffff}}, 1},
    {"next out of range at the end of the longest chain",
     {{N, 1}, {N, 2}, {N, 3}, {N, 4}, {N, 5}, {N, 6}, {N, 7}, {N, SIZE}},
     0},
    {"indirect", {{I, 0}}, 0},
    {"indirect with next", {{N | I, 1}, {0, 0}}, 0},
    {"indirect in the middle", {{N, 1}, {I, 0}}, 0},
    {"all flags", {{0xffff, 0}}, 0},
};

START_TEST(a_malformed_chain_is_given_back_unread_and_the_next_one_works)
{
    const struct bad_chain *bad = &bad_chains[_i];
    uint32_t head;
    uint32_t len;
    queue_fixture_start(SIZE, false);
    for (uint16_t i = 0; i < SIZE; i++)
        mock_put_desc(&qf.driver, 0, i, FIX_DATA, 4096, bad->desc[i].flags, bad->desc[i].next);
    mock_publish_head(&qf.driver, 0, bad->head);

    ck_assert_msg(vq_pop(&qf.vq, &qf.chain) == -EBADMSG, "%s", bad->what);
    ck_assert(mock_poll_used(&qf.driver, 0, &head, &len));
    ck_assert_uint_eq(head, bad->head);
    ck_assert_uint_eq(len, 0);
    ck_assert(vq_should_interrupt(&qf.vq));
    ck_assert_uint_eq(counter(&qf.vq.count.bad_chain), 1);
    ck_assert_uint_eq(counter(&qf.vq.count.chains), 0);
    ck_assert_uint_eq(counter(&qf.vq.count.bad_ring), 0);
    ck_assert(!qf.vq.broken);

    mock_put_desc(&qf.driver, 0, 2, FIX_DATA, 512, 0, 0);
    mock_publish_head(&qf.driver, 0, 2);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
    ck_assert_int_eq(qf.chain.head, 2);
    ck_assert_uint_eq(qf.chain.seg[0].len, 512);
}
END_TEST

START_TEST(flags_without_a_meaning_are_ignored)
{
    queue_fixture_start(SIZE, false);
    mock_put_desc(&qf.driver, 0, 0, FIX_DATA, 16, 0xfff8, 0xffff);
    mock_publish_head(&qf.driver, 0, 0);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
    ck_assert_int_eq(qf.chain.n, 1);
    ck_assert(!qf.chain.seg[0].writable);
}
END_TEST

START_TEST(a_later_change_of_the_descriptor_does_not_reach_the_copy)
{
    queue_fixture_start(SIZE, false);
    mock_put_desc(&qf.driver, 0, 0, FIX_DATA, 16, 0, 0);
    mock_publish_head(&qf.driver, 0, 0);
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
    mock_put_desc(&qf.driver, 0, 0, 0, 99, N | W, 5);
    ck_assert_uint_eq(qf.chain.seg[0].gpa, FIX_DATA);
    ck_assert_uint_eq(qf.chain.seg[0].len, 16);
    ck_assert_int_eq(qf.chain.n, 1);
}
END_TEST

START_TEST(a_ring_full_of_malformed_chains_ends)
{
    queue_fixture_start(VQ_SIZE_LIMIT, false);
    for (uint16_t i = 0; i < VQ_SIZE_LIMIT; i++) {
        mock_put_desc(&qf.driver, 0, i, FIX_DATA, 4096, N, (uint16_t)((i + 1) % VQ_SIZE_LIMIT));
        mock_publish_head(&qf.driver, 0, i);
    }
    unsigned bad = 0;
    while (vq_pop(&qf.vq, &qf.chain) == -EBADMSG)
        bad++;
    ck_assert_uint_eq(bad, VQ_SIZE_LIMIT);
    ck_assert_uint_eq(counter(&qf.vq.count.bad_chain), VQ_SIZE_LIMIT);
    ck_assert_uint_eq(mock_get_used_idx(&qf.driver, 0), VQ_SIZE_LIMIT);
}
END_TEST

Suite *chain_suite(void)
{
    Suite *suite = suite_create("virtio/chain");
    TCase *tc = tcase_create("chain");
    tcase_add_checked_fixture(tc, queue_fixture_setup, queue_fixture_teardown);
    tcase_add_test(tc, a_chain_is_copied_field_by_field);
    tcase_add_test(tc, a_pushed_chain_reaches_the_driver_with_its_length);
    tcase_add_test(tc, chains_may_come_back_in_any_order);
    tcase_add_test(tc, a_chain_may_be_as_long_as_the_largest_ring);
    tcase_add_test(tc, a_ring_of_one_entry_works);
    tcase_add_loop_test(tc, a_malformed_chain_is_given_back_unread_and_the_next_one_works, 0,
                        ARRAY_LEN(bad_chains));
    tcase_add_test(tc, flags_without_a_meaning_are_ignored);
    tcase_add_test(tc, a_later_change_of_the_descriptor_does_not_reach_the_copy);
    tcase_add_test(tc, a_ring_full_of_malformed_chains_ends);
    suite_add_tcase(suite, tc);
    return suite;
}
