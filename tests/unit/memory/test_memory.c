/* SPDX-License-Identifier: Apache-2.0 */
/* Unit test of guest memory. */
#include "tests/support/check_main.h"
#include "tests/unit/memory/suites.h"
#include "vmm/base/num.h"

int main(void)
{
    static Suite *(*const suites[])(void) = {range_suite,      gm_map_suite,     gm_access_suite,
                                             gm_discard_suite, gm_hugetlb_suite, gm_bitmap_suite,
                                             gm_pieces_suite};
    return check_run(suites, ARRAY_LEN(suites));
}
