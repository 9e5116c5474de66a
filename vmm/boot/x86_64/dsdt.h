/* SPDX-License-Identifier: Apache-2.0 */
/* The AML of the DSDT: what the guest cannot find by itself. */
#ifndef AEROSTAT_BOOT_X86_64_DSDT_H
#define AEROSTAT_BOOT_X86_64_DSDT_H

#include "vmm/boot/boot.h"
#include "vmm/boot/x86_64/aml.h"

/*
 * The definition block without its header: _S5, the serial port and the virtio-mmio devices
 * of spec.
 */
void dsdt_write(struct aml *aml, const struct boot_spec *spec);

#endif
