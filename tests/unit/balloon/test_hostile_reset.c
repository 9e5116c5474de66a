/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drivers that come and go: resets by the thousand, in the middle of the work of each queue, and
 * drivers that put anything at all into rings and registers.
 */
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "tests/unit/balloon/fixture.h"
#include "tests/unit/balloon/hostile_guest.h"
#include "tests/unit/balloon/suites.h"

#define STATS  2
#define HINT   3
#define REPORT 4
#define QUEUES 5
#define ALL    (F_STATS | F_HINT | F_REPORT)

#define BIG_START (1 * GIB)
#define BIG_SIZE  (3 * GIB)

static const struct balloon_config everything = {.scatter_gather = BALLOON_SG_AUTO,
                                                 .stats_interval_s = 3600,
                                                 .free_page_hinting = true,
                                                 .free_page_reporting = true,
                                                 .page_poison = true,
                                                 .prefault_on_deflate = true};

static void setup(void)
{
    fx_create(everything);
    hg_map();
}

static void teardown(void)
{
    hg_unmap();
    fx_finish();
}

static void setup_big(void)
{
    fx_create_on(fake_ram_create(0, BIG_SIZE), everything);
}

static void honest_page(void)
{
    fx_start_all(ALL | F_SG);
    fake_ram_fill(fx.gm, DATA, PAGE, 1);
    fx_send(INFLATE, &(struct mock_seg){.gpa = DATA, .len = PAGE}, 1);
    ck_assert(fake_ram_all(fx.gm, DATA, PAGE, 0));
}

START_TEST(thousands_of_drivers_come_and_go)
{
    const struct mock_seg range = {.gpa = DATA, .len = PAGE};
    const struct mock_seg writable = {.gpa = DATA, .len = PAGE, .writable = true};
    for (int i = 0; i < 2000; i++) {
        fx_start_all(ALL | (i % 2 == 0 ? F_SG : 0));
        for (uint16_t vq = 0; vq < QUEUES; vq++)
            (void)mock_send(&fx.driver, vq, vq > STATS ? &writable : &range, 1);
    }
    honest_page();
    ck_assert_uint_eq(fx_info().bad_ring, 0);
    ck_assert_uint_eq(fx_info().host_error, 0);
}
END_TEST

/* What takes more than one turn on each queue but the statistics queue, which has no such work. */
static const uint16_t slow_queues[] = {INFLATE, DEFLATE, HINT, REPORT};

START_TEST(a_reset_in_the_middle_of_any_queues_work_drops_the_rest)
{
    struct vdev *dev = balloon_vdev(fx.balloon);
    struct err err = {0};
    uint16_t vq = slow_queues[_i];
    fx_start_all(ALL | F_SG);
    if (vq == HINT) {
        ck_assert_int_eq(balloon_hint_start(fx.balloon, false, &err), 0);
        mock_loop_sync(&(struct mock_loop){.loop = fx.loop});
        fake_ram_put_le32(fx.gm, BUFFERS, mock_read32(&fx.driver, VIRTIO_MMIO_CONFIG + 8));
        fx_send(HINT, &(struct mock_seg){.gpa = BUFFERS, .len = 4}, 1);
    }
    fx_pause();
    uint16_t used = mock_get_used_idx(&fx.driver, vq);
    const struct mock_seg range = {.gpa = BIG_START, .len = GIB, .writable = vq > STATS};
    ck_assert_int_ge(mock_add(&fx.driver, vq, &range, 1), 0);
    mock_publish(&fx.driver, vq);
    fx_notify(vq);
    struct balloon_info before = fx_info();
    ck_assert_uint_eq(mock_get_used_idx(&fx.driver, vq), used);
    dev->ops->reset(dev);
    for (int i = 0; i < 8; i++)
        fx_step();
    struct balloon_info after = fx_info();
    ck_assert_uint_gt(before.punched_bytes + before.prefaulted_bytes, 0);
    ck_assert_uint_eq(after.punched_bytes, before.punched_bytes);
    ck_assert_uint_eq(after.prefaulted_bytes, before.prefaulted_bytes);
    ck_assert_uint_eq(mock_get_used_idx(&fx.driver, vq), used);
    ck_assert(!fx.guest.frozen);
    fx_resume();
    honest_page();
}
END_TEST

