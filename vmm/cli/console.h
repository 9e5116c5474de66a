/* SPDX-License-Identifier: Apache-2.0 */
/* Standard input to the guest's serial port, on the io loop. Owner: the io loop. */
#ifndef AEROSTAT_CLI_CONSOLE_H
#define AEROSTAT_CLI_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/event/loop.h"

/* Where the input goes. Called on the loop. */
struct console_ops {
    /* Takes up to len bytes, returns how many. */
    size_t (*input)(void *arg, const uint8_t *data, size_t len);
    /* Ctrl-A x was typed. */
    void (*leave)(void *arg);
};

struct console;

/*
 * Reads in_fd (borrowed) on loop and hands it on. A terminal whose foreground process we are is put
 * in raw mode and has escapes (escape.h); one that is not is left alone and not read until we are.
 * From anything else every byte goes to the guest, and its end just ends the input. Returns 0 or
 * -errno with a sentence. The loop's thread, or before it runs.
 */
int console_create(int in_fd, struct ev_loop *loop, const struct console_ops *ops, void *arg,
                   struct console **out_console, struct err *err);

/*
 * Gives the terminal back, the cursor on a line of its own, until console_resume(): before the
 * process stops, or ends on request. Accepts NULL. As console_create().
 */
void console_suspend(struct console *console);

/*
 * Takes the terminal (again) if the process is in its foreground, leaves it alone if not: after the
 * process went on, wherever it was in between. Idempotent. Accepts NULL. As console_create().
 */
void console_resume(struct console *console);

/* Restores the terminal. Accepts NULL. As console_create(). */
void console_destroy(struct console *console);

#endif
