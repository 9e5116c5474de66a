#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a benchmark on little memory, looks at each line of its JSON and at what it says was done, and has it print its
# table. Times are not looked at. usage: lines.sh host|growth PROGRAM [ARGUMENT...]
set -euo pipefail

part=$1 program=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "$1"
    exit 1
}

# field NAME: of the line on stdin, without quotes.
field() { sed -E "s/.*\"$1\":\"?([^,\"}]*).*/\1/"; }

# need WHAT PATTERN: some line matches.
need() { grep -qE -- "$2" "$work/lines" || fail "no line for $1"; }

# A table of everything would need another run of everything.
few=(--by memory)
[ "$part" = growth ] || few=(--only "pfn in order")
"$program" --rounds 1 "$@" "${few[@]}" >"$work/table" 2>"$work/log"
[ -s "$work/table" ] || fail "no table was printed"
"$program" --rounds 1 --json "$@" >"$work/lines" 2>>"$work/log"
cat "$work/log"

number='(0|[1-9][0-9]*)' count='(null|0|[1-9][0-9]*)' name='"[a-z0-9_-]+"' truth='(true|false)'
common="\"round\":0,\"wall_ns\":$number,\"cpu_ns\":$number,"
host="\"who\":$name,\"form\":$name,\"range_bytes\":$number,\"order\":$name,\"items\":$number,\"in_flight\":$number,"
host+="\"backing\":$name,\"populated\":$truth,\"bytes\":$number,\"queue_size\":$number,${common}\"kicks\":$number,"
host+="\"release_calls\":$count,\"syscalls\":$count,"
host+="(\"idle_syscalls\":$count,\"idle_wall_ns\":$number,\"idle_cpu_ns\":$number,)?\"freed_bytes\":$number"
growth="\"by\":$name,\"x\":$number,\"who\":\"aerostat\",${common}\"backing\":$name,\"populated\":$truth,"
growth+="\"mem_bytes\":$number,\"bytes\":$number,\"ranges\":$number,\"queue_size\":$number,"
growth+="\"release_calls\":$number,\"kicks\":$number,\"descriptors\":$number,\"syscalls\":$count"
pattern="^\{\"part\":\"$part\",${!part}\}$"
! grep -vE -- "$pattern" "$work/lines" || fail "that is not as the lines of this part are"

if [ "$part" = growth ]; then
    for by in memory spread ranges queue_size; do
        need "growth by $by" "\"by\":\"$by\""
    done
    exit 0
fi

need "the limit" '"who":"limit","form":"fallocate"'
need "chains" '"who":"aerostat","form":"sg"'
need "page numbers" '"who":"aerostat","form":"pfn"'
if command -v qemu-system-x86_64 >/dev/null; then
    need QEMU '"who":"qemu","form":"pfn"'
else
    ! grep '"who":"qemu"' "$work/lines" || fail "QEMU is not installed, and yet was measured"
fi

# Whoever took populated memory of 4 KiB pages gave all of it back, and memory that is not there frees nothing.
while IFS= read -r line; do
    wanted=0
    [ "$(field populated <<<"$line")" = false ] || wanted=$(field bytes <<<"$line")
    [ "$(field freed_bytes <<<"$line")" = "$wanted" ] || fail "this should have freed $wanted bytes: $line"
done < <(grep '"backing":"4k"' "$work/lines")
