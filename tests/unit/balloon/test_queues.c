/* SPDX-License-Identifier: Apache-2.0 */
/* Which queue has which number: computed from the features that were negotiated, in every
 * combination. */
#include <check.h>
#include <linux/virtio_balloon.h>
#include <unistd.h>

#include "tests/unit/balloon/fixture.h"
#include "tests/unit/balloon/suites.h"

/* Everything that the device can offer at once, one bit each, in the order of ALL[]. */
static const uint64_t ALL[] = {F_TELL, F_STATS, F_OOM, F_HINT, F_POISON, F_REPORT, F_SG};

#define COMBINATIONS (1 << 7)

static uint64_t combination(unsigned n)
{
    uint64_t features = 0;
    for (unsigned i = 0; i < ARRAY_LEN(ALL); i++)
        features |= n & (1u << i) ? ALL[i] : 0;
    return features;
}

static void setup(void)
{
    fx_create((struct balloon_config){.stats_interval_s = 3600,
                                      .free_page_hinting = true,
                                      .free_page_reporting = true,
                                      .page_poison = true,
                                      .deflate_on_oom = true,
                                      .must_tell_host = true});
}

/* A buffer with one statistic comes back when the next is asked for. */
static void use_stats(uint16_t vq)
{
    const uint8_t entry[10] = {4, 0, 0, 0, 0x10};
    const struct mock_seg seg = {.gpa = BUFFERS, .len = sizeof(entry)};
    struct balloon_stats stats;
    uint32_t head;
    uint32_t len;
    fake_ram_put(fx.gm, BUFFERS, entry, sizeof(entry));
    balloon_get_stats(fx.balloon, &stats);
    uint64_t before = stats.reports;
    uint16_t sent = mock_send(&fx.driver, vq, &seg, 1);
    for (unsigned ms = 0; ms < MOCK_TIMEOUT_MS && stats.reports == before; ms++) {
        mock_kick(&fx.driver, vq);
        (void)usleep(1000);
        balloon_get_stats(fx.balloon, &stats);
    }
    ck_assert_uint_eq(stats.valid, 1u << VIRTIO_BALLOON_S_MEMFREE);
    ck_assert_uint_eq(stats.value[VIRTIO_BALLOON_S_MEMFREE], 0x100000);
    ck_assert(balloon_request_stats(fx.balloon));
    ck_assert(mock_wait_used(&fx.driver, vq, &head, &len));
    ck_assert_uint_eq(head, sent);
}

static uint64_t report_bytes(void)
{
    return fx_info().report.bytes;
}

static uint64_t stale_bytes(void)
{
    return fx_info().hint_stale_bytes;
}

/* A writable page arrives where it is meant to. */
static void use_page(uint16_t vq, uint64_t (*counter)(void))
{
    const struct mock_seg seg = {.gpa = DATA, .len = PAGE, .writable = true};
    uint64_t before = counter();
    fx_send(vq, &seg, 1);
    ck_assert_uint_eq(counter(), before + PAGE);
}

static void use_inflate_and_deflate(bool sg)
{
    const uint32_t pfn = pfn_of(DATA);
    const struct mock_seg range = {.gpa = DATA, .len = PAGE};
    struct balloon_info before = fx_info();
    for (uint16_t vq = INFLATE; vq <= DEFLATE; vq++) {
        if (sg)
            fx_send(vq, &range, 1);
        else
            fx_send_pfns(vq, &pfn, 1);
    }
    ck_assert_uint_eq(fx_info().inflate.bytes, before.inflate.bytes + PAGE);
    ck_assert_uint_eq(fx_info().deflate.bytes, before.deflate.bytes + PAGE);
}

static void one_combination(uint64_t features)
{
    uint16_t next = 2;
    fx_start_all(features);
    ck_assert_uint_eq(fx_info().features & ~(UINT64_C(1) << 32), features);
    use_inflate_and_deflate((features & F_SG) != 0);
    if (features & F_STATS)
        use_stats(next++);
    if (features & F_HINT)
        use_page(next++, stale_bytes);
    if (features & F_REPORT)
        use_page(next++, report_bytes);
    const struct vdev *dev = balloon_vdev(fx.balloon);
    for (unsigned vq = 0; vq <= 64; vq++) {
        uint16_t size = dev->ops->vq_max_size(dev, features, (uint16_t)vq);
        ck_assert_uint_eq(size != 0, vq < next);
    }
    mock_driver_reset(&fx.driver);
}

START_TEST(every_combination_of_features_numbers_its_queues_without_holes)
{
    for (unsigned n = 0; n < COMBINATIONS; n++)
        one_combination(combination(n));
    ck_assert_uint_eq(fx_info().bad_request, 0);
    ck_assert_uint_eq(fx_info().bad_chain, 0);
    ck_assert_uint_eq(mock_bad_register(&fx.driver), 0);
}
END_TEST

