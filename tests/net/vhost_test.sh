#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: run.sh vhost_test.sh TXRINGD TXRINGCTL
# The vhost policy where there is no vhost-net (a path where nothing is stands for that, so every machine
# runs it), the command lines of both, and the control socket. Hand-overs are not here: they need the kernel.
set -uo pipefail
txringd=$1
txringctl=$2
. "${BASH_SOURCE[0]%/*}/refusals.sh"
daemon=
trap leave EXIT
none=$scratch/vhost-net
control=$scratch/control
tap=txring0

refuses()
{
	local texts
	take_texts "$@"
	shift $((${#texts[@]} + 1))
	says "${texts[@]}" -- "$txringd" --socket-path "$scratch/socket" --backend "tap:$tap" "$@"
	[ ! -e "$scratch/socket" ] || fail "$*: leaves a socket"
	! ip link show "$tap" >/dev/null 2>&1 || fail "$*: leaves a tap"
}

# start ARGUMENT...: a txringd that listens.
start()
{
	start_txringd "$txringd" --socket-path "$scratch/socket" "$@" || fail "$*: does not come up"
}

stop()
{
	kill "$daemon"
	wait "$daemon" || fail "SIGTERM: status $?"
	daemon=
	[ ! -e "$control" ] || fail "SIGTERM leaves the control socket"
}

# asks TEXT... -- COMMAND: txringctl does it, with status 0, and its lines have each TEXT.
asks()
{
	local texts text
	take_texts "$@"
	shift $((${#texts[@]} + 1))
	n=$((n + 1))
	"$txringctl" --control "$control" "$@" >"$scratch/out" 2>"$scratch/err" || fail "$*: status $?"
	[ ! -s "$scratch/err" ] || fail "$*: writes to stderr"
	! grep -qx ok "$scratch/out" || fail "$*: prints the verdict"
	for text in "${texts[@]}"; do
		grep -qF -- "$text" "$scratch/out" || fail "$*: no word of '$text'"
	done
}

ctl=("$txringctl" --control "$control")

# Command lines.
refuses --vhost "'maybe'" "default | require | disable" -- --vhost maybe
refuses --vhost "'qemu'" -- --vhost qemu
refuses --vhost-device "''" path -- --vhost-device ""
for value in "" x "3," 3,x -1 1.5 9999999; do
	refuses --vhost-fd "'$value'" -- --vhost-fd "$value"
	! $brief || break
done
for value in "" 0us 50 1us2 2s 1000001us 50ns us; do
	refuses --vhost-poll "'$value'" "1us to 1s" -- --vhost-poll "$value"
	! $brief || break
done
refuses --vhost-fd "--vhost disable" -- --vhost disable --vhost-fd 0
refuses --vhost-device "--vhost disable" -- --vhost disable --vhost-device "$none"
refuses --vhost-poll "--vhost disable" -- --vhost disable --vhost-poll 50us
refuses --vhost-fd --vhost-device -- --vhost-fd 0 --vhost-device "$none"
refuses --vhost-fd "2 fds" --queues -- --vhost-fd 0,1
refuses --vhost-fd "1 fd," "--queues is 2" -- --queues 2 --vhost-fd 0
refuses --vhost-fd --queues -- --queues 2 --vhost-fd 0,1 --nic --fd 0 --backend null --vhost-fd 2,3
refuses --control "''" characters -- --control ""
refuses --control "'$scratch/none/c'" "No such file" -- --control "$scratch/none/c"
echo precious >"$scratch/file"
refuses --control "'$scratch/file'" "no socket" -- --control "$scratch/file"
[ "$(cat "$scratch/file")" = precious ] || fail "a file was overwritten"

# require fails with the reason: no device, none that is vhost-net, a backend without a tap.
refuses "--vhost require" "$none" "No such file" "modprobe vhost_net" -- --vhost require --vhost-device "$none"
refuses "--vhost require" "fd 99 is not open" -- --vhost require --vhost-fd 99
refuses "--vhost require" "fd 0" "no vhost-net" -- --vhost require --vhost-fd 0 </dev/null
refuses "--vhost require" /dev/null "no vhost-net" -- --vhost require --vhost-device /dev/null
says "--vhost require" "backend null" -- "$txringd" --socket-path "$scratch/socket" --backend null --vhost require
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	mknod "$none" c 10 238 2>/dev/null && chmod 600 "$none"
	install -m 755 "$txringd" "$scratch/txringd"
	mkdir -m 777 "$scratch/run"
	chmod 755 "$scratch"
	ip tuntap add "$tap" mode tap vnet_hdr user 65534
	[ ! -e "$none" ] || says "--vhost require" "$none" "Permission denied" writable -- \
		setpriv --reuid=65534 --clear-groups "$scratch/txringd" --socket-path "$scratch/run/socket" \
		--backend "tap:$tap" --vhost require --vhost-device "$none"
	ip link del "$tap"
	rm -f "$none"
fi

# default goes on, and says why once; a wrong fd is no reason to die, either.
start --backend "tap:$tap" --vhost-device "$none" --control "$control"
[ "$(grep -c "vhost: driver user: $none: No such file" "$scratch/log")" = 1 ] || fail "no reason in the log"
[ "$(stat -c %a "$control")" = 600 ] || fail "the control socket's mode is $(stat -c %a "$control")"
asks "nic0: driver user: $none: No such file" "nic0: pair 0: driver user: $none" "nic0: vhost default" \
	"nic0: front-end none" "nic0: backend tap $tap" "nic0: tx mode iothread" "nic0: tx0 frames=0" \
	"nic0: handovers to kernel: n=0" -- show
asks "nic0: " -- show nic0
asks "driver user: $none" -- vhost off
says "nic0: driver user: $none: No such file" -- "${ctl[@]}" vhost on
[ ! -s "$scratch/out" ] || fail "vhost on says its reason twice"
says "no card 'nic1'" -- "${ctl[@]}" show nic1
says "no card 'nic1'" -- "${ctl[@]}" vhost off nic1
for command in "" bogus "show a b" "$(printf 'a%.0s' {1..255})"; do
	says "'show [NIC]'" -- "${ctl[@]}" "$command"
	! $brief || break
done
for command in vhost "vhost maybe" "vhost on a b"; do
	# shellcheck disable=SC2086
	says "'vhost on|off [NIC]'" -- "${ctl[@]}" $command
	! $brief || break
done
says "65536 bytes" -- "${ctl[@]}" show "$(printf 'a%.0s' {1..65536})"
# Another may not take it; one that was killed leaves a socket that does not matter.
says --control "'$control'" "in use" "process $daemon (" -- "$txringd" --socket-path "$scratch/other" --backend null --control "$control"
kill -KILL "$daemon"
wait "$daemon" 2>/dev/null
[ -S "$control" ] || fail "SIGKILL left no socket"
says --control "no txringd listens" -- "${ctl[@]}" show
start --backend null --control "$control" --vhost disable --nic --socket-path "$scratch/second" \
	--backend "tap:$tap" --vhost-fd 99
grep -qF "nic0: vhost: driver user: --vhost disable" "$scratch/log" || fail "no reason in the log"
grep -qF "nic1: vhost: driver user: fd 99 is not open" "$scratch/log" || fail "no reason in the log"
asks "nic0: driver user: --vhost disable" "nic1: driver user: fd 99 is not open" -- show
says "nic0: driver user: --vhost disable" -- "${ctl[@]}" vhost on nic0
says "nic1: driver user: fd 99" -- "${ctl[@]}" vhost on nic1
stop
says --control "No such file" -- "${ctl[@]}" show

# Where nothing was said of vhost, nothing is.
start --backend null
! grep -q vhost "$scratch/log" || fail "a word of vhost, which nobody asked for"
stop

# disable.
start --backend "tap:$tap" --control "$control" --vhost disable
says "--vhost disable" -- "${ctl[@]}" vhost on
# One that stands still keeps nobody for ever, neither who is connected nor who waits to be.
kill -STOP "$daemon"
waiting=()
for _ in {1..4}; do
	timeout 60 "${ctl[@]}" show 2>>"$scratch/late" &
	waiting+=($!)
done
for pid in "${waiting[@]}"; do
	wait "$pid"
	status=$?
	[ "$status" = 1 ] || fail "txringctl before a txringd that stands still: status $status"
done
grep -q "does not answer" "$scratch/late" || fail "nothing is said of a connection that nobody takes"
kill -CONT "$daemon"
says empty -- "${ctl[@]}" vhost off ""
stop

# Whoever may connect may look; only root and txringd's user may change anything.
chmod 711 "$scratch"
refuses --control "'9'" "mode" -- --control "$control,mode=9"
refuses --control "mode" "twice" -- --control "$control,mode=0600,mode=0666"
refuses --control "group" "twice" -- --control "$control,group=0,mode=0666,group=0"
start --backend null --control "$control,mode=0666"
[ "$(stat -c %a "$control")" = 666 ] || fail "the control socket's mode is not the one that was asked for"
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
if "${nobody[@]}" "${ctl[@]}" show >"$scratch/out" 2>"$scratch/err"; then
	grep -q "nic0: link up" "$scratch/out" || fail "nobody sees nothing"
	says "only root and the user" -- "${nobody[@]}" "${ctl[@]}" link down
	says "only root and the user" -- "${nobody[@]}" "${ctl[@]}" set nic0 burst=1
	asks "nic0: link up" "burst=256" -- show
else
	grep -q "cannot be executed\|Permission denied" "$scratch/err" || fail "nobody may not look"
fi
stop

# txringctl by itself.
says usage -- "$txringctl"
says "no --control was given" -- env XDG_RUNTIME_DIR=/nonexistent "$txringctl" show
says usage -- "$txringctl" --control "$control"
says "'--bogus'" -- "$txringctl" --bogus
says "'-xy'" -- "$txringctl" -xy
# shellcheck disable=SC2016
says stdout "No space left" -- sh -c '"$@" >/dev/full' sh "$txringctl" --help
says "'--control'" -- "$txringctl" --control
says --control characters -- "$txringctl" --control "" show
for arg in --help --version; do
	"$txringctl" "$arg" >"$scratch/out" 2>"$scratch/err" || fail "$arg: status $?"
	[ -s "$scratch/out" ] && [ ! -s "$scratch/err" ] || fail "$arg: not on stdout"
done

echo "$n commands"
exit "$bad"
