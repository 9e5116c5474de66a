#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Linux takes every option that the fragments for aarch64 ask for, those that find faults included. Nothing is built, so that this
# costs seconds; what is for x86-64 alone is built for other tests.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tools/common.sh
. "$top/tools/common.sh"
packages=("${KERNEL_PACKAGES[@]}")
[ "$(uname -m)" = aarch64 ] || packages+=(gcc-aarch64-linux-gnu)
(need_packages "${packages[@]}") || skip "packages are missing: ${packages[*]}"

exec "$top/tools/build-kernel" --check --arch aarch64 --debug --fragment "$top/guest/kernel/kasan.config"
