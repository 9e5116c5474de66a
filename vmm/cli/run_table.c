/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `aerostat run`. */
#include "vmm/cli/cli.h"
#include "vmm/cli/options.h"
#include "vmm/cli/run_priv.h"
#include "vmm/config/config.h"

static const struct cmd_option options[] = {
    {.name = "config",
     .id = OPT_CONFIG,
     .value = "FILE",
     .help = "JSON in Firecracker's config-file schema; options override it",
     .complete = CMD_COMPLETE_FILE,
     .heading = "Machine"},
    {.name = "kernel",
     .id = OPT_KERNEL,
     .value = "FILE",
     .help = "bzImage or ELF vmlinux",
     .complete = CMD_COMPLETE_FILE},
    {.name = "initrd",
     .id = OPT_INITRD,
     .value = "FILE",
     .help = "initial ramdisk",
     .complete = CMD_COMPLETE_FILE},
    {.name = "cmdline",
     .id = OPT_CMDLINE,
     .value = "TEXT",
     .help = "kernel command line (default: " CFG_CMDLINE_DEFAULT ")"},
    {.name = "mem",
     .id = OPT_MEM,
     .value = "SIZE",
     .help = "guest memory, at least 16M (default: 128M)"},
    {.name = "cpus", .id = OPT_CPUS, .value = "N", .help = "vCPUs, 1 to 32 (default: 1)"},
    {.name = "backing",
     .id = OPT_BACKING,
     .value = "WORD",
     .help = "host pages behind guest memory: 4k, thp, hugetlb-2m (default: 4k)",
     .words = "4k thp hugetlb-2m"},
    {.name = "virtio-discovery",
     .id = OPT_VIRTIO_DISCOVERY,
     .value = "WORD",
     .help = "how the guest finds its devices: acpi, cmdline (default: acpi)",
     .words = "acpi cmdline"},

    {.name = "balloon",
     .id = OPT_BALLOON,
     .value = "SIZE",
     .help = "a balloon with this initial target, 0 for an empty one",
     .heading = "Balloon"},
    {.name = "scatter-gather",
     .id = OPT_SCATTER_GATHER,
     .value = "WORD",
     .help = "how the balloon offers scatter-gather chains: auto (bit 63), bit3, off (default: "
             "auto)",
     .words = "auto bit3 off"},
    {.name = "deflate-on-oom",
     .id = OPT_DEFLATE_ON_OOM,
     .help = "let the guest take memory back when it runs out"},
    {.name = "must-tell-host",
     .id = OPT_MUST_TELL_HOST,
     .value = "WORD",
     .help =
         "on, off: have the guest tell before it uses a page again, so that small pieces can be "
         "released together (default: on)",
     .words = "on off"},
    {.name = "stats-interval",
     .id = OPT_STATS_INTERVAL,
     .value = "S",
     .help = "ask the guest for its memory statistics every S seconds"},
    {.name = "free-page-hinting",
     .id = OPT_HINTING,
     .help = "have the guest name its free pages on request"},
    {.name = "free-page-reporting",
     .id = OPT_REPORTING,
     .help = "have the guest give free pages back by itself"},
    {.name = "page-poison",
     .id = OPT_PAGE_POISON,
     .value = "WORD",
     .help = "on, off: let the guest say what it fills free pages with (default: on with hinting "
             "or reporting)",
     .words = "on off"},
    {.name = "prefault-on-deflate",
     .id = OPT_PREFAULT,
     .help = "populate the pages that the guest takes back"},

    {.name = "name",
     .id = OPT_NAME,
     .value = "NAME",
     .help = "what other commands call the machine: up to 64 letters, digits, \"_\", \".\" and "
             "\"-\" (default: vm1, vm2, ...)",
     .heading = "Control"},
    {.name = "detach",
     .id = OPT_DETACH,
     .letter = 'd',
     .help = "return when the guest runs, and print the machine's name; see aerostat console"},
    {.name = "api-sock",
     .id = OPT_API_SOCK,
     .value = "PATH",
     .help = "serve the control socket at PATH, which must not exist yet (default: api.sock in the "
             "machine's folder)",
     .complete = CMD_COMPLETE_FILE},
    {.name = "no-console", .id = OPT_NO_CONSOLE, .help = "do not read standard input"},
    {.name = "no-start",
     .id = OPT_NO_START,
     .help = "wait for the control socket to describe the machine further and to start it"},
    {.name = "log-level",
     .id = OPT_LOG_LEVEL,
     .value = "WORD",
     .help = "error, warn, info, debug (default: warn)",
     .words = "error warn info debug"},
    {0},
};

static const struct cmd_example examples[] = {
    {"aerostat run --kernel vmlinux --initrd initramfs.cpio.gz --mem 1G --balloon 0 --api-sock "
     "vm.sock",
     "boot a guest of 1 GiB whose balloon is set later, through vm.sock"},
    {"aerostat run --config vm.json --mem 2G", "the machine of a file, with more memory"},
    {0},
};

const struct command cmd_run = {
    .name = "run",
    .summary = "boot a machine and stay with it until it ends",
    .group = CMD_GROUP_RUN,
    .synopsis = "run [--config FILE] [OPTION...]",
    .description =
        "Boots a machine described by a file, by options, or by both: options override the file.",
    .options = options,
    .notes =
        "A SIZE is a whole number with K, M or G behind it; alone it is MiB.\n\n"
        "Standard input and output are the guest's serial port. On a terminal, Ctrl-A x leaves, "
        "Ctrl-A h helps, Ctrl-A Ctrl-A sends Ctrl-A.\n\n"
        "With --detach the machine has no terminal: aerostat console connects to its serial port. "
        "What the guest writes is also in console.log, and what the monitor says in log, in the "
        "machine's folder (see aerostat show), up to 2 MiB of each, until the machine ends.",
    .exit_status =
        "0 when the guest powers off, reboots or resets itself, or after Ctrl-A x; 1 when the "
        "machine cannot be built or fails; 2 for a bad command line or configuration; 128+N when "
        "signal N (SIGHUP, SIGINT, SIGTERM, ...) ended it.",
    .examples = examples,
    .run = run_command,
};
