# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# Runs the scenarios named as arguments in one lab run, since starting the lab costs more than most of them. Its status
# is 0 when all ran to their end, whatever their verdicts: those are read from the lines "@@verdict NAME STATUS".

for name in "$@"; do
    echo "@@scenario $name"
    # shellcheck source=/dev/null
    (. "$LAB/$name.sh")
    echo "@@verdict $name $?"
done
