/* SPDX-License-Identifier: Apache-2.0 */
/* A config written as JSON and read again is the same config; so is a copy. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/config/suites.h"
#include "vmm/base/num.h"
#include "vmm/config/config.h"

#define RANDOM_CONFIGS 500

static struct vm_config cfg;
static struct err err;

static void setup(void)
{
    memset(&err, 0, sizeof(err));
    ck_assert_int_eq(cfg_init(&cfg), 0);
}

static void teardown(void)
{
    cfg_finish(&cfg);
}

static void expect_text(const char *a, const char *b)
{
    ck_assert_msg((a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0), "%s is not %s",
                  a == NULL ? "NULL" : a, b == NULL ? "NULL" : b);
}

/* Field by field: to compare the JSON of both would miss what JSON does not have. */
static void expect_same(const struct vm_config *a, const struct vm_config *b)
{
    expect_text(a->cmdline, b->cmdline);
    expect_text(a->kernel_path, b->kernel_path);
    expect_text(a->initrd_path, b->initrd_path);
    ck_assert_uint_eq(a->mem_bytes, b->mem_bytes);
    ck_assert_uint_eq(a->vcpus, b->vcpus);
    ck_assert_int_eq(a->backing, b->backing);
    ck_assert_int_eq(a->virtio_on_cmdline, b->virtio_on_cmdline);
    ck_assert_int_eq(a->has_balloon, b->has_balloon);
    ck_assert_uint_eq(a->balloon.target_bytes, b->balloon.target_bytes);
    ck_assert_uint_eq(a->balloon.stats_interval_s, b->balloon.stats_interval_s);
    ck_assert_int_eq(a->balloon.scatter_gather, b->balloon.scatter_gather);
    ck_assert_int_eq(a->balloon.deflate_on_oom, b->balloon.deflate_on_oom);
    ck_assert_int_eq(a->balloon.must_tell_host, b->balloon.must_tell_host);
    ck_assert_int_eq(a->balloon.free_page_hinting, b->balloon.free_page_hinting);
    ck_assert_int_eq(a->balloon.free_page_reporting, b->balloon.free_page_reporting);
    ck_assert_int_eq(a->balloon.page_poison, b->balloon.page_poison);
    ck_assert_int_eq(a->balloon.prefault_on_deflate, b->balloon.prefault_on_deflate);
    ck_assert_int_eq(a->logger.given, b->logger.given);
    expect_text(a->logger.path, b->logger.path);
    ck_assert_int_eq(a->logger.level_given, b->logger.level_given);
    ck_assert_int_eq(a->logger.level, b->logger.level);
    ck_assert_int_eq(a->logger.show_level, b->logger.show_level);
    ck_assert_int_eq(a->logger.show_origin, b->logger.show_origin);
    expect_text(a->metrics.path, b->metrics.path);
    ck_assert_int_eq(a->metrics.emit_id, b->metrics.emit_id);
    expect_text(a->metrics.properties, b->metrics.properties);
    expect_text(a->serial_out_path, b->serial_out_path);
    ck_assert_uint_eq(a->serial_limit.size, b->serial_limit.size);
    ck_assert_uint_eq(a->serial_limit.burst, b->serial_limit.burst);
    ck_assert_uint_eq(a->serial_limit.refill_ms, b->serial_limit.refill_ms);
}

static void expect_round_trip(void)
{
    for (int pretty = 0; pretty < 2; pretty++) {
        struct vm_config again;
        char *text = cfg_to_json(&cfg, pretty != 0);
        ck_assert_ptr_nonnull(text);
        ck_assert_int_eq(strchr(text, '\n') != NULL, pretty);
        ck_assert_int_eq(cfg_init(&again), 0);
        int rc = cfg_parse(&again, "again", text, strlen(text), &err);
        ck_assert_msg(rc == 0, "%s: %s", err.text, text);
        expect_same(&cfg, &again);
        cfg_finish(&again);
        free(text);
    }
}

START_TEST(every_example_in_configs_survives_the_way_through_json)
{
    DIR *folder = opendir(CONFIGS_DIR);
    ck_assert_ptr_nonnull(folder);
    int n = 0;
    for (struct dirent *e = readdir(folder); e != NULL; e = readdir(folder)) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot == NULL || strcmp(dot, ".json") != 0)
            continue;
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", CONFIGS_DIR, e->d_name);
        cfg_finish(&cfg);
        ck_assert_int_eq(cfg_init(&cfg), 0);
        ck_assert_msg(cfg_load(&cfg, path, &err) == 0, "%s", err.text);
        expect_round_trip();
        n++;
    }
    closedir(folder);
    ck_assert_int_ge(n, 9);
}
END_TEST

START_TEST(an_empty_config_survives_too)
{
    expect_round_trip();
}
END_TEST

/* xorshift: the same configs each time. */
static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t choose(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % n;
}

