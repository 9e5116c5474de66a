# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2034  # some variables are for the scenarios
# For scenarios: one microVM at a time, its agent on the serial console, its control socket, assertions. busybox sh.
#
# The environment is tools/lab's: AEROSTAT REQUEST KERNEL INITRD CMDLINE GROUND TUNABLE SEED WORK LAB. A scenario is
# sourced, ends with "finish", and its exit status is 0 only when no assertion failed.

scenario=scenario
failures=0
vm=
vm_pid=

# Deadlines are generous in the nested ground, where everything takes 10 to 50 times longer. A fault of the inner guest on a
# page that the host has yet to give takes 0.2 ms there: with pages of 2 MiB there are few.
case $GROUND in
nested) patience=10 backing=thp ;;
*) patience=1 backing=4k ;;
esac

now_ms() {
    local up
    read -r up _ </proc/uptime
    echo "${up%.*}${up#*.}0"
}

# note TEXT: progress for people.
note() {
    printf '%s: %s\n' "$scenario" "$*"
}

fail() {
    failures=$((failures + 1))
    note "FAILED: $*"
}

# assert_ge NAME VALUE BOUND, and so on: integers.
assert_ge() { if [ "${2:--1}" -ge "$3" ]; then note "ok: $1 is $2 (at least $3)"; else fail "$1 is ${2:-missing}, wanted at least $3"; fi; }
assert_le() { if [ -n "$2" ] && [ "$2" -le "$3" ]; then note "ok: $1 is $2 (at most $3)"; else fail "$1 is ${2:-missing}, wanted at most $3"; fi; }
assert_eq() { if [ "$2" = "$3" ]; then note "ok: $1 is $2"; else fail "$1 is ${2:-missing}, wanted $3"; fi; }

assert_lt() { if [ -n "$2" ] && [ "$2" -lt "$3" ]; then note "ok: $1 is $2 (below $3)"; else fail "$1 is ${2:-missing}, wanted below $3"; fi; }
# assert_bits NAME VALUE SET CLEAR: a feature word, which bits must be in it, and which must not.
assert_bits() {
    if [ $((${2:-0} & $3)) -eq "$3" ] && [ $((${2:-0} & $4)) -eq 0 ]; then
        note "ok: $1 are $2"
    else
        fail "$1 are ${2:-missing}, wanted all of $3 and none of $4"
    fi
}

# Feature bits (virtio 1.2, 5.5.3; 63 is ours).
F_MUST_TELL_HOST=1 F_STATS=2 F_DEFLATE_ON_OOM=4 F_HINT=8 F_POISON=16 F_REPORTING=32
# Those that are offered only where they are asked for.
F_OPTIONAL=62

# Sets random to a number below N. The same numbers for the same SEED.
random_state=$((SEED & 0x7fffffff))
random_below() { # N
    random_state=$(((random_state * 1103515245 + 12345) & 0x7fffffff))
    random=$(((random_state >> 8) % $1))
}
# A pause of up to so many milliseconds. In the nested ground each process that is started costs a tenth of a second.
random_pause() { # MILLISECONDS
    random_below "$1"
    case $random in
    ?) sleep 0.00$random ;;
    ??) sleep 0.0$random ;;
    *) sleep 0.$random ;;
    esac
}

# within SECONDS COMMAND...: true as soon as COMMAND is, false when patience ends first.
within() {
    local deadline
    deadline=$(($(now_ms) + $1 * patience * 1000))
    shift
    until "$@"; do
        [ "$(now_ms)" -lt $deadline ] || return 1
        sleep 0.05
    done
}

# The agent's complete lines so far, without the terminal's carriage returns. A line still being written is left out.
agent_lines() {
    head -n "$(wc -l <"$WORK/$vm.out")" "$WORK/$vm.out" | tr -d '\r' | grep -a '^@ '
}
answers() { agent_lines | grep -cE '^@ (ok|error)'; }
is_ready() { agent_lines | grep -q '^@ ready'; }
answered_more_than() { [ "$(answers)" -gt "$1" ]; }
answered_or_gone() { answered_more_than "$1" || vm_gone; }
# A child that ended stays a zombie until it is waited for.
vm_gone() { ! grep -qs '^State:[[:space:]]*[^Z]' "/proc/$vm_pid/status"; }

