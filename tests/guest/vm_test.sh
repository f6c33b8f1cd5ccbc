#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/guest/vm: what a command writes and how it ends comes out unchanged, what it does to the file
# system does not, and each way of failing has its status. Not what is done with it.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail()
{
	echo "failed: $*" >&2
	tail -c 2000 "$scratch/err" >&2
	exit 1
}

# expect STATUS ARGUMENT...
expect()
{
	local want=$1 status

	shift
	"$here/vm" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
	status=$?
	[ $status -ne 77 ] || { cat "$scratch/err" >&2 && exit 77; }
	[ $status -eq "$want" ] || fail "vm $*: status $status, not $want"
}

# says TEXT: on standard error, and nothing else
says()
{
	[ "$(cat "$scratch/err")" = "$1" ] || fail "standard error is not \"$1\""
}

head -c 1500000 /dev/urandom >"$scratch/file"
cp "$scratch/file" "$scratch/copy"
export VM_TEST='two
lines'
# The scratch folder is $0 of what the guest runs.
# shellcheck disable=SC2016
expect 137 --module vhost_net --module tun --timeout 200 -- bash -c '
	set -e
	cd "$0"
	cat file
	echo "one line" >/dev/stderr
	[ -c /dev/vhost-net ] && [ -c /dev/net/tun ]
	[ "$VM_TEST" = "two
lines" ]
	[ ! -s /dev/stdin ] && read -r || true
	echo changed >file
	echo more >another
	sleep 1000 &
	kill -KILL $$' "$scratch"
cmp -s "$scratch/out" "$scratch/copy" || fail "standard output is another"
says "one line"
cmp -s "$scratch/file" "$scratch/copy" || fail "a file was changed"
[ ! -e "$scratch/another" ] || fail "a file was made"

expect 125 --timeout 200 --module no_such_module -- true
grep -q "no_such_module" "$scratch/err" || fail "the module is not named"
expect 125 --timeout 200 -- sh -c 'echo c >/proc/sysrq-trigger'
grep -q "the guest died" "$scratch/err" || fail "its death is not told"
expect 124 --timeout 4 -- sleep 1000
says "vm: sleep 1000 took longer than 4 s"
expect 2 --mem lots -- true
expect 2 --module
expect 2
