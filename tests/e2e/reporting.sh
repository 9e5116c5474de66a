# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2317  # functions are called through within
# Free page reporting: what the guest frees goes back to the host without any command.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=reporting

mem_mib=1024
held_mib=512
back_mib=480

host_holds_at_most() { look && [ "$(blocks_mib)" -le "$1" ]; }

round() { # DRIVER N
    local before
    ask 60 "fill $held_mib" && ask 60 verify && look || return
    before=$(blocks_mib)
    assert_ge "$1: MiB the host holds for a guest that uses $held_mib MiB" "$before" $held_mib
    ask 30 free || return
    if within 60 host_holds_at_most $((before - back_mib)); then
        note "ok: $1: host blocks fell from $before to $(blocks_mib) MiB, round $2"
    else
        look
        fail "$1: host blocks fell from $before to $(blocks_mib) MiB only, wanted $back_mib MiB less"
        return 1
    fi
}

report() { # DRIVER
    vm_start "report-$1" "$1" --mem ${mem_mib}M --cpus 2 --balloon 0M --free-page-reporting || return
    look && assert_bits "$1: features" "$(shown features)" $F_REPORTING "$((F_OPTIONAL & ~F_REPORTING))"
    round "$1" 1 && round "$1" 2 || return
    assert_eq "$1: bytes inflated" "$(shown inflate_bytes)" 0
    assert_ge "$1: bytes reported" "$(shown report_bytes)" $((2 * back_mib << 20))
    assert_eq "$1: malformed items" "$(shown bad_request)" 0
    vm_stop
}

for driver in stock sg; do
    report $driver
    [ -z "$vm_pid" ] || vm_kill
done
finish
