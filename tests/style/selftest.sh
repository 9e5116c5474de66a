#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Feeds check.sh a small good tree, then one fault at a time, and sees exactly the rule it breaks fire.
set -u

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
spdx='/* SPDX-License-Identifier: Apache-2.0 */'

good_tree() {
    cd "$work" || exit 1
    rm -rf "$work/tree"
    mkdir -p "$work/tree"/{vmm/base,vmm/kvm,memory,tests/style,devices}
    cd "$work/tree" || exit 1
    cp "$here/../../.clang-format" .
    printf '%s\n' "$spdx" '#include "memory/gm.h"' '#include "memory/gm_priv.h"' '#include "vmm/base/err.h"' '' \
        'int gm_f(void)' '{' '    return 0;' '}' >memory/gm.c
    printf '%s\n' "$spdx" '/* Several' ' * lines. */' 'int gm_f(void);' 'int gm_g(int a_parameter_whose_name_is_so_long_that_the_next_one_needs,' '         int a_line_of_its_own_below_it);' '' \
        'struct s {' '    int (*fn)(void);' '};' '' 'static inline int gm_h(void)' '{' '    return 0;' '}' '' \
        'typedef void (*gm_fn)(int);' '_Static_assert(sizeof(struct s) == 8, "size");' \
        >memory/gm.h
    printf '%s\n' "$spdx" 'int gm_hidden(void);' >memory/gm_priv.h
    printf '%s\n' "$spdx" '' '/* Says something. */' 'int err_f(void) __attribute__((format(printf, 1, 2)));' \
        >vmm/base/err.h
    printf '%s\n' "$spdx" '#include <linux/kvm.h>' >vmm/kvm/vm.c
}

# expect RULE STATUS TEXT: check.sh RULE ends with STATUS and, where TEXT is given, prints it.
expect() {
    local rule=$1 want=$2 text=${3-} out got
    out=$("$here/check.sh" --root "$work/tree" "$rule" 2>&1)
    got=$?
    if [ "$got" -eq 77 ]; then
        echo "$rule: $out"
        return
    fi
    if [ "$got" -ne "$want" ] || { [ -n "$text" ] && ! grep -qF -- "$text" <<<"$out"; }; then
        printf 'FAILED: %s: status %s, wanted %s and "%s"; it printed:\n%s\n' "$rule" "$got" "$want" "$text" "$out"
        failures=$((failures + 1))
    fi
}

# fault RULE TEXT FILE LINE...: the lines, appended to FILE of a good tree, break RULE.
fault() {
    local rule=$1 text=$2 file=$3
    shift 3
    good_tree
    mkdir -p "$(dirname "$file")"
    printf '%s\n' "$@" >>"$file"
    expect "$rule" 1 "$text"
}

repeat() { # COUNT LINE
    local i
    for ((i = 0; i < $1; i++)); do printf '%s\n' "$2"; done
}

good_tree
for rule in $("$here/check.sh" --list); do
    expect "$rule" 0 "$rule: holds"
done

fault layers 'vmm/base may not include memory/gm.h' vmm/base/err.c "$spdx" '#include "memory/gm.h"'
fault layers 'memory/gm_priv.h is private' vmm/kvm/vm.c '#include "memory/gm_priv.h"'
fault layers '<linux/kvm.h> may be included only by vmm/kvm' memory/gm.c '#include <linux/kvm.h>'
fault layers 'no line of' vmm/newcomer/n.c "$spdx"
fault layers '"gm.h" is not a file' memory/gm.c '#include "gm.h"'
fault file-length '501 lines' memory/long.c "$(repeat 501 '/* x */')"
fault function-length 'long_one() has 61 lines' memory/long.c 'static int long_one(int a)' '{' "$(repeat 61 '    a++;')" '}'
fault spdx 'memory/bare.c:1' memory/bare.c '/* Nothing. */'
fault spdx 'bare.md:1' bare.md 'Nothing.'
fault contracts 'gm.h:20: no contract comment above gm_bare()' memory/gm.h '' 'int gm_bare(void);'
fault contracts 'above gm_gap()' memory/gm.h '/* A comment that is not directly above. */' '' 'int gm_gap(void);'
fault contracts 'above gm_after()' memory/gm.h '/* Of the type. */' 'struct t {' '    int x;' '};' 'int gm_after(int a,' '    int b);'
fault words 'gm.c:10' memory/gm.c "/* TO""DO: later */"
fault words 'gm.c:10' memory/gm.c "/* see ../shar""ed/x */"
fault format 'memory/gm.c:10' memory/gm.c 'int  gm_ugly( void );'
fault shellcheck 'SC2086' tool.sh '#!/bin/sh' 'rm '"\$1"

"$here/check.sh" --root "$work/tree" no-such-rule >/dev/null 2>&1
[ $? -eq 2 ] || { echo 'FAILED: an unknown rule is not a usage error'; failures=$((failures + 1)); }

[ $failures -eq 0 ] && echo "style self-test: every rule fires on its fault and only there"
exit $((failures > 0))
