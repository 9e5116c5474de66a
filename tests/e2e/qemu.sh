# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2034  # some variables are for the scenarios
# For scenarios of the direct ground, after lib.sh: QEMU's microvm and its virtio-balloon, with the same guest and the stock
# driver. It is $vm and $vm_pid then, as a microVM of ours would be: ask, fact, vm_gone, last_words and vm_kill are for it, too.

qmp="${REQUEST%/*}/qmp"

# qemu_start NAME MIB [4k|thp]: its memory is shared, as ours is, and a memfd. QEMU asks for pages of 2 MiB for any memory, but maps
# a memfd such that none fit (seen with 7.2: a guard page away from their boundaries); shared memory without a name does get them,
# where the host allows it (shmem_enabled).
qemu_start() {
    local ram
    case ${3-} in
    thp) ram=memory-backend-ram ;;
    *) ram=memory-backend-memfd ;;
    esac
    vm=$1
    vm_sock=$WORK/$vm.sock
    rm -f "$WORK/$vm".*
    mkfifo "$WORK/$vm.in"
    : >"$WORK/$vm.out"
    qemu-system-x86_64 -accel kvm -M microvm -cpu host,arch-capabilities=off -smp 1 -m "$2" -nodefaults -no-user-config -nographic \
        -object "$ram,id=ram,size=${2}M,share=on" -machine memory-backend=ram \
        -device virtio-balloon-device -serial stdio -qmp "unix:$vm_sock,server=on,wait=off" \
        -name peer,debug-threads=on -trace enable=virtio_queue_notify -D "$WORK/$vm.trace" \
        -kernel "$KERNEL" -initrd "$INITRD" -append "$CMDLINE aerostat.driver=stock" \
        <>"$WORK/$vm.in" >"$WORK/$vm.out" 2>"$WORK/$vm.err" &
    vm_pid=$!
    if ! within 30 vm_up_or_gone || ! is_ready; then
        fail "QEMU's guest did not get ready; $(last_words)"
        vm_kill
        return 1
    fi
    qemu_mib=$2
}

# qemu_balloon MIB SECONDS: sets took_ns, until QEMU's own "actual" has followed.
qemu_balloon() {
    took_ns=$("$qmp" "$vm_sock" balloon $(((qemu_mib - $1) << 20)) "$2" 2>"$WORK/$vm.qmp.err") && return 0
    fail "QEMU's balloon did not get to $1 MiB in $2 s: $(cat "$WORK/$vm.qmp.err"); $(last_words)"
    return 1
}

# How often the guest has notified QEMU of that queue.
qemu_notifications() { # inflate|deflate
    case $1 in
    inflate) grep -c ' n 0 vq ' "$WORK/$vm.trace" ;;
    deflate) grep -c ' n 1 vq ' "$WORK/$vm.trace" ;;
    esac
}
