/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The balloon drivers and which of them has the balloon. One that is a module is loaded and
 * unloaded; one that is part of the kernel is there from the start, is released from the balloon
 * (unbound) instead of unloaded, and bound to it again instead of loaded.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BUS "/sys/bus/virtio"
/* The device type of a balloon (virtio 1.2, 5). */
#define BALLOON_ID 5

static const struct {
    const char *driver; /* as commands and the kernel's command line name it */
    const char *module;
} drivers[] = {
    {"sg", "aerostat_balloon"},
    {"stock", "virtio_balloon"},
};
#define DRIVERS (sizeof(drivers) / sizeof(drivers[0]))

/* The module of the driver that args starts with; *out_rest is what follows. */
static const char *find_driver(const char *args, const char **out_rest)
{
    for (size_t i = 0; i < DRIVERS; i++) {
        size_t n = strlen(drivers[i].driver);
        if (strncmp(args, drivers[i].driver, n) == 0 && (args[n] == ' ' || args[n] == '\0')) {
            *out_rest = args + n + strspn(args + n, " ");
            return drivers[i].module;
        }
    }
    return NULL;
}

/* The kernel has the driver, and not as a module: only those have a state. */
static bool is_built_in(const char *module)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), BUS "/drivers/%s", module);
    if (access(path, F_OK) != 0)
        return false;
    snprintf(path, sizeof(path), "/sys/module/%s/initstate", module);
    return access(path, F_OK) != 0;
}

/* Writes the device's name to the driver's file "bind" or "unbind". Returns 0 or -errno. */
static int tell_driver(const char *module, const char *file, const char *device)
{
    char path[PATH_MAX];
    int err = 0;
    int fd;

    snprintf(path, sizeof(path), BUS "/drivers/%s/%s", module, file);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (write(fd, device, strlen(device)) < 0)
        err = -errno;
    close(fd);
    return err;
}

static bool is_balloon(const char *device)
{
    char path[PATH_MAX];
    char id[16] = "";
    FILE *file;

    snprintf(path, sizeof(path), BUS "/devices/%s/device", device);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fgets(id, sizeof(id), file) == NULL)
        id[0] = '\0';
    fclose(file);
    return strtol(id, NULL, 16) == BALLOON_ID;
}

/* The name of the driver that has the device; empty if none has. */
static void driver_of(const char *device, char *out, size_t size)
{
    char path[PATH_MAX];
    char target[PATH_MAX];
    ssize_t n;

    snprintf(path, sizeof(path), BUS "/devices/%s/driver", device);
    n = readlink(path, target, sizeof(target) - 1);
    target[n > 0 ? n : 0] = '\0';
    snprintf(out, size, "%s", n > 0 ? basename(target) : "");
}

/* Calls visit for each balloon until it returns non-zero, and returns that. */
static int each_balloon(int (*visit)(const char *device, const char *driver, const char *module),
                        const char *module)
{
    DIR *dir = opendir(BUS "/devices");
    int result = 0;

    if (dir == NULL)
        return 0;
    for (struct dirent *e = readdir(dir); e != NULL && result == 0; e = readdir(dir)) {
        char driver[NAME_MAX + 1];

        if (e->d_name[0] == '.' || !is_balloon(e->d_name))
            continue;
        driver_of(e->d_name, driver, sizeof(driver));
        result = visit(e->d_name, driver, module);
    }
    closedir(dir);
    return result;
}

static int bind_to(const char *device, const char *driver, const char *module)
{
    if (driver[0] == '\0')
        return tell_driver(module, "bind", device);
    return strcmp(driver, module) == 0 ? 0 : -EBUSY;
}

/* Returns 1 when there was something to release. */
static int release_from(const char *device, const char *driver, const char *module)
{
    int err;

    if (strcmp(driver, module) != 0)
        return 0;
    err = tell_driver(module, "unbind", device);
    return err < 0 ? err : 1;
}

static int start_driver(const char *module, const char *params)
{
    if (!is_built_in(module))
        return boot_load_module(module, params);
    /* Those of a part of the kernel are on its command line, and are read once. */
    return params[0] != '\0' ? -EINVAL : each_balloon(bind_to, module);
}

