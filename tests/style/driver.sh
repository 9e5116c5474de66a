#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The Linux driver by the kernel's own measures: it compiles without a word at W=1, sparse finds nothing, and neither does
# checkpatch --strict where a kernel source is in the cache. Exit status 77 without Debian's kernel headers or sparse.
set -u
# shellcheck source=tools/common.sh
. "$(dirname "$0")/../../tools/common.sh"

headers=$(find /usr/src -maxdepth 1 -name 'linux-headers-*-cloud-amd64' 2>/dev/null | sort -V | tail -n 1)
[ -n "$headers" ] || skip "no linux-headers-*-cloud-amd64 in /usr/src; tools/test e2e installs them"
command -v sparse >/dev/null || skip "sparse is not installed"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$top/guest/driver" "$top/guest/include" "$work/"
bad=0

make -C "$headers" M="$work/driver" W=1 C=2 CF=-Wsparse-error modules >"$work/log" 2>&1 || bad=1
# What is left of the log when what each build says is taken out.
if grep -vE '^(make(\[[0-9]+\])?: |  (CC|LD|CHECK|MODPOST|BTF) |Skipping BTF generation )' "$work/log"; then
    bad=1
fi

# Names of the kernel's own, and what a driver for several kernels cannot do without.
ignored=CAMELCASE,LINUX_VERSION_CODE,CONSTANT_COMPARISON
source=$(find "$cache/linux-source" -name '*.tar.xz' 2>/dev/null | sort -V | tail -n 1)
if [ -n "$source" ] && command -v perl >/dev/null; then
    tar -xf "$source" -C "$work" --wildcards '*/scripts/checkpatch.pl' '*/scripts/spelling.txt' '*/scripts/const_structs.checkpatch' \
        --occurrence=1 2>/dev/null
    checkpatch=$(find "$work" -name checkpatch.pl)
    for file in "$top"/guest/driver/*.[ch]; do
        # It leaves a file where it is started.
        (cd "$work" && perl "$checkpatch" --no-tree --strict --terse --no-summary --max-line-length=100 --ignore $ignored -f "$file" 2>err) || bad=1
    done
    echo "checked with W=1, sparse and checkpatch"
else
    echo "checked with W=1 and sparse; no kernel source in the cache for checkpatch"
fi
[ $bad -eq 0 ] || echo "guest/driver: BROKEN"
exit $bad
