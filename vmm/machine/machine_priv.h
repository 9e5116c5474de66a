/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's parts, shared by the files of vmm/machine. */
#ifndef AEROSTAT_MACHINE_PRIV_H
#define AEROSTAT_MACHINE_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/balloon/balloon.h"
#include "devices/legacy/i8042.h"
#include "devices/legacy/serial.h"
#include "devices/virtio/mmio.h"
#include "vmm/base/log.h"
#include "vmm/boot/boot.h"
#include "vmm/kvm/vm.h"
#include "vmm/machine/bus.h"
#include "vmm/machine/gate.h"
#include "vmm/machine/machine.h"

#define MACHINE_VIRTIO_MAX 8u

/* One virtio device in its register window. */
struct machine_virtio {
    struct vmmio *transport;
    int irq_fd;
    struct boot_virtio_mmio window;
};

/* What is counted when a vCPU leaves the guest. */
enum machine_exit {
    MACHINE_EXIT_IO_IN,
    MACHINE_EXIT_IO_OUT,
    MACHINE_EXIT_MMIO_READ,
    MACHINE_EXIT_MMIO_WRITE,
    MACHINE_EXIT_FAILURE,
    MACHINE_EXITS
};

struct machine_vcpu {
    struct machine *machine;
    struct vcpu *vcpu;
    uint32_t id;
    pthread_t thread; /* for whoever started it */
    bool thread_started;
    pthread_t self;     /* the same, from the thread itself: for kicks, before it first enters */
    _Atomic bool ended; /* the thread has left the guest for good */
    _Atomic uint64_t ended_ns;             /* the processor time it had used then */
    _Atomic uint64_t exits[MACHINE_EXITS]; /* by its thread alone */
};

_Static_assert(CFG_VCPUS_MAX <= GATE_PASSES_MAX, "each vCPU has a pass");

struct machine {
    struct ev_loop *io_loop; /* borrowed */
    struct ev_loop *reclaim_loop;
    pthread_t reclaim_thread;
    bool reclaim_started;

    struct gm *gm;
    struct vm *vm;
    struct bus pio;
    struct bus mmio;

    struct serial *serial;
    int serial_irq_fd;
    struct i8042 *i8042;
    int i8042_irq_fd;
    struct balloon *balloon;
    struct machine_virtio virtio[MACHINE_VIRTIO_MAX];
    size_t virtio_count;

    struct machine_vcpu vcpus[CFG_VCPUS_MAX];
    uint32_t vcpu_count;
    struct gate gate; /* each vCPU's way into the guest; ended when the machine stops */

    uint64_t start_ns;            /* CLOCK_MONOTONIC; 0: not yet */
    _Atomic bool boot_timed;      /* the boot timer was written */
    _Atomic int state;            /* enum machine_state */
    _Atomic int end;              /* enum machine_end; set once */
    struct log_limit track_limit; /* the reclaim loop's */
};

/* Serial port, keyboard controller, ACPI sleep registers: on the port bus. Before the vCPUs run. */
int machine_add_legacy(struct machine *machine, const struct vm_config *cfg, int console_out,
                       struct err *err);

/* The virtio devices that cfg asks for, each with window, interrupt line and eventfds. Before the
 * vCPUs run. */
int machine_add_virtio(struct machine *machine, const struct vm_config *cfg, struct err *err);

/* The boot timer's register. Before the vCPUs run. */
int machine_add_boot_timer(struct machine *machine, struct err *err);

/* Releases what the calls above built; the loops and vCPUs have ended. */
void machine_remove_devices(struct machine *machine);

/* Creates vCPU objects and gives the first its entry state. */
int machine_create_vcpus(struct machine *machine, const struct vm_config *cfg,
                         const struct boot_entry *entry, struct err *err);

/* Starts one thread a vCPU. Returns 0 or -errno with a sentence; the started ones are running then.
 */
int machine_start_vcpus(struct machine *machine, struct err *err);

/* What the balloon asks of the guest; arg is the machine. */
extern const struct balloon_guest_ops machine_guest_ops;

/* For a thread that gets kicked: whoever started this process may have blocked the signal. */
void machine_accept_kicks(void);

/* A gate_kick_fn; arg is the machine. */
void machine_kick_vcpu(void *arg, uint32_t id);

/* Makes every vCPU thread notice that the gate has ended. Any thread. */
void machine_kick_vcpus(struct machine *machine);

/* The processor time that the vCPU threads have used. The thread that joins them. */
uint64_t machine_vcpu_ns(const struct machine *machine);

/* How often all vCPUs left the guest for this. Any thread. */
uint64_t machine_exits(const struct machine *machine, enum machine_exit why);

/* Waits for the vCPU threads, which have been told to stop. The reclaim loop must still serve. */
void machine_join_vcpus(struct machine *machine);

/* Frees the vCPUs; no thread may call machine_stop() any more. */
void machine_destroy_vcpus(struct machine *machine);

#endif
