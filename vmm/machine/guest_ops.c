/* SPDX-License-Identifier: Apache-2.0 */
/* What the balloon needs of the guest: which pages it writes, and moments in which it writes none.
 */
#include "vmm/machine/machine_priv.h"

static int told(struct machine *machine, int ret, const struct err *err)
{
    if (ret < 0)
        log_limited(&machine->track_limit, "free page hinting: %s", err->text);
    return ret;
}

static int track_writes(void *arg, bool on)
{
    struct machine *machine = arg;
    struct err err = {0};
    int ret = on ? vm_dirty_log_start(machine->vm, &err) : vm_dirty_log_stop(machine->vm, &err);
    return told(machine, ret, &err);
}

static int written(void *arg, struct gm_bitmap *out)
{
    struct machine *machine = arg;
    struct err err = {0};
    return told(machine, vm_dirty_log_fetch(machine->vm, out, &err), &err);
}

static void freeze(void *arg)
{
    struct machine *machine = arg;
    gate_close(&machine->gate);
}

static void thaw(void *arg)
{
    struct machine *machine = arg;
    gate_open(&machine->gate);
}

const struct balloon_guest_ops machine_guest_ops = {
    .track_writes = track_writes,
    .written = written,
    .freeze = freeze,
    .thaw = thaw,
};
