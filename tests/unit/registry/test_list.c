/* SPDX-License-Identifier: Apache-2.0 */
/* Who runs, what is stale, and signals that reach nobody else. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/registry/fixture.h"
#include "tests/unit/registry/suites.h"

static struct registry_entry *entries;
static size_t count;

static void list(void)
{
    free(entries);
    int rc = registry_list(fx.registry, &entries, &count, &fx.err);
    ck_assert_msg(rc == 0, "%s", fx.err.text);
}

static void teardown(void)
{
    free(entries);
    entries = NULL;
    fixture_teardown();
}

START_TEST(an_empty_directory_lists_nothing)
{
    list();
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(running_and_stale_ones_are_told_apart)
{
    uint64_t before = (uint64_t)time(NULL) * 1000;
    fixture_kill(fixture_monitor("dead"));
    pid_t pid = fixture_monitor("alive");
    list();
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(entries[0].name, "alive");
    ck_assert(entries[0].alive);
    ck_assert_int_eq(entries[0].pid, pid);
    ck_assert_uint_ge(entries[0].started_ms + 1000, before);
    ck_assert_uint_le(entries[0].started_ms, before + 60000);
    ck_assert_str_eq(entries[1].name, "dead");
    ck_assert(!entries[1].alive);
    fixture_kill(pid);
}
END_TEST

START_TEST(numbers_in_names_count)
{
    struct registry_claim *claims[11];
    for (unsigned i = 0; i < 11; i++)
        claims[i] = fixture_claim(NULL);
    list();
    ck_assert_uint_eq(count, 11);
    ck_assert_str_eq(entries[1].name, "vm2");
    ck_assert_str_eq(entries[10].name, "vm11");
    for (unsigned i = 0; i < 11; i++)
        registry_release(claims[i]);
}
END_TEST

START_TEST(looking_disturbs_no_starter)
{
    pid_t looker = fork();
    ck_assert_int_ge(looker, 0);
    if (looker == 0) {
        struct registry *registry = NULL;
        if (registry_open(false, &registry, NULL) < 0)
            _exit(1);
        for (;;) {
            struct registry_entry *found = NULL;
            size_t n = 0;
            if (registry_list(registry, &found, &n, NULL) == 0)
                free(found);
            (void)registry_remove_stale(registry, "web", NULL);
        }
    }
    for (unsigned i = 0; i < 2000; i++) {
        struct registry_claim *claim = fixture_claim("web");
        ck_assert(fixture_exists(fixture_path("web/lock")));
        registry_release(claim);
    }
    fixture_kill(looker);
}
END_TEST

START_TEST(a_machine_is_found_by_name_while_it_runs)
{
    struct registry_entry entry;
    pid_t pid = fixture_monitor("web");
    ck_assert_int_eq(registry_find(fx.registry, "web", &entry, &fx.err), 0);
    ck_assert_int_eq(entry.pid, pid);
    fixture_kill(pid);
    ck_assert_int_eq(registry_find(fx.registry, "web", &entry, &fx.err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(fx.err.text, "was killed"));
    ck_assert_int_eq(registry_find(fx.registry, "wob", &entry, &fx.err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(fx.err.text, "no machine is named wob"));
    ck_assert_int_eq(registry_find(fx.registry, "../web", &entry, &fx.err), -EINVAL);
}
END_TEST

static int listen_at(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    return fd;
}

START_TEST(a_machine_is_found_by_its_socket)
{
    struct registry_entry entry;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/my.sock", fx.top);
    struct registry_claim *here = fixture_claim("here");
    struct registry_claim *there = fixture_claim("there");
    ck_assert_int_eq(registry_claim_link_api(there, path, &fx.err), 0);
    int fds[] = {listen_at(fixture_path("here/api.sock")), listen_at(path)};
    ck_assert_int_eq(registry_find_socket(fx.registry, fixture_path("here/api.sock"), &entry), 0);
    ck_assert_str_eq(entry.name, "here");
    ck_assert_int_eq(registry_find_socket(fx.registry, path, &entry), 0);
    ck_assert_str_eq(entry.name, "there");
    ck_assert_int_eq(registry_find_socket(fx.registry, fixture_path("there/api.sock"), &entry), 0);
    ck_assert_str_eq(entry.name, "there");
    ck_assert_int_eq(registry_find_socket(fx.registry, fx.dir, &entry), -ENOENT);
    ck_assert_int_eq(registry_find_socket(fx.registry, "/nonexistent", &entry), -ENOENT);
    close(fds[0]);
    close(fds[1]);
    registry_release(here);
    registry_release(there);
}
END_TEST

START_TEST(only_a_stale_name_is_removed)
{
    pid_t pid = fixture_monitor("web");
    ck_assert_int_eq(registry_remove_stale(fx.registry, "web", &fx.err), -EBUSY);
    fixture_kill(pid);
    ck_assert_int_eq(registry_remove_stale(fx.registry, "web", &fx.err), 0);
    ck_assert_uint_eq(fixture_count(fx.dir), 0);
    ck_assert_int_eq(registry_remove_stale(fx.registry, "web", &fx.err), 0);
}
END_TEST

START_TEST(a_monitors_end_is_seen)
{
    int fd = -1;
    pid_t pid = fixture_monitor("web");
    ck_assert_int_eq(registry_watch(fx.registry, "web", &fd), 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    ck_assert_int_eq(registry_signal(fx.registry, "web", SIGKILL), 0);
    ck_assert_int_eq(poll(&p, 1, 20000), 1);
    close(fd);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(registry_watch(fx.registry, "web", &fd), -ESRCH);
    ck_assert_int_eq(registry_signal(fx.registry, "web", SIGKILL), -ESRCH);
}
END_TEST

START_TEST(a_process_that_has_a_stale_number_now_gets_no_signal)
{
    char text[32];
    fixture_kill(fixture_monitor("web"));
    /* As if our number had been the killed monitor's. */
    (void)snprintf(text, sizeof(text), "%d\n", (int)getpid());
    fixture_write(fixture_path("web/lock"), text);
    ck_assert_int_eq(registry_signal(fx.registry, "web", SIGKILL), -ESRCH);
}
END_TEST

Suite *list_suite(void)
{
    Suite *suite = suite_create("registry: list");
    TCase *tcase = tcase_create("list");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, fixture_setup, teardown);
    tcase_add_test(tcase, an_empty_directory_lists_nothing);
    tcase_add_test(tcase, running_and_stale_ones_are_told_apart);
    tcase_add_test(tcase, numbers_in_names_count);
    tcase_add_test(tcase, looking_disturbs_no_starter);
    tcase_add_test(tcase, a_machine_is_found_by_name_while_it_runs);
    tcase_add_test(tcase, a_machine_is_found_by_its_socket);
    tcase_add_test(tcase, only_a_stale_name_is_removed);
    tcase_add_test(tcase, a_monitors_end_is_seen);
    tcase_add_test(tcase, a_process_that_has_a_stale_number_now_gets_no_signal);
    suite_add_tcase(suite, tcase);
    return suite;
}
