#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Packed rings, two queue pairs: traffic both ways, also after a reboot, with another QEMU, and after
# txringd ended or was killed, when QEMU does not know where the rings stood.
# shellcheck source=checks.sh
. "$(dirname "$0")/checks.sh"

lab_begin 500 "$@"
guest_cpus=2
guest_netdev=,queues=2
guest_device=disable-legacy=on,packed=on,mq=on
txringd_start --queues 2
guest_start
guest_wait
step "guest is up, Linux $guest_release"
features yes VERSION_1 RING_PACKED EVENT_IDX INDIRECT_DESC MRG_RXBUF MQ

traffic 50
guest_tell "reboot -f"
guest_wait
works "guest rebooted"
guest_stop KILL
guest_device=disable-legacy=on,packed=on,mq=on,mrg_rxbuf=off,event_idx=off,indirect_desc=off
guest_start
guest_wait
features yes RING_PACKED
features no EVENT_IDX INDIRECT_DESC MRG_RXBUF
works "without EVENT_IDX, INDIRECT_DESC and MRG_RXBUF"
for signal in TERM KILL; do
	txringd_stop $signal
	txringd_start --queues 2
	works "txringd ended by SIG$signal and started again"
done
tcp tx
tcp rx
transfer
