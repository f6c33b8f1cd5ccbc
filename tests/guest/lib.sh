# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# What the guest tests and tools/demo-guest share: a network namespace with txringd and its tap, and
# a Linux guest under QEMU (TCG) in front of it. To be sourced. It judges nothing: the tests do.
#
#   lab_begin SECONDS "$@"   images, scratch folder, namespace; the script, started anew with these
#                            arguments, ends after SECONDS and undoes it all
#   veth_begin               right after it: no tap, but one end of a veth, by AF_XDP
#   txringd_start ARG...     the daemon, with its tap up and addressed; txringd_stop
#   guest_start              QEMU; guest_wait: the guest is up; guest_stop
#   guest COMMAND            runs in the guest, over a console port: needs no network
#   host COMMAND...          runs in the namespace, bounded in time
#
# TXRINGD names the daemon. The guest is 10.77.0.2, the host's side of the tap 10.77.0.1.
set -euo pipefail

guest_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../undo.sh
. "$guest_dir/../undo.sh"
PATH=$PATH:/usr/sbin:/sbin
tap=tap0
host_ip=10.77.0.1
guest_ip=10.77.0.2
guest_append="console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on audit=0"
# What a boot can do without: security modules, self-tests of ciphers, a second look at the clock.
guest_append+=" lsm= cryptomgr.notests no_timer_check tsc=reliable rcupdate.rcu_expedited=1"

lab=
netns=
card_netns=
backend=tap:$tap
txringd_pid=
guest_pid=
helper_pids=()
guest_kind=net
# -netdev and -device options, for a test to change before guest_start.
guest_socket=reconnect=1
guest_netdev=
guest_device=disable-legacy=on
guest_cpus=1

skip()
{
	echo "skipped: $*" >&2
	exit 77
}

fail()
{
	echo "failed: $*" >&2
	exit 1
}

step()
{
	printf '%4d s  %s\n' "$SECONDS" "$*"
}

# true when COMMAND holds within SECONDS
within()
{
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

host()
{
	timeout 120 ip netns exec "$netns" "$@"
}

# end_process SIGNAL PID: ends a child of this shell. TERM asks it politely: it has half a minute,
# and its exit status is ours. The shell would report one that was killed, had it not disowned it.
end_process()
{
	local signal=$1 pid=$2

	[ "$signal" = TERM ] || disown "$pid" 2>/dev/null || true
	kill -"$signal" "$pid" 2>/dev/null || true
	if ! within 30 process_gone "$pid"; then
		echo "process $pid goes on after SIG$signal" >&2
		kill -KILL "$pid"
		return 1
	fi
	[ "$signal" != TERM ] || wait "$pid"
}

process_gone()
{
	! kill -0 "$1" 2>/dev/null
}

lab_end()
{
	local status=$? pid log

	set +e
	trap '' INT TERM
	for pid in $guest_pid "${helper_pids[@]}"; do
		end_process KILL "$pid"
	done
	if [ -n "$txringd_pid" ] && ! end_process TERM "$txringd_pid"; then
		echo "failed: txringd did not end well" >&2
		[ $status -ne 0 ] || status=1
	fi
	if [ -n "$lab" ] && [ $status -ne 0 ] && [ $status -ne 77 ]; then
		for log in "$lab"/*.log; do
			[ ! -s "$log" ] || { echo "--- ${log##*/}" && tail -n 30 "$log"; } >&2
		done
	fi
	lab_remove "$netns" "$lab"
	exit $status
}

# lab_remove NETNS FOLDER: what is left of both, and of the namespace of veth_begin, if they were made
lab_remove()
{
	[ -z "$1" ] || ip netns del "$1" 2>/dev/null || true
	[ -z "$1" ] || ip netns del "$1-card" 2>/dev/null || true
	[ -z "$2" ] || rm -rf "$2"
}

