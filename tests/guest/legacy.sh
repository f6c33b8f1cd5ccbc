#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A guest whose driver is older than virtio 1.0: headers of 12 bytes with mergeable buffers, of 10
# without. And one without checksum offload.
# shellcheck source=checks.sh
. "$(dirname "$0")/checks.sh"

lab_begin 500 "$@"
txringd_start
for mergeable in on off; do
	guest_device=disable-modern=on,disable-legacy=off,mrg_rxbuf=$mergeable
	guest_start
	guest_wait
	step "guest is up, Linux $guest_release, mergeable buffers $mergeable"
	features no VERSION_1
	features yes CSUM HOST_TSO4 GUEST_TSO4
	case $mergeable in
	on)	features yes MRG_RXBUF ;;
	off)	features no MRG_RXBUF ;;
	esac
	ping_all 56 20
	ping_all 4000 20
	tcp tx
	tcp rx
	transfer
	guest_stop
done

# TSO acked without checksums, as libvirt's <guest csum='off'/> makes Linux do: no TSO, but a network.
guest_device=guest_csum=off,csum=off
guest_start
guest_wait
step "guest is up, Linux $guest_release, no checksum offload"
features no CSUM GUEST_CSUM
ping_all 56 20
transfer
guest_stop
