#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: nic.sh NIC_TEST TXRINGD
# To be run by vm --cable: the test between the two cards. Frames that the kernel sends by itself would only
# be in the way.
set -eu
for conf in all default eth0 eth1; do
	echo 1 >"/proc/sys/net/ipv6/conf/$conf/disable_ipv6"
done
# Frames are told from the cable's: the host's card takes what is not for it, and joins none.
ip link set eth1 promisc on
ethtool -K eth1 gro off
uname -r
exec "$1" "$2" eth0 eth1
