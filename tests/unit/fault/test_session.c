/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver uses every queue while the n-th call of the host fails: it gets every buffer back, the
 * counters tell what the host lost, and the next session is as if nothing had happened.
 */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/fault/rig.h"
#include "vmm/base/clock.h"

/* Far above the calls that one session makes of any one function. */
#define CALLS_LIMIT 400u
#define RINGS       MIB
#define BUFFER      (2 * MIB)
#define DATA        (4 * MIB)
/* Every other page, so that nothing is merged. */
#define PIECES 6u
#define STRIDE (2 * PAGE)
/* Offset of free_page_hint_cmd_id behind that of configuration space. */
#define HINT_CMD_ID 0x108u

enum queue { INFLATE, DEFLATE, STATS, HINT, REPORT, QUEUES };

struct mode {
    enum gm_backing backing;
    uint64_t sg; /* the feature's bit, or 0 */
};

static const struct mode modes[] = {
    {GM_BACKING_4K, 0},
    {GM_BACKING_4K, UINT64_C(1) << AEROSTAT_BALLOON_F_SG},
    {GM_BACKING_THP, 0},
    {GM_BACKING_THP, UINT64_C(1) << AEROSTAT_BALLOON_F_SG},
};

static const struct {
    enum fault_fn fn;
    int error;
    bool any_fd; /* or only the interrupt's */
} failures[] = {
    {FAULT_FALLOCATE, ENOSPC, true},
    {FAULT_FSTAT, EIO, true},
    {FAULT_MADVISE, ENOMEM, true},
    {FAULT_READ, EAGAIN, true},
    {FAULT_READ, EINTR, true},
    {FAULT_WRITE, EAGAIN, false},
    {FAULT_TIMERFD_SETTIME, EPERM, true},
    {FAULT_EPOLL_WAIT, EINTR, true},
};

static struct rig rig;
static struct mock_driver driver;
static uint64_t sg;

static void setup(void)
{
    rig.irq_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ck_assert_int_ge(rig.irq_fd, 0);
}

static void teardown(void)
{
    rig_destroy(&rig);
    close(rig.irq_fd);
}

static void start(const struct mode *mode)
{
    const uint64_t standard =
        UINT64_C(1) << VIRTIO_BALLOON_F_MUST_TELL_HOST | UINT64_C(1) << VIRTIO_BALLOON_F_STATS_VQ |
        UINT64_C(1) << VIRTIO_BALLOON_F_FREE_PAGE_HINT | UINT64_C(1) << VIRTIO_BALLOON_F_REPORTING;
    sg = mode->sg;
    ck_assert_int_eq(rig_build(&rig, mode->backing), 0);
    mock_driver_init(&driver, rig.transport, rig.gm, rig.irq_fd);
    mock_loop_run(&rig.owner);
    mock_driver_start(&driver, standard | sg, QUEUES, 16, RINGS);
}

static struct balloon_info info(void)
{
    struct balloon_info info;
    balloon_get_info(rig.balloon, &info);
    return info;
}

static void expect_used(uint16_t vq, uint16_t sent)
{
    uint32_t head;
    uint32_t len;
    ck_assert(mock_wait_used(&driver, vq, &head, &len));
    ck_assert_uint_eq(head, sent);
    ck_assert_uint_eq(len, 0);
}

static void send(uint16_t vq, const struct mock_seg *segs, size_t n)
{
    expect_used(vq, mock_send(&driver, vq, segs, n));
}

/* The pages from DATA on, in the form negotiated. */
static void send_pages(uint16_t vq)
{
    struct mock_seg segs[PIECES];
    const struct mock_seg array = {.gpa = BUFFER, .len = PIECES * sizeof(uint32_t)};
    for (uint32_t i = 0; i < PIECES; i++) {
        uint64_t gpa = (i % 2 ? HIGH_START : 0) + DATA + i * STRIDE;
        segs[i] = (struct mock_seg){.gpa = gpa, .len = PAGE};
        fake_ram_put_le32(rig.gm, BUFFER + i * sizeof(uint32_t), (uint32_t)(gpa / PAGE));
    }
    if (sg != 0)
        send(vq, segs, PIECES);
    else
        send(vq, &array, 1);
}

