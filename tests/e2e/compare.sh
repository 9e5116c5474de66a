# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# Debian's own balloon driver (PFN arrays) and ours (scatter-gather chains) give 1 GiB of a 2 GiB guest back, from
# memory never touched, touched, and a second time; ends with a table and a sentence.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=compare

mem_mib=2048
ask_mib=1024
rows=$WORK/rows

# Sets free and total, in MiB, once two readings in a row agree: what a process leaves is freed behind its back.
free_mib() {
    local last tries=0
    free=0
    while [ $tries -lt 10 ]; do
        tries=$((tries + 1))
        last=$free
        ask 20 meminfo || return
        free=$(($(fact MemFree) >> 10)) total=$(($(fact MemTotal) >> 10))
        [ $((last - free)) -gt 1 ] || [ $((free - last)) -gt 1 ] || return 0
        sleep 0.2
    done
    note "free memory does not settle: $last MiB, then $free MiB"
}

# inflate DRIVER PHASE: one inflation, its figures appended to the rows.
inflate() {
    local notifications descriptors punches blocks
    free_mib && look || return
    free_before=$free total_before=$total
    notifications=$(shown inflate_notifications) descriptors=$(shown inflate_descriptors)
    punches=$(shown punch_calls) blocks=$(($(shown ram_allocated_bytes) >> 20))
    note "$1: inflating to $ask_mib MiB, memory $2"
    balloon $ask_mib 60 || return
    us=$(($(shown change_ns) / 1000))
    free_mib || return
    blocks_before=$blocks blocks_after=$(($(shown ram_allocated_bytes) >> 20))
    notifications=$(($(shown inflate_notifications) - notifications))
    descriptors=$(($(shown inflate_descriptors) - descriptors))
    echo "$1 $2 $ask_mib $us $notifications $descriptors $(($(shown punch_calls) - punches))" \
        "$free_before $free $blocks_before $blocks_after" >>"$rows"
    note "$1: $((us / 1000)) ms, $notifications notifications, host blocks $blocks_before -> $blocks_after MiB"
    assert_within_2_percent "$1, $2: MemTotal fell by MiB" $((total_before - total)) $ask_mib
    assert_within_2_percent "$1, $2: MemFree fell by MiB" $((free_before - free)) $ask_mib
}

assert_within_2_percent() {
    assert_ge "$1" "$2" $(($3 - $3 / 50))
    assert_le "$1" "$2" $(($3 + $3 / 50))
}

deflate() {
    balloon 0 60 || return
    free_mib || return
    assert_within_2_percent "$1: MemTotal after deflation, MiB" "$total" "$total_before"
}

# A kernel keeps tens of MiB in reserve, and free pages on lists of the CPUs, which MemFree does not count. Here both are kept
# small, so that "touch" reaches nearly all memory and MemFree is what is free.
CMDLINE="$CMDLINE sysctl.vm.min_free_kbytes=4096 sysctl.vm.percpu_pagelist_high_fraction=1000"

# Every free page was used once, so that what the balloon takes next was populated.
touch_all() { ask 90 "touch $total"; }

measure() { # DRIVER
    vm_start "$1" "$1" --mem ${mem_mib}M --cpus 2 --balloon 0M || return
    inflate "$1" untouched && deflate "$1" || return
    note "$1: touching all memory"
    touch_all || return
    inflate "$1" touched || return
    assert_ge "$1: host blocks given back, MiB" $((blocks_before - blocks_after)) 1000
    deflate "$1" || return
    inflate "$1" again || return
    vm_stop
}

# The same for touched memory in host pages of 2 MiB.
measure_huge() { # DRIVER
    local backing=thp
    vm_start "$1" "$1" --mem ${mem_mib}M --cpus 2 --balloon 0M && free_mib && touch_all || return
    inflate "$1" touched-2M || return
    assert_ge "$1: host blocks given back, MiB" $((blocks_before - blocks_after)) 1000
    vm_stop
}

field() { awk -v driver="$1" -v phase="$2" -v n="$3" '$1 == driver && $2 == phase { print $n }' "$rows"; }

time_of() { field "$1" "$2" 4 | awk '{ printf "%.1f ms", $1 / 1000 }'; }
notifications_of() { field "$1" untouched 5 | awk '{ print $1, ($1 == 1 ? "notification" : "notifications") }'; }

# The least of column N over the rows of a driver whose phase is in the pattern: a machine that is busy elsewhere only adds.
least() { # DRIVER PHASES N
    awk -v driver="$1" -v phases="^($2)\$" -v n="$3" \
        '$1 == driver && $2 ~ phases && (least == "" || $n < least) { least = $n } END { print least }' "$rows"
}

# compare_times PHASES TIMES: SG takes at most that part of PFN's time, and 1/100 of its notifications.
compare_times() {
    local pfn_us sg_us pfn_n sg_n
    pfn_us=$(least stock "$1" 4) sg_us=$(least sg "$1" 4) pfn_n=$(least stock "$1" 5) sg_n=$(least sg "$1" 5)
    [ -n "$pfn_us" ] && [ -n "$sg_us" ] || return
    note "$1: PFN $pfn_us us, SG $sg_us us, ratio $((pfn_us / (sg_us + 1))); notifications $pfn_n and $sg_n"
    assert_le "$1: $2 times SG's microseconds, against PFN's" $((sg_us * $2)) "$pfn_us"
    assert_le "$1: 100 times SG's notifications, against PFN's" $((sg_n * 100)) "$pfn_n"
}

table() {
    awk 'BEGIN {
            print ""
            format = "%-7s %-10s %5s %10s %13s %11s %7s %17s %17s\n"
            printf format, "driver", "memory", "MiB", "time", "notifications", "descriptors", "punches", "guest MemFree", "host blocks"
        }
        {
            name = $1 == "stock" ? "PFN" : "SG"
            printf format, name, $2, $3, sprintf("%.1f ms", $4 / 1000), $5, $6, $7, $8 " -> " $9, $10 " -> " $11
        }
        END { print "(MemFree and blocks of the guest memory file in MiB, before -> after)" }' "$rows"
    case $backing in
    4k) echo "(host pages of 4 KiB, of 2 MiB where it says 2M; guest kernel $(ready_fact kernel))" ;;
    *) echo "(host pages of 2 MiB where the host kernel can; guest kernel $(ready_fact kernel))" ;;
    esac
}

: >"$rows"
for driver in stock sg; do
    measure $driver
    [ -z "$vm_pid" ] || vm_kill
    # Milliseconds are lost in a busy machine's noise sooner than tenths of a second.
    runs="1 2"
    [ $driver = stock ] || runs="1 2 3 4"
    for _ in $runs; do
        if [ "$backing" = 4k ] && huge_pages_allowed; then measure_huge $driver; fi
        [ -z "$vm_pid" ] || vm_kill
    done
done
compare_times "untouched|again" 20
# Of populated memory in 4 KiB pages both forms pay the host's work for each page; only the rest differs.
if [ "$backing" = 4k ]; then compare_times touched 1; else compare_times touched 20; fi
compare_times touched-2M 20
table
if [ "$(wc -l <"$rows")" -ge 6 ]; then
    printf '\nScatter-gather gave %s MiB of an idle guest back in %s with %s (touched before: %s); PFN arrays needed %s with %s (touched before: %s).\n' \
        "$ask_mib" "$(time_of sg untouched)" "$(notifications_of sg)" "$(time_of sg touched)" \
        "$(time_of stock untouched)" "$(notifications_of stock)" "$(time_of stock touched)"
fi
finish
