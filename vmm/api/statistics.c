/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to GET /balloon/statistics: Firecracker's four figures, and all of ours below "host".
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmm/api/api_priv.h"
#include "vmm/base/num.h"

struct figure {
    const char *name;
    size_t offset;
};

#define INFO(field)                                                                                \
    {                                                                                              \
#field, offsetof(struct balloon_info, field)                                               \
    }
#define FIGURE(field)                                                                              \
    {                                                                                              \
#field, offsetof(struct machine_figures, field)                                            \
    }

static const struct figure balloon_figures[] = {
    INFO(target_bytes),
    INFO(actual_bytes),
    INFO(inflate_notifications),
    INFO(inflate_chains),
    INFO(inflate_descriptors),
    INFO(inflate_bytes),
    INFO(deflate_notifications),
    INFO(deflate_chains),
    INFO(deflate_descriptors),
    INFO(deflate_bytes),
    INFO(punch_calls),
    INFO(punched_bytes),
    INFO(freed_bytes),
    INFO(ranges_merged),
    INFO(punch_ns),
    INFO(bad_request),
    INFO(bad_chain),
    INFO(bad_ring),
    INFO(host_error),
    INFO(change_from_bytes),
    INFO(change_to_bytes),
    INFO(change_ns),
};

static const struct figure machine_figures[] = {
    FIGURE(ram_bytes),
    FIGURE(ram_allocated_bytes),
    FIGURE(bad_register),
    FIGURE(unclaimed_accesses),
};

static int put_u64(json_t *object, const char *name, uint64_t value)
{
    return json_object_set_new(object, name, json_integer((json_int_t)value));
}

static int put_figures(json_t *object, const struct figure *figures, size_t n, const void *from)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        const void *at = (const char *)from + figures[i].offset;
        rc = put_u64(object, figures[i].name, *(const uint64_t *)at);
    }
    return rc;
}

static const char *form_name(enum balloon_form form)
{
    switch (form) {
    case BALLOON_FORM_PFN:
        return "pfn";
    case BALLOON_FORM_SG:
        return "sg";
    case BALLOON_FORM_NONE:
        break;
    }
    return "none";
}

static int put_host(json_t *host, const struct balloon_info *info,
                    const struct machine_figures *machine)
{
    /* All 64 bits may be set, which a signed JSON integer of jansson cannot say. */
    char features[24];
    (void)snprintf(features, sizeof(features), "0x%" PRIx64, info->features);
    int rc = json_object_set_new(host, "form", json_string(form_name(info->form)));
    if (rc == 0)
        rc = json_object_set_new(host, "features", json_string(features));
    if (rc == 0)
        rc = put_figures(host, balloon_figures, ARRAY_LEN(balloon_figures), info);
    if (rc == 0)
        rc = json_object_set_new(host, "change_done", json_boolean(info->change_done));
    if (rc == 0)
        rc = put_figures(host, machine_figures, ARRAY_LEN(machine_figures), machine);
    return rc;
}

void api_reply_statistics(const struct api_target *target, const struct balloon_info *info,
                          struct api_reply *out)
{
    struct machine_figures machine = {0};
    target->ops->figures(target->arg, &machine);
    json_t *root = json_object();
    json_t *host = json_object();
    int rc = put_u64(root, "target_pages", info->target_bytes / BALLOON_PAGE_SIZE);
    if (rc == 0)
        rc = put_u64(root, "actual_pages", info->actual_bytes / BALLOON_PAGE_SIZE);
    if (rc == 0)
        rc = put_u64(root, "target_mib", info->target_bytes / MIB);
    if (rc == 0)
        rc = put_u64(root, "actual_mib", info->actual_bytes / MIB);
    if (rc == 0)
        rc = put_host(host, info, &machine);
    if (rc == 0)
        rc = json_object_set(root, "host", host);
    out->body = rc == 0 ? json_dumps(root, JSON_COMPACT) : NULL;
    out->status = out->body == NULL ? 500 : 200;
    json_decref(host);
    json_decref(root);
}
