#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: run.sh trace_test.sh TXRINGD TXBENCH SCRIPT
# The bpftrace script finds its probes in a running txringd, and tells of frames that are sent.
set -uo pipefail
txringd=$1
txbench=$2
script=$3
skip()
{
	echo "skipped: $1"
	exit 77
}
command -v bpftrace >/dev/null || skip "needs bpftrace"
scratch=$(mktemp -d)
daemon=
tracer=
cleanup()
{
	[ -z "$tracer" ] || kill -INT "$tracer" 2>/dev/null
	[ -z "$daemon" ] || kill "$daemon" 2>/dev/null
	wait
	rm -rf "$scratch"
}
trap cleanup EXIT

# until_says FILE TEXT: within 30 s.
until_says()
{
	for _ in {1..300}; do
		grep -q -- "$2" "$1" && return 0
		sleep 0.1
	done
	echo "no '$2' in ${1##*/}:"
	cat "$1"
	return 1
}

"$txringd" --socket-path "$scratch/socket" --backend null 2>"$scratch/log" &
daemon=$!
until_says "$scratch/log" listening || exit 1
bpftrace -p "$daemon" "$script" >"$scratch/trace" 2>&1 &
tracer=$!
until_says "$scratch/trace" 'Attaching [1-9]' || exit 1
if grep -q "No such file or directory" <(sleep 2; cat "$scratch/trace") ||
	! grep -qw uprobe_register /proc/kallsyms; then
	skip "needs a kernel with uprobes"
fi
timeout 60 "$txbench" run --socket-path "$scratch/socket" --wire none --state same-cpu --seconds 1 --warm-up 0.02 \
	--repeat 1 --no-syscalls >"$scratch/out" 2>&1 || {
	cat "$scratch/out"
	exit 1
}
kill -INT "$tracer"
wait "$tracer"
tracer=
for map in residence_us batch_frames frames kicks; do
	until_says "$scratch/trace" "@$map\\[" || exit 1
done
