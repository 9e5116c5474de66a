/* SPDX-License-Identifier: Apache-2.0 */
/* How the end of a machine is told to the user. */
#ifndef AEROSTAT_CLI_END_H
#define AEROSTAT_CLI_END_H

#include "vmm/base/log.h"
#include "vmm/machine/machine.h"

/*
 * The exit status of `aerostat run`, and in *out_level and *out_text what is logged. signo is the
 * signal that asked for the end, 0 for none; it counts only where the machine ended on request.
 */
int end_status(enum machine_end why, int signo, enum log_level *out_level, const char **out_text);

#endif
