/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat config check` and `aerostat config show`. */
#include <stdio.h>
#include <stdlib.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/log.h"
#include "vmm/cli/cli.h"
#include "vmm/config/config.h"

static void say(void *arg, const char *sentence)
{
    (void)arg;
    log_error("%s", sentence);
}

/* The file's description in *cfg, or 0 < n errors that were said. */
static unsigned load(const char *path, struct vm_config *cfg)
{
    if (cfg_init(cfg) < 0) {
        log_error("out of memory");
        return 1;
    }
    return cfg_load_all(cfg, path, say, NULL);
}

static int check(const struct cmd_line *line)
{
    struct vm_config cfg;
    const char *path = cmd_word(line, 0);
    unsigned errors = load(path, &cfg);
    cfg_finish(&cfg);
    if (errors > 0) {
        (void)printf("%s: %u error%s\n", path, errors, errors == 1 ? "" : "s");
        return CLI_USAGE;
    }
    (void)printf("%s: a machine can be made of it\n", path);
    return CLI_OK;
}

static int show(const struct cmd_line *line)
{
    struct vm_config cfg;
    AUTO_FREE char *text = NULL;
    int status = CLI_USAGE;
    if (load(cmd_word(line, 0), &cfg) == 0) {
        text = cfg_to_json(&cfg, true);
        status = text != NULL && puts(text) >= 0 ? CLI_OK : CLI_FAILED;
    }
    cfg_finish(&cfg);
    return status;
}

static const struct cmd_arg args[] = {
    {.name = "FILE",
     .help = "JSON in Firecracker's config-file schema",
     .needs = "a configuration file",
     .complete = CMD_COMPLETE_FILE},
    {0},
};

#define EXIT_STATUS "0 when nothing is wrong with the file, 2 otherwise."

const struct command cmd_config = {
    .name = "config",
    .summary = "look at a configuration file without starting anything",
    .group = CMD_GROUP_HOST,
};

const struct command cmd_config_check = {
    .name = "config check",
    .summary = "say all that is wrong with a configuration file",
    .group = CMD_GROUP_HOST,
    .description =
        "Reads the file as `aerostat run --config` does, and says everything that is wrong with it "
        "at once, each with its place. The kernel and the initial ramdisk that it names must be "
        "there.",
    .args = args,
    .exit_status = EXIT_STATUS,
    .run = check,
};

const struct command cmd_config_show = {
    .name = "config show",
    .summary = "print a configuration file with all defaults filled in",
    .group = CMD_GROUP_HOST,
    .args = args,
    .exit_status = EXIT_STATUS,
    .run = show,
};
