#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Steady traffic, with pauses and with loaded CPUs, over both kinds of ring and all tx modes: no
# frame stays anywhere, and none is lost that nobody counts. soak.py sends and judges.
#
# usage: testpmd-soak.sh TXRINGD SECONDS [LOADS [SEED]]
# SECONDS: of traffic, in all. LOADS: of "none busy raised rt", each in its turn; rt takes most of
# all CPUs from everybody.
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need_all "$1"
for cmd in python3 setpriv tc; do
	command -v "$cmd" >/dev/null || skip "needs $cmd (tools/setup installs it)"
done
seconds=$2
read -ra loads <<<"${3:-none busy raised}"
seed=${4:-$RANDOM}
turn=0

# soak PACKED SECONDS: one driver; which it is besides packed or not changes from turn to turn.
soak()
{
	local order=$((turn / 2 % 2)) merge=$(((turn / 4 + 1) % 2))
	local vdev="queue_size=256,packed_vq=$1,in_order=$order,mrg_rxbuf=$merge"
	driver_start "$vdev"
	driver_ready
	if [ "$1" = 1 ]; then negotiated RING_PACKED; else negotiated '!RING_PACKED'; fi
	ip -n "$netns" neigh replace "$peer" lladdr 02:00:00:00:00:01 nud permanent dev tap0
	ip netns exec "$netns" python3 "$(dirname "$0")/soak.py" --device "$device_pid" \
		--driver "$driver_pid" --scratch "$scratch" --peer "$peer" --seconds "$2" \
		--load "${loads[turn % ${#loads[@]}]}" --seed $((seed + turn)) \
		--name "$txmode, ${vdev#*,}" || fail "$txmode, $vdev, seed $((seed + turn))"
	driver_quit
	ip -n "$netns" neigh flush dev tap0
	turn=$((turn + 1))
}

ip netns exec "$netns" sysctl -qw net.ipv6.conf.default.disable_ipv6=1
rounds=$(((seconds + 119) / 120))
each=$(awk "BEGIN { print $seconds / $rounds / 6 }")
for ((round = 0; round < rounds; round++)); do
	for txmode in iothread timer poll; do
		device_start --socket-path "$socket" --txmode "$txmode"
		for packed in 0 1; do
			soak "$packed" "$each"
		done
		device_quit
	done
done
