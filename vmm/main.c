/* SPDX-License-Identifier: Apache-2.0 */
/* The program: one of the commands of vmm/cli/commands.c. */
#include <fcntl.h>
#include <unistd.h>

#include "vmm/cli/cli.h"

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
    if (argc > 0 && cli_is_firecracker(argv[0]))
        return cli_firecracker(argc, argv);
    return cmd_dispatch(cli_commands, argc, argv);
}
