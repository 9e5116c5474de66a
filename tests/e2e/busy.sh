# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2317  # functions are called through within
# What comes in the middle of a change: another change, a pause of the machine, the end of the driver. And a change that
# cannot come to its end: it is noticed, and costs nothing.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=busy

# What the balloon holds is what went in and did not come out again: no buffer was lost.
assert_adds_up() { # NAME
    look
    assert_eq "$1: MiB inflated less MiB deflated" \
        $((($(shown inflate_bytes) - $(shown deflate_bytes)) >> 20)) "$(shown actual_mib)"
    assert_eq "$1: bad items, chains, rings" "$(shown bad_request) $(shown bad_chain) $(shown bad_ring)" "0 0 0"
}

changes() { # DRIVER COUNT
    local i=0
    vm_start "changes-$1" "$1" --mem 1024M --cpus 2 --balloon 0M || return
    note "$1: $2 changes, seed $SEED"
    while [ "$i" -lt "$2" ]; do
        random_below 768
        set_target "$random" || return
        random_pause 120
        i=$((i + 1))
    done
    look
    assert_ge "$1: changes that were made" "$(shown target_changes)" $(($2 * 9 / 10))
    balloon 512 30 && assert_adds_up "$1" && balloon 0 30 && assert_adds_up "$1" && vm_stop
}

is_between() { look && [ "$(shown actual_mib)" -gt "$1" ] && [ "$(shown actual_mib)" -lt "$2" ]; }

# Page numbers are slow enough to be caught in the middle.
pause() {
    local at
    vm_start pause stock --mem 2048M --cpus 2 --balloon 0M && set_target 1792 || return
    within 20 is_between 64 1500 || fail "the inflation was not caught in the middle"
    expect 204 PATCH /vm '{"state":"Paused"}' && expect 200 GET / || return
    case $body in
    *'"Paused"'*) ;;
    *) fail "a paused machine says $body" ;;
    esac
    # Buffers that were there already are worked off meanwhile.
    sleep 1
    look && at=$(shown actual_mib)
    sleep 2
    look && assert_eq "pause: MiB in the balloon 2 s later" "$(shown actual_mib)" "$at"
    assert_lt "pause: MiB in the balloon" "$at" 1792
    expect 204 PATCH /vm '{"state":"Resumed"}' && balloon 1792 60 && assert_adds_up pause && balloon 0 60 && vm_stop
}

unload() { # DRIVER
    local total
    vm_start "unload-$1" "$1" --mem 2048M --cpus 2 --balloon 0M && ask 10 meminfo || return
    total=$(fact MemTotal)
    # Of populated memory chains take long enough, too.
    ask 60 'touch 1900' && set_target 1792 || return
    within 20 is_between 0 1792 || note "$1: the inflation was over before the driver left"
    note "$1: the driver leaves at $(shown actual_mib) MiB"
    ask 60 unload && look || return
    assert_eq "$1: MiB in the balloon without a driver" "$(shown actual_mib)" 0
    assert_eq "$1: form" "$(shown form)" none
    ask 10 meminfo && assert_eq "$1: KiB that the guest has again" "$(fact MemTotal)" "$total"
    ask 60 'fill 1024' && ask 60 verify && ask 60 free || return
    # The target stands: a driver that comes follows it.
    ask 20 "load $1" && until_shown 60 actual_mib -eq 1792 && balloon 0 60 && vm_stop
}

stalled() { look && [ "$(shown change_stalled)" = true ]; }

# Nobody who waits for what cannot be uses the processor: 5 s at a stand, in ticks of 10 ms, without the guest's own work.
# Half of the memory is for movable pages alone, and those may not be elsewhere: the balloon takes that half, and the rest
# of the guest does not die of hunger.
unreachable() { # DRIVER
    local ticks CMDLINE="$CMDLINE movablecore=256M sysctl.vm.lowmem_reserve_ratio=\"1 1 1 1\""
    vm_start "stalled-$1" "$1" --mem 512M --cpus 2 --balloon 0M && set_target 511 || return
    within 40 stalled || fail "$1: a target out of reach was not found out; the balloon holds $(shown actual_mib) MiB"
    ticks=$(monitor_ticks)
    sleep 5
    ticks=$(($(monitor_ticks) - ticks))
    assert_lt "$1: processor time of 5 s in vain, ticks" "$ticks" 50
    assert_ge "$1: stalls" "$(shown stalls)" 1
    balloon 64 60 || return
    assert_eq "$1: stalled" "$(shown change_stalled)" false
    assert_adds_up "$1"
    vm_stop
}

run() {
    "$@"
    [ -z "$vm_pid" ] || vm_kill
}

run changes stock 60
run changes sg 60
run pause
run unload stock
run unload sg
run unreachable stock
run unreachable sg
finish
