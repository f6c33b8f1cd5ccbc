#!/bin/bash
# SPDX-License-Identifier: MIT
#
# afxdp.sh iothread|timer: a Linux guest on one end of a veth, by AF_XDP, and what a container is to it
# on the other, in this tx mode. With all offloads; in the mode iothread also with segments made by the
# guest, and for a driver that completes no checksums: which frames come does not depend on the mode, and
# tests/net/xdp_sums_test.c has each kind of them.
# shellcheck source=checks.sh
. "$(dirname "$0")/checks.sh"
mode=${1:?iothread or timer}

# guest_behind OPTION...: a txringd with these options, and the guest
guest_behind()
{
	txringd_start --txmode "$mode" "$@"
	guest_start
	guest_wait
	features yes VERSION_1 STATUS CSUM MRG_RXBUF INDIRECT_DESC EVENT_IDX
	features no GUEST_TSO4 GUEST_TSO6
}

all_ends()
{
	no_csum_errors
	guest_stop
	txringd_stop
}

lab_begin 800 "$@"
veth_begin
guest_behind
step "all offloads: guest is up, Linux $guest_release"
features yes GUEST_CSUM HOST_TSO4 HOST_TSO6
ping_all 56 50
ping_all 1472 20
ping_all 4000 20
rate tx
rate rx
udp tx
udp rx
transfer
all_ends
[ "$mode" = iothread ] || exit 0

# The one is of the frames that it sends, the other of those that it receives.
guest_behind --no-offer HOST_TSO4,HOST_TSO6,HOST_USO,GUEST_CSUM
step "no segmentation, no GUEST_CSUM: guest is up"
features no GUEST_CSUM HOST_TSO4 HOST_TSO6
ping_all 56 20
rate tx
rate rx
udp tx
udp rx
transfer
all_ends
