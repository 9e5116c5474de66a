# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# An idle guest of 8 GiB gives 7 GiB back by scatter-gather chains, with few notifications, and gets them again.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=big

if vm_start big sg --mem 8192M --cpus 2 --balloon 0M && look; then
    before=$(shown inflate_notifications)
    if balloon 7168 60; then
        note "7 GiB of 8 GiB in $(($(shown change_ns) / 1000000)) ms, $(shown inflate_chains) chains, $(
            shown inflate_descriptors) descriptors, $(shown punch_calls) punch calls"
        assert_le "notifications" $(($(shown inflate_notifications) - before)) 64
        assert_le "MiB the host still holds" $(($(shown ram_allocated_bytes) >> 20)) 1024
        ask 10 meminfo && note "$answer"
    fi
    balloon 0 60 && ask 10 meminfo && vm_stop
fi
finish
