#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The manual pages: groff (or mandoc) has no complaint, each command has one, and its options are in it. man.sh AEROSTAT
set -u
# shellcheck source=tools/common.sh
. "$(dirname "$0")/../../tools/common.sh"

aerostat=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
complain() {
    echo "$*"
    bad=1
}

"$aerostat" manual "$work" || die "no pages were written"
"$aerostat" manual "$work/none" 2>/dev/null && complain "pages go to a folder that there is not"

if command -v groff >/dev/null; then
    lint() { LC_ALL=C.UTF-8 groff -man -ww -Tutf8 -z "$1" 2>&1; }
    show() { LC_ALL=C.UTF-8 groff -man -ww -Tascii -P -c "$1" 2>/dev/null | sed 's/.\x08//g'; }
elif command -v mandoc >/dev/null; then
    lint() { mandoc -T lint -W warning "$1" 2>&1; }
    show() { mandoc -T ascii "$1" | sed 's/.\x08//g'; }
else
    skip "neither groff nor mandoc is installed"
fi

pages=0
for page in "$work"/*.1; do
    pages=$((pages + 1))
    said=$(lint "$page")
    [ -z "$said" ] || complain "${page##*/}: $said"
done
[ "$pages" -ge 8 ] || complain "only $pages pages"

# The commands that --help lists, and all options of their own help.
while read -r name; do
    page=$work/aerostat-${name// /-}.1
    [ -f "$page" ] || { complain "no page for $name"; continue; }
    text=$(show "$page")
    # shellcheck disable=SC2086  # a command of one or two words
    for option in $("$aerostat" $name --help | sed -nE 's/^  (-., )?(--[a-z-]+).*/\2/p'); do
        grep -qF -- "$option" <<<"$text" || complain "${page##*/} lacks $option"
    done
    grep -qF "aerostat-${name// /-}(1)" <<<"$(show "$work/aerostat.1")" || complain "aerostat.1 lacks $name"
done < <("$aerostat" --help | sed -nE '/^First/q; s/^  ([a-z]+( [a-z]+)?)(  .*|$)/\1/p')

# The check itself: a page with an unknown request is complained of.
printf '.TH X 1 "" "" ""\n.SH NAME\nx \\- y\n.nonsense\n' >"$work/bad"
[ -n "$(lint "$work/bad")" ] || complain "a bad page is not noticed"
[ $bad -eq 0 ] && echo "$pages pages are well"
exit $bad
