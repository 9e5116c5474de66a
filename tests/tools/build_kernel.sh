#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tools/build-kernel on a source tree that only plays the kernel: what it refuses, that it builds once, and what being killed
# leaves behind.
set -uo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
[ "$(uname -m)" = x86_64 ] || { echo "skipped: the tree plays a kernel for x86_64"; exit 77; }
# shellcheck source=tools/common.sh
. "$top/tools/common.sh"
[ -z "$(missing_packages "${KERNEL_PACKAGES[@]}" libelf-dev lz4)" ] || { echo "skipped: a package that builds kernels is missing"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export AEROSTAT_CACHE=$work/cache
failures=0

# Its Makefile knows the targets that are asked for; OPTIONS that it has are all but those named FOREIGN.
make_tree() {
    mkdir -p "$work/tree/drivers/virtio"
    # shellcheck disable=SC2016  # make's variables
    printf '%s\n' 'config VIRTIO_BALLOON' >"$work/tree/drivers/virtio/Kconfig"
    # shellcheck disable=SC2016
    printf '%s\n' 'obj-$(CONFIG_VIRTIO_BALLOON) += virtio_balloon.o' >"$work/tree/drivers/virtio/Makefile"
    cat >"$work/tree/Makefile" <<TREE
mrproper:
	rm -f vmlinux
allnoconfig:
	grep -v FOREIGN \$(KCONFIG_ALLCONFIG) >.config
vmlinux:
	echo build >>$work/builds
	sleep \$\$(cat $work/delay)
	cp /bin/true vmlinux
	mkdir -p include/config
	echo 6.12.0-test >include/config/kernel.release
	touch System.map
bzImage: vmlinux
	mkdir -p arch/x86/boot
	cp vmlinux arch/x86/boot/bzImage
TREE
    echo 0 >"$work/delay"
    : >"$work/builds"
}

build() { "$top/tools/build-kernel" --source "$work/tree" --jobs 1 "$@" 2>"$work/err"; }
builds() { wc -l <"$work/builds"; }

check() { # WHAT COMMAND...
    local what=$1
    shift
    "$@" >/dev/null || { echo "FAILED: $what"; sed 's/^/  /' "$work/err"; failures=$((failures + 1)); }
}
refuses() { # WHAT TEXT OPTION...
    local what=$1 text=$2
    shift 2
    if build "$@" >/dev/null || ! grep -qF -- "$text" "$work/err"; then
        echo "FAILED: $what; it said:"
        sed 's/^/  /' "$work/err"
        failures=$((failures + 1))
    fi
}

make_tree
echo 'CONFIG_FOREIGN_OPTION=y' >"$work/foreign.config"
printf '%s\n' '--- a/nothing' '+++ b/nothing' '@@ -1 +1 @@' '-x' '+y' >"$work/foreign.patch"
printf '%s\n' '# CONFIG_EXT4_FS is not set' >"$work/override.config"
refuses "an option that the kernel does not have" "CONFIG_FOREIGN_OPTION=y is not taken" --fragment "$work/foreign.config"
refuses "a patch that does not apply" "$work/foreign.patch does not apply" --patch "$work/foreign.patch"
refuses "a fragment that is not there" "no file $work/none" --fragment "$work/none"
refuses "another architecture" "none of x86_64, aarch64" --arch riscv
refuses "such an option when only asked" "CONFIG_FOREIGN_OPTION=y is not taken" --check --fragment "$work/foreign.config"
check "a configuration that the kernel takes" build --check
check "nothing was built yet" test "$(builds)" = 0
check "and nothing left behind" test "$(find "$AEROSTAT_CACHE/bundled-kernel" -name '.check-*' | wc -l)" = 0

folder=$(build)
check "the first build" test -f "$folder/vmlinux" -a -f "$folder/bzImage" -a "$(builds)" = 1
check "the tree of the user is as it was" test "$(grep -c AEROSTAT "$work/tree/drivers/virtio/Makefile")" = 0
check "the second comes from the cache" test "$(build)" = "$folder" -a "$(builds)" = 1
check "the later fragment counts" grep -qx '# CONFIG_EXT4_FS is not set' "$(build --fragment "$work/override.config")/config"
check "and is a kernel of its own" test "$(builds)" = 2

# Two that want the same one at the same time.
echo 1 >"$work/delay"
touch -d 2001-01-01 "$work/tree/Makefile"
build >"$work/one" &
build >"$work/two"
wait
check "two at once build once" test "$(builds)" = 3
check "and get the same" cmp "$work/one" "$work/two"

# One that is killed, make and all.
echo 60 >"$work/delay"
touch -d 2002-01-01 "$work/tree/Makefile"
setsid "$top/tools/build-kernel" --source "$work/tree" >/dev/null 2>&1 &
for _ in $(seq 100); do
    [ "$(builds)" = 4 ] && break
    sleep 0.1
done
kill -KILL -- -$!
wait 2>/dev/null
echo 0 >"$work/delay"
folder=$(build)
check "after one that was killed" test -f "$folder/vmlinux" -a "$(builds)" = 5
check "which leaves nothing behind" test "$(find "$AEROSTAT_CACHE/bundled-kernel" -name '.new-*' | wc -l)" = 0

[ $failures -eq 0 ] && echo "build-kernel: refuses, builds once, and survives being killed"
exit $((failures > 0))
