/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another vCPU rewrites what the device is reading: descriptors, rings, page numbers, statistics,
 * hinting commands. It writes as a guest does, through a mapping of its own.
 */
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "tests/unit/balloon/fixture.h"
#include "tests/unit/balloon/hostile_guest.h"
#include "tests/unit/balloon/suites.h"

#define STATS  2
#define HINT   3
#define REPORT 4
#define QUEUES 5
#define ALL    (F_STATS | F_HINT | F_REPORT)

#define ROUNDS 200
/* Two pages that may go, with one between them that nobody names. */
#define FIRST  DATA
#define CANARY (DATA + PAGE)
#define SECOND (DATA + 2 * PAGE)
/* No number of theirs, read from any of its bytes on, is one of these pages. */
#define FAR       (HIGH_START + 8 * MIB)
#define FAR_PAGES 64

static pthread_t other;
static atomic_bool stop;
static void (*rewrite)(uint32_t turn);

static void all_vqs(void (*fn)(uint16_t vq, uint32_t turn), uint32_t turn)
{
    for (uint16_t vq = 0; vq < QUEUES; vq++)
        fn(vq, turn);
}

static void address(uint16_t vq, uint32_t turn)
{
    static const uint64_t values[] = {FIRST, SECOND, UINT64_MAX, LOW_SIZE, FIRST + 1};
    hg_put64(hg_desc_gpa(vq, 0), values[turn % ARRAY_LEN(values)]);
}

static void length(uint16_t vq, uint32_t turn)
{
    static const uint32_t values[] = {PAGE, 0, UINT32_MAX, 4, PAGE + 1, 0xfffff000};
    hg_put32(hg_desc_gpa(vq, 0) + 8, values[turn % ARRAY_LEN(values)]);
}

static void flags(uint16_t vq, uint32_t turn)
{
    static const uint16_t values[] = {0, 1, 2, 3, 4, 0xffff};
    hg_put16(hg_desc_gpa(vq, 0) + 12, values[turn % ARRAY_LEN(values)]);
}

static void link(uint16_t vq, uint32_t turn)
{
    static const uint16_t values[] = {0, 1, 2, 1023, 1024, 0xffff};
    for (uint16_t i = 0; i < 3; i++)
        hg_put16(hg_desc_gpa(vq, i) + 14, values[(turn + i) % ARRAY_LEN(values)]);
}

static void head(uint16_t vq, uint32_t turn)
{
    static const uint16_t values[] = {0, 1, 15, 16, 0xffff};
    hg_put16(fx.driver.vq[vq].avail_gpa + 4 + 2 * (turn % 16), values[turn % ARRAY_LEN(values)]);
}

static void index_of(uint16_t vq, uint32_t turn)
{
    hg_put16(fx.driver.vq[vq].avail_gpa + 2, (uint16_t)(turn * 257));
}

static void rewrite_address(uint32_t turn)
{
    all_vqs(address, turn);
}

static void rewrite_length(uint32_t turn)
{
    all_vqs(length, turn);
}

static void rewrite_flags(uint32_t turn)
{
    all_vqs(flags, turn);
}

static void rewrite_link(uint32_t turn)
{
    all_vqs(link, turn);
}

static void rewrite_head(uint32_t turn)
{
    all_vqs(head, turn);
}

static void rewrite_index(uint32_t turn)
{
    all_vqs(index_of, turn);
}

static void rewrite_payload(uint32_t turn)
{
    const uint32_t numbers[] = {pfn_of(FIRST), pfn_of(SECOND), UINT32_MAX, pfn_of(LOW_SIZE), 2};
    for (uint32_t i = 0; i < 256; i++)
        hg_put32(BUFFERS + 4 * i, numbers[(turn + i) % 4]);
    hg_put32(BUFFERS + PAGE, numbers[turn % ARRAY_LEN(numbers)]);
}

static void *run_other(void *arg)
{
    (void)arg;
    for (uint32_t turn = 0; !atomic_load(&stop); turn++) {
        rewrite(turn);
        if (turn % 16 == 0)
            (void)sched_yield(); /* The device may have the same processor. */
    }
    return NULL;
}

static void setup(void)
{
    fx_create((struct balloon_config){.scatter_gather = BALLOON_SG_AUTO,
                                      .stats_interval_s = 3600,
                                      .free_page_hinting = true,
                                      .free_page_reporting = true});
    hg_map();
}

static void teardown(void)
{
    hg_unmap();
    fx_finish();
}

