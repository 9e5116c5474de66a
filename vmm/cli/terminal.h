/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal in raw mode, and its way back however the process ends (but by SIGKILL). One
 * terminal a process. */
#ifndef AEROSTAT_CLI_TERMINAL_H
#define AEROSTAT_CLI_TERMINAL_H

#include "vmm/base/err.h"

/*
 * Puts the terminal fd in raw mode until terminal_restore(), exit(3) or a fatal signal. fd is
 * borrowed. Main thread. Returns 0 or -errno of tcgetattr(3), tcsetattr(3) with a sentence.
 */
int terminal_make_raw(int fd, struct err *err);

/* Back to the state before terminal_make_raw(), if that was called. Idempotent. Async-signal-safe.
 */
void terminal_restore(void);

#endif
