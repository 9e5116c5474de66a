/* SPDX-License-Identifier: Apache-2.0 */
/* A machine's entry in the registry. */
#include "vmm/cli/registered.h"

#include <errno.h>
#include <string.h>

#include "vmm/base/log.h"

static int place_socket(struct registered *r, struct vm_config *cfg, struct err *err)
{
    char path[REGISTRY_PATH_MAX];
    if (cfg->api_sock != NULL)
        return registry_claim_link_api(r->claim, cfg->api_sock, err);
    int rc = registry_path(r->registry, registered_name(r), REGISTRY_API_SOCK, path);
    if (rc == 0 && (cfg->api_sock = strdup(path)) == NULL)
        rc = -ENOMEM;
    return rc < 0 ? err_sys(err, rc, "control socket") : 0;
}

int registered_claim(struct registered *r, const char *name, bool required, struct vm_config *cfg,
                     struct err *err)
{
    struct err why = {0};
    int rc = registry_open(true, &r->registry, &why);
    if (rc == 0)
        rc = registry_claim(r->registry, name, &r->claim, &why);
    if (rc == 0)
        rc = place_socket(r, cfg, &why);
    if (rc == 0)
        return 0;
    registered_release(r);
    if (name != NULL || required)
        return err_set(err, rc, "%s", why.text);
    log_info("the machine has no name: %s", why.text);
    return 0;
}

const char *registered_name(const struct registered *r)
{
    return r->claim == NULL ? NULL : registry_claim_name(r->claim);
}

void registered_release(struct registered *r)
{
    registry_release(r->claim);
    r->claim = NULL;
    registry_close(r->registry);
    r->registry = NULL;
}