/* Polls; false after a deadline that only failing tests reach. */
static bool await(bool (*true_at_last)(uint64_t), uint64_t arg)
{
    uint64_t until = clock_mono_ns() + MOCK_TIMEOUT_MS * UINT64_C(1000000);
    const struct timespec pause = {.tv_nsec = 100000};
    while (!true_at_last(arg)) {
        if (clock_mono_ns() > until)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

static bool nothing_waits(uint64_t unused)
{
    (void)unused;
    return info().waiting_bytes == 0;
}

static bool command_is(uint64_t cmd)
{
    return mock_read32(&driver, HINT_CMD_ID) == cmd;
}

static bool command_is_new(uint64_t unused)
{
    (void)unused;
    return mock_read32(&driver, HINT_CMD_ID) > VIRTIO_BALLOON_CMD_ID_DONE;
}

static bool report_came(uint64_t former)
{
    struct balloon_stats stats;
    balloon_get_stats(rig.balloon, &stats);
    return stats.reports > former;
}

static void ask_for_stats(void)
{
    struct balloon_stats before;
    uint8_t zeros[10] = {0};
    const struct mock_seg seg = {.gpa = BUFFER, .len = sizeof(zeros)};
    fake_ram_put(rig.gm, BUFFER, zeros, sizeof(zeros));
    balloon_get_stats(rig.balloon, &before);
    uint16_t head = mock_send(&driver, STATS, &seg, 1);
    /*
     * A request that meets a report on its way in is content with that one, and a call that failed
     * may have put off the notification by a round: the report first, then the end of its round.
     */
    ck_assert(await(report_came, before.reports));
    mock_loop_sync(&rig.owner);
    ck_assert(balloon_request_stats(rig.balloon));
    expect_used(STATS, head);
}

static void hint(void)
{
    struct err err;
    const struct mock_seg command = {.gpa = BUFFER, .len = 4};
    const struct mock_seg pages[] = {command,
                                     {.gpa = DATA + MIB, .len = PAGE, .writable = true},
                                     {.gpa = DATA + MIB + STRIDE, .len = PAGE, .writable = true}};
    ck_assert_int_eq(balloon_hint_start(rig.balloon, true, &err), 0);
    ck_assert(await(command_is_new, 0));
    fake_ram_put_le32(rig.gm, BUFFER, mock_read32(&driver, HINT_CMD_ID));
    send(HINT, pages, ARRAY_LEN(pages));
    fake_ram_put_le32(rig.gm, BUFFER, VIRTIO_BALLOON_CMD_ID_STOP);
    send(HINT, &command, 1);
    ck_assert(await(command_is, VIRTIO_BALLOON_CMD_ID_DONE));
}

/* What a driver does on all queues. Pages that are named once are populated. */
static void session(bool timers_work)
{
    const struct mock_seg reported[] = {
        {.gpa = DATA + 2 * MIB, .len = PAGE, .writable = true},
        {.gpa = DATA + 2 * MIB + STRIDE, .len = PAGE, .writable = true}};
    fake_ram_fill(rig.gm, DATA, 3 * MIB, 1);
    fake_ram_fill(rig.gm, HIGH_START + DATA, MIB, 1);
    send_pages(INFLATE);
    if (timers_work)
        ck_assert(await(nothing_waits, 0));
    send_pages(DEFLATE);
    ask_for_stats();
    hint();
    send(REPORT, reported, ARRAY_LEN(reported));
    mock_loop_sync(&rig.owner);
}

/* Everything is punched, freed and populated as if the host had never failed. */
static void expect_a_perfect_session(void)
{
    struct balloon_info before = info();
    session(true);
    struct balloon_info after = info();
    const uint64_t named = (PIECES + 2 + 2) * PAGE;
    ck_assert_uint_eq(after.host_error, before.host_error);
    ck_assert_uint_eq(after.punched_bytes - before.punched_bytes, named);
    /* Of a huge page that cannot be split at the moment nothing is freed. */
    if (gm_backing(rig.gm) == GM_BACKING_4K)
        ck_assert_uint_eq(after.freed_bytes - before.freed_bytes, named);
    ck_assert_uint_eq(after.prefaulted_bytes - before.prefaulted_bytes, PIECES * PAGE);
    ck_assert_uint_eq(after.bad_request + after.bad_chain + after.bad_ring, 0);
}

/* Whatever the host kept, or did not do ahead, is to be seen in the counters. */
static void expect_it_told(enum fault_fn fn, const struct balloon_info *before)
{
    struct balloon_info after = info();
    uint64_t errors = after.host_error - before->host_error;
    uint64_t punched = after.punched_bytes - before->punched_bytes;
    uint64_t prefaulted = after.prefaulted_bytes - before->prefaulted_bytes;
    uint64_t named = (PIECES + 2 + 2) * PAGE;
    if (fn == FAULT_TIMERFD_SETTIME)
        return; /* Pieces were taken back before their time came. */
    ck_assert_msg((errors > 0) == (punched < named || prefaulted < PIECES * PAGE) ||
                      fn == FAULT_FSTAT,
                  "%s: %u errors, punched %u, populated %u", fault_name(fn), (unsigned)errors,
                  (unsigned)punched, (unsigned)prefaulted);
    ck_assert(fn != FAULT_FALLOCATE || errors == 1);
    ck_assert(fn != FAULT_FSTAT || errors == 1 || after.freed_bytes < after.punched_bytes);
    ck_assert_uint_eq(after.bad_request + after.bad_chain + after.bad_ring, 0);
}

static void fail_each_call_of_a_session(const struct mode *mode, int i)
{
    bool hit = true;
    unsigned n = 0;
    start(mode);
    while (hit) {
        ck_assert_uint_lt(++n, CALLS_LIMIT);
        struct balloon_info before = info();
        fault_arm(failures[i].fn, n, failures[i].error, failures[i].any_fd ? -1 : rig.irq_fd);
        session(failures[i].fn != FAULT_TIMERFD_SETTIME);
        hit = fault_disarm();
        if (hit)
            expect_it_told(failures[i].fn, &before);
        expect_a_perfect_session();
    }
    ck_assert_msg(n > 1, "%s is never called", fault_name(failures[i].fn));
}

START_TEST(page_numbers_survive_each_failure_of_the_host)
{
    fail_each_call_of_a_session(&modes[0], _i);
}
END_TEST

START_TEST(chains_survive_each_failure_of_the_host)
{
    fail_each_call_of_a_session(&modes[1], _i);
}
END_TEST

START_TEST(page_numbers_on_huge_pages_survive_each_failure_of_the_host)
{
    fail_each_call_of_a_session(&modes[2], _i);
}
END_TEST

START_TEST(chains_on_huge_pages_survive_each_failure_of_the_host)
{
    fail_each_call_of_a_session(&modes[3], _i);
}
END_TEST

Suite *session_suite(void)
{
    Suite *suite = suite_create("fault: sessions");
    TCase *tc = tcase_create("sessions");
    tcase_set_timeout(tc, 240);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, page_numbers_survive_each_failure_of_the_host, 0, ARRAY_LEN(failures));
    tcase_add_loop_test(tc, chains_survive_each_failure_of_the_host, 0, ARRAY_LEN(failures));
    tcase_add_loop_test(tc, page_numbers_on_huge_pages_survive_each_failure_of_the_host, 0,
                        ARRAY_LEN(failures));
    tcase_add_loop_test(tc, chains_on_huge_pages_survive_each_failure_of_the_host, 0,
                        ARRAY_LEN(failures));
    suite_add_tcase(suite, tc);
    return suite;
}
