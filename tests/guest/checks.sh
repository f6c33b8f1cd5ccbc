# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# What the guest tests demand of the network. Each check fails the test that calls it. tx and rx are
# the guest's. Needs a guest that is up; speeds are not judged, as the machine may be loaded.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Every echo comes back. iputils checks their content as well.
ping_all()
{
	local size=$1 count=$2 back

	back=$(ping_times "$count" "$size" 0.01 | wc -l)
	[ "$back" -eq "$count" ] || fail "ping of $size bytes: $back of $count came back"
}

# ping_floor AT_LEAST BELOW: the fastest of many round trips, in us. The machine may be loaded, so
# that "below" has several tries; "at least" has none.
ping_floor()
{
	local try fastest

	for try in 1 2 3 4 5; do
		fastest=$(ping_times 200 56 0.005 | head -n 1)
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

# udp tx|rx: a rate at which even a loaded machine loses little
udp()
{
	local reverse packets lost

	case $1 in
	tx)	reverse=-R ;;
	rx)	reverse= ;;
	esac
	iperf -u -b 10M -l 1400 -t 1 $reverse
	packets=$(iperf_number sum packets)
	lost=$(iperf_number sum lost_packets)
	step "UDP $1: $packets datagrams, $lost lost"
	[ $((packets - lost)) -gt $((packets / 2)) ] || fail "more than half is lost"
}

# A file goes to the guest and comes back, through the web servers of both sides.
transfer()
{
	local sum

	if [ ! -d "$lab/web" ]; then
		mkdir "$lab/web"
		ip netns exec "$netns" busybox httpd -f -p 8080 -h "$lab/web" &
		helper_pids+=($!)
		disown $!
	fi
	head -c 20000000 /dev/urandom >"$lab/web/there"
	sum=$(sha256sum <"$lab/web/there")
	guest "wget -q -O /srv/file http://$host_ip:8080/there"
	[ "$(guest "sha256sum </srv/file")" = "$sum" ] || fail "the file arrived changed"
	host busybox wget -q -O "$lab/web/back" http://$guest_ip/file
	[ "$(sha256sum <"$lab/web/back")" = "$sum" ] || fail "the file came back changed"
	guest "rm /srv/file"
	step "20 MB there and back"
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
