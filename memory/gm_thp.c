/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the host lets memfds have transparent huge pages. */
#include <fcntl.h>
#include <string.h>

#include "memory/gm_priv.h"
#include "vmm/base/cleanup.h"
#include "vmm/base/num.h"

#define SHMEM_ENABLED "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

const char *gm_thp_obstacle_in(const char *text)
{
    static const struct {
        const char *chosen;
        const char *word;
    } obstacles[] = {{"[never]", "never"}, {"[deny]", "deny"}};
    for (size_t i = 0; i < ARRAY_LEN(obstacles); i++) {
        if (strstr(text, obstacles[i].chosen) != NULL)
            return obstacles[i].word;
    }
    return NULL;
}

void gm_thp_obstacle(const char **out_setting)
{
    *out_setting = NULL;
    AUTO_FD int fd = open(SHMEM_ENABLED, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    char text[128];
    ssize_t len = read(fd, text, sizeof(text) - 1);
    if (len < 0)
        return;
    text[len] = '\0';
    *out_setting = gm_thp_obstacle_in(text);
}
