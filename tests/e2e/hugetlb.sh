# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# Guest memory in huge pages of the host's pool: only whole ones can be given back, and pieces of one are remembered until
# it is whole. The pool is made larger meanwhile.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
# shellcheck source=tests/e2e/backing.sh
. "$LAB/backing.sh"
scenario=hugetlb

setting=/proc/sys/vm/nr_hugepages
pages=600

pool() { awk '$1 == "HugePages_Free:" { print $2 }' /proc/meminfo; }

[ "$TUNABLE" = yes ] || skip_scenario "$setting is not to be changed here (AEROSTAT_LAB_THP=1 allows it)"
read -r pool_was <$setting
trap '[ -z "$vm_pid" ] || vm_kill; echo "$pool_was" >$setting' EXIT
echo $((pool_was + pages)) >$setting
free=$(pool)
[ "$free" -ge $pages ] || skip_scenario "the host has room for $free free huge pages only, wanted $pages"
all_forms hugetlb-2m
assert_eq "free pages of the pool, all guests gone" "$(pool)" "$free"
finish