# The time that the images take, when they must be fetched, does not count.
lab_begin()
{
	local limit=$1

	shift
	if [ -z "${LAB_IMAGES:-}" ]; then
		LAB_IMAGES=$("$guest_dir/kernel" "$guest_kind")
		export LAB_IMAGES
		exec timeout --foreground "$limit" "$0" "$@"
	fi
	{ read -r guest_release && read -r guest_vmlinux && read -r guest_initrd; } <<<"$LAB_IMAGES"
	[ -x "${TXRINGD:?names the daemon to be tested}" ] || fail "$TXRINGD cannot be run"
	[ -c /dev/net/tun ] || skip "/dev/net/tun is missing: modprobe tun"
	trap lab_end EXIT
	trap 'exit 143' TERM
	trap 'exit 130' INT
	lab=$(mktemp -d --tmpdir txring-guest.XXXXXX)
	netns=txring-$$-$RANDOM
	undo_later lab_remove "$netns" "$lab"
	ip netns add "$netns" 2>"$lab/netns.log" || {
		netns=
		skip "no network namespace can be made ($(cat "$lab/netns.log")): run as root"
	}
	no_ipv6 "$netns"
	ip -n "$netns" link set lo up
}

no_ipv6()
{
	# shellcheck disable=SC2016
	timeout 120 ip netns exec "$1" \
		sh -c 'for i in all default; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done'
}

# As a container has it: the host's side is $tap still, an interface with its default settings. txringd
# is in another namespace, with the other end.
veth_begin()
{
	card_netns=$netns-card
	backend=xdp:card0
	ip netns add "$card_netns"
	no_ipv6 "$card_netns"
	ip -n "$netns" link add $tap type veth peer name card0 netns "$card_netns" 2>"$lab/veth.log" ||
		skip "no veth can be made ($(cat "$lab/veth.log"))"
	ip -n "$card_netns" link set card0 up
}

# The tap goes with a daemon that made it, so each start sets it up anew.
txringd_start()
{
	mortal ip netns exec "${card_netns:-$netns}" "$TXRINGD" --socket-path "$lab/vu.sock" \
		--backend "$backend" "$@" </dev/null >>"$lab/txringd.log" 2>&1 7>&- 8>&- &
	txringd_pid=$!
	within 60 txringd_settled || fail "txringd $* did not open $backend"
	! process_gone "$txringd_pid" || txringd_ended "$@"
	ip -n "$netns" addr replace $host_ip/24 dev $tap
	ip -n "$netns" link set $tap up
}

txringd_ended()
{
	! grep -q "this kernel has no AF_XDP" "$lab/txringd.log" || skip "this kernel has no AF_XDP"
	fail "txringd $* has ended"
}

txringd_settled()
{
	process_gone "$txringd_pid" && return 0
	ip -n "$netns" link show $tap >/dev/null 2>&1 || return 1
	[ -S "$lab/vu.sock" ] || [ "$guest_socket" != reconnect=1 ]
}

# txringd_stop [SIGNAL]
txringd_stop()
{
	local pid=$txringd_pid

	txringd_pid=
	end_process "${1:-TERM}" "$pid" || fail "txringd ended with status $?"
}

# The pipes of the console port are new each time: what a killed guest left in the old ones is gone.
port_open()
{
	rm -f "$lab/port.in" "$lab/port.out"
	mkfifo "$lab/port.in" "$lab/port.out"
	exec 7<>"$lab/port.in" 8<>"$lab/port.out"
}

# vectors=0: QEMU 7.2 crashes when a guest switches MSI-X on for vhost-user under TCG. romfile=: the
# guest boots no network ROM.
guest_start()
{
	port_open
	mortal qemu-system-x86_64 -nodefaults -no-user-config -display none -accel tcg,thread=multi \
		-M q35,memory-backend=mem -cpu max -smp "$guest_cpus" -m 512 \
		-object memory-backend-memfd,id=mem,size=512M,share=on \
		-kernel "$guest_vmlinux" -initrd "$guest_initrd" \
		-append "$guest_append" \
		-serial "file:$lab/console.log" -device isa-debug-exit,iobase=0xf4,iosize=4 \
		-device virtio-serial-pci,max_ports=2 -chardev pipe,id=port,path="$lab/port" \
		-device virtserialport,chardev=port,nr=1 \
		-chardev socket,id=vu,"path=$lab/vu.sock,$guest_socket" \
		-netdev "vhost-user,id=net,chardev=vu$guest_netdev" \
		-device "virtio-net-pci,netdev=net,romfile=,vectors=0,$guest_device" \
		</dev/null >>"$lab/qemu.log" 2>&1 7>&- 8>&- &
	guest_pid=$!
}

