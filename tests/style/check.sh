#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checks the rules of the tree that a compiler does not know: check.sh [--root DIR] [--list] [RULE...], all by default.
# Prints path:line: what is wrong. Exit status 0, 1 (a rule is broken), 2 (usage), 77 (a tool is not installed).
# shellcheck disable=SC2317  # the rules are called by computed names
set -u
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
max_file_lines=500
max_function_lines=60
rules=(layers file-length function-length spdx contracts words format shellcheck)

# Tracked files and those that git would add, below the given folders, one a line.
list_files() {
    local all
    if all=$(git -c safe.directory='*' -c core.quotePath=off ls-files -co --exclude-standard -- "$@" 2>/dev/null); then
        printf '%s\n' "$all" | sort -u | while IFS= read -r f; do
            [ -f "$f" ] && printf '%s\n' "$f"
        done
    else
        find "${@:-.}" -type f -not -path './.git/*' -not -path './build/*' | sed 's|^\./||' | sort
    fi
}

c_files() { list_files "$@" | grep -E '\.[ch]$'; }
scripts() {
    list_files | while IFS= read -r f; do
        case $f in tests/fuzz/corpus/*) continue ;; esac
        head -n 1 -- "$f" | grep -aqE '^#!.*[/ ](ba|da)?sh( |$)' && printf '%s\n' "$f"
    done
    list_files | grep -E '^tools/common\.sh$|^tests/e2e/.*\.sh$'
}

rule_layers() {
    local files
    mapfile -t files < <(c_files vmm memory devices)
    [ ${#files[@]} -eq 0 ] || awk -f "$here/layers.awk" "$layers" "${files[@]}"
}

# Files whose length a reader feels; generated tables and corpora are data.
rule_file_length() {
    local files
    mapfile -t files < <(list_files | grep -E '\.(c|h|S|sh|awk|cmake)$|CMakeLists\.txt$|^tools/')
    [ ${#files[@]} -eq 0 ] || awk -v max="$max_file_lines" '
        FNR == 1 { if (NR > 1) done_with(name, n); name = FILENAME }
        { n = FNR }
        function done_with(f, lines) {
            if (lines > max) { print f ":" lines ": " lines " lines, the bound is " max; bad = 1 }
        }
        END { done_with(name, n); exit bad }' "${files[@]}"
}

# A body opens and closes with a brace in column 0, as clang-format and the kernel style leave it.
rule_function_length() {
    local files
    mapfile -t files < <(c_files)
    [ ${#files[@]} -eq 0 ] || awk -v max="$max_function_lines" '
        FNR == 1 { start = 0 }
        /^[A-Za-z_].*\(/ && !start { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
        /^\{/ { start = FNR }
        /^\}/ {
            if (start && FNR - start - 1 > max) {
                print FILENAME ":" start ": " name "() has " FNR - start - 1 " lines, the bound is " max
                bad = 1
            }
            start = 0
        }
        END { exit bad }' "${files[@]}"
}

rule_spdx() {
    local f bad=0
    while IFS= read -r f; do
        case $f in LICENSE | LICENSES/* | *.json | tests/fuzz/corpus/*) continue ;; esac
        if ! head -n 3 -- "$f" | grep -aq 'SPDX-License-Identifier: '; then
            echo "$f:1: no SPDX-License-Identifier in the first three lines"
            bad=1
        fi
    done < <(list_files)
    return "$bad"
}

rule_contracts() {
    local files
    mapfile -t files < <(c_files vmm memory devices | grep '\.h$' | grep -v '_priv\.h$')
    [ ${#files[@]} -eq 0 ] || awk -f "$here/contracts.awk" "${files[@]}"
}

# The words are written so that this file does not match itself.
rule_words() {
    local files
    mapfile -t files < <(list_files | grep -vE '^LICENSE$|^tests/fuzz/corpus/|^\.ci/run$')
    [ ${#files[@]} -eq 0 ] || ! grep -nIE '\b(TO[D]O|FIX[M]E|X[X]X|HAC[K])\b|\.\./share[d]' -- "${files[@]}" /dev/null
}

# The driver follows the kernel's style.
rule_format() {
    local files
    command -v clang-format >/dev/null || { echo "skipped: clang-format is not installed"; return 77; }
    mapfile -t files < <(c_files | grep -v '^guest/driver/')
    [ ${#files[@]} -eq 0 ] || clang-format --dry-run --Werror "${files[@]}" 2>&1 | awk '
        /^[^ ]+:[0-9]+:[0-9]+: error: / { split($0, at, ":"); if (!seen[at[1]]++) print at[1] ":" at[2] ": not as clang-format -i leaves it" }
        END { exit NR > 0 }'
}

rule_shellcheck() {
    local files
    command -v shellcheck >/dev/null || { echo "skipped: shellcheck is not installed"; return 77; }
    mapfile -t files < <(scripts | sort -u)
    # SC1091: a sourced file that is not there is no concern of the sourcing one's style.
    [ ${#files[@]} -eq 0 ] || shellcheck -x -e SC1091 -- "${files[@]}"
}

chosen=()
while [ $# -gt 0 ]; do
    case $1 in
    --root) root=$(cd "${2:?--root needs a folder}" && pwd) || exit 2; shift ;;
    --list) printf '%s\n' "${rules[@]}"; exit 0 ;;
    *) chosen+=("$1") ;;
    esac
    shift
done
[ ${#chosen[@]} -gt 0 ] || chosen=("${rules[@]}")
layers=$root/tests/style/layers.txt
[ -f "$layers" ] || layers=$here/layers.txt
cd "$root" || exit 2

status=0
skipped=0
for rule in "${chosen[@]}"; do
    function=rule_${rule//-/_}
    declare -F "$function" >/dev/null || { echo "check.sh: no rule \"$rule\"; rules: ${rules[*]}" >&2; exit 2; }
    "$function"
    case $? in
    0) echo "$rule: holds" ;;
    77) skipped=1 ;;
    *) echo "$rule: BROKEN"; status=1 ;;
    esac
done
[ $status -ne 0 ] || [ $skipped -eq 0 ] || exit 77
exit $status
