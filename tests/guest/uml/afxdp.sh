#!/bin/bash
# SPDX-License-Identifier: MIT
#
# usage: afxdp.sh
# On one end of a veth, by AF_XDP, before a container on the other: echoes, and 6 MB each way, with split
# rings and packed ones.
# shellcheck source=lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"

lab_begin 400 "$@"
veth_begin
for offer in "--txmode iothread --no-offer RING_PACKED" "--txmode timer"; do
	# shellcheck disable=SC2086
	txringd_start $offer
	guest_start
	guest_wait
	step "$offer: guest is up, Linux $guest_release"
	features yes VERSION_1 CSUM GUEST_CSUM HOST_TSO4 HOST_TSO6 MRG_RXBUF
	features no GUEST_TSO4 GUEST_TSO6
	ping_all 56 20
	ping_all 4000 20
	transfer
	no_csum_errors
	guest_stop
	txringd_stop
done
