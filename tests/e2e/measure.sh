# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2317  # functions are called through within
# What it takes to have a Linux guest give memory back, and to return it: QEMU's balloon and ours with the stock driver, ours
# with chains, and fallocate over the same memory of such a guest at once. The subjects take turns, each with a fresh
# guest. One JSON object for each measurement, then a table; asserts nothing about time. Not part of the tests.
#
#   MEASURE=quick|full   how much (default: quick)
#   CASES="MEM_MIB:ASK_MIB:4k|thp:idle|populated ..."   instead of those
#   ROUNDS=N  PEER_ROUNDS=N   turns, and in how many of them the stock driver has one
#   BUDGET_S=N           seconds after which each case has one turn only (default: 200 where it is to be quick)
#   MEASURE_JSONL=FILE   where the objects go (default: among the rest of the output, as lines that begin with '{"part"')
#
# QEMU's guest and the limit are measured on the direct ground alone; on the nested one there are ratios of ours only.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
# shellcheck source=tests/e2e/qemu.sh
. "$LAB/qemu.sh"
scenario=measure

bulk_punch="${REQUEST%/*}/bulk_punch"
shmem_setting=/sys/kernel/mm/transparent_hugepage/shmem_enabled
debugfs=/sys/kernel/debug

choose_cases() {
    local two="2048:1024" eight="8192:7168"
    case $GROUND-${MEASURE:-quick} in
    nested-*)
        cases=${CASES:-$two:thp:idle $two:thp:populated}
        rounds=${ROUNDS:-1}
        ;;
    *-quick)
        cases=${CASES:-$eight:4k:idle $eight:thp:populated $eight:4k:populated}
        rounds=${ROUNDS:-2} peer_rounds=${PEER_ROUNDS:-1} budget_s=${BUDGET_S:-200}
        ;;
    *)
        cases=
        for size in $two $eight; do
            cases="$cases $size:4k:idle $size:thp:idle $size:thp:populated $size:4k:populated"
        done
        cases=${CASES:-$cases}
        rounds=${ROUNDS:-3}
        ;;
    esac
    peer_rounds=${peer_rounds:-$rounds}
}

# KVM's own counters are files of debugfs: where the host's settings may be changed it is mounted for the time.
mounted=
open_counters() {
    [ -d $debugfs/kvm ] || [ "$TUNABLE" = no ] || ! mount -t debugfs none $debugfs 2>/dev/null || mounted=yes
    cat $debugfs/kvm/exits >"$WORK/exits" 2>&1 || note "no exits: KVM's counters are not to be had: $(cat "$WORK/exits")"
}
close_counters() { [ -z "$mounted" ] || umount "$debugfs"; }

# Whether the host can put such pages behind a guest. QEMU takes pages of 2 MiB wherever the setting lets it.
set_host() { # BACKING
    local word=never
    [ "$1" = 4k ] || word=advise
    [ "$TUNABLE" = no ] || echo $word >"$shmem_setting"
    if [ "$1" = 4k ]; then ! huge_pages_allowed; else huge_pages_allowed; fi
}

