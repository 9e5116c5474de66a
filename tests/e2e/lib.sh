# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2034  # some variables are for the scenarios
# For scenarios: one microVM at a time, its agent on the serial console, its control socket, assertions. busybox sh.
#
# The environment is tools/lab's: AEROSTAT KERNEL INITRD CMDLINE GROUND WORK LAB. A scenario is sourced, ends with
# "finish", and its exit status is 0 only when no assertion failed.

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
