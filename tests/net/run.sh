#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: run.sh PROGRAM [ARGUMENT...]
# Runs a test as root in a network namespace and a TMPDIR of its own, which end with it: what the test
# makes touches nothing of this machine's, and nothing stays behind.
set -euo pipefail

skip()
{
	echo "skipped: $1"
	exit 77
}

if [ "${1-}" != --inside ]; then
	[ "$(id -u)" = 0 ] || skip "needs root: network namespaces and taps"
	[ -c /dev/net/tun ] || modprobe tun 2>/dev/null || true
	[ -c /dev/net/tun ] || skip "needs /dev/net/tun (modprobe tun)"
	command -v ip unshare >/dev/null || skip "needs ip (iproute2) and unshare (util-linux)"
	unshare -n true 2>/dev/null || skip "needs the right to make a network namespace"
	exec unshare -n "$0" --inside "$@"
fi
shift
# Frames that the host sends by itself would only be in the way.
for conf in all default; do
	[ ! -e "/proc/sys/net/ipv6/conf/$conf" ] || echo 1 >"/proc/sys/net/ipv6/conf/$conf/disable_ipv6"
done
[ ! -e /proc/sys/net/ipv4/igmp_link_local_mcast_reports ] ||
	echo 0 >/proc/sys/net/ipv4/igmp_link_local_mcast_reports
ip link set lo up
. "${BASH_SOURCE[0]%/*}/../undo.sh"
TMPDIR=$(mktemp -d --tmpdir txring-net.XXXXXX)
undo_later rm -rf "$TMPDIR"
chmod 755 "$TMPDIR" # some of it is for other users
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
"$@"
