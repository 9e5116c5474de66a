# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2317  # functions are called through within
# The driver in a kernel that looks for its faults (tools/build-kernel --debug): lock order, sleep where it is forbidden, memory
# used after it was freed, leaks. All that the driver does, suspend and resume among it, and then what the kernel has said.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=debug

mem_mib=1024

# Complaints of the kernel: each begins with one of these.
complaints() {
    printf '%s\n' "$facts" | grep -aE 'BUG|WARNING|possible .*(deadlock|recursive)|suspicious|KASAN|sleeping function|Call Trace|refcount|corruption|unreferenced'
}
is_debug_kernel() { ask 10 'cat /proc/lockdep_stats' >/dev/null; }

use() { # the balloon, in the ways that there are
    local i=0
    ask 60 "soak start $SEED 128 2" || return
    while [ $i -lt 20 ]; do
        random_below 400
        set_target "$random" || return
        random_pause 300
        i=$((i + 1))
    done
    ask 120 'soak stop' && note "$answer" && balloon 0 60 || return
    ask 120 "fragment 500 $SEED" && balloon 300 120 || return
    for i in 1 2 3; do
        ask 60 'put /proc/sys/vm/compact_memory 1' && set_target $((100 * i)) || return
    done
    ask 120 verify && balloon 300 60 && ask 60 free && balloon 600 120 && balloon 64 120
}

# Devices are frozen and restored; the kernel waits 5 seconds between. The balloon is empty then, and fills again.
suspend_and_resume() {
    ask 10 'put /sys/power/pm_test devices' && ask 60 'put /sys/power/state freeze' && look || return
    note "resumed with $(shown actual_mib) MiB in the balloon"
    until_shown 30 actual_mib -eq 64 && balloon 256 60 && balloon 0 60
}

# What a first scan finds may be on its way through a register.
leaks() {
    ask 60 'put /sys/kernel/debug/kmemleak scan' && sleep 6 && ask 60 'put /sys/kernel/debug/kmemleak scan' || return
    ask 20 'cat /sys/kernel/debug/kmemleak' || return
    note "kmemleak: $(complaints | wc -l) objects without a reference"
    assert_eq "objects without a reference" "$(complaints | wc -l)" 0
}

vm_start debug sg --mem ${mem_mib}M --cpus 2 --balloon 0M --free-page-reporting --free-page-hinting || finish
is_debug_kernel || skip_scenario "the kernel was not built to find faults"
# Of the machine that it runs on a kernel may complain before there is a driver.
ask 20 dmesg
before=$(complaints | wc -l)
ask 20 meminfo
total=$(fact MemTotal)
if ! use; then
    fail "the balloon could not be used"
elif ! suspend_and_resume; then
    fail "the guest could not be suspended and resumed"
elif ! { "$AEROSTAT" balloon hint start --api-sock "$vm_sock" && sleep 2 && "$AEROSTAT" balloon hint stop --api-sock "$vm_sock"; }; then
    fail "the guest could not be asked for hints"
elif ! { ask 60 unload && ask 20 meminfo && assert_eq "KiB that the guest has again" "$(fact MemTotal)" "$total" && leaks; }; then
    fail "the driver did not end well"
elif ! { ask 20 'load sg' && balloon 128 60 && ask 60 unload; }; then
    fail "the driver did not begin again"
fi
ask 20 dmesg
complaints
assert_eq "complaints of the kernel since it started" $(($(complaints | wc -l) - before)) 0
look && assert_eq "bad items, chains, rings" "$(shown bad_request) $(shown bad_chain) $(shown bad_ring)" "0 0 0"
finish
