# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2317  # functions are called through within
# The same guest kernel and the same request, 7 GiB of an idle 8 GiB, put to QEMU's virtio-balloon with the stock driver
# and to Aerostat with scatter-gather chains, one after the other. Ends with the ratio. Direct ground: the nested one
# has no QEMU in it.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=peer

mem_mib=8192
ask_mib=7168

# QEMU's control channel (QMP) is a pair of pipes, one JSON object a line.
qmp() { printf '%s\n' "$1" >&8; }
qmp_actual() {
    qmp '{"execute":"query-balloon"}'
    sed -n 's/.*"actual": *\([0-9]*\).*/\1/p' "$WORK/qmp.log" | tail -n 1
}
qemu_ready() { grep -aq '^@ ready' "$WORK/qemu.out" || ! kill -0 "$qemu_pid" 2>/dev/null; }
qemu_reached() { [ "$(qmp_actual)" = "$1" ]; }

qemu_end() {
    kill -KILL "$qemu_pid" 2>/dev/null
    wait "$qemu_pid" 2>/dev/null
    kill "$reader_pid" 2>/dev/null
    wait "$reader_pid" 2>/dev/null
    exec 8>&-
}

# Sets qemu_ms, the time from the request until QEMU's own "actual" has followed; polled every 50 ms.
measure_qemu() {
    local begin
    mkfifo "$WORK/qmp.in" "$WORK/qmp.out"
    : >"$WORK/qemu.out"
    qemu-system-x86_64 -accel kvm -M microvm -cpu host,arch-capabilities=off -smp 1 -m $mem_mib -nodefaults -no-user-config -nographic \
        -object memory-backend-memfd,id=ram,size=${mem_mib}M,share=on -machine memory-backend=ram \
        -device virtio-balloon-device -serial "file:$WORK/qemu.out" \
        -chardev "pipe,id=qmp,path=$WORK/qmp" -mon chardev=qmp,mode=control \
        -kernel "$KERNEL" -initrd "$INITRD" -append "$CMDLINE aerostat.driver=stock" 2>"$WORK/qemu.err" &
    qemu_pid=$!
    cat "$WORK/qmp.out" >"$WORK/qmp.log" &
    reader_pid=$!
    exec 8<>"$WORK/qmp.in"
    qmp '{"execute":"qmp_capabilities"}'
    if ! within 30 qemu_ready || ! grep -aq '^@ ready' "$WORK/qemu.out"; then
        fail "QEMU's guest did not get ready: $(tail -n 3 "$WORK/qemu.err" "$WORK/qemu.out")"
        return 1
    fi
    sleep 1
    begin=$(now_ms)
    qmp "{\"execute\":\"balloon\",\"arguments\":{\"value\":$(((mem_mib - ask_mib) << 20))}}"
    if ! within 120 qemu_reached $(((mem_mib - ask_mib) << 20)); then
        fail "QEMU's balloon did not get there in 120 s; it is at $(qmp_actual) bytes"
        return 1
    fi
    qemu_ms=$(($(now_ms) - begin))
}

measure_ours() {
    vm_start peer sg --mem ${mem_mib}M --cpus 1 --balloon 0M || return
    sleep 1
    balloon $ask_mib 60 || return
    ours_us=$(($(shown change_ns) / 1000))
    notifications=$(shown inflate_notifications)
    vm_stop
}

qemu_ms='' ours_us=''
measure_qemu
qemu_end
measure_ours
if [ -n "$qemu_ms" ] && [ -n "$ours_us" ]; then
    note "$ask_mib MiB of an idle $mem_mib MiB guest, 1 vCPU, 4 KiB pages, memfd: QEMU with the stock driver $qemu_ms ms, Aerostat with chains $ours_us us"
    assert_le "50 times our microseconds, against QEMU's" $((ours_us * 50)) $((qemu_ms * 1000))
    assert_le "notifications" "$notifications" 64
fi
finish
