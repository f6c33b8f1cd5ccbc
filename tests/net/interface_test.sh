#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: run.sh interface_test.sh TXRINGD TXRINGCTL
# txringd --interface: cards as libvirt's XML describes them, beside options and --nic; and that XML which is wrong,
# hostile or of something else gives status 1 and one line with file, line, element, attribute and value.
set -uo pipefail
txringd=$(realpath "$1")
txringctl=$(realpath "$2")
. "${BASH_SOURCE[0]%/*}/refusals.sh"
daemon=
trap leave EXIT
cd "$scratch" || exit 1
control=$scratch/control

# refuses TEXT... -- ARGUMENT...: txringd does, and leaves neither socket nor tap.
refuses()
{
	local texts
	take_texts "$@"
	shift $((${#texts[@]} + 1))
	says_only "${texts[@]}" -- "$txringd" "$@"
	[ ! -e "$scratch/s" ] || fail "$*: leaves a socket"
	! ip link show t0 >/dev/null 2>&1 || fail "$*: leaves a tap"
}

# interface TYPE INSIDE: one of virtio, in a.xml; what is inside begins in line 2.
interface()
{
	printf "<interface type='%s'>\n%s\n<model type='virtio'/></interface>\n" "$1" "$2" >a.xml
}
socket="<source type='unix' path='$scratch/s' mode='client'/>"

interface vhostuser "$socket"
if grep -q "built without" <<<"$("$txringd" --interface a.xml 2>&1)"; then
	refuses "a.xml: " "libxml2-dev" "-Dlibvirt=enabled" -- --interface a.xml
	echo "$n cases: built without libxml2, of which the rest is"
	exit "$bad"
fi

# What the issue of a user's typing errors names: the place, and what is allowed.
refuses_inside()
{
	local inside=$1
	shift
	interface vhostuser "$socket<target dev='t0'/>$inside"
	refuses "a.xml:2: " "$@" -- --interface a.xml
}
refuses_inside "<driver txmode='foo'/>" "<driver txmode='foo'>" "iothread timer"
refuses_inside "<driver name='default'/>" "<driver name='default'>" "qemu vhost" "leave it out"
for value in -5 0 257; do
	refuses_inside "<driver queues='$value'/>" "<driver queues='$value'>" "from 1 to 128"
done
refuses_inside "<driver rx_queue_size='511'/>" "rx_queue_size='511'" "power of two from 256 to 1024"
refuses_inside "<mac address='01:00:5e:00:00:01'/>" "<mac address='01:00:5e:00:00:01'>" unicast
refuses_inside "<mac address='52:54:00'/>" "<mac address='52:54:00'>" 52:54:00:12:34:56
refuses_inside "<hologram/>" "<hologram>" "<interface>" newer
refuses_inside "<driver hologram='on'/>" "<driver hologram='on'>" "name txmode queues"
refuses_inside "<filterref filter='clean-traffic'/>" "<filterref>" nft
refuses_inside "<vlan><tag id='42'/></vlan>" "<vlan>" bridge
refuses_inside "<bandwidth><inbound average='1'/></bandwidth>" "<inbound average='1'>" tc
refuses_inside "<link state='auto'/>" "<link state='auto'>" "up down"
refuses_inside "<?txring txmode timer,delay=1h?>" "<?txring txmode timer,delay=1h?>" "'1h'"
refuses_inside "<driver txmode='timer'/><?txring txmode poll?>" "txmode='timer'" poll
interface vhostuser "${socket/client/server}<target dev='t0'/>"
sed -i "s|mode='server'/>|mode='server'><reconnect enabled='yes' timeout='1'/></source>|" a.xml
refuses "a.xml:2: <reconnect enabled='yes'>" "mode='server'" -- --interface a.xml
printf "<interface type='ethernet'>\n<model type='e1000'/>\n<driver txmode='timer'/></interface>" >a.xml
refuses "a.xml:3: <driver txmode='timer'>" "<model type='e1000'/>" virtio -- --interface a.xml
interface vhostuser "$socket<target dev='t0'/><driver><guest ufo='on'/></driver>"
refuses offer GUEST_UFO -- --interface a.xml

# What is no XML, or too much of it.
says_of()
{
	refuses "a.xml" "$@" -- --interface a.xml
}
printf '' >a.xml
says_of empty
printf '<interface>\n<model></interface>' >a.xml
says_of a.xml:2: well-formed
printf '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<interface>&x;</interface>' >a.xml
says_of a.xml:1: '<!DOCTYPE d>' refused
printf '<!DOCTYPE d SYSTEM "http://127.0.0.1:1/x">\n<interface/>' >a.xml
says_of a.xml:1: '<!DOCTYPE d>' refused
{
	printf '<!DOCTYPE l [<!ENTITY a0 "ha">'
	for i in {1..9}; do
		printf '<!ENTITY a%d "%s">' "$i" "$(printf "&a$((i - 1));%.0s" {1..10})"
	done
	printf ']><interface>&a9;</interface>'
} >a.xml
says_of a.xml:1: '<!DOCTYPE l>' refused
printf '<interface>&x;</interface>' >a.xml
says_of a.xml:1: "'x'"
printf "<interface type='ethernet'><xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='/etc/passwd'/></interface>" >a.xml
says_of a.xml:1: '<include>' namespace
printf '<interface>%10485760s</interface>' '' >a.xml
says_of 10485760
for i in {1..10000}; do printf '<a>'; done >a.xml
says_of a.xml:1: "256 levels"
printf '<?xml version="1.0" encoding="ISO-8859-1"?><interface/>' >a.xml
says_of a.xml:1: ISO-8859-1 UTF-8
printf '<interface>\n\xe9</interface>' >a.xml
says_of a.xml:2: 0xe9 UTF-8
printf '\xff\xfe<\0i\0/\0>\0' >a.xml
says_of a.xml:1: UTF-8
printf '<interface>\n\0</interface>' >a.xml
says_of a.xml:2: "zero byte"
printf '<network/>' >a.xml
says_of a.xml:1: '<network>' '<domain>'
head -c 100000 /dev/urandom >a.xml
says_of a.xml
refuses none.xml "No such file" -- --interface none.xml
refuses "$scratch" directory -- --interface "$scratch"
refuses --interface value -- --interface

# A domain: which of its interfaces, and each card once.
cat >domain.xml <<XML
<domain type='qemu'>
<metadata><t:nics xmlns:t='urn:txring:1'><t:nic mac='52:54:00:00:00:02'>
<t:set key='txmode' value='poll,spin=20us'/><t:set key='backend' value='null'/>
</t:nic></t:nics></metadata>
<devices>
<interface type='vhostuser'><mac address='52:54:00:00:00:01'/><alias name='ua-one'/>
<source type='unix' path='$scratch/s' mode='client'/><target dev='t0'/>
<driver name='qemu' txmode='timer'/><mtu size='1400'/><model type='virtio'/></interface>
<interface type='vhostuser'><mac address='52:54:00:00:00:02'/>
<source type='unix' path='$scratch/s2' mode='client'/><model type='virtio'/></interface>
</devices></domain>
XML
refuses domain.xml:1: "2 interfaces" ,mac=MAC -- --interface domain.xml
refuses domain.xml:1: "alias=ua-two" -- --interface domain.xml,alias=ua-two
refuses "n '0'" -- --interface domain.xml,n=0
refuses "mac '1'" 52:54:00:12:34:56 -- --interface domain.xml,mac=1
refuses nic1 "52:54:00:00:00:01" nic0 -- --interface domain.xml,n=1 \
	--interface domain.xml,dev=t0 --socket-path "$scratch/s3" --backend null
sed "s|52:54:00:00:00:02'/>|52:54:00:00:00:01'/>|" domain.xml >twins.xml
refuses "twins.xml:9: <mac address='52:54:00:00:00:01'>" "line 6" -- --interface twins.xml,n=2
interface ethernet "<target dev='t0'/>"
refuses "a.xml:1: <interface>" --socket-path --fd -- --interface a.xml
interface ethernet ""
refuses "a.xml:1: <interface>" "<target dev='tap0'/>" --backend -- --interface a.xml
refuses --backend -- --socket-path "$scratch/s" --interface domain.xml,n=1

# Of a configuration file, the line that names it.
printf 'iothreads = 1\n\n[nic]\ninterface = nowhere.xml\n' >cards.conf
refuses "cards.conf:4: nowhere.xml: cannot be read" -- --config cards.conf
printf 'interface = a.xml,n=0\n' >cards.conf
refuses "cards.conf:1: interface n '0'" -- --config cards.conf
refuses "txringd: --interface n '0'" -- --interface a.xml,n=0

# start ARGUMENT...: a txringd that listens.
start()
{
	start_txringd "$txringd" --control "$control" "$@" && comes [ -S "$control" ] || fail "$*: does not come up"
	"$txringctl" --control "$control" show >"$scratch/out" 2>"$scratch/err" || fail "$*: show"
}

stop()
{
	kill "$daemon"
	wait "$daemon" || fail "SIGTERM: status $?"
	daemon=
}

# shows TEXT...: txringctl show did.
shows()
{
	local text
	n=$((n + 1))
	for text in "$@"; do
		grep -qF -- "$text" "$scratch/out" || fail "show: no word of '$text'"
	done
}

# All three kinds of cards in one process: two of a file that is read once (from a pipe), one of options. What an
# option behind --interface says goes before what the file says.
start --interface <(cat domain.xml),n=1 --queues 2 --nic --socket-path "$scratch/s3" --backend loop --txmode poll
shows "nic0: backend tap t0 (2 queues" "timer,delay=150us" "nic1: backend loop" poll
[ -S "$scratch/s" ] && [ -S "$scratch/s3" ] || fail "a socket is missing"
ip link show t0 | grep -q "mtu 1400" || fail "the tap has not the MTU that the file says"
[ ! -s "$scratch/err" ] || fail "show: a word on stderr"
stop
start --interface - --txmode iothread --socket-path "$scratch/s4" --backend null < <(
	sed -e '/<interface/,/<\/interface>/!d' domain.xml | sed -e '/:02/,$d')
shows "null" "iothread"
[ -S "$scratch/s4" ] && [ ! -e "$scratch/s" ] || fail "--socket-path does not go before the file's"
stop
start --interface domain.xml,mac=52:54:00:00:00:02 --interface domain.xml,alias=ua-one
shows nic0 null "poll,spin=20us" nic1 "tap t0" timer
stop
start --socket-path "$scratch/s3" --backend loop --nic --interface domain.xml,n=2 --txmode bh
shows "nic0: backend loop" "nic1: backend null"
! grep -qF nic2 "$scratch/out" || fail "--nic and --interface made two cards"
stop
echo "$n cases"
exit "$bad"