# vm_start NAME DRIVER OPTION...: starts the monitor and waits for the agent. Returns non-zero, with a failure noted,
# when it does not come.
vm_start() {
    local driver=$2
    vm=$1
    shift 2
    vm_sock=$WORK/$vm.sock
    rm -f "$WORK/$vm".*
    mkfifo "$WORK/$vm.in"
    : >"$WORK/$vm.out"
    "$AEROSTAT" run --kernel "$KERNEL" --initrd "$INITRD" --cmdline "$CMDLINE aerostat.driver=$driver" \
        --backing $backing --api-sock "$vm_sock" "$@" <>"$WORK/$vm.in" >"$WORK/$vm.out" 2>"$WORK/$vm.err" &
    vm_pid=$!
    if ! within 20 vm_up_or_gone || ! is_ready; then
        fail "$vm: the guest's agent did not get ready; $(last_words)"
        vm_kill
        return 1
    fi
    note "$vm: $(agent_lines | grep -m 1 '^@ ready')"
}
vm_up_or_gone() { is_ready || vm_gone; }

# What is left of a microVM that disappoints.
last_words() {
    ! vm_gone || echo "the monitor has ended;"
    echo "the monitor said: $(tail -n 3 "$WORK/$vm.err"); the console ends with: $(tail -n 12 "$WORK/$vm.out")"
}

# ask SECONDS COMMAND: sends the agent a command line; answer is its last line, facts all lines of the answer.
ask() {
    local before lines
    before=$(answers)
    lines=$(agent_lines | wc -l)
    printf '%s\n' "$2" >"$WORK/$vm.in"
    if ! within "$1" answered_or_gone "$before" || ! answered_more_than "$before"; then
        answer=
        facts=
        fail "$vm: no answer to \"$2\" in $(($1 * patience)) s; $(last_words)"
        return 1
    fi
    facts=$(agent_lines | tail -n +$((lines + 1)))
    answer=$(printf '%s\n' "$facts" | grep -m 1 -E '^@ (ok|error)')
    case $answer in
    '@ ok'*) return 0 ;;
    esac
    fail "$vm: \"$2\" was answered \"$answer\""
    return 1
}

# fact KEY: the number behind KEY= in the last answer.
fact() { printf '%s\n' "$facts" | tr ' ' '\n' | sed -n "s/^$1=//p" | tail -n 1; }
# The same of what the agent said when it got ready.
ready_fact() { agent_lines | grep -m 1 '^@ ready' | tr ' ' '\n' | sed -n "s/^$1=//p"; }

# One look at the balloon; then shown KEY is a figure of it.
look() { "$AEROSTAT" balloon show --api-sock "$vm_sock" >"$WORK/$vm.show" 2>"$WORK/$vm.show.err"; }
shown() { awk -v key="$1" '$1 == key { print $2; exit }' "$WORK/$vm.show"; }

blocks_mib() { echo $(($(shown ram_allocated_bytes) >> 20)); }

# until_shown SECONDS KEY TEST VALUE: waits for a figure of the balloon, as in: until_shown 10 reports -ge 3.
shown_is() { look && test "$(shown "$1")" "$2" "$3"; }
until_shown() {
    within "$1" shown_is "$2" "$3" "$4" && return 0
    fail "$vm: $2 is still $(shown "$2") after $(($1 * patience)) s, wanted $3 $4; $(last_words)"
    return 1
}

# request METHOD PATH [BODY]: on the control socket; sets status (of HTTP) and took_ms, and body to the answer.
request() {
    local begin
    begin=$(now_ms)
    "$REQUEST" "$vm_sock" "$@" >"$WORK/$vm.reply" 2>&1
    took_ms=$(($(now_ms) - begin))
    status=$(head -n 1 "$WORK/$vm.reply")
    body=$(tail -n +2 "$WORK/$vm.reply")
}

# expect STATUS METHOD PATH [BODY]: a request, and how it has to be answered.
expect() {
    local wanted=$1
    shift
    request "$@"
    [ "$status" = "$wanted" ] && return 0
    fail "$vm: $* was answered $status $body, wanted $wanted"
    return 1
}

