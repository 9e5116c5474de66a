# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# The guest's statistics: every tag its kernel sends, their age, the interval, fresh ones on demand. Nobody is kept waiting by
# a guest that has no driver, has unloaded it, or stands still.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=stats

tags='swap_in swap_out major_faults minor_faults free_memory total_memory available_memory disk_caches hugetlb_allocations
    hugetlb_failures oom_kill alloc_stall async_scan direct_scan async_reclaim direct_reclaim'
# The longest wait that a request may ask for, so that an answer long before it was not waited for.
refresh='GET /balloon/statistics?refresh_ms=10000'

answers_at_once() { # WHEN
    # shellcheck disable=SC2086  # two words
    expect 200 $refresh
    assert_lt "$1: milliseconds that a request for fresh figures took" "$took_ms" 5000
}

# How many tags this driver sends here; our driver knows those of 6.12 in older kernels, too.
tags_wanted() { # DRIVER
    local n=16
    case $1-$(ready_fact kernel) in
    stock-6.1.*) n=10 ;;
    esac
    ask 10 'cat /proc/meminfo' || return
    # A kernel without huge pages of its own has nothing to say of them.
    printf '%s\n' "$facts" | grep -q HugePages_Total || n=$((n - 2))
    echo $n
}

check_values() { # DRIVER
    local tag n=0 wanted
    wanted=$(tags_wanted "$1")
    ask 10 meminfo && look || return
    for tag in $tags; do
        [ -z "$(shown "$tag")" ] || n=$((n + 1))
    done
    assert_eq "$1: tags" $n "$wanted"
    assert_eq "$1: total_memory, KiB" $(($(shown total_memory) / 1024)) "$(fact MemTotal)"
    assert_le "$1: free_memory" "$(shown free_memory)" "$(shown total_memory)"
    assert_ge "$1: minor_faults" "$(shown minor_faults)" 1
}

# Between two answers that a request brought the guest's own work shows.
check_refresh() { # DRIVER
    local faults reports
    look && faults=$(shown minor_faults) reports=$(shown reports)
    ask 30 'touch 8' || return
    # shellcheck disable=SC2086
    expect 200 $refresh && look || return
    assert_ge "$1: reports after a refresh" "$(shown reports)" $((reports + 1))
    assert_ge "$1: faults counted since" $(($(shown minor_faults) - faults)) 1
    assert_lt "$1: age of fresh figures, ms" "$(shown age_ms)" $((2000 * patience))
}

check_interval() { # DRIVER
    local reports
    look && reports=$(shown reports)
    until_shown 20 reports -ge $((reports + 3)) || return
    expect 400 PATCH /balloon/statistics '{"stats_polling_interval_s":0}'
    expect 204 PATCH /balloon/statistics '{"stats_polling_interval_s":3600}'
    # What was asked for before may still come.
    sleep 2
    look && reports=$(shown reports)
    sleep 3
    look
    assert_eq "$1: reports while none is due" "$(shown reports)" "$reports"
    assert_ge "$1: age by then, ms" "$(shown age_ms)" 2900
}

check_driver() { # DRIVER
    ask 20 "load $1" && until_shown 20 reports -ge 1 || return
    expect 204 PATCH /balloon/statistics '{"stats_polling_interval_s":1}'
    check_values "$1" && check_interval "$1" && check_refresh "$1"
    expect 204 PATCH /vm '{"state":"Paused"}'
    look && reports=$(shown reports)
    expect 200 GET '/balloon/statistics?refresh_ms=500'
    look && assert_eq "$1: reports of a guest that stands still" "$(shown reports)" "$reports"
    expect 204 PATCH /vm '{"state":"Resumed"}'
    until_shown 20 reports -gt "$reports"
    ask 20 unload || return
    answers_at_once "$1, unloaded"
}

if vm_start stats none --mem 256M --cpus 2 --balloon 0M --stats-interval 1; then
    answers_at_once "no driver"
    look && assert_eq "reports without a driver" "$(shown reports)" 0
    for driver in stock sg; do
        check_driver $driver
    done
    vm_stop
fi
[ -z "$vm_pid" ] || vm_kill

# Off in the configuration is off.
if vm_start off stock --mem 256M --cpus 1 --balloon 0M; then
    expect 400 PATCH /balloon/statistics '{"stats_polling_interval_s":1}'
    answers_at_once "off"
    look && assert_bits "features" "$(shown features)" 0 $F_OPTIONAL
    vm_stop
fi
finish
