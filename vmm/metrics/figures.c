/* SPDX-License-Identifier: Apache-2.0 */
/* The table of figures. */
#include "vmm/metrics/figures.h"

#include "vmm/base/num.h"
#include "vmm/machine/machine.h"

#define FIELD(type, field, unit_, counter_, family_, label_, help_)                                \
    {                                                                                              \
        .name = #field, .offset = offsetof(struct type, field), .unit = METRICS_##unit_,           \
        .counter = (counter_), .family = (family_), .label = (label_), .help = (help_)             \
    }
#define COUNTER(field, unit, family, help)                                                         \
    FIELD(balloon_info, field, unit, true, "balloon_" family, NULL, help)
#define GAUGE(field, unit, family, help)                                                           \
    FIELD(balloon_info, field, unit, false, "balloon_" family, NULL, help)
#define REJECT(field, class)                                                                       \
    FIELD(balloon_info, field, COUNT, true, "balloon_rejects", "class=\"" class "\"",              \
          "What the guest sent to the balloon and had refused, by class")

#define QUEUE(queue, field, unit_, family_, help_)                                                 \
    {                                                                                              \
        .name = #queue "_" #field, .offset = offsetof(struct balloon_info, queue.field),           \
        .unit = METRICS_##unit_, .counter = true, .family = "balloon_queue_" family_,              \
        .label = "queue=\"" #queue "\"", .help = (help_)                                           \
    }
#define QUEUES(field, unit, family, help)                                                          \
    QUEUE(inflate, field, unit, family, help), QUEUE(deflate, field, unit, family, help),          \
        QUEUE(stats, field, unit, family, help), QUEUE(hint, field, unit, family, help),           \
        QUEUE(report, field, unit, family, help)

const struct metrics_figure metrics_balloon_figures[] = {
    GAUGE(target_bytes, BYTES, "target", "What the host asks the balloon to hold"),
    GAUGE(actual_bytes, BYTES, "actual", "What the guest says that the balloon holds"),
    QUEUES(notifications, COUNT, "notifications", "Notifications of a queue by the driver"),
    QUEUES(chains, COUNT, "chains", "Buffers taken from a queue, good or bad"),
    QUEUES(descriptors, COUNT, "descriptors", "Descriptors in the good buffers of a queue"),
    QUEUES(bytes, BYTES, "named", "Guest memory that valid items of a queue named"),
    COUNTER(punch_calls, COUNT, "punch_calls", "Calls of fallocate to give memory to the host"),
    COUNTER(punched_bytes, BYTES, "punched", "Memory that those calls covered"),
    COUNTER(freed_bytes, BYTES, "freed", "By how much the memory held fell in those calls"),
    COUNTER(ranges_merged, COUNT, "ranges_merged", "Ranges that merging neighbours saved"),
    COUNTER(punch_ns, NS, "punch", "Time in those calls"),
    GAUGE(waiting_bytes, BYTES, "waiting", "Pieces of 2 MiB that wait for the rest"),
    COUNTER(kept_poisoned_bytes, BYTES, "kept_poisoned",
            "Memory that was reported free and kept, since the guest wants its pattern in it"),
    COUNTER(kept_written_bytes, BYTES, "kept_written",
            "Memory that was hinted free and kept, since the guest wrote to it meanwhile"),
    COUNTER(hint_stale_bytes, BYTES, "hint_stale",
            "Memory that was hinted under a command that had ended"),
    COUNTER(hint_frozen_ns, NS, "hint_frozen", "Time in which hinting kept the guest from running"),
    COUNTER(prefaulted_bytes, BYTES, "prefaulted",
            "Memory asked to be populated before the guest takes it back"),
    COUNTER(prefault_ns, NS, "prefault", "Time spent on populating it"),
    REJECT(bad_request, "request"),
    REJECT(bad_chain, "chain"),
    REJECT(bad_ring, "ring"),
    COUNTER(host_error, COUNT, "host_errors", "Calls of the host that failed for the balloon"),
    GAUGE(change_from_bytes, BYTES, "change_from", "Where the last change of target began"),
    GAUGE(change_to_bytes, BYTES, "change_to", "Where the last change of target leads"),
    GAUGE(change_ns, NS, "change", "How long the last change of target took, or has taken yet"),
    GAUGE(change_busy_ns, NS, "change_busy", "For how much of that the device worked"),
    COUNTER(target_changes, COUNT, "target_changes", "Changes of target"),
    COUNTER(stalls, COUNT, "stalls", "Changes of target that were found stalled"),
};
const size_t metrics_balloon_figure_count = ARRAY_LEN(metrics_balloon_figures);

