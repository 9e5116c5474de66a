/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What instructions.sh counts the instructions of: one chain of 512 descriptors, no two of them
 * adjacent, taken by the balloon.
 *
 * usage: count_work 4k|thp KIB_PER_DESCRIPTOR
 *
 * The memory is not populated and thp's pages need not be huge: neither shows in user space.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/rig.h"
#include "vmm/base/num.h"

#define DESCRIPTORS 512u
#define PITCH       (4 * MIB)

int main(int argc, char **argv)
{
    uint64_t bytes = argc == 3 ? strtoull(argv[2], NULL, 10) * KIB : 0;
    bool thp = argc == 3 && strcmp(argv[1], "thp") == 0;
    if (bytes < GM_PAGE_SIZE || bytes >= PITCH || !is_aligned(bytes, GM_PAGE_SIZE)) {
        (void)fprintf(stderr, "usage: count_work 4k|thp KIB_PER_DESCRIPTOR\n");
        return 2;
    }
    struct gm *gm = rig_ram_create(DESCRIPTORS * PITCH, thp ? GM_BACKING_THP : GM_BACKING_4K);
    if (gm == NULL)
        return 1;
    const struct rig_plan plan = {.chains = true,
                                  .size_bytes = DESCRIPTORS * bytes,
                                  .run_bytes = bytes,
                                  .pitch_bytes = PITCH,
                                  .items = DESCRIPTORS,
                                  .in_flight = 1,
                                  .queue_size = 1024};
    struct rig_result result;
    rig_run(gm, &plan, NULL, &result);
    const struct balloon_info *info = &result.info;
    printf("%s: %llu descriptors of %llu bytes, %llu calls\n", argv[1],
           (unsigned long long)info->inflate.descriptors, (unsigned long long)bytes,
           (unsigned long long)info->punch_calls);
    gm_destroy(gm);
    return info->inflate.descriptors == DESCRIPTORS && info->inflate.bytes == DESCRIPTORS * bytes &&
                   info->bad_request == 0
               ? 0
               : 1;
}
