# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# A guest holds a pattern in half of its memory through 20 inflate and deflate cycles; every page of it survives.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=pattern

mem_mib=1024
held_mib=512
balloon_mib=256

cycles() { # DRIVER COUNT
    local i
    vm_start "pattern-$1" "$1" --mem ${mem_mib}M --cpus 2 --balloon 0M || return
    ask 20 "fill $held_mib" || return
    i=0
    while [ $i -lt "$2" ]; do
        balloon $balloon_mib 30 || return
        balloon 0 30 || return
        i=$((i + 1))
    done
    look
    assert_ge "$1: MiB that went through the balloon" $(($(shown punched_bytes) >> 20)) $(($2 * balloon_mib))
    ask 20 verify || return
    note "$1: $answer after $2 cycles of $balloon_mib MiB"
    balloon $balloon_mib 30 || return
    ask 20 verify || return
    vm_stop
}

cycles sg 20
[ -z "$vm_pid" ] || vm_kill
# PFN arrays take seconds a cycle in the nested ground.
if [ "$GROUND" = nested ]; then cycles stock 2; else cycles stock 20; fi
finish
