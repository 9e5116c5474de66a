/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the program: a table of contents. */
#include <stddef.h>

#include "vmm/cli/cli.h"

/* clang-format off */
const struct command *const cli_commands[] = {
    &cmd_run,
    &cmd_stop,
    &cmd_ps,
    &cmd_top,
    &cmd_show,
    &cmd_console,
    &cmd_pause,
    &cmd_resume,
    &cmd_balloon,
    &cmd_balloon_set,
    &cmd_balloon_show,
    &cmd_balloon_watch,
    &cmd_balloon_hint,
    &cmd_config,
    &cmd_config_check,
    &cmd_config_show,
    &cmd_doctor,
    &cmd_completion,
    &cmd_manual,
    &cmd_version,
    &cmd_help,
    NULL,
};
/* clang-format on */

const struct cmd_example cli_first_steps[] = {
    {"aerostat run --name vm1 --kernel vmlinux --initrd initramfs.cpio.gz --mem 1G --balloon 0",
     "boot a guest with an empty balloon, its console on this terminal"},
    {"aerostat balloon set vm1 512M --wait 10", "take 512 MiB back, from another terminal"},
    {"aerostat balloon show vm1", "see what the guest says and what the host got"},
    {0},
};
