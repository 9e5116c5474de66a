/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines as plain data, and the exact sentence that each bad one gets. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cli/suites.h"
#include "vmm/base/num.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/options.h"

#define MAX_ARGS 40

static struct err err;
static struct cmd_line words;

/* Splits line at blanks into argv; a lone _ stands for an empty argument. */
static int split(char *line, char *argv[MAX_ARGS])
{
    int argc = 0;
    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " ")) {
        ck_assert_int_lt(argc, MAX_ARGS - 1);
        argv[argc++] = strcmp(word, "_") == 0 ? word + 1 : word;
    }
    argv[argc] = NULL;
    return argc;
}

static int parse_run(const char *text, struct run_options *out)
{
    static char line[500];
    char *argv[MAX_ARGS];
    snprintf(line, sizeof(line), "%s", text);
    memset(&err, 0, sizeof(err));
    int argc = split(line, argv);
    *out = (struct run_options){0};
    int rc = cmd_line_read(&cmd_run, argc, argv, &words, &err);
    return rc < 0 || words.help ? rc : run_options_read(&words, out, &err);
}

static int parse_balloon(const char *text, struct balloon_options *out)
{
    static char line[400];
    char name[40];
    char *argv[MAX_ARGS];
    snprintf(line, sizeof(line), "%s", text);
    memset(&err, 0, sizeof(err));
    int argc = split(line, argv);
    ck_assert_int_ge(argc, 2);
    (void)snprintf(name, sizeof(name), "balloon %s", argv[1]);
    int rc = cmd_line_read(cmd_find(cli_commands, name), argc - 1, argv + 1, &words, &err);
    return rc < 0 || words.help ? rc : balloon_options_read(&words, out, &err);
}

START_TEST(every_flag_reaches_its_field)
{
    struct run_options o;
    int rc = parse_run("run --kernel k --initrd=i --cmdline quiet --mem 2G --cpus 2 --balloon 512M "
                       "--api-sock s --backing thp --scatter-gather bit3 --log-level debug "
                       "--no-console --name web -d --deflate-on-oom --must-tell-host off "
                       "--virtio-discovery cmdline "
                       "--stats-interval 5 --free-page-reporting --prefault-on-deflate",
                       &o);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_str_eq(o.config.kernel_path, "k");
    ck_assert_str_eq(o.config.initrd_path, "i");
    ck_assert_str_eq(o.config.cmdline, "quiet");
    ck_assert_uint_eq(o.config.mem_bytes, 2 * GIB);
    ck_assert_uint_eq(o.config.vcpus, 2);
    ck_assert(o.config.has_balloon);
    ck_assert_uint_eq(o.config.balloon.target_bytes, 512 * MIB);
    ck_assert_int_eq(o.config.balloon.scatter_gather, BALLOON_SG_BIT3);
    ck_assert(o.config.balloon.deflate_on_oom);
    ck_assert(!o.config.balloon.must_tell_host);
    ck_assert_uint_eq(o.config.balloon.stats_interval_s, 5);
    ck_assert(!o.config.balloon.free_page_hinting);
    ck_assert(o.config.balloon.free_page_reporting);
    ck_assert(o.config.balloon.prefault_on_deflate);
    ck_assert(o.config.virtio_on_cmdline);
    ck_assert_str_eq(o.config.api_sock, "s");
    ck_assert_int_eq(o.config.backing, GM_BACKING_THP);
    ck_assert_int_eq(o.log_level, LOG_DEBUG);
    ck_assert(!o.console_input);
    ck_assert_str_eq(o.name, "web");
    ck_assert(o.detach);
    ck_assert(!words.help);
    run_options_finish(&o);
    run_options_finish(&o);
}
END_TEST

START_TEST(without_flags_all_is_default)
{
    struct run_options o;
    ck_assert_int_eq(parse_run("run", &o), 0);
    ck_assert_ptr_null(o.config.kernel_path);
    ck_assert_ptr_null(o.config.api_sock);
    ck_assert_ptr_null(o.name);
    ck_assert(!o.detach);
    ck_assert_str_eq(o.config.cmdline, CFG_CMDLINE_DEFAULT);
    ck_assert_uint_eq(o.config.mem_bytes, 128 * MIB);
    ck_assert(!o.config.has_balloon);
    ck_assert_int_eq(o.log_level, LOG_WARN);
    ck_assert(o.console_input);
    run_options_finish(&o);
}
END_TEST

