/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spine: assembles memory, KVM, boot and devices into a machine, runs it, takes it down. The
 * only place that knows all of them.
 */
#ifndef AEROSTAT_MACHINE_H
#define AEROSTAT_MACHINE_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/config/config.h"
#include "vmm/event/loop.h"

struct machine;

enum machine_state { MACHINE_NOT_STARTED, MACHINE_RUNNING, MACHINE_PAUSED, MACHINE_STOPPED };

/* Why a machine ended. */
enum machine_end {
    MACHINE_END_NONE,         /* still running */
    MACHINE_END_POWEROFF,     /* the guest switched itself off (ACPI S5) */
    MACHINE_END_RESET,        /* the guest asked for a reboot (i8042): a microVM exits */
    MACHINE_END_TRIPLE_FAULT, /* how a kernel reboots with reboot=t, and how it dies */
    MACHINE_END_REQUESTED,    /* a signal or the console's escape */
    MACHINE_END_ERROR,        /* KVM could not go on; logged */
};

/* Whole-machine figures. */
struct machine_figures {
    uint64_t ram_bytes;
    uint64_t ram_allocated_bytes;  /* blocks the memfds hold; 0 when they cannot be read */
    uint64_t bad_register;         /* register accesses that the virtio transports refused */
    uint64_t unclaimed_accesses;   /* port and MMIO accesses that no device answers; a booting PC
                                      makes some */
    uint64_t serial_dropped_bytes; /* of the guest's console: nobody took them */
    uint64_t serial_limited_bytes; /* over serial.rate_limiter */
    uint64_t uptime_ns;            /* since the start; 0 before it */
    uint64_t vcpu_ns;              /* processor time of the threads that run vCPUs */
    uint64_t monitor_ns;           /* of all others of the process */
    uint64_t exits_io_in;          /* times a vCPU left the guest to read from a port */
    uint64_t exits_io_out;
    uint64_t exits_mmio_read;
    uint64_t exits_mmio_write;
    uint64_t vcpu_failures; /* vCPUs that KVM could not run any longer */
};

/*
 * Builds everything up to the first instruction: memory, VM, devices, kernel. cfg is read only
 * during the call. io_loop is borrowed, outlives the machine, and is the loop that machine_stop()
 * stops. console_out is a borrowed descriptor that gets what the guest writes to its serial port,
 * -1 for none. Returns 0 or -errno with a sentence; nothing is left behind after an error.
 */
int machine_create(const struct vm_config *cfg, struct ev_loop *io_loop, int console_out,
                   struct machine **out_machine, struct err *err);

/* Joins all threads if they run, then releases everything. Accepts NULL. The io loop's thread, loop
 * not running. */
void machine_destroy(struct machine *machine);

/* Starts the reclaim loop and the vCPUs. Returns 0 or -errno with a sentence. Once. */
int machine_start(struct machine *machine, struct err *err);

/*
 * Asks the machine to end, for the first reason given; vCPUs leave the guest and the io loop is
 * stopped. Any thread; idempotent.
 */
void machine_stop(struct machine *machine, enum machine_end why);

/*
 * Returns when no vCPU executes guest code, and none does until machine_resume(). Devices and loops
 * go on: a queue that the guest has notified is still served, and what is set meanwhile is seen by
 * the guest afterwards. Its clocks go on, too. A paused machine can be stopped and destroyed. The
 * io loop's thread. Returns 0, also when it is paused already; -EINVAL, with a sentence, when the
 * machine has not started or has ended.
 */
int machine_pause(struct machine *machine, struct err *err);

/*
 * Lets the vCPUs go on, and tells a guest with kvmclock that it stood still, so that its
 * soft-lockup watchdog does not blame anybody. The io loop's thread. Returns 0, also when the
 * machine is running; -EINVAL as above.
 */
int machine_resume(struct machine *machine, struct err *err);

/*
 * Presses Ctrl+Alt+Del on the guest's keyboard, which an operating system takes as the wish to shut
 * down and start again. A paused guest sees it when it goes on. Any thread. Returns 0; with a
 * sentence -EINVAL when the machine has not started or has ended, -ENODEV when no driver of the
 * guest listens to the keyboard, -EBUSY when it has not read the keys sent before.
 */
int machine_send_ctrl_alt_del(struct machine *machine, struct err *err);

/* Feeds the guest's serial port; returns how many of the len bytes fitted. Any thread. */
size_t machine_console_input(struct machine *machine, const uint8_t *data, size_t len);

/* Any thread. */
enum machine_end machine_end_reason(const struct machine *machine);
enum machine_state machine_state(const struct machine *machine);
/* The balloon, or NULL when the machine has none. Lives as long as the machine. */
struct balloon *machine_balloon(struct machine *machine);
void machine_get_figures(const struct machine *machine, struct machine_figures *out);

#endif
