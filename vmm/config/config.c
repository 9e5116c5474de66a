/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults, release and cross-field checks of a machine's description, and its reading from a file.
 */
#include "vmm/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/num.h"
#include "vmm/base/path.h"
#include "vmm/config/config_priv.h"

#define FILE_LIMIT        MIB
#define DEFAULT_MEM_BYTES (128 * MIB)

int cfg_init(struct vm_config *cfg)
{
    *cfg = (struct vm_config){
        .mem_bytes = DEFAULT_MEM_BYTES,
        .vcpus = 1,
        .backing = GM_BACKING_4K,
        .balloon = {.scatter_gather = BALLOON_SG_AUTO, .must_tell_host = true},
    };
    cfg->cmdline = strdup(CFG_CMDLINE_DEFAULT);
    if (cfg->cmdline == NULL) {
        cfg_finish(cfg);
        return -ENOMEM;
    }
    return 0;
}

void cfg_strings(struct vm_config *cfg, char **out[CFG_STRINGS])
{
    char **all[CFG_STRINGS] = {
        &cfg->kernel_path,        &cfg->initrd_path,     &cfg->cmdline,
        &cfg->api_sock,           &cfg->logger.path,     &cfg->metrics.path,
        &cfg->metrics.properties, &cfg->serial_out_path,
    };
    memcpy(out, all, sizeof(all));
}

void cfg_finish(struct vm_config *cfg)
{
    char **strings[CFG_STRINGS];
    cfg_strings(cfg, strings);
    for (size_t i = 0; i < CFG_STRINGS; i++)
        free(*strings[i]);
    *cfg = (struct vm_config){0};
}

void cfg_fork(const struct vm_config *cfg, struct vm_config *out)
{
    char **strings[CFG_STRINGS];
    *out = *cfg;
    cfg_strings(out, strings);
    for (size_t i = 0; i < CFG_STRINGS; i++)
        *strings[i] = NULL;
}

int cfg_copy(const struct vm_config *cfg, struct vm_config *out)
{
    struct vm_config from = *cfg;
    char **theirs[CFG_STRINGS];
    char **ours[CFG_STRINGS];
    cfg_fork(cfg, out);
    cfg_strings(&from, theirs);
    cfg_strings(out, ours);
    for (size_t i = 0; i < CFG_STRINGS; i++) {
        if (*theirs[i] != NULL && (*ours[i] = strdup(*theirs[i])) == NULL) {
            cfg_finish(out);
            return -ENOMEM;
        }
    }
    return 0;
}

void cfg_commit(struct vm_config *cfg, struct vm_config *next)
{
    char **ours[CFG_STRINGS];
    char **theirs[CFG_STRINGS];
    cfg_strings(cfg, ours);
    cfg_strings(next, theirs);
    for (size_t i = 0; i < CFG_STRINGS; i++) {
        if (*theirs[i] == NULL)
            *theirs[i] = *ours[i];
        else
            free(*ours[i]);
    }
    *cfg = *next;
}

/* Reads fd to its end, at most FILE_LIMIT bytes. text has room for one byte more. */
static int read_all(int fd, const char *path, char *text, size_t *out_len, struct err *err)
{
    size_t len = 0;
    while (len <= FILE_LIMIT) {
        ssize_t got = read(fd, text + len, FILE_LIMIT + 1 - len);
        if (got == 0) {
            *out_len = len;
            return 0;
        }
        if (got > 0)
            len += (size_t)got;
        else if (errno != EINTR)
            return err_sys(err, -errno, "%s: cannot be read", path);
    }
    return err_set(err, -EFBIG, "%s: is larger than the maximum of %llu bytes for a configuration",
                   path, (unsigned long long)FILE_LIMIT);
}

int cfg_read_file(const char *path, const char *name, char **out_text, size_t *out_len,
                  struct err *err)
{
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, -errno, "%s: cannot be opened", name);
    char *text = malloc(FILE_LIMIT + 1);
    if (text == NULL)
        return err_set(err, -ENOMEM, "%s: out of memory", name);
    int rc = read_all(fd, name, text, out_len, err);
    if (rc < 0)
        free(text);
    else
        *out_text = text;
    return rc;
}

int cfg_load(struct vm_config *cfg, const char *path, struct err *err)
{
    char name[PATH_SHOWN_MAX];
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    path_show(path, name);
    int rc = cfg_read_file(path, name, &text, &len, err);
    return rc < 0 ? rc : cfg_parse(cfg, name, text, len, err);
}

void cfg_settle(struct vm_config *cfg)
{
    struct balloon_config *balloon = &cfg->balloon;
    if (!cfg->page_poison_given)
        balloon->page_poison = balloon->free_page_hinting || balloon->free_page_reporting;
}