/* configs/balloon.json: vmlinuz, 2 vCPUs, 2048 MiB, an empty balloon with deflate_on_oom. */
START_TEST(flags_override_the_file_wherever_they_stand)
{
    static const char *const lines[] = {
        "run --config " CONFIGS_DIR "/balloon.json --mem 1G --balloon 64M --cmdline _",
        "run --balloon 64M --mem 1G --cmdline _ --config " CONFIGS_DIR "/balloon.json",
    };
    struct run_options o;
    ck_assert_msg(parse_run(lines[_i], &o) == 0, "%s", err.text);
    ck_assert_uint_eq(o.config.mem_bytes, GIB);
    ck_assert_uint_eq(o.config.balloon.target_bytes, 64 * MIB);
    ck_assert_str_eq(o.config.cmdline, "");
    ck_assert_str_eq(o.config.kernel_path, "vmlinuz");
    ck_assert_uint_eq(o.config.vcpus, 2);
    ck_assert(o.config.balloon.deflate_on_oom);
    run_options_finish(&o);
}
END_TEST

START_TEST(the_balloon_of_the_file_takes_the_form_of_the_flag)
{
    struct run_options o;
    ck_assert_int_eq(
        parse_run("run --scatter-gather off --config " CONFIGS_DIR "/balloon.json", &o), 0);
    ck_assert_int_eq(o.config.balloon.scatter_gather, BALLOON_SG_OFF);
    run_options_finish(&o);
}
END_TEST

/* What says so comes from the file, from flags, or from both. */
static const struct {
    const char *line;
    bool hinting, reporting, poison;
} poisons[] = {
    {"run --balloon 0", false, false, false},
    {"run --balloon 0 --free-page-hinting", true, false, true},
    {"run --balloon 0 --free-page-reporting", false, true, true},
    {"run --balloon 0 --page-poison on", false, false, true},
    {"run --page-poison off --free-page-reporting --balloon 0", false, true, false},
    {"run --free-page-hinting --config " CONFIGS_DIR "/balloon.json", true, false, true},
    {"run --config " CONFIGS_DIR "/reporting.json", false, true, true},
    {"run --page-poison off --config " CONFIGS_DIR "/reporting.json", false, true, false},
};

START_TEST(page_poison_follows_file_and_flags_unless_it_is_given)
{
    struct run_options o;
    ck_assert_msg(parse_run(poisons[_i].line, &o) == 0, "%s", err.text);
    ck_assert_int_eq(o.config.balloon.free_page_hinting, poisons[_i].hinting);
    ck_assert_int_eq(o.config.balloon.free_page_reporting, poisons[_i].reporting);
    ck_assert_int_eq(o.config.balloon.page_poison, poisons[_i].poison);
    run_options_finish(&o);
}
END_TEST

static const char *const helps[] = {
    "run --help",
    "run -h",
    "run --foo --help",
    "run --help --foo",
    "run stray --mem x --help",
    "run --kernel a --kernel b -h",
    "run --config /nonexistent.json --help",
    "run --help --scatter-gather off",
    "run --help --kernel",
};

START_TEST(help_is_given_whatever_else_is_wrong)
{
    struct run_options o;
    ck_assert_msg(parse_run(helps[_i], &o) == 0, "%s", err.text);
    ck_assert(words.help);
    run_options_finish(&o);
}
END_TEST

START_TEST(what_looks_like_help_but_is_a_value_is_none)
{
    struct run_options o;
    ck_assert_int_eq(parse_run("run --kernel --help", &o), 0);
    ck_assert(!words.help);
    ck_assert_str_eq(o.config.kernel_path, "--help");
    run_options_finish(&o);
}
END_TEST

#define NEEDS_BALLOON                                                                              \
    " needs a balloon: give --balloon SIZE, or a balloon section in the configuration file"

