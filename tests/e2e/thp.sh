# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# Guest memory in transparent huge pages: whole pages and pieces of them come back.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
# shellcheck source=tests/e2e/backing.sh
. "$LAB/backing.sh"
scenario=thp

setting=/sys/kernel/mm/transparent_hugepage/shmem_enabled
grep -qE '\[(always|within_size|advise|force)\]' $setting || skip_scenario "$setting is $(cat $setting)"
all_forms thp
finish