int cfg_check_memory(const struct vm_config *cfg, struct err *err)
{
    unsigned long long bytes = cfg->mem_bytes;
    if (bytes < CFG_MEM_MIN_MIB * MIB)
        return err_set(err, -EINVAL, "guest memory: %llu KiB is below the minimum of %u MiB",
                       bytes / KIB, CFG_MEM_MIN_MIB);
    if (!is_aligned(bytes, GM_PAGE_SIZE))
        return err_set(err, -EINVAL,
                       "guest memory: %llu bytes is not a multiple of the page size, 4096", bytes);
    if (cfg->backing == GM_BACKING_HUGETLB_2M && !is_aligned(bytes, GM_HUGE_SIZE))
        return err_set(err, -EINVAL,
                       "guest memory: %llu KiB is not a multiple of 2 MiB, as backing hugetlb-2m "
                       "needs it",
                       bytes / KIB);
    return 0;
}

int cfg_check_balloon(const struct vm_config *cfg, struct err *err)
{
    if (!cfg->has_balloon)
        return 0;
    if (cfg->balloon.target_bytes >= cfg->mem_bytes)
        return err_set(err, -EINVAL,
                       "balloon: a target of %llu MiB is not below the guest memory of %llu MiB",
                       (unsigned long long)(cfg->balloon.target_bytes / MIB),
                       (unsigned long long)(cfg->mem_bytes / MIB));
    if (cfg->balloon.free_page_hinting && cfg->balloon.scatter_gather == BALLOON_SG_BIT3)
        return err_set(err, -EINVAL,
                       "balloon: scatter_gather \"bit3\" and free_page_hinting both claim feature "
                       "bit 3; give one of the two");
    return 0;
}

static int check_socket(const char *path, struct err *err)
{
    if (path == NULL)
        return 0;
    if (*path == '\0')
        return err_set(err, -EINVAL, "control socket: the path is empty");
    if (strlen(path) > CFG_SOCKET_PATH_MAX)
        return err_set(err, -EINVAL,
                       "control socket: the path has %zu bytes, above the maximum of %u",
                       strlen(path), CFG_SOCKET_PATH_MAX);
    return 0;
}

int cfg_check_kernel(const struct vm_config *cfg, struct err *err)
{
    if (cfg->kernel_path == NULL || *cfg->kernel_path == '\0')
        return err_set(err, -EINVAL,
                       "no kernel: give --kernel PATH, or boot-source.kernel_image_path in the "
                       "configuration file");
    return 0;
}

int cfg_check_vcpus(const struct vm_config *cfg, struct err *err)
{
    if (cfg->vcpus < 1 || cfg->vcpus > CFG_VCPUS_MAX)
        return err_set(err, -EINVAL, "vCPUs: %u is not in the range from 1 to %u", cfg->vcpus,
                       CFG_VCPUS_MAX);
    if (cfg->smt && cfg->vcpus > 1 && cfg->vcpus % 2 != 0)
        return err_set(
            err, -EINVAL,
            "vCPUs: %u cannot share cores by twos: with machine-config.smt the number is "
            "1 or even",
            cfg->vcpus);
    return 0;
}

int cfg_check(const struct vm_config *cfg, struct err *err)
{
    int rc = cfg_check_kernel(cfg, err);
    if (rc < 0)
        return rc;
    rc = cfg_check_vcpus(cfg, err);
    if (rc == 0)
        rc = cfg_check_memory(cfg, err);
    if (rc == 0)
        rc = cfg_check_balloon(cfg, err);
    if (rc == 0)
        rc = check_socket(cfg->api_sock, err);
    return rc;
}

static int check_file(const char *what, const char *path, struct err *err)
{
    char name[PATH_SHOWN_MAX];
    if (path == NULL)
        return 0;
    path_show(path, name);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0)
        return 0;
    int rc = err_sys(err, -errno, "%s: %s: cannot be opened", what, name);
    cfg_one_line(err);
    return rc;
}

int cfg_check_kernel_file(const struct vm_config *cfg, struct err *err)
{
    return check_file("boot-source.kernel_image_path", cfg->kernel_path, err);
}

int cfg_check_initrd_file(const struct vm_config *cfg, struct err *err)
{
    return check_file("boot-source.initrd_path", cfg->initrd_path, err);
}

int cfg_check_files(const struct vm_config *cfg, struct err *err)
{
    int rc = cfg_check_kernel_file(cfg, err);
    return rc < 0 ? rc : cfg_check_initrd_file(cfg, err);
}
