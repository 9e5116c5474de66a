# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# Runs the scenarios named as arguments in one lab run, since starting the lab costs more than most of them. Its status
# is 0 when all ran to their end, whatever their verdicts: those are read from the lines "@@verdict NAME STATUS".

for name in "$@"; do
    echo "@@scenario $name"
    read -r begin _ </proc/uptime
    # shellcheck source=/dev/null
    (. "$LAB/$name.sh")
    status=$?
    read -r end _ </proc/uptime
    [ $status -eq 77 ] || echo "$name: $((${end%.*} - ${begin%.*})) s"
    echo "@@verdict $name $status"
done
