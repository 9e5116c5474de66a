/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal in raw mode, and its way back however the process ends (but by SIGKILL). One
 * terminal a process. */
#ifndef AEROSTAT_CLI_TERMINAL_H
#define AEROSTAT_CLI_TERMINAL_H

#include <stddef.h>

#include "vmm/base/err.h"

/*
 * Puts the terminal fd in raw mode until terminal_restore(), exit(3) or a fatal signal. The state
 * before the first call is what is gone back to, also after later calls, which may find a mode that
 * another process left. fd is borrowed and the same in all calls. Main thread. Returns 0 or -errno
 * of tcgetattr(3), tcsetattr(3) with a sentence.
 */
int terminal_make_raw(int fd, struct err *err);

/*
 * What terminal_restore() also writes to a terminal that was made raw, as the way back from another
 * screen. text is borrowed for ever. Main thread, before terminal_make_raw().
 */
void terminal_set_farewell(const char *text, size_t len);

/* Back to the state before terminal_make_raw(), if that was called. Idempotent. Async-signal-safe.
 */
void terminal_restore(void);

/* The terminal belongs to another process now: nothing is to be restored until it is made raw
 * again. Main thread. */
void terminal_forget(void);

/* Writes to the terminal, once it was made raw; dropped where that would block. Async-signal-safe.
 */
void terminal_say(const char *text, size_t len);

#endif
