/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `aerostat run --detach`: the monitor as a process of its own, without a terminal, whose caller
 * returns when the guest runs. Until then the monitor's messages are on the caller's standard
 * error, afterwards in the machine's folder, as the guest's console is. Main thread.
 */
#ifndef AEROSTAT_CLI_DETACH_H
#define AEROSTAT_CLI_DETACH_H

#include "vmm/base/err.h"
#include "vmm/console/server.h"
#include "vmm/event/loop.h"
#include "vmm/registry/registry.h"

#define DETACH_INHERITED_MAX 64u

struct detach {
    int report_fd; /* to the caller; -1 when it has been told */
    unsigned n_inherited;
    int inherited[DETACH_INHERITED_MAX]; /* descriptors that are none of ours */
    struct registry_claim *claim;        /* borrowed; outlives the detach */
    struct ev_source *log_timer;
};

/*
 * Forks, while there is only one thread. Returns 0 in the monitor, a session of its own; 1 in the
 * caller, when the monitor has told it the name, which is printed, or has ended: *out_status is the
 * exit status then; -errno with a sentence.
 */
int detach_begin(struct detach *detach, int *out_status, struct err *err);

/*
 * The console of the machine whose name claim is, in its folder. ops, arg and loop as
 * console_server_create() takes them. Returns 0 or -errno with a sentence.
 */
int detach_open_console(struct detach *detach, struct registry_claim *claim, const char *sock_path,
                        struct ev_loop *loop, const struct console_server_ops *ops, void *arg,
                        struct console_server **out_server, struct err *err);

/*
 * The machine is up: from here on messages are in the log of its folder, whose size is watched on
 * loop; the caller's descriptors are closed, and the caller is told. Returns 0; -errno with a
 * sentence, also when the caller has gone without waiting.
 */
int detach_done(struct detach *detach, struct ev_loop *loop, struct err *err);

/* Before the loop is destroyed. Idempotent; the caller notices an end without detach_done(). */
void detach_finish(struct detach *detach);

#endif
