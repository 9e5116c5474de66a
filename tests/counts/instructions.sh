#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The device's work for a chain grows with its descriptors, not with the pages in them: counts the instructions that the
# balloon takes for 512 descriptors of 4 KiB and of 2 MiB. usage: instructions.sh COUNT_WORK 4k|thp
set -euo pipefail

program=$1 backing=$2
# Instructions a descriptor: 1,134 of 4 KiB, which is a piece that waits for the rest of its 2 MiB, and 774 of 2 MiB, as gcc 12
# compiles them, and a tenth more.
most_small=1250 most_large=850

command -v valgrind >/dev/null || {
    echo "valgrind is not installed"
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Instructions in user space from where the transport enters the balloon to where it returns.
count() {
    local log=$work/$1.log
    if ! valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=balloon_notify \
        --toggle-collect=balloon_run_turn "$program" "$backing" "$1" >"$log" 2>&1; then
        cat "$log" >&2
        return 1
    fi
    sed -nE 's/^==[0-9]+== Collected : ([0-9]+)$/\1/p' "$log"
}

small=$(count 4)
large=$(count 2048)
echo "$backing: $small instructions for 512 descriptors of 4 KiB, $large for 512 of 2 MiB"
# No descriptor is read in less; a count below says that the functions above have other names now.
if [ "${small:-0}" -lt $((512 * 50)) ] || [ "${large:-0}" -lt $((512 * 50)) ]; then
    echo "that is too little: the balloon was not counted"
    exit 1
fi
if [ "$small" -gt $((512 * most_small)) ] || [ "$large" -gt $((512 * most_large)) ]; then
    echo "that is above $most_small a descriptor of 4 KiB, or $most_large a descriptor of 2 MiB"
    exit 1
fi
if [ "$large" -gt "$small" ]; then
    echo "large descriptors cost more than small ones"
    exit 1
fi
