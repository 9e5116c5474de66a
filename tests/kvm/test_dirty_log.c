/* SPDX-License-Identifier: Apache-2.0 */
/* The log of written pages: exactly those that a payload guest wrote, while it runs. */
#include <errno.h>

#include "tests/kvm/kvm_main.h"
#include "tests/kvm/machine_fixture.h"
#include "vmm/base/num.h"
#include "vmm/machine/machine_priv.h"

#define AREA       (16 * MIB)
#define AREA_PAGES 1024u
/* The second region of RAM, and what is written there at first. */
#define HIGH      (4 * GIB)
#define HIGH_PAGE (HIGH + 5 * GM_PAGE_SIZE)

static struct mfix fix;
static struct gm_bitmap *written;

static bool thirds(uint64_t page)
{
    return page % 3 == 0 || page == 1;
}

static bool upper_half(uint64_t page)
{
    return page >= AREA_PAGES / 2;
}

static bool page_8(uint64_t page)
{
    return page == 8;
}

/* Beside the area, only pages below it: the payload's own data. */
static void expect_written(bool (*expected)(uint64_t page))
{
    struct gm_range rest = {.start = AREA + AREA_PAGES * GM_PAGE_SIZE,
                            .len_bytes = 3 * GIB - 20 * MIB};
    struct gm_range found = {0};
    for (uint64_t n = 0; n < AREA_PAGES; n++) {
        struct gm_range page = {.start = AREA + n * GM_PAGE_SIZE, .len_bytes = GM_PAGE_SIZE};
        ck_assert_msg(gm_bitmap_all(written, page) == expected(n), "page %lu", (unsigned long)n);
    }
    ck_assert(!gm_bitmap_find(written, rest, true, &found));
    struct gm_range high = {.start = HIGH, .len_bytes = 512 * MIB};
    bool any = gm_bitmap_find(written, high, true, &found);
    ck_assert_int_eq(any, expected == thirds);
    ck_assert(!any || (found.start == HIGH_PAGE && found.len_bytes == GM_PAGE_SIZE));
    gm_bitmap_clear(written, found);
    ck_assert(!gm_bitmap_find(written, high, true, &found));
    gm_bitmap_reset(written);
}

static void fetch(void)
{
    struct err err = {{0}};
    int ret = vm_dirty_log_fetch(fix.machine->vm, written, &err);
    ck_assert_msg(ret == 0, "%s", err.text);
}

static void start_log(void)
{
    struct err err = {{0}};
    int ret = vm_dirty_log_start(fix.machine->vm, &err);
    ck_assert_msg(ret == 0, "%s", err.text);
}

START_TEST(the_log_holds_exactly_the_pages_written_since_the_last_look)
{
    mfix_create(&fix, PAYLOAD_DIR "/payload_writes", 3584 * MIB, 1);
    ck_assert_int_eq(gm_bitmap_create(fix.machine->gm, &written), 0);
    mfix_start(&fix);
    mfix_expect(&fix, "at populated");
    start_log();
    mfix_continue(&fix);
    ck_assert_uint_eq(mfix_value(&fix, "read"), AREA_PAGES);
    mfix_expect(&fix, "at thirds");
    fetch();
    expect_written(thirds);
    mfix_continue(&fix);
    mfix_expect(&fix, "at half");
    fetch();
    expect_written(upper_half);
    mfix_continue(&fix);

    mfix_expect(&fix, "at before-restart");
    start_log();
    mfix_continue(&fix);
    mfix_expect(&fix, "at after-restart");
    fetch();
    expect_written(page_8);

    ck_assert_int_eq(vm_dirty_log_stop(fix.machine->vm, NULL), 0);
    mfix_continue(&fix);
    mfix_expect(&fix, "at unlogged");
    ck_assert_int_eq(vm_dirty_log_fetch(fix.machine->vm, written, NULL), -EINVAL);
    ck_assert_uint_eq(gm_bitmap_count(written), 0);
    mfix_continue(&fix);
    mfix_expect(&fix, "done");
    gm_bitmap_destroy(written);
    mfix_destroy(&fix);
}
END_TEST

static Suite *dirty_log_suite(void)
{
    Suite *suite = suite_create("dirty log");
    TCase *tc = tcase_create("dirty log");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_log_holds_exactly_the_pages_written_since_the_last_look);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return kvm_check_run(dirty_log_suite);
}