static uint64_t random64(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Any address but those of the high region, which so must not change. */
static uint64_t any_gpa(uint64_t *seed)
{
    uint64_t r = random64(seed);
    switch (r % 8) {
    case 0:
        return UINT64_MAX - (r >> 8) % (2 * PAGE);
    case 1:
        return LOW_SIZE - (r >> 8) % 4 * PAGE;
    case 2:
        return RINGS + (r >> 8) % (64 * PAGE);
    case 3:
        return r | UINT64_C(1) << 63;
    default:
        return DATA + (r >> 8) % 1024 * PAGE;
    }
}

static uint32_t any_len(uint64_t *seed)
{
    static const uint32_t lens[] = {0,    1,    4,          9,          10,         160,
                                    4096, 8192, 0xfffff000, 0xffffffff, 1024 * 4096};
    uint64_t r = random64(seed);
    return r % 4 == 0 ? (uint32_t)(r >> 8) : lens[(r >> 8) % ARRAY_LEN(lens)];
}

static void anything(uint16_t vq, uint64_t *seed)
{
    uint64_t r = random64(seed);
    const struct mock_vq *q = &fx.driver.vq[vq];
    uint16_t index = hg_get16(q->avail_gpa + 2);
    for (unsigned n = 0; n < 4; n++) {
        uint64_t x = random64(seed);
        hg_put_desc(vq, (uint16_t)(x % 8), any_gpa(seed), any_len(seed),
                    (uint16_t)(x >> 8 & ((x >> 32 & 7) != 0 ? 3 : 7)), (uint16_t)((x >> 16) % 10));
    }
    if (r % 16 == 0)
        hg_put16(q->avail_gpa + 2, (uint16_t)(r >> 16));
    else
        hg_publish(vq, index, (uint16_t)((r >> 16) % (r % 16 == 1 ? UINT16_MAX : 8)));
    mock_kick(&fx.driver, vq);
}

/* Registers of any kind; a status other than 0 would only be refused. */
static void any_register(uint64_t *seed)
{
    uint64_t r = random64(seed);
    uint32_t offset = (uint32_t)(r % 0x120) & ~3u;
    if (offset == VIRTIO_MMIO_STATUS && r >> 60 != 0)
        return;
    mock_write32(&fx.driver, offset, offset == VIRTIO_MMIO_STATUS ? 0 : (uint32_t)(r >> 16));
}

START_TEST(a_driver_that_does_anything_at_all_harms_only_what_it_may_name)
{
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(_i + 1);
    struct err err = {0};
    fake_ram_fill(fx.gm, HIGH_START, 256 * PAGE, 9);
    for (int life = 0; life < 10; life++) {
        fx_start_all(ALL | F_POISON | (random64(&seed) % 2 ? F_SG : 0));
        (void)balloon_hint_start(fx.balloon, life % 2 == 0, &err);
        for (int i = 0; i < 200; i++) {
            anything((uint16_t)(random64(&seed) % QUEUES), &seed);
            if (i % 8 == 0)
                any_register(&seed);
            if (i % 32 == 0)
                (void)balloon_request_stats(fx.balloon);
        }
        ck_assert_msg(fake_ram_all(fx.gm, HIGH_START, 256 * PAGE, 9),
                      "seed %d, life %d: pages went that nobody named", _i, life);
    }
    ck_assert_uint_eq(fx_info().host_error, 0);
    honest_page();
}
END_TEST

Suite *hostile_reset_suite(void)
{
    Suite *suite = suite_create("balloon: hostile drivers");
    TCase *tc = tcase_create("hostile drivers");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, thousands_of_drivers_come_and_go);
    tcase_add_loop_test(tc, a_driver_that_does_anything_at_all_harms_only_what_it_may_name, 0, 8);
    suite_add_tcase(suite, tc);
    TCase *big = tcase_create("hostile resets");
    tcase_set_timeout(big, 120);
    tcase_add_checked_fixture(big, setup_big, fx_finish);
    tcase_add_loop_test(big, a_reset_in_the_middle_of_any_queues_work_drops_the_rest, 0,
                        ARRAY_LEN(slow_queues));
    suite_add_tcase(suite, big);
    return suite;
}
