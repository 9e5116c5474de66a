/* SPDX-License-Identifier: Apache-2.0 */
/* What the control socket serves in fuzz targets: a description that is real, and a machine that is
 * a state and a few figures. */
#ifndef AEROSTAT_TESTS_FUZZ_FAKE_TARGET_H
#define AEROSTAT_TESTS_FUZZ_FAKE_TARGET_H

#include "vmm/api/target.h"

struct fake_target {
    struct vm_config config;
    enum machine_state state;
    struct metrics_api_counts counts;
    struct balloon_hint_info hint;
    bool can_report; /* the guest is asked for statistics when a request wants fresh ones */
    unsigned stops;
};

/* Described by text, a configuration file's; "" for one that is not described. */
void fake_target_init(struct fake_target *fake, const char *text);
void fake_target_finish(struct fake_target *fake);

/* With the fake as its arg, for what it is told to serve. */
extern const struct api_target_ops fake_target_ops;

#endif
