#!/bin/bash
# SPDX-License-Identifier: MIT
#
# usage: rings.sh split|packed
# Echoes, and 20 MB each way, by a guest that is told its address and MTU, and that boots again behind the same
# txringd. In one tx mode; afxdp.sh has another, and each mode with each layout is in the unit tests, and in
# tests/interop/testpmd-soak.sh.
# shellcheck source=lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"

layout=$1
lab_begin 500 "$@"
case $layout in
split)	mode=iothread offer=(--no-offer RING_PACKED) packed=no ;;
packed)	mode=poll offer=() packed=yes ;;
esac

mac=52:54:00:77:00:02
txringd_start --txmode $mode "${offer[@]}" --mac "$mac" --mtu 1400
guest_start
guest_wait
step "$mode: guest is up, Linux $guest_release"
features yes VERSION_1 EVENT_IDX INDIRECT_DESC MRG_RXBUF HOST_TSO4 GUEST_TSO4
features "$packed" RING_PACKED
ping_all 56 20
transfer 20
[ "$(guest "cd /sys/class/net/eth0; cat address mtu carrier | xargs")" = "$mac 1400 1" ] ||
	fail "the guest has another address or MTU, or no carrier"
guest_tell "reboot -f"
guest_wait
works "guest rebooted"
guest_stop
txringd_stop
