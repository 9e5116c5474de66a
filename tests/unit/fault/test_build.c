/* SPDX-License-Identifier: Apache-2.0 */
/* Building a balloon where the n-th call fails: it comes up, or goes away without a trace. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/fault/rig.h"

/* Far above the calls that building makes of any one function. */
#define CALLS_LIMIT 200u

static struct rig rig;

static void setup(void)
{
    rig.irq_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ck_assert_int_ge(rig.irq_fd, 0);
}

static void teardown(void)
{
    close(rig.irq_fd);
}

static const struct {
    enum fault_fn fn;
    int error;
    unsigned at_least; /* calls that building is known to make */
} failures[] = {
    {FAULT_MALLOC, ENOMEM, 4},         {FAULT_CALLOC, ENOMEM, 5},
    {FAULT_MMAP, ENOMEM, 5},           {FAULT_MADVISE, ENOMEM, 2},
    {FAULT_MEMFD_CREATE, EMFILE, 2},   {FAULT_FTRUNCATE, EFBIG, 2},
    {FAULT_FCNTL, EPERM, 2},           {FAULT_EVENTFD, EMFILE, 6},
    {FAULT_TIMERFD_CREATE, EMFILE, 3}, {FAULT_EPOLL_CREATE1, EMFILE, 1},
    {FAULT_EPOLL_CTL, ENOSPC, 4},
};

/*
 * A function that fails tells its caller, if it cannot do without; what came before is undone.
 * Pages that nobody could be advised about are as good as others.
 */
static void fail_each_call(enum gm_backing backing, int i)
{
    bool hit = true;
    unsigned n = 0;
    while (hit) {
        ck_assert_uint_lt(++n, CALLS_LIMIT);
        unsigned fds = rig_open_fds();
        fault_arm(failures[i].fn, n, failures[i].error, -1);
        int ret = rig_build(&rig, backing);
        hit = fault_disarm();
        ck_assert_msg(hit == (ret < 0), "%s, call %u: hit %d, built: %d",
                      fault_name(failures[i].fn), n, hit, ret);
        ck_assert(ret == 0 || ret == -failures[i].error);
        ck_assert(!hit || !rig.err_expected || rig.err.text[0] != '\0');
        rig_destroy(&rig);
        ck_assert_uint_eq(rig_open_fds(), fds);
    }
    ck_assert_uint_gt(n, failures[i].at_least);
}

START_TEST(a_call_that_fails_while_a_balloon_is_built_is_reported_and_undone)
{
    fail_each_call(GM_BACKING_4K, _i);
}
END_TEST

START_TEST(the_same_on_transparent_huge_pages)
{
    fail_each_call(GM_BACKING_THP, _i);
}
END_TEST

START_TEST(a_kernel_that_does_not_know_a_flag_of_memfds_is_asked_without_it)
{
    fault_arm(FAULT_MEMFD_CREATE, 1, EINVAL, -1);
    ck_assert_int_eq(rig_build(&rig, GM_BACKING_4K), 0);
    ck_assert(fault_disarm());
    rig_destroy(&rig);
}
END_TEST

START_TEST(a_kernel_without_huge_pages_gives_small_ones)
{
    unsigned refused = 0;
    bool hit = true;
    for (unsigned n = 1; hit; n++) {
        fault_arm(FAULT_MADVISE, n, EINVAL, -1);
        refused += rig_build(&rig, GM_BACKING_THP) < 0;
        hit = fault_disarm();
        rig_destroy(&rig);
    }
    /* MADV_DONTDUMP, once a region. */
    ck_assert_uint_eq(refused, 2);
}
END_TEST

static const uint64_t all_features =
    UINT64_C(1) << VIRTIO_BALLOON_F_MUST_TELL_HOST | UINT64_C(1) << VIRTIO_BALLOON_F_STATS_VQ |
    UINT64_C(1) << VIRTIO_BALLOON_F_FREE_PAGE_HINT | UINT64_C(1) << VIRTIO_BALLOON_F_REPORTING |
    UINT64_C(1) << VIRTIO_F_VERSION_1;

/* Returns whether the device came up. Without assertions of Check's, which allocate. */
static bool start(struct mock_driver *d)
{
    if (!mock_negotiate(d, all_features))
        return false;
    for (uint16_t i = 0; i < 5; i++)
        mock_setup_queue(d, i, 16, MIB + i * mock_queue_bytes(16));
    return !(mock_driver_ok(d) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static const struct {
    enum fault_fn fn;
    int error;
} start_failures[] = {{FAULT_EPOLL_CTL, ENOMEM}, {FAULT_MALLOC, ENOMEM}};

START_TEST(a_device_that_cannot_start_asks_for_a_reset_and_starts_then)
{
    struct mock_driver driver;
    ck_assert_int_eq(rig_build(&rig, GM_BACKING_4K), 0);
    mock_driver_init(&driver, rig.transport, rig.gm, rig.irq_fd);
    mock_loop_run(&rig.owner);
    bool hit = true;
    unsigned n = 0;
    while (hit) {
        ck_assert_uint_lt(++n, CALLS_LIMIT);
        mock_driver_reset(&driver);
        mock_loop_sync(&rig.owner);
        fault_arm(start_failures[_i].fn, n, start_failures[_i].error, -1);
        bool started = start(&driver);
        hit = fault_disarm();
        ck_assert_msg(started == !hit, "%s, call %u", fault_name(start_failures[_i].fn), n);
        ck_assert(start(&driver));
    }
    /* One source for each queue. */
    ck_assert_uint_ge(n, 6);
    rig_destroy(&rig);
}
END_TEST

static void stop(void *arg)
{
    ev_loop_stop(arg);
}

START_TEST(an_interrupted_wait_does_not_end_the_loop_and_another_failure_does)
{
    struct ev_loop *loop;
    ck_assert_int_eq(ev_loop_create(&loop), 0);
    struct ev_work work = {.fn = stop, .arg = loop};
    fault_arm(FAULT_EPOLL_WAIT, 1, EINTR, -1);
    ev_post(loop, &work);
    ck_assert_int_eq(ev_loop_run(loop), 0);
    ck_assert(fault_disarm());
    fault_arm(FAULT_EPOLL_WAIT, 1, EBADF, -1);
    ck_assert_int_eq(ev_loop_run(loop), -EBADF);
    ck_assert(fault_disarm());
    ev_loop_destroy(loop);
}
END_TEST

Suite *build_suite(void)
{
    Suite *suite = suite_create("fault: building");
    TCase *tc = tcase_create("building");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_call_that_fails_while_a_balloon_is_built_is_reported_and_undone, 0,
                        ARRAY_LEN(failures));
    tcase_add_loop_test(tc, the_same_on_transparent_huge_pages, 0, ARRAY_LEN(failures));
    tcase_add_test(tc, a_kernel_that_does_not_know_a_flag_of_memfds_is_asked_without_it);
    tcase_add_test(tc, a_kernel_without_huge_pages_gives_small_ones);
    tcase_add_loop_test(tc, a_device_that_cannot_start_asks_for_a_reset_and_starts_then, 0,
                        ARRAY_LEN(start_failures));
    tcase_add_test(tc, an_interrupted_wait_does_not_end_the_loop_and_another_failure_does);
    suite_add_tcase(suite, tc);
    return suite;
}
