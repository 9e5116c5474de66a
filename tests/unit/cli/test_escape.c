/* SPDX-License-Identifier: Apache-2.0 */
/* What of the bytes typed goes to the guest, and what they ask for. */
#include <check.h>
#include <string.h>

#include "tests/unit/cli/suites.h"
#include "vmm/base/num.h"
#include "vmm/cli/escape.h"

static const struct {
    const char *typed;
    const char *to_guest;
    unsigned leaves;
    unsigned helps;
} cases[] = {
    {"hello x h a\r", "hello x h a\r", 0, 0},
    {"\001x", "", 1, 0},
    {"\001X", "", 1, 0},
    {"ab\001xcd", "abcd", 1, 0},
    {"\001h", "", 0, 1},
    {"\001H\001h", "", 0, 2},
    {"\001\001", "\001", 0, 0},
    {"\001a", "\001", 0, 0},
    {"\001\001x", "\001x", 0, 0},
    {"\001\001\001x", "\001", 1, 0},
    {"\001q", "\001q", 0, 0},
    {"\001\x1b[A", "\001\x1b[A", 0, 0},
    {"\001", "", 0, 0},
    {"\x03\x04\x1a", "\x03\x04\x1a", 0, 0},
};

START_TEST(escapes_are_taken_out_of_what_is_typed)
{
    struct escape escape = {0};
    char to_guest[64] = "";
    size_t len = 0;
    unsigned leaves = 0;
    unsigned helps = 0;
    for (const char *c = cases[_i].typed; *c != '\0'; c++) {
        uint8_t out[2];
        enum escape_command command;
        size_t n = escape_feed(&escape, (uint8_t)*c, out, &command);
        ck_assert_uint_le(n, 2);
        memcpy(to_guest + len, out, n);
        len += n;
        leaves += command == ESCAPE_LEAVE;
        helps += command == ESCAPE_HELP;
    }
    ck_assert_str_eq(to_guest, cases[_i].to_guest);
    ck_assert_uint_eq(leaves, cases[_i].leaves);
    ck_assert_uint_eq(helps, cases[_i].helps);
}
END_TEST

Suite *escape_suite(void)
{
    Suite *suite = suite_create("escape");
    TCase *tc = tcase_create("escape");
    tcase_add_loop_test(tc, escapes_are_taken_out_of_what_is_typed, 0, (int)ARRAY_LEN(cases));
    suite_add_tcase(suite, tc);
    return suite;
}
