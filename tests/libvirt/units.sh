#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: units.sh SOCKET-UNIT SERVICE-UNIT TXRINGD
# The units as systemd reads them: nothing in them is unknown to it or contradicts, and what it thinks of their
# privileges. It starts nothing.
set -euo pipefail

skip()
{
	echo "skipped: $*" >&2
	exit 77
}

fail()
{
	echo "failed: $*" >&2
	exit 1
}

command -v systemd-analyze >/dev/null || skip "systemd-analyze is missing: apt-get install systemd"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp "$1" "$scratch/txringd@.socket"
sed "s|^ExecStart=[^ ]*|ExecStart=$3|" "$2" >"$scratch/txringd@.service"
export SYSTEMD_UNIT_PATH=$scratch:/lib/systemd/system
said=$(timeout 60 systemd-analyze verify --man=no "$scratch/txringd@vm0.service" "$scratch/txringd@vm0.socket" 2>&1) ||
	fail "systemd-analyze verify: $said"
[ -z "$said" ] || fail "systemd-analyze verify: $said"
# Of 100, the less the better; 96 is a service without any of it.
said=$(timeout 60 systemd-analyze security --no-pager --offline=true --threshold=30 "$scratch/txringd@vm0.service" 2>&1) ||
	fail "$(tail -n 2 <<<"$said")"
tail -n 1 <<<"$said"
