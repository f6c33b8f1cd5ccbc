#!/bin/bash
# SPDX-License-Identifier: MIT
#
# modes.sh iothread|timer: a Linux guest networks through txringd in this tx mode, and goes on doing
# so after txringd was restarted under it, in the mode iothread the guest and QEMU, too. The time that
# the mode itself costs shows in the round trips: timer's delay as a floor that none may undercut; of
# iothread only that it has none of timer's 2 ms, as an emulated guest takes 100 to 800 us itself.
# shellcheck source=checks.sh
. "$(dirname "$0")/checks.sh"
mode=${1:?iothread or timer}

lab_begin 500 "$@"
txringd_start --txmode "$mode"
guest_start
guest_wait
step "guest is up, Linux $guest_release"
features yes VERSION_1 MAC STATUS CTRL_VQ CSUM GUEST_CSUM HOST_TSO4 HOST_TSO6 GUEST_TSO4 \
	GUEST_TSO6 MRG_RXBUF INDIRECT_DESC EVENT_IDX

traffic 100
guest_ping_all 4000 20
case $mode in
iothread)	ping_floor 0 2000 ;;
timer)		ping_floor 150 4000 ;;
esac

if [ "$mode" = iothread ]; then
	guest_tell "reboot -f"
	guest_wait
	works "guest rebooted"
	guest_stop KILL
	guest_start
	guest_wait
	works "QEMU killed and started again"
fi
txringd_stop KILL
case $mode in
iothread)	txringd_start --txmode bh ;;
timer)		txringd_start --txmode timer,delay=2ms,burst=16 ;;
esac
works "txringd killed and started again"
case $mode in
iothread)	ping_floor 0 2000 ;;
timer)		ping_floor 2000 20000 ;;
esac
guest_tell "poweroff -f"
within 60 process_gone "$guest_pid" || fail "QEMU does not end with its guest"
txringd_stop
