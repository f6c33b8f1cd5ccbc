#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The places for tracers: a txringd that is built with them has each that datapath/probe.h promises and no other, and
# the scripts of tools/trace use none that is not there.
#
# usage: probes.sh ROOT TXRINGD yes|no   whether txringd is built with them
set -uo pipefail
txringd=$(realpath "$2")
cd "$1" || exit 1
promised=$(sed -nE 's/^ \*   ([a-z_]+) +nic, .*/\1/p' datapath/probe.h | sort)
used=$(sed -nE 's/^usdt:\*:txring:([a-z_]+)$/\1/p' tools/trace/*.bt | sort -u)
bad=0
[ "$(wc -l <<<"$promised")" -ge 7 ] || {
	echo "datapath/probe.h: no table of probes is found"
	bad=1
}
missing=$(comm -13 <(echo "$promised") <(echo "$used"))
[ -n "$used" ] && [ -z "$missing" ] || {
	echo "tools/trace: unknown probes, or none: $missing"
	bad=1
}
[ $bad = 0 ] || exit 1
if [ "$3" != yes ] || ! command -v readelf >/dev/null; then
	echo "skipped: needs a build with sys/sdt.h (meson: usdt), and readelf"
	exit 77
fi
built=$(readelf -n "$txringd" | grep -A1 'Provider: txring$' | sed -nE 's/^ *Name: //p' | sort -u)
if [ "$built" != "$promised" ]; then
	echo "datapath/probe.h (<) and txringd (>) differ:"
	diff <(echo "$promised") <(echo "$built")
	exit 1
fi
