# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2317  # functions are called through within
# The kernel's own driver with the main combinations of optional features, which decide how the queues are numbered: it
# finds its queues, inflates and deflates, and each feature's queue works.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=combos

guest_is_through() { look && [ "$(shown hint_guest_cmd)" = 0 ]; }

# combo NAME FEATURES OPTION...
combo() {
    local name=$1 wanted=$2
    shift 2
    vm_start "$name" stock --mem 256M --cpus 1 --balloon 0M "$@" || return
    balloon 64 60 && balloon 0 60 || return
    assert_eq "$name: form" "$(shown form)" pfn
    assert_bits "$name: features" "$(shown features)" "$wanted" $((F_OPTIONAL & ~wanted))
    assert_eq "$name: bytes by inflate queue" "$(shown inflate_bytes)" $((64 << 20))
    assert_eq "$name: bytes by deflate queue" "$(shown deflate_bytes)" $((64 << 20))
    [ $((wanted & F_STATS)) -eq 0 ] || until_shown 20 reports -ge 2
    [ $((wanted & F_REPORTING)) -eq 0 ] || until_shown 30 report_bytes -ge $((16 << 20))
    if [ $((wanted & F_HINT)) -ne 0 ]; then
        expect 204 PATCH /balloon/hinting/start
        within 30 guest_is_through || fail "$name: the guest did not get through its hints"
        assert_ge "$name: bytes hinted" "$(shown hint_bytes)" $((16 << 20))
    fi
    assert_eq "$name: bad items, chains, rings" "$(shown bad_request) $(shown bad_chain) $(shown bad_ring)" "0 0 0"
    vm_stop
}

run() { # as combo
    combo "$@"
    [ -z "$vm_pid" ] || vm_kill
}

stats='--stats-interval 1' hinting=--free-page-hinting reporting=--free-page-reporting
# shellcheck disable=SC2086  # two words in $stats
{
    run none 0
    run stats $F_STATS $stats
    run reporting $F_REPORTING $reporting
    run hinting $F_HINT $hinting
    run three $((F_STATS | F_HINT | F_REPORTING)) $stats $hinting $reporting
    CMDLINE="$CMDLINE init_on_free=1"
    run every $((F_OPTIONAL | F_MUST_TELL_HOST)) $stats $hinting $reporting --deflate-on-oom --page-poison on
}
finish
