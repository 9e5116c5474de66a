# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# Direct ground, bundled kernel: bench_start with a Linux guest, beside QEMU where that is installed. The arguments are the
# folder of built tests (build/dev/tests) and bench_start's options; standard output is bench_start's alone.
tests=$1
shift
if command -v qemu-system-x86_64 >/dev/null; then
    set -- --qemu qemu-system-x86_64 "$@"
else
    echo "start: skipped: qemu: there is no qemu-system-x86_64" >&2
fi
"$tests/bench/bench_start" --kernel "$KERNEL" --initrd "$INITRD" --cmdline "$CMDLINE" "$@" "$AEROSTAT" "$tests/kvm/payload_idle"