#define MACHINE(field, unit, counter, family, label, help)                                         \
    FIELD(machine_figures, field, unit, counter, family, label, help)
#define CPU(field, thread)                                                                         \
    MACHINE(field, NS, true, "cpu", "thread=\"" thread "\"",                                       \
            "Processor time of the threads that run the guest, and of all others")
#define EXITS(field, kind)                                                                         \
    MACHINE(field, COUNT, true, "vcpu_exits", "kind=\"" kind "\"",                                 \
            "Times that a vCPU left the guest for the monitor")

const struct metrics_figure metrics_machine_figures[] = {
    MACHINE(ram_bytes, BYTES, false, "ram", NULL, "Size of guest memory"),
    MACHINE(ram_allocated_bytes, BYTES, false, "ram_allocated", NULL,
            "Host memory behind guest memory, 0 where that cannot be read"),
    MACHINE(bad_register, COUNT, true, "bad_register_accesses", NULL,
            "Register accesses that the virtio devices refused"),
    MACHINE(unclaimed_accesses, COUNT, true, "unclaimed_accesses", NULL,
            "Port and MMIO accesses that no device answers"),
    MACHINE(serial_dropped_bytes, BYTES, true, "serial_dropped", NULL,
            "Output of the guest's console that nobody took"),
    MACHINE(serial_limited_bytes, BYTES, true, "serial_limited", NULL,
            "Output of the guest's console over its rate limit"),
    MACHINE(uptime_ns, NS, false, "uptime", NULL, "Since the machine started"),
    CPU(vcpu_ns, "vcpu"),
    CPU(monitor_ns, "monitor"),
    EXITS(exits_io_in, "io_in"),
    EXITS(exits_io_out, "io_out"),
    EXITS(exits_mmio_read, "mmio_read"),
    EXITS(exits_mmio_write, "mmio_write"),
    MACHINE(vcpu_failures, COUNT, true, "vcpu_failures", NULL,
            "vCPUs that KVM could not run any longer"),
};
const size_t metrics_machine_figure_count = ARRAY_LEN(metrics_machine_figures);

#define GUEST(tag, name_, unit_, counter_, help_)                                                  \
    [tag] = {.name = #name_,                                                                       \
             .offset = offsetof(struct balloon_stats, value) + (tag) * sizeof(uint64_t),           \
             .unit = METRICS_##unit_,                                                              \
             .counter = (counter_),                                                                \
             .family = "guest_" #name_,                                                            \
             .help = "Guest's word: " help_}

const struct metrics_figure metrics_guest_figures[BALLOON_STAT_TAGS] = {
    GUEST(0, swap_in, BYTES, true, "memory swapped in"),
    GUEST(1, swap_out, BYTES, true, "memory swapped out"),
    GUEST(2, major_faults, COUNT, true, "page faults that needed the disk"),
    GUEST(3, minor_faults, COUNT, true, "page faults that did not need the disk"),
    GUEST(4, free_memory, BYTES, false, "unused memory"),
    GUEST(5, total_memory, BYTES, false, "memory of the guest kernel"),
    GUEST(6, available_memory, BYTES, false, "memory to be had without swapping"),
    GUEST(7, disk_caches, BYTES, false, "memory that caches the disk"),
    GUEST(8, hugetlb_allocations, COUNT, true, "huge pages allocated"),
    GUEST(9, hugetlb_failures, COUNT, true, "huge pages that could not be allocated"),
    GUEST(10, oom_kill, COUNT, true, "processes killed for want of memory"),
    GUEST(11, alloc_stall, COUNT, true, "allocations that had to wait for memory"),
    GUEST(12, async_scan, COUNT, true, "pages scanned in the background"),
    GUEST(13, direct_scan, COUNT, true, "pages scanned while an allocation waited"),
    GUEST(14, async_reclaim, COUNT, true, "pages reclaimed in the background"),
    GUEST(15, direct_reclaim, COUNT, true, "pages reclaimed while an allocation waited"),
};

const char *metrics_form_name(enum balloon_form form)
{
    switch (form) {
    case BALLOON_FORM_PFN:
        return "pfn";
    case BALLOON_FORM_SG:
        return "sg";
    case BALLOON_FORM_NONE:
        break;
    }
    return "none";
}
