#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# DPDK's virtio-user as the driver: each kind of ring that it asks for carries the kernel's pings to
# testpmd and back, byte for byte. The device stays, the driver is a new one for each kind. In full in the
# mode iothread; the others have one of each layout, frames in pieces, and two queue pairs: the kinds differ
# in what a chain looks like, the modes in when it is looked at. testpmd-soak.sh has all modes and rings.
#
# usage: testpmd-echo.sh TXRINGD TXMODE
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need_all "$1"
txmode=$2

# echo_over NAME FEATURES VDEV_OPTIONS [TESTPMD_OPTION...]
echo_over()
{
	local name=$1 features
	read -ra features <<<"$2"
	shift 2
	driver_start "$@"
	driver_ready
	negotiated VERSION_1 "${features[@]}"
	pings 100
	echo "ok: $txmode, $name"
}

device_start --socket-path "$socket" --txmode "$txmode"
echo_over "in order, mergeable" "IN_ORDER MRG_RXBUF" queue_size=256
driver_quit
if [ "$txmode" = iothread ]; then
	echo_over "out of order, mergeable" "!IN_ORDER MRG_RXBUF" queue_size=256,in_order=0
	driver_quit
	echo_over "in order, not mergeable" "IN_ORDER !MRG_RXBUF" queue_size=256,mrg_rxbuf=0
	driver_quit
	echo_over "neither" "!IN_ORDER !MRG_RXBUF" queue_size=256,in_order=0,mrg_rxbuf=0
	driver_quit
	for order in "IN_ORDER in_order=1" "!IN_ORDER in_order=0"; do
		for merge in "MRG_RXBUF mrg_rxbuf=1" "!MRG_RXBUF mrg_rxbuf=0"; do
			echo_over "packed, ${order%% *}, ${merge%% *}" "RING_PACKED ${order%% *} ${merge%% *}" \
				"queue_size=256,packed_vq=1,${order##* },${merge##* }"
			driver_quit
		done
	done
	echo_over "rings of 1024" IN_ORDER queue_size=1024 --rxd=1024 --txd=1024
	driver_quit
else
	echo_over "packed, IN_ORDER, MRG_RXBUF" "RING_PACKED IN_ORDER MRG_RXBUF" queue_size=256,packed_vq=1,in_order=1
	driver_quit
fi

# 256 bytes to a buffer: a ping of 1472 arrives in six and is sent from six, as a chain or indirect.
small=(--mbuf-size=384 --enable-scatter --tx-offloads=0x8000)
echo_over "frames in pieces, chained" "IN_ORDER MRG_RXBUF" queue_size=256 "${small[@]}"
driver_quit
echo_over "frames in pieces, indirect" "!IN_ORDER MRG_RXBUF INDIRECT_DESC" \
	queue_size=256,in_order=0 "${small[@]}"
driver_quit
# Not so with a packed ring: DPDK 22.11 leaves WRITE in entries of its tx tables
# (virtqueue_enqueue_xmit_packed: no flags where idx == head_idx), for which we break the ring.
device_quit

device_start --socket-path "$socket" --txmode "$txmode" --queues 2
echo_over "two queue pairs" MQ queues=2,queue_size=256 --rxq=2 --txq=2
both_queues_carry
driver_quit
device_quit
