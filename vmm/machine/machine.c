/* SPDX-License-Identifier: Apache-2.0 */
/* Building, starting, stopping and taking down a machine. */
#include "vmm/machine/machine.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/base/num.h"
#include "vmm/boot/x86_64/layout.h"
#include "vmm/machine/machine_priv.h"

#define KVM_DEVICE "/dev/kvm"

/* Before the vCPUs run it is cheap to see whether this host can do what hinting needs. */
static int check_tracking(struct vm *vm, struct err *err)
{
    struct err why = {{0}};
    int ret = vm_dirty_log_start(vm, &why);
    if (ret == 0)
        ret = vm_dirty_log_stop(vm, &why);
    return ret == 0 ? 0
                    : err_set(err, ret, "balloon.free_page_hinting: %s: switch it off", why.text);
}

static int create_memory(struct machine *machine, const struct vm_config *cfg, struct err *err)
{
    struct gm_range ram[2];
    size_t n = layout_ram(cfg->mem_bytes, ram);
    uint64_t end;
    uint32_t bits = vm_phys_bits(machine->vm);
    if (!gm_range_end(ram[n - 1], &end) || (bits < 64 && end > UINT64_C(1) << bits)) {
        uint64_t gap = LAYOUT_MMIO_GAP_END - LAYOUT_MMIO_GAP_START;
        return err_set(err, -EINVAL,
                       "machine-config.mem_size_mib: %lu is above the maximum of %lu: this host's "
                       "guests have %u physical address bits",
                       (unsigned long)(cfg->mem_bytes / MIB),
                       (unsigned long)(((UINT64_C(1) << bits) - gap) / MIB), bits);
    }
    int ret = gm_create(ram, n, cfg->backing, &machine->gm, err);
    if (ret < 0)
        return ret;
    const char *setting = NULL;
    if (cfg->backing == GM_BACKING_THP)
        gm_thp_obstacle(&setting);
    if (setting != NULL)
        log_warn("machine-config.backing: thp has no effect while shmem_enabled is \"%s\": run "
                 "'echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled'",
                 setting);
    if (cfg->backing == GM_BACKING_HUGETLB_2M && cfg->has_balloon)
        log_warn("machine-config.backing: with hugetlb-2m, pages that the balloon gives back "
                 "return to the host's pool; a "
                 "guest that wants them again while the pool is empty ends");
    ret = vm_add_memory(machine->vm, machine->gm, err);
    if (ret == 0 && cfg->has_balloon && cfg->balloon.free_page_hinting)
        ret = check_tracking(machine->vm, err);
    return ret;
}

static int load_guest(struct machine *machine, const struct vm_config *cfg,
                      struct boot_entry *entry, struct err *err)
{
    struct boot_virtio_mmio windows[MACHINE_VIRTIO_MAX];
    for (size_t i = 0; i < machine->virtio_count; i++)
        windows[i] = machine->virtio[i].window;
    struct boot_spec spec = {
        .kernel_path = cfg->kernel_path,
        .initrd_path = cfg->initrd_path,
        .cmdline = cfg->cmdline,
        .vcpus = cfg->vcpus,
        .virtio = windows,
        .virtio_count = machine->virtio_count,
        .virtio_on_cmdline = cfg->virtio_on_cmdline,
    };
    return boot_load(&spec, machine->gm, entry, err);
}

static int create_vm(struct machine *machine, const struct vm_config *cfg, struct err *err)
{
    int ret = vm_create(KVM_DEVICE, LAYOUT_KVM_IDENTITY_MAP, &machine->vm, err);
    if (ret < 0)
        return ret;
    uint32_t max = (uint32_t)min_u64(CFG_VCPUS_MAX, vm_max_vcpus(machine->vm));
    if (cfg->vcpus < 1 || cfg->vcpus > max)
        return err_set(err, -EINVAL, "machine-config.vcpu_count: %u is not between 1 and %u",
                       cfg->vcpus, max);
    return 0;
}