static const struct {
    const char *line;
    const char *error;
} bad_runs[] = {
    {"run --foo", "unknown or ambiguous option --foo"},
    {"run --ba 3", "unknown or ambiguous option --ba"},
    {"run -k", "unknown option -k"},
    {"run --name a/b",
     "name a...: its character 2 is none of the letters, digits, \"_\", \".\" and \"-\" that a "
     "name is made of"},
    {"run --name=-v", "name -v: begins with \"-\"; begin with a letter or a digit"},
    {"run --detach=1", "--detach takes no value"},
    {"run stray", "unexpected argument \"stray\""},
    {"run --kernel k stray", "unexpected argument \"stray\""},
    {"run --kernel k -- stray", "unexpected argument \"stray\""},
    {"run --kernel", "--kernel needs a value"},
    {"run --mem 1G --cpus", "--cpus needs a value"},
    {"run --no-console=1", "--no-console takes no value"},
    {"run --help=yes", "--help takes no value"},
    {"run --mem _",
     "--mem: \"\" is not a size: give a whole number with K, M or G, or alone for MiB"},
    {"run --mem 1.5G",
     "--mem: \"1.5G\" is not a size: give a whole number with K, M or G, or alone for MiB"},
    {"run --mem -1", "--mem: -1: a size cannot be negative"},
    {"run -5", "-5: a size cannot be negative"},
    {"run --mem 5K", "--mem: 5K is not a multiple of the page size, 4096 bytes (4K)"},
    {"run --mem 99999999G", "--mem: 99999999G is above the maximum of 4194304G"},
    {"run --cpus 0", "--cpus: 0 is below the minimum of 1"},
    {"run --cpus 33", "--cpus: 33 is above the maximum of 32"},
    {"run --cpus 1.5", "--cpus: \"1.5\" is not a whole number from 1 to 32"},
    {"run --balloon half",
     "--balloon: \"half\" is not a size: give a whole number with K, M or G, or alone for MiB"},
    {"run --backing 1g", "--backing: \"1g\" is not one of 4k, thp, hugetlb-2m"},
    {"run --balloon 1 --scatter-gather on",
     "--scatter-gather: \"on\" is not one of auto, bit3, off"},
    {"run --scatter-gather bit3", "--scatter-gather" NEEDS_BALLOON},
    {"run --balloon 0 --stats-interval 65536",
     "--stats-interval: 65536 is above the maximum of 65535"},
    {"run --balloon 0 --stats-interval 5s",
     "--stats-interval: \"5s\" is not a whole number from 0 to 65535"},
    {"run --balloon 0 --page-poison true", "--page-poison: \"true\" is not one of on, off"},
    {"run --balloon 0 --free-page-hinting=1", "--free-page-hinting takes no value"},
    {"run --balloon 0 --free-page", "unknown or ambiguous option --free-page"},
    {"run --log-level 3", "--log-level: \"3\" is not one of error, warn, info, debug"},
    {"run --config a --config b", "--config is given twice"},
    {"run --kernel a --kernel b", "--kernel is given twice"},
    {"run --mem 16M --cpus 1 --mem=16M", "--mem is given twice"},
    {"run --no-console --no-console", "--no-console is given twice"},
    {"run --kernel a --foo --kernel b", "unknown or ambiguous option --foo"},
    {"run --deflate-on-oom", "--deflate-on-oom" NEEDS_BALLOON},
    {"run --must-tell-host off", "--must-tell-host" NEEDS_BALLOON},
    {"run --stats-interval 5", "--stats-interval" NEEDS_BALLOON},
    {"run --free-page-hinting", "--free-page-hinting" NEEDS_BALLOON},
    {"run --free-page-reporting", "--free-page-reporting" NEEDS_BALLOON},
    {"run --page-poison off", "--page-poison" NEEDS_BALLOON},
    {"run --prefault-on-deflate", "--prefault-on-deflate" NEEDS_BALLOON},
    {"run --virtio-discovery pci", "--virtio-discovery: \"pci\" is not one of acpi, cmdline"},
    {"run --config /nonexistent.json",
     "/nonexistent.json: cannot be opened: No such file or directory"},
    {"run --config /dev/null", "/dev/null: is empty, must be a JSON object"},
};

START_TEST(a_bad_command_line_gets_one_exact_sentence)
{
    struct run_options o;
    ck_assert_int_lt(parse_run(bad_runs[_i].line, &o), 0);
    ck_assert_str_eq(err.text, bad_runs[_i].error);
    run_options_finish(&o);
}
END_TEST

