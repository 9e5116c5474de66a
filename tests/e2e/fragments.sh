# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# A guest whose free memory is single pages without neighbours gives some of it: by page numbers and by chains, whose
# every descriptor is a page then. Notifications and processor time of the guest, side by side.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=fragments

mem_mib=1024
case $GROUND in
nested) ask_mib=128 runs=1 ;;
*) ask_mib=256 runs='1 2 3' ;;
esac
# The kernel would put memory together by itself, now and then.
CMDLINE="$CMDLINE sysctl.vm.compaction_proactiveness=0"
# Large pieces of memory are left over before; they go first, and are not what this is about.
rest_mib=128

# Processor time of the guest in ticks, as it counts it itself: all but idle (the 4th) and waiting (the 5th).
guest_ticks() {
    ask 10 'cat /proc/stat' || return
    ticks=$(printf '%s\n' "$facts" | awk '$3 == "cpu" { print $4 + $5 + $6 + $9 + $10 }')
}

# What the vCPU threads took on the host, in microseconds.
vcpu_us() {
    local task sum=0 ns
    for task in "/proc/$vm_pid"/task/*; do
        case $(cat "$task/comm") in
        vcpu*) read -r ns _ <"$task/schedstat" && sum=$((sum + ns / 1000)) ;;
        esac
    done
    echo $sum
}

# One inflation; appends to the rows: DRIVER MICROSECONDS NOTIFICATIONS DESCRIPTORS VCPU-MICROSECONDS GUEST-TICKS.
inflate() { # DRIVER
    local notifications descriptors ticks_before us_before
    balloon $((rest_mib - 32)) 60 || return
    notifications=$(shown inflate_notifications) descriptors=$(shown inflate_descriptors)
    guest_ticks || return
    ticks_before=$ticks us_before=$(vcpu_us)
    balloon $((rest_mib - 32 + ask_mib)) 120 || return
    us=$(vcpu_us)
    guest_ticks || return
    echo "$1 $(($(shown change_ns) / 1000)) $(($(shown inflate_notifications) - notifications))" \
        "$(($(shown inflate_descriptors) - descriptors)) $((us - us_before)) $((ticks - ticks_before))" >>"$rows"
    ask 60 verify && balloon 0 120 && ask 60 verify
}

measure() { # DRIVER
    vm_start "fragments-$1" "$1" --mem ${mem_mib}M --cpus 1 --balloon 0M && ask 10 meminfo || return
    ask 120 "fragment $((($(fact MemFree) >> 10) - rest_mib))" && ask 10 'cat /proc/buddyinfo' || return
    note "$1: free pieces by order: $(printf '%s\n' "$facts" | sed -n 's/^@ | //p' | tr -s '\n ' '; ')"
    for _ in $runs; do
        inflate "$1" || return
    done
    vm_stop
}

# The least of a figure: a machine that is busy elsewhere only adds. Of notifications the most counts with chains; with page
# numbers, whose every array is a way to the host and back, as many as there are arrays: a notification falls away where the
# host happens to look before it comes.
least() { awk -v driver="$1" -v n="$2" '$1 == driver && (least == "" || $n < least) { least = $n } END { print least }' "$rows"; }
most() { awk -v driver="$1" -v n="$2" '$1 == driver && $n > most { most = $n } END { print most }' "$rows"; }

rows=$WORK/rows
: >"$rows"
for driver in stock sg; do
    measure $driver
    [ -z "$vm_pid" ] || vm_kill
done
awk -v mib=$ask_mib '{
    printf "fragments: %d MiB in single pages, %s: %.0f ms, %d notifications, %d descriptors, %.0f ms of the vCPU, %d ticks of the guest\n",
        mib, $1 == "stock" ? "page numbers" : "chains", $2 / 1000, $3, $4, $5 / 1000, $6 }' "$rows"
assert_le "10 times the notifications with chains, against the arrays of page numbers" $(($(most sg 3) * 10)) "$(least stock 4)"
assert_ge "descriptors with chains: pages without neighbours" "$(least sg 4)" $((ask_mib * 256 / 2))
# In the nested ground the outer machine's one processor is emulated, and what a vCPU waits for is counted with it.
[ "$GROUND" = nested ] || assert_le "microseconds of the vCPU with chains" "$(least sg 5)" "$(least stock 5)"
finish