static bool coin(void)
{
    return choose(2) != 0;
}

static char *word(void)
{
    static const char *const words[] = {
        "k",  "/a/b c", "quote\"d", "back\\slash",        "\xc3\xa4", "tab\there",
        "{}", "null",   "#",        "\xf0\x9f\x8e\x88.x", "../..",    "a=b c=\"d e\""};
    return strdup(words[choose(ARRAY_LEN(words))]);
}

static void randomize_balloon(struct balloon_config *b)
{
    b->target_bytes = choose(cfg.mem_bytes / MIB) * MIB;
    b->stats_interval_s = (uint32_t)choose(CFG_STATS_INTERVAL_MAX_S + 1);
    b->scatter_gather = (enum balloon_sg)choose(BALLOON_SG_OFF + 1);
    b->deflate_on_oom = coin();
    b->must_tell_host = coin();
    b->free_page_hinting = b->scatter_gather != BALLOON_SG_BIT3 && coin();
    b->free_page_reporting = coin();
    b->prefault_on_deflate = coin();
    b->page_poison = coin();
    cfg.page_poison_given = true;
}

static void randomize(void)
{
    cfg_finish(&cfg);
    ck_assert_int_eq(cfg_init(&cfg), 0);
    if (coin()) {
        cfg.kernel_path = word();
        cfg.initrd_path = coin() ? word() : NULL;
        free(cfg.cmdline);
        cfg.cmdline = word();
    }
    cfg.vcpus = (uint32_t)choose(CFG_VCPUS_MAX) + 1;
    cfg.mem_bytes = (CFG_MEM_MIN_MIB + choose(1u << 20)) * 2 * MIB;
    cfg.backing = (enum gm_backing)choose(GM_BACKING_HUGETLB_2M + 1);
    cfg.virtio_on_cmdline = coin();
    cfg.has_balloon = coin();
    if (cfg.has_balloon)
        randomize_balloon(&cfg.balloon);
    cfg.logger.given = coin();
    if (cfg.logger.given) {
        cfg.logger.path = coin() ? word() : NULL;
        cfg.logger.level_given = coin();
        cfg.logger.level = cfg.logger.level_given ? (enum log_level)((int)choose(5) - 1) : 0;
        cfg.logger.show_level = coin();
        cfg.logger.show_origin = coin();
    }
    if (coin()) {
        cfg.metrics.path = word();
        cfg.metrics.emit_id = coin();
        cfg.metrics.properties = coin() ? strdup("{\"a\":\"\\\"\",\"b\":\"\"}") : NULL;
    }
    cfg.serial_out_path = coin() ? word() : NULL;
    if (coin())
        cfg.serial_limit = (struct bucket_limit){
            .size = choose(INT64_MAX) + 1, .burst = choose(9), .refill_ms = choose(9) + 1};
}

START_TEST(random_configs_survive_the_way_through_json)
{
    for (int i = 0; i < RANDOM_CONFIGS; i++) {
        randomize();
        expect_round_trip();
    }
}
END_TEST

START_TEST(a_copy_is_the_same_and_owns_what_it_has)
{
    for (int i = 0; i < RANDOM_CONFIGS; i++) {
        struct vm_config copy;
        randomize();
        cfg.api_sock = coin() ? word() : NULL;
        ck_assert_int_eq(cfg_copy(&cfg, &copy), 0);
        expect_same(&cfg, &copy);
        expect_text(cfg.api_sock, copy.api_sock);
        ck_assert(cfg.cmdline != copy.cmdline);
        cfg_finish(&cfg);
        /* Read whole, so that AddressSanitizer would see one that went with the original. */
        char *text = cfg_to_json(&copy, false);
        ck_assert_ptr_nonnull(text);
        free(text);
        cfg_finish(&copy);
    }
}
END_TEST

START_TEST(what_is_no_utf8_is_shown_with_question_marks)
{
    cfg.kernel_path = strdup("/boot/\xff\xfe");
    char *text = cfg_section_to_json(&cfg, CFG_SECTION_BOOT_SOURCE);
    ck_assert_str_eq(text, "{\"kernel_image_path\":\"/boot/"
                           "?"
                           "?"
                           "\",\"initrd_path\":null,"
                           "\"boot_args\":\"" CFG_CMDLINE_DEFAULT "\"}");
    free(text);
}
END_TEST

Suite *round_trip_suite(void)
{
    Suite *suite = suite_create("round trip");
    TCase *tc = tcase_create("round trip");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_example_in_configs_survives_the_way_through_json);
    tcase_add_test(tc, an_empty_config_survives_too);
    tcase_add_test(tc, random_configs_survive_the_way_through_json);
    tcase_add_test(tc, a_copy_is_the_same_and_owns_what_it_has);
    tcase_add_test(tc, what_is_no_utf8_is_shown_with_question_marks);
    suite_add_tcase(suite, tc);
    return suite;
}
