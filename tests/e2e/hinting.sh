# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2317  # functions are called through within
# Free page hinting: on a command the guest names its free pages, and those that it did not write since go to the host.
# shellcheck source=tests/e2e/lib.sh
. "$LAB/lib.sh"
scenario=hinting

kept_mib=128
case $GROUND in
nested) mem_mib=512 used_mib=192 ;;
*) mem_mib=1024 used_mib=512 ;;
esac

guest_is_through() { look && [ "$(shown hint_guest_cmd)" = 0 ]; }
hint_host_cmd_is() { look && [ "$(shown hint_host_cmd)" = "$1" ]; }

# One round under command N: begins, and waits until the guest has hinted all it can.
hint() { # DRIVER N ACKNOWLEDGE
    ask 60 "touch $used_mib" && look || return
    before=$(blocks_mib)
    expect 204 PATCH /balloon/hinting/start "{\"acknowledge_on_stop\":$3}" || return
    if ! within 60 guest_is_through; then
        look
        fail "$1: command $2 is at $(shown hint_guest_cmd) in the guest, $(shown hint_bytes) bytes; $(last_words)"
        return 1
    fi
    if [ "$3" = true ]; then
        within 20 hint_host_cmd_is 1 || fail "$1: command $(shown hint_host_cmd), wanted DONE"
    else
        assert_eq "$1: command that the host leaves in force" "$(shown hint_host_cmd)" "$2"
        expect 204 PATCH /balloon/hinting/stop
        within 20 hint_host_cmd_is 1 || fail "$1: command $(shown hint_host_cmd) after the stop, wanted DONE"
    fi
    note "$1: $(($(shown hint_bytes) >> 20)) MiB hinted, host blocks $before -> $(blocks_mib) MiB, $(
        shown hint_frozen_ns) ns frozen, $(($(shown kept_written_bytes) >> 20)) MiB kept since written"
}

round() { # DRIVER N ACKNOWLEDGE
    hint "$1" "$2" "$3" || return
    assert_ge "$1: MiB that the host got back" $((before - $(blocks_mib))) $((used_mib * 2 / 3))
    ask 60 verify && ask 60 "touch $used_mib" && ask 60 verify
}

check_driver() { # DRIVER
    vm_start "hint-$1" "$1" --mem ${mem_mib}M --cpus 2 --balloon 0M --free-page-hinting || return
    look && assert_bits "$1: features" "$(shown features)" $F_HINT "$((F_OPTIONAL & ~F_HINT))"
    expect 200 GET /balloon/hinting/status && note "$1: $body"
    ask 60 "fill $kept_mib" && round "$1" 2 false && round "$1" 3 true || return
    # A command that is taken back at once leaves nothing undone.
    expect 204 PATCH /balloon/hinting/start
    expect 204 PATCH /balloon/hinting/stop
    balloon 64 60 && ask 60 verify && balloon 0 60 || return
    assert_eq "$1: bad items" "$(shown bad_request)" 0
    ask 30 unload || return
    expect 400 PATCH /balloon/hinting/start
    vm_stop
}

# A kernel that clears each page it allocates writes to what it hints; the device cannot know that nobody needs the zeros.
check_written() { # DRIVER
    # The last of the same parameters counts.
    local CMDLINE="$CMDLINE init_on_alloc=1"
    vm_start "written-$1" "$1" --mem ${mem_mib}M --cpus 2 --balloon 0M --free-page-hinting || return
    hint "$1" 2 true || return
    assert_ge "$1: MiB kept, since they were written" $(($(shown kept_written_bytes) >> 20)) $((used_mib / 2))
    vm_stop
}

for driver in stock sg; do
    check_driver $driver
    [ -z "$vm_pid" ] || vm_kill
done
check_written stock
[ -z "$vm_pid" ] || vm_kill

if vm_start off stock --mem 256M --cpus 1 --balloon 0M; then
    expect 400 PATCH /balloon/hinting/start
    expect 400 GET /balloon/hinting/status
    vm_stop
fi
finish
