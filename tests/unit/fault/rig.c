/* SPDX-License-Identifier: Apache-2.0 */
/* Building and taking down, with every result looked at. */
#include "tests/unit/fault/rig.h"

#include <dirent.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

const struct balloon_config rig_config = {
    .deflate_on_oom = true,
    .must_tell_host = true,
    .free_page_hinting = true,
    .free_page_reporting = true,
    .page_poison = true,
    .prefault_on_deflate = true,
    .stats_interval_s = 3600,
};

static int track_writes(void *arg, bool on)
{
    (void)arg;
    (void)on;
    return 0;
}

static int written(void *arg, struct gm_bitmap *out)
{
    (void)arg;
    (void)out;
    return 0;
}

static void nothing(void *arg)
{
    (void)arg;
}

static const struct balloon_guest_ops guest_ops = {
    .track_writes = track_writes, .written = written, .freeze = nothing, .thaw = nothing};

int rig_build(struct rig *r, enum gm_backing backing)
{
    const struct gm_range ram[] = {{0, LOW_SIZE}, {HIGH_START, HIGH_SIZE}};
    int irq_fd = r->irq_fd;
    memset(r, 0, sizeof(*r));
    r->irq_fd = irq_fd;
    r->err_expected = true;
    int ret = gm_create(ram, ARRAY_LEN(ram), backing, &r->gm, &r->err);
    if (ret < 0)
        return ret;
    r->err_expected = false;
    ret = ev_loop_create(&r->owner.loop);
    if (ret < 0)
        return ret;
    r->err_expected = true;
    ret = balloon_create(&rig_config, r->gm, r->owner.loop, &guest_ops, NULL, &r->balloon, &r->err);
    if (ret < 0)
        return ret;
    r->err_expected = false;
    return vmmio_create(balloon_vdev(r->balloon), r->gm, r->owner.loop, irq_fd, &r->transport);
}

void rig_destroy(struct rig *r)
{
    mock_loop_stop(&r->owner);
    vmmio_destroy(r->transport);
    balloon_destroy(r->balloon);
    ev_loop_destroy(r->owner.loop);
    gm_destroy(r->gm);
}

unsigned rig_open_fds(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}
