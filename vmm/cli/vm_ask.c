/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine says of itself over its control socket. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmm/api_client/client.h"
#include "vmm/base/num.h"
#include "vmm/cli/vm.h"

#define PAGE_BYTES UINT64_C(4096)

static const char state_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ";

static void ask_host(const struct vm_ref *vm, struct vm_figures *out)
{
    struct api_response response = {0};
    if (api_call(vm->api_sock, "GET", "/vm/host", NULL, VM_LOOK_TIMEOUT_MS, &response, NULL) == 0)
        out->has_host =
            api_body_u64(&response, NULL, "ram_bytes", &out->ram_bytes, NULL) == 0 &&
            api_body_u64(&response, NULL, "ram_allocated_bytes", &out->resident_bytes, NULL) == 0 &&
            api_body_u64(&response, NULL, "uptime_ms", &out->uptime_ms, NULL) == 0;
    api_response_finish(&response);
}

static void ask_balloon(const struct vm_ref *vm, struct vm_figures *out)
{
    struct api_response response = {0};
    uint64_t target = 0;
    uint64_t actual = 0;
    if (api_call(vm->api_sock, "GET", "/balloon/statistics", NULL, VM_LOOK_TIMEOUT_MS, &response,
                 NULL) == 0)
        out->has_balloon =
            api_body_u64(&response, NULL, "target_pages", &target, NULL) == 0 &&
            api_body_u64(&response, NULL, "actual_pages", &actual, NULL) == 0 &&
            api_body_u64(&response, "host", "freed_bytes", &out->returned_bytes, NULL) == 0;
    /* Larger numbers than machines have would wrap. */
    out->target_bytes = min_u64(target, UINT64_MAX / PAGE_BYTES) * PAGE_BYTES;
    out->actual_bytes = min_u64(actual, UINT64_MAX / PAGE_BYTES) * PAGE_BYTES;
    api_response_finish(&response);
}

int vm_state(const struct vm_ref *vm, char out[VM_STATE_MAX], struct err *err)
{
    struct api_response response = {0};
    int rc = api_call(vm->api_sock, "GET", "/", NULL, VM_LOOK_TIMEOUT_MS, &response, err);
    out[0] = '\0';
    if (rc == 0)
        rc = api_body_text(&response, NULL, "state", out, VM_STATE_MAX, err);
    api_response_finish(&response);
    /* It goes to a terminal. */
    if (rc == 0 && strspn(out, state_letters) != strlen(out))
        rc = err_set(err, -EPROTO, "%s: its state is no word", vm_label(vm));
    if (rc < 0)
        out[0] = '\0';
    return rc;
}

int vm_ask(const struct vm_ref *vm, struct vm_figures *out, struct err *err)
{
    *out = (struct vm_figures){0};
    int rc = vm_state(vm, out->state, err);
    if (rc < 0)
        return rc;
    ask_host(vm, out);
    ask_balloon(vm, out);
    return 0;
}

int vm_request(const struct vm_ref *vm, const char *method, const char *path, const char *body,
               unsigned timeout_ms, struct err *err)
{
    struct api_response response = {0};
    struct err why = {0};
    int rc = api_call(vm->api_sock, method, path, body, timeout_ms, &response, &why);
    api_response_finish(&response);
    return rc < 0 ? err_set(err, rc, "%s: %s", vm_label(vm), why.text) : 0;
}

void vm_format_time(uint64_t ms, char out[24])
{
    static const struct {
        uint64_t s;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    uint64_t s = ms / 1000;
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(units) && s < units[i].s)
        i++;
    uint64_t rest = s % units[i].s;
    if (i + 1 < ARRAY_LEN(units) && i < 2)
        (void)snprintf(out, 24, "%" PRIu64 "%c %" PRIu64 "%c", s / units[i].s, units[i].letter,
                       rest / units[i + 1].s, units[i + 1].letter);
    else
        (void)snprintf(out, 24, "%" PRIu64 "%c", s / units[i].s, units[i].letter);
}
