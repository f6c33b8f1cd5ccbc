#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Two queue pairs, a guest with two CPUs, and a multi-queue tap that is not txringd's own: both
# pairs carry frames both ways, and the tap stays when the daemon goes.
# shellcheck source=checks.sh
. "$(dirname "$0")/checks.sh"

# The driver's own count, such as rx_queue_1_packets.
queue_packets()
{
	guest "ethtool -S eth0" | awk -v name="$1:" '$1 == name { print $2 }'
}

lab_begin 90 "$@"
ip -n "$netns" tuntap add dev $tap mode tap multi_queue vnet_hdr
guest_cpus=2
guest_netdev=,queues=2
guest_device=disable-legacy=on,mq=on
txringd_start --queues 2
guest_start
guest_wait
step "guest is up, Linux $guest_release"
features yes VERSION_1 MQ

# A frame takes the queue of the CPU that sends it, and the tap answers on the queue it came from.
ping_all 56 20
for cpu in 1 2; do
	guest "taskset $cpu ping -q -c 20 -i 0.01 $host_ip" | grep -q " 0% packet loss" ||
		fail "pings from the CPU of mask $cpu are lost"
done
tcp tx -P 4
tcp rx -P 4
for queue in 0 1; do
	for way in rx tx; do
		packets=$(queue_packets ${way}_queue_${queue}_packets)
		step "$way queue $queue: $packets frames"
		[ "$packets" -gt 20 ] || fail "the queue was not used"
	done
done
works "traffic on both queue pairs"
guest_stop
txringd_stop
ip -n "$netns" link show $tap >/dev/null || fail "txringd removed a tap that was there before it"
