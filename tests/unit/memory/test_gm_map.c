/* SPDX-License-Identifier: Apache-2.0 */
/* Creation of guest RAM: what is refused, seals, guard areas, cleaning up after a failure. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory/gm_priv.h"
#include "tests/support/fake_ram.h"
#include "tests/unit/memory/suites.h"
#include "vmm/base/num.h"

/* Linux 6.3; older headers lack it. */
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

static const struct gm_range two[] = {{0, 4 * MIB}, {4 * GIB, 6 * MIB}};

static size_t open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

/* How many mappings of guest RAM the process has. */
static size_t ram_mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    size_t n = 0;
    while (fgets(line, sizeof(line), maps) != NULL)
        n += strstr(line, "aerostat-ram") != NULL;
    fclose(maps);
    return n;
}

static const struct {
    const char *name;
    enum gm_backing backing;
    size_t n;
    struct gm_range ranges[GM_MAX_REGIONS + 1];
    const char *says;
} refused[] = {
    {"no region", GM_BACKING_4K, 0, {{0, MIB}}, "0 regions"},
    {"too many", GM_BACKING_4K, 5, {{0, MIB}, {MIB, MIB}}, "5 regions, allowed are 1 to 4"},
    {"empty", GM_BACKING_4K, 2, {{0, MIB}, {2 * MIB, 0}}, "region 1: 0 bytes at 0x200000"},
    {"wraps", GM_BACKING_4K, 1, {{UINT64_MAX - 4095, 8192}}, "pass the last physical address"},
    {"beyond 52 bits", GM_BACKING_4K, 1, {{GM_ADDRESS_LIMIT - MIB, 2 * MIB}}, "0xfffffffffffff"},
    {"odd start", GM_BACKING_4K, 1, {{512, MIB}}, "at 0x200 are not multiples"},
    {"odd length", GM_BACKING_THP, 1, {{0, MIB + 1}}, "1048577 bytes at 0x0 are not multiples"},
    {"small huge page", GM_BACKING_HUGETLB_2M, 1, {{0, 3 * MIB}}, "page of 2097152 bytes"},
    {"odd huge start", GM_BACKING_HUGETLB_2M, 1, {{MIB, 2 * MIB}}, "page of 2097152 bytes"},
    {"descending", GM_BACKING_4K, 2, {{MIB, MIB}, {0, MIB}}, "region 1: its start 0x0 is below"},
    {"overlapping", GM_BACKING_4K, 2, {{0, MIB}, {MIB - 4096, MIB}}, "its start 0xff000 is below"},
};

START_TEST(bad_ranges_are_refused_with_a_sentence)
{
    struct gm *gm = NULL;
    struct err err = {0};
    int rc = gm_create(refused[_i].ranges, refused[_i].n, refused[_i].backing, &gm, &err);
    ck_assert_msg(rc == -EINVAL, "%s: %d", refused[_i].name, rc);
    ck_assert_ptr_null(gm);
    ck_assert_msg(strstr(err.text, refused[_i].says) != NULL, "%s: %s", refused[_i].name, err.text);
}
END_TEST

START_TEST(regions_are_as_asked_and_aligned_for_huge_pages)
{
    static const enum gm_backing backings[] = {GM_BACKING_4K, GM_BACKING_THP};
    struct gm *gm = NULL;
    ck_assert_int_eq(gm_create(two, ARRAY_LEN(two), backings[_i], &gm, NULL), 0);
    ck_assert_uint_eq(gm_region_count(gm), 2);
    ck_assert_uint_eq(gm_size_bytes(gm), 10 * MIB);
    ck_assert_int_eq(gm_backing(gm), backings[_i]);
    ck_assert_uint_eq(gm_discard_granule(gm), 4096);
    for (size_t i = 0; i < ARRAY_LEN(two); i++) {
        struct gm_region region = gm_region_at(gm, i);
        struct stat st;
        ck_assert_uint_eq(region.range.start, two[i].start);
        ck_assert_uint_eq(region.range.len_bytes, two[i].len_bytes);
        ck_assert_uint_eq((uintptr_t)region.host % GM_HUGE_SIZE, 0);
        ck_assert_int_eq(fstat(region.fd, &st), 0);
        ck_assert_uint_eq(st.st_size, two[i].len_bytes);
        ck_assert_int_eq(st.st_blocks, 0);
        ck_assert_int_eq(fcntl(region.fd, F_GETFD), FD_CLOEXEC);
    }
    gm_destroy(gm);
}
END_TEST

