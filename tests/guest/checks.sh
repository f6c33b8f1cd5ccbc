# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# What the guest tests demand of the network. Each check fails the test that calls it. tx and rx are
# the guest's. Needs a guest that is up; speeds are not judged, as the machine may be loaded.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

snmp_of_host()
{
	host cat /proc/self/net/snmp
}

snmp_of_guest()
{
	guest "cat /proc/net/snmp"
}

# echo_replies host|guest: how many answers to its pings that side has got so far
echo_replies()
{
	snmp_of_"$1" | awk '/^Icmp:/ && !n { n = split($0, name); next }
		/^Icmp:/ { for (i = 2; i <= n; i++) value[name[i]] = $i }
		END { print value["InEchoReps"] }'
}

have_replies()
{
	[ "$(echo_replies "$1")" -ge "$2" ]
}

# all_replied host|guest BEFORE COUNT: so many more are there. The kernel counts them: ping itself, whatever -W says,
# ends two round trips after its last one, and calls lost what comes later, on a machine that is busy just then.
all_replied()
{
	within 20 have_replies "$1" $(($2 + $3)) ||
		fail "pings of the $1: $(($(echo_replies "$1") - $2)) of $3 came back"
}

# ping_all SIZE COUNT: the host's pings are all answered, with the bytes that were sent
ping_all()
{
	local size=$1 count=$2 before said

	before=$(echo_replies host)
	said=$(host ping -c "$count" -s "$size" -i 0.01 -W 3 $guest_ip) || true
	[[ $said != *"wrong data"* ]] || fail "ping of $size bytes: $said"
	all_replied host "$before" "$count"
}

# The same of the guest's.
guest_ping_all()
{
	local size=$1 count=$2 before

	before=$(echo_replies guest)
	guest "ping -q -c $count -i 0.01 -s $size $host_ip" >/dev/null || true
	all_replied guest "$before" "$count"
}

# Round trips in us, sorted, one a line, of pings that each begin when the last one has ended: a kick for
# another answer would end the wait of the mode timer.
ping_alone()
{
	# shellcheck disable=SC2016
	host bash -c 'for ((i = 0; i < $0; i++)); do ping -c 1 -W 3 "$1" || true; done' "$1" $guest_ip |
		sed -n 's/.*time=\([0-9.]*\) ms/\1/p' | awk '{ print $1 * 1000 }' | sort -n
}

# ping_floor AT_LEAST BELOW: the fastest of many round trips, in us. The machine may be loaded, so
# that "below" has several tries; "at least" has none.
ping_floor()
{
	local try fastest

	for try in 1 2 3 4 5; do
		fastest=$(ping_alone 100 | sed -n 1p)
		awk -v t="$fastest" -v min="$1" 'BEGIN { exit !(t >= min) }' ||
			fail "a round trip of $fastest us, faster than $1 us"
		! awk -v t="$fastest" -v max="$2" 'BEGIN { exit !(t < max) }' || break
		[ "$try" -lt 5 ] || fail "no round trip faster than $2 us: $fastest"
	done
	step "fastest round trip: $fastest us"
}

# tcp tx|rx ARG...: a short TCP run this way. With segmentation offload the tap carries frames that
# are larger than the MTU on average. It counts the guest's tx as its own rx.
tcp()
{
	local way=$1 counters=/sys/class/net/$tap/statistics bytes packets count reverse=

	shift
	case $way in
	tx)	reverse=-R count=rx ;;
	rx)	count=tx ;;
	esac
	bytes=$(host cat $counters/${count}_bytes)
	packets=$(host cat $counters/${count}_packets)
	iperf -t 1 $reverse "$@"
	bytes=$(($(host cat $counters/${count}_bytes) - bytes))
	packets=$(($(host cat $counters/${count}_packets) - packets))
	step "TCP $way: $bytes bytes through the tap, $((bytes / packets)) a frame"
	[ $bytes -ge "$(iperf_number sum_received bytes)" ] || fail "TCP took another way"
	[ $bytes -gt 1000000 ] || fail "that is too few"
	[ $((bytes / packets)) -gt 1514 ] || fail "these are no TSO frames"
}

# CPU time of a process so far, in ms
cpu_ms()
{
	awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) * 1000 / hz }' \
		"/proc/$1/stat"
}

