#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The initramfs of the bundled kernel has the same bytes wherever and whenever it is built, and in it nothing but its program.
set -euo pipefail
tools=$(cd "$(dirname "$0")/../../tools" && pwd)
for program in musl-gcc cpio; do
    command -v $program >/dev/null || { echo "skipped: $program is not installed"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$tools/build-guest" --builtin --out "$work/a"
sleep 1.1 # the smallest step of the times in it
(umask 077 && "$tools/build-guest" --builtin --out "$work/another folder")
cmp "$work/a/initramfs.cpio.gz" "$work/another folder/initramfs.cpio.gz"
files=$(gzip -dc "$work/a/initramfs.cpio.gz" | cpio --list --quiet | sort | paste -sd' ')
[ "$files" = "dev init proc root sys tmp" ] || { echo "the initramfs holds: $files"; exit 1; }
echo "the initramfs has the same bytes twice"
