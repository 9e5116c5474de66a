# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# With prefault_on_deflate the host has memory behind what the guest takes back before the guest touches it.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=prefault

prefault() { # DRIVER
    local before
    vm_start "prefault-$1" "$1" --mem 512M --cpus 2 --balloon 256M --prefault-on-deflate || return
    until_shown 30 actual_mib -eq 256 || return
    before=$(blocks_mib)
    balloon 0 60 || return
    assert_eq "$1: MiB populated" $(($(shown prefaulted_bytes) >> 20)) 256
    assert_ge "$1: MiB that the host put in" $(($(blocks_mib) - before)) 250
    ask 30 'fill 384' && ask 30 verify && vm_stop
}

for driver in stock sg; do
    prefault $driver
    [ -z "$vm_pid" ] || vm_kill
done
finish
