#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: run.sh dumpxml_test.sh TXRINGD TXRINGCTL
# What txringctl dumpxml says of cards of every kind: libvirt's own schema takes it inside a <domain>, it has what
# runs, and --interface makes the same card of it. Also domifstat. In a network namespace.
set -uo pipefail
txringd=$(realpath "$1")
txringctl=$(realpath "$2")
. "${BASH_SOURCE[0]%/*}/refusals.sh"
schema=/usr/share/libvirt/schemas/domain.rng
daemon=
trap leave EXIT
if [ ! -e "$schema" ] || ! command -v xmllint >/dev/null; then
	echo "skipped: needs $schema (package libvirt0) and xmllint (libxml2-utils)"
	exit 77
fi
control=$scratch/control

runs() { grep -q "tx mode" "$scratch/log" || [ ! -e "/proc/$daemon" ]; }

start()
{
	"$@" --control "$control" 2>"$scratch/log" &
	daemon=$!
	comes runs && comes [ -S "$control" ] && [ -e "/proc/$daemon" ] || fail "$*: does not come up"
}

stop()
{
	kill "$daemon"
	wait "$daemon"
	daemon=
}

# dump FILE: the <interface> of nic0; a domain around it is what the schema takes.
dump()
{
	n=$((n + 1))
	"$txringctl" --control "$control" dumpxml nic0 >"$1" 2>"$scratch/err" || fail "dumpxml: status $?"
	cat >"$scratch/domain" - "$1" <<-'EOF'
		<domain type='qemu'><name>vm0</name><memory>65536</memory><os><type>hvm</type></os><devices>
	EOF
	echo "</devices></domain>" >>"$scratch/domain"
	xmllint --noout --nonet --relaxng "$schema" "$scratch/domain" >"$scratch/out" 2>&1 ||
		fail "the schema does not take $(cat "$1")"
}

# has TEXT... -- COMMAND...: the card that COMMAND starts is dumped with each TEXT, and is the same when it is read back.
has()
{
	local texts text
	take_texts "$@"
	shift $((${#texts[@]} + 1))
	start "$@"
	dump "$scratch/first.xml"
	for text in "${texts[@]}"; do
		grep -qF -- "$text" "$scratch/first.xml" || fail "${*:2}: no $text in $(cat "$scratch/first.xml")"
	done
	stop
	[ -n "$interface" ] || return
	start "$txringd" --interface "$scratch/first.xml"
	dump "$scratch/second.xml"
	diff "$scratch/first.xml" "$scratch/second.xml" >"$scratch/out" || fail "${*:2}: read back it is another card"
	stop
}
interface=$("$txringd" --help | grep -o -- --interface | head -n 1)
[ -n "$interface" ] || echo "left out: this program has no --interface to read it back"

sock=$scratch/socket
has "<interface type='vhostuser'>" "path='$sock' mode='client'/>" "<?txring backend null?>" "<driver name='qemu' txmode='iothread'/>" \
	"<?txring txmode iothread,burst=256?>" "<?txring vhost default?>" "<link state='up'/>" "not in the kernel: " \
	"front-end none, 0 of 1 queue pair in use" -- "$txringd" --socket-path "$sock" --backend null
has "txmode='timer' queues='2'" "<?txring txmode timer,delay=80us,burst=9?>" "<mtu size='1400'/>" "<link state='down'/>" \
	"<mac address='52:54:00:12:34:56'/>" "<?txring mac 52:54:00:12:34:56?>" "<?txring offer RING_RESET?>" "<?txring no-offer INDIRECT_DESC,RING_PACKED?>" \
	"<?txring socket-mode 0660?>" "<?txring socket-group 12?>" "<?txring vhost disable?>" "- -vhost disable" -- \
	"$txringd" --socket-path "$sock" --backend loop --queues 2 --txmode timer,delay=80us,burst=9 --mtu 1400 --link down \
	--mac 52:54:00:12:34:56 --offer RING_RESET --no-offer RING_PACKED,INDIRECT_DESC --socket-mode 660 --socket-group 12 \
	--vhost disable
has "<driver name='qemu'/>" "<?txring txmode poll,spin=20us,burst=256?>" "<?txring vhost-poll 50us?>" \
	"<?txring vhost-device /no&where?>" -- \
	"$txringd" --socket-path "$sock" --backend null --txmode poll,spin=20us --vhost-poll 50us --vhost-device "/no&where"
has "path='$scratch/a&amp;&lt;b&apos;&gt;' mode='server'/>" -- "$txringd" --socket-path "$scratch/a&<b'>" --client --backend null
if ip link add br0 type bridge 2>/dev/null; then
	has "<target dev='txring0'/>" "<?txring bridge br0?>" "the MTU of its tap is 1500" -- \
		"$txringd" --socket-path "$sock" --backend tap:txring0 --bridge br0
fi
cd "$scratch" || exit 1
has "<interface type='ethernet'>" "<?txring socket-path so&cket?>" -- "$txringd" --socket-path "so&cket" --backend null
interface=
has "<interface type='ethernet'>" "<?txring fd 7?>" "<target dev='tap1'/>" -- \
	/usr/bin/python3 -c 'import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); os.dup2(s.fileno(), 7); os.execvp(sys.argv[2], sys.argv[2:])' \
	"$scratch/seven" "$txringd" --fd 7 --backend tap:tap1
# What no XML can hold is refused, and nothing else is printed.
start "$txringd" --socket-path "$(printf '%s/a\001' "$scratch")" --backend null
says nic0 socket-path XML -- "$txringctl" --control "$control" dumpxml
[ ! -s "$scratch/out" ] || fail "half a card is printed"
says "no card 'nic1'" -- "$txringctl" --control "$control" dumpxml nic1
"$txringctl" --control "$control" domifstat >"$scratch/out" 2>&1 || fail "domifstat: status $?"
for word in "source txringd" {rx,tx}_{bytes,packets,errs,drop}" 0"; do
	grep -qx "nic0 $word" "$scratch/out" || fail "domifstat: no word of '$word'"
done
[ "$(wc -l <"$scratch/out")" = 9 ] || fail "domifstat: not nine lines"
stop

echo "$n cards"
exit "$bad"
