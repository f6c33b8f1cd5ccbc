#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: tests/net/run.sh qemu.sh TXRINGD TXRINGCTL TXBENCH
# QEMU's own vhost-user front-end in front of txringd, the kernel's vhost-net behind it: txbench plays the
# driver through QEMU's qtest socket, there is no guest. Frames come out at the tap while the kernel has
# the device, and while it is taken back and given again. Runs in tests/guest/vm. Nothing is measured,
# and nothing races: the load goes on until the hand-overs are over, and each waits for frames.
set -uo pipefail
txringd=$1
txringctl=$2
txbench=$3
qemu=qemu-system-x86_64
for program in "$qemu" /usr/bin/python3; do
	command -v "$program" >/dev/null || { echo "skipped: needs $program" && exit 77; }
done
scratch=$(mktemp -d)
control=$scratch/control
tap=txring0
pids=()
cleanup()
{
	local status=$?

	trap '' INT TERM
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null
	wait
	rm -rf "$scratch"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 143' INT TERM

fail()
{
	echo "FAILED: $1"
	tail -n 30 "$scratch"/{txringd,qemu,txbench}.log
	exit 1
}

# comes COMMAND...: it succeeds within a minute.
comes()
{
	local end=$((SECONDS + 60))

	until "$@"; do
		[ $SECONDS -lt $end ] || fail "$*: not within a minute"
		sleep 0.05
	done
}

show()
{
	"$txringctl" --control "$control" show
}

kernel_has_it()
{
	[[ $(show) == *"nic0: driver kernel"* ]]
}

user_has_it()
{
	[[ $(show) == *"nic0: driver user: vhost off was asked for"* ]]
}

# Frames that came out at the tap.
taken()
{
	awk -v name="$tap:" '$1 == name { print $3 }' /proc/net/dev
}

have_come()
{
	kill -0 "$bench" 2>/dev/null || fail "the load has ended"
	[ "$(taken)" -ge "$1" ]
}

# frames N: so many more come out.
frames()
{
	comes have_come $(($(taken) + $1))
}

touch "$scratch"/{qemu,txbench}.log
"$txringd" --socket-path "$scratch/socket" --backend "tap:$tap" --vhost require --control "$control" \
	2>"$scratch/txringd.log" &
pids+=($!)
comes grep -q "listening on" "$scratch/txringd.log"
ip link set "$tap" up || fail "no tap"

# 64 KiB of hlt; the CPU starts 16 bytes before the end: cli; hlt; jmp to the hlt.
{ head -c 65520 /dev/zero | tr '\0' '\364' && printf '\372\364\353\375' &&
	head -c 12 /dev/zero | tr '\0' '\364'; } >"$scratch/rom"
"$qemu" -nodefaults -no-user-config -display none -accel tcg -bios "$scratch/rom" \
	-M q35,memory-backend=mem -m 64 \
	-object "memory-backend-file,id=mem,size=64M,mem-path=$scratch/memory,share=on" \
	-qtest "unix:$scratch/qtest,server=on,wait=off" -qtest-log /dev/null \
	-chardev "socket,id=vu,path=$scratch/socket" -netdev vhost-user,id=n0,chardev=vu \
	-device virtio-net-pci,netdev=n0,disable-legacy=on,romfile= </dev/null 2>"$scratch/qemu.log" &
pids+=($!)
comes test -S "$scratch/qtest"

"$txbench" run --qtest "$scratch/qtest" --memory "$scratch/memory" --pid "${pids[1]}" --wire "$tap" \
	--load constant:100 --seconds 3000 --warm-up 0.1 --repeat 1 --state same-cpu --no-syscalls \
	--quiet -o "$scratch/result" >"$scratch/txbench.log" 2>&1 &
bench=$!
pids+=("$bench")
comes kernel_has_it
frames 40
for _ in 1 2 3; do
	"$txringctl" --control "$control" vhost off || fail "vhost off"
	comes user_has_it
	frames 40
	"$txringctl" --control "$control" vhost on || fail "vhost on"
	comes kernel_has_it
	frames 40
done
show
kill -TERM "$bench"
wait "$bench"
status=$?
[ "$status" = 130 ] || fail "txbench: status $status, not that of one that was stopped"

read -r sent wrong < <(/usr/bin/python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))["repetitions"][0]
print(r["frames"], r["lost"] + r["duplicated"] + r["reordered"])' "$scratch/result")
[ "${sent:-0}" -ge 280 ] || fail "${sent:-no} frames"
[ "${wrong:-1}" = 0 ] || fail "${wrong:-no} frames lost, doubled or out of order"
echo "$sent frames, each once and in order"
