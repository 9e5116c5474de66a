# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2317  # functions are called through within
# A guest that relies on its free pages being zero (init_on_free=1) has them reported only where the device promises to
# keep it so, and the promise is kept.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=poison

CMDLINE="$CMDLINE init_on_free=1"

fell_by() { look && [ $((before - $(blocks_mib))) -ge "$1" ]; }

offered() { # DRIVER
    vm_start "offered-$1" "$1" --mem 768M --cpus 2 --balloon 0M --free-page-reporting || return
    look && assert_bits "$1: features with page_poison" "$(shown features)" $((F_REPORTING | F_POISON)) 0
    assert_eq "$1: poison_val" "$(shown poison_val)" 0
    ask 60 'fill 384' && look || return
    before=$(blocks_mib)
    ask 60 free || return
    within 60 fell_by 360 || fail "$1: host blocks fell from $before to $(blocks_mib) MiB only"
    note "$1: host blocks $before -> $(blocks_mib) MiB"
    assert_eq "$1: bytes kept for their poison" "$(shown kept_poisoned_bytes)" 0
    # A guest that relies on zeros would crash here if there were none: page tables are made of such pages.
    ask 60 'soak start 1 384 2' && sleep 3 && ask 60 'soak stop' || return
    vm_stop
}

refused() { # DRIVER
    vm_start "refused-$1" "$1" --mem 256M --cpus 1 --balloon 0M --free-page-reporting --page-poison off || return
    look && assert_bits "$1: features without page_poison" "$(shown features)" 0 $((F_REPORTING | F_POISON))
    balloon 64 60 && balloon 0 60 && vm_stop
}

# It is the same code in all kernels that our driver asks; emulated, each start costs ten seconds.
case $GROUND in
nested) drivers=stock ;;
*) drivers='stock sg' ;;
esac
for driver in $drivers; do
    offered "$driver"
    [ -z "$vm_pid" ] || vm_kill
    refused "$driver"
    [ -z "$vm_pid" ] || vm_kill
done
finish
