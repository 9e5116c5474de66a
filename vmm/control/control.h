/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the control socket and the command line steer: the description of a machine before it
 * starts, and the machine from then on. Owner: the io loop's thread, for all of it.
 */
#ifndef AEROSTAT_CONTROL_H
#define AEROSTAT_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/api/target.h"
#include "vmm/base/err.h"
#include "vmm/config/config.h"
#include "vmm/event/loop.h"
#include "vmm/machine/machine.h"
#include "vmm/metrics/metrics.h"

struct control;

struct control_setup {
    struct ev_loop *loop;         /* borrowed; outlives the control */
    const char *id;               /* borrowed: the machine's name */
    const char *version;          /* borrowed: the program's */
    struct metrics_start started; /* when the process was */
    int console_out; /* the guest's console, where the description names no file for it */
};

/*
 * Takes what cfg owns, and opens the logger and metrics it asks for. Returns 0 or -errno with a
 * sentence; cfg is finished then, too.
 */
int control_create(struct vm_config *cfg, const struct control_setup *setup,
                   struct control **out_control, struct err *err);

/* Ends the machine, and writes the metrics once more. Accepts NULL. */
void control_destroy(struct control *control);

/*
 * Checks the description and builds the machine, then starts it. The first may be left to the
 * second. 0 or -errno with a sentence: there is no machine then, and it can be tried again.
 */
int control_build(struct control *control, struct err *err);
int control_start(struct control *control, struct err *err);

/* machine_stop(), or the end of the loop where there is no machine yet. */
void control_stop(struct control *control, enum machine_end why);

/* What the machine ended by; MACHINE_END_REQUESTED where there was none. */
enum machine_end control_end_reason(const struct control *control);

/* Feeds the guest's console; returns how many of the len bytes it took, all of them without a
 * machine. */
size_t control_console_input(struct control *control, const uint8_t *data, size_t len);

/* For struct api_target, with the control as its arg. */
extern const struct api_target_ops control_api_ops;

#endif
