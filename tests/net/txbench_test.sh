#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: run.sh txbench_test.sh TXBENCH TXRINGD
# txbench run against a txringd: every direction, load and way to end. No figure of time is judged,
# as others use the machine meanwhile; counts, stages, status and messages are. What is wrong gives
# status 1 and one line. Runs in a network namespace of its own.
set -uo pipefail
txbench=$1
txringd=$2
. "${BASH_SOURCE[0]%/*}/refusals.sh"
daemon=
cleanup()
{
	stop_daemon
	rm -rf "$scratch"
}
trap cleanup EXIT
sock=$scratch/socket
json=$scratch/out.json
tap=txbench0

# start_daemon BACKEND [TXMODE]
start_daemon()
{
	stop_daemon
	: >"$scratch/log"
	"$txringd" --socket-path "$sock" --backend "$1" --txmode "${2-iothread}" 2>"$scratch/log" &
	daemon=$!
	comes_up || fail "txringd $*: does not come up"
	[ "${1%%:*}" != tap ] || ip link set "${1#tap:}" up
}

stop_daemon()
{
	[ -n "$daemon" ] || return 0
	kill -CONT "$daemon" 2>/dev/null
	kill "$daemon" 2>/dev/null
	wait "$daemon" 2>/dev/null
	daemon=
}

# Short, and patient with a machine that is not ours alone.
run()
{
	rm -f "$json"
	timeout 120 "$txbench" run --socket-path "$sock" --seconds 0.1 --warm-up 0.02 --repeat 1 \
		--late-limit 60s --share-cpu --no-syscalls -o "$json" "$@" \
		>"$scratch/out" 2>"$scratch/err"
}

