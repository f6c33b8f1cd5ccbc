# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# Debian's libvirt, with daemons, /etc, /var, /run, network and process ids of its own: a mount, a network and a
# pid namespace. Everything in them ends with the script, however it ends. To be sourced. It judges nothing.
#
#   libvirt_begin SECONDS "$@"   namespaces, the script in them, libvirtd; it ends after SECONDS
#   v COMMAND...             virsh; the test fails when it does
#   domain_start             the domain vm0, until its guest answers; domain_stop
#
# The guest, and what speaks to it, are those of tests/guest: host, guest, ping_all, transfer ...
# shellcheck source=../guest/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/../guest/checks.sh" || exit 1

libvirt_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export LIBVIRT_DEFAULT_URI=qemu:///system LC_ALL=C

need()
{
	command -v "$1" >/dev/null || skip "$1 is missing: apt-get install $2"
}

libvirt_begin()
{
	local limit=$1 why

	shift
	if [ -n "${LAB_IMAGES:-}" ]; then
		libvirt_inside
		return
	fi
	need libvirtd libvirt-daemon
	need virtlogd libvirt-daemon
	need virsh libvirt-clients
	need xmllint libxml2-utils
	need ip iproute2
	[ "$(id -u)" = 0 ] || skip "needs root, for namespaces and taps"
	: "${TXRINGCTL:?names its control program}"
	[ -x "${TXRINGD:?names the daemon to be tested}" ] || fail "$TXRINGD cannot be run"
	[ -c /dev/net/tun ] || skip "/dev/net/tun is missing: modprobe tun"
	why=$(unshare --mount --net --pid --fork true 2>&1) ||
		skip "no mount, network and pid namespaces can be made: $why"
	LAB_IMAGES=$("$guest_dir/kernel")
	export LAB_IMAGES
	exec timeout -k 20 "$limit" unshare --mount --net --pid --fork --kill-child --mount-proc "$0" "$@"
}

# over FOLDER: what is written below it is in memory, and seen here only
over()
{
	local name=${1//\//}

	mkdir -p "/run/over/$name" "/run/over/$name.work"
	mount -t overlay overlay -o "lowerdir=$1,upperdir=/run/over/$name,workdir=/run/over/$name.work" "$1" ||
		skip "no overlay can be mounted on $1"
}

libvirt_inside()
{
	# What comes now would be done to the machine.
	[ $$ = 1 ] || fail "LAB_IMAGES is set, and this is no namespace of the test's own"
	{ read -r guest_release && read -r guest_vmlinux && read -r guest_initrd; } <<<"$LAB_IMAGES"
	trap libvirt_end EXIT
	trap 'exit 143' TERM
	trap 'exit 130' INT
	mount --make-rprivate /
	mount -t sysfs sysfs /sys # of this network namespace
	mount -t tmpfs -o mode=755 tmpfs /run
	over /etc
	over /var
	lab=/run/txring
	mkdir -p $lab /run/netns /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt/qemu
	cp "$guest_vmlinux" "$lab/vmlinux" # libvirt gives them to QEMU's user
	cp "$guest_initrd" "$lab/initrd"
	netns=lab
	ip netns attach $netns $$
	no_ipv6 $netns
	ip link set lo up
	qemu_user
	# The cgroups are below what /sys was.
	echo 'cgroup_controllers = [ ]' >/etc/libvirt/qemu.conf
	virtlogd -d -p /run/virtlogd.pid
}

# Debian's package libvirt-daemon-system makes this user. A /dev/kvm that it may not open has libvirt ask QEMU for
# its abilities at each call.
qemu_user()
{
	grep -q ^libvirt-qemu: /etc/group || echo libvirt-qemu:x:64055: >>/etc/group
	grep -q ^libvirt-qemu: /etc/passwd ||
		echo libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin >>/etc/passwd
	sed -i 's/^\(kvm:.*:\)$/\1libvirt-qemu/' /etc/group
}

libvirtd_start()
{
	PATH=$lab/bin:$PATH libvirtd -d -p /run/libvirtd.pid 7>&- 8>&-
	within 120 libvirtd_answers || fail "libvirtd does not answer"
}

libvirtd_answers()
{
	timeout 60 virsh uri >/dev/null 2>&1
}

# Domains go on without it.
libvirtd_stop()
{
	local pid

	pid=$(</run/libvirtd.pid)
	kill "$pid"
	within 60 process_gone "$pid" || fail "libvirtd does not end"
}

libvirt_end()
{
	local status=$?

	set +e
	cp /var/log/libvirt/libvirtd.log "$lab/libvirtd.log" 2>/dev/null
	cp /var/log/libvirt/qemu/vm0.log "$lab/vm0.log" 2>/dev/null
	cp /var/log/txring/vm0.log "$lab/hook.log" 2>/dev/null
	(exit $status)
	lab_end
}

v()
{
	local said

	said=$(timeout 120 virsh "$@" 2>&1 7>&- 8>&-) || fail "virsh $*: $said"
}

# The daemon of tests/guest, whose socket QEMU's user may open.
daemon_start()
{
	local owner=(--socket-group libvirt-qemu --socket-mode 0660)

	[ "$guest_socket" = reconnect=1 ] || owner=()
	txringd_start "${owner[@]}" "$@"
}

# The same of a socket that is not txringd's own
socket_open()
{
	chgrp libvirt-qemu "$lab/vu.sock"
	chmod 660 "$lab/vu.sock"
}

domain_start()
{
	port_open
	v start vm0
	guest_pid=$(</run/libvirt/qemu/vm0.pid)
	guest_wait
}

# Its QEMU has ended when virsh has.
domain_stop()
{
	guest_pid=
	v destroy vm0
}

# The words of QEMU's command line, one a line
qemu_words()
{
	tr '\0' '\n' <"/proc/$guest_pid/cmdline"
}
