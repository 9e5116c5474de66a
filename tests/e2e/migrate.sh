# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2317  # functions are called through within
# The kernel moves pages of the balloon, by compaction of memory: the host is told of each, nothing in use is lost, and what
# driver and device count agrees. With targets that change meanwhile, and the driver's end.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=migrate

case $GROUND in
nested) mem_mib=512 most_mib=128 rounds=3 ;;
*) mem_mib=1024 most_mib=256 rounds=10 ;;
esac

# Nearly half of the guest's memory is single pages in use, and between them are single pages of the balloon.
migrate() { # NAME LOAD-ARGUMENTS MOVED-AT-LEAST
    local i=0 total name=$1
    vm_start "$1" none --mem ${mem_mib}M --cpus 2 --balloon 0M && ask 10 "load $2" && ask 10 meminfo || return
    total=$(fact MemTotal)
    ask 120 "fragment $((($(fact MemFree) >> 10) - 64)) $SEED" && balloon $most_mib 60 || return
    # How much the kernel moves at a time is its own affair; now and then it gives up soon.
    while [ $i -lt $rounds ] || { [ "$(fact migrations)" -lt "$3" ] && [ $i -lt $((rounds * 5)) ]; }; do
        # Half of it leaves and comes again, and is somewhere else then.
        set_target $((most_mib / 2)) && ask 60 'put /proc/sys/vm/compact_memory 1' || return
        set_target $most_mib && ask 60 'put /proc/sys/vm/compact_memory 1' || return
        balloon $most_mib 60 && ask 60 'put /proc/sys/vm/compact_memory 1' || return
        i=$((i + 1))
        ask 20 balloon_stats || return
    done
    ask 60 verify || return
    within 20 counts_agree
    note "$name: $(fact isolations) pages isolated, $(fact migrations) moved, $(fact held_pages) held"
    assert_ge "$name: pages moved" "$(fact migrations)" "$3"
    assert_eq "$name: pages isolated still" "$(fact isolated_pages)" 0
    assert_eq "$name: chains, descriptors, pages: inflated, deflated; chains, pages: reported" "$driver_counts" "$device_counts"
    assert_eq "$name: MiB in the balloon" "$(shown actual_mib)" $most_mib
    assert_eq "$name: bytes in less bytes out" $(($(shown inflate_bytes) - $(shown deflate_bytes))) $((most_mib << 20))
    assert_eq "$name: bad items, chains, rings" "$(shown bad_request) $(shown bad_chain) $(shown bad_ring)" "0 0 0"
    ask 60 unload && ask 60 verify && ask 20 meminfo || return
    assert_eq "$name: KiB that the guest has again" "$(fact MemTotal)" "$total"
    vm_stop
}

# Nothing as large as a pageblock, which would stay where it is.
migrate chains 'sg max_order=8' 50
[ -z "$vm_pid" ] || vm_kill
migrate page-numbers 'sg scatter_gather=0' 50
finish
