/* SPDX-License-Identifier: Apache-2.0 */
/* A whole balloon that may fail to come up: RAM, loop, device, transport. */
#ifndef AEROSTAT_TESTS_FAULT_RIG_H
#define AEROSTAT_TESTS_FAULT_RIG_H

#include <check.h>
#include <linux/virtio_balloon.h>
#include <stdbool.h>

#include "devices/balloon/balloon.h"
#include "devices/virtio/mmio.h"
#include "guest/include/aerostat_balloon.h"
#include "tests/support/fake_ram.h"
#include "tests/support/fault.h"
#include "tests/support/mock_driver.h"
#include "vmm/base/num.h"

#define PAGE BALLOON_PAGE_SIZE

/* Two regions, so that everything is done more than once. */
#define LOW_SIZE   (16 * MIB)
#define HIGH_START (4 * GIB)
#define HIGH_SIZE  (16 * MIB)

struct rig {
    struct gm *gm;
    struct mock_loop owner;
    struct balloon *balloon;
    struct vmmio *transport;
    int irq_fd;
    struct err err;
    bool err_expected; /* what failed promises a sentence */
};

/* Every optional feature. */
extern const struct balloon_config rig_config;

/*
 * Builds all of it, the loop not yet running. Returns 0, or -errno of what failed first, after
 * which rig_destroy() is still due. r->irq_fd is made by the test's own means.
 */
int rig_build(struct rig *r, enum gm_backing backing);

/* Accepts what rig_build() left half-built. */
void rig_destroy(struct rig *r);

/* Descriptors that this process has open. */
unsigned rig_open_fds(void);

Suite *build_suite(void);
Suite *session_suite(void);

#endif
