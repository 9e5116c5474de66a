/* SPDX-License-Identifier: Apache-2.0 */
/* A runtime directory, files in it, and processes that have names. */
#include "tests/unit/registry/fixture.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture fx;

void fixture_setup(void)
{
    memset(&fx, 0, sizeof(fx));
    (void)snprintf(fx.top, sizeof(fx.top), "/tmp/aerostat-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fx.top));
    (void)snprintf(fx.dir, sizeof(fx.dir), "%s/run", fx.top);
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", fx.dir, 1), 0);
    int rc = registry_open(true, &fx.registry, &fx.err);
    ck_assert_msg(rc == 0, "%s", fx.err.text);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void fixture_teardown(void)
{
    registry_close(fx.registry);
    ck_assert_int_eq(nftw(fx.top, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

const char *fixture_path(const char *fmt, ...)
{
    static char paths[4][256];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    int len = snprintf(path, sizeof(paths[0]), "%s/", fx.dir);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(path + len, sizeof(paths[0]) - (size_t)len, fmt, args);
    va_end(args);
    return path;
}

void fixture_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

bool fixture_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

unsigned fixture_count(const char *path)
{
    DIR *dir = opendir(path);
    unsigned count = 0;
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

struct registry_claim *fixture_claim(const char *name)
{
    struct registry_claim *claim = NULL;
    int rc = registry_claim(fx.registry, name, &claim, &fx.err);
    ck_assert_msg(rc == 0, "%s", fx.err.text);
    return claim;
}

static void be_a_monitor(const char *name, int ready)
{
    struct registry *registry = NULL;
    struct registry_claim *claim = NULL;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* An open file of its own, as another program has it. */
    if (registry_open(true, &registry, NULL) < 0 ||
        registry_claim(registry, name, &claim, NULL) < 0)
        _exit(1);
    for (unsigned file = REGISTRY_API_SOCK; file < REGISTRY_FILES; file++)
        (void)mknodat(registry_claim_dir_fd(claim), registry_file_name(file), S_IFREG | 0600, 0);
    if (write(ready, "", 1) != 1)
        _exit(1);
    for (;;)
        (void)pause();
}

pid_t fixture_monitor(const char *name)
{
    int ready[2];
    char byte;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        be_a_monitor(name, ready[1]);
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

void fixture_kill(pid_t pid)
{
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
