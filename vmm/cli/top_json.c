/* SPDX-License-Identifier: Apache-2.0 */
/* The view of all machines as JSON. */
#include <errno.h>
#include <jansson.h>

#include "vmm/base/num.h"
#include "vmm/cli/top_priv.h"

/* null for what is not known; numbers of JSON are signed here. */
static json_t *number(bool known, uint64_t value)
{
    return known ? json_integer((json_int_t)min_u64(value, INT64_MAX)) : json_null();
}

static json_t *share(bool known, double value)
{
    return known ? json_real(value) : json_null();
}

static json_t *describe(const struct top_vm *vm)
{
    return json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", vm->name, "pid",
                     (int)vm->pid, "state",
                     vm->state[0] == '\0' ? json_null() : json_string(vm->state), "ram_bytes",
                     number(vm->has_ram, vm->ram_bytes), "resident_bytes",
                     number(vm->has_ram, vm->resident_bytes), "target_bytes",
                     number(vm->has_balloon, vm->target_bytes), "actual_bytes",
                     number(vm->has_balloon, vm->actual_bytes), "returned_bytes",
                     number(vm->has_balloon, vm->returned_bytes), "psi_some_avg10",
                     share(vm->has_pressure, (double)vm->pressure_hundredths / 100), "cpu_percent",
                     share(vm->has_cpu, (double)vm->cpu_permille / 10));
}

int top_print_json(const struct top *top, bool one_line, FILE *out)
{
    json_t *vms = json_array();
    for (size_t i = 0; i < top->n; i++) {
        /* Steals the reference; refuses NULL. */
        if (json_array_append_new(vms, describe(&top->vms[i])) < 0) {
            json_decref(vms);
            return -ENOMEM;
        }
    }
    json_t *all =
        json_pack("{s:{s:o, s:o, s:o}, s:o}", "host", "memory_bytes",
                  number(top->has_memory, top->memory.total), "available_bytes",
                  number(top->has_memory, top->memory.available), "psi_some_avg10",
                  share(top->has_pressure, (double)top->pressure_hundredths / 100), "vms", vms);
    if (all == NULL)
        return -ENOMEM;
    size_t flags = JSON_REAL_PRECISION(6) | (one_line ? JSON_COMPACT : JSON_INDENT(2));
    int rc = json_dumpf(all, out, flags);
    json_decref(all);
    (void)fputc('\n', out);
    return rc < 0 ? -ENOMEM : 0;
}
