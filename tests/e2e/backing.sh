# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2034  # lib.sh uses backing
# For the scenarios thp and hugetlb: what a balloon frees where the host's pages have 2 MiB. Sourced by them.

held_mib=256
ask_mib=512

# What went into the balloon was all populated before; of that nearly all has to come back, whatever the pieces it came in.
give_back() { # NAME
    local before
    ask 60 'touch 900' && ask 60 "fill $held_mib" && look || return
    before=$(blocks_mib)
    balloon $ask_mib 60 || return
    note "$1: host blocks $before -> $(blocks_mib) MiB in $(shown punch_calls) calls, $(($(shown waiting_bytes) >> 10)) KiB wait"
    assert_ge "$1: MiB that the host got back, $2" $((before - $(blocks_mib))) $((ask_mib * 7 / 8))
    assert_eq "$1: failed calls" "$(shown host_error)" 0
    ask 60 verify && balloon 0 60 || return
    assert_eq "$1: bytes that wait for the rest of their page, balloon empty" "$(shown waiting_bytes)" 0
    ask 60 'touch 600' && ask 60 verify
}

# backed_by BACKING NAME DRIVER [PARAMETER...]
backed_by() {
    local name=$1-$2
    backing=$1
    shift 2
    vm_start "$name" none --mem 1024M --cpus 2 --balloon 0M && ask 20 "load $*" || return
    give_back "$name" "first time" && give_back "$name" "second time" && vm_stop
}

# By arrays of page numbers, which name 1 MiB at a time; by chains of large ranges; and by chains whose ranges are 256 KiB.
all_forms() { # BACKING
    backed_by "$1" pfn stock
    [ -z "$vm_pid" ] || vm_kill
    backed_by "$1" sg sg
    [ -z "$vm_pid" ] || vm_kill
    backed_by "$1" pieces sg max_order=6
    [ -z "$vm_pid" ] || vm_kill
}
