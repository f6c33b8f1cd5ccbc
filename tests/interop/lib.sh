# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the interop tests share: a namespace with txringd's tap, DPDK's testpmd as the driver, the
# pings between them, and an exit that leaves nothing behind. Sourced; it runs no case of its own.

set -uo pipefail
# shellcheck source=../undo.sh
. "$(dirname "${BASH_SOURCE[0]}")/../undo.sh"
scratch=$(mktemp -d --tmpdir txring-interop.XXXXXX)
netns=txring-interop-$$
socket=$scratch/vu.sock
addr=10.99.0.1
peer=10.99.0.2
device_pid=
driver_pid=
traffic_pid=

trap cleanup EXIT
trap 'exit 1' INT TERM HUP

cleanup()
{
	local rc=$?
	trap - EXIT
	trap '' PIPE
	[ -z "$driver_pid" ] || kill -KILL "$driver_pid" 2>/dev/null
	[ -z "$device_pid" ] || kill -KILL "$device_pid" 2>/dev/null
	[ -z "$traffic_pid" ] || kill -KILL "$traffic_pid" 2>/dev/null
	wait 2>/dev/null
	if [ "$rc" -ne 0 ] && [ "$rc" -ne 77 ]; then
		for log in "$scratch"/*.log; do
			[ -e "$log" ] && echo "--- the end of ${log##*/}" && tail -n 15 "$log"
		done
	fi
	remove "$netns" "$scratch"
	exit "$rc"
}

# remove NETNS FOLDER: what is left of both
remove()
{
	ip netns del "$1" 2>/dev/null
	rm -rf "$2"
}
undo_later remove "$netns" "$scratch"

skip()
{
	echo "skipped: $*"
	exit 77
}

fail()
{
	echo "FAILED: $*"
	exit 1
}

# need_all TXRINGD: everything that a case uses is here, or the test is skipped.
need_all()
{
	local cmd
	txringd=$1
	[ -x "$txringd" ] || fail "there is no $txringd"
	for cmd in dpdk-testpmd ip ping stdbuf; do
		command -v "$cmd" >/dev/null || skip "needs $cmd (tools/setup installs it)"
	done
	[ "$(id -u)" = 0 ] || skip "needs root, for a network namespace and a tap"
	[ -c /dev/net/tun ] || skip "needs /dev/net/tun"
	ip netns add "$netns" 2>/dev/null || skip "needs the right to make a network namespace"
}

# within SECONDS COMMAND...: the command comes true within that time.
within()
{
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# A child that ended and was not waited for yet is dead, too.
dead()
{
	! grep -q '^State:[[:space:]]*[^Z]' "/proc/$1/status" 2>/dev/null
}

tap_is_there()
{
	ip -n "$netns" link show dev tap0 >/dev/null 2>&1
}

# negotiated WORD...: each is in txringd's last line about features; with a ! before it, it is not.
negotiated()
{
	local line word
	line=" $(grep ' negotiated ' "$scratch/txringd.log" | tail -n 1) "
	for word in "$@"; do
		case $line in
		*" ${word#!} "*) [ "$word" = "${word#!}" ] || fail "unwanted ${word#!}:$line" ;;
		*) [ "$word" != "${word#!}" ] || fail "no $word:$line" ;;
		esac
	done
}

tap_is_gone()
{
	! tap_is_there
}

tap_or_dead()
{
	tap_is_there || dead "$device_pid"
}

# device_start OPTION...: txringd in the namespace, its tap up and addressed.
device_start()
{
	mortal ip netns exec "$netns" "$txringd" --backend tap:tap0 "$@" >>"$scratch/txringd.log" 2>&1 &
	device_pid=$!
	within 60 tap_or_dead
	tap_is_there || fail "txringd $* made no tap"
	ip -n "$netns" addr replace "$addr/24" dev tap0
	ip -n "$netns" link set tap0 up
}

# device_quit: SIGTERM ends it well and soon.
device_quit()
{
	local rc
	kill -TERM "$device_pid"
	within 30 dead "$device_pid" || fail "txringd goes on after SIGTERM"
	wait "$device_pid"
	rc=$?
	device_pid=
	[ "$rc" -eq 0 ] || fail "txringd ended with $rc on SIGTERM"
}