# rate tx|rx: a short TCP run this way; how fast, and what it took: to be looked at, not judged
rate()
{
	local reverse=-R guest txringd moved

	[ "$1" = tx ] || reverse=
	guest=$(cpu_ms "$guest_pid")
	txringd=$(cpu_ms "$txringd_pid")
	iperf -t 1 $reverse
	moved=$(iperf_number sum_received bytes)
	guest=$((($(cpu_ms "$guest_pid") - guest) * 1000000 / (moved / 1000 + 1)))
	txringd=$((($(cpu_ms "$txringd_pid") - txringd) * 1000000 / (moved / 1000 + 1)))
	step "TCP $1: $(($(iperf_number sum_received bits_per_second) / 1000000)) Mbit/s," \
		"$(iperf_number sum_sent retransmits) sent again; a GB takes $guest ms of the guest's" \
		"CPU, $txringd ms of txringd's"
	[ "$moved" -gt 1000000 ] || fail "that is too slow to be true"
}

# No wrong checksum has come to a stack, the host's or the guest's.
no_csum_errors()
{
	local wrong

	wrong=$({
		host sed 's/^/host /' /proc/net/snmp
		guest "sed 's/^/guest /' /proc/net/snmp"
	} | awk '$1 $2 == last {
			for (i = 3; i <= NF; i++)
				if (name[i] == "InCsumErrors" && $i)
					print $1, $2, $i
		}
		{ last = $1 $2; split($0, name) }')
	[ -z "$wrong" ] || fail "wrong checksums came in: ${wrong//$'\n'/, }"
}

# One line NAME VALUE for each counter between the guest's UDP and the host's.
count_all()
{
	local queues at
	local files='rx_packets rx_dropped rx_errors tx_packets tx_dropped tx_errors'
	# shellcheck disable=SC2016
	local lines='/^[rt]x_/ { sub(":", " "); print who $0 }
		/^Udp:/ && n { for (i = 2; i <= n; i++) print who name[i], $i }
		/^Udp:/ { n = split($0, name) }'

	queues=$(tr '\0' '\n' <"/proc/$txringd_pid/cmdline" | sed -n '/^--queues$/{n;p}')
	at=$(stat -c %s "$lab/txringd.log")
	kill -USR1 "$txringd_pid"
	within 60 counters_told "$at" "rx$((${queues:-1} - 1))" || fail "txringd tells no counters"
	tail -c +$((at + 1)) "$lab/txringd.log" | awk '$2 ~ /^[rt]x[0-9]+$/ {
		for (i = 3; i <= NF; i++) {
			split($i, part, "=")
			what = part[1] ~ /^drop_/ ? "drops" : part[1]
			sum["ring_" substr($2, 1, 2) "_" what] += part[2]
		}
	}
	END { for (name in sum) print name, sum[name] }'
	host sh -c "cd /sys/class/net/$tap/statistics && grep . $files" |
		awk -v who=tap_ "$lines"
	host tc -s qdisc show dev $tap |
		awk '/dropped/ { sub(/.*dropped /, ""); print "qdisc_dropped", $1 + 0; exit }'
	host cat /proc/net/snmp | awk -v who=host_ "$lines"
	guest "cat /proc/net/snmp; cd /sys/class/net/eth0/statistics && grep . $files" |
		awk -v who=guest_ "$lines"
}

# counters_told FROM QUEUE: does txringd's log tell of it behind its first FROM bytes?
counters_told()
{
	grep -q "^txringd: $2 .*broken=[0-9]*$" < <(tail -c +$(($1 + 1)) "$lab/txringd.log")
}

