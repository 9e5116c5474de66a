/* SPDX-License-Identifier: Apache-2.0 */
/* Asks all machines at once, over connections that are kept: a few requests a machine and refresh,
 * and no machine that hangs keeps the others waiting. */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/clock.h"
#include "vmm/base/num.h"
#include "vmm/cli/top_priv.h"

#define NS_PER_MS  UINT64_C(1000000)
#define PAGE_BYTES UINT64_C(4096)

/* A figure of an answer; false where it is not there. */
static bool figure(const json_t *object, const char *key, uint64_t *out)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

bool top_read_state(struct top_vm *vm, const char *body, size_t len)
{
    json_t *root = json_loadb(body, len, 0, NULL);
    const char *state = json_string_value(json_object_get(root, "state"));
    /* It goes to a terminal. */
    bool good =
        state != NULL && state[0] != '\0' && strlen(state) < sizeof(vm->state) &&
        strspn(state, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ") == strlen(state);
    if (good)
        (void)snprintf(vm->state, sizeof(vm->state), "%s", state);
    json_decref(root);
    return good;
}

bool top_read_balloon(struct top_vm *vm, const char *body, size_t len)
{
    json_t *root = json_loadb(body, len, 0, NULL);
    const json_t *host = json_object_get(root, "host");
    uint64_t target = 0;
    uint64_t actual = 0;
    vm->has_balloon = figure(root, "target_pages", &target) &&
                      figure(root, "actual_pages", &actual) &&
                      figure(host, "freed_bytes", &vm->returned_bytes);
    vm->has_ram = figure(host, "ram_bytes", &vm->ram_bytes) &&
                  figure(host, "ram_allocated_bytes", &vm->resident_bytes);
    /* What the guest says of itself may be any number. */
    vm->target_bytes = min_u64(target, UINT64_MAX / PAGE_BYTES) * PAGE_BYTES;
    vm->actual_bytes = min_u64(actual, UINT64_MAX / PAGE_BYTES) * PAGE_BYTES;
    json_decref(root);
    return vm->has_balloon;
}

bool top_read_host(struct top_vm *vm, const char *body, size_t len)
{
    json_t *root = json_loadb(body, len, 0, NULL);
    vm->has_ram = figure(root, "ram_bytes", &vm->ram_bytes) &&
                  figure(root, "ram_allocated_bytes", &vm->resident_bytes);
    json_decref(root);
    return vm->has_ram;
}

static void give_up(struct top_vm *vm)
{
    vm->step = TOP_IDLE;
    vm->state[0] = '\0';
}

static void ask(struct top_vm *vm, enum top_step step)
{
    static const char *const paths[] = {[TOP_ASK_STATE] = "/",
                                        [TOP_ASK_BALLOON] = "/balloon/statistics",
                                        [TOP_ASK_HOST] = "/vm/host"};
    vm->step = step;
    if (api_conn_ask(vm->conn, paths[step], NULL) < 0)
        give_up(vm);
}

/* An answer leads to the next question. */
static void take(struct top_vm *vm, const struct api_response *response)
{
    bool good = response->status == 200;
    vm->silent = false;
    switch (vm->step) {
    case TOP_ASK_STATE:
        if (good && top_read_state(vm, response->body, response->len))
            ask(vm, TOP_ASK_BALLOON);
        else
            give_up(vm);
        break;
    case TOP_ASK_BALLOON:
        if (good && top_read_balloon(vm, response->body, response->len)) {
            vm->step = TOP_IDLE;
        } else {
            vm->has_balloon = false;
            ask(vm, TOP_ASK_HOST);
        }
        break;
    case TOP_ASK_HOST:
        vm->has_ram = good && top_read_host(vm, response->body, response->len);
        vm->step = TOP_IDLE;
        break;
    case TOP_IDLE:
        break;
    }
}

static void receive(struct top_vm *vm)
{
    struct api_response response = {0};
    int rc = api_conn_receive(vm->conn, &response, NULL);
    if (rc == 0)
        take(vm, &response);
    else if (rc != -EAGAIN)
        give_up(vm);
    api_response_finish(&response);
}

/* Fills fds, one a machine; returns how many are to be waited for. */
static size_t watch(struct top *top, struct pollfd *fds)
{
    size_t waiting = 0;
    for (size_t i = 0; i < top->n; i++) {
        struct top_vm *vm = &top->vms[i];
        fds[i] = (struct pollfd){.fd = vm->step == TOP_IDLE ? -1 : api_conn_fd(vm->conn),
                                 .events = POLLIN};
        waiting += fds[i].fd >= 0 && !vm->silent;
    }
    return waiting;
}

static uint64_t patience_ms(const struct top *top)
{
    return top->patience_ms == 0 ? TOP_PATIENCE_MS : top->patience_ms;
}

static int ask_all(struct top *top, struct err *err)
{
    AUTO_FREE struct pollfd *fds = calloc(top->n + 1, sizeof(*fds));
    uint64_t deadline = clock_mono_ns() + patience_ms(top) * NS_PER_MS;
    if (fds == NULL)
        return err_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < top->n; i++) {
        if (top->vms[i].step == TOP_IDLE)
            ask(&top->vms[i], TOP_ASK_STATE);
    }
    /* Those that were silent before get what has come, and no time. */
    for (bool last = false; !last;) {
        uint64_t now = clock_mono_ns();
        size_t waiting = watch(top, fds);
        last = waiting == 0 || now >= deadline;
        int ms = last ? 0 : (int)((deadline - now + NS_PER_MS - 1) / NS_PER_MS);
        if (poll(fds, top->n, ms) <= 0)
            continue;
        for (size_t i = 0; i < top->n; i++) {
            if (fds[i].fd >= 0 && fds[i].revents != 0)
                receive(&top->vms[i]);
        }
    }
    for (size_t i = 0; i < top->n; i++) {
        struct top_vm *vm = &top->vms[i];
        vm->silent = vm->step != TOP_IDLE;
        if (vm->silent)
            vm->state[0] = '\0';
    }
    return 0;
}