# device_kill: the kernel takes a killed process' io_uring down later, and its tap with it.
device_kill()
{
	kill -KILL "$device_pid"
	wait "$device_pid" 2>/dev/null
	device_pid=
	within 60 tap_is_gone || fail "the tap outlives txringd"
}

driver_says()
{
	grep -q "$1" "$scratch/testpmd.log" 2>/dev/null
}

driver_says_or_dead()
{
	driver_says "$1" || dead "$driver_pid"
}

# driver_start VDEV_OPTIONS [TESTPMD_OPTION...]: testpmd answers pings over virtio-user. Its memory
# is a memfd of 4 KiB pages, as QEMU's, so that no hugepages need to be set up.
driver_start()
{
	local vdev=$1 cpus
	shift
	cpus="($(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status))"
	rm -f "$scratch/stdin" "$scratch/testpmd.log"
	mkfifo "$scratch/stdin"
	exec {driver_in}<>"$scratch/stdin"
	RUNTIME_DIRECTORY=$scratch mortal stdbuf -oL dpdk-testpmd --lcores "0@$cpus,1@$cpus" \
		--no-pci --no-huge -m 256 --file-prefix="$netns" --no-telemetry \
		--vdev "net_virtio_user0,path=$socket,$vdev" -- -i --no-mlockall \
		--total-num-mbufs=16384 "$@" <"$scratch/stdin" >"$scratch/testpmd.log" 2>&1 &
	driver_pid=$!
	driver_do "set fwd icmpecho"
	driver_do "start"
}

driver_do()
{
	echo "$1" >&"$driver_in"
}

driver_ready()
{
	within 120 driver_says_or_dead "icmpecho packet forwarding"
	driver_says "icmpecho packet forwarding" || fail "testpmd did not start"
	within 60 answers || fail "no answer to a first ping"
}

driver_quit()
{
	driver_do quit
	within 60 dead "$driver_pid" || fail "testpmd does not quit"
	driver_gone
}

driver_kill()
{
	kill -KILL "$driver_pid"
	driver_gone
}

driver_gone()
{
	wait "$driver_pid" 2>/dev/null
	driver_pid=
	exec {driver_in}>&-
}

answers()
{
	ip netns exec "$netns" ping -q -c 1 -W 1 "$peer" >/dev/null 2>&1
}

# ping_sizes N: N pings of each of four sizes, side by side.
ping_sizes()
{
	local size pids=() pid
	for size in 18 56 1000 1472; do
		mortal ip netns exec "$netns" ping -c "$1" -i 0.002 -W 2 -s "$size" -p a5c3 "$peer" \
			>"$scratch/ping.$size" 2>&1 &
		pids+=("$!")
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
}

ping_failed()
{
	grep -vE '^(P|#|$)|bytes from' "$scratch/ping.$1" | tail -n 8
	fail "pings of $1 bytes"
}

all_answered()
{
	local size
	for size in 18 56 1000 1472; do
		grep -q "^$1 packets transmitted, $1 received, 0% " "$scratch/ping.$size" || return
	done
}

# Whatever came back must be right, in every try.
all_right()
{
	local size
	for size in 18 56 1000 1472; do
		! grep -qE 'wrong|DUP|duplicates|errors' "$scratch/ping.$size" || ping_failed "$size"
	done
}

# driver_counters: testpmd's are at the end of its log.
driver_counters()
{
	local n
	n=$(grep -c "Accumulated forward statistics" "$scratch/testpmd.log")
	driver_do "show fwd stats all"
	within 60 driver_counted_again "$n" || fail "testpmd shows no counters"
}

driver_counted_again()
{
	[ "$(sed -n '/Accumulated/,$s/.*TX-dropped/&/p' "$scratch/testpmd.log" | wc -l)" -gt "$1" ]
}

