#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Benchmark: the size of the program and of what is installed: size.sh [--json] BUILD [QEMU]. BUILD is a folder of a release
# build; QEMU is Debian's qemu-system-x86_64, measured beside it.
set -eu

json=no
[ "${1-}" != --json ] || { json=yes && shift; }
case $# in
1 | 2) ;;
*) echo "usage: size.sh [--json] BUILD [QEMU]" >&2 && exit 2 ;;
esac
build=$1 qemu=${2-}
work=$(mktemp -d "${TMPDIR:-/tmp}/aerostat-size-XXXXXX")
trap 'rm -rf "$work"' EXIT

# line WHO WHAT BYTES NOTE
line() {
    if [ $json = yes ]; then
        printf '{"part":"start","who":"%s","what":"%s","round":0,"bytes":%s,"note":"%s"}\n' "$@"
    else
        awk -v who="$1" -v what="$2" -v bytes="$3" -v note="$4" \
            'BEGIN { printf "%-9s %-8s %10.1f KiB  %s\n", who, what, bytes / 1024, note }'
    fi
}

# The shared libraries that a program is loaded with, or loads later as a note in it says, without the C library's own parts:
# one a line.
libraries() {
    LD_PRELOAD=$(grep -ao '"soname":\["[^"]*' "$1" | sed 's/.*"//') ldd "$1" | awk '$2 == "=>" { print $3 }' | grep -vE '/(libc|libm|libdl|librt|libpthread|libresolv)\.so' | sort -u
}

binary() { # WHO PROGRAM
    strip -o "$work/stripped" "$2"
    line "$1" binary "$(stat -c %s "$work/stripped")" "stripped, $(libraries "$2" | wc -l) shared libraries beside the C library"
}

sum() { xargs -r stat -L -c %s | awk '{ n += $1 } END { print n + 0 }'; }

binary aerostat "$build/aerostat"
DESTDIR=$work/root cmake --install "$build" --strip >"$work/log" 2>&1 || { cat "$work/log" >&2 && exit 1; }
installed=$(find "$work/root" -type f -print0 | xargs -0 stat -c %s | awk '{ n += $1 } END { print n }')
line aerostat package "$installed" "cmake --install --strip: every file that it installs"
line aerostat libraries "$(libraries "$build/aerostat" | sum)" "shared, packages of their own: $(libraries "$build/aerostat" | xargs -rn 1 basename | paste -sd ' ')"

[ -n "$qemu" ] || exit 0
qemu=$(command -v "$qemu") || { echo "size: skipped: there is no $2" >&2 && exit 0; }
binary qemu "$qemu"
kib=$(dpkg-query -W -f '${Installed-Size}' qemu-system-x86 2>/dev/null) ||
    { echo "size: skipped: QEMU's package: dpkg knows no qemu-system-x86" >&2 && exit 0; }
line qemu package $((kib * 1024)) "dpkg: Installed-Size of qemu-system-x86, without qemu-system-common and firmware"
line qemu libraries "$(libraries "$qemu" | sum)" "shared, packages of their own"