START_TEST(the_memfds_cannot_change_size_but_can_be_punched)
{
    struct gm *gm = fake_ram_create_two(two[0], two[1]);
    for (size_t i = 0; i < 2; i++) {
        int fd = gm_region_at(gm, i).fd;
        int seals = fcntl(fd, F_GET_SEALS);
        int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
        ck_assert_int_eq(seals & wanted, wanted);
        ck_assert_int_eq(seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE), 0);
        struct stat st;
        ck_assert_int_eq(fstat(fd, &st), 0);
        if (seals & F_SEAL_EXEC)
            ck_assert_int_eq(st.st_mode & 0111, 0);
        ck_assert_int_eq(ftruncate(fd, (off_t)two[i].len_bytes - 4096), -1);
        ck_assert_int_eq(errno, EPERM);
        ck_assert_int_eq(ftruncate(fd, (off_t)two[i].len_bytes + 4096), -1);
        ck_assert_int_eq(errno, EPERM);
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
        ck_assert_int_eq(errno, EPERM);
        ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
    }
    gm_destroy(gm);
}
END_TEST

/* True if the process can read the byte at p; a system call is asked, which gives EFAULT and no
 * signal. */
static bool readable(const char *p)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    bool ok = write(ends[1], p, 1) == 1;
    if (!ok)
        ck_assert_int_eq(errno, EFAULT);
    close(ends[0]);
    close(ends[1]);
    return ok;
}

START_TEST(the_mappings_lie_between_inaccessible_guards)
{
    static const size_t beyond[] = {0, 4095, 4096, GM_HUGE_SIZE - 1};
    struct gm *gm = fake_ram_create_two(two[0], two[1]);
    for (size_t i = 0; i < 2; i++) {
        struct gm_region region = gm_region_at(gm, i);
        const char *first = region.host;
        const char *end = first + region.range.len_bytes;
        ck_assert(readable(first));
        ck_assert(readable(end - 1));
        for (size_t k = 0; k < ARRAY_LEN(beyond); k++) {
            ck_assert(!readable(first - 1 - beyond[k]));
            ck_assert(!readable(end + beyond[k]));
        }
    }
    gm_destroy(gm);
}
END_TEST

/* True if the mapping that starts at p has flag, a word of two letters, in smaps. */
static bool mapping_has_flag(const void *p, const char *flag)
{
    FILE *smaps = fopen("/proc/self/smaps", "re");
    char line[512];
    bool inside = false;
    bool found = false;
    while (fgets(line, sizeof(line), smaps) != NULL) {
        unsigned long start;
        unsigned long end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            inside = start == (uintptr_t)p;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line + 8, flag) != NULL;
    }
    fclose(smaps);
    return found;
}

START_TEST(the_mappings_are_shared_unreserved_and_not_dumped)
{
    struct gm *gm = NULL;
    ck_assert_int_eq(gm_create(two, 1, _i == 0 ? GM_BACKING_4K : GM_BACKING_THP, &gm, NULL), 0);
    const void *host = gm_region_at(gm, 0).host;
    ck_assert(mapping_has_flag(host, " sh"));
    ck_assert(mapping_has_flag(host, " nr"));
    ck_assert(mapping_has_flag(host, " dd"));
    if (access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0)
        ck_assert_int_eq(mapping_has_flag(host, " hg"), _i == 1);
    gm_destroy(gm);
}
END_TEST

START_TEST(destroying_leaves_nothing_behind_and_accepts_null)
{
    size_t fds = open_fds();
    struct gm *gm = fake_ram_create_two(two[0], two[1]);
    ck_assert_uint_eq(open_fds(), fds + 2);
    ck_assert_uint_eq(ram_mappings(), 2);
    gm_destroy(gm);
    gm_destroy(NULL);
    ck_assert_uint_eq(open_fds(), fds);
    ck_assert_uint_eq(ram_mappings(), 0);
}
END_TEST

