#!/bin/bash
# SPDX-License-Identifier: MIT
#
# bulk.sh [ROUNDS]: a Linux guest that may not segment late (no TSO, no USO) sends bulk flows with coalescing off and on
# in turn, changed while it runs. What leaves merged arrives as it was sent, and none does when it is off. Speeds are
# printed, to be looked at: they are the emulated guest's above all.
# shellcheck source=checks.sh
. "$(dirname "$0")/checks.sh"
rounds=${1:-1}

# merged: frames so far that left in another one
merged()
{
	"${ctl[@]}" --json stats | python3 -c 'import json, sys
print(json.load(sys.stdin)["nics"][0]["pairs"][0]["tx"]["merged"])'
}

lab_begin 350 "$@"
ctl=("${TXRINGD%/*}/txringctl" --control "$lab/control")
txringd_start --control "$lab/control"
guest_start
guest_wait
step "guest is up, Linux $guest_release"
guest "ethtool -K eth0 tso off gso off tx-udp-segmentation off" || fail "ethtool -K eth0"
for ((round = 0; round < rounds; round++)); do
	for coalesce in off on; do
		"${ctl[@]}" set nic0 coalesce=$coalesce || fail "coalesce=$coalesce"
		step "coalesce $coalesce"
		before_merged=$(merged)
		rate tx
		udp tx
		new=$(($(merged) - before_merged))
		step "$new frames left merged"
		case $coalesce in
		off)	[ $new = 0 ] || fail "frames are merged with coalescing off" ;;
		on)	[ $new -gt 100 ] || fail "hardly a frame is merged" ;;
		esac
	done
done
transfer
no_csum_errors
