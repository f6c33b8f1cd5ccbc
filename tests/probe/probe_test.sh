#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: probe_test.sh TXRINGCTL CORPUS
# txringctl probe: QEMUs that are scripts here, in each form of CORPUS; programs that hang, die, print without
# end, or are no QEMU; Debian's QEMU, where it is; the form of both outputs; what is wrong on the command line.
set -uo pipefail
txringctl=$1
corpus=$2
. "${BASH_SOURCE[0]%/*}/../net/refusals.sh"
trap 'rm -rf "$scratch"' EXIT
host=$(uname -m)
mkdir "$scratch/bin"

# fake NAME: a program that runs the lines on stdin.
fake()
{
	{ echo '#!/bin/bash' && cat; } >"$scratch/$1" && chmod +x "$scratch/$1"
}

# probe ARGUMENT...: status 0, and nothing on stderr.
probe()
{
	timeout 60 "$txringctl" probe "$@" >"$scratch/out" 2>"$scratch/err" || fail "probe $*: status $?"
	[ ! -s "$scratch/err" ] || fail "probe $*: writes to stderr"
	n=$((n + 1))
}

# answers NAME ANSWER: what the last probe said; ANSWER may go on.
answers()
{
	grep -qE "^  $1 +$2" "$scratch/out" || fail "$1 is not '$2'"
}

# Each form, on one stream or the other, and one on both; the device is known, the property or not.
fake qemu <<'EOF'
[ "$1" != -version ] || echo "QEMU emulator version 0.0"
[ "$1" != -device ] || eval "cat \"\$FORM\" $TO"
EOF
while read -r to form answer; do
	FORM=$corpus/$form TO=">&$to" probe --qemu "$scratch/qemu"
	answers tx "$answer" || echo "$form"
	# Of each form alone there is a unit test.
	! $brief || [ $n -lt 4 ] || break
done <<EOF
1 qemu-7.2 yes$
2 qemu-7.2 yes$
1 qemu-0.12 not asked: .*lists no properties
2 qemu-0.13 no: .*does not list it; .*<driver txmode=>
1 qemu-0.12-backport yes$
2 qemu-1.1 yes$
1 qemu-1.6 yes$
2 qemu-2.3 yes$
1 qemu-3.1 yes$
2 qemu-4.1 yes$
1 qemu-5.0 yes$
2 qemu-10 yes$
1 crlf yes$
2 near no:
1 no-options not asked:
EOF

# No QEMU: one line, and status 1; the host is asked all the same.
refused()
{
	local binary=$1

	shift
	says "$binary" "$@" -- "$txringctl" probe --qemu "$binary"
	grep -q '^this host' "$scratch/out" || fail "$binary: no word of the host"
	! grep -qF "$binary" "$scratch/out" || fail "$binary: answers"
}
echo "no program" >"$scratch/text"
chmod 644 "$scratch/text"
refused "$scratch/missing" "no such program"
refused txring-no-such-qemu "no such program"
refused "$scratch/text" "not executable"
refused "$scratch/bin" "not executable"
chmod 755 "$scratch/text"
refused "$scratch/text" "not a program"
refused true "no QEMU" "says ''"
refused echo "no QEMU" "-version"
fake dies <<<'echo virtio-net-pci.tx=str; kill -SEGV $$'
refused "$scratch/dies" "signal 11"
fake floods <<<'head -c 100M /dev/zero'
refused "$scratch/floods" "more than 1024 KiB"
fake floods_both <<<'yes virtio-net-pci.tx=str >&2 & yes'
refused "$scratch/floods_both" "more than 1024 KiB"

# Hangs: for ten seconds in all, with SIGTERM ignored, its output open or closed, or some of it now and then. Run at
# once, as each takes that long. What belongs to it ends as well, and is told by its odd argument.
mark=$((RANDOM % 1000 + 86400))
fake hangs <<<"trap '' TERM; sleep $mark.1 & sleep $mark.1"
fake hangs_closed <<<"echo virtio-net-pci.tx=str; exec >&- 2>&-; sleep $mark.1 & wait"
fake trickles <<<"sleep $mark.1 & while echo virtio-net-pci.tx=str; do sleep 0.05; done"
fake hangs_late <<<"[ \"\$1\" != -version ] || sleep $mark.1"
pids=()
start=$SECONDS
for name in hangs hangs_closed trickles hangs_late; do
	timeout 60 "$txringctl" probe --qemu "$scratch/$name" >"$scratch/$name.out" 2>"$scratch/$name.err" &
	pids+=($!)
done
for i in "${!pids[@]}"; do
	wait "${pids[i]}"
	[ $? = 1 ] || fail "hang $i: not status 1"
done
[ $((SECONDS - start)) -ge 9 ] || fail "a program that hangs has less than ten seconds"
[ $((SECONDS - start)) -le 40 ] || fail "a program that hangs takes $((SECONDS - start)) s"
for name in hangs hangs_closed trickles hangs_late; do
	n=$((n + 1))
	[ "$(wc -l <"$scratch/$name.err")" = 1 ] || fail "$name: not one line"
	grep -qF "$scratch/$name: it hangs: not done in 10 s" "$scratch/$name.err" ||
		fail "$name: $(cat "$scratch/$name.err")"
done

# It may leave a process that holds its output: that is not waited for, and ended.
fake leaves <<<"sleep $mark.1 & echo virtio-net-pci.tx=str"
start=$SECONDS
probe --qemu "$scratch/leaves"
answers tx 'yes$'
[ $((SECONDS - start)) -lt 9 ] || fail "waits for what holds the output open"
left=$(grep -lsz "^$mark[.]1\$" /proc/[0-9]*/cmdline | xargs -r -n 1 dirname)
[ -z "$left" ] || fail "processes are left: $left"

