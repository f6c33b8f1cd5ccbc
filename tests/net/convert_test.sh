#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: run.sh convert_test.sh TXRINGCTL TXRINGD
# txringctl convert as a user has it: what comes out is valid by libvirt's own schema and goes back byte for byte, also
# after libvirt has read and written it; the diff is what patch wants; QEMU takes the arguments; what would be lost is
# refused, all of it; the check finds what is wrong. Runs in a network namespace of its own.
set -uo pipefail
. "${BASH_SOURCE[0]%/*}/refusals.sh"
txringctl=$(realpath "$1")
schema=/usr/share/libvirt/schemas/domain.rng
daemon=
holder=
cleanup()
{
	[ -z "$holder" ] || kill "$holder" 2>/dev/null
	leave
}
trap cleanup EXIT
chmod 755 "$scratch"
mkdir -m 755 "$scratch/run"
install -m 755 "$2" "$scratch/txringd"
cd "$scratch" || exit 1

lacks()
{
	echo "not tested: $1"
}

convert()
{
	"$txringctl" convert "$@"
}

mac=52:54:00:12:34:56
# domain TYPE MACHINE [INTERFACE...]: a domain with one of ours, and others
domain()
{
	cat <<-X
	<!-- vm0 -->
	<domain type='$1'>
	  <name>vm0</name>
	  <uuid>11111111-2222-3333-4444-555555555555</uuid>
	  <memory unit='MiB'>256</memory>
	  <vcpu>1</vcpu>
	  <os><type arch='x86_64' machine='$2'>hvm</type></os>
	  <devices>
	    <controller type="usb" model="none"/>
	    <interface type="bridge">
	      <source bridge="br0"/><!-- the first -->
	      <mac address='$mac'/>
	      <model type='virtio'/>
	      <driver name='qemu' txmode='timer' queues='2'/>
	    </interface>
	    ${*:3}
	    <memballoon model='none'/>
	  </devices>
	</domain>
	X
}
second="<interface type='ethernet'><mac address='52:54:00:12:34:57'/><target dev='tap1' managed='no'/><mtu size='1400'/><model type='virtio'/></interface>"
direct="<interface type='direct'><mac address='52:54:00:12:34:58'/><source dev='eth0' mode='bridge'/><model type='virtio-non-transitional'/><link state='down'/></interface>"
e1000="<interface type='bridge'><mac address='52:54:00:12:34:59'/><source bridge='br0'/><model type='e1000'/></interface>"

domain kvm q35 >q35.xml
domain kvm pc "$second" "$direct" "$e1000" >several.xml
domain qemu q35 >tcg.xml
domain kvm q35 | sed 's/$/\r/' >crlf.xml
domain kvm q35 | tr -s '\n ' ' ' >line.xml
domain kvm q35 | sed "s/<memory .*/<metadata><a:b xmlns:a='urn:a'><a:c>d<\/a:c><\/a:b><\/metadata>&<memoryBacking><locked\/><\/memoryBacking>/" >more.xml
domain kvm q35 | sed -n '/<interface/,/<.interface/p' >lone.xml
# A device on a bus whose port libvirt makes.
slot="<address type='pci' domain='0x0000' bus='0x02' slot='0x00' function='0x0'/>"
domain kvm q35 "${second/<mtu/$slot<mtu}" >bus.xml

# A lone interface is valid where it stands in a domain.
valid()
{
	local file=$1

	if grep -q '^ *<interface' "$file" && ! grep -q '<domain' "$file"; then
		{
			echo "<domain type='kvm'><name>a</name><memory>1</memory><os><type>hvm</type></os><devices>"
			cat "$file"
			echo "</devices></domain>"
		} >whole.xml
		file=whole.xml
	fi
	xmllint --noout --relaxng "$schema" "$file" >out 2>err || fail "$1 is not valid"
}

# The same document, whatever space is in it.
same()
{
	cmp -s <(xmllint --noblanks --c14n "$1") <(xmllint --noblanks --c14n "$2") || fail "$1 and $2 differ"
}

# libvirt's own reader and writer, by its driver for tests, which needs no daemon
libvirt()
{
	sed "s/<domain type='[a-z]*'/<domain type='test'/; s/machine='[a-z0-9]*'//" "$1" >test.xml
	timeout 60 virsh -q -c test:///default "define test.xml; dumpxml vm0" >"$2" 2>err &&
		sed -i '/^<domain/,$!d; /^$/d' "$2" || fail "libvirt does not take what was made of $1"
}

