#!/bin/bash
# SPDX-License-Identifier: MIT
#
# usage: rings.sh split|packed
# In two tx modes, each of them in one of the two tests at least: echoes, and 20 MB each way. With the first
# one, a guest that is told its address and MTU, and that boots again behind the same txringd. Each mode
# with each layout is in the unit tests, and in tests/interop/testpmd-soak.sh.
# shellcheck source=lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"

layout=$1
lab_begin 500 "$@"
case $layout in
split)	offer=(--no-offer RING_PACKED) packed=no modes=(iothread timer) ;;
packed)	offer=() packed=yes modes=(iothread poll) ;;
esac

mac=52:54:00:77:00:02
card=(--mac "$mac" --mtu 1400)
for mode in "${modes[@]}"; do
	txringd_start --txmode $mode "${offer[@]}" "${card[@]}"
	guest_start
	guest_wait
	step "$mode: guest is up, Linux $guest_release"
	features yes VERSION_1 EVENT_IDX INDIRECT_DESC MRG_RXBUF HOST_TSO4 GUEST_TSO4
	features "$packed" RING_PACKED
	ping_all 56 20
	transfer
	if [ ${#card[@]} -gt 0 ]; then
		[ "$(guest "cd /sys/class/net/eth0; cat address mtu carrier | xargs")" = "$mac 1400 1" ] ||
			fail "the guest has another address or MTU, or no carrier"
		guest_tell "reboot -f"
		guest_wait
		works "guest rebooted"
	fi
	guest_stop
	txringd_stop
	card=()
done
