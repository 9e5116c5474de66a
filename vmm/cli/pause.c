/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat pause` and `aerostat resume`. */
#include "vmm/base/log.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/vm.h"

/* All that are named, whatever happens to one of them. */
static int change(const struct cmd_line *line, const char *body)
{
    int status = CLI_OK;
    for (unsigned i = 0; i < line->n_words; i++) {
        struct vm_ref vm;
        struct err err = {0};
        int rc = vm_resolve(line->words[i], &vm, &err);
        if (rc == 0)
            rc = vm_request(&vm, "PATCH", "/vm", body, VM_TIMEOUT_MS, &err);
        if (rc < 0) {
            log_error("%s", err.text);
            status = CLI_FAILED;
        }
    }
    return status;
}

static int pause_command(const struct cmd_line *line)
{
    return change(line, "{\"state\":\"Paused\"}");
}

static int resume_command(const struct cmd_line *line)
{
    return change(line, "{\"state\":\"Resumed\"}");
}

static const struct cmd_arg args[] = {
    {.name = "VM",
     .help = "a machine's name, or its control socket's path with a slash in it",
     .needs = "a machine: see aerostat ps",
     .complete = CMD_COMPLETE_VM,
     .many = true},
    {0},
};

const struct command cmd_pause = {
    .name = "pause",
    .summary = "hold machines still",
    .group = CMD_GROUP_CHANGE,
    .description = "Holds the vCPUs of running machines, until they are resumed. A paused machine "
                   "keeps its memory.",
    .args = args,
    .run = pause_command,
};

const struct command cmd_resume = {
    .name = "resume",
    .summary = "let paused machines go on",
    .group = CMD_GROUP_CHANGE,
    .description = "Lets paused machines go on. Nothing happens to one that runs.",
    .args = args,
    .run = resume_command,
};