command -v xmllint >/dev/null && [ -r "$schema" ] || lacks "the schema: install libvirt0 and libxml2-utils"
command -v virsh >/dev/null || lacks "libvirt's own reader: install libvirt-clients"
names="q35 several tcg crlf line more bus lone"
! $brief || names="q35 crlf lone"
for name in $names; do
	convert --to vhostuser $name.xml >$name.new 2>err || { fail "$name: status $?"; continue; }
	grep -q "type=['\"]vhostuser" $name.new || fail "$name: nothing is converted"
	convert --back $name.new >$name.back 2>err && cmp -s $name.xml $name.back || fail "$name: it does not go back"
	convert --to vhostuser --diff $name.xml 2>err | patch -s --binary -o $name.patched $name.xml &&
		cmp -s $name.patched $name.new || fail "$name: the diff is another"
	convert --back --diff $name.new 2>err | patch -s --binary -o $name.patched $name.new &&
		cmp -s $name.patched $name.xml || fail "$name: the diff back is another"
	if command -v xmllint >/dev/null; then
		[ ! -r "$schema" ] || valid $name.new
		xmllint --format $name.new >$name.formatted
		convert --back $name.formatted >$name.back 2>err || fail "$name: formatted, it does not go back"
		same $name.xml $name.back
	fi
	# Of QEMU's namespace the driver for tests knows nothing.
	if command -v virsh >/dev/null && [[ $name != tcg && $name != lone ]]; then
		libvirt $name.xml $name.was
		libvirt $name.new $name.dumped
		convert --back $name.dumped >$name.back 2>err || fail "$name: dumped, it does not go back"
		libvirt $name.back $name.is
		# It names taps that have no name, in any order.
		sed -i "/'testnet[0-9]*'/d" $name.was $name.is
		cmp -s $name.was $name.is || fail "$name: libvirt sees a difference: $(diff $name.was $name.is)"
	fi
done
grep -q "txringd@vm0.socket" <(convert --to vhostuser q35.xml 2>&1 >/dev/null) || fail "the systemd instance is not told"
grep -q "macvtap mode bridge" <(convert --to vhostuser several.xml 2>&1 >/dev/null) || fail "the macvtap is not told"
convert --to vhostuser - <q35.xml 2>err | cmp -s - q35.new || fail "stdin is not read"

# What would be lost, all in one run, and nothing comes out.
lost="<vlan><tag id='1'/></vlan><filterref filter='f'/><tune><sndbuf>1</sndbuf></tune><port isolated='yes'/><coalesce><rx><frames max='7'/></rx></coalesce>"
domain kvm q35 "${second/<mtu/$lost<mtu}" >lost.xml
convert --to vhostuser lost.xml >out 2>err && fail "what would be lost is not refused"
[ ! -s out ] || fail "something comes out"
[ "$(wc -l <err)" = 5 ] || fail "not five lines"
for element in vlan filterref sndbuf port frames; do
	grep -q "lost.xml:[0-9]*: <$element[ >]" err || fail "$element is not named"
