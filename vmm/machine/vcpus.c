/* SPDX-License-Identifier: Apache-2.0 */
/* vCPU threads: run the guest, hand its accesses to the buses, leave when the machine stops. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/machine/machine_priv.h"

/* Interrupts KVM_RUN and a blocking write to the console; its handler does nothing. */
#define KICK_SIGNAL        (SIGRTMIN + 1)
#define KICK_REPEAT_NS     1000000
#define VCPU_THREAD_FORMAT "vcpu%u"

static void on_kick(int signo)
{
    (void)signo;
}

static void install_kick_handler(void)
{
    struct sigaction action = {.sa_handler = on_kick}; /* no SA_RESTART: it has to interrupt */
    sigemptyset(&action.sa_mask);
    (void)sigaction(KICK_SIGNAL, &action, NULL);
}

/* Only the vCPU's own thread counts, so that nothing has to be locked. */
static void count_exit(struct machine_vcpu *self, enum machine_exit why)
{
    uint64_t n = atomic_load_explicit(&self->exits[why], memory_order_relaxed);
    atomic_store_explicit(&self->exits[why], n + 1, memory_order_relaxed);
}

static void handle_io(struct machine *machine, const struct vcpu_exit *exit)
{
    for (uint32_t i = 0; i < exit->count; i++) {
        uint8_t *data = exit->data + (size_t)i * exit->size;
        if (exit->is_write)
            bus_write(&machine->pio, exit->addr, data, exit->size);
        else
            bus_read(&machine->pio, exit->addr, data, exit->size);
    }
}

static void handle_exit(struct machine_vcpu *self, const struct vcpu_exit *exit)
{
    struct machine *machine = self->machine;
    switch (exit->reason) {
    case VCPU_EXIT_IO:
        count_exit(self, exit->is_write ? MACHINE_EXIT_IO_OUT : MACHINE_EXIT_IO_IN);
        handle_io(machine, exit);
        break;
    case VCPU_EXIT_MMIO:
        count_exit(self, exit->is_write ? MACHINE_EXIT_MMIO_WRITE : MACHINE_EXIT_MMIO_READ);
        if (exit->is_write)
            bus_write(&machine->mmio, exit->addr, exit->data, exit->size);
        else
            bus_read(&machine->mmio, exit->addr, exit->data, exit->size);
        break;
    case VCPU_EXIT_INTERRUPTED:
        break;
    case VCPU_EXIT_SHUTDOWN:
        machine_stop(machine, MACHINE_END_TRIPLE_FAULT);
        break;
    case VCPU_EXIT_ERROR:
        count_exit(self, MACHINE_EXIT_FAILURE);
        machine_stop(machine, MACHINE_END_ERROR);
        log_error("vCPU %u stopped: %s", self->id, exit->text);
        break;
    }
}

void machine_accept_kicks(void)
{
    sigset_t kick;
    sigemptyset(&kick);
    sigaddset(&kick, KICK_SIGNAL);
    (void)pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
}

static void forget_kick(void *arg)
{
    vcpu_clear_kick(arg);
}

/* By the thread itself: what it logs has its name. */
static void set_name(const struct machine_vcpu *self)
{
    char name[16];
    (void)snprintf(name, sizeof(name), VCPU_THREAD_FORMAT, self->id);
    (void)pthread_setname_np(self->self, name);
}

static void *vcpu_thread(void *arg)
{
    struct machine_vcpu *self = arg;
    struct gate *gate = &self->machine->gate;
    struct vcpu_exit exit = {0};
    machine_accept_kicks();
    self->self = pthread_self();
    set_name(self);
    while (gate_enter(gate, self->id, forget_kick, self->vcpu)) {
        vcpu_run(self->vcpu, &exit);
        gate_leave(gate, self->id);
        handle_exit(self, &exit);
    }
    atomic_store(&self->ended_ns, clock_ns(CLOCK_THREAD_CPUTIME_ID));
    atomic_store_explicit(&self->ended, true, memory_order_release);
    return NULL;
}

static struct vcpu_entry entry_of(const struct boot_entry *boot)
{
    bool pvh = boot->protocol == BOOT_PVH;
    return (struct vcpu_entry){
        .long_mode = !pvh,
        .rip = boot->rip,
        .rbx = pvh ? boot->info_gpa : 0,
        .rsi = pvh ? 0 : boot->info_gpa,
        .rsp = boot->rsp,
        .cr3 = boot->cr3,
        .gdt_gpa = boot->gdt_gpa,
        .gdt_limit = boot->gdt_limit,
        .code_selector = boot->code_selector,
        .data_selector = boot->data_selector,
        .tss_selector = boot->tss_selector,
    };
}

