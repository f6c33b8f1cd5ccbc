#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Four queue pairs, a guest with four CPUs, and a multi-queue tap that is not txringd's own: all
# pairs carry frames both ways; the guest changes their number while TCP runs, and those that it uses
# carry frames, no others; the tap stays when the daemon goes.
# shellcheck source=checks.sh
. "$(dirname "$0")/checks.sh"
pairs=4

# Lets the daemon log its counters: the guest tells only of the queues that it uses.
read_counters()
{
	local before

	before=$(grep -c ": rx$((pairs - 1)) " "$lab/txringd.log") || true
	kill -USR1 "$txringd_pid"
	within 60 counters_logged "$before" || fail "txringd does not log its counters"
}

# All of them, to the end of the last line.
counters_logged()
{
	[ -z "$(tail -c 1 "$lab/txringd.log")" ] && [ "$(grep -c ": rx$((pairs - 1)) " "$lab/txringd.log")" -gt "$1" ]
}

# counter QUEUE NAME: as read last
counter()
{
	grep ": $1 " "$lab/txringd.log" | tail -n 1 | grep -o " $2=[0-9]*" | cut -d = -f 2
}

# A frame takes the queue of the CPU that sends it, and the tap answers on the queue it came from.
# Beside TCP on a loaded machine one may be late, which ping calls lost.
ping_from_each_cpu()
{
	local cpu back

	for ((cpu = 0; cpu < pairs; cpu++)); do
		back=$(guest "taskset $((1 << cpu)) ping -q -c 20 -i 0.01 $host_ip" |
			sed -n 's/.*transmitted, \([0-9]*\) .*/\1/p') || true
		[ "${back:-0}" -gt 10 ] || fail "pings from CPU $cpu: $back of 20 came back"
	done
}

# New flows, which the tap spreads over all queues that are attached to it.
host_sends_flows()
{
	# shellcheck disable=SC2016
	host bash -c 'for port in {9000..9063}; do echo >/dev/udp/$0/$port; done' $guest_ip
}

# uses N: from here on the first N pairs carry frames, and the others none
uses()
{
	local queue way had=() i=0 n

	read_counters
	for ((queue = 0; queue < pairs; queue++)); do
		had+=("$(counter tx$queue frames)" "$(counter rx$queue frames)")
	done
	host_sends_flows
	ping_from_each_cpu
	read_counters
	for ((queue = 0; queue < pairs; queue++)); do
		for way in tx rx; do
			n=$(($(counter $way$queue frames) - had[i]))
			i=$((i + 1))
			if [ $queue -lt "$1" ]; then
				[ $n -gt 10 ] || fail "$way of pair $queue of $1 in use: $n frames"
			else
				[ $n -eq 0 ] || fail "$way of pair $queue beyond $1: $n frames"
			fi
		done
	done
	step "$1 queue pairs in use: each of them carries frames, no other one does"
}

# TCP in the background, both ways.
load_start()
{
	mortal ip netns exec "$netns" iperf3 -c $guest_ip -t 3000 -P 4 -b 20M --bidir >"$lab/load.log" 2>&1 &
	load_pid=$!
	helper_pids+=($!)
	disown $!
}

# It has sent and received since the last look.
load_goes_on()
{
	local way counters=/sys/class/net/$tap/statistics before

	! process_gone "$load_pid" || fail "TCP in the background has ended"
	for way in rx tx; do
		before=$(host cat $counters/${way}_bytes)
		within 60 eval "[ \$(host cat $counters/${way}_bytes) -gt $((before + 1000000)) ]" ||
			fail "TCP in the background does not go on"
	done
}

lab_begin 500 "$@"
ip -n "$netns" tuntap add dev $tap mode tap multi_queue vnet_hdr
guest_cpus=$pairs
guest_netdev=,queues=$pairs
guest_device=disable-legacy=on,mq=on
txringd_start --queues $pairs --iothreads 2
guest_start
guest_wait
step "guest is up, Linux $guest_release"
features yes VERSION_1 MQ
# QEMU would not tell us of a reset: see virtio/features.h.
features no RING_RESET

ping_all 56 20
uses $pairs
tcp tx -P 4
tcp rx -P 4

load_start
for n in 1 4 2 4; do
	guest "ethtool -L eth0 combined $n" || fail "ethtool -L eth0 combined $n"
	network_wait
	load_goes_on
	uses $n
done
end_process KILL "$load_pid"
works "traffic on all queue pairs"

read_counters
for ((queue = 0; queue < pairs; queue++)); do
	for name in tx$queue rx$queue; do
		[ "$(counter $name broken)" -eq 0 ] || fail "$name broke"
	done
done
guest_stop
txringd_stop
ip -n "$netns" link show $tap >/dev/null || fail "txringd removed a tap that was there before it"