# refuses TEXT... -- OPTION...: the same, of a run with target and wire.
refuses()
{
	local texts
	take_texts "$@"
	shift $((${#texts[@]} + 1))
	says_only "txbench: " "${texts[@]}" -- "$txbench" run --socket-path "$sock" --wire none "$@"
}

# One Python for all questions: the name of a result file and an expression come in, one line each, and what that is
# goes out, of the result r and its first repetition t.
coproc python {
	exec python3 -uc '
import json, sys
for name, told in zip(sys.stdin, sys.stdin):
    try:
        r = json.load(open(name.rstrip("\n")))
        t = r["repetitions"][0] if r["repetitions"] else None
        print(eval(told))
    except Exception as e:
        print(repr(e))'
}

# ask EXPRESSION: its value, in one line, into answer
ask()
{
	printf '%s\n' "$json" "$1" >&"${python[1]}"
	read -r -t 60 answer <&"${python[0]}" || answer=nothing
}

# holds EXPRESSION...: each of them is true
holds()
{
	local told

	for told in "$@"; do
		ask "bool($told)"
		[ "$answer" = True ] || fail "$what: not true: $told ($answer)"
	done
}

# good STAGES OPTION...: status 0, complete, all frames there, and exactly these stages.
good()
{
	local stages=$1
	shift
	what="$*"
	run --quiet "$@" || fail "$*: status $?"
	[ ! -s "$scratch/out" ] && [ ! -s "$scratch/err" ] || fail "$*: --quiet, but says something"
	holds 'r["complete"] and not r["failed"] and t["frames"] > 0' \
		't["lost"] == 0 and not t["duplicated"] and not t["reordered"]' \
		"sorted(t['stages']) == sorted('$stages'.split())" \
		"all(s['n'] == t['frames'] for k, s in t['stages'].items() if k != 'call')" \
		'sum(t["timeline"]["frames"]) == t["frames"]'
}

# Programs.
says_only "txbench: " "''" run selftest report nothing -- "$txbench"
says_only "txbench: " "'frobnicate'" run -- "$txbench" frobnicate
for args in --help --version "run --help"; do
	# shellcheck disable=SC2086
	"$txbench" $args >"$scratch/out" 2>"$scratch/err" || fail "$args: status $?"
	[ -s "$scratch/out" ] && [ ! -s "$scratch/err" ] || fail "$args: not on stdout"
done

# Options.
refuses "'--bogus'" --help -- --bogus
refuses "'stray'" -- stray
refuses "'--load'" value -- --load
says_only "txbench: " target --socket-path --qtest -- "$txbench" run --wire none
says_only "txbench: " target -- "$txbench" run --socket-path a --qtest b --wire none
says_only "txbench: " --memory -- "$txbench" run --qtest "$sock" --wire none
says_only "txbench: " --wire interface -- "$txbench" run --socket-path "$sock"
refuses --wire "'nowhere0'" "no such interface" -- --wire nowhere0
refuses --wire "''" "no such interface" -- --wire ""
for load in "" fast constant constant: constant:0 constant:-1 constant:nan constant:1e99 poisson:1k \
	poisson:1,2 onoff:1 onoff:1000,1ms onoff:1000,1,1 onoff:1000,1ms,1h inflight inflight:0 \
	inflight:x trace trace: flood:1; do
	refuses --load "'$load'" -- --load "$load"
done
refuses --load "'inflight:257'" 256 -- --load inflight:257
for size in 59 1515 0 big 64x ""; do
	refuses --size "'$size'" "60 to 1514" -- --size "$size"
done
refuses --size "'trace'" --load -- --size trace
for size in 1 65536 all; do
	refuses --ring-size "'$size'" -- --ring-size "$size"
done
refuses --ring-size "'100'" "power of two" -- --ring-size 100
refuses --direction "'up'" "tx, rx, rr" -- --direction up
refuses --direction rx --wire -- --direction rx
refuses --calls "'some'" "linux, each, none" -- --calls some
refuses --watch none -- --watch
for value in 0 -1 1e9 soon inf 0x1; do
	refuses --seconds "'$value'" -- --seconds "$value"
done
refuses --repeat "'0'" "1 to" -- --repeat 0
refuses --seed "'-1'" "0 to" -- --seed -1
refuses --batch "'0'" "1 to" -- --batch 0
refuses --late-limit "'10'" 10us -- --late-limit 10
refuses --cpu "'1023'" CPUs -- --cpu 1023
refuses --pid "'0'" -- --pid 0

# Traces.
trace()
{
	local text=$1
	shift
	refuses "trace:$scratch/trace" "$text" -- --load "trace:$scratch/trace" "$@"
}
rm -f "$scratch/trace"
trace "No such file"
printf '0\n0.5\nhello\n' >"$scratch/trace"
trace "line 3"
printf '1\n0.5\n' >"$scratch/trace"
trace "line 2"
printf '\xd4\xc3\xb2\xa1\x02' >"$scratch/trace"
trace pcap
: >"$scratch/trace"
trace "no frame"
printf '0,64\n0.1,9000\n' >"$scratch/trace"
refuses --size 9000 1514 -- --load "trace:$scratch/trace" --size trace
printf '0,64\n0.1\n' >"$scratch/trace"
refuses --size length -- --load "trace:$scratch/trace" --size trace

# Back-ends that are not there, or are none.
says_only "txbench: " --socket-path "'$sock'" listens -- "$txbench" run --socket-path "$sock" --wire none
echo text >"$scratch/file"
says_only "txbench: " --socket-path "'$scratch/file'" -- "$txbench" run --socket-path "$scratch/file" --wire none

# What comes out of a tap, goes in, and back.
start_daemon "tap:$tap"
for load in constant:2000 poisson:2000 onoff:20000,1ms,9ms inflight:1 inflight:64; do
	open="published "
	case $load in inflight*) open= ;; esac
	good "${open}wire used" --wire "$tap" --load "$load"
	good "${open}received" --wire "$tap" --load "$load" --direction rx
	good "${open}wire used received" --wire "$tap" --load "$load" --direction rr --size imix
done
holds '"VERSION_1" in r["target"]["features"]' '"PROTOCOL_FEATURES" not in r["target"]["features"]'
good "used" --wire "$tap" --load flood
holds 't["duplicated"] is None and t["reordered"] is None'
good "wire used" --wire "$tap" --load flood --watch
good "received" --wire "$tap" --load flood --direction rx --size 1514
good "wire used received" --wire "$tap" --load flood --direction rr --size 1514
good "published wire used" --wire "$tap" --packed --ring-size 100
good "published wire used" --wire "$tap" --no-event-idx --calls none
good "published wire used call" --wire "$tap" --load constant:500 --calls each
holds 't["stages"]["call"]["n"] > 0 and t["notifications"]["calls"] > 0'
printf '0,64\n0.01,1514\n0.01,100\n' >"$scratch/trace"
good "published wire used" --wire "$tap" --load "trace:$scratch/trace" --size trace
holds 't["frames"] == 3 and t["bytes"] == 64 + 1514 + 100'
good "published wire used" --wire "$tap" --load constant:2000 --repeat 3
holds 'len(r["repetitions"]) == 3 and all(x["frames"] == 200 for x in r["repetitions"])'
# A load so thin that nothing of it falls into a repetition.
what="no frame in time"
run --wire "$tap" --load poisson:0.001 --quiet
[ $? = 1 ] || fail "$what: status is not 1"
grep -q "no frame was due" "$scratch/err" || fail "$what: not said"
[ "$(wc -l <"$scratch/err")" = 1 ] || fail "$what: not one line"
holds 'not r["complete"] and not r["repetitions"]'
# System calls of a frame are the same however long the warm-up was. A ping-pong, as frames of other
# loads share some.
what="system calls"
per_frame=()
for warm_up in 0 0.5; do
	timeout 120 "$txbench" run --socket-path "$sock" --wire "$tap" --load inflight:1 --seconds 0.1 \
		--warm-up "$warm_up" --repeat 1 --share-cpu --quiet -o "$json" 2>"$scratch/err" ||
		fail "$what: status $?"
	ask 't["syscalls"] / t["frames"] if t["syscalls"] is not None else 0'
	per_frame+=("$answer")
done
if [ "${per_frame[0]}" = 0 ]; then
	echo "skipped: system calls: needs CAP_SYS_ADMIN and the trace point raw_syscalls:sys_enter"
else
	awk -v a="${per_frame[0]}" -v b="${per_frame[1]}" 'BEGIN { exit !(a > 1 && b > a / 2 && b < a * 2) }' ||
		fail "$what: ${per_frame[*]} of a frame, without and with a warm-up"
fi
# A seed is a set of random moments.
what="--seed"
seeds=()
for seed in 7 7 8; do
	run --wire "$tap" --load poisson:20000 --seed "$seed" --quiet
	ask 't["frames"]'
	seeds+=("$answer")
done
[ "${seeds[0]-none}" = "${seeds[1]-}" ] && [ "${seeds[1]-}" != "${seeds[2]-}" ] ||
	fail "$what 7, 7 and 8: ${seeds[*]} frames"
run --wire "$tap" || fail "a table: status $?"
grep -q wire "$scratch/out" || fail "no table"

# An interface that nothing comes out of.
ip link add v0 type veth peer name v1
ip link set v0 up
ip link set v1 up
what="a wire elsewhere"
run --wire v0 --quiet
[ $? = 1 ] || fail "$what: status is not 1"
grep -q "'v0'" "$scratch/err" || fail "$what: not named"
[ "$(wc -l <"$scratch/err")" = 1 ] || fail "$what: not one line"
holds 'not r["complete"]'
what="--wire loop of a tap"
run --wire loop --quiet
[ $? = 1 ] || fail "$what: status is not 1"
grep -q "rx ring" "$scratch/err" || fail "$what: not said"
# A file that cannot be written.
what="-o into nowhere"
"$txbench" run --socket-path "$sock" --wire "$tap" --seconds 0.01 --repeat 1 --late-limit 60s \
	--share-cpu --no-syscalls --quiet -o "$scratch/none/out.json" 2>"$scratch/err"
[ $? = 1 ] || fail "$what: status is not 1"
grep -qF "'$scratch/none/out.json'" "$scratch/err" || fail "$what: not named"

# Loop and null.
start_daemon loop timer,delay=50us
good "published used received" --wire loop
good "used received" --wire loop --load flood
good "used received" --wire loop --load inflight:1 --direction rr --packed
good "received" --wire loop --load inflight:8 --direction rx
start_daemon null poll
good "used" --wire none --load flood
good "published used" --wire none --load constant:20000 --packed

# Ways to end early: what was measured is kept.
# taken: frames that the tap has taken in.
taken()
{
	awk -v name="$tap:" '$1 == name { print $3 }' /proc/net/dev
}

has_taken()
{
	[ "$(taken)" -ge "$1" ]
}

is_gone()
{
	! kill -0 "$1" 2>/dev/null
}

# early SIGNAL STATUS WORD WHO [OPTION...]: in the midst of a run without end that signal goes to txbench
# or to the daemon.
early()
{
	what="$1 to the $4${5:+, ${*:5}}"
	rm -f "$json"
	"$txbench" run --socket-path "$sock" --wire "$tap" --load constant:1000 --seconds 3000 --repeat 2 \
		--late-limit 1000s --share-cpu --warm-up 0 -o "$json" --quiet "${@:5}" 2>"$scratch/err" &
	local bench=$! to
	comes has_taken $(($(taken) + 300)) || fail "$what: no frames"
	to=$bench
	[ "$4" = txbench ] || to=$daemon
	kill "-$1" "$to"
	comes is_gone "$bench"
	kill -KILL "$bench" 2>/dev/null && fail "$what: it does not end"
	wait "$bench"
	[ $? = "$2" ] || fail "$what: status is not $2"
	[ "$(wc -l <"$scratch/err")" = 1 ] || fail "$what: not one line"
	grep -q "$3" "$scratch/err" || fail "$what: no word of '$3'"
	holds 'not r["complete"] and r["incomplete"] and t["frames"] > 100' "t['stages']['used']['n'] > 100"
}
start_daemon "tap:$tap"
early INT 130 interrupted txbench
early TERM 130 interrupted txbench
early STOP 1 stalled daemon
# Frames are due and a call is owed when it comes.
start_daemon "tap:$tap" timer,delay=100ms
early INT 130 interrupted txbench --calls each
start_daemon "tap:$tap"
early KILL 1 "hung up" daemon

echo "$n wrong command lines"
exit "$bad"
