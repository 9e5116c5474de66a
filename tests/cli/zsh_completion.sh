#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# zsh takes the completion script, in a terminal of its own, and completes with it: zsh_completion.sh AEROSTAT
set -u
# shellcheck source=tools/common.sh
. "$(dirname "$0")/../../tools/common.sh"

aerostat=$(realpath "$1")
command -v zsh >/dev/null || skip "zsh is not installed"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$aerostat" completion zsh >"$work/_aerostat" || die "no script"
zsh -n "$work/_aerostat" || die "zsh does not take the script"

# Types words and a tab into an interactive zsh, and prints what it shows.
cat >"$work/drive" <<'END'
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1=; fpath=($1 \$fpath); autoload -U compinit; compinit -u -D; zstyle ':completion:*' verbose no; echo rea''dy"
zpty -r -m z text '*ready*' || exit 1
zpty -w -n z "$2"$'\t\t'
sleep 1
while zpty -r -t z text; do print -r -- $text; done
zpty -d z
END
bad=0
expect() {
    local want=$1 got
    got=$(timeout 20 zsh -f "$work/drive" "$work" "$2" 2>/dev/null | tr -d '\a')
    grep -qF -- "$want" <<<"$got" && return
    printf '"%s": "%s" is not in: %s\n' "$2" "$want" "$got"
    bad=1
}
expect 'doctor' 'aerostat doc'
expect 'hugetlb-2m' 'aerostat run --backing hu'
expect '--scatter-gather' 'aerostat run --scat'
expect 'status' 'aerostat balloon hint web-1 stat'
[ $bad -eq 0 ] && echo "zsh completes commands, options and values"
exit $bad
