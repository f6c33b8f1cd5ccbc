#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: run.sh cli_test.sh TXRINGD
# What a wrong command line gives: status 1 and one line on stderr that names the option, the value and
# what is allowed or helps; no socket, no interface. Runs in a network namespace of its own.
set -uo pipefail
. "${BASH_SOURCE[0]%/*}/refusals.sh"
daemon=
trap leave EXIT
chmod 755 "$scratch"
mkdir -m 777 "$scratch/run"
sock=$scratch/run/socket
tap=txring0

# A copy, which any user can reach.
install -m 755 "$1" "$scratch/txringd"
txringd=$scratch/txringd

# The names of this namespace's interfaces, into names. Two a case: no process is started for it.
interfaces()
{
	local name
	names=
	while IFS=' :' read -r name _; do
		[[ $name == *'|'* ]] || names+=" $name"
	done </proc/net/dev
}

# leaves_nothing TEXT... -- COMMAND...: says_only, and no socket and no interface stays.
leaves_nothing()
{
	local names before
	interfaces
	before=$names
	says_only "$@"
	[ ! -e "$sock" ] || [ -n "$daemon" ] || fail "$*: leaves a socket"
	interfaces
	[ "$names" = "$before" ] || fail "$*: interfaces were$before, are$names"
}

# refuses TEXT... -- ARGUMENT...: the same, of txringd with a socket path.
refuses()
{
	local texts
	take_texts "$@"
	shift $((${#texts[@]} + 1))
	leaves_nothing "${texts[@]}" -- "$txringd" --socket-path "$sock" "$@"
}

# Options.
refuses "'--bogus'" --help -- --backend null --bogus
refuses "'-x'" --help -- --backend null -xy
refuses "'--bogus'" --help -- stray --bogus
refuses nic1 --backend -- --backend null --nic --socket-path "$sock.1"
refuses "'--queues'" -- --backend null --queues
refuses "'stray'" -- --backend null stray
refuses --backend -- --queues 1
refuses --backend "'nil'" tap:NAME null loop -- --backend nil
leaves_nothing --socket-path --fd -- "$txringd" --backend null
leaves_nothing --socket-path --fd -- "$txringd" --backend null --socket-path "$sock" --fd 0
leaves_nothing --fd "'0'" socket -- "$txringd" --backend null --fd 0 </dev/null
leaves_nothing --fd "'99'" socket -- "$txringd" --backend null --fd 99
for value in 0 129 -1 +1 " 1" four "" 1x; do
	refuses --queues "'$value'" "1 to 128" -- --backend null --queues "$value"
	! $brief || break
done
refuses --iothreads "'2'" --queues -- --backend null --iothreads 2
more=()
for i in 1 2 3; do
	more+=(--nic --socket-path "$sock.$i" --backend null --queues 128)
done
refuses --iothreads "'1'" "512 queue pairs" -- --backend null --queues 128 "${more[@]}"
for value in loud Info "" 4; do
	refuses --log-level "'$value'" "error, warning, info or debug" -- --backend null --log-level "$value"
	! $brief || break
done
refuses --backend -- --backend null --nic --fd 0
refuses "--socket-path '$sock' of nic0" nic1 -- --backend null --nic --socket-path "$sock" --backend null
refuses "--backend 'tap:$tap' of nic0" nic1 -- --backend "tap:$tap" --nic --fd 0 --backend "tap:$tap"
refuses "--control '$sock'" --socket-path nic0 -- --backend null --control "$sock"
refuses --socket-path --fd -- --backend null --nic --backend null
for value in 67 65536 big; do
	refuses --mtu "'$value'" "68 to 65535" -- --backend null --mtu "$value"
	! $brief || break
done
for value in 52:54:00:12:34 52:54:00:12:34:5g 52:54:00:12:34:-5 01:00:5e:00:00:01 00:00:00:00:00:00 525400123456 ""; do
	refuses --mac "'$value'" 52:54:00:12:34:56 -- --backend null --mac "$value"
	! $brief || break
done

for value in BOGUS CSUM,, "" RING_PACKED,BOGUS PROTOCOL_FEATURES; do
	refuses --no-offer "'$value'" -- --backend null --no-offer "$value"
	refuses --offer "'$value'" -- --backend null --offer "$value"
	! $brief || break
done
refuses --offer GUEST_TSO4 "backend null" -- --backend null --offer GUEST_TSO4
refuses --offer --no-offer "HOST_USO without CSUM" -- --backend null --offer HOST_USO --no-offer CSUM

# tx modes.
refuses --txmode "'fast'" iothread bh timer -- --backend null --txmode fast
refuses --txmode "'speed'" delay burst -- --backend null --txmode timer,speed=1
refuses --txmode "'delay'" iothread burst -- --backend null --txmode iothread,delay=1us
for param in delay=1h delay=100s delay=-1us delay= burst=0 burst=many; do
	refuses --txmode "${param%=*}" "'${param#*=}'" must -- --backend null --txmode "timer,$param"
	! $brief || break
done

# Sockets.
refuses_path()
{
	local path=$1
	shift
	leaves_nothing --socket-path "$@" -- "$txringd" --backend null --socket-path "$path"
}
refuses_path "" characters
refuses_path "$scratch/$(printf 'x%.0s' {1..120})" characters
refuses_path "$(printf 'x%.0s' {1..3000})" "xxx...'" characters
refuses --queues "'?[31m?'" "1 to 128" -- --backend null --queues $'\e[31m\n'
refuses --queues "'??31m'" "1 to 128" -- --backend null --queues $'\xc2\x9b31m'
# Nor a byte that is no UTF-8, which one of 8 bits takes for such; what is, stays.
refuses --queues "'?31m?x?? é'" "1 to 128" -- --backend null --queues $'\x9b31m\xffx\xc0\x9b é'
refuses --queues "111...'" "1 to 128" -- --backend null --queues "$(printf '1%.0s' {1..3000})"
refuses_path "$scratch/none/socket" "'$scratch/none/socket'" "No such file or directory"
echo precious >"$scratch/file"
refuses_path "$scratch/file" "'$scratch/file'" "no socket"
[ "$(cat "$scratch/file")" = precious ] || fail "a file was overwritten"

# ... CODE COMMAND...: COMMAND, which has as fd 7 the socket that the Python CODE makes as s.
with_socket=(/usr/bin/python3 -c 'import os, socket, sys
exec(sys.argv[1])
os.dup2(s.fileno(), 7)
os.execvp(sys.argv[2], sys.argv[2:])')

# What is at a path goes only if it is certain that no process has it any more.
for code in 's = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[-1])' \
	's = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind(sys.argv[-1]); s.listen()'; do
	says_only "--socket-path '$scratch/other'" "in use" -- \
		"${with_socket[@]}" "$code" "$txringd" --backend null --socket-path "$scratch/other"
	[ -S "$scratch/other" ] || fail "a socket of another type was removed"
	rm -f "$scratch/other"
done
as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
says_only "--socket-path '$sock'" "may be in use" "Permission denied" -- \
	"${with_socket[@]}" 's = socket.socket(socket.AF_UNIX); s.bind(sys.argv[-1]); s.listen(); os.chmod(sys.argv[-1], 0o600)' \
	"${as_nobody[@]}" "$txringd" --backend null --socket-path "$sock"
[ -S "$sock" ] || fail "a socket that is another user's was removed"
rm -f "$sock"
"${with_socket[@]}" 's = socket.socket(socket.AF_UNIX); s.bind(sys.argv[3]); os.chmod(sys.argv[3], 0o777)' \
	true "$scratch/stale"
says_only "--socket-path '$scratch/stale'" "cannot be removed: Permission denied" -- \
	"${as_nobody[@]}" "$txringd" --backend null --socket-path "$scratch/stale"
rm "$scratch/stale"

# Who may open it. Without mode, owner and group the umask decides, else the group and the owner.
refuses --socket-mode "'888'" octal 0660 -- --backend null --socket-mode 888
refuses --socket-owner "'no such user'" -- --backend null --socket-owner "no such user"
refuses --socket-mode --client -- --backend null --client --socket-mode 600
leaves_nothing --socket-group --fd -- "$txringd" --backend null --fd 0 --socket-group 0
leaves_nothing "--socket-path '$sock'" "owner or group" "not permitted" -- "${as_nobody[@]}" "$txringd" \
	--backend null --socket-path "$sock" --socket-owner root

# has_access WANT ARGUMENT...: the socket's mode, owner and group.
has_access()
{
	local got
	start_txringd "$txringd" --socket-path "$sock" --backend null "${@:2}" || fail "${*:2}: does not come up"
	got=$(stat -c %a:%u:%g "$sock")
	[ "$got" = "$1" ] || fail "${*:2}: the socket is $got, not $1"
	kill "$daemon"
	wait "$daemon"
	daemon=
}
umask 027
has_access 750:0:0
umask 077
has_access 660:0:12345 --socket-group 12345
has_access 660:54321:0 --socket-owner 54321
has_access 622:54321:12345 --socket-owner 54321 --socket-mode 0622 --socket-group 12345
umask 022

# Inherited ones: neither of another kind, nor what is open in txringd for something else.
says_only "--fd '7'" "neither listens nor is connected" -- \
	"${with_socket[@]}" 's = socket.socket(socket.AF_UNIX)' "$txringd" --backend null --fd 7
says_only "--fd '7'" "unix stream socket" -- \
	"${with_socket[@]}" 's = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)' "$txringd" --backend null --fd 7
for fd in {3..12}; do
	refuses "--fd '$fd'" inherited -- --backend null --nic --fd "$fd" --backend null
	refuses "--backend 'tap-fd:$fd'" "fd $fd is not" -- --backend "tap:$tap" \
		--nic --socket-path "$sock.1" --backend "tap-fd:$fd"
	! $brief || break
done

# From systemd: a listening socket as fd 3, which a .socket unit would have opened. The process stays the same.
activated=(/usr/bin/python3 -c 'import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
if s.fileno() != 3:
	os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="vm0")
os.environ.update(a.split("=", 1) for a in sys.argv[2].split())
os.execvp(sys.argv[3], sys.argv[3:])' "$scratch/run/activated")
leaves_nothing "--fd systemd" LISTEN_PID ".socket unit" -- "$txringd" --backend null --fd systemd
refuses_activated()
{
	local env=$1
	shift
	leaves_nothing "$@" -- "${activated[@]}" "$env" "$txringd" --backend null --fd systemd:vm0
	rm -f "$scratch/run/activated"
}
refuses_activated LISTEN_PID=1 "LISTEN_PID '1'" "this process"
refuses_activated LISTEN_FDS=one "LISTEN_FDS 'one'" "a number"
refuses_activated LISTEN_FDNAMES=vm0:vm1 "LISTEN_FDNAMES 'vm0:vm1'" "1 name"
refuses_activated LISTEN_FDNAMES=vm1 "systemd:vm0" nic0 vm1
refuses_activated "LISTEN_FDS=2 LISTEN_FDNAMES=vm0:vm1" "socket 2 'vm1'" "no card's"
"${activated[@]}" "LISTEN_FDS=1" "$txringd" --backend null --fd systemd:vm0 2>"$scratch/log" &
daemon=$!
serves() { grep -q "on fd 3" "$scratch/log"; }
comes serves || fail "a socket from systemd is not served"
/usr/bin/python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"\1\0\0\0\1\0\0\0\0\0\0\0")
assert len(s.recv(100)) == 20' "$scratch/run/activated" || fail "nobody answers on a socket from systemd"
kill "$daemon"
wait "$daemon" || fail "with a socket from systemd: status $?"
daemon=
[ -S "$scratch/run/activated" ] || fail "systemd's socket was removed"
rm -f "$scratch/run/activated"

# Taps.
refuses --backend "'tap:'" name -- --backend tap:
refuses --backend "'tap:sixteen-letters-'" "15 characters" -- --backend tap:sixteen-letters-
refuses --backend "'tap:a/b'" "cannot be" -- --backend tap:a/b
refuses --backend "'tap:lo'" "not a tap" -- --backend tap:lo
refuses --backend "'tap-fd:99'" "fd 99 is not open" -- --backend tap-fd:99
refuses --backend "'tap-fd:0'" "fd 0 is not a tap" -- --backend tap-fd:0 </dev/null
refuses --backend "'tap-fd:0'" --queues -- --backend tap-fd:0 --queues 2
refuses --backend "'tap-fd:x'" tap-fd:N -- --backend tap-fd:x
refuses --mtu "'65535'" "$tap" -- --backend "tap:$tap" --mtu 65535
ip tuntap add "$tap" mode tap
refuses --backend "'tap:$tap'" multi_queue -- --backend "tap:$tap" --queues 2
ip link del "$tap"
leaves_nothing --backend "'tap:$tap'" CAP_NET_ADMIN "ip tuntap add $tap mode tap vnet_hdr user" -- \
	setpriv --inh-caps=-all --bounding-set=-net_admin "$txringd" --socket-path "$sock" \
	--backend "tap:$tap"
ip tuntap add "$tap" mode tap vnet_hdr user 1
leaves_nothing --backend "'tap:$tap'" "another user" -- \
	setpriv --inh-caps=-all --bounding-set=-net_admin "$txringd" --socket-path "$sock" \
	--backend "tap:$tap"
ip link del "$tap"
ip tuntap add "$tap" mode tap vnet_hdr user 0
leaves_nothing --mtu "'9000'" "$tap" "set it beforehand, as root" -- \
	setpriv --inh-caps=-all --bounding-set=-net_admin "$txringd" --socket-path "$sock" \
	--backend "tap:$tap" --mtu 9000
ip link del "$tap"

# Bridges. A tap that cannot be put into one is not made, or goes again.
refuses --bridge "'br/0'" "1 to 15" -- --backend "tap:$tap" --bridge br/0
refuses --bridge "'br0'" "ip link add br0 type bridge" -- --backend "tap:$tap" --bridge br0
refuses --bridge "'lo'" "no bridge" -- --backend "tap:$tap" --bridge lo
if ip link add br0 type bridge 2>/dev/null; then
	refuses --bridge "'br0'" "backend null" "no tap" -- --backend null --bridge br0
	ip tuntap add "$tap" mode tap vnet_hdr user 0
	leaves_nothing --bridge "'br0'" "ip link set $tap master br0" CAP_NET_ADMIN -- \
		setpriv --inh-caps=-all --bounding-set=-net_admin "$txringd" --socket-path "$sock" \
		--backend "tap:$tap" --bridge br0
	ip link del "$tap"
	# It is put in and set up, and again when the administrator has made it anew.
	start_txringd "$txringd" --socket-path "$sock" --backend "tap:$tap" --bridge br0 ||
		fail "a daemon with a bridge does not come up"
	in_bridge() { ip -o link show "$tap" master br0 up 2>/dev/null | grep -q .; }
	in_bridge || fail "the tap is not in its bridge, or not up"
	ip link del "$tap"
	ip tuntap add "$tap" mode tap vnet_hdr
	comes in_bridge || fail "a tap that is back is not put into its bridge"
	kill "$daemon"
	wait "$daemon"
	daemon=
	ip link del "$tap"
	ip link del br0
else
	echo "left out: the kernel has no bridges"
fi

# AF_XDP's words, which come to the same line as all others; what the host says of them is not here.
"$txringd" --help >"$scratch/help"
if grep -qF "xdp:IFNAME" "$scratch/help"; then
	grep -q "^xdp parameters" "$scratch/help" || fail "--help does not tell of xdp's parameters"
	refuses --backend "'xdp:'" "1 to 15 characters" -- --backend xdp:
	refuses --backend "'xdp'" xdp:IFNAME -- --backend xdp
	for value in start-queue=-1 mode=drv copy=no busy-poll=0; do
		refuses --backend "'xdp:lo,$value'" "${value%=*} '${value#*=}' must be" -- --backend "xdp:lo,$value"
		! $brief || break
	done
	refuses --backend "'speed'" start-queue mode copy -- --backend xdp:lo,speed=1
	refuses --backend share "--mac MAC" -- --backend xdp:lo,share
	refuses --backend queues --queues -- --backend xdp:lo,queues=2
	refuses --backend "at most 64" --queues -- --backend xdp:lo --queues 65
	refuses --backend "'x' is no file descriptor" xdp-fd:N -- --backend xdp-fd:x
	refuses --backend ifname=IFNAME -- --backend xdp-fd:3
	refuses --backend "2 sockets" --queues -- --backend xdp-fd:3,4,ifname=lo
	refuses --backend "queue 1 of lo" nic0 nic1 -- --backend xdp:lo --queues 2 \
		--nic --fd 0 --backend xdp:lo,start-queue=1
	refuses --backend "both on lo" nic0 nic1 "one XDP program" -- --backend xdp:lo \
		--nic --fd 0 --backend xdp:lo,start-queue=1
else
	refuses --backend "'xdp:lo'" "built without it" "tools/setup --build" -- --backend xdp:lo
	refuses --backend "'xdp-fd:3'" "built without it" "tools/setup --build" -- --backend xdp-fd:3
fi

# A /dev/net of our own, in a mount namespace that ends with the command.
# shellcheck disable=SC2016
empty='mount -t tmpfs -o mode=755 none /dev/net && exec "$@"'
# shellcheck disable=SC2016
mode600='mount -t tmpfs -o mode=755 none /dev/net && mknod -m 600 /dev/net/tun c 10 200 &&
	exec setpriv --reuid=65534 --clear-groups "$@"'
if unshare -m sh -c "$empty" sh true 2>/dev/null; then
	leaves_nothing --backend "'tap:$tap'" /dev/net/tun "modprobe tun" -- \
		unshare -m sh -c "$empty" sh "$txringd" --socket-path "$sock" --backend "tap:$tap"
	leaves_nothing --backend "'tap:$tap'" /dev/net/tun permission -- \
		unshare -m sh -c "$mode600" sh "$txringd" --socket-path "$sock" --backend "tap:$tap"
else
	echo "left out: no mount namespace, so /dev/net/tun cannot be hidden"
fi

# What another one has already. It must not notice. One of another namespace, which has a tap of that name, is not it.
unshare -n "$txringd" --socket-path "$scratch/run/apart" --backend "tap:$tap" 2>"$scratch/apart" &
apart=$!
comes grep -q "listening on" "$scratch/apart" || fail "a daemon in another namespace does not come up"
start_txringd "$txringd" --socket-path "$sock" --backend "tap:$tap" || fail "a daemon does not come up"
refuses_path "$sock" "'$sock'" "in use"
leaves_nothing --backend "'tap:$tap'" "in use: it seems that 'txringd' (pid $daemon) has its only queue" -- \
	"$txringd" --socket-path "$scratch/run/other" --backend "tap:$tap"
kill "$apart"
wait "$apart" || fail "the daemon in another namespace ended with status $?"
[ ! -e "$scratch/run/other" ] || fail "leaves a socket"
[ -S "$sock" ] || fail "another daemon's socket was removed"
kill "$daemon"
wait "$daemon" || fail "the daemon that had tap and socket ended with status $?"
daemon=
[ ! -e "$sock" ] || fail "SIGTERM leaves the socket"

# Of several queues the kernel would give anyone more, and each some of the frames.
start_txringd "$txringd" --socket-path "$sock" --backend "tap:$tap" --queues 2 ||
	fail "a daemon with two queues does not come up"
for queues in 1 2; do
	leaves_nothing --backend "'tap:$tap'" "in use: it seems that 'txringd' (pid $daemon) has 2 of its queues" -- \
		"$txringd" --socket-path "$scratch/run/other" --backend "tap:$tap" --queues $queues
done
kill "$daemon"
wait "$daemon" || fail "the daemon that had two queues ended with status $?"
daemon=

# With stderr closed no file of its own gets the log.
"$txringd" --socket-path "$sock" --backend null 0<&- 2>&- &
daemon=$!
comes [ -S "$sock" ] || fail "with stderr closed a daemon does not come up"
for fd in 0 2; do
	[ "$(readlink "/proc/$daemon/fd/$fd")" = /dev/null ] ||
		fail "closed fd $fd is now $(readlink "/proc/$daemon/fd/$fd")"
done
kill -HUP "$daemon"
wait "$daemon" || fail "with stderr closed: status $?"
daemon=
[ ! -e "$sock" ] || fail "SIGHUP leaves the socket"

# A socket that another process has put in the place of its own stays at its end.
start_txringd "$txringd" --socket-path "$sock" --backend null --control "$scratch/run/control" ||
	fail "a daemon does not come up"
for path in "$sock" "$scratch/run/control"; do
	rm "$path"
	"${with_socket[@]}" 's = socket.socket(socket.AF_UNIX); s.bind(sys.argv[3])' true "$path"
done
kill "$daemon"
wait "$daemon"
daemon=
for path in "$sock" "$scratch/run/control"; do
	[ -S "$path" ] || fail "$path, of another process, was removed"
	rm -f "$path"
done

# poll() fails where more fds are waited for than may be open; and so would a search for leaks.
ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 "$txringd" --socket-path "$sock" --backend null 2>"$scratch/log" &
daemon=$!
for _ in {1..100}; do
	! grep -q listening "$scratch/log" || break
	sleep 0.02
done
prlimit --pid "$daemon" --nofile=3
kill -USR1 "$daemon"
wait "$daemon"
status=$?
daemon=
[ "$status" = 1 ] || fail "a poll that fails: status $status"
[ "$(grep -c "poll: Invalid argument: raise .ulimit -n" "$scratch/log")" = 1 ] || fail "nothing is said of a poll that fails"
[ ! -e "$sock" ] || fail "a poll that fails leaves the socket"

# What ends at once with status 0, also with its name cut short.
for arg in --help --version --print-capabilities --h --vers --print-cap; do
	"$txringd" "$arg" >"$scratch/out" 2>"$scratch/err" || fail "$arg: status $?"
	[ -s "$scratch/out" ] && [ ! -s "$scratch/err" ] || fail "$arg: not on stdout"
	# shellcheck disable=SC2016
	says stdout "No space left" -- sh -c '"$@" >/dev/full' sh "$txringd" "$arg"
done

echo "$n wrong command lines"
exit "$bad"