/* On each queue the chain that an honest driver would offer, before it is rewritten. */
static void offer(uint64_t features, uint16_t round)
{
    bool sg = (features & F_SG) != 0;
    for (uint16_t vq = 0; vq < QUEUES; vq++) {
        bool numbers = vq == STATS || (vq < STATS && !sg);
        uint64_t gpa = vq == HINT ? BUFFERS + PAGE : numbers ? BUFFERS : FIRST;
        uint32_t len = vq == HINT ? 4 : vq == STATS ? 160 : numbers ? 1024 : PAGE;
        uint16_t writable = vq == REPORT ? 2 : 0;
        for (uint16_t i = 0; i < 3; i++)
            hg_put_desc(vq, i, gpa, len, writable | (i < 2), (uint16_t)(i + 1));
        hg_publish(vq, round, 0);
        mock_kick(&fx.driver, vq);
    }
}

/* Of the statistics queue the device may keep the last one. */
static bool all_used(uint16_t round)
{
    for (uint16_t vq = 0; vq < QUEUES; vq++) {
        uint16_t left = (uint16_t)(round + 1 - hg_used_idx(vq));
        if (left > (vq == STATS))
            return false;
    }
    return true;
}

static bool wait_used(uint16_t round)
{
    const struct timespec step = {.tv_nsec = 20000};
    for (unsigned i = 0; i < MOCK_TIMEOUT_MS * 50 && !all_used(round); i++)
        (void)nanosleep(&step, NULL);
    return all_used(round);
}

static const struct {
    const char *name;
    void (*rewrite)(uint32_t turn);
    uint64_t features;
    bool breaks; /* rings may break, and then only a reset leads on */
} cases[] = {
    {"addresses", rewrite_address, ALL | F_SG, false},
    {"lengths", rewrite_length, ALL | F_SG, false},
    {"flags", rewrite_flags, ALL | F_SG, false},
    {"links", rewrite_link, ALL | F_SG, false},
    {"heads", rewrite_head, ALL | F_SG, true},
    {"indices", rewrite_index, ALL | F_SG, true},
    {"page numbers, statistics, commands", rewrite_payload, ALL, false},
    {"addresses of arrays", rewrite_address, ALL, false},
    {"lengths of arrays", rewrite_length, ALL, false},
};

START_TEST(what_is_rewritten_while_it_is_read_harms_only_what_was_named)
{
    struct err err = {0};
    const char *name = cases[_i].name;
    /* What page numbers 0 to 2 and stray lengths may reach is not looked at. */
    fake_ram_fill(fx.gm, FIRST, 3 * PAGE, 7);
    fake_ram_fill(fx.gm, FAR, FAR_PAGES * PAGE, 9);
    for (uint32_t i = 0; i < 256; i++)
        fake_ram_put_le32(fx.gm, BUFFERS + 4 * i, pfn_of(FIRST));
    fx_start_all(cases[_i].features);
    ck_assert_int_eq(balloon_hint_start(fx.balloon, false, &err), 0);
    rewrite = cases[_i].rewrite;
    atomic_store(&stop, false);
    ck_assert_int_eq(pthread_create(&other, NULL, run_other, NULL), 0);
    for (uint16_t round = 0; round < ROUNDS; round++) {
        offer(cases[_i].features, round);
        ck_assert_msg(cases[_i].breaks || wait_used(round), "%s: round %u: a buffer is lost", name,
                      round);
    }
    atomic_store(&stop, true);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
    mock_loop_sync(&(struct mock_loop){.loop = fx.loop});

    struct balloon_info info = fx_info();
    ck_assert_msg(cases[_i].breaks || info.bad_ring == 0, "%s break a ring", name);
    ck_assert_msg(fake_ram_all(fx.gm, CANARY, PAGE, 7), "%s: a page went unnamed", name);
    ck_assert_msg(fake_ram_all(fx.gm, FAR, FAR_PAGES * PAGE, 9), "%s: pages went unnamed", name);
    ck_assert_msg(info.host_error == 0, "%s: a failure of the host", name);

    fx_start_all(ALL | F_SG);
    fake_ram_fill(fx.gm, FIRST, PAGE, 1);
    fx_send(INFLATE, &(struct mock_seg){.gpa = FIRST, .len = PAGE}, 1);
    ck_assert_msg(fake_ram_all(fx.gm, FIRST, PAGE, 0), "%s: a reset does not help", name);
}
END_TEST

Suite *hostile_race_suite(void)
{
    Suite *suite = suite_create("balloon: hostile races");
    TCase *tc = tcase_create("races");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, what_is_rewritten_while_it_is_read_harms_only_what_was_named, 0,
                        ARRAY_LEN(cases));
    suite_add_tcase(suite, tc);
    return suite;
}
