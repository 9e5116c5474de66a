/* SPDX-License-Identifier: Apache-2.0 */
/* The view of all machines: lines and JSON of known machines, what keys change, and how answers are
 * read. */
#include <check.h>
#include <jansson.h>
#include <string.h>

#include "tests/unit/cli/suites.h"
#include "vmm/base/num.h"
#include "vmm/cli/top_priv.h"

static struct top_vm vms[] = {
    {.name = "web",
     .pid = 10,
     .state = "Running",
     .has_ram = true,
     .ram_bytes = GIB,
     .resident_bytes = 256 * MIB,
     .has_balloon = true,
     .target_bytes = 512 * MIB,
     .actual_bytes = 512 * MIB,
     .returned_bytes = 300 * MIB,
     .has_cpu = true,
     .cpu_permille = 1234},
    {.name = "a-machine-with-a-name-that-is-long",
     .pid = 11,
     .state = "Paused",
     .has_ram = true,
     .ram_bytes = 20 * GIB,
     .resident_bytes = 20 * GIB,
     .has_pressure = true,
     .pressure_hundredths = 1234},
    {.name = "gone", .pid = 12},
    {.name = "new", .pid = 13, .state = "Not started"},
};

static const struct top known = {
    .root = "",
    .vms = vms,
    .n = ARRAY_LEN(vms),
    .has_memory = true,
    .memory = {.total = 24 * GIB, .available = 3 * GIB},
    .has_pressure = true,
    .pressure_hundredths = 105,
};

static char text[8000];

static const char *drawn(const struct top *top, struct top_view *view)
{
    memset(text, 0, sizeof(text));
    FILE *out = fmemopen(text, sizeof(text), "w");
    ck_assert_int_eq(top_draw(top, view, "\n", out), 0);
    fclose(out);
    return text;
}

static const char wide[] =
    "aerostat  4 machines, 1 running  host: 3072M of 24.0G available, PSI 1.05%\n"
    "guests have 21.0G, the host holds 20.2G of them, balloons hold 512M; 300M came back\n"
    "NAME                               STATE      MEM TARGET BALLOON   HOST   BACK  PSI%   CPU% "
    "# host  = balloon   \n"
    "web                                Running  1024M   512M    512M   256M   300M     -  123.4 "
    "[#####    =========]\n"
    "a-machine-with-a-name-that-is-long Paused   20.0G      -       -  20.0G      -  12.3      - "
    "[##################]\n"
    "gone                               silent       -      -       -      -      -     -      - "
    "                    \n"
    "new                                waiting      -      -       -      -      -     -      - "
    "                    \n";

START_TEST(a_view_as_lines_shows_everything)
{
    struct top_view view = {.width = 113};
    ck_assert_str_eq(drawn(&known, &view), wide);
}
END_TEST

/* 80 columns hold the columns and a bar beside names of usual length; long ones are cut. */
START_TEST(a_screen_is_never_wider_or_longer_than_the_terminal)
{
    for (unsigned width = 80; width < 200; width++) {
        struct top_view view = {.width = width, .height = 7};
        unsigned lines = 1;
        size_t at = 0;
        for (const char *c = drawn(&known, &view); *c != '\0'; c++) {
            at = *c == '\n' ? 0 : at + 1;
            lines += *c == '\n';
            ck_assert_msg(at <= width + 2, "%u columns: %s", width, text);
        }
        ck_assert_uint_eq(lines, 7);
        ck_assert_ptr_nonnull(strstr(text, "q quit"));
        ck_assert_ptr_null(strstr(text, "that-is-long"));
    }
    struct top_view small = {.width = 20, .height = 1};
    (void)drawn(&known, &small);
    ck_assert_ptr_nonnull(strstr(text, "web"));
}
END_TEST

START_TEST(colours_and_marks_are_the_terminals_only)
{
    struct top_view view = {.width = 120, .height = 24, .colour = true, .sort = TOP_SORT_HOST};
    (void)drawn(&known, &view);
    ck_assert_ptr_nonnull(strstr(text, "*HOST"));
    ck_assert_ptr_nonnull(strstr(text, "\033[31msilent \033[0m"));
    ck_assert_ptr_nonnull(strstr(text, "\033[33mPaused \033[0m"));
    view = (struct top_view){.width = 120};
    (void)drawn(&known, &view);
    ck_assert_ptr_null(strchr(text, '\033'));
    ck_assert_ptr_null(strchr(text, '*'));
}
END_TEST

