/* SPDX-License-Identifier: Apache-2.0 */
/* A register that a guest writes when it is up, as Firecracker's --boot-timer has it: the time
 * since its start is logged. */
#include <stdatomic.h>
#include <time.h>

#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/boot/x86_64/layout.h"
#include "vmm/machine/machine_priv.h"

#define GUEST_IS_UP 123u
#define NS_PER_US   UINT64_C(1000)
#define US_PER_MS   UINT64_C(1000)

/* A write says nothing that is worth a read. */
static void read_register(void *arg, uint64_t offset, uint8_t *data, uint32_t len)
{
    (void)arg;
    (void)offset;
    for (uint32_t i = 0; i < len; i++)
        data[i] = 0;
}

/* Once: a guest may write as often as it likes. */
static void write_register(void *arg, uint64_t offset, const uint8_t *data, uint32_t len)
{
    struct machine *machine = arg;
    if (offset != 0 || len != 1 || data[0] != GUEST_IS_UP ||
        atomic_exchange(&machine->boot_timed, true))
        return;
    uint64_t us = (clock_mono_ns() - machine->start_ns) / NS_PER_US;
    uint64_t cpu_us = clock_ns(CLOCK_PROCESS_CPUTIME_ID) / NS_PER_US;
    log_info("Guest-boot-time = %6lu us %lu ms, %6lu CPU us %lu CPU ms", (unsigned long)us,
             (unsigned long)(us / US_PER_MS), (unsigned long)cpu_us,
             (unsigned long)(cpu_us / US_PER_MS));
}

static const struct bus_ops ops = {.read = read_register, .write = write_register};

int machine_add_boot_timer(struct machine *machine, struct err *err)
{
    struct gm_range window = {.start = LAYOUT_BOOT_TIMER, .len_bytes = GM_PAGE_SIZE};
    int ret = bus_add(&machine->mmio, window, &ops, machine);
    return ret < 0 ? err_sys(err, ret, "boot timer") : 0;
}