done
says_only 3 --socket -- "$txringctl" convert --to vhostuser --socket /run/a.sock several.xml
says_only absolute -- "$txringctl" convert --to vhostuser --socket a.sock q35.xml
says_only 107 -- "$txringctl" convert --to vhostuser --socket "/$(printf '%0107d' 0)" q35.xml
says_only "control character" -- "$txringctl" convert --to vhostuser --socket $'/a\nb' q35.xml
# Where txringd listens is where QEMU goes, and no other card is there.
domain kvm q35 "<interface type='vhostuser'><mac address='52:54:00:12:34:5a'/><source type='unix' path='/run/txring/vm0.sock' mode='client'/><model type='virtio'/></interface>" >taken.xml
says_only taken.xml: "<source path='/run/txring/vm0.sock'>" --socket -- "$txringctl" convert --to vhostuser "taken.xml,mac=$mac"
convert --to vhostuser --socket /run/txring/b.sock "taken.xml,mac=$mac" >out 2>err || fail "another socket is refused"
sed 's,<model,<?txring socket-path /run/own.sock?><model,' lone.xml >own.xml
convert --to vhostuser own.xml 2>err | grep -q "<source type='unix' path='/run/own.sock'" || fail "QEMU goes where nobody listens"
says_only own.xml: /run/own.sock --socket -- "$txringctl" convert --to vhostuser --socket /run/a.sock own.xml
sed 's,<model,<?txring client?><model,' lone.xml >own.xml
says_only own.xml: "<?txring client?>" -- "$txringctl" convert --to vhostuser own.xml
sed "s/<name>vm0/<name>$(printf 'a%.0s' {1..61})$(printf 'é%.0s' {1..5})/" q35.xml >long.xml
convert --to vhostuser long.xml 2>err | grep -q 'éé.sock' || fail "a long name is cut in a letter"
sed "s/<name>vm0/<name>$(printf 'é%.0s' {1..60})/" q35.xml >long.xml
says_only 107 -- "$txringctl" convert --to vhostuser long.xml
domain kvm q35 "${second/12:34:57/12:34:5a}" "$second" >taps.xml
says_only tap1 "each needs its own" -- "$txringctl" convert --to vhostuser taps.xml
sed "s,<model,<driver><host csum='off' tso4='on'/></driver><model," lone.xml | sed '/<driver name/d' >host.xml
says_only stdout: "<host tso4='on'>" CSUM -- "$txringctl" convert --to vhostuser host.xml
says stdout "No space left" -- sh -c '"$0" convert --to vhostuser q35.xml >/dev/full' "$txringctl"
says_only second "'vhostuser'" -- "$txringctl" convert --to qemu --to vhostuser q35.xml
says_only "'foo'" "vhostuser | qemu" -- "$txringctl" convert --to foo q35.xml
says_only --to --back -- "$txringctl" convert q35.xml
says_only --to --back -- "$txringctl" convert --to qemu --back q35.xml
says_only FILE -- "$txringctl" convert --to qemu
says_only FILE -- "$txringctl" convert --back "q35.xml,n=1"
says_only --qemu -- "$txringctl" convert --to vhostuser --qemu qemu q35.xml
says_only --socket -- "$txringctl" convert --to qemu --socket /s q35.xml
says_only --diff -- "$txringctl" convert --to qemu --diff q35.xml
says_only --check -- "$txringctl" convert --back --check q35.xml
says_only "'--bogus'" -- "$txringctl" convert --bogus q35.xml
says_only nothere.xml "No such file" -- "$txringctl" convert --back nothere.xml
says_only txring:was -- "$txringctl" convert --back q35.xml
says_only txring-was -- "$txringctl" convert --back lone.xml
# What is kept and was edited since: no crash, and nothing that is no XML.
sed "s/element='metadata'/element='devices'/" q35.new >forged.xml
says_only "element='devices'" forged.xml: -- "$txringctl" convert --back forged.xml
sed "s/\(<txring:was element='memoryBacking'.*\)/\1<txring:was element='memoryBacking'\/>/" q35.new >forged.xml
says_only "two <txring:was>" -- "$txringctl" convert --back forged.xml
sed "s/<txring:was>&lt;interface/<txring:was>\&lt;\/interface/" q35.new >forged.xml
says_only "cannot be read" -- "$txringctl" convert --back forged.xml
sed 's/type="vhostuser"/type="ethernet"/; /<source type=.unix/d; /<reconnect/d; /<.source>/d' q35.new >twice.xml
says_only "--back first" -- "$txringctl" convert --to vhostuser twice.xml
sed 's,<model,<?txring-was \&lt;a/\&gt;?><model,' lone.xml >twice.xml
says_only twice.xml: "--back first" -- "$txringctl" convert --to vhostuser twice.xml
says_only virtio -- "$txringctl" convert --to vhostuser several.xml,mac=52:54:00:12:34:59

# QEMU's arguments.
expect()
{
	printf '%s\n' "${@:2}" | cmp -s - <(convert --to $1 2>err) || fail "$1: $(convert --to $1 2>&1)"
}
expect "qemu tcg.xml" "-netdev tap,id=hostnet0,ifname=tx525400123456,script=no,downscript=no,queues=2" \
	"-device virtio-net-pci,mac=$mac,tx=timer,mq=on,vectors=6,netdev=hostnet0,id=net0"
expect "qemu several.xml,dev=tap1" "-netdev tap,id=hostnet0,ifname=tap1,script=no,downscript=no,vhost=on" \
	"-device virtio-net-pci,mac=52:54:00:12:34:57,host_mtu=1400,netdev=hostnet0,id=net0"
expect "qemu several.xml,mac=52:54:00:12:34:58" "-netdev tap,id=hostnet0,fd=3,vhost=on" \
	"-device virtio-net-pci-non-transitional,mac=52:54:00:12:34:58,netdev=hostnet0,id=net0"
expect "vhost-user --socket $scratch/run/s tcg.xml" \
	"-object memory-backend-memfd,id=pc.ram,size=262144K,share=on" "-machine memory-backend=pc.ram" \
	"-chardev socket,id=charnet0,path=$scratch/run/s,reconnect=1" \
	"-netdev vhost-user,chardev=charnet0,id=hostnet0,queues=2" \
	"-device virtio-net-pci,mac=$mac,mq=on,vectors=0,netdev=hostnet0,id=net0"
sed "s/name='qemu' txmode='timer'/name='vhost' txmode='iothread'/" q35.xml >vhost.xml
expect "qemu vhost.xml" \
	"-netdev tap,id=hostnet0,ifname=tx525400123456,script=no,downscript=no,queues=2,vhost=on,vhostforce=on" \
	"-device virtio-net-pci,mac=$mac,tx=bh,mq=on,vectors=6,netdev=hostnet0,id=net0"
