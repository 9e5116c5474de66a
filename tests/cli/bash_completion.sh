#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Completion in bash: bash_completion.sh AEROSTAT
set -u
# shellcheck source=tools/common.sh
. "$(dirname "$0")/../../tools/common.sh"

aerostat=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
touch vm.json kernel

# A program that knows two machines.
cat >"$work/aerostat" <<'END'
#!/bin/sh
[ "$*" = "ps --names" ] && printf 'web-1\nweb-2\n'
END
chmod +x "$work/aerostat"

"$aerostat" completion bash >"$work/script" || die "no script"
# shellcheck disable=SC1091
. "$work/script" || die "bash does not take the script"
bad=0

# complete_words WORD...: what is proposed for the last one.
complete_words() {
    COMP_WORDS=("$work/aerostat" "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _aerostat
    local IFS=' '
    echo "${COMPREPLY[*]}"
}

# expect PROPOSALS WORD...
expect() {
    local want=$1 got
    shift
    got=$(complete_words "$@")
    [ "$got" = "$want" ] && return
    echo "aerostat $*: proposes \"$got\", not \"$want\""
    bad=1
}

# expect_some PROPOSAL WORD...: it is among others.
expect_some() {
    local want=$1
    shift
    [[ " $(complete_words "$@") " == *" $want "* ]] && return
    echo "aerostat $*: does not propose $want"
    bad=1
}

expect 'run' ru
expect 'balloon' ba
expect '--help --version' --
expect_some doctor ''
expect 'set show' balloon s
expect '--backing --balloon' run --ba
expect '4k thp hugetlb-2m' run --backing ''
expect 'thp' run --backing t
expect 'thp' run --mem 1G --backing = t
expect 'hugetlb-2m' run --backing = hu
expect '' run --mem ''
expect 'vm.json' run --config v
expect 'kernel' run --kernel = k
expect 'web-1 web-2' balloon hint ''
expect 'start stop status' balloon hint web-1 ''
expect 'status' balloon hint web-1 stat
expect 'status' balloon hint web-1 --api-sock = x stat
expect '' balloon hint web-1 start st
expect 'bash zsh' completion ''
expect_some balloon help ''
expect '--help' version -
expect '' nonsense ''
if grep -q "'stop " script; then
    expect 'web-1 web-2' stop w
    expect 'web-2' stop web-1 web-2
fi
# Every command of the help is proposed.
for name in $("$aerostat" --help | sed -nE '/^First/q; s/^  ([a-z]+)( [a-z]+)?(  .*|$)/\1/p'); do
    expect_some "$name" ''
done
grep -q manual script && { echo "a hidden command is proposed"; bad=1; }
[ $bad -eq 0 ] && echo "bash completes commands, options, values and files"
exit $bad