START_TEST(balloon_set_reads_size_socket_and_patience)
{
    struct balloon_options o;
    static const char *const lines[] = {
        "balloon set 2G --api-sock s --wait 30",
        "balloon set --api-sock s --wait 30 2048M",
        "balloon set --wait=30 --api-sock=s 2048",
    };
    ck_assert_msg(parse_balloon(lines[_i], &o) == 0, "%s", err.text);
    ck_assert_uint_eq(o.target_mib, 2048);
    ck_assert_str_eq(o.api_sock, "s");
    ck_assert(o.wait);
    ck_assert_uint_eq(o.wait_s, 30);
}
END_TEST

START_TEST(balloon_commands_take_a_machine_before_their_word)
{
    struct balloon_options o;
    ck_assert_msg(parse_balloon("balloon set vm1 512M --wait 3", &o) == 0, "%s", err.text);
    ck_assert_str_eq(o.vm, "vm1");
    ck_assert_uint_eq(o.target_mib, 512);
    ck_assert_ptr_null(o.api_sock);
    ck_assert_msg(parse_balloon("balloon hint ./vm.sock stop", &o) == 0, "%s", err.text);
    ck_assert_str_eq(o.vm, "./vm.sock");
    ck_assert_int_eq(o.hint, HINT_STOP);
    ck_assert_msg(parse_balloon("balloon hint vm1 status --json", &o) == 0, "%s", err.text);
    ck_assert(o.json);
    ck_assert_msg(parse_balloon("balloon watch vm1", &o) == 0, "%s", err.text);
    ck_assert_uint_eq(o.interval_ms, 1000);
    ck_assert_uint_eq(o.count, 0);
    ck_assert_msg(parse_balloon("balloon watch --interval 20 --count 7 --json vm1", &o) == 0, "%s",
                  err.text);
    ck_assert_uint_eq(o.interval_ms, 20);
    ck_assert_uint_eq(o.count, 7);
    ck_assert(o.json);
}
END_TEST

START_TEST(balloon_show_and_help_are_told_apart)
{
    struct balloon_options o;
    ck_assert_int_eq(parse_balloon("balloon set 0 --api-sock s", &o), 0);
    ck_assert_uint_eq(o.target_mib, 0);
    ck_assert(!o.wait);
    ck_assert_int_eq(parse_balloon("balloon show --api-sock s", &o), 0);
    ck_assert(!o.json);
    ck_assert_int_eq(parse_balloon("balloon show --json --api-sock s", &o), 0);
    ck_assert(o.json);
    ck_assert_uint_eq(o.refresh_ms, 0);
    ck_assert_int_eq(parse_balloon("balloon show --refresh 10000 --api-sock s", &o), 0);
    ck_assert_uint_eq(o.refresh_ms, 10000);
    static const char *const asked[] = {"balloon set --help", "balloon show -h",
                                        "balloon set x --wait y --foo -h", "balloon hint --help",
                                        "balloon hint x -h"};
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        ck_assert_int_eq(parse_balloon(asked[i], &o), 0);
        ck_assert(words.help);
    }
}
END_TEST

START_TEST(balloon_hint_reads_its_word)
{
    static const char *const lines[] = {
        [HINT_START] = "balloon hint start --api-sock s",
        [HINT_STOP] = "balloon hint --api-sock s stop",
        [HINT_STATUS] = "balloon hint status --api-sock=s",
    };
    struct balloon_options o;
    ck_assert_msg(parse_balloon(lines[_i], &o) == 0, "%s", err.text);
    ck_assert_int_eq(o.hint, _i);
    ck_assert_str_eq(o.api_sock, "s");
}
END_TEST

