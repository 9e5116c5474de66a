# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2317  # functions are called through within
# Many random targets while two threads of the guest allocate, write, verify and free, and free pages are reported: no wrong
# word, no lost buffer, no growth of the monitor. Nobody waits for a change before the next one.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=soak

# Everything is smaller in the nested ground.
case $GROUND in
nested) changes=100 mem_mib=512 most_mib=160 used_mib=96 pause_ms=500 ;;
*) changes=1000 mem_mib=1024 most_mib=512 used_mib=256 pause_ms=200 ;;
esac
# Until the monitor's buffers have their size.
warm_up=$((changes / 10))

# With the guest at rest.
nothing_was_lost() { # DRIVER
    balloon 0 60 && ask 20 meminfo || return
    assert_eq "$1: KiB that the guest has" "$(fact MemTotal)" "$total"
    assert_eq "$1: bytes in less bytes out, balloon empty" $(($(shown inflate_bytes) - $(shown deflate_bytes))) 0
    balloon $most_mib 60 || return
    assert_eq "$1: bytes in less bytes out, $most_mib MiB in it" \
        $(($(shown inflate_bytes) - $(shown deflate_bytes))) $((most_mib << 20))
    assert_eq "$1: bad items, chains, rings, failed calls" \
        "$(shown bad_request) $(shown bad_chain) $(shown bad_ring) $(shown host_error)" "0 0 0 0"
    [ "$1" = sg ] || return 0
    within 20 counts_agree
    assert_eq "$1: chains, descriptors, pages: inflated, deflated; chains, pages: reported" "$driver_counts" "$device_counts"
    assert_eq "$1: pages on their way" "$(fact inflate_pages_in_flight) $(fact deflate_pages_in_flight)" "0 0"
}

# In the nested ground two vCPUs that are never idle share one processor with this script.
vm_gives_way() {
    # shellcheck disable=SC2046  # a word each
    renice -n 10 -p $(ls "/proc/$vm_pid/task") >/dev/null
}

change() { # COUNT
    local i=0
    while [ $i -lt "$1" ]; do
        random_below $most_mib
        set_target "$random" || return
        random_pause $pause_ms
        i=$((i + 1))
        if [ $((i % 100)) -eq 0 ]; then
            ask 60 'soak check' || return
        fi
    done
}

soak() { # DRIVER
    local fds kib
    vm_start "soak-$1" "$1" --mem ${mem_mib}M --cpus 2 --balloon 0M --free-page-reporting || return
    ask 20 meminfo && total=$(fact MemTotal) || return
    [ "$GROUND" != nested ] || vm_gives_way
    note "$1: $changes changes up to $most_mib MiB, seed $SEED"
    ask 20 "soak start $SEED $used_mib 2" && change $warm_up || return
    fds=$(monitor_fds) kib=$(monitor_kib)
    change $((changes - warm_up)) || return
    look
    assert_eq "$1: descriptors of the monitor" "$(monitor_fds)" "$fds"
    assert_le "$1: KiB of the monitor's own memory" "$(monitor_kib)" $((kib + 256))
    ask 60 'soak stop' || return
    note "$1: $answer"
    assert_ge "$1: MiB that were verified" "$(fact verified_mib)" $used_mib
    assert_ge "$1: MiB that went through the balloon" $(($(shown inflate_bytes) >> 20)) $((most_mib * changes / 100))
    assert_ge "$1: MiB that were reported" $(($(shown report_bytes) >> 20)) $used_mib
    nothing_was_lost "$1" && vm_stop
}

for driver in stock sg; do
    soak $driver
    [ -z "$vm_pid" ] || vm_kill
done
finish