static const struct {
    enum top_sort sort;
    bool reverse;
    const char *names; /* in order, by their first letters */
} sorts[] = {
    {TOP_SORT_NAME, false, "wagn"},     {TOP_SORT_NAME, true, "ngaw"},
    {TOP_SORT_MEMORY, false, "awgn"},   {TOP_SORT_HOST, false, "awgn"},
    {TOP_SORT_TARGET, false, "wagn"},   {TOP_SORT_BALLOON, true, "ngaw"},
    {TOP_SORT_PRESSURE, false, "awgn"}, {TOP_SORT_CPU, false, "wagn"},
    {TOP_SORT_BACK, false, "wagn"},
};

START_TEST(machines_are_sorted_the_largest_first_and_else_by_name)
{
    struct top_view view = {.width = 100, .sort = sorts[_i].sort, .reverse = sorts[_i].reverse};
    char got[5] = "";
    unsigned i = 0;
    const char *line = drawn(&known, &view);
    for (unsigned skip = 0; skip < 3; skip++)
        line = strchr(line, '\n') + 1;
    for (; *line != '\0' && i < 4; line = strchr(line, '\n') + 1)
        got[i++] = *line;
    ck_assert_str_eq(got, sorts[_i].names);
}
END_TEST

START_TEST(scrolling_ends_where_the_machines_do)
{
    struct top_view view = {.width = 100, .height = 6, .first = 99};
    (void)drawn(&known, &view);
    ck_assert_uint_eq(view.first, 2);
    ck_assert_ptr_nonnull(strstr(text, "\ngone"));
    ck_assert_ptr_nonnull(strstr(text, "\nnew"));
    ck_assert_ptr_null(strstr(text, "\nweb"));
    view.height = 24;
    (void)drawn(&known, &view);
    ck_assert_uint_eq(view.first, 0);
}
END_TEST

START_TEST(without_machines_the_view_says_so)
{
    const struct top none = {.root = ""};
    struct top_view view = {.width = 100};
    ck_assert_ptr_nonnull(strstr(drawn(&none, &view), "no machine runs here"));
    view.height = 10;
    unsigned lines = 1;
    for (const char *c = drawn(&none, &view); *c != '\0'; c++)
        lines += *c == '\n';
    ck_assert_uint_eq(lines, 10);
}
END_TEST

START_TEST(json_has_null_for_what_is_not_known)
{
    json_error_t error;
    for (int one_line = 0; one_line < 2; one_line++) {
        memset(text, 0, sizeof(text));
        FILE *out = fmemopen(text, sizeof(text), "w");
        ck_assert_int_eq(top_print_json(&known, one_line, out), 0);
        fclose(out);
        if (one_line)
            ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
        json_t *all = json_loads(text, 0, &error);
        const json_t *list = json_object_get(all, "vms");
        const json_t *web = json_array_get(list, 0);
        const json_t *gone = json_array_get(list, 2);
        const json_t *host = json_object_get(all, "host");
        ck_assert_int_eq(json_integer_value(json_object_get(host, "memory_bytes")), 24 * GIB);
        ck_assert_uint_eq(json_array_size(list), 4);
        ck_assert_str_eq(json_string_value(json_object_get(web, "state")), "Running");
        ck_assert_int_eq(json_integer_value(json_object_get(web, "returned_bytes")), 300 * MIB);
        ck_assert_double_eq_tol(json_real_value(json_object_get(web, "cpu_percent")), 123.4, 1e-6);
        ck_assert(json_is_null(json_object_get(web, "psi_some_avg10")));
        ck_assert_uint_eq(json_object_size(gone), json_object_size(web));
        ck_assert(json_is_null(json_object_get(gone, "state")));
        ck_assert(json_is_null(json_object_get(gone, "ram_bytes")));
        json_decref(all);
    }
}
END_TEST

static const struct {
    const char *keys;
    enum top_action action;
    struct top_view after;
} keys[] = {
    {"q", TOP_QUIT, {.interval_s = 2, .height = 24}},
    {"\003", TOP_QUIT, {.interval_s = 2, .height = 24}},
    {"\032", TOP_SUSPEND, {.interval_s = 2, .height = 24}},
    {"c", TOP_GO_ON, {.interval_s = 2, .height = 24, .sort = TOP_SORT_CPU}},
    {"cc", TOP_GO_ON, {.interval_s = 2, .height = 24, .sort = TOP_SORT_CPU, .reverse = true}},
    {"cch", TOP_GO_ON, {.interval_s = 2, .height = 24, .sort = TOP_SORT_HOST}},
    {"++", TOP_INTERVAL, {.interval_s = 4, .height = 24}},
    {"----", TOP_INTERVAL, {.interval_s = 1, .height = 24}},
    {"\033[B\033OB\033[B\033[A", TOP_GO_ON, {.interval_s = 2, .height = 24, .first = 2}},
    {"\033[6~\033[6~\033[5~", TOP_GO_ON, {.interval_s = 2, .height = 24, .first = 19}},
    {"\033[A", TOP_GO_ON, {.interval_s = 2, .height = 24}},
    /* Not "c" or "q" that was typed: other keys, also cut short. */
    {"\033[1;5c\033Oq\033[", TOP_GO_ON, {.interval_s = 2, .height = 24}},
    {"\033", TOP_GO_ON, {.interval_s = 2, .height = 24}},
    {"xyz \r\n", TOP_GO_ON, {.interval_s = 2, .height = 24}},
};

