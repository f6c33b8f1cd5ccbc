#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The guest's link follows the tap: its driver is told over the BACKEND_REQ socket when the tap is
# removed, and when it is there again. Then the driver leaves the card and takes it again, which
# this front-end does without a word of stopped rings.
# shellcheck source=lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"

# carrier 0|1: is this what the guest's driver was told?
carrier()
{
	[ "$(guest "cat /sys/class/net/eth0/carrier")" = "$1" ]
}

lab_begin 300 "$@"
txringd_start --mac 52:54:00:77:00:02
guest_start
guest_wait
step "guest is up, Linux $guest_release"
features yes MAC STATUS
carrier 1 || fail "a guest with a tap has no carrier"

ip -n "$netns" link del "$tap"
within 60 carrier 0 || fail "the tap is gone, and the guest has carrier"
ip -n "$netns" tuntap add "$tap" mode tap vnet_hdr
ip -n "$netns" addr add "$host_ip/24" dev "$tap"
ip -n "$netns" link set "$tap" up
within 60 carrier 1 || fail "the tap is back, and the guest has no carrier"
works "tap removed and made again"

guest "cd /sys/bus/virtio/drivers/virtio_net && echo virtio0 >unbind && echo virtio0 >bind &&
	ip addr add $guest_ip/24 dev eth0 && ip link set eth0 up"
works "driver left and came again"
transfer
guest_stop
