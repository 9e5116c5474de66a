# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2317  # functions are called through within
# Direct ground: a device that does not answer does not hang the guest: after a time it is reset, with one message, and the
# guest has all of its memory again. A driver loaded afterwards works with the device, which has woken up.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=dead

mem_mib=1024
is_held() { grep -q held "$WORK/hold.out"; }

hold="${REQUEST%/*}/hold"
[ -x "$hold" ] || skip_scenario "needs $hold, which is part of the tests' build"

# The guest's agent must not die: it is asked while the device is silent.
silent() {
    local total
    vm_start dead none --mem ${mem_mib}M --cpus 2 --balloon 0M && ask 20 'load sg answer_timeout=2' && ask 20 meminfo || return
    total=$(fact MemTotal)
    balloon 256 20 || return
    : >"$WORK/hold.out"
    "$hold" "$vm_pid" reclaim 8 >"$WORK/hold.out" 2>&1 &
    hold_pid=$!
    within 10 is_held && set_target 512 && ask 20 'fill 128' && ask 20 verify && look || return
    assert_eq "MiB in the balloon while its device stands" "$(shown actual_mib)" 256
    wait $hold_pid
    until_shown 20 actual_mib -eq 0 && ask 20 meminfo || return
    assert_eq "KiB that the guest has again" "$(fact MemTotal)" "$total"
    ask 20 verify
}

again() {
    ask 20 unload && ask 20 'load sg' && balloon 512 30 && ask 20 verify && ask 20 dmesg || return
    note "$(printf '%s\n' "$facts" | grep -a 'does not answer')"
    assert_eq "messages about it" "$(printf '%s\n' "$facts" | grep -ac 'does not answer')" 1
    assert_eq "bad items, chains, rings" "$(shown bad_request) $(shown bad_chain) $(shown bad_ring)" "0 0 0"
    vm_stop
}

if ! silent; then
    fail "the device was silent, and not all was well: $(cat "$WORK/hold.out")"
elif ! again; then
    fail "the device was not used again"
fi
finish
