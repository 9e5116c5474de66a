/* SPDX-License-Identifier: Apache-2.0 */
/* The program: a table of its commands. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/cli/cli.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"run", cli_run},           {"balloon", cli_balloon}, {"help", cli_help},
    {"version", cli_version},   {"--help", cli_help},     {"-h", cli_help},
    {"--version", cli_version},
};

/* A closed standard descriptor would be reused for the next file opened, which the guest's console
 * then writes to. */
static int fill_standard_descriptors(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    return fd < 0 ? -1 : close(fd);
}

int main(int argc, char **argv)
{
    if (fill_standard_descriptors() < 0)
        return CLI_FAILED;
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, argv[1]) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    if (argc > 1)
        (void)fprintf(stderr, "aerostat: error: no command \"%.40s\" (see aerostat help)\n",
                      argv[1]);
    else
        (void)fprintf(stderr, "aerostat: error: a command is missing (see aerostat help)\n");
    return CLI_USAGE;
}
