#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: hook.sh HOOK
# Which txringd the hook starts for which domain, ends, and leaves alone, with one that only writes down what it is
# asked for. /run and /var/log are the test's own.
set -euo pipefail
hook=$1
mac=52:54:00:00:00:0a

skip()
{
	echo "skipped: $*" >&2
	exit 77
}

fail()
{
	echo "failed: $*" >&2
	cat "$run/said" >&2
	exit 1
}

if [ "${2-}" != --inside ]; then
	command -v xmllint >/dev/null || skip "xmllint is missing: apt-get install libxml2-utils"
	[ "$(id -u)" = 0 ] || skip "needs root, for namespaces"
	unshare --mount --pid --fork true 2>/dev/null || skip "needs the right to make mount and pid namespaces"
	exec timeout -k 10 150 unshare --mount --pid --fork --kill-child --mount-proc "$0" "$hook" --inside
fi
[ $$ = 1 ] || skip "--inside is the test's own word"
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
run=/run/fake
bin=$run/bin
mkdir -p $bin
cat >$bin/txringd <<'X'
#!/bin/bash
echo "$*" >>/run/fake/started
[[ $* != *"${SILENT-none}"* ]] || exit 1
[[ $* != *"${DIES-none}"* ]] || { echo "txringd: no such tap" >&2 && exit 1; }
: >"${!#}"
exec sleep 1000
X
# shellcheck disable=SC2016
printf '#!/bin/sh\n[ -e "$2" ]\n' >$bin/txringctl
chmod +x $bin/*
export PATH=$bin:$PATH

# interface TYPE MAC MODE
interface()
{
	echo "<interface type='$1'><mac address='$2'/><source type='unix' path='/run/a.sock' mode='$3'/></interface>"
}

# domain INTERFACES METADATA
domain()
{
	echo "<domain type='kvm'><name>vm0</name><metadata>$2</metadata><devices>$1</devices></domain>"
}

# ours MAC [SETTINGS]...: our part of <metadata>
ours()
{
	echo "<t:nics xmlns:t='urn:txring:1'>"
	while [ $# -gt 0 ]; do
		echo "<t:nic mac='$1'>${2-}</t:nic>"
		shift $(($# > 1 ? 2 : 1))
	done
	echo "</t:nics>"
}

# calls STATUS OPERATION [DOMAIN]: the hook, with the domain's XML on stdin
calls()
{
	local status=0

	timeout 60 "$hook" "${3-vm0}" "$2" "$([ "$2" = release ] && echo end || echo begin)" - >$run/said 2>&1 || status=$?
	[ $status = "$1" ] || fail "$2: status $status, not $1"
}

# started COUNT: so many processes of the hook's, which it has written down, are there
started()
{
	[ "$(pgrep -cx sleep || true)" = "$1" ] || fail "$(pgrep -cx sleep) processes, not $1"
	[ "$1" != 0 ] || [ ! -e /run/txring/domain/vm0 ] || fail "a folder is left"
}

# says TEXT
says()
{
	grep -qF -- "$1" $run/said || fail "it does not say '$1'"
}

asked()
{
	grep -qxF -- "$1" $run/started || fail "not started: $1; but: $(cat $run/started)"
	: >$run/started
}

xml=/run/txring/domain/vm0/domain.xml
control=/run/txring/domain/vm0/52540000000a.control
getent group libvirt-qemu >/dev/null || {
	cp /etc/group $run/group
	echo libvirt-qemu:x:64055: >>$run/group
	mount --bind $run/group /etc/group
}

# What is not ours: a domain without metadata, an interface that nothing is said of, one of another type, and what
# libvirt tells besides.
domain "$(interface vhostuser $mac client)" "" | calls 0 prepare
started 0
domain "$(interface vhostuser $mac server)" "$(ours 52:54:00:00:00:0b)" | calls 0 prepare
[ ! -e $run/started ] || fail "a txringd is started"
domain "" "$(ours 52:54:00:00:00:0b)" | calls 0 prepare
domain "$(interface ethernet $mac client)" "$(ours $mac)" | calls 0 prepare
[ ! -e $run/started ] || fail "a txringd is started"
domain "$(interface vhostuser $mac client)" "$(ours $mac)" | calls 0 started
[ ! -e $run/started ] || fail "a txringd is started"

# A clone.
domain "$(interface vhostuser $mac client)" "$(ours 52:54:00:00:00:0b)" | calls 1 prepare
says "interface $mac has no <txring:nic>"
says "<txring:nic mac='52:54:00:00:00:0b'>"
started 0

# One of two, whose address is written in another way.
domain "$(interface vhostuser $mac client)$(interface vhostuser 52:54:00:00:00:0c client)" "$(ours 52:54:00:00:00:0A)" |
	calls 0 prepare
asked "--interface $xml,mac=$mac --socket-group libvirt-qemu --socket-mode 0660 --control $control"
started 1
calls 0 release </dev/null
started 0

# The socket is QEMU's, or its owner has said whose it shall be.
domain "$(interface vhostuser $mac server)" "$(ours $mac)" | calls 0 prepare
asked "--interface $xml,mac=$mac --control $control"
domain "$(interface vhostuser $mac client)" "$(ours $mac "<t:set key='socket-mode' value='0666'/>")" | calls 0 prepare
asked "--interface $xml,mac=$mac --control $control"
started 1 # a domain that was not released

# The second of two cards fails, and the first one ends.
export DIES=mac=52:54:00:00:00:0c
domain "$(interface vhostuser $mac client)$(interface vhostuser 52:54:00:00:00:0c client)" \
	"$(ours $mac "" 52:54:00:00:00:0c)" | calls 1 prepare
says "txring: interface 52:54:00:00:00:0c: txringd: no such tap"
started 0

# One that ends without a word: what an earlier one has said is not its reason.
unset DIES
export SILENT=mac=$mac
domain "$(interface vhostuser $mac client)" "$(ours $mac)" | calls 1 prepare
says "txring: interface $mac: txringd ended and did not say why"
started 0
unset SILENT

# A domain that was not released, and has nothing of ours any more.
domain "$(interface vhostuser $mac client)" "$(ours $mac)" | calls 0 prepare
started 1
domain "$(interface ethernet $mac client)" "" | calls 0 prepare
started 0

# A number that is another process' by now.
mkdir -p /run/txring/domain/vm0
sleep 1000 &
echo "$! 1" >/run/txring/domain/vm0/52540000000a.pid
calls 0 release </dev/null
kill -0 $! 2>/dev/null || fail "it has ended a process that is not its own"
kill $!
wait $! || true

# What it refuses.
calls 1 prepare ../vm0 </dev/null
says "'../vm0' is no name of a domain"
domain "$(interface vhostuser $mac client)" "$(ours $mac)" |
	calls 1 prepare "$(printf '%061d' 0)"
says "the domain's name is longer than 60 letters"
mkdir $run/few
for program in cat rm timeout; do
	ln -s "$(command -v $program)" $run/few/
done
domain "$(interface vhostuser $mac client)" "$(ours $mac)" | PATH=$run/few calls 1 prepare
says "txringd is not in $run/few"