/* In this order: each step needs the ones before it. */
static int build(struct machine *machine, const struct vm_config *cfg, int console_out,
                 struct err *err)
{
    struct boot_entry entry;
    int ret = create_vm(machine, cfg, err);
    if (ret == 0)
        ret = create_memory(machine, cfg, err);
    if (ret == 0)
        ret = vm_create_irqchip(machine->vm, err);
    if (ret == 0 && (ret = ev_loop_create(&machine->reclaim_loop)) < 0)
        ret = err_sys(err, ret, "reclaim loop");
    if (ret == 0)
        ret = machine_add_legacy(machine, cfg, console_out, err);
    if (ret == 0)
        ret = machine_add_virtio(machine, cfg, err);
    if (ret == 0 && cfg->boot_timer)
        ret = machine_add_boot_timer(machine, err);
    if (ret == 0)
        ret = load_guest(machine, cfg, &entry, err);
    if (ret == 0)
        ret = machine_create_vcpus(machine, cfg, &entry, err);
    return ret;
}

int machine_create(const struct vm_config *cfg, struct ev_loop *io_loop, int console_out,
                   struct machine **out_machine, struct err *err)
{
    struct machine *machine = calloc(1, sizeof(*machine));
    if (machine == NULL)
        return err_sys(err, -ENOMEM, "machine");
    gate_init(&machine->gate, machine_kick_vcpu, machine);
    machine->io_loop = io_loop;
    machine->serial_irq_fd = -1;
    machine->i8042_irq_fd = -1;
    int ret = build(machine, cfg, console_out, err);
    if (ret < 0) {
        machine_destroy(machine);
        return ret;
    }
    *out_machine = machine;
    return 0;
}

static void *reclaim_thread(void *arg)
{
    struct machine *machine = arg;
    machine_accept_kicks();
    int ret = ev_loop_run(machine->reclaim_loop);
    if (ret < 0) {
        machine_stop(machine, MACHINE_END_ERROR);
        log_error("the reclaim loop failed: errno %d", -ret);
    }
    return NULL;
}

int machine_start(struct machine *machine, struct err *err)
{
    int ret = pthread_create(&machine->reclaim_thread, NULL, reclaim_thread, machine);
    if (ret != 0)
        return err_sys(err, -ret, "reclaim thread");
    machine->reclaim_started = true;
    (void)pthread_setname_np(machine->reclaim_thread, "reclaim");
    machine->start_ns = clock_mono_ns();
    atomic_store_explicit(&machine->state, MACHINE_RUNNING, memory_order_relaxed);
    log_info("entering the guest with %u vCPUs", machine->vcpu_count);
    return machine_start_vcpus(machine, err);
}

void machine_stop(struct machine *machine, enum machine_end why)
{
    int none = MACHINE_END_NONE;
    (void)atomic_compare_exchange_strong(&machine->end, &none, (int)why);
    atomic_store_explicit(&machine->state, MACHINE_STOPPED, memory_order_relaxed);
    gate_end(&machine->gate);
    machine_kick_vcpus(machine);
    ev_loop_stop(machine->io_loop);
}

void machine_destroy(struct machine *machine)
{
    if (machine == NULL)
        return;
    gate_end(&machine->gate);
    machine_kick_vcpus(machine);
    /* The vCPUs first: one may be waiting for the reclaim loop, which goes on serving until they
     * are gone. */
    machine_join_vcpus(machine);
    if (machine->reclaim_started) {
        ev_loop_stop(machine->reclaim_loop);
        (void)pthread_join(machine->reclaim_thread, NULL);
    }
    machine_destroy_vcpus(machine);
    machine_remove_devices(machine);
    vm_destroy(machine->vm);
    ev_loop_destroy(machine->reclaim_loop);
    gm_destroy(machine->gm);
    gate_finish(&machine->gate);
    free(machine);
}

static int refuse(const struct machine *machine, const char *what, struct err *err)
{
    return err_set(err, -EINVAL, "the machine cannot be %s: it has %s", what,
                   machine_state(machine) == MACHINE_NOT_STARTED ? "not started" : "ended");
}

/* Unless the machine has ended meanwhile, which a vCPU may do at any moment. */
static bool change_state(struct machine *machine, enum machine_state from, enum machine_state to)
{
    int expected = from;
    return atomic_compare_exchange_strong(&machine->state, &expected, (int)to);
}