/* Returns 1 when it was there, 0 when it was not, or -errno. */
static int stop_driver(const char *module)
{
    if (is_built_in(module))
        return each_balloon(release_from, module);
    if (syscall(SYS_delete_module, module, O_NONBLOCK) == 0)
        return 1;
    /* ENOSYS: a kernel without modules. */
    return errno == ENOENT || errno == ENOSYS ? 0 : -errno;
}

void driver_load(const char *args)
{
    const char *params;
    const char *module = find_driver(args, &params);
    int err;

    if (module == NULL) {
        agent_error("load wants sg or stock, and module parameters, not '%s'", args);
        return;
    }
    err = start_driver(module, params);
    if (err < 0)
        agent_error("loading %s: %s", module, strerror(-err));
    else
        agent_ok("loaded %s", module);
}

void driver_unload(const char *args)
{
    long start_ms = agent_uptime_ms();

    (void)args;
    for (size_t i = 0; i < DRIVERS; i++) {
        int result = stop_driver(drivers[i].module);

        if (result > 0) {
            agent_ok("unloaded %s ms=%ld", drivers[i].module, agent_uptime_ms() - start_ms);
            return;
        }
        if (result < 0) {
            agent_error("unloading %s: %s", drivers[i].module, strerror(-result));
            return;
        }
    }
    agent_error("no balloon driver is loaded");
}

/* Whether a line of /proc/interrupts names the device: as "virtio1", "virtio1-config", or among
 * others. */
static bool names_device(const char *line, const char *device)
{
    const char *at = strstr(line, device);

    return at != NULL && at > line && at[-1] == ' ' && !isdigit((unsigned char)at[strlen(device)]);
}

/* The sum of a line's figures, of which there is one for each CPU. */
static unsigned long long count_line(const char *line)
{
    unsigned long long sum = 0;
    const char *at = strchr(line, ':');
    char *end;

    while (at != NULL) {
        unsigned long long n = strtoull(at + 1, &end, 10);
        if (end == at + 1 || *end != ' ')
            break;
        sum += n;
        at = end;
    }
    return sum;
}

/* Returns 1: it has answered. */
static int answer_interrupts(const char *device, const char *driver, const char *module)
{
    FILE *interrupts = fopen("/proc/interrupts", "re");
    unsigned long long sum = 0;
    char *line = NULL;
    size_t size = 0;

    (void)driver;
    (void)module;
    if (interrupts == NULL) {
        agent_error("/proc/interrupts: %s", strerror(errno));
        return 1;
    }
    while (getline(&line, &size, interrupts) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (names_device(line, device))
            sum += count_line(line);
    }
    free(line);
    fclose(interrupts);
    agent_ok("interrupts=%llu", sum);
    return 1;
}

void driver_interrupts(const char *args)
{
    (void)args;
    if (each_balloon(answer_interrupts, NULL) == 0)
        agent_error("there is no balloon");
}

/* Drivers that are part of the kernel have taken the balloon long before anybody could choose. */
static void release_others(const char *module)
{
    for (size_t i = 0; i < DRIVERS; i++) {
        int err = 0;

        if (strcmp(drivers[i].module, module) != 0 && is_built_in(drivers[i].module))
            err = stop_driver(drivers[i].module);
        if (err < 0)
            agent_line("note unbinding %s: %s", drivers[i].module, strerror(-err));
    }
}

void driver_start_chosen(void)
{
    char driver[64] = "sg";
    const char *params;
    const char *module;
    int err;

    boot_cmdline_value("aerostat.driver", driver, sizeof(driver));
    if (strcmp(driver, "none") == 0) {
        release_others("");
        return;
    }
    module = find_driver(driver, &params);
    if (module == NULL) {
        agent_line("note aerostat.driver=%s is none of sg, stock, none", driver);
        return;
    }
    release_others(module);
    err = start_driver(module, params);
    if (err < 0)
        agent_line("note module %s: %s", module, strerror(-err));
}
