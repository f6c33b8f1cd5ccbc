#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: run.sh xdp_cli_test.sh TXRINGD
# What a wrong AF_XDP backend gives: status 1 and one line that names the cause and what helps; no socket, and
# no program on the interface. Runs in a network namespace of its own.
set -uo pipefail
. "${BASH_SOURCE[0]%/*}/refusals.sh"
cleanup()
{
	rm -rf "$scratch"
}
trap cleanup EXIT
chmod 755 "$scratch"
mkdir -m 777 "$scratch/run"
sock=$scratch/run/socket
near=txring0
far=txring1

# A copy, which any user can reach.
install -m 755 "$1" "$scratch/txringd"
txringd=$scratch/txringd

# programs: interfaces that run one.
programs()
{
	ip -o -d link show | grep -c 'prog/xdp\|xdpgeneric\|xdpdrv'
}

# leaves_nothing TEXT... -- COMMAND...: says_only, and no socket and no program stays.
leaves_nothing()
{
	local before
	before=$(programs)
	says_only "$@"
	[ ! -e "$sock" ] || fail "$*: leaves a socket"
	[ "$(programs)" = "$before" ] || fail "$*: leaves an XDP program"
}

# refuses TEXT... -- BACKEND [ARGUMENT...]
refuses()
{
	local texts
	take_texts "$@"
	shift $((${#texts[@]} + 1))
	leaves_nothing "${texts[@]}" -- "$txringd" --socket-path "$sock" --backend "$@"
}

# weakly CAPABILITIES -- TEXT... -- BACKEND [ARGUMENT...]: the same as another user who has just those
# (setpriv's words).
weakly()
{
	local caps=$1 texts
	shift 2
	take_texts "$@"
	shift $((${#texts[@]} + 1))
	leaves_nothing "${texts[@]}" -- setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps "$caps" \
		--ambient-caps "$caps" --bounding-set "$caps" -- "$txringd" --socket-path "$sock" --backend "$@"
}

ip link add $near type veth peer name $far
ip link set $far up

refuses "there is no interface txring7" "ip link" -- xdp:txring7
refuses "there is no interface txring7" -- xdp:txring7,mode=skb --queues 3
refuses "lo is no Ethernet interface" -- xdp:lo
refuses "$near is down: ip link set $near up" -- xdp:$near
ip link set $near up
refuses "$near has 1 queue" "there is no queue 3" "ethtool -L $near" -- xdp:$near,start-queue=3
refuses "$near has 1 queue" "there is no queue 1" "--queues" -- xdp:$near --queues 2
refuses "no zero-copy: use copy=auto" "$near" -- xdp:$near,copy=zerocopy
refuses "no zero-copy: use copy=auto" "$near" -- xdp:$near,copy=zerocopy,mode=skb
refuses "one for each" -- xdp-fd:7,8,ifname=$near

# A kind of interface with no native mode.
if ip link add txring2 type dummy 2>/dev/null; then
	ip link set txring2 up
	refuses txring2 "its driver has no native XDP" "mode=skb" -- xdp:txring2,mode=native
	ip link del txring2
fi
if ip link add txring2 type ifb 2>/dev/null; then
	ip link set txring2 up
	refuses txring2 "its driver has no native XDP" "mode=skb" -- xdp:txring2,mode=native
	ip link del txring2
fi

# Privilege: none; all but one; and too little memory.
weakly -all -- "no permission to load an XDP program" CAP_NET_ADMIN CAP_BPF -- xdp:$near
weakly -all,+net_admin,+net_raw -- "no permission to load an XDP program" CAP_BPF -- xdp:$near
weakly -all,+bpf,+net_raw -- CAP_NET_ADMIN -- xdp:$near
weakly -all,+bpf,+net_admin -- "an AF_XDP socket needs CAP_NET_RAW" "xdp-fd:" -- xdp:$near
(
	ulimit -l 1024
	weakly -all,+bpf,+net_admin,+net_raw -- "RLIMIT_MEMLOCK is 1024 KiB" "ulimit -l" CAP_IPC_LOCK -- xdp:$near
	exit $bad
) || bad=1
n=$((n + 1))
[ "$(programs)" = 0 ] || fail "a program is left on an interface"

# Someone else's program: named, and left alone.
start_txringd "$txringd" --socket-path "$scratch/run/other" --backend xdp:$near,mode=skb ||
	fail "the first txringd does not come up"
[ "$(programs)" = 1 ] || fail "a txringd runs, and $(programs) interfaces have a program"
refuses "$near runs the XDP program 'txring_xsk'" "ip link set $near xdp off" share -- xdp:$near
refuses "$near runs the XDP program 'txring_xsk'" -- xdp:$near,mode=native
kill "$daemon"
wait "$daemon"
[ "$(programs)" = 0 ] || fail "a txringd that ended leaves its program"

[ "$bad" = 0 ] && echo "ok: $n command lines"
exit "$bad"
