#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each test that the threat model names exists, and each threat names one: threats.sh [--root DIR].
# A name is a Check test, a case of a payload guest (a string of the tests), or a path. Exit status 0 or 1.
set -u
export LC_ALL=C

root=$(cd "$(dirname "$0")/../.." && pwd)
[ "${1-}" = --root ] && root=$(cd "${2:?--root needs a folder}" && pwd)
cd "$root" || exit 1
model=docs/threat-model.md

known=$(mktemp)
trap 'rm -f "$known"' EXIT
grep -rhoE '(START_TEST\([a-z0-9_]+\)|"[a-z0-9-]+")' tests/unit tests/kvm --include='test_*.c' |
    sed -E 's/^START_TEST\((.*)\)$/\1/; s/^"(.*)"$/\1/' | sort -u >"$known"

bad=0
complain() {
    echo "$model:$1: $2"
    bad=1
}

# Rows of the tables whose third column is "tests".
while IFS=$'\t' read -r line names; do
    [ -n "$names" ] || complain "$line" "a threat without a test"
    for name in $names; do
        case $name in
        */*) [ -f "$name" ] || complain "$line" "no file $name" ;;
        *) grep -qxF -- "$name" "$known" || complain "$line" "no test is called $name" ;;
        esac
    done
done < <(awk -F'|' '
    /^\| threat / { rows = 1; next }
    !/^\|/ { rows = 0 }
    rows && !/^\|-/ {
        names = $(NF - 1)
        out = ""
        while (match(names, /`[^`]+`/)) {
            out = out substr(names, RSTART + 1, RLENGTH - 2) " "
            names = substr(names, RSTART + RLENGTH)
        }
        print FNR "\t" out
        n++
    }
    END { if (n == 0) print "1\tno-threats-at-all" }' "$model")

[ $bad -eq 0 ] && echo "threats: each is held by tests that exist"
exit $bad
