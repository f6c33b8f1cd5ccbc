#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A domain of libvirt's whose interface has a <driver txmode=>, moved to txring and back: started, stopped, reset
# and changed by virsh, its guest's frames by way of txringd in each tx mode, in both directions of the socket;
# txringd started by hand, by the connection of a card that is plugged in, and by the hook; then the same domain on
# QEMU's own datapath. Speeds are not judged.
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh" || exit 1

mac=52:54:00:12:34:56

# The domain as its owner wrote it: an interface on a tap, with a tx mode of QEMU's.
original()
{
	sed "s|@LAB@|$lab|; s|@APPEND@|$guest_append|" "$libvirt_dir/domain.xml"
}

# server_of FILE: the same with a socket of QEMU's, which txringd connects to
server_of()
{
	sed "/<source type='unix'/,/<.source>/ { s|mode='client'>|mode='server'/>|; /<reconnect/d; /<.source>/d }" "$1"
}

# moves WHAT: pings of both sides, and a file there and back, by its checksum
moves()
{
	network_wait
	ping_all 56 20
	guest_ping_all 1400 20
	transfer 4
	step "$1: pings and a file, both ways"
}

# pings WHAT-HAPPENED
pings()
{
	network_wait
	ping_all 56 10
	step "$1: pings"
}

tap_setup()
{
	ip addr replace "$host_ip/24" dev "$tap"
	ip link set "$tap" up
}

# booted HOW: the guest boots once more, by what virsh has done
booted()
{
	guest_wait
	pings "$1"
}

# What a card is that is plugged in while the guest runs: it comes without an address.
card_setup()
{
	# shellcheck disable=SC2016
	guest 'n=0
		until [ -e /sys/class/net/eth0 ]; do n=$((n + 1)); [ $n -lt 1000 ] || exit 1; sleep 0.05; done
		ip addr add 10.77.0.2/24 dev eth0 && ip link set eth0 up' || fail "the card does not come"
}

card_gone()
{
	# shellcheck disable=SC2016
	guest 'n=0
		while [ -e /sys/class/net/eth0 ]; do n=$((n + 1)); [ $n -lt 1000 ] || exit 1; sleep 0.05; done' ||
		fail "the card does not go"
}

# activated ARG...: a txringd that starts when a QEMU connects, as a socket unit has it
activated()
{
	txringd_stop
	mortal systemd-socket-activate -l "$lab/vu.sock" "$TXRINGD" --fd systemd --backend "$backend" "$@" \
		</dev/null >>"$lab/txringd.log" 2>&1 7>&- 8>&- &
	txringd_pid=$!
	within 60 test -S "$lab/vu.sock" || fail "systemd-socket-activate does not listen"
	socket_open
}

hook_install()
{
	mkdir -p /etc/libvirt/hooks/qemu.d "$lab/bin"
	ln -s "$TXRINGD" "$TXRINGCTL" "$lab/bin/"
	cp "$libvirt_dir/../../tools/libvirt/hook" /etc/libvirt/hooks/qemu.d/txring
}

# The card that the hook has started a txringd for, and what it has written down of it.
card=/run/txring/domain/vm0/${mac//:/}

hook_wrong()
{
	local said txringd

	sed "s|<txring:nic mac='$mac'>|&<txring:set key='txmode' value='timer,delay=2s'/>|" "$lab/vm0.xml" >"$lab/wrong.xml"
	v define --validate "$lab/wrong.xml"
	! said=$(timeout 120 virsh start vm0 2>&1 7>&- 8>&-) || fail "it starts with a delay of two seconds"
	[[ $said == *"txring: interface $mac: "*"delay '2s' must be 1us to 1s"* ]] ||
		fail "virsh start does not say what the hook says: $said"
	[ ! -e "${card%/*}" ] || fail "the hook leaves ${card%/*}"
	step "the hook's text: ${said##*: txring: }"
}

# hooked: the domain is started with its txringd
hooked()
{
	v define --validate "$1"
	port_open
	v start vm0
	guest_pid=$(</run/libvirt/qemu/vm0.pid)
	read -r txringd _ <"$card.pid"
	tap_setup
	guest_wait
	"$TXRINGCTL" --control "$card.control" show >"$lab/show.log" || fail "txringctl has no answer"
}

hooked_kill()
{
	kill -KILL "$txringd"
	within 60 process_gone "$txringd" || fail "SIGKILL does not end txringd"
}

unhooked()
{
	domain_stop
	process_gone "$txringd" || fail "the hook leaves txringd"
	[ ! -e "${card%/*}" ] || fail "the hook leaves ${card%/*}"
}

convert()
{
	"$TXRINGCTL" convert "$@" 2>>"$lab/convert.log" || fail "convert $*: $(tail -n 1 "$lab/convert.log")"
}

"$TXRINGCTL" convert --help >/dev/null 2>&1 || skip "txringctl was built without libxml2: tools/setup --build"
libvirt_begin 500 "$@"
hook_install # which libvirtd looks for when it starts
libvirtd_start
step "libvirtd answers"
original >"$lab/original.xml"
convert --to vhostuser --socket "$lab/vu.sock" "$lab/original.xml" >"$lab/vm0.xml"

# A boot takes more than all else: the guest goes on where the next thing can be tried on it.
hook_wrong
hooked "$lab/vm0.xml"
moves "start by the hook, timer"
hooked_kill
daemon_start --txmode iothread
moves "txringd killed and started again, iothread"
txringd_stop
daemon_start --txmode poll
moves "txringd restarted, poll"

v suspend vm0
! ping_once || fail "a guest that is suspended answers"
v resume vm0
pings "suspend, resume"
libvirtd_stop
pings "without libvirtd"
libvirtd_start
pings "libvirtd restarted"
sed -n "/<interface/,/<.interface>/p" "$lab/vm0.xml" >"$lab/interface.xml"
v detach-device vm0 "$lab/interface.xml" --live
card_gone
! command -v systemd-socket-activate >/dev/null || activated --txmode timer
v attach-device vm0 "$lab/interface.xml" --live
within 60 ip link show "$tap" >/dev/null 2>&1 || fail "txringd makes no tap"
tap_setup
card_setup
pings "detach-device, attach-device"
v reset vm0
booted reset
v reboot vm0
booted reboot
unhooked
txringd_stop

# QEMU listens.
server_of "$lab/vm0.xml" >"$lab/server.xml"
chgrp libvirt-qemu "$lab"
chmod 775 "$lab"
hooked "$lab/server.xml"
pings "destroy, start by the hook again, QEMU listens"
hooked_kill
guest_socket=server
daemon_start --client --txmode iothread
moves "QEMU listens, txringd killed and started again"
unhooked
txringd_stop

# Back on QEMU's own datapath, and the same tap: to the letter of what was converted, and in libvirt's words.
convert --back "$lab/vm0.xml" | cmp - "$lab/original.xml" || fail "--back is not what was converted"
v define --validate "$lab/vm0.xml"
virsh dumpxml --inactive vm0 >"$lab/dumped.xml"
convert --back "$lab/dumped.xml" >"$lab/back.xml"
v define --validate "$lab/back.xml"
ip tuntap add "$tap" mode tap vnet_hdr
tap_setup
domain_start
qemu_words | grep '"virtio-net-pci"' | grep -qF '"tx":"timer"' || fail "QEMU has no tx=timer"
moves "QEMU's own, tx=timer"
domain_stop