static const struct {
    const char *line;
    const char *error;
} bad_balloons[] = {
    {"balloon hint --api-sock s", "balloon hint needs a word: start, stop or status"},
    {"balloon hint start", "balloon hint needs a machine, and none is running that has a name: "
                           "give --api-sock PATH, or start one with aerostat run"},
    {"balloon hint on --api-sock s", "balloon hint: \"on\" is not one of start, stop, status"},
    {"balloon hint start stop --api-sock s",
     "balloon hint: both a machine (start) and --api-sock were given"},
    {"balloon hint vm1 start stop", "unexpected argument \"stop\""},
    {"balloon hint start --api-sock s --json", "balloon hint start: --json is for status"},
    {"balloon show --api-sock s --refresh 0", "--refresh: 0 is below the minimum of 1"},
    {"balloon show --api-sock s --refresh 10001", "--refresh: 10001 is above the maximum of 10000"},
    {"balloon set 1M --api-sock s --refresh 1", "unknown or ambiguous option --refresh"},
    {"balloon set", "balloon set needs a size, as in: balloon set vm1 512M"},
    {"balloon set --api-sock s", "balloon set needs a size, as in: balloon set vm1 512M"},
    {"balloon set 1M", "balloon set needs a machine, and none is running that has a name: give "
                       "--api-sock PATH, or start one with aerostat run"},
    {"balloon show", "balloon show needs a machine, and none is running that has a name: give "
                     "--api-sock PATH, or start one with aerostat run"},
    {"balloon show x --api-sock s", "balloon show: both a machine (x) and --api-sock were given"},
    {"balloon show x y", "unexpected argument \"y\""},
    {"balloon set 1M 2M --api-sock s",
     "balloon set: both a machine (1M) and --api-sock were given"},
    {"balloon watch vm1 --interval 19", "--interval: 19 is below the minimum of 20"},
    {"balloon watch vm1 --count 0", "--count: 0 is below the minimum of 1"},
    {"balloon set 4K --api-sock s", "balloon set: 4K is not a whole number of MiB"},
    {"balloon set x --api-sock s",
     "balloon set: \"x\" is not a size: give a whole number with K, M or G, or alone for MiB"},
    {"balloon set -5 --api-sock s", "-5: a size cannot be negative"},
    {"balloon set --api-sock s -512M", "-512M: a size cannot be negative"},
    {"balloon set --api-sock s -- -5", "balloon set: -5: a size cannot be negative"},
    {"balloon set 1M --api-sock s --api-sock t", "--api-sock is given twice"},
    {"balloon set 1M --api-sock s --wait 0", "--wait: 0 is below the minimum of 1"},
    {"balloon set 1M --api-sock s --wait", "--wait needs a value"},
    {"balloon set 1M --api-sock s --json", "unknown or ambiguous option --json"},
    {"balloon set vm1 1M 2M", "unexpected argument \"2M\""},
    {"balloon show --api-sock s --wait 1", "unknown or ambiguous option --wait"},
};

START_TEST(a_bad_balloon_command_gets_one_exact_sentence)
{
    struct balloon_options o;
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", "/nonexistent/aerostat", 1), 0);
    ck_assert_int_eq(parse_balloon(bad_balloons[_i].line, &o), -EINVAL);
    ck_assert_str_eq(err.text, bad_balloons[_i].error);
}
END_TEST

Suite *options_suite(void)
{
    Suite *suite = suite_create("options");
    TCase *tc = tcase_create("options");
    tcase_add_test(tc, every_flag_reaches_its_field);
    tcase_add_test(tc, without_flags_all_is_default);
    tcase_add_loop_test(tc, flags_override_the_file_wherever_they_stand, 0, 2);
    tcase_add_test(tc, the_balloon_of_the_file_takes_the_form_of_the_flag);
    tcase_add_loop_test(tc, page_poison_follows_file_and_flags_unless_it_is_given, 0,
                        (int)ARRAY_LEN(poisons));
    tcase_add_loop_test(tc, help_is_given_whatever_else_is_wrong, 0, (int)ARRAY_LEN(helps));
    tcase_add_test(tc, what_looks_like_help_but_is_a_value_is_none);
    tcase_add_loop_test(tc, a_bad_command_line_gets_one_exact_sentence, 0,
                        (int)ARRAY_LEN(bad_runs));
    tcase_add_loop_test(tc, balloon_set_reads_size_socket_and_patience, 0, 3);
    tcase_add_test(tc, balloon_commands_take_a_machine_before_their_word);
    tcase_add_test(tc, balloon_show_and_help_are_told_apart);
    tcase_add_loop_test(tc, balloon_hint_reads_its_word, 0, 3);
    tcase_add_loop_test(tc, a_bad_balloon_command_gets_one_exact_sentence, 0,
                        (int)ARRAY_LEN(bad_balloons));
    suite_add_tcase(suite, tc);
    return suite;
}