# udp_missing tx|rx: into legs, those on which frames of the time since the counters in before were
# taken are missing, and in no counter; into counted, all that were dropped and counted.
udp_missing()
{
	local name value after
	local -A d=()

	after=$(count_all) || exit
	while read -r name value; do
		d[$name]=$((${d[$name]:-0} + value))
	done <<<"$after"$'\n'"${before// / -}"
	ours=$((${d[ring_rx_drops]} + ${d[ring_tx_drops]}))
	legs=
	case $1 in
	tx)	# The guest counts a frame when it is used: as late as that suits it.
		leg "the guest and txringd" at-most \
			$((${d[guest_tx_packets]} - ${d[ring_tx_frames]} - ${d[ring_tx_drops]}))
		# Frames that left as one are one to the tap.
		leg "txringd and the tap" all $((${d[ring_tx_frames]} - ${d[ring_tx_merged]} +
			${d[ring_tx_merges]} - ${d[tap_rx_packets]} -
			${d[tap_rx_dropped]} - ${d[tap_rx_errors]}))
		counted=$((${d[guest_SndbufErrors]} + ${d[guest_tx_dropped]} +
			${d[guest_tx_errors]} + ours + ${d[tap_rx_dropped]} +
			${d[tap_rx_errors]} + ${d[host_InErrors]}))
		;;
	rx)	leg "the tap and txringd" all \
			$((${d[tap_tx_packets]} - ${d[ring_rx_frames]} - ${d[ring_rx_drops]}))
		leg "txringd and the guest" all $((${d[ring_rx_frames]} -
			${d[guest_rx_packets]} - ${d[guest_rx_dropped]}))
		counted=$((${d[host_SndbufErrors]} + ${d[qdisc_dropped]} + ${d[tap_tx_dropped]} +
			${d[tap_tx_errors]} + ours + ${d[guest_rx_dropped]} +
			${d[guest_InErrors]}))
		;;
	esac
	[ -z "$legs" ]
}

# leg BETWEEN all|at-most MISSING: at most none, or exactly none, are missing there
leg()
{
	if [ "$3" -gt 0 ] || { [ "$3" -lt 0 ] && [ "$2" = all ]; }; then
		legs+=" between $1: $3"
	fi
}

# udp tx|rx: however many the machine is too slow for, each datagram that is lost is in a counter,
# and none of txringd's.
udp()
{
	local reverse packets lost before legs counted ours

	case $1 in
	tx)	reverse=-R ;;
	rx)	reverse= ;;
	esac
	before=$(count_all)
	iperf -u -b 10M -l 1400 -t 1 $reverse
	packets=$(iperf_number sum packets)
	lost=$(iperf_number sum lost_packets)
	# The last ones may be on their way while the counters are read.
	within 60 udp_missing "$1" || fail "frames that nobody counts are missing$legs"
	step "UDP $1: $packets datagrams, $lost lost, $counted counted"
	[ "$packets" -gt 100 ] || fail "these are too few to judge by"
	[ "$lost" -le "$counted" ] || fail "$lost are lost, and only $counted counted"
	[ "$ours" -eq 0 ] || fail "txringd dropped $ours, and had no reason to"
}

# transfer [MB]: a file goes to the guest and comes back, through the web servers of both sides.
transfer()
{
	local mb=${1:-6} sum

	if [ ! -d "$lab/web" ]; then
		mkdir "$lab/web"
		mortal ip netns exec "$netns" busybox httpd -f -p 8080 -h "$lab/web" &
		helper_pids+=($!)
		disown $!
	fi
	head -c "${mb}000000" /dev/urandom >"$lab/web/there"
	sum=$(md5sum <"$lab/web/there")
	guest "wget -q -O /srv/file http://$host_ip:8080/there"
	[ "$(guest "md5sum </srv/file")" = "$sum" ] || fail "the file arrived changed"
	host busybox wget -q -O "$lab/web/back" http://$guest_ip/file
	[ "$(md5sum <"$lab/web/back")" = "$sum" ] || fail "the file came back changed"
	guest "rm /srv/file"
	step "$mb MB there and back"
}

# Pings of three sizes, N of the smallest; TCP, UDP and a file, both ways.
traffic()
{
	ping_all 56 "$1"
	ping_all 1472 50
	ping_all 4000 50
	step "pings of 56, 1472 and 4000 bytes"
	tcp tx
	tcp rx
	udp tx
	udp rx
	transfer
}

# works WHAT-HAPPENED
works()
{
	network_wait
	ping_all 56 20
	step "$1: the network works"
}

# features yes|no NAME...: has the guest's driver negotiated each of them?
features()
{
	local want=$1 name has

	shift
	for name in "$@"; do
		has=yes
		have_feature "$name" || has=no
		[ $has = "$want" ] || fail "$name: $has (the guest's bits: $guest_features)"
	done
}
