# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# With deflate_on_oom a guest whose balloon took most of its memory may want more than what is left: the balloon shrinks,
# and nothing is killed.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=oom

mem_mib=1024
balloon_mib=768
beyond_mib=256

starve() { # NAME DRIVER OPTION...
    local name=$1 driver=$2 want
    shift 2
    vm_start "$name" "$driver" --mem ${mem_mib}M --cpus 2 --balloon 0M --deflate-on-oom "$@" &&
        balloon $balloon_mib 60 && ask 10 meminfo || return
    assert_bits "$name: features" "$(shown features)" $F_DEFLATE_ON_OOM 0
    want=$(($(fact MemFree) / 1024 + beyond_mib))
    note "$name: $(($(fact MemFree) / 1024)) MiB are left, $want MiB are wanted"
    ask 120 "touch $want" || return
    assert_eq "$name: MiB that a process got" "$(fact mib)" $want
    # Held this time, and by the guest's first process, without which there is no guest.
    ask 120 "fill $want" && look || return
    assert_le "$name: MiB in the balloon" "$(shown actual_mib)" $((balloon_mib - beyond_mib + 64))
    ask 60 verify || return
    ask 10 'vmstat oom_kill' && assert_eq "$name: processes killed" "$(fact oom_kill)" 0
    ask 10 free && balloon 0 60 && vm_stop
}

for driver in stock sg; do
    starve $driver $driver
    [ -z "$vm_pid" ] || vm_kill
    starve $driver-untold $driver --must-tell-host off
    [ -z "$vm_pid" ] || vm_kill
done
finish