# The monitor's or QEMU's thread that runs the guest's only CPU.
vcpu_thread() { grep -lE '^(vcpu0|CPU 0/KVM)$' "/proc/$vm_pid"/task/*/comm | sed 's,/comm$,,; s,.*/,,'; }

# The files behind the guest's memory, by a mapping of each.
memory_files() {
    awk '/^[0-9a-f]+-[0-9a-f]+ / { found = $2 ~ /s$/ && /\/memfd:|\/dev\/zero / && !($5 in seen); range = $1; inode = $5 }
        $1 == "Size:" && found && $2 >= 65536 { seen[inode]; print "/proc/'"$vm_pid"'/map_files/" range }' "/proc/$vm_pid/smaps"
}
# shellcheck disable=SC2086  # words
memory_blocks() { stat -L -c %b $files | awk '{ sum += $1 } END { printf "%.0f\n", sum }'; }

# As the host sees it: "exits vcpu_ns others_ns bytes", the last of memory held, below zero; "-" for what is not to be had.
host_figures() {
    local exits thread
    thread=$(vcpu_thread)
    exits=$(cat "$debugfs/kvm/$vm_pid"-*/exits 2>/dev/null)
    cat "/proc/$vm_pid"/task/*/schedstat | awk -v exits="${exits:--}" -v vcpu="$(cut -d ' ' -f 1 "/proc/$vm_pid/task/$thread/schedstat")" \
        -v blocks="$(memory_blocks)" '{ sum += $1 }
        END { printf "%s %.0f %.0f %.0f\n", exits, vcpu, sum - vcpu, -512 * blocks }'
}

# As the device sees it: "notifications punch_ns".
device_figures() { # SUBJECT STEP
    case $1 in
    qemu) echo "$(qemu_notifications "$2") -" ;;
    *) look && echo "$(shown "${2}_notifications") $(shown punch_ns)" ;;
    esac
}

# As the guest sees it: "interrupts alloc_ns send_ns wait_ns".
guest_figures() { # SUBJECT
    local interrupts
    ask 20 balloon_interrupts || return
    interrupts=$(fact interrupts)
    if [ "$1" != sg ]; then
        guest="$interrupts - - -"
    else
        ask 20 balloon_stats && guest="$interrupts $(fact alloc_ns) $(fact send_ns) $(fact wait_ns)"
    fi
}

# The same figures before and after: their differences, null for what is not to be had.
differences() { # BEFORE AFTER
    echo "$1 $2" | awk '{
        for (i = 1; i <= NF / 2; i++)
            printf "%s ", ($i == "-" || $(i + NF / 2) == "-" ? "null" : sprintf("%.0f", $(i + NF / 2) - $i))
    }'
}

# Changes the balloon; took_ns, by the clock of who serves it.
change() { # SUBJECT MIB
    if [ "$1" = qemu ]; then
        qemu_balloon "$2" 180
    else
        balloon "$2" 180 && took_ns=$(shown change_ns)
    fi
}

# One measurement, kept as a row: SUBJECT MEM ASK BACKING MEMORY STEP ROUND wall exits vcpu others freed notifications release
# interrupts alloc send wait.
step() { # SUBJECT STEP MIB
    local guest guest_before before after
    guest_figures "$1" && guest_before=$guest || return
    before="$(host_figures) $(device_figures "$1" "$2")"
    change "$1" "$3" || return
    after="$(host_figures) $(device_figures "$1" "$2")"
    guest_figures "$1" || return
    # shellcheck disable=SC2046  # words
    keep "$1" "$2" "$took_ns" $(differences "$before $guest_before" "$after $guest")
}

keep() { # SUBJECT STEP WALL EXITS VCPU OTHERS FREED NOTIFICATIONS RELEASE INTERRUPTS ALLOC SEND WAIT
    local times=" $(($3 / 1000)) us,"
    [ "$GROUND" != nested ] || times=
    note "$mem_mib:$ask_mib:$backing:$memory, $1, round $round: $2,$times $(($7 / 1048576)) MiB given back"
    echo "$1 $mem_mib $ask_mib $backing $memory $2 $round $3 $4 $5 $6 $7 $8 $9 ${10} ${11} ${12} ${13}" >>"$rows"
}

# Each page that the guest can have is used once, and freed.
populate() {
    local huge_mib
    [ "$memory" = populated ] || return 0
    ask 180 "touch $mem_mib" || return
    huge_mib=$(awk '$1 == "ShmemPmdMapped:" { kib += $2 } END { print int(kib / 1024) }' "/proc/$vm_pid/smaps")
    note "$vm: $(($(memory_blocks) / 2048)) MiB populated, $huge_mib MiB of them in pages of 2 MiB"
    if [ "$backing" = 4k ]; then
        assert_le "$vm: MiB in pages of 2 MiB" "$huge_mib" 0
    else
        assert_ge "$vm: MiB in pages of 2 MiB" "$huge_mib" $((ask_mib / 2))
    fi
}

start() { # SUBJECT
    case $1 in
    qemu) qemu_start qemu "$mem_mib" "$backing" ;;
    limit) vm_start limit sg --mem "${mem_mib}M" --cpus 1 --balloon 0M ;;
    *) vm_start "$1" "$1" --mem "${mem_mib}M" --cpus 1 --balloon 0M ;;
    esac && files=$(memory_files) && sleep 1
}

# The guest is at its end then.
bulk() {
    "$bulk_punch" "$vm_pid" $((ask_mib << 20)) >"$WORK/bulk" 2>&1 || fail "$(cat "$WORK/bulk")"
    # shellcheck disable=SC2046  # words
    set -- $(sed -n 's/^ns=\([0-9]*\) freed_bytes=\([0-9]*\) .*/\1 \2/p' "$WORK/bulk")
    [ $# -eq 2 ] && keep limit inflate "$1" null null null "$2" null null null null null null
}

turn() { # SUBJECT
    if start "$1" && populate; then
        if [ "$1" = limit ]; then bulk; else step "$1" inflate "$ask_mib" && step "$1" deflate 0; fi
    fi
    [ -z "$vm_pid" ] || vm_kill
}

# QEMU, its guest's driver on our device, and the limit, where they have a turn.
subjects() {
    if [ "$round" -lt "$peer_rounds" ]; then
        [ "$GROUND" = nested ] || echo qemu
        echo stock
    fi
    echo sg
    [ "$GROUND" = nested ] || [ "$memory" = idle ] || echo limit
}

measure() { # MEM ASK BACKING MEMORY
    mem_mib=$1 ask_mib=$2 backing=$3 memory=$4
    if ! set_host "$backing"; then
        note "skipped: $*: $shmem_setting is $(cat $shmem_setting)"
        return
    fi
    round=0
    while [ $round -lt "$rounds" ]; do
        if [ $round -gt 0 ] && [ $(($(now_ms) - begin_ms)) -gt $((${budget_s:-86400} * 1000)) ]; then
            note "$* has $round of $rounds rounds: $budget_s s have passed"
            return
        fi
        for subject in $(subjects); do
            turn "$subject"
        done
        round=$((round + 1))
    done
}

print_json() {
    awk '{
        who = $1 == "qemu" || $1 == "limit" ? $1 : "aerostat"
        printf "{\"part\":\"guest\",\"who\":\"%s\",\"driver\":\"%s\",\"mem_bytes\":%.0f,\"ask_bytes\":%.0f,\"backing\":\"%s\",\"memory\":\"%s\",", \
            who, ($1 == "sg" || $1 == "limit" ? "sg" : "stock"), $2 * 1048576, $3 * 1048576, $4, $5
        printf "\"step\":\"%s\",\"round\":%d,\"wall_ns\":%s,\"notifications\":%s,\"interrupts\":%s,\"exits\":%s,", $6, $7, $8, $13, $15, $9
        printf "\"guest_cpu_ns\":%s,\"others_cpu_ns\":%s,\"alloc_ns\":%s,\"send_ns\":%s,\"wait_ns\":%s,\"release_ns\":%s,\"freed_bytes\":%s}\n", \
            $10, $11, $16, $17, $18, $14, $12
    }' "$rows"
}

# Medians of each column.
# shellcheck disable=SC2016  # awk's dollars
summary='
    function put(key, value,    i) {
        for (i = ++n[key]; i > 1 && list[key, i - 1] + 0 > value + 0; i--)
            list[key, i] = list[key, i - 1]
        list[key, i] = value
    }
    function median(key,    lower, upper) {
        lower = list[key, int((n[key] + 1) / 2)]
        upper = list[key, int(n[key] / 2) + 1]
        return lower == "null" || upper == "null" ? "null" : (lower + upper) / 2
    }
    function shown(key, unit,    text) {
        text = median(key) == "null" || n[key] == 0 ? "-" : sprintf("%.0f", median(key) / unit)
        return text == "-0" ? "0" : text
    }
    function ms(ns) { return sprintf((ns < 99500000 ? "%.2f" : "%.0f"), ns / 1000000) }
    {
        what = $2 ":" $3 ":" $4 ":" $5 " " $6
        if (!(what in seen)) { seen[what]; order[++whats] = what }
        for (i = 8; i <= NF; i++)
            put(what SUBSEP $1 SUBSEP i, $i)
    }'

print_table() {
    awk -v nested="$([ "$GROUND" = nested ] && echo yes)" "$summary"'
    function ratio(base, key) { return n[base] && median(key) > 0 ? sprintf("%.1f", median(base) / median(key)) : "-" }
    END {
        split("qemu stock sg limit", subjects, " ")
        split("QEMU, stock driver;Aerostat, stock driver;Aerostat, chains;one fallocate", names, ";")
        format = "  %-22s %3s %25s %9s %9s %10s %8s %9s %9s %7s\n"
        for (w = 1; w <= whats; w++) {
            split(order[w], part, /[: ]/)
            printf "\n%s: %d of %d MiB, %s, %s memory\n", part[5], part[2], part[1], part[3], part[4]
            printf format, "", "n", "ms, median (min-max)", (nested ? "x stock" : "x QEMU"), "notified", "interrupts", "exits", "vcpu ms", "host ms", "MiB"
            base = order[w] SUBSEP (nested ? "stock" : "qemu") SUBSEP 8
            for (s = 1; s <= 4; s++) {
                key = order[w] SUBSEP subjects[s] SUBSEP
                if (n[key 8] == 0)
                    continue
                times = ms(median(key 8)) " (" ms(list[key 8, 1]) "-" ms(list[key 8, n[key 8]]) ")"
                printf format, names[s], n[key 8], (nested ? "-" : times), ratio(base, key 8), shown(key 13, 1), shown(key 15, 1), \
                    shown(key 9, 1), (nested ? "-" : shown(key 10, 1000000)), (nested ? "-" : shown(key 11, 1000000)), shown(key 12, 1048576)
            }
        }
        print "\n(vcpu ms: processor time of the thread that runs the guest, host ms: of all others of its process; MiB: given back)"
        if (nested)
            print "(no times: emulated processors have none; no QEMU and no limit: the nested ground has neither)"
    }' "$rows"
}

# What has to hold, and by how far.
print_verdicts() {
    awk "$summary"'
    function verdict(what, base, times, at_most,    theirs, ours) {
        theirs = what SUBSEP base SUBSEP 8
        ours = what SUBSEP "sg" SUBSEP 8
        if (n[theirs] == 0 || n[ours] == 0)
            return
        ok = at_most ? median(ours) <= times * median(theirs) : median(theirs) >= times * median(ours)
        printf "%s %-36s %s\n", (ok ? "holds: " : "MISSED:"), what, \
            (at_most ? sprintf("%.2f times one fallocate, at most %.1f", median(ours) / median(theirs), times) \
                     : sprintf("%.0f times as fast as QEMU, at least %d", median(theirs) / median(ours), times))
    }
    END {
        print ""
        verdict("8192:7168:4k:idle inflate", "qemu", 300)
        verdict("8192:7168:4k:idle deflate", "qemu", 100)
        verdict("8192:7168:thp:populated inflate", "qemu", 100)
        verdict("2048:1024:4k:populated inflate", "limit", 1.3, 1)
        verdict("8192:7168:4k:populated inflate", "limit", 1.3, 1)
    }' "$rows"
}

end_measuring() {
    [ -z "$vm_pid" ] || vm_kill
    close_counters
    [ "$TUNABLE" = no ] || echo "$shmem_was" >"$shmem_setting"
}

rows=$WORK/rows
: >"$rows"
shmem_was=$(sed 's/.*\[\(.*\)\].*/\1/' $shmem_setting)
trap end_measuring EXIT
begin_ms=$(now_ms)
open_counters
choose_cases
for case in $cases; do
    # shellcheck disable=SC2046  # words
    measure $(echo "$case" | tr : ' ')
done
if [ "$GROUND" != nested ]; then
    if [ -n "${MEASURE_JSONL-}" ]; then print_json >>"$MEASURE_JSONL"; else print_json; fi
fi
print_table
[ "$GROUND" = nested ] || print_verdicts
finish
