# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# A guest of user-mode Linux instead of QEMU's: a kernel that is a program and has a vhost-user
# front-end of its own (virtio_uml), which nobody here wrote. To be sourced; everything else is as in
# ../lib.sh. Its only network card is txringd's: it sees neither the host's network nor its files.
# shellcheck source=../checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/../checks.sh"

guest_kind=uml

# The console port is a serial line here. unshare: a killed user-mode Linux leaves processes behind.
# uml_dir: else it writes to $HOME. pty.legacy_count: else it starts a process for each of 512 terminals.
guest_start()
{
	port_open
	mortal ip netns exec "$netns" unshare --pid --fork --kill-child \
		"$guest_vmlinux" mem=256M "initrd=$guest_initrd" "uml_dir=$lab" quiet pty.legacy_count=0 \
		con=null con0=null,fd:1 ssl=null ssl0=fd:7,fd:8 \
		"virtio_uml.device=$lab/vu.sock:1" </dev/null >>"$lab/console.log" 2>&1 &
	guest_pid=$!
}

# SIGTERM is no polite request to it: it is told to halt.
guest_stop()
{
	local pid=$guest_pid

	guest_tell "halt -f"
	within 30 process_gone "$pid" || fail "the guest does not halt"
	guest_pid=
	wait "$pid" || fail "user-mode Linux ended with status $?"
}