/* Fails the memfd of region 0, then of region 1, by a limit on descriptors. */
START_TEST(a_failing_memfd_leaves_nothing_behind)
{
    size_t fds = open_fds();
    int lowest_free = dup(0);
    close(lowest_free);
    struct rlimit limit = {.rlim_cur = (rlim_t)(lowest_free + _i), .rlim_max = RLIM_INFINITY};
    struct rlimit old;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    limit.rlim_max = old.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct gm *gm = NULL;
    struct err err = {0};
    ck_assert_int_eq(gm_create(two, ARRAY_LEN(two), GM_BACKING_4K, &gm, &err), -EMFILE);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_ptr_null(gm);
    ck_assert_ptr_nonnull(strstr(err.text, _i == 0 ? "at 0x0: cannot create" : "at 0x100000000:"));
    ck_assert_uint_eq(open_fds(), fds);
    ck_assert_uint_eq(ram_mappings(), 0);
}
END_TEST

START_TEST(a_memfd_that_cannot_grow_leaves_nothing_behind)
{
    size_t fds = open_fds();
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit limit = {.rlim_cur = 5 * MIB, .rlim_max = old.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct gm *gm = NULL;
    struct err err = {0};
    ck_assert_int_eq(gm_create(two, ARRAY_LEN(two), GM_BACKING_4K, &gm, &err), -EFBIG);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "at 0x100000000: cannot size its memfd to 6291456"));
    ck_assert_uint_eq(open_fds(), fds);
    ck_assert_uint_eq(ram_mappings(), 0);
}
END_TEST

START_TEST(more_ram_than_address_space_leaves_nothing_behind)
{
    size_t fds = open_fds();
    struct gm_range r[] = {{0, MIB}, {4 * GIB, GM_ADDRESS_LIMIT / 2}};
    struct gm *gm = NULL;
    struct err err = {0};
    ck_assert_int_eq(gm_create(r, ARRAY_LEN(r), GM_BACKING_4K, &gm, &err), -ENOMEM);
    ck_assert_ptr_nonnull(strstr(err.text, "at 0x100000000: cannot map 2251799813685248 bytes"));
    ck_assert_uint_eq(open_fds(), fds);
    ck_assert_uint_eq(ram_mappings(), 0);
}
END_TEST

static const struct {
    const char *text;
    const char *obstacle;
} thp_settings[] = {
    {"always within_size advise [never] deny force\n", "never"},
    {"always within_size advise never [deny] force\n", "deny"},
    {"always within_size [advise] never deny force\n", NULL},
    {"[always] within_size advise never deny force\n", NULL},
    {"always within_size advise never deny [force]\n", NULL},
    {"", NULL},
};

START_TEST(a_host_setting_that_defeats_huge_pages_is_named)
{
    ck_assert_pstr_eq(gm_thp_obstacle_in(thp_settings[_i].text), thp_settings[_i].obstacle);
}
END_TEST

START_TEST(the_setting_of_this_host_is_read)
{
    const char *obstacle = "unset";
    gm_thp_obstacle(&obstacle);
    if (obstacle != NULL)
        ck_assert(strcmp(obstacle, "never") == 0 || strcmp(obstacle, "deny") == 0);
}
END_TEST

Suite *gm_map_suite(void)
{
    Suite *suite = suite_create("gm_map");
    TCase *tc = tcase_create("gm_map");
    tcase_add_loop_test(tc, bad_ranges_are_refused_with_a_sentence, 0, ARRAY_LEN(refused));
    tcase_add_loop_test(tc, regions_are_as_asked_and_aligned_for_huge_pages, 0, 2);
    tcase_add_test(tc, the_memfds_cannot_change_size_but_can_be_punched);
    tcase_add_test(tc, the_mappings_lie_between_inaccessible_guards);
    tcase_add_loop_test(tc, the_mappings_are_shared_unreserved_and_not_dumped, 0, 2);
    tcase_add_test(tc, destroying_leaves_nothing_behind_and_accepts_null);
    tcase_add_loop_test(tc, a_failing_memfd_leaves_nothing_behind, 0, 2);
    tcase_add_test(tc, a_memfd_that_cannot_grow_leaves_nothing_behind);
    tcase_add_test(tc, more_ram_than_address_space_leaves_nothing_behind);
    tcase_add_loop_test(tc, a_host_setting_that_defeats_huge_pages_is_named, 0,
                        ARRAY_LEN(thp_settings));
    tcase_add_test(tc, the_setting_of_this_host_is_read);
    suite_add_tcase(suite, tc);
    return suite;
}
