/* SPDX-License-Identifier: Apache-2.0 */
/* How the end of a machine is told to the user. */
#include "vmm/cli/end.h"

#include "vmm/cli/cli.h"

/* What shells report for a process that a signal ended. */
#define SIGNAL_STATUS 128

int end_status(enum machine_end why, int signo, enum log_level *out_level, const char **out_text)
{
    *out_level = LOG_INFO;
    switch (why) {
    case MACHINE_END_POWEROFF:
        *out_text = "the guest switched itself off";
        return CLI_OK;
    case MACHINE_END_RESET:
        *out_text = "the guest asked for a reboot: the machine ends";
        return CLI_OK;
    case MACHINE_END_TRIPLE_FAULT:
        *out_level = LOG_WARN;
        *out_text = "the guest reset itself by a triple fault (a reboot with reboot=t, or a crash "
                    "early in its boot)";
        return CLI_OK;
    case MACHINE_END_REQUESTED:
        *out_text =
            signo == 0 ? "the machine was ended on request" : "the machine was ended by a signal";
        return signo == 0 ? CLI_OK : SIGNAL_STATUS + signo;
    case MACHINE_END_ERROR:
    case MACHINE_END_NONE:
        break;
    }
    *out_level = LOG_ERROR;
    *out_text = "the machine ended because of an error";
    return CLI_FAILED;
}
