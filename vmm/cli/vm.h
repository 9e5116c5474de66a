/* SPDX-License-Identifier: Apache-2.0 */
/* Running machines as commands name them: by name, or by their control socket's path. */
#ifndef AEROSTAT_CLI_VM_H
#define AEROSTAT_CLI_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/registry/registry.h"

/* How long a machine is waited for that is only looked at. */
#define VM_LOOK_TIMEOUT_MS 2000u
/* How long one is waited for that is to do something. */
#define VM_TIMEOUT_MS 10000u

struct vm_ref {
    struct registry_entry entry;      /* its name is empty where the machine has none */
    char api_sock[REGISTRY_PATH_MAX]; /* its control socket */
};

/* Its name, or its control socket's path. Lives as long as vm. */
const char *vm_label(const struct vm_ref *vm);

/*
 * Finds the machine that word means: with a slash in it a control socket's path, otherwise a name.
 * Of a path it is not checked that anybody serves it. Returns 0 or -errno with a sentence.
 */
int vm_resolve(const char *word, struct vm_ref *out, struct err *err);

/*
 * All running machines of this user, in order, in an array to be freed; what killed monitors left
 * is removed. Returns 0, also when there is no runtime directory, or -errno with a sentence.
 */
int vm_list(struct vm_ref **out_vms, size_t *out_count, struct err *err);

/* The sentence for a command that names no machine: which ones there are. Returns -EINVAL. */
int vm_missing(const char *command, struct err *err);

/*
 * A descriptor that becomes readable when the machine's monitor has ended; the caller closes it.
 * Returns 0; -ESRCH when it has ended already; -errno.
 */
int vm_watch(const struct vm_ref *vm, int *out_fd);

#define VM_STATE_MAX 24u

/* What a machine says of itself; a figure is there where its flag says so. */
struct vm_figures {
    char state[VM_STATE_MAX]; /* "Running", "Paused", "Not started"; empty: it does not answer */
    bool has_host;
    uint64_t ram_bytes;
    uint64_t resident_bytes; /* what the host holds of them */
    uint64_t uptime_ms;
    bool has_balloon;
    uint64_t target_bytes;
    uint64_t actual_bytes;
    uint64_t returned_bytes; /* by how much the host's memory fell for the balloon */
};

/* The state alone; empty when it does not answer. Returns 0 or -errno with a sentence. */
int vm_state(const struct vm_ref *vm, char out[VM_STATE_MAX], struct err *err);

/* Asks the machine. Returns 0, or -errno with a sentence when it does not answer; *out is filled in
 * either case. */
int vm_ask(const struct vm_ref *vm, struct vm_figures *out, struct err *err);

/* One request, without a body where that is NULL; what is answered is dropped. Returns 0 or -errno
 * with a sentence that names the machine. */
int vm_request(const struct vm_ref *vm, const char *method, const char *path, const char *body,
               unsigned timeout_ms, struct err *err);

/* "5s", "12m", "3h 20m", "4d 2h" for a time in ms; out has room for 24 bytes. */
void vm_format_time(uint64_t ms, char out[24]);

#endif
