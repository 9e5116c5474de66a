/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat help` and `aerostat version`, and the texts of --help. */
#include "vmm/cli/help.h"

#include <string.h>

#include "vmm/base/log.h"
#include "vmm/base/num.h"
#include "vmm/cli/cli.h"
#include "vmm/config/config.h"

static const char program_text[] =
    "Usage: aerostat COMMAND [OPTION...]\n"
    "A microVM monitor for Linux/KVM whose guests give memory back.\n"
    "\n"
    "  run            boot a machine and stay with it until it ends\n"
    "  balloon set    ask a running machine's balloon for a size\n"
    "  balloon show   show a running machine's balloon and its counters\n"
    "  balloon hint   have a running machine's guest hint at its free pages\n"
    "  version        print the version\n"
    "  help COMMAND   explain a command\n";

static const char run_text[] =
    "Usage: aerostat run [--config FILE] [OPTION...]\n"
    "Boots a machine described by a file, by options, or by both: options override the file.\n"
    "\n"
    "  --config FILE          JSON in Firecracker's config-file schema\n"
    "  --kernel FILE          bzImage or ELF vmlinux\n"
    "  --initrd FILE          initial ramdisk\n"
    "  --cmdline TEXT         kernel command line (default: " CFG_CMDLINE_DEFAULT ")\n"
    "  --mem SIZE             guest memory, at least 16M (default: 128M)\n"
    "  --cpus N               vCPUs, 1 to 32 (default: 1)\n"
    "  --balloon SIZE         a balloon with this initial target, 0 for an empty one\n"
    "  --scatter-gather WORD  how the balloon offers scatter-gather chains: auto (bit 63), bit3, "
    "off\n"
    "  --deflate-on-oom       let the guest take memory back when it runs out\n"
    "  --must-tell-host       have the guest tell before it uses a page again\n"
    "  --stats-interval S     ask the guest for its memory statistics every S seconds\n"
    "  --free-page-hinting    have the guest name its free pages on request\n"
    "  --free-page-reporting  have the guest give free pages back by itself\n"
    "  --page-poison WORD     on, off: let the guest say what it fills free pages with (default: "
    "on\n"
    "                         with hinting or reporting)\n"
    "  --prefault-on-deflate  populate the pages that the guest takes back\n"
    "  --virtio-discovery WORD\n"
    "                         how the guest finds its devices: acpi, cmdline (default: acpi)\n"
    "  --backing WORD         host pages behind guest memory: 4k, thp, hugetlb-2m (default: 4k)\n"
    "  --api-sock PATH        serve the control socket at PATH, which must not exist yet\n"
    "  --no-console           do not read standard input\n"
    "  --log-level WORD       error, warn, info, debug (default: warn)\n"
    "  --help                 show this\n"
    "\n"
    "A SIZE is a whole number with K, M or G behind it; alone it is MiB.\n"
    "Standard input and output are the guest's serial port. On a terminal, Ctrl-A x leaves, Ctrl-A "
    "h\n"
    "helps, Ctrl-A Ctrl-A sends Ctrl-A.\n"
    "\n"
    "Exit status: 0 when the guest powers off, reboots or resets itself, or after Ctrl-A x; 1 when "
    "the\n"
    "machine cannot be built or fails; 2 for a bad command line or configuration; 128+N when "
    "signal N\n"
    "(SIGHUP, SIGINT, SIGTERM, ...) ended it.\n";

static const char balloon_text[] =
    "Usage: aerostat balloon set SIZE --api-sock PATH [--wait SECONDS]\n"
    "       aerostat balloon show --api-sock PATH [--json] [--refresh MS]\n"
    "       aerostat balloon hint start|stop|status --api-sock PATH\n"
    "Sets or shows the balloon of the machine whose control socket is at PATH, or has the guest "
    "hint at\n"
    "its free pages.\n"
    "\n"
    "  --wait SECONDS   wait until the balloon has that size; exit status 1 when it does not get "
    "there,\n"
    "                   or stops moving\n"
    "  --json           print the control socket's answer as it is, instead of lines of key and "
    "value\n"
    "  --refresh MS     ask the guest for fresh statistics, and wait for them, up to 10000 ms\n"
    "  --help           show this\n"
    "\n"
    "SIZE is what the guest gives up: a whole number with K, M or G behind it; alone it is MiB.\n";

static const struct {
    const char *command;
    const char *text;
} texts[] = {
    {"run", run_text},
    {"balloon", balloon_text},
    {"version", "Usage: aerostat version\nPrints the version.\n"},
    {"help", program_text},
};

bool help_print(const char *command, FILE *out)
{
    if (command == NULL)
        command = "help";
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (strcmp(texts[i].command, command) == 0)
            return fputs(texts[i].text, out) >= 0;
    }
    return false;
}

int cli_help(int argc, char **argv)
{
    if (argc > 2) {
        log_error("unexpected argument \"%.80s\" (see aerostat help)", argv[2]);
        return CLI_USAGE;
    }
    if (help_print(argc == 2 ? argv[1] : NULL, stdout))
        return CLI_OK;
    log_error("no command \"%.40s\" (see aerostat help)", argv[1]);
    return CLI_USAGE;
}

int cli_version(int argc, char **argv)
{
    if (argc > 1) {
        log_error("unexpected argument \"%.80s\" (see aerostat help)", argv[1]);
        return CLI_USAGE;
    }
    (void)printf("aerostat %s\n", AEROSTAT_VERSION);
    return CLI_OK;
}
