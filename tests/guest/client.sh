#!/bin/bash
# SPDX-License-Identifier: MIT
#
# QEMU listens and txringd connects (--client): the daemon waits for a QEMU that is not there yet,
# comes back to one that was restarted, and a new daemon finds a guest that has lost the old one.
# shellcheck source=checks.sh
. "$(dirname "$0")/checks.sh"

lab_begin 500 "$@"
guest_socket=server=on,wait=off
txringd_start --client
guest_start
guest_wait
works "txringd came first"
guest_stop KILL
guest_start
guest_wait
works "QEMU killed and started again"
txringd_stop KILL
txringd_start --client
works "txringd killed and started again"