sed '/<mac /d' q35.xml >no-mac.xml
expect "qemu no-mac.xml" "-netdev tap,id=hostnet0,script=no,downscript=no,queues=2" \
	"-device virtio-net-pci,tx=timer,mq=on,vectors=6,netdev=hostnet0,id=net0"
convert --to qemu lost.xml >out 2>err && fail "--to qemu drops what libvirt does"
[ ! -s out ] && grep -q "<vlan>" err || fail "--to qemu does not name it"

start_daemon()
{
	start_txringd "$scratch/txringd" --socket-path "$scratch/run/s" --backend null "$@" ||
		fail "txringd does not listen"
}
stop_daemon()
{
	kill "$daemon"
	wait "$daemon"
	daemon=
}
if command -v qemu-system-x86_64 >/dev/null; then
	start_daemon --queues 2
	for to in qemu "vhost-user --socket $scratch/run/s"; do
		eval "args=($(convert --to $to tcg.xml 2>err | tr '\n' ' '))"
		echo quit | timeout 60 qemu-system-x86_64 -accel tcg -M q35 -m 256 -nodefaults -display none -S \
			-monitor stdio "${args[@]}" >out 2>err || fail "QEMU does not take: ${args[*]}"
		grep -qi "error\|fail\|warning" err && fail "QEMU complains of: ${args[*]}"
	done
	stop_daemon
else
	lacks "whether QEMU takes the arguments: install qemu-system-x86"
fi
printf '#!/bin/sh\necho "virtio-net-pci options:"; echo "  mac=<str>"\n' >old-qemu
printf '#!/bin/sh\necho "virtio-net-pci options:"; echo "  tx=<str>"\n' >new-qemu
chmod 755 old-qemu new-qemu
says_only q35.xml "txmode='timer'" "unsupported configuration: virtio-net-pci 'tx' option not supported in this QEMU binary" \
	-- "$txringctl" convert --to qemu --qemu ./old-qemu q35.xml
convert --to qemu --qemu ./new-qemu q35.xml >out 2>err || fail "a QEMU that has tx is refused"
sed "s/ txmode='timer'//" q35.xml >plain.xml
convert --to qemu --qemu ./old-qemu plain.xml >out 2>err || fail "without txmode an old QEMU is refused"

# The check, as a user that is not root.
convert --to vhostuser --socket "$scratch/run/s" q35.xml 2>err |
	sed "s,</devices>,&<seclabel type='static' model='dac'><label>nobody:+65534</label></seclabel>," >check.xml
# finds STATUS TEXT...: it ends so, and says each TEXT
finds()
{
	local text status=$1

	timeout 60 "$txringctl" convert --check ${file:-check.xml} >out 2>err
	[ $? = "$status" ] || fail "the check does not end with $status"
	for text in "${@:2}"; do
		grep -q -- "$text" out || fail "the check does not say $text"
	done
}
convert --to vhostuser --check q35.xml >out 2>err
grep -q "memory *yes" out || fail "the check of what would come out does not see its memory"
finds 1 "folder *yes" "socket *no: no txringd" "queues *not asked" "memory *yes"
start_daemon
chmod 755 run/s
finds 1 "socket *no: nobody may not open" "virsh start would wait" "--socket-mode"
chmod 777 run/s
finds 1 "socket *yes" "queues *no: <driver queues='2'> is more than the 1"
stop_daemon
start_daemon --queues 2
chmod 777 run/s
finds 0 "socket *yes" "queues *yes: 2 of 2" "memory *yes"
chmod 700 run
finds 1 "folder *no: nobody may not pass $scratch/run" "socket *not asked"
chmod 755 run
sed "s/mode='client'/mode='server'/; /<reconnect/d" check.xml >server.xml
file=server.xml finds 1 "folder *no: nobody may not write"
chmod 777 run
file=server.xml finds 0 "folder *yes" "socket *not asked: QEMU makes it"
sed "s/<access mode='shared'/<access mode='private'/" check.xml >private.xml
file=private.xml finds 1 "memory *no" "memfd"
if command -v python3 >/dev/null; then
	python3 -c 'import os, socket, struct, sys, time
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
s.send(struct.pack("III", 1, 1, 0)); s.recv(20); open("held", "w"); time.sleep(60)' "$scratch/run/s" &
	holder=$!
	comes [ -e held ] || fail "no front-end holds the card"
	finds 0 "socket *yes" "queues *not asked: no answer"
fi
# libvirt 11.1 takes vhostuser without a model for virtio.
sed "/<model type='virtio'/d" check.xml >no-model.xml
file=no-model.xml finds 0 "socket *yes" "queues"
says_only virtio -- "$txringctl" convert --to qemu - < <(sed "s/'virtio'/'virtio-net'/" q35.xml)
says_only "convert it first" -- "$txringctl" convert --check q35.xml

[ $bad = 0 ] && echo "convert: $n refusals, all else as it should be"
exit $bad
