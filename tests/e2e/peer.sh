# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2317  # functions are called through within
# Direct ground: the same guest kernel and the same request, 7 GiB of an 8 GiB guest and back, put to QEMU's virtio-balloon with
# the stock driver, to Aerostat with the stock driver, and to Aerostat with chains; of an idle guest, and of one that has
# touched its memory, with 2 MiB pages behind it where the host allows them. Ends with a table and the ratios.
# The nested ground has no QEMU in it.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
# shellcheck source=tests/e2e/qemu.sh
. "$LAB/qemu.sh"
scenario=peer

mem_mib=8192
ask_mib=7168
touch_mib=7600
# Milliseconds are lost in a busy machine's noise, which only adds: the least of so many counts. Seconds are not.
runs=5

# Sets interrupts: how many the balloon has sent, as the guest counts.
interrupts() { ask 20 balloon_interrupts && interrupts=$(fact interrupts); }

# Appends "WHO PHASE inflate|deflate MICROSECONDS NOTIFICATIONS INTERRUPTS" to the rows: until QEMU's own "actual" has followed.
theirs() { # PHASE DIRECTION MIB
    local before interrupts_before
    interrupts || return
    before=$(qemu_notifications "$2") interrupts_before=$interrupts
    qemu_balloon "$3" 120 && interrupts || return
    echo "qemu $1 $2 $((took_ns / 1000)) $(($(qemu_notifications "$2") - before)) $((interrupts - interrupts_before))" >>"$rows"
    note "QEMU, stock driver, $1: $2 $((took_ns / 1000)) us"
}

measure_qemu() {
    local pages=4k
    ! huge_pages_allowed || pages=thp
    qemu_start qemu $mem_mib $pages && sleep 1 && theirs idle inflate $ask_mib && theirs idle deflate 0 || return
    ask 120 "touch $touch_mib" && theirs touched inflate $ask_mib
}

# The same for Aerostat, by its own clock of the change.
ours() { # DRIVER PHASE DIRECTION MIB
    local before interrupts_before
    interrupts && interrupts_before=$interrupts || return
    look && before=$(shown "${3}_notifications") && balloon "$4" 120 && interrupts || return
    echo "$1 $2 $3 $(($(shown change_ns) / 1000)) $(($(shown "${3}_notifications") - before)) $((interrupts - interrupts_before))" >>"$rows"
    note "Aerostat, $1, $2: $3 $(($(shown change_ns) / 1000)) us"
}

# Of the changes so far, where the guest's time went. Only our driver knows.
note_split() { # PHASE
    [ "$1" = sg ] && ask 20 balloon_stats || return 0
    note "sg, $2: allocating $(($(fact alloc_ns) / 1000)) us, sending $(($(fact send_ns) / 1000)) us, waiting for the host $(($(fact wait_ns) / 1000)) us"
}

measure_ours() { # DRIVER
    local cycles
    vm_start "idle-$1" "$1" --mem ${mem_mib}M --cpus 1 --balloon 0M && sleep 1 || return
    cycles=1
    [ "$1" = stock ] || cycles=$runs
    while [ $cycles -gt 0 ]; do
        cycles=$((cycles - 1))
        ours "$1" idle inflate $ask_mib && ours "$1" idle deflate 0 || return
    done
    note_split "$1" "idle, all together" && vm_stop || return
    [ "$1" = sg ] && huge_pages_allowed || return 0
    local backing=thp
    vm_start "touched-$1" "$1" --mem ${mem_mib}M --cpus 1 --balloon 0M && ask 120 "touch $touch_mib" || return
    ours "$1" touched inflate $ask_mib && note_split "$1" touched && vm_stop
}

# The least of a figure, by default the time.
row() { # WHO PHASE DIRECTION [FIELD]
    awk -v who="$1" -v phase="$2" -v what="$3" -v n="${4:-4}" \
        '$1 == who && $2 == phase && $3 == what && (least == "" || $n < least) { least = $n } END { print least }' "$rows"
}
most() { # WHO PHASE DIRECTION FIELD
    awk -v who="$1" -v phase="$2" -v what="$3" -v n="$4" '$1 == who && $2 == phase && $3 == what && $n > most { most = $n } END { print most }' "$rows"
}

# faster WHO PHASE DIRECTION TIMES: with chains it takes at most that part of the time.
faster() {
    local theirs ours
    theirs=$(row "$1" "$2" "$3") ours=$(row sg "$2" "$3")
    [ -n "$theirs" ] && [ -n "$ours" ] || return
    note "$2, $3: $1 $theirs us, chains $ours us: $((theirs / (ours + 1))) times"
    assert_le "$2, $3: $4 times the microseconds with chains, against $1" $((ours * $4)) "$theirs"
}

rows=$WORK/rows
: >"$rows"
measure_qemu
[ -z "$vm_pid" ] || vm_kill
for driver in stock sg; do
    measure_ours $driver
    [ -z "$vm_pid" ] || vm_kill
done
faster qemu idle inflate 500
faster stock idle inflate 200
faster qemu touched inflate 100
faster qemu idle deflate 100
faster stock idle deflate 50
assert_le "idle, inflate: notifications with chains" "$(most sg idle inflate 5)" 8
assert_le "idle, deflate: notifications with chains" "$(most sg idle deflate 5)" 4
assert_le "idle, inflate: interrupts with chains" "$(most sg idle inflate 6)" 16
assert_le "idle, deflate: interrupts with chains" "$(most sg idle deflate 6)" 16
assert_ge "idle, inflate: QEMU's interrupts" "$(row qemu idle inflate 6)" $ask_mib
assert_ge "idle, inflate: QEMU's notifications" "$(row qemu idle inflate 5)" $ask_mib
awk -v ask=$ask_mib -v mem=$mem_mib '
    BEGIN { printf "\n%d MiB of a guest of %d MiB, 1 vCPU, shared memory\n%-32s %-8s %-8s %12s %14s %11s\n", ask, mem, "monitor, driver", "memory", "", "time", "notifications", "interrupts" }
    {
        name = $1 == "qemu" ? "QEMU, stock driver" : $1 == "stock" ? "Aerostat, stock driver" : "Aerostat, chains"
        printf "%-32s %-8s %-8s %9.1f ms %14s %11s\n", name, $2, $3, $4 / 1000, $5, $6
    }' "$rows"
finish
