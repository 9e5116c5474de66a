/* SPDX-License-Identifier: Apache-2.0 */
/* Puts devices on the buses and connects their eventfds to KVM. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

#include "vmm/base/cleanup.h"
#include "vmm/boot/x86_64/layout.h"
#include "vmm/machine/machine_priv.h"

static void serial_bus_read(void *arg, uint64_t offset, uint8_t *data, uint32_t len)
{
    /* A wide access is one of neighbouring byte registers, as on the ISA bus. */
    for (uint32_t i = 0; i < len; i++)
        data[i] = serial_read(arg, offset + i);
}

static void serial_bus_write(void *arg, uint64_t offset, const uint8_t *data, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        serial_write(arg, offset + i, data[i]);
}

static const struct bus_ops serial_bus_ops = {
    .read = serial_bus_read,
    .write = serial_bus_write,
};

static void i8042_data_read(void *arg, uint64_t offset, uint8_t *data, uint32_t len)
{
    (void)offset;
    memset(data, 0, len);
    data[0] = i8042_read(arg, I8042_DATA_PORT);
}

static void i8042_data_write(void *arg, uint64_t offset, const uint8_t *data, uint32_t len)
{
    (void)offset;
    (void)len;
    i8042_write(arg, I8042_DATA_PORT, data[0]);
}

static const struct bus_ops i8042_data_ops = {
    .read = i8042_data_read,
    .write = i8042_data_write,
};

static void i8042_command_read(void *arg, uint64_t offset, uint8_t *data, uint32_t len)
{
    (void)offset;
    memset(data, 0, len);
    data[0] = i8042_read(arg, I8042_COMMAND_PORT);
}

static void i8042_command_write(void *arg, uint64_t offset, const uint8_t *data, uint32_t len)
{
    (void)offset;
    (void)len;
    i8042_write(arg, I8042_COMMAND_PORT, data[0]);
}

static const struct bus_ops i8042_command_ops = {
    .read = i8042_command_read,
    .write = i8042_command_write,
};

static void on_guest_reset(void *arg)
{
    machine_stop(arg, MACHINE_END_RESET);
}

/* Sleep control and status registers of a hardware-reduced machine (ACPI 6.4, 4.8.3.7): S5 is the
 * only sleep state. */
static void sleep_read(void *arg, uint64_t offset, uint8_t *data, uint32_t len)
{
    (void)arg;
    (void)offset;
    memset(data, 0, len);
}

static void sleep_write(void *arg, uint64_t offset, const uint8_t *data, uint32_t len)
{
    const uint8_t power_off = LAYOUT_ACPI_SLP_TYP_S5 << 2 | LAYOUT_ACPI_SLP_EN;
    if (offset == 0 && len == 1 && data[0] == power_off)
        machine_stop(arg, MACHINE_END_POWEROFF);
}

static const struct bus_ops sleep_ops = {
    .read = sleep_read,
    .write = sleep_write,
};

static void vmmio_bus_read(void *arg, uint64_t offset, uint8_t *data, uint32_t len)
{
    vmmio_read(arg, offset, data, len);
}

static void vmmio_bus_write(void *arg, uint64_t offset, const uint8_t *data, uint32_t len)
{
    vmmio_write(arg, offset, data, len);
}

static const struct bus_ops vmmio_bus_ops = {
    .read = vmmio_bus_read,
    .write = vmmio_bus_write,
};

static int new_eventfd(int *out_fd, const char *what, struct err *err)
{
    *out_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return *out_fd < 0 ? err_sys(err, -errno, "event descriptor of the %s", what) : 0;
}

static int add_port(struct machine *machine, uint64_t port, uint64_t count,
                    const struct bus_ops *ops, void *arg, struct err *err)
{
    struct gm_range range = {.start = port, .len_bytes = count};
    int ret = bus_add(&machine->pio, range, ops, arg);
    return ret < 0 ? err_sys(err, ret, "I/O port 0x%lx", (unsigned long)port) : 0;
}

static int add_serial(struct machine *machine, const struct vm_config *cfg, int console_out,
                      struct err *err)
{
    int ret = new_eventfd(&machine->serial_irq_fd, "serial port", err);
    if (ret < 0)
        return ret;
    ret = serial_create(console_out, machine->serial_irq_fd, &machine->serial);
    if (ret < 0)
        return err_sys(err, ret, "serial port");
    /* A terminal is waited for, which a file or FIFO, that perhaps nobody reads, is not. */
    if (cfg->serial_out_path != NULL || cfg->serial_limit.size != 0)
        serial_set_lossy(machine->serial, &cfg->serial_limit);
    ret = vm_add_irqfd(machine->vm, LAYOUT_SERIAL_GSI, machine->serial_irq_fd, err);
    if (ret < 0)
        return ret;
    return add_port(machine, LAYOUT_SERIAL_PORT, SERIAL_PORT_COUNT, &serial_bus_ops,
                    machine->serial, err);
}

