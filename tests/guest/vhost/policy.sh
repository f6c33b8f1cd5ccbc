#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: tests/net/run.sh policy.sh TXRINGD TXRINGCTL
# The vhost policy under a kernel that has vhost-net, before and after its module is loaded: exit status,
# log, and what txringctl says. Runs in tests/guest/vm. No guest and no frames here: see handover_test.c.
set -uo pipefail
txringd=$1
txringctl=$2
. "${BASH_SOURCE[0]%/*}/../../net/refusals.sh"
daemon=
trap leave EXIT
control=$scratch/control
tap=txring0
run=("$txringd" --socket-path "$scratch/socket")

# refuses TEXT... -- COMMAND...: as says, and no tap stays.
refuses()
{
	says "$@"
	! ip link show "$tap" >/dev/null 2>&1 || fail "$*: leaves a tap"
}

# start ARGUMENT...: a txringd on the tap that listens.
start()
{
	start_txringd "${run[@]}" --backend "tap:$tap" --control "$control" "$@" || fail "$*: does not come up"
}

logged()
{
	n=$((n + 1))
	[ "$(grep -cF -- "$2" "$scratch/log")" = "$1" ] || fail "the log has not '$2' $1 times"
}

# asks STATUS TEXT COMMAND...
asks()
{
	local want=$1 text=$2 status

	shift 2
	n=$((n + 1))
	"$txringctl" --control "$control" "$@" >"$scratch/out" 2>&1
	status=$?
	[ "$status" = "$want" ] || fail "$*: status $status, not $want"
	grep -qF -- "$text" "$scratch/out" || fail "$*: no word of '$text'"
}

# The daemon has it open.
has_vhost_net()
{
	[ -n "$(find "/proc/$daemon/fd" -lname /dev/vhost-net)" ]
}

stop()
{
	kill "$daemon"
	wait "$daemon" || fail "SIGTERM: status $?"
	daemon=
}

[ ! -e /dev/vhost-net ] || fail "vhost-net is there already"
why="/dev/vhost-net: No such file or directory"
refuses "--vhost require: $why" "modprobe vhost_net" -- "${run[@]}" --backend "tap:$tap" --vhost require
for policy in disable default; do
	reason=$why
	[ "$policy" = default ] || reason="--vhost disable"
	start --vhost "$policy"
	logged 1 "vhost: driver user: $reason"
	asks 0 "nic0: vhost $policy" show
	asks 0 "nic0: driver user: $reason" show
	asks 1 "nic0: driver user: $reason" vhost on
	[ "$policy" = default ] || stop
done

# The default one is still there: it takes the kernel's when that has come.
modprobe vhost_net || fail "modprobe"
asks 0 "nic0: driver user: no driver uses it" vhost on
has_vhost_net || fail "vhost-net was not opened"
stop

for policy in default require; do
	start --vhost "$policy"
	logged 0 "driver user"
	asks 0 "nic0: vhost $policy" show
	asks 0 "nic0: driver user: no driver uses it" show
	asks 0 "nic0: driver user: vhost off was asked for" vhost off
	asks 0 "nic0: driver user: no driver uses it" vhost on
	stop
done
start --vhost disable
logged 1 "vhost: driver user: --vhost disable"
! has_vhost_net || fail "--vhost disable opens it"
asks 1 "--vhost disable" vhost on
stop

# Open already; one for each pair; one that is none.
exec 7<>/dev/vhost-net 8<>/dev/vhost-net 9</dev/null
start --vhost require --queues 2 --vhost-fd 7,8
asks 0 "nic0: pair 1: driver user: no driver uses it" show
stop
refuses "fd 9" -- "${run[@]}" --backend "tap:$tap" --vhost require --vhost-fd 9
start --vhost-fd 9
logged 1 "vhost: driver user: fd 9"
stop
refuses "backend null is no tap" -- "${run[@]}" --backend null --vhost require

echo "$n checks"
exit "$bad"
