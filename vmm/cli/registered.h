/* SPDX-License-Identifier: Apache-2.0 */
/* A machine's entry in the registry, for the life of its monitor. */
#ifndef AEROSTAT_CLI_REGISTERED_H
#define AEROSTAT_CLI_REGISTERED_H

#include <stdbool.h>

#include "vmm/base/err.h"
#include "vmm/config/config.h"
#include "vmm/registry/registry.h"

/* Zero-initialise. */
struct registered {
    struct registry *registry;
    struct registry_claim *claim; /* NULL: the machine has no name */
};

/*
 * Takes the name for this process, NULL for "vm1", "vm2" and so on, and has cfg's control socket in
 * the machine's folder, or linked from there where it is elsewhere. Where no name is asked for, and
 * required is false, a machine without one is better than none: that is logged, and no error.
 * Returns 0 or -errno with a sentence. Main thread.
 */
int registered_claim(struct registered *registered, const char *name, bool required,
                     struct vm_config *cfg, struct err *err);

/* The name, or NULL. Lives until the release. */
const char *registered_name(const struct registered *registered);

/* Gives the name back. Idempotent. Main thread. */
void registered_release(struct registered *registered);

#endif
