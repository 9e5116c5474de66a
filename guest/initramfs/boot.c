/* SPDX-License-Identifier: Apache-2.0 */
/* From the first instruction of process 1 to a guest that answers: file systems, console, modules.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#define MODULE_DIR "/lib/modules"

static const struct {
    const char *type;
    const char *target;
} mounts[] = {
    {"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}, {"debugfs", "/sys/kernel/debug"},
    {"tmpfs", "/tmp"},
};

void boot_mount(void)
{
    for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
        mkdir(mounts[i].target, 0755);
        /* A kernel without one of them is still worth talking to. */
        mount(mounts[i].type, mounts[i].target, mounts[i].type, 0, NULL);
    }
}

void boot_console(void)
{
    struct termios tio;
    int fd = open("/dev/console", O_RDWR | O_NOCTTY);

    if (fd < 0)
        return;
    for (int to = 0; to < 3; to++)
        if (fd != to)
            dup2(fd, to);
    if (fd > 2)
        close(fd);
    if (tcgetattr(0, &tio) == 0) {
        cfmakeraw(&tio);
        tcsetattr(0, TCSANOW, &tio);
    }
}

/* The command line as a string of words that each have a space on both sides. */
static void read_cmdline(char *out, size_t size)
{
    ssize_t n = 0;
    int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);

    out[0] = ' ';
    if (fd >= 0) {
        n = read(fd, out + 1, size - 3);
        close(fd);
    }
    if (n < 0)
        n = 0;
    out[n + 1] = ' ';
    out[n + 2] = '\0';
    for (char *c = out; *c != '\0'; c++)
        if (*c == '\n')
            *c = ' ';
}

bool boot_cmdline_has(const char *word)
{
    char line[4096];
    char wanted[64];

    read_cmdline(line, sizeof(line));
    snprintf(wanted, sizeof(wanted), " %s ", word);
    return strstr(line, wanted) != NULL;
}

bool boot_cmdline_value(const char *key, char *out, unsigned size)
{
    char line[4096];
    char wanted[64];
    const char *at;

    read_cmdline(line, sizeof(line));
    snprintf(wanted, sizeof(wanted), " %s=", key);
    at = strstr(line, wanted);
    if (at == NULL)
        return false;
    at += strlen(wanted);
    snprintf(out, size, "%.*s", (int)strcspn(at, " "), at);
    return true;
}

int boot_load_module(const char *name, const char *params)
{
    char path[256];
    int err = 0;
    int fd;

    snprintf(path, sizeof(path), MODULE_DIR "/%s.ko", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (syscall(SYS_finit_module, fd, params, 0) < 0)
        err = -errno;
    close(fd);
    return err;
}

/* load-order names one module a line, each after those it needs. */
void boot_modules(void)
{
    char name[128];
    FILE *order = fopen(MODULE_DIR "/load-order", "re");

    if (order == NULL)
        return;
    while (fgets(name, sizeof(name), order) != NULL) {
        int err;

        name[strcspn(name, "\n")] = '\0';
        err = name[0] == '\0' ? 0 : boot_load_module(name, "");
        if (err < 0)
            agent_line("note module %s: %s", name, strerror(-err));
    }
    fclose(order);
}