# One of two: the other is asked, and the status is 1.
export FORM=$corpus/qemu-7.2 TO=
says "$scratch/missing" -- "$txringctl" probe --qemu "$scratch/missing" --qemu "$scratch/qemu"
answers tx 'yes$'

# Without --qemu: those in PATH for this machine, each once.
mkdir "$scratch/empty"
case $host in i?86) host=i386 ;; armv*) host=arm ;; ppc64le) host=ppc64 ;; esac
ln -s "$scratch/qemu" "$scratch/bin/qemu-system-$host"
ln -s bin "$scratch/other"
fake bin/qemu-system-none <<<'echo asked >&2; kill -9 $$'
PATH=$scratch/bin:/usr/bin:/bin:$scratch/other probe
[ "$(grep -c '^/.*, virtio-net-pci:$' "$scratch/out")" = $((1 + $([ -x /usr/bin/qemu-system-"$host" ] && echo 1 || echo 0))) ] ||
	fail "not each QEMU of PATH, once"
ctl=$(realpath "$txringctl")
env PATH="$scratch/empty" "$ctl" probe >"$scratch/out" 2>"$scratch/err" || fail "no QEMU: status $?"
grep -q '^no QEMU' "$scratch/out" || fail "no QEMU: no word of it"

# The host: each line is an answer; a no has what lacks, and a remedy.
host_answers()
{
	for name in vhost-net io_uring hugepages memlock new-tap af-xdp-socket af-xdp-program af-xdp-native tun \
		tun-vnet-hdr tun-multi-queue tun-csum tun-tso4 tun-tso6 tun-ecn tun-ufo tun-uso macvtap; do
		answers "$name" '(yes(: [^;]+)?|(no|not asked): [^;]+; .+)$'
	done
}
probe --qemu "$scratch/qemu"
host_answers

# Without any right: what it takes is named, and what cannot be tried is not said to be missing.
none=(unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all "$@"' sh)
if "${none[@]}" true 2>/dev/null; then
	"${none[@]}" "$txringctl" probe --qemu "$scratch/qemu" >"$scratch/out" || fail "without rights: status $?"
	host_answers
	answers new-tap 'no: it takes CAP_NET_ADMIN;'
	answers af-xdp-socket 'no: it takes CAP_NET_RAW;'
	answers af-xdp-program 'no: it takes CAP_NET_ADMIN and CAP_BPF;'
	answers macvtap 'not asked: no right'
fi

# JSON has the same, and for a QEMU that could not be asked the error.
timeout 60 "$txringctl" probe --json --qemu "$scratch/qemu" --qemu "$scratch/missing" >"$scratch/out" 2>"$scratch/err"
[ $? = 1 ] || fail "--json with a QEMU that is missing: not status 1"
if command -v python3 >/dev/null; then
	python3 - "$scratch" <<'EOF' || fail "--json: not as documented"
import json, sys
scratch = sys.argv[1]
report = json.load(open(scratch + "/out"))
good, missing = report["qemus"]
assert good["binary"] == scratch + "/qemu", good["binary"]
assert good["virtio-net-pci"]["tx"] == {"answer": "yes"}
assert good["virtio-net-pci"]["host_uso"]["answer"] == "no"
assert good["virtio-net-pci"]["host_uso"]["remedy"]
assert missing["binary"] == scratch + "/missing" and "no such program" in missing["error"]
for name, line in report["host"].items():
    assert line["answer"] in ("yes", "no", "not asked"), name
    assert line["answer"] == "yes" or (line["says"] and line["remedy"]), name
EOF
fi

# What is wrong.
says_only "'--bogus'" -- "$txringctl" probe --bogus
says_only "'-x'" -- "$txringctl" probe -x
says_only "'--qemu'" -- "$txringctl" probe --qemu
says_only "--qemu ''" -- "$txringctl" probe --qemu ""
says_only "'surplus'" -- "$txringctl" probe surplus
says_only "at most 16" -- "$txringctl" probe $(printf -- '--qemu true %.0s' {1..17})
says_only "probe takes none here" -- "$txringctl" --control "$scratch/none" probe
says stdout "No space left" -- sh -c '"$@" >/dev/full' sh "$txringctl" probe --qemu "$scratch/qemu"
says stdout "No space left" -- sh -c '"$@" >/dev/full' sh "$txringctl" probe --json --qemu "$scratch/qemu"
probe --help
grep -q -- '--json' "$scratch/out" || fail "probe --help: no word of --json"
"$txringctl" --help | grep -qE '^  probe +[a-z]' || fail "--help: no word of probe"

# The real one: its own help, by another way, has the same names.
real=$(PATH=/usr/bin:/bin command -v "qemu-system-$host")
if [ -n "$real" ]; then
	probe --qemu "$real"
	for name in tx x-txtimer x-txburst rx_queue_size packed; do
		answers "$name" 'yes$'
	done
	"$real" -device virtio-net-pci,help >"$scratch/help" 2>&1
	while read -r name answer _; do
		listed=no:
		! grep -qE "^ +$name=<" "$scratch/help" || listed=yes
		[ "$answer" = "$listed" ] || fail "QEMU's help has $name: $listed, the probe says $answer"
	done < <(sed -n '/virtio-net-pci:$/,/^this host/s/^  //p' "$scratch/out")
fi

[ "$bad" = 0 ] || exit 1
if [ -z "$real" ]; then
	echo "skipped: $n cases are good, but a real one needs qemu-system-$host (qemu-system-x86)"
	exit 77
fi
echo "$n cases"