static int add_i8042(struct machine *machine, struct err *err)
{
    int ret = new_eventfd(&machine->i8042_irq_fd, "keyboard controller", err);
    if (ret < 0)
        return ret;
    ret = i8042_create(machine->i8042_irq_fd, on_guest_reset, machine, &machine->i8042);
    if (ret < 0)
        return err_sys(err, ret, "keyboard controller");
    ret = vm_add_irqfd(machine->vm, LAYOUT_KEYBOARD_GSI, machine->i8042_irq_fd, err);
    if (ret == 0)
        ret = add_port(machine, I8042_DATA_PORT, 1, &i8042_data_ops, machine->i8042, err);
    if (ret == 0)
        ret = add_port(machine, I8042_COMMAND_PORT, 1, &i8042_command_ops, machine->i8042, err);
    return ret;
}

int machine_add_legacy(struct machine *machine, const struct vm_config *cfg, int console_out,
                       struct err *err)
{
    int ret = add_serial(machine, cfg, console_out, err);
    if (ret == 0)
        ret = add_i8042(machine, err);
    if (ret == 0)
        ret = add_port(machine, LAYOUT_ACPI_SLEEP_PORT,
                       LAYOUT_ACPI_STATUS_PORT - LAYOUT_ACPI_SLEEP_PORT + 1, &sleep_ops, machine,
                       err);
    return ret;
}

static int connect_eventfds(struct machine *machine, const struct machine_virtio *slot,
                            uint16_t vqs, struct err *err)
{
    uint64_t notify_gpa = slot->window.base_gpa + VMMIO_QUEUE_NOTIFY_OFFSET;
    for (uint16_t vq = 0; vq < vqs; vq++) {
        int ret = vm_add_ioeventfd(machine->vm, notify_gpa, vq,
                                   vmmio_notify_fd(slot->transport, vq), err);
        if (ret < 0)
            return ret;
    }
    return vm_add_irqfd(machine->vm, slot->window.gsi, slot->irq_fd, err);
}

/* dev is borrowed and served by loop. The slot is counted at once, so that machine_remove_devices()
 * finds what exists. */
static int add_transport(struct machine *machine, struct vdev *dev, struct ev_loop *loop,
                         struct err *err)
{
    if (machine->virtio_count == MACHINE_VIRTIO_MAX)
        return err_set(err, -ENOSPC, "more than %u virtio devices", MACHINE_VIRTIO_MAX);
    size_t index = machine->virtio_count++;
    struct machine_virtio *slot = &machine->virtio[index];
    *slot = (struct machine_virtio){
        .irq_fd = -1,
        .window = {.base_gpa = LAYOUT_VIRTIO_BASE + index * VMMIO_WINDOW_SIZE,
                   .size_bytes = VMMIO_WINDOW_SIZE,
                   .gsi = LAYOUT_VIRTIO_GSI_FIRST + (uint32_t)index},
    };
    int ret = new_eventfd(&slot->irq_fd, dev->ops->name, err);
    if (ret < 0)
        return ret;
    ret = vmmio_create(dev, machine->gm, loop, slot->irq_fd, &slot->transport);
    if (ret < 0)
        return err_sys(err, ret, "transport of the %s", dev->ops->name);
    ret = connect_eventfds(machine, slot, dev->ops->max_vqs, err);
    if (ret < 0)
        return ret;
    struct gm_range window = {.start = slot->window.base_gpa, .len_bytes = VMMIO_WINDOW_SIZE};
    ret = bus_add(&machine->mmio, window, &vmmio_bus_ops, slot->transport);
    return ret < 0 ? err_sys(err, ret, "register window of the %s", dev->ops->name) : 0;
}

int machine_add_virtio(struct machine *machine, const struct vm_config *cfg, struct err *err)
{
    if (!cfg->has_balloon)
        return 0;
    int ret = balloon_create(&cfg->balloon, machine->gm, machine->reclaim_loop, &machine_guest_ops,
                             machine, &machine->balloon, err);
    if (ret < 0)
        return ret;
    return add_transport(machine, balloon_vdev(machine->balloon), machine->reclaim_loop, err);
}

void machine_remove_devices(struct machine *machine)
{
    for (size_t i = 0; i < machine->virtio_count; i++) {
        vmmio_destroy(machine->virtio[i].transport);
        fd_close(&machine->virtio[i].irq_fd);
    }
    machine->virtio_count = 0;
    balloon_destroy(machine->balloon);
    machine->balloon = NULL;
    serial_destroy(machine->serial);
    machine->serial = NULL;
    fd_close(&machine->serial_irq_fd);
    i8042_destroy(machine->i8042);
    machine->i8042 = NULL;
    fd_close(&machine->i8042_irq_fd);
}