int machine_pause(struct machine *machine, struct err *err)
{
    if (machine_state(machine) == MACHINE_PAUSED)
        return 0;
    gate_close(&machine->gate);
    if (!change_state(machine, MACHINE_RUNNING, MACHINE_PAUSED)) {
        gate_open(&machine->gate);
        return refuse(machine, "paused", err);
    }
    if (machine->balloon != NULL)
        balloon_set_paused(machine->balloon, true);
    return 0;
}

int machine_resume(struct machine *machine, struct err *err)
{
    if (machine_state(machine) == MACHINE_RUNNING)
        return 0;
    if (!change_state(machine, MACHINE_PAUSED, MACHINE_RUNNING))
        return refuse(machine, "resumed", err);
    for (uint32_t id = 0; id < machine->vcpu_count; id++)
        vcpu_mark_paused(machine->vcpus[id].vcpu);
    if (machine->balloon != NULL)
        balloon_set_paused(machine->balloon, false);
    gate_open(&machine->gate);
    return 0;
}

int machine_send_ctrl_alt_del(struct machine *machine, struct err *err)
{
    enum machine_state state = machine_state(machine);
    if (state != MACHINE_RUNNING && state != MACHINE_PAUSED)
        return refuse(machine, "sent Ctrl+Alt+Del", err);
    int ret = i8042_send_ctrl_alt_del(machine->i8042);
    if (ret == -ENODEV)
        return err_set(err, ret,
                       "Ctrl+Alt+Del: no driver of the guest listens to its keyboard (i8042): it "
                       "has not started yet, or there is none: Linux needs CONFIG_SERIO_I8042, "
                       "CONFIG_KEYBOARD_ATKBD and CONFIG_VT");
    if (ret == -EBUSY)
        return err_set(err, ret,
                       "Ctrl+Alt+Del: the guest has not read the keys that were sent before: "
                       "there is no room for more in the %u bytes of its keyboard",
                       I8042_QUEUE_SIZE);
    return ret;
}

size_t machine_console_input(struct machine *machine, const uint8_t *data, size_t len)
{
    return serial_input(machine->serial, data, len);
}

enum machine_end machine_end_reason(const struct machine *machine)
{
    return (enum machine_end)atomic_load(&machine->end);
}

enum machine_state machine_state(const struct machine *machine)
{
    return (enum machine_state)atomic_load_explicit(&machine->state, memory_order_relaxed);
}

struct balloon *machine_balloon(struct machine *machine)
{
    return machine->balloon;
}

void machine_get_figures(const struct machine *machine, struct machine_figures *out)
{
    *out = (struct machine_figures){
        .ram_bytes = gm_size_bytes(machine->gm),
        .unclaimed_accesses = atomic_load_explicit(&machine->pio.unclaimed, memory_order_relaxed) +
                              atomic_load_explicit(&machine->mmio.unclaimed, memory_order_relaxed),
        .exits_io_in = machine_exits(machine, MACHINE_EXIT_IO_IN),
        .exits_io_out = machine_exits(machine, MACHINE_EXIT_IO_OUT),
        .exits_mmio_read = machine_exits(machine, MACHINE_EXIT_MMIO_READ),
        .exits_mmio_write = machine_exits(machine, MACHINE_EXIT_MMIO_WRITE),
        .vcpu_failures = machine_exits(machine, MACHINE_EXIT_FAILURE),
    };
    if (gm_allocated_bytes(machine->gm, &out->ram_allocated_bytes) < 0)
        out->ram_allocated_bytes = 0;
    struct serial_counters serial;
    serial_get_counters(machine->serial, &serial);
    out->serial_dropped_bytes = serial.dropped_bytes;
    out->serial_limited_bytes = serial.limited_bytes;
    if (machine->start_ns != 0)
        out->uptime_ns = clock_mono_ns() - machine->start_ns;
    out->vcpu_ns = machine_vcpu_ns(machine);
    uint64_t process_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    out->monitor_ns = process_ns - min_u64(process_ns, out->vcpu_ns);
    for (size_t i = 0; i < machine->virtio_count; i++) {
        struct vmmio_counters counters;
        vmmio_get_counters(machine->virtio[i].transport, &counters);
        out->bad_register += counters.bad_register;
    }
}
