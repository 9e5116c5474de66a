# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# The control socket while a guest gives 7 GiB back, beside that of a guest at rest: figures are printed, that it answers is
# asserted. Page numbers of untouched memory keep a vCPU and the balloon's thread busy, populated memory keeps the host's kernel.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=latency

measure() { # COUNT
    "$REQUEST" "$vm_sock" latency "$1" /balloon/statistics 2>&1
}

# figure KEY TEXT
figure() { printf '%s\n' "$2" | tr ' ' '\n' | sed -n "s/^$1=//p"; }

while_inflating() { # DRIVER MIB-TOUCHED
    local idle busy rounds=0 slowest=0 median=0
    vm_start "latency-$1" "$1" --mem 8192M --cpus 2 --balloon 0M || return
    [ "$2" -eq 0 ] || ask 180 "touch $2" || return
    idle=$(measure 500)
    set_target 7168 || return
    # Pieces of the time that it takes; the slowest one counts.
    while look && [ "$(shown actual_mib)" -lt 7168 ] && [ $rounds -lt 1000 ]; do
        busy=$(measure 20)
        rounds=$((rounds + 1))
        [ "$(figure median_us "$busy")" -le "$median" ] || median=$(figure median_us "$busy")
        [ "$(figure max_us "$busy")" -le "$slowest" ] || slowest=$(figure max_us "$busy")
    done
    assert_ge "$1: rounds of 20 requests while it inflated, all answered" $rounds 1
    assert_eq "$1: MiB in the balloon" "$(shown actual_mib)" 7168
    note "$1: idle: $idle; inflating 7 GiB in $(($(shown change_ns) / 1000000)) ms: highest median of 20 $median us, slowest request $slowest us"
    vm_stop
}

while_inflating stock 0
[ -z "$vm_pid" ] || vm_kill
while_inflating sg 7300
finish
