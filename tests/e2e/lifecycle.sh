# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# A guest's ways to end, and the driver's: power-off, reboot, SIGTERM, unloading the module. Nothing is left behind.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=lifecycle

if vm_start unload sg --mem 512M --cpus 2 --balloon 0M && balloon 128 20; then
    ask 20 unload && look && assert_eq "balloon after the driver was unloaded, MiB" "$(shown actual_mib)" 0
    ask 20 "load sg" && look && note "the driver is back"
    vm_stop
fi
[ -z "$vm_pid" ] || vm_kill

if vm_start reboot none --mem 256M --cpus 1; then
    printf 'reboot\n' >"$WORK/$vm.in"
    vm_ends 10 0
fi

if vm_start sigterm none --mem 256M --cpus 2; then
    kill -TERM "$vm_pid"
    vm_ends 5 143
fi
finish
