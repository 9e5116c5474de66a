# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# The same guest started in other ways: devices told on the command line, each meaning of scatter_gather, more vCPUs than the
# host has, every feature, and the kernel as a bzImage instead of an ELF. In each the balloon has to work.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=variants

start_with() { # NAME FORM OPTION...
    local name=$1 form=$2
    shift 2
    vm_start "$name" sg --mem 512M --balloon 0M "$@" || return
    if balloon 100 10; then
        assert_eq "$name: form" "$(shown form)" "$form"
        assert_eq "$name: MiB punched" $(($(shown punched_bytes) >> 20)) 100
    fi
    printf 'reboot\n' >"$WORK/$vm.in"
    vm_ends 10 0
}

start_with cmdline sg --virtio-discovery cmdline
start_with bit3 sg --scatter-gather bit3
start_with off pfn --scatter-gather off
start_with vcpus sg --cpus 8
start_with features sg --deflate-on-oom --free-page-reporting
start_with untold sg --must-tell-host off
KERNEL=${KERNEL%/*}/bzImage
start_with bzimage sg --cpus 2
finish
