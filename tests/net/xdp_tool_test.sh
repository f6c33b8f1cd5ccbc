#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: run.sh xdp_tool_test.sh TXRING_XDP XDP_RECEIVE TXRINGD
# txring-xdp: what a wrong command line gives; and what a command without privilege gets from it: sockets that it can
# bind, frames in them, and a program that is on the interface as long as the command runs, however that ends.
set -uo pipefail
. "${BASH_SOURCE[0]%/*}/refusals.sh"
command=
cleanup()
{
	[ -z "$command" ] || kill "$command" 2>/dev/null
	wait
	rm -rf "$scratch"
}
trap cleanup EXIT
chmod 755 "$scratch"
# Copies, which any user can reach.
install -m 755 "$1" "$scratch/txring-xdp"
install -m 755 "$2" "$scratch/receive"
tool=$scratch/txring-xdp

# Its peer has one queue, so all frames come to queue 0.
ip link add xv0 numrxqueues 2 numtxqueues 2 type veth peer name xv1 numrxqueues 1 numtxqueues 1 || exit 1
ip link set xv0 up
ip link set xv1 up

has_program()
{
	ip link show xv0 | grep -q 'prog/xdp'
}

has_none()
{
	! has_program
}

# refuses TEXT... -- ARGUMENT...: says_only, and no program stays.
refuses()
{
	local texts
	take_texts "$@"
	shift $((${#texts[@]} + 1))
	says_only "${texts[@]}" -- "$tool" "$@"
	has_none || fail "$*: leaves a program"
}

# without CAPABILITIES TEXT... -- ARGUMENT...: the same, of root without these.
without()
{
	local texts capabilities=$1
	shift
	take_texts "$@"
	shift $((${#texts[@]} + 1))
	says_only "${texts[@]}" -- setpriv --inh-caps=-all --bounding-set="$capabilities" "$tool" "$@"
	has_none || fail "$*: leaves a program"
}

refuses usage --help --
refuses usage -- xv0
refuses usage -- xv0 true {}
refuses usage -- xv0 --
refuses usage -- -- xv0
refuses "'--bogus'" --help -- xv0 --bogus -- true {}
refuses "'--user'" --help -- xv0 --user
refuses "{}" -- xv0 -- true
refuses "{}" -- xv0 -- true {
refuses "''" "1 to 15 characters" -- "" -- true {}
refuses "'a/b'" "1 to 15 characters" -- a/b -- true {}
refuses "'xv0,queues=0'" "queues '0'" "1 to 64" -- xv0,queues=0 -- true {}
refuses "queues '65'" "1 to 64" -- xv0,queues=65 -- true {}
refuses "start-queue 'x'" "0 to 65535" -- xv0,start-queue=x -- true {}
refuses "mode 'drv'" "native, skb or auto" -- xv0,mode=drv -- true {}
refuses share broadcast -- xv0,share -- true {}
refuses "unknown parameter 'copies'" start-queue -- xv0,copies=2 -- true {}
refuses "copy" "{}" -- xv0,copy=force -- true {}
refuses "xv9" -- xv9 -- true {}
refuses "'no-such-user'" -- xv0 --user no-such-user -- true {}
refuses "'$scratch/none'" "No such file" -- xv0 -- "$scratch/none" {}
without -net_raw CAP_NET_RAW -- xv0 -- true {}
without -net_admin,-sys_admin CAP_NET_ADMIN -- xv0 -- true {}
without -setuid "--user 'nobody'" -- xv0 --user nobody -- true {}

# Every place is filled in, and nothing else is touched.
"$tool" xv0,start-queue=1,mode=skb -- printf '<%s>' {} a{},copy=force{ 'b c' '' >"$scratch/out" 2>"$scratch/err" ||
	fail "a command: status $?"
spec='xdp-fd:[0-9]+,ifname=xv0,start-queue=1,mode=skb'
grep -qxE "<$spec><a$spec,copy=force\{><b c><>" "$scratch/out" || fail "its words"
[ ! -s "$scratch/err" ] || fail "it writes to stderr"
comes has_none || fail "a command that has ended leaves a program"
"$tool" xv0,queues=2 -- sh -c 'echo {}; exit 3' >"$scratch/out"
[ $? = 3 ] || fail "the command's status is lost"
grep -qE '^xdp-fd:[0-9]+,[0-9]+,ifname=xv0,start-queue=0,mode=native$' "$scratch/out" || fail "two sockets"

is_bound()
{
	grep -q bound "$scratch/log" || [ ! -e "/proc/$command" ]
}

# start USER MODE: a command that waits for a frame, as this user; "": as the one that txring-xdp has.
start()
{
	local user=$1 mode=$2
	: >"$scratch/log"
	"$tool" "xv0,mode=$mode" ${user:+--user "$user"} -- "$scratch/receive" {} some-words >"$scratch/log" 2>&1 &
	command=$!
	comes is_bound
	[ -e "/proc/$command" ] || fail "$mode, user '$user': it does not bind"
}

# The command is this user in all ways, has no capability and no way to one.
is_plain()
{
	local uid gids

	uid=$(id -u "$1")
	gids=$(id -G "$1")
	tr -s ' \t' ' ' <"/proc/$command/status" >"$scratch/status"
	grep -qx "Uid: $uid $uid $uid $uid" "$scratch/status" &&
		grep -qx "Gid: ${gids%% *} ${gids%% *} ${gids%% *} ${gids%% *}" "$scratch/status" &&
		grep -qx "Groups: $gids *" "$scratch/status" &&
		[ "$(grep -cE '^Cap(Inh|Prm|Eff|Amb): 0+$|^NoNewPrivs: 1$' "$scratch/status")" = 5 ]
}

mac=$(ip -o link show xv0 | sed 's/.*ether \([^ ]*\) .*/\1/')
ip address add 10.9.0.1/24 dev xv1
ip neighbour add 10.9.0.2 lladdr "$mac" dev xv1
for case in native: native:nobody skb:nobody skb:root; do
	mode=${case%:*}
	user=${case#*:}
	start "$user" "$mode"
	has_program || fail "$case: no program"
	ip -d link show xv0 | grep "promiscuity 1" >/dev/null || fail "$case: frames for the guest's MAC may not come"
	[ -z "$user" ] || is_plain "$user" || fail "$case: not this user alone, or with capabilities"
	echo some-words >/dev/udp/10.9.0.2/9
	wait "$command" || fail "$case: status $?"
	grep -qx "got some-words" "$scratch/log" || fail "$case: no frame"
	comes has_none || fail "$case: leaves a program"
	ip -d link show xv0 | grep "promiscuity 0" >/dev/null || fail "$case: leaves it promiscuous"
	start "$user" "$mode"
	kill -KILL "$command"
	wait "$command" 2>/dev/null
	command=
	comes has_none || fail "$case: SIGKILL leaves a program"
done

# A second one is told of the first, which goes on.
start "" native
says_only xv0 -- "$tool" xv0 -- true {}
has_program || fail "the first lost its program"
echo some-words >/dev/udp/10.9.0.2/9
wait "$command" || fail "the first: status $?"

# txringd takes them with one capability, in place of a larger RLIMIT_MEMLOCK.
command=
start_txringd "$tool" xv0,queues=2 -- setpriv --inh-caps=-all --bounding-set=-all,+ipc_lock "$3" \
	--socket-path "$scratch/socket" --queues 2 --backend {} || fail "txringd does not come up"
command=$daemon
grep -q "backend xdp xv0 (queues 0 to 1, passed in" "$scratch/log" || fail "txringd has other sockets"
has_program || fail "txringd: no program"
kill "$command"
wait "$command" || fail "SIGTERM: status $?"
command=
comes has_none || fail "txringd leaves a program"

for arg in --help --version; do
	"$tool" "$arg" >"$scratch/out" 2>"$scratch/err" || fail "$arg: status $?"
	[ -s "$scratch/out" ] && [ ! -s "$scratch/err" ] || fail "$arg: not on stdout"
done
"$tool" --help >"$scratch/out"
grep -q "queues=1" "$scratch/out" || fail "--help does not tell of queues"

echo "$n wrong command lines"
exit "$bad"