/* Processor time and pressure, which the kernel tells. */
static void look_at(const struct top *top, struct top_vm *vm)
{
    uint64_t now = clock_mono_ns();
    uint64_t cpu_ns = 0;
    bool known = host_cpu_ns(top->root, vm->pid, &cpu_ns) == 0;
    vm->has_cpu = known && vm->cpu_at_ns != 0 && now > vm->cpu_at_ns;
    if (vm->has_cpu)
        vm->cpu_permille = (uint32_t)min_u64(
            sub_sat_u64(cpu_ns, vm->cpu_ns) * 1000 / (now - vm->cpu_at_ns), UINT32_MAX);
    vm->cpu_ns = cpu_ns;
    vm->cpu_at_ns = known ? now : 0;
    vm->has_pressure = vm->pressure_path[0] != '\0' &&
                       host_pressure(top->root, vm->pressure_path, &vm->pressure_hundredths) == 0;
}

/* A group of its own, or of several: not the root, which is the host. */
static void find_pressure(const struct top *top, struct top_vm *vm)
{
    struct host_cgroup cgroup;
    if (host_cgroup(top->root, vm->pid, &cgroup) == 0 && cgroup.v2 &&
        strcmp(cgroup.path, "/sys/fs/cgroup") != 0)
        (void)snprintf(vm->pressure_path, sizeof(vm->pressure_path), "%s/memory.pressure",
                       cgroup.path);
}

static struct top_vm *find(struct top *top, const struct registry_entry *entry)
{
    for (size_t i = 0; i < top->n; i++) {
        struct top_vm *vm = &top->vms[i];
        if (vm->pid == entry->pid && vm->started_ms == entry->started_ms &&
            strcmp(vm->name, entry->name) == 0)
            return vm;
    }
    return NULL;
}

/* False where its socket's path is none: it has just gone. */
static bool add(const struct top *top, const struct registry_entry *entry, struct top_vm *out)
{
    char path[REGISTRY_PATH_MAX];
    *out = (struct top_vm){.pid = entry->pid, .started_ms = entry->started_ms};
    (void)snprintf(out->name, sizeof(out->name), "%s", entry->name);
    if (registry_path(top->registry, entry->name, REGISTRY_API_SOCK, path) < 0 ||
        api_conn_create(path, &out->conn) < 0)
        return false;
    find_pressure(top, out);
    return true;
}

static void drop_unseen(struct top *top)
{
    for (size_t i = 0; i < top->n; i++) {
        if (!top->vms[i].seen)
            api_conn_destroy(top->vms[i].conn);
    }
}

/* Takes over the machines that are still there. */
static int match(struct top *top, const struct registry_entry *entries, size_t count,
                 struct err *err)
{
    struct top_vm *vms = calloc(count + 1, sizeof(*vms));
    size_t n = 0;
    if (vms == NULL)
        return err_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < top->n; i++)
        top->vms[i].seen = false;
    for (size_t i = 0; i < count; i++) {
        if (!entries[i].alive)
            continue;
        struct top_vm *known = find(top, &entries[i]);
        if (known != NULL) {
            known->seen = true;
            vms[n++] = *known;
        } else {
            n += add(top, &entries[i], &vms[n]);
        }
    }
    drop_unseen(top);
    free(top->vms);
    top->vms = vms;
    top->n = n;
    return 0;
}

static int list(struct top *top, struct err *err)
{
    AUTO_FREE struct registry_entry *entries = NULL;
    size_t count = 0;
    int rc = top->registry != NULL ? 0 : registry_open(false, &top->registry, err);
    if (rc == -ENOENT)
        return match(top, NULL, 0, err);
    if (rc == 0)
        rc = registry_list(top->registry, &entries, &count, err);
    return rc < 0 ? rc : match(top, entries, count, err);
}

int top_refresh(struct top *top, struct err *err)
{
    int rc = list(top, err);
    if (rc == 0)
        rc = ask_all(top, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < top->n; i++)
        look_at(top, &top->vms[i]);
    top->has_memory = host_memory(top->root, &top->memory) == 0;
    top->has_pressure =
        host_pressure(top->root, "/proc/pressure/memory", &top->pressure_hundredths) == 0;
    return 0;
}

void top_finish(struct top *top)
{
    for (size_t i = 0; i < top->n; i++)
        api_conn_destroy(top->vms[i].conn);
    free(top->vms);
    registry_close(top->registry);
    *top = (struct top){.root = top->root};
}
