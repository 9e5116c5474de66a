# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2317  # functions are called through within
# Ctrl+Alt+Del, by the control socket: the guest's process 1 is told and ends the guest; one that stands still is told when it goes
# on; for one that listens to no keyboard the client learns so, and nothing happens to it.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=ctrl_alt_del

keys='{"action_type":"SendCtrlAltDel"}'

# The keyboard is found while the boot goes on, so that process 1 may be first.
pressed() {
    request PUT /actions "$keys"
    [ "$status" = 204 ]
}
press_it() {
    within 5 pressed && return 0
    fail "$vm: Ctrl+Alt+Del was answered $status $body"
}

ends_by_keys() {
    vm_ends 10 0
    assert_eq "$vm: what process 1 said of Ctrl+Alt+Del" "$(agent_lines | grep -c '^@ ctrl-alt-del$')" 1
}

if vm_start keys none --mem 256M --cpus 2; then
    press_it && ends_by_keys
fi
[ -z "$vm_pid" ] || vm_kill

# Paused once the keyboard is known to be there.
keyboard_is_there() { ask 10 dmesg && printf '%s\n' "$facts" | grep -q 'input: AT .* keyboard'; }
if vm_start paused none --mem 256M --cpus 2; then
    within 5 keyboard_is_there || fail "$vm: no keyboard: $(printf '%s\n' "$facts" | grep -i i8042)"
    expect 204 PATCH /vm '{"state":"Paused"}' && press_it
    sleep 1
    assert_eq "$vm: lines about Ctrl+Alt+Del while it stands still" "$(agent_lines | grep -c '^@ ctrl-alt-del$')" 0
    expect 204 PATCH /vm '{"state":"Resumed"}' && ends_by_keys
fi
[ -z "$vm_pid" ] || vm_kill

CMDLINE="$CMDLINE i8042.nokbd"
if vm_start deaf none --mem 256M --cpus 1; then
    expect 400 PUT /actions "$keys"
    case $body in
    *'no driver of the guest listens'*) note "ok: the answer is $body" ;;
    *) fail "$vm: the answer is $body" ;;
    esac
    ask 10 uptime && vm_stop
fi
finish
