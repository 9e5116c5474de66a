# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034  # used by those who source it
# What the scripts of this folder share; sourced by them.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${AEROSTAT_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/aerostat}
# CTest and the scripts agree on it: a prerequisite is missing.
SKIPPED=77

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
    say "$*"
    exit 1
}
skip() {
    say "skipped: $*"
    exit "$SKIPPED"
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root for: $* (run as root, or install sudo)"
    fi
}

missing_packages() {
    local p
    for p in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || printf '%s\n' "$p"
    done
}

# Fetches the package lists, once a run of the calling script.
update_lists() {
    [ -z "${lists_are_fresh-}" ] || return 0
    as_root apt-get -q=2 -o DPkg::Lock::Timeout=120 update </dev/null >&2 && lists_are_fresh=1
}

# need_packages PACKAGE...: installs those that are not there; touches nothing when all are.
need_packages() {
    local missing log
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "no apt-get here; going on as if these were installed: $*"
        return 0
    fi
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    update_lists || say "apt-get update failed; trying with the lists at hand"
    log=$(mktemp)
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q=2 -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 \
        install --no-install-recommends "${missing[@]}" </dev/null >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "apt-get could not install: ${missing[*]}"
    fi
    rm -f "$log"
}

BUILD_PACKAGES=(gcc libc6-dev cmake ninja-build pkg-config libjansson-dev libmicrohttpd-dev)
GUEST_PACKAGES=(make gcc libc6-dev busybox-static cpio kmod xz-utils)
# For the bundled kernel, beside what its architecture needs; and for its initramfs.
KERNEL_PACKAGES=(make gcc libc6-dev flex bison bc patch xz-utils)
BUNDLED_PACKAGES=(gcc libc6-dev musl-tools cpio)
LAB_PACKAGES=(qemu-system-x86 busybox-static cpio)

# True where a stock kernel runs directly: hardware virtualization, and a /dev/kvm that opens.
has_stock_kvm() {
    grep -qwE 'vmx|svm' /proc/cpuinfo && kvm_opens
}

kvm_opens() {
    [ -c /dev/kvm ] && (exec 3<>/dev/kvm) 2>/dev/null
}

# build_preset PRESET [TARGET...]: configures once, builds quietly; on failure shows what the compiler said.
build_preset() {
    local preset=$1 dir=$top/build/$1 log
    shift
    log=$(mktemp)
    if ! { cmake --preset "$preset" -S "$top" -B "$dir" && cmake --build "$dir" -- "$@"; } >"$log" 2>&1; then
        grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking)|^-- ' "$log" | tail -n 60 >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}
