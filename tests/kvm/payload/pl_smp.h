/* SPDX-License-Identifier: Apache-2.0 */
/* A second vCPU in a payload guest. */
#ifndef AEROSTAT_TESTS_PAYLOAD_PL_SMP_H
#define AEROSTAT_TESTS_PAYLOAD_PL_SMP_H

#include "tests/kvm/payload/pl.h"

/* Starts vCPU 1, which waits for work. Once. */
void pl_smp_start(void);

/*
 * Has vCPU 1 call fn over and over until pl_smp_stop(). fn does not print. Returns after its first
 * call.
 */
void pl_smp_run(void (*fn)(void));

/* Returns when vCPU 1 is idle again. */
void pl_smp_stop(void);

#endif