START_TEST(keys_change_the_view)
{
    struct top_view view = {.interval_s = 2, .height = 24};
    const struct top_view *after = &keys[_i].after;
    ck_assert_int_eq(top_keys(&view, keys[_i].keys, strlen(keys[_i].keys)), keys[_i].action);
    ck_assert_int_eq(view.sort, after->sort);
    ck_assert_int_eq(view.reverse, after->reverse);
    ck_assert_uint_eq(view.first, after->first);
    ck_assert_uint_eq(view.interval_s, after->interval_s);
}
END_TEST

static const struct {
    const char *body;
    const char *state; /* NULL: refused */
} states[] = {
    {"{\"state\":\"Running\"}", "Running"},
    {"{\"state\":\"Not started\",\"id\":\"x\"}", "Not started"},
    {"{\"state\":\"\"}", NULL},
    {"{\"state\":\"\\u001b[31m\"}", NULL},
    {"{\"state\":\"a state that is too long\"}", NULL},
    {"{\"state\":7}", NULL},
    {"[]", NULL},
    {"", NULL},
};

START_TEST(a_state_is_a_short_word_or_none)
{
    struct top_vm vm = {.state = "before"};
    bool good = top_read_state(&vm, states[_i].body, strlen(states[_i].body));
    ck_assert_int_eq(good, states[_i].state != NULL);
    ck_assert_str_eq(vm.state, good ? states[_i].state : "before");
}
END_TEST

START_TEST(figures_are_read_and_absurd_ones_do_no_harm)
{
    struct top_vm vm = {0};
    static const char all[] =
        "{\"target_pages\":256,\"actual_pages\":9223372036854775807,\"host\":{\"freed_bytes\":7,"
        "\"ram_bytes\":8,\"ram_allocated_bytes\":9}}";
    static const char partly[] = "{\"target_pages\":256,\"host\":{\"ram_bytes\":-1}}";
    ck_assert(top_read_balloon(&vm, all, sizeof(all) - 1));
    ck_assert(vm.has_balloon && vm.has_ram);
    ck_assert_uint_eq(vm.target_bytes, MIB);
    ck_assert_uint_eq(vm.actual_bytes, UINT64_MAX / 4096 * 4096);
    ck_assert_uint_eq(vm.returned_bytes, 7);
    ck_assert_uint_eq(vm.ram_bytes, 8);
    ck_assert_uint_eq(vm.resident_bytes, 9);
    struct top absurd = {.root = "", .vms = &vm, .n = 1};
    struct top_view view = {.width = 100, .height = 10, .colour = true};
    (void)drawn(&absurd, &view);
    ck_assert(!top_read_balloon(&vm, partly, sizeof(partly) - 1));
    ck_assert(!vm.has_balloon && !vm.has_ram);
    ck_assert(!top_read_host(&vm, "{}", 2));
    ck_assert(top_read_host(&vm, "{\"ram_bytes\":1,\"ram_allocated_bytes\":2}", 39));
    ck_assert(vm.has_ram);
}
END_TEST

Suite *top_suite(void)
{
    Suite *suite = suite_create("top");
    TCase *tc = tcase_create("top");
    tcase_add_test(tc, a_view_as_lines_shows_everything);
    tcase_add_test(tc, a_screen_is_never_wider_or_longer_than_the_terminal);
    tcase_add_test(tc, colours_and_marks_are_the_terminals_only);
    tcase_add_loop_test(tc, machines_are_sorted_the_largest_first_and_else_by_name, 0,
                        (int)ARRAY_LEN(sorts));
    tcase_add_test(tc, scrolling_ends_where_the_machines_do);
    tcase_add_test(tc, without_machines_the_view_says_so);
    tcase_add_test(tc, json_has_null_for_what_is_not_known);
    tcase_add_loop_test(tc, keys_change_the_view, 0, (int)ARRAY_LEN(keys));
    tcase_add_loop_test(tc, a_state_is_a_short_word_or_none, 0, (int)ARRAY_LEN(states));
    tcase_add_test(tc, figures_are_read_and_absurd_ones_do_no_harm);
    suite_add_tcase(suite, tc);
    return suite;
}