int machine_create_vcpus(struct machine *machine, const struct vm_config *cfg,
                         const struct boot_entry *entry, struct err *err)
{
    for (uint32_t id = 0; id < cfg->vcpus; id++) {
        struct machine_vcpu *self = &machine->vcpus[id];
        self->machine = machine;
        self->id = id;
        const struct vcpu_place place = {.id = id, .count = cfg->vcpus, .smt = cfg->smt};
        int ret = vcpu_create(machine->vm, &place, &self->vcpu, err);
        if (ret < 0)
            return ret;
        machine->vcpu_count = id + 1;
    }
    struct vcpu_entry state = entry_of(entry);
    return vcpu_set_entry(machine->vcpus[0].vcpu, &state, err);
}

int machine_start_vcpus(struct machine *machine, struct err *err)
{
    install_kick_handler();
    for (uint32_t id = 0; id < machine->vcpu_count; id++) {
        struct machine_vcpu *self = &machine->vcpus[id];
        int ret = pthread_create(&self->thread, NULL, vcpu_thread, self);
        if (ret != 0)
            return err_sys(err, -ret, "thread of vCPU %u", id);
        self->thread_started = true;
    }
    return 0;
}

void machine_kick_vcpu(void *arg, uint32_t id)
{
    struct machine *machine = arg;
    /* In this order: a signal that comes before KVM_RUN is not seen there, immediate_exit is. */
    vcpu_kick(machine->vcpus[id].vcpu);
    (void)pthread_kill(machine->vcpus[id].self, KICK_SIGNAL);
}

void machine_kick_vcpus(struct machine *machine)
{
    for (uint32_t id = 0; id < machine->vcpu_count; id++)
        vcpu_kick(machine->vcpus[id].vcpu);
}

/*
 * The signal may come just before a blocking call, which it then does not interrupt, and the kick
 * just before the vCPU forgets an older one: both are repeated until the thread ends. The reclaim
 * thread gets it too, since a vCPU may be waiting for it, and it for a reader of its messages.
 */
static void join(const struct machine *machine, struct machine_vcpu *vcpu)
{
    const struct timespec pause = {.tv_nsec = KICK_REPEAT_NS};
    while (!atomic_load_explicit(&vcpu->ended, memory_order_acquire)) {
        vcpu_kick(vcpu->vcpu);
        (void)pthread_kill(vcpu->thread, KICK_SIGNAL);
        if (machine->reclaim_started)
            (void)pthread_kill(machine->reclaim_thread, KICK_SIGNAL);
        (void)nanosleep(&pause, NULL);
    }
    (void)pthread_join(vcpu->thread, NULL);
}

static uint64_t thread_ns(const struct machine_vcpu *vcpu)
{
    clockid_t clock;
    uint64_t ns = 0;
    if (!atomic_load(&vcpu->ended) && pthread_getcpuclockid(vcpu->thread, &clock) == 0)
        ns = clock_ns(clock);
    /* It may have ended just now. */
    return ns != 0 ? ns : atomic_load(&vcpu->ended_ns);
}

uint64_t machine_vcpu_ns(const struct machine *machine)
{
    uint64_t sum = 0;
    for (uint32_t id = 0; id < machine->vcpu_count; id++) {
        if (machine->vcpus[id].thread_started)
            sum += thread_ns(&machine->vcpus[id]);
    }
    return sum;
}

uint64_t machine_exits(const struct machine *machine, enum machine_exit why)
{
    uint64_t sum = 0;
    for (uint32_t id = 0; id < machine->vcpu_count; id++)
        sum += atomic_load_explicit(&machine->vcpus[id].exits[why], memory_order_relaxed);
    return sum;
}

void machine_join_vcpus(struct machine *machine)
{
    for (uint32_t id = 0; id < machine->vcpu_count; id++) {
        if (machine->vcpus[id].thread_started)
            join(machine, &machine->vcpus[id]);
        machine->vcpus[id].thread_started = false;
    }
}

void machine_destroy_vcpus(struct machine *machine)
{
    for (uint32_t id = 0; id < machine->vcpu_count; id++) {
        vcpu_destroy(machine->vcpus[id].vcpu);
        machine->vcpus[id].vcpu = NULL;
    }
    machine->vcpu_count = 0;
}
