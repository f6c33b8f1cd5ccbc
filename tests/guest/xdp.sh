#!/bin/bash
# SPDX-License-Identifier: MIT
#
# xdp.sh: a program on a guest's native XDP hook, which needs frames with complete checksums and no
# larger than the MTU. The guest asks its VMM for them by CTRL_GUEST_OFFLOADS; QEMU keeps that to itself,
# and no back-end learns of it. So there are two switches ("With QEMU" in the README): a guest that cannot
# ask refuses the program, and goes on; one that has no such offloads takes it, and goes on.
# shellcheck source=checks.sh
. "$(dirname "$0")/checks.sh"

lab_begin 500 "$@"
gcc -O2 -Wall -static -nostdlib -ffreestanding -o "$lab/xdp" "$guest_dir/xdp.c"
strip "$lab/xdp"

# Prints 0, or the errno of the refusal.
xdp_attach()
{
	guest "echo $(base64 -w 0 "$lab/xdp") | base64 -d >/run/xdp; chmod +x /run/xdp
		/run/xdp \$(cat /sys/class/net/eth0/ifindex); echo \$?"
}

# xdp_guest OPTIONS: a guest of this -device
xdp_guest()
{
	guest_device=disable-legacy=on,$1
	guest_start
	guest_wait
}

# A second of TCP each way moves so many bytes at least.
tcp_goes_on()
{
	local way

	for way in "" -R; do
		# shellcheck disable=SC2086
		iperf -t 1 $way
		[ "$(iperf_number sum_received bytes)" -gt 1000000 ] || fail "$1: TCP $way stalls"
	done
	step "$1: TCP goes on, both ways"
}

txringd_start
[[ $(qemu-system-x86_64 -device virtio-net-pci,help) == *ctrl_guest_offloads* ]] ||
	skip "this QEMU has no ctrl_guest_offloads"

xdp_guest ctrl_guest_offloads=off
answer=$(xdp_attach)
[ "$answer" = 95 ] || fail "a guest without CTRL_GUEST_OFFLOADS: the attach gives \"$answer\", not EOPNOTSUPP"
step "refused by a guest that cannot ask for fewer offloads"
tcp_goes_on "ctrl_guest_offloads=off"
guest_stop

xdp_guest guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off
answer=$(xdp_attach)
[ "$answer" = 0 ] || fail "a guest without offloads: the attach gives \"$answer\""
tcp_goes_on "XDP without the guest's offloads"