# So far: pings sent and answers that came back to the kernel.
icmp_counts()
{
	ip netns exec "$netns" awk '/^Icmp:/ && !n { n = split($0, name); next }
		/^Icmp:/ { for (i = 2; i <= n; i++) value[name[i]] = $i }
		END { print value["OutEchos"], value["InEchoReps"] }' /proc/self/net/snmp
}

# So far: frames that somebody else than txringd dropped, and counted: the tap, testpmd.
drops_of_others()
{
	driver_counters
	ip netns exec "$netns" cat /sys/class/net/tap0/statistics/{tx,rx}_dropped |
		awk '{ n += $1 } END { printf "%d ", n }'
	awk '/Accumulated/ { n = 0 } /X-dropped:/ { n += $4 } END { print n + 0 }' \
		"$scratch/testpmd.log"
}

# pings N: all answered. Ping compares each byte behind its time stamp with the pattern; it does not
# say so with -q. An answer may be missing if somebody else than txringd counts it: testpmd drops
# answers for which its ring has no room, and a ping without a CPU overflows its socket.
pings()
{
	local sent answered tap testpmd
	read -r sent answered < <(icmp_counts)
	read -r tap testpmd < <(drops_of_others)
	ping_sizes "$1"
	all_right
	all_answered "$1" || judge_lost "$1" "$sent" "$answered" "$tap" "$testpmd"
}

# all_counted SENT ANSWERED TAP TESTPMD: each ping since those counts came back, or was dropped by another.
all_counted()
{
	read -r sent answered < <(icmp_counts)
	read -r tap testpmd < <(drops_of_others)
	tap=$((tap - $3)) testpmd=$((testpmd - $4))
	lost=$((sent - $1 - (answered - $2)))
	[ "$lost" -eq $((tap + testpmd)) ]
}

# judge_lost N SENT ANSWERED TAP TESTPMD: since those counts. The last ones may still be on their way.
judge_lost()
{
	local sent answered tap testpmd lost size counted=1
	within 20 all_counted "${@:2}" || counted=0
	for size in 18 56 1000 1472; do
		grep "packets transmitted" "$scratch/ping.$size"
	done
	[ "$counted" = 1 ] || fail "of $((sent - $2)) pings $lost did not come" \
		"back to the kernel; the tap dropped $tap, testpmd $testpmd; nobody counts the others"
	[ "$lost" -lt "$1" ] || fail "$lost of $((sent - $2)) pings lost is no accident"
	echo "note: testpmd dropped $testpmd answers, the tap $tap frames, ping's sockets the rest"
}

# Pings that go on until traffic_end, answered or not.
traffic_start()
{
	mortal ip netns exec "$netns" ping -q -i 0.002 -s 1000 "$peer" >/dev/null 2>&1 &
	traffic_pid=$!
}

# Pings of it are answered.
traffic_flows()
{
	local sent answered
	read -r sent answered < <(icmp_counts)
	within 60 has_answered $((answered + 20)) || fail "no traffic"
}

has_answered()
{
	local sent answered
	read -r sent answered < <(icmp_counts)
	[ "$answered" -ge "$1" ]
}

traffic_end()
{
	kill -KILL "$traffic_pid"
	wait "$traffic_pid" 2>/dev/null
	traffic_pid=
}

# both_queues_carry: pings to many addresses (testpmd answers for any) are spread over the queue
# pairs by the kernel's hash; testpmd counts them per queue.
both_queues_carry()
{
	local host pids=() pid queue n
	for host in $(seq 2 17); do
		mortal ip netns exec "$netns" ping -q -c 20 -i 0.01 -W 2 "10.99.0.$host" \
			>"$scratch/spread.$host" 2>&1 &
		pids+=("$!")
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || fail "an address is not answered: $(cat "$scratch"/spread.*)"
	done
	driver_counters
	for queue in 0 1; do
		n=$(sed -n "/RX Port= 0\/Queue= $queue/{n;s/.*TX-packets: \([0-9]*\).*/\1/p}" \
			"$scratch/testpmd.log" | tail -n 1)
		[ "${n:-0}" -ge 20 ] || fail "queue pair $queue carried ${n:-no} frames"
	done
}
