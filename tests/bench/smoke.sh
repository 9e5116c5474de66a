#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Whether a benchmark runs and its lines can be read; its figures say nothing then: smoke.sh PART LINES KEYS PROGRAM ARGUMENT...
# It has to print so many lines, each a flat JSON object of that part, with no 0 at any of the keys (key,key,...).
set -u

part=$1 wanted=$2 keys=$(printf %s "$3" | tr , '|')
shift 3
case $1 in
*.sh) ;;
*) (: <>/dev/kvm) 2>/dev/null || { echo "skipped: /dev/kvm does not open" && exit 77; } ;;
esac
lines=$("$@") || { echo "$1 failed: exit status $?" && exit 1; }
printf '%s\n' "$lines"

flat='^\{"part":"'$part'"(,"[a-z0-9_]+":("[^"\\]*"|[0-9]+|true|false|null))+\}$'
n=$(printf '%s\n' "$lines" | grep -cE "$flat")
total=$(printf '%s\n' "$lines" | wc -l)
[ "$n $total" = "$wanted $wanted" ] ||
    { echo "$n of $total lines are objects of part $part, wanted $wanted" && exit 1; }
with_key=$(printf '%s\n' "$lines" | grep -cE "\"($keys)\":[1-9]")
[ "$with_key" -eq "$wanted" ] || { echo "$with_key lines have one of $keys, wanted $wanted" && exit 1; }
if printf '%s\n' "$lines" | grep -E "\"($keys)\":0[,}]"; then
    echo "has a 0"
    exit 1
fi
