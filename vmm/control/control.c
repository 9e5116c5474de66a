/* SPDX-License-Identifier: Apache-2.0 */
/* From a description to a running machine, and to its end. */
#include "vmm/control/control.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/base/outfile.h"
#include "vmm/control/control_priv.h"

int control_create(struct vm_config *cfg, const struct control_setup *setup,
                   struct control **out_control, struct err *err)
{
    struct control *control = calloc(1, sizeof(*control));
    if (control == NULL) {
        cfg_finish(cfg);
        return err_set(err, -ENOMEM, "out of memory");
    }
    control->setup = *setup;
    control->serial_fd = -1;
    control->cfg = *cfg;
    *cfg = (struct vm_config){0};
    int rc = control_apply_logger(&control->cfg, err);
    if (rc == 0)
        rc = control_apply_metrics(control, &control->cfg, err);
    if (rc < 0) {
        control_destroy(control);
        return rc;
    }
    *out_control = control;
    return 0;
}

static void drop_machine(struct control *control)
{
    machine_destroy(control->machine);
    control->machine = NULL;
    if (control->serial_fd >= 0)
        (void)close(control->serial_fd);
    control->serial_fd = -1;
}

void control_destroy(struct control *control)
{
    if (control == NULL)
        return;
    control_close_metrics(control);
    drop_machine(control);
    cfg_finish(&control->cfg);
    free(control);
}

static int open_serial(struct control *control, struct err *err)
{
    struct err why = {0};
    if (control->cfg.serial_out_path == NULL)
        return 0;
    int rc = outfile_open(control->cfg.serial_out_path, &control->serial_fd, &why);
    return rc < 0 ? err_set(err, rc, "serial.serial_out_path: %s", why.text) : 0;
}

int control_build(struct control *control, struct err *err)
{
    if (control->machine != NULL)
        return 0;
    int rc = cfg_check(&control->cfg, err);
    if (rc == 0)
        rc = open_serial(control, err);
    if (rc == 0) {
        int out = control->serial_fd >= 0 ? control->serial_fd : control->setup.console_out;
        rc = machine_create(&control->cfg, control->setup.loop, out, &control->machine, err);
    }
    if (rc < 0)
        drop_machine(control);
    return rc;
}

int control_start(struct control *control, struct err *err)
{
    int rc = control_build(control, err);
    if (rc == 0)
        rc = machine_start(control->machine, err);
    if (rc < 0) {
        drop_machine(control);
        return rc;
    }
    control_note_startup(control);
    return 0;
}

void control_stop(struct control *control, enum machine_end why)
{
    if (control->machine != NULL)
        machine_stop(control->machine, why);
    else
        ev_loop_stop(control->setup.loop);
}

enum machine_end control_end_reason(const struct control *control)
{
    return control->machine == NULL ? MACHINE_END_REQUESTED : machine_end_reason(control->machine);
}

size_t control_console_input(struct control *control, const uint8_t *data, size_t len)
{
    return control->machine == NULL ? len : machine_console_input(control->machine, data, len);
}