# set_target MIB: without waiting for the guest, and with one process.
set_target() {
    "$REQUEST" "$vm_sock" PATCH /balloon "{\"amount_mib\":$1}" >"$WORK/$vm.reply" 2>&1
    read -r status <"$WORK/$vm.reply"
    [ "$status" = 204 ] && return 0
    fail "$vm: a target of $1 MiB was answered $(cat "$WORK/$vm.reply")"
    return 1
}

# Whether the driver and the device counted the same of each queue. Sets driver_counts and device_counts; facts has the rest.
counts_agree() {
    ask 20 balloon_stats && look || return
    driver_counts="$(fact inflate_chains) $(fact inflate_descriptors) $(fact inflate_pages)"
    driver_counts="$driver_counts, $(fact deflate_chains) $(fact deflate_descriptors) $(fact deflate_pages)"
    driver_counts="$driver_counts, $(fact report_chains) $(fact report_pages)"
    device_counts="$(shown inflate_chains) $(shown inflate_descriptors) $(($(shown inflate_bytes) / 4096))"
    device_counts="$device_counts, $(shown deflate_chains) $(shown deflate_descriptors) $(($(shown deflate_bytes) / 4096))"
    device_counts="$device_counts, $(shown report_chains) $(($(shown report_bytes) / 4096))"
    [ "$driver_counts" = "$device_counts" ]
}

# Whether the host gives guests pages of 2 MiB.
huge_pages_allowed() {
    grep -qE '\[(always|within_size|advise|force)\]' /sys/kernel/mm/transparent_hugepage/shmem_enabled
}

# What the monitor itself uses: descriptors, its own memory in KiB (the guest's is shared), processor time in ticks of 10 ms.
# The monitor closes a client's connection some time after the client has gone: the fewest descriptors of a second count.
monitor_fds() {
    for _ in 1 2 3 4 5; do
        find "/proc/$vm_pid/fd" -type l | wc -l
        sleep 0.2
    done | sort -n | head -n 1
}
monitor_kib() { awk '$1 == "RssAnon:" { print $2 }' "/proc/$vm_pid/status"; }
# Of the threads that are not vCPUs.
monitor_ticks() { cat "/proc/$vm_pid"/task/*/stat | grep -v '(vcpu' | sed 's/.*) //' | awk '{ n += $12 + $13 } END { print n + 0 }'; }

# balloon MIB SECONDS: sets the target and waits until the guest has followed.
balloon() {
    "$AEROSTAT" balloon set "${1}M" --api-sock "$vm_sock" --wait $(($2 * patience)) >"$WORK/$vm.set" 2>&1 && look && return 0
    look
    fail "$vm: the balloon did not reach $1 MiB (it is at $(shown actual_mib)): $(tail -n 1 "$WORK/$vm.set"); $(last_words)"
    return 1
}

vm_kill() {
    kill -KILL "$vm_pid" 2>/dev/null
    wait "$vm_pid" 2>/dev/null
    vm_pid=
}

# vm_ends SECONDS STATUS: the monitor ends by itself with STATUS and leaves nothing behind.
vm_ends() {
    local status
    if ! within "$1" vm_gone; then
        fail "$vm: the monitor still runs after $(($1 * patience)) s"
        vm_kill
        return 1
    fi
    wait "$vm_pid"
    status=$?
    vm_pid=
    assert_eq "$vm: exit status of the monitor" $status "$2"
    [ ! -e "$vm_sock" ] || fail "$vm: the control socket was left behind"
}

# vm_stop: switches the guest off the clean way.
vm_stop() {
    printf 'poweroff\n' >"$WORK/$vm.in"
    vm_ends 10 0
}

# What the scenario needs is not here. Ends it.
skip_scenario() {
    note "skipped: $*"
    exit 77
}

# Whatever happened, no monitor stays. Ends the scenario with its verdict.
finish() {
    [ -z "$vm_pid" ] || vm_kill
    if [ $failures -eq 0 ]; then
        note "passed"
    else
        note "$failures assertions failed"
    fi
    exit $((failures > 0))
}
trap '[ -z "$vm_pid" ] || vm_kill' EXIT
