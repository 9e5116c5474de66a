/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of the options of `aerostat run`. */
#ifndef AEROSTAT_CLI_RUN_PRIV_H
#define AEROSTAT_CLI_RUN_PRIV_H

enum {
    OPT_CONFIG = 1,
    OPT_KERNEL,
    OPT_INITRD,
    OPT_CMDLINE,
    OPT_MEM,
    OPT_CPUS,
    OPT_BALLOON,
    OPT_API_SOCK,
    OPT_BACKING,
    OPT_VIRTIO_DISCOVERY,
    OPT_LOG_LEVEL,
    OPT_NO_CONSOLE,
    OPT_NAME,
    OPT_DETACH,
    OPT_NO_START,
    /* From here on they say how a balloon is to be. */
    OPT_SCATTER_GATHER,
    OPT_DEFLATE_ON_OOM,
    OPT_MUST_TELL_HOST,
    OPT_STATS_INTERVAL,
    OPT_HINTING,
    OPT_REPORTING,
    OPT_PAGE_POISON,
    OPT_PREFAULT,
    OPT_END,
};

#endif
