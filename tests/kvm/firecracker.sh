#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The program under the name firecracker: firecracker.sh MONITOR REQUEST PAYLOADS
set -u
monitor=$1 request=$2 payloads=$3
if ! [ -w /dev/kvm ]; then
    echo "skipped: /dev/kvm cannot be opened"
    exit 77
fi
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
ln -s "$monitor" firecracker
failures=0

fail() {
    failures=$((failures + 1))
    echo "FAILED: $*"
}
# refused STATUS SENTENCE ARGUMENT...
refused() {
    wanted=$1 sentence=$2
    shift 2
    ./firecracker "$@" >out 2>err </dev/null
    status=$?
    [ $status -eq "$wanted" ] || fail "$*: exit status $status, wanted $wanted"
    grep -qF -e "$sentence" err || fail "$*: said $(cat err), wanted $sentence"
}
# answered STATUS METHOD PATH [BODY]
answered() {
    wanted=$1
    shift
    "$request" s.sock "$@" >reply 2>&1
    [ "$(head -n 1 reply)" = "$wanted" ] || fail "$*: $(cat reply), wanted $wanted"
}
# within 10 s: COMMAND...
await() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { fail "not within 10 s: $*"; return 1; }
        sleep 0.1
    done
}
ended_with() { # STATUS
    wait $!
    status=$?
    [ $status -eq "$1" ] || fail "the monitor ended with $status, wanted $1: $(cat err)"
    [ ! -e s.sock ] || fail "the socket was left behind"
}

# What tools ask first.
[ "$(./firecracker --version | head -n 1)" = "Firecracker v1.14.0" ] || fail "version: $(./firecracker --version)"
./firecracker --help | grep -q -e '--config-file' || fail "help: $(./firecracker --help)"

refused 153 'unknown or ambiguous option --nothing' --nothing
refused 153 '--api-sock needs a value' --api-sock
refused 153 '--no-api needs --config-file' --no-api
refused 153 '--id: "a b" is not 1 to 64 letters' --id 'a b'
refused 153 '--id: "" is not 1 to 64 letters' --id ''
refused 153 '--level: "Loud" is not one of' --level Loud
refused 153 '--http-api-max-payload-size: 0 is below the minimum of 1' --http-api-max-payload-size 0
refused 153 '--start-time-us: "-1" is not a whole number' --start-time-us=-1
for option in --seccomp-filter=f --metadata=f --enable-pci --snapshot-version --describe-snapshot=f --module=m; do
    refused 153 "${option%%=*}: not supported by this version of Aerostat" "$option"
done
refused 152 'nothing.json: cannot be opened' --no-api --config-file nothing.json
echo '{"machine-config":{"vcpu_count":1,"mem_size_mib":64}}' >kernelless.json
refused 152 'no kernel' --no-api --config-file kernelless.json
: >taken
refused 1 'taken' --api-sock taken
refused 1 '/nowhere/log' --api-sock s.sock --log-path /nowhere/log

# A machine from a file starts at once, with all that the command line adds.
cat >vm.json <<END
{"boot-source": {"kernel_image_path": "$payloads/payload_boot_timer", "boot_args": "x"}, "drives": [],
 "machine-config": {"vcpu_count": 1, "mem_size_mib": 64}}
END
./firecracker --no-api --config-file vm.json --id my-vm --log-path log --level info --show-level --show-log-origin \
    --metrics-path metrics --boot-timer --no-seccomp </dev/null >out 2>err &
ended_with 0
[ "$(tr -d '\r' <out)" = "not yet
read=0
done" ] || fail "the guest said $(cat out)"
[ "$(grep -c 'my-vm:vcpu0:INFO:vmm/machine/boot_timer.c:[0-9]*\] Guest-boot-time = *[0-9]* us [0-9]* ms, *[0-9]* CPU us' log)" = 1 ] ||
    fail "the log: $(cat log)"
grep -q '^{"utc_timestamp_ms":' metrics || fail "the metrics: $(cat metrics)"
[ ! -s err ] || fail "on standard error: $(cat err)"

# Without a file it waits for its control socket.
./firecracker --api-sock s.sock --id waits --start-time-us 1 --start-time-cpu-us 2 --parent-cpu-time-us 3 \
    --http-api-max-payload-size 200 </dev/null >out 2>err &
await test -S s.sock
answered 200 GET /
grep -q '"id":"waits","state":"Not started"' reply || fail "the instance: $(cat reply)"
answered 413 PUT /machine-config "{$(printf '%200s' '')}"
answered 204 PUT /boot-source "{\"kernel_image_path\":\"$payloads/payload_sg\"}"
answered 204 PUT /machine-config '{"vcpu_count":2,"mem_size_mib":128}'
answered 204 PUT /balloon '{"amount_mib":16,"deflate_on_oom":false}'
answered 204 PUT /actions '{"action_type":"InstanceStart"}'
answered 400 PUT /actions '{"action_type":"InstanceStart"}'
answered 204 PATCH /balloon '{"amount_mib":32}'
answered 200 GET /
grep -q '"state":"Running"' reply || fail "the instance: $(cat reply)"
kill -TERM $!
ended_with 143

[ $failures -eq 0 ] && echo "all as it should be"
exit $((failures > 0))
