#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One side goes away under traffic and comes back: DPDK's virtio-user quits or is killed, txringd
# runs on; or it listens itself, txringd is killed and started again. Traffic resumes each time.
#
# usage: testpmd-restart.sh TXRINGD TXMODE
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need_all "$1"
txmode=$2

device_start --socket-path "$socket" --txmode "$txmode"
for end in driver_kill driver_quit; do
	driver_start queue_size=256
	driver_ready
	pings 100
	traffic_start
	traffic_flows
	"$end"
	traffic_end
	tap_is_there || fail "the tap went with the driver"
	echo "ok: $txmode, $end and the device stays"
done
device_quit

driver_start queue_size=256,server=1
for round in 1 2; do
	device_start --socket-path "$socket" --client --txmode "$txmode"
	driver_ready
	pings 100
	traffic_start
	traffic_flows
	device_kill
	traffic_end
	echo "ok: $txmode, the driver listens, device number $round"
done
