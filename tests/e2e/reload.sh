# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# The driver comes and goes, each time with a balloon that is inflated: nothing is lost in the guest, nothing is left over
# in the monitor.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=reload

balloon_mib=64

# One coming and going.
turn() { # DRIVER
    ask 30 "load $1" && until_shown 30 actual_mib -eq $balloon_mib && ask 30 unload && look || return
    [ "$(shown actual_mib)-$(shown form)" = 0-none ] || fail "$1: unloaded, the balloon is at $(shown actual_mib) MiB, $(shown form)"
}

# Once what is freed behind a process's back has settled.
free_kib() {
    sleep 1
    ask 20 meminfo && free_kib=$(fact MemFree)
}

reload() { # DRIVER TURNS
    local i=1 fds kib total
    vm_start "reload-$1" none --mem 512M --cpus 2 --balloon ${balloon_mib}M --stats-interval 1 \
        --free-page-hinting --free-page-reporting --deflate-on-oom || return
    ask 20 meminfo && total=$(fact MemTotal) && turn "$1" && free_kib || return
    fds=$(monitor_fds) kib=$(monitor_kib) free_before=$free_kib
    while [ $i -lt "$2" ]; do
        turn "$1" || return
        i=$((i + 1))
    done
    free_kib || return
    assert_eq "$1: KiB that the guest has after $i times" "$(fact MemTotal)" "$total"
    assert_ge "$1: KiB of them that are free" "$free_kib" $((free_before - 8192))
    assert_eq "$1: descriptors of the monitor" "$(monitor_fds)" "$fds"
    assert_le "$1: KiB of the monitor's own memory" "$(monitor_kib)" $((kib + 256))
    assert_ge "$1: MiB that went through the balloon" $(($(shown inflate_bytes) >> 20)) $(($2 * balloon_mib))
    assert_eq "$1: bad items, chains, rings" "$(shown bad_request) $(shown bad_chain) $(shown bad_ring)" "0 0 0"
    vm_stop
}

# Free pages on lists of the CPUs are not counted in MemFree.
CMDLINE="$CMDLINE sysctl.vm.percpu_pagelist_high_fraction=1000"

if [ "$GROUND" = nested ]; then
    reload stock 10
else
    reload stock 30
    [ -z "$vm_pid" ] || vm_kill
    reload sg 100
fi
finish
