/* SPDX-License-Identifier: Apache-2.0 */
/* A runtime directory for one test program. */
#include "tests/kvm/fleet.h"

#include <dirent.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

char fleet_dir[64];
struct command_result result;

void fleet_setup(void)
{
    (void)snprintf(fleet_dir, sizeof(fleet_dir), "/tmp/aerostat-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fleet_dir));
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", fleet_dir, 1), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    if (ftw->level > 0)
        (void)remove(path);
    return 0;
}

const char *fleet_path(const char *name, const char *file)
{
    static char paths[4][400];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s/%s", fleet_dir, name, file);
    return path;
}

static pid_t read_pid(const char *name)
{
    int pid = 0;
    FILE *file = fopen(fleet_path(name, "lock"), "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%d", &pid) != 1)
        pid = 0;
    fclose(file);
    return pid;
}

void fleet_sweep(void)
{
    DIR *dir = opendir(fleet_dir);
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        pid_t pid = read_pid(entry->d_name);
        char name[64] = "";
        char path[64];
        /* Only ours: the number may have been given anew. */
        (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
        FILE *comm = pid > 0 ? fopen(path, "re") : NULL;
        if (comm != NULL && fgets(name, sizeof(name), comm) != NULL &&
            strcmp(name, "aerostat\n") == 0)
            (void)kill(pid, SIGKILL);
        if (comm != NULL)
            fclose(comm);
    }
    closedir(dir);
    (void)nftw(fleet_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void fleet_teardown(void)
{
    fleet_sweep();
    (void)rmdir(fleet_dir);
}

pid_t fleet_pid(const char *name)
{
    pid_t pid = read_pid(name);
    ck_assert_msg(pid > 0, "%s has no lock", name);
    return pid;
}

void fleet_expect_gone(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ck_assert_msg(poll(&p, 1, 20000) == 1, "process %d is left", (int)pid);
    close(fd);
}

void fleet_expect_empty(void)
{
    DIR *dir = opendir(fleet_dir);
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        ck_assert_msg(entry->d_name[0] == '.', "%s is left", entry->d_name);
    closedir(dir);
}

unsigned fleet_count(const char *text, const char *word)
{
    unsigned n = 0;
    for (; (text = strstr(text, word)) != NULL; text += strlen(word))
        n++;
    return n;
}
