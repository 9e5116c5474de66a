/* SPDX-License-Identifier: Apache-2.0 */
/* Running machines as commands name them. */
#include "vmm/cli/vm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/log.h"
#include "vmm/base/path.h"

/* As many names as one sentence lists. */
#define NAMES_SHOWN 8u

const char *vm_label(const struct vm_ref *vm)
{
    return vm->entry.name[0] != '\0' ? vm->entry.name : vm->api_sock;
}

static int resolve_path(const char *path, struct vm_ref *out, struct err *err)
{
    struct registry *registry = NULL;
    char shown[PATH_SHOWN_MAX];
    size_t len = strlen(path);
    path_show(path, shown);
    if (len >= sizeof(out->api_sock))
        return err_set(err, -ENAMETOOLONG,
                       "control socket %s: the path has %zu bytes, above the maximum of %zu", shown,
                       len, sizeof(out->api_sock) - 1);
    *out = (struct vm_ref){0};
    memcpy(out->api_sock, path, len + 1);
    if (registry_open(false, &registry, NULL) == 0) {
        (void)registry_find_socket(registry, path, &out->entry);
        registry_close(registry);
    }
    return 0;
}

int vm_resolve(const char *word, struct vm_ref *out, struct err *err)
{
    struct registry *registry = NULL;
    if (strchr(word, '/') != NULL)
        return resolve_path(word, out, err);
    int rc = registry_check_name(word, err);
    if (rc < 0)
        return rc;
    rc = registry_open(false, &registry, err);
    if (rc == -ENOENT)
        return err_set(err, rc, "no machine is named %s (see aerostat ps)", word);
    if (rc < 0)
        return rc;
    *out = (struct vm_ref){0};
    rc = registry_find(registry, word, &out->entry, err);
    if (rc == 0)
        rc = registry_path(registry, word, REGISTRY_API_SOCK, out->api_sock);
    registry_close(registry);
    return rc;
}

/* Turns the running ones of n entries into references. Returns how many. */
static size_t take_running(struct registry *registry, const struct registry_entry *entries,
                           size_t n, struct vm_ref *vms)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        struct vm_ref *vm = &vms[count];
        *vm = (struct vm_ref){.entry = entries[i]};
        if (!entries[i].alive) {
            log_info("removing what machine %s left, whose monitor (pid %d) was killed",
                     entries[i].name, (int)entries[i].pid);
            (void)registry_remove_stale(registry, entries[i].name, NULL);
        } else if (registry_path(registry, entries[i].name, REGISTRY_API_SOCK, vm->api_sock) == 0) {
            count++;
        }
    }
    return count;
}

int vm_list(struct vm_ref **out_vms, size_t *out_count, struct err *err)
{
    AUTO_FREE struct registry_entry *entries = NULL;
    struct registry *registry = NULL;
    struct vm_ref *vms = NULL;
    size_t n = 0;
    *out_vms = NULL;
    *out_count = 0;
    int rc = registry_open(false, &registry, err);
    if (rc == -ENOENT)
        return 0;
    if (rc == 0)
        rc = registry_list(registry, &entries, &n, err);
    if (rc == 0 && n > 0) {
        vms = calloc(n, sizeof(vms[0]));
        rc = vms == NULL ? err_set(err, -ENOMEM, "out of memory") : 0;
    }
    if (rc == 0 && n > 0)
        *out_count = take_running(registry, entries, n, vms);
    registry_close(registry);
    *out_vms = vms;
    return rc;
}

int vm_missing(const char *command, struct err *err)
{
    AUTO_FREE struct vm_ref *vms = NULL;
    char names[NAMES_SHOWN * (REGISTRY_NAME_MAX + 2) + 8] = "";
    size_t count = 0;
    size_t len = 0;
    (void)vm_list(&vms, &count, NULL);
    for (size_t i = 0; i < count && i < NAMES_SHOWN; i++)
        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i == 0 ? "" : ", ",
                                vms[i].entry.name);
    if (count > NAMES_SHOWN)
        (void)snprintf(names + len, sizeof(names) - len, ", ...");
    if (count == 0)
        return err_set(err, -EINVAL,
                       "%s needs a machine, and none is running that has a name: give "
                       "--api-sock PATH, or start one with aerostat run",
                       command);
    return err_set(err, -EINVAL, "%s needs a machine (running: %s)", command, names);
}

/* Who listens on the socket. */
static int find_listener(const char *path, pid_t *out_pid)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct ucred cred;
    socklen_t len = sizeof(cred);
    memcpy(addr.sun_path, path, strlen(path));
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
        return errno == ECONNREFUSED || errno == ENOENT ? -ESRCH : -errno;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return -errno;
    *out_pid = cred.pid;
    return 0;
}

/* Somebody who listens still is who listened when his number was looked up. */
static int watch_listener(const char *path, int *out_fd)
{
    pid_t pid = 0;
    pid_t again = 0;
    int rc = find_listener(path, &pid);
    if (rc < 0)
        return rc;
    AUTO_FD int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return -errno;
    rc = find_listener(path, &again);
    if (rc == 0 && again != pid)
        rc = -ESRCH;
    if (rc == 0)
        *out_fd = take_fd(&fd);
    return rc;
}

int vm_watch(const struct vm_ref *vm, int *out_fd)
{
    struct registry *registry = NULL;
    if (vm->entry.name[0] == '\0')
        return watch_listener(vm->api_sock, out_fd);
    int rc = registry_open(false, &registry, NULL);
    if (rc == 0)
        rc = registry_watch(registry, vm->entry.name, out_fd);
    registry_close(registry);
    return rc;
}