# Returns when the guest has said that it is ready, once per boot, and the network carries frames.
guest_wait()
{
	local id status text

	port_read 120
	read -r id status text <<<"$port_line"
	[ "$id" = 0 ] || fail "the guest said \"$port_line\" before it was ready"
	guest_features=$(guest "cat /sys/class/net/eth0/device/features")
	network_wait
}

# A tap that is new, or a back-end that QEMU connects to again, takes a moment.
network_wait()
{
	within 60 ping_once || fail "no ping gets through"
}

guest_stop()
{
	local pid=$guest_pid

	guest_pid=
	end_process "${1:-TERM}" "$pid" || fail "QEMU ended with status $?"
}

# One line from the guest into port_line. Bounded, and ends when QEMU does.
port_read()
{
	local part end=$((SECONDS + $1))

	port_line=
	# A line may come in pieces, with a space at the end of one.
	while ! IFS= read -r -t 0.2 -u 8 part; do
		port_line+=$part
		! process_gone "$guest_pid" || fail "the guest has ended"
		[ $SECONDS -lt $end ] || fail "no answer from the guest for $1 s"
	done
	port_line+=$part
}

# guest_tell COMMAND [ID]: for a command that the guest does not survive
guest_tell()
{
	echo "${2:-0} 110 $(base64 -w 0 <<<"$1")" >&7
}

# guest COMMAND: a shell command line; its output and status. Two minutes at most.
guest()
{
	local id=${EPOCHREALTIME/[.,]/} answer status text

	guest_tell "$1" "$id"
	port_read 120
	read -r answer status text <<<"$port_line"
	[ "$answer" = "$id" ] || fail "the guest answered \"${port_line:0:80}\" to: $1"
	base64 -d <<<"$text"
	return "$status"
}

# have_feature NAME: has the guest's driver negotiated it?
have_feature()
{
	local bit

	case $1 in
	CSUM)		bit=0 ;;
	GUEST_CSUM)	bit=1 ;;
	MAC)		bit=5 ;;
	GUEST_TSO4)	bit=7 ;;
	GUEST_TSO6)	bit=8 ;;
	HOST_TSO4)	bit=11 ;;
	HOST_TSO6)	bit=12 ;;
	HOST_UFO)	bit=14 ;;
	MRG_RXBUF)	bit=15 ;;
	STATUS)		bit=16 ;;
	CTRL_VQ)	bit=17 ;;
	MQ)		bit=22 ;;
	INDIRECT_DESC)	bit=28 ;;
	EVENT_IDX)	bit=29 ;;
	VERSION_1)	bit=32 ;;
	RING_PACKED)	bit=34 ;;
	RING_RESET)	bit=40 ;;
	*)		fail "no feature $1" ;;
	esac
	[ "${guest_features:$bit:1}" = 1 ]
}

ping_once()
{
	host ping -q -c 1 -W 1 $guest_ip >/dev/null 2>&1
}

# ping_times COUNT SIZE INTERVAL: the round trips in us, sorted, one a line
ping_times()
{
	host ping -c "$1" -s "$2" -i "$3" -W 3 $guest_ip |
		sed -n 's/.*time=\([0-9.]*\) ms/\1/p' | awk '{ print $1 * 1000 }' | sort -n
}

# iperf ARG...: iperf3 to the guest; its report goes to iperf.json. -R: from the guest.
iperf()
{
	host iperf3 -c $guest_ip -J --connect-timeout 30000 "$@" >"$lab/iperf.json" || {
		cat "$lab/iperf.json" >&2
		fail "iperf3 $*"
	}
}

# A number of the last report: iperf_number sum_received bits_per_second
iperf_number()
{
	/usr/bin/python3 -c 'import json, sys
end = json.load(sys.stdin)["end"]
print(int(end[sys.argv[1]][sys.argv[2]]))' "$@" <"$lab/iperf.json"
}
