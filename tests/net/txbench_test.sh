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
	start_txringd "$txringd" --socket-path "$sock" --backend "$1" --txmode "${2-iothread}" ||
		fail "txringd $*: does not come up"
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
target=(--socket-path "$sock" --state same-cpu)
run()
{
	rm -f "$json"
	timeout 120 "$txbench" run "${target[@]}" --seconds 0.1 --warm-up 0.02 --repeat 1 \
		--no-syscalls -o "$json" "$@" >"$scratch/out" 2>"$scratch/err"
}

# refuses TEXT... -- OPTION...: the same, of a run with target and wire.
refuses()
{
	local texts
	take_texts "$@"
	shift $((${#texts[@]} + 1))
	says_only "txbench: " "${texts[@]}" -- "$txbench" run --socket-path "$sock" --wire none "$@"
}

# refuses_run TEXT... -- OPTION...: the same, of any target.
refuses_run()
{
	local texts
	take_texts "$@"
	shift $((${#texts[@]} + 1))
	says_only "txbench: " "${texts[@]}" -- "$txbench" run "$@"
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
says_only "txbench: " "''" run show report diff history selftest nothing -- "$txbench"
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
for size in 59 1515 0 big 64x "" +64 " 64"; do
	refuses --size "'$size'" "60 to 1514" -- --size "$size"
done
refuses --size "'trace'" --load -- --size trace
for size in tcp: tcp:59 udp:1515 udp:+64 tcp:64x sctp:64; do
	refuses --size "'$size'" "60 to 1514" -- --size "$size"
done
# Of frames that may leave as one, none can be told from the others.
for options in "" "--load flood --watch" "--load flood --direction rr" "--load inflight:2"; do
	# shellcheck disable=SC2086
	refuses --size "'tcp:1514'" "--load flood" -- --wire lo --size tcp:1514 $options
done
for size in 1 65536 all +64 " 64"; do
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
for value in 10 2s -1us; do
	refuses --kick-cost "'$value'" "at most 1s" -- --kick-cost "$value"
done
refuses --cost "'0'" seconds -- --cost 0
refuses --state "'asleep'" "idle, spinner, neighbour, same-cpu" -- --state asleep
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
# Merged on their way, and counted as what they were.
for size in tcp:1514 udp:1514; do
	good "used" --wire "$tap" --load flood --size $size
	holds "r['load']['size'] == '$size'"
done
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
		--warm-up "$warm_up" --repeat 1 --state same-cpu --quiet -o "$json" 2>"$scratch/err" ||
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
# What a load costs with nobody at the wire; and a kick of a set price. Each kick is that of a
# frame, so with one in flight their prices add up.
good "published wire used" --wire "$tap" --load constant:2000 --cost 0.05
holds 't["frames"] == 200' 't["cost"]["frames"] == 100 and not t["cost"]["observed"]' 't["company"] is None' \
	'0 < t["cost"]["backend_ns"] < t["cost"]["wall_ns"]' '0 < t["cost"]["kick_ns"] < t["cost"]["driver_ns"]' \
	'r["load"]["cost_seconds"] == 0.05 and r["load"]["kick_cost_ns"] is None'
good "used" --wire "$tap" --load flood
holds 'not t["cost"]["observed"] and t["cost"]["frames"] == t["frames"]'
good "wire used" --wire "$tap" --load inflight:1 --kick-cost 300us
holds 't["cost"]["observed"]' 't["notifications"]["kicks"] > 10' \
	't["cost"]["kick_ns"] >= 300000 * t["notifications"]["kicks"]' 't["frames"] <= 0.4 / 300e-6'
holds 't["ring_fill"] == {"n": t["frames"], "sum": t["frames"]}' 'r["load"]["kick_cost_ns"] == 300000'
refuses --cost rr -- --wire lo --direction rr --cost 1
# Before anything is measured: nobody listens there.
says_only "txbench: " --output "'/nonexist/x.json'" "No such file" -- "$txbench" run --wire none \
	--socket-path "$scratch/nobody" -o /nonexist/x.json

# The table is shown by a program of its own, which gets the file or one in memory. What happens to it
# changes nothing else.
# table STATUS TEXT [OPTION...]: with that exit status of show.py
table()
{
	what="the table${3:+, ${*:3}}, status $1"
	cat >"$scratch/beside/show.py" <<-END
		import json, sys
		print(json.load(open(sys.argv[1]))["schema"], flush=True)
		sys.exit($1)
	END
	timeout 120 "$scratch/beside/txbench" run --socket-path "$sock" --wire "$tap" --seconds 0.05 --repeat 1 \
		--warm-up 0 --state same-cpu --no-syscalls "${@:3}" >"$scratch/out" 2>"$scratch/err" ||
		fail "$what: status $?"
	[ "$(cat "$scratch/out")" = txbench-2 ] || fail "$what: not shown"
	[ "$1" = 0 ] || grep -q "$2" "$scratch/err" || fail "$what: no word of '$2'"
	[ "$(wc -l <"$scratch/err")" = $(($1 != 0)) ] || fail "$what: too many lines"
}
mkdir "$scratch/beside"
cp "$txbench" "$scratch/beside/txbench"
table 0 "" -o "$json"
table 0 ""
table 3 "status 3"
rm "$scratch/beside/show.py"
what="no show.py"
"$scratch/beside/txbench" run --socket-path "$sock" --wire "$tap" --seconds 0.05 --repeat 1 --warm-up 0 \
	--state same-cpu --no-syscalls -o "$json" >"$scratch/out" 2>"$scratch/err" || fail "$what: status $?"
[ ! -s "$scratch/out" ] && [ "$(wc -l <"$scratch/err")" = 1 ] && grep -q "show.py is missing" "$scratch/err" ||
	fail "$what: not said in one line"
for command in show report diff history selftest; do
	says_only "txbench: " missing libexec -- "$scratch/beside/txbench" "$command" file
done

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
"$txbench" run --socket-path "$sock" --wire "$tap" --seconds 0.01 --repeat 1 --state same-cpu \
	--no-syscalls --quiet -o "$scratch/none/out.json" 2>"$scratch/err"
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

# The least possible device: every load of direction tx, every frame once and in order.
stop_daemon
ip tuntap add dev least0 mode tap vnet_hdr
least=(--ceiling least0 --backend-cpu 0)
target=("${least[@]}" --state same-cpu)
for load in constant:2000 poisson:20000 onoff:20000,1ms,9ms inflight:1 inflight:64; do
	open="published "
	case $load in inflight*) open= ;; esac
	good "${open}wire used" --load "$load" --size imix
done
good "published wire used call" --load constant:500 --calls each
good "wire used" --load flood --watch --cost 0.05
holds 'r["target"]["kind"] == "ceiling" and r["label"] == "ceiling" and r["host"]["backend_cpus"] == [0]' \
	'0 < t["cost"]["backend_ns"] < t["cost"]["wall_ns"]' 't["cost"]["frames"] > 0'
refuses_run --ceiling --backend-cpu -- --ceiling least0
refuses_run --ceiling "'none0'" "no such interface" -- --ceiling none0 --backend-cpu 0
refuses_run --ceiling "'v0'" tuntap -- --ceiling v0 --backend-cpu 0
refuses_run --ceiling rr -- "${least[@]}" --direction rr
refuses_run --ceiling --packed -- "${least[@]}" --packed

# Who else wants the back-end's CPU, and what they say.
if [ "$(nproc)" -gt 1 ]; then
	target=("${least[@]}")
	# A frame comes just when the device asks for kicks again: the look after that finds it.
	what="inflight:4 on two CPUs"
	for _ in 1 2 3 4 5; do
		run --quiet --load inflight:4 --cpu 1
		holds 'r["complete"] and t["lost"] == 0 and t["frames"] > 100'
	done
	for state in idle spinner neighbour; do
		what="--state $state"
		run --quiet --load poisson:1000 --cpu 1 --cost 0.1 --state "$state"
		holds 'r["complete"] and t["lost"] == 0' "r['load']['state'] == '$state'" \
			't["cost"]["busy_ns"] >= t["cost"]["backend_ns"]' "t['cost']['busy_from'] == '$state'"
		[ "$state" = idle ] || holds '0 < t["company"]["lost_ns"] <= t["company"]["wall_ns"]'
		run --quiet --load flood --cpu 1 --state "$state"
		holds 'r["complete"] and t["lost"] == 0'
		# It is asked for kicks only when it sleeps.
		[ "$state" != idle ] || holds 't["notifications"]["kicks"] < t["ring_fill"]["n"]'
	done
	refuses_run "'spinner'" "CPU 0" -- "${least[@]}" --cpu 0 --state spinner
fi

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
		--state same-cpu --warm-up 0 -o "$json" --quiet "${@:5}" 2>"$scratch/err" &
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
