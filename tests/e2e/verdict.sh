#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# verdict.sh LOG NAME: what a scenario of one lab run said and how it ended, as a test of its own. 77 if the run was skipped.
set -u

log=$1
name=$2
skipped=$(sed -n 's/^@@skip //p' "$log" | head -n 1)
if [ -n "$skipped" ]; then
    echo "skipped: $skipped"
    exit 77
fi
sed -n "/^@@scenario $name\$/,/^@@verdict $name /{ /^@@/d; p; }" "$log"
status=$(sed -n "s/^@@verdict $name //p" "$log" | head -n 1)
[ -n "$status" ] || echo "$name did not come to its end"
exit "${status:-1}"