START_TEST(another_driver_with_other_features_finds_other_numbers)
{
    fx_start_all(F_STATS | F_HINT | F_REPORT);
    use_page(4, report_bytes);
    mock_driver_reset(&fx.driver);
    fx_start_all(F_REPORT);
    use_page(2, report_bytes);
    ck_assert_uint_eq(fx_info().report.bytes, 2 * PAGE);
    ck_assert_uint_eq(fx_info().report.chains, 2);
    ck_assert_uint_eq(fx_info().hint.chains, 0);
}
END_TEST

/* Only inflation has more than 1024 entries. */
START_TEST(the_ring_of_inflation_grows_with_the_guest)
{
    static const struct {
        uint64_t ram_bytes;
        uint16_t size;
    } guests[] = {{16 * MIB, 1024},  {256 * MIB, 1024}, {257 * MIB, 2048},
                  {512 * MIB, 2048}, {GIB, 4096},       {64 * GIB, 4096}};
    fx_finish();
    fx_create_on(fake_ram_create(0, guests[_i].ram_bytes),
                 (struct balloon_config){.scatter_gather = BALLOON_SG_AUTO});
    const struct vdev *dev = balloon_vdev(fx.balloon);
    ck_assert_uint_eq(dev->ops->vq_max_size(dev, F_SG, 0), guests[_i].size);
    ck_assert_uint_eq(dev->ops->vq_max_size(dev, F_SG, 1), 1024);
}
END_TEST

START_TEST(a_chain_fills_the_largest_ring)
{
    static struct mock_seg segs[4096];
    for (size_t i = 0; i < ARRAY_LEN(segs); i++)
        segs[i] = (struct mock_seg){.gpa = DATA + 2 * i * PAGE, .len = PAGE};
    fx_finish();
    fx_create_on(fake_ram_create(0, GIB),
                 (struct balloon_config){.scatter_gather = BALLOON_SG_AUTO});
    mock_driver_start(&fx.driver, F_SG, 2, ARRAY_LEN(segs), RINGS);
    fake_ram_fill(fx.gm, DATA, 2 * ARRAY_LEN(segs) * PAGE, 1);
    fx_send(0, segs, ARRAY_LEN(segs));
    ck_assert_uint_eq(fx_info().inflate.descriptors, ARRAY_LEN(segs));
    ck_assert_uint_eq(fx_info().freed_bytes, ARRAY_LEN(segs) * PAGE);
    ck_assert_uint_eq(fx_info().inflate.notifications, 1);
}
END_TEST

START_TEST(bit_3_is_no_queue_where_it_means_scatter_gather)
{
    fx_finish();
    fx_create((struct balloon_config){.scatter_gather = BALLOON_SG_BIT3});
    mock_driver_start(&fx.driver, F_BIT3, 2, 1024, RINGS);
    const struct vdev *dev = balloon_vdev(fx.balloon);
    ck_assert_uint_eq(dev->ops->vq_max_size(dev, F_BIT3, 2), 0);
    ck_assert_int_eq(fx_info().form, BALLOON_FORM_SG);
    use_inflate_and_deflate(true);
}
END_TEST

START_TEST(bit_3_cannot_mean_two_things)
{
    struct err err = {0};
    struct balloon *other = NULL;
    const struct balloon_config config = {.scatter_gather = BALLOON_SG_BIT3,
                                          .free_page_hinting = true};
    ck_assert_int_eq(balloon_create(&config, fx.gm, fx.loop, NULL, NULL, &other, &err), -22);
    ck_assert_str_eq(err.text, "balloon: scatter-gather on bit 3 and free page hinting both claim "
                               "feature bit 3; give one of the two");
    ck_assert_ptr_null(other);
}
END_TEST

Suite *queues_suite(void)
{
    Suite *suite = suite_create("balloon: queue numbers");
    TCase *tc = tcase_create("queues");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, fx_finish);
    tcase_add_test(tc, every_combination_of_features_numbers_its_queues_without_holes);
    tcase_add_test(tc, another_driver_with_other_features_finds_other_numbers);
    tcase_add_loop_test(tc, the_ring_of_inflation_grows_with_the_guest, 0, 6);
    tcase_add_test(tc, a_chain_fills_the_largest_ring);
    tcase_add_test(tc, bit_3_is_no_queue_where_it_means_scatter_gather);
    tcase_add_test(tc, bit_3_cannot_mean_two_things);
    suite_add_tcase(suite, tc);
    return suite;
}
