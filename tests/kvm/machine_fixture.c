/* SPDX-License-Identifier: Apache-2.0 */
/* Building a machine in the test's process, and talking with its guest. */
#include "tests/kvm/machine_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void mfix_create(struct mfix *fix, const char *payload, uint64_t mem_bytes, uint32_t vcpus)
{
    int out[2];
    struct vm_config cfg;
    struct err err = {{0}};
    ck_assert_int_eq(cfg_init(&cfg), 0);
    cfg.kernel_path = strdup(payload);
    cfg.mem_bytes = mem_bytes;
    cfg.vcpus = vcpus;
    cfg.has_balloon = true;
    ck_assert_int_eq(pipe(out), 0);
    *fix = (struct mfix){.console = fdopen(out[0], "r"), .console_fd = out[1]};
    ck_assert_ptr_nonnull(fix->console);
    ck_assert_int_eq(ev_loop_create(&fix->loop), 0);
    int ret = machine_create(&cfg, fix->loop, fix->console_fd, &fix->machine, &err);
    ck_assert_msg(ret == 0, "%s", err.text);
    cfg_finish(&cfg);
}

void mfix_start(struct mfix *fix)
{
    struct err err = {{0}};
    int ret = machine_start(fix->machine, &err);
    ck_assert_msg(ret == 0, "%s", err.text);
}

void mfix_destroy(struct mfix *fix)
{
    machine_destroy(fix->machine);
    ev_loop_destroy(fix->loop);
    (void)fclose(fix->console);
    close(fix->console_fd);
}

static void read_line(struct mfix *fix, char *line, int size)
{
    if (fgets(line, size, fix->console) == NULL)
        ck_abort_msg("the console has ended");
    line[strcspn(line, "\r\n")] = '\0';
    if (strncmp(line, "fail:", 5) == 0)
        ck_abort_msg("the guest says %s", line);
}

void mfix_expect(struct mfix *fix, const char *text)
{
    char line[256];
    do {
        read_line(fix, line, sizeof(line));
    } while (strcmp(line, text) != 0);
}

uint64_t mfix_value(struct mfix *fix, const char *name)
{
    char line[256];
    size_t len = strlen(name);
    read_line(fix, line, sizeof(line));
    if (strncmp(line, name, len) != 0 || line[len] != '=')
        ck_abort_msg("expected %s=..., got '%s'", name, line);
    return strtoull(line + len + 1, NULL, 10);
}

void mfix_continue(struct mfix *fix)
{
    ck_assert_uint_eq(machine_console_input(fix->machine, (const uint8_t *)"\n", 1), 1);
}
