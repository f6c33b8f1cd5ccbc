#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: units.sh TXRINGD TXRINGCTL UNIT...
# The units as systemd reads them: nothing in them is unknown to it or contradicts, and what it thinks of their
# privileges. It starts nothing.
set -euo pipefail
txringd=$1
txringctl=$2
shift 2

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
units=()
for unit in "$@"; do
	name=${unit##*/}
	sed "s|^ExecStart=[^ ]*/txringd |ExecStart=$txringd |; s|^ExecStart=[^ ]*/txringctl |ExecStart=$txringctl |" "$unit" >"$scratch/$name"
	units+=("$scratch/${name/@./@vm0.}")
	! grep -nE '@[a-z]+@' "$scratch/$name" || fail "$name: a word was not filled in"
done
export SYSTEMD_UNIT_PATH=$scratch:/lib/systemd/system
said=$(timeout 60 systemd-analyze verify --man=no "${units[@]}" 2>&1) || fail "systemd-analyze verify: $said"
[ -z "$said" ] || fail "systemd-analyze verify: $said"
# Of 100, the less the better; 96 is a service without any of it.
for unit in "${units[@]}"; do
	[[ $unit = *.service ]] || continue
	said=$(timeout 60 systemd-analyze security --no-pager --offline=true --threshold=20 "$unit" 2>&1) ||
		fail "$(tail -n 2 <<<"$said")"
	tail -n 1 <<<"$said"
done
